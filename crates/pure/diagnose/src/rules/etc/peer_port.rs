//! # ETC010 Members live but can't reach each other's peer port
//!
//! class: etcd-peer-port-blocked
//!
//! ## What it sees
//! Timeouts to port 2380 of a peer that is known to live: its own log is in the evidence, its client
//! port answers, its node is ready, another port of it answers; or a firewall rule that drops 2380.
//! Where one member alone gets no answer, it is a question. A peer that is active again afterwards was away.
//!
//! ## Why it matters
//! Members that can't talk can't elect a leader or catch up, although every machine is well. Timeouts
//! (not refusals) mean that packets are dropped on the way.
//!
//! ## What to do
//! Open 2379–2380/tcp between the servers, in both directions: host firewall, cloud security group,
//! VLAN.
//!
//! ## What not to do
//! Do not reset or re-create members: nothing is wrong with their data.

use std::collections::BTreeSet;

use defib_model::Evidence;
use defib_model::fact::{Answer, Fact, Reach, Value};

use crate::analysis::etcd::{self, entity, explain_all};
use crate::analysis::host::{self, Told, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC010",
    class: "etcd-peer-port-blocked",
    needs: &[],
    leads_to: &[K::DatastoreFailing, K::JoinFailing, K::ServiceFailing],
    check,
};

const TIMEOUT: &[&str] = &[
    "i/o timeout",
    "connection timed out",
    "deadline exceeded",
    "no route to host",
    "Client.Timeout",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let drops = host::lines(
        cx,
        &[
            "firewall.drops-peer",
            "firewall.drops-peer-rule",
            "firewall.drops-peer-nft",
        ],
        "a firewall drops the peer port",
    );
    let late: Vec<Told<'_>> = host::lines(
        cx,
        &[
            "etcd.peer-unhealthy",
            "etcd.peer-health-check",
            "etcd.peer-version",
        ],
        "packets to the peer port get no answer",
    )
    .into_iter()
    .filter(|l| {
        let why = l.line.groups.get(1).map(String::as_str).unwrap_or_default();
        TIMEOUT.iter().any(|t| why.contains(t))
    })
    .collect();
    let addresses: BTreeSet<&str> = late
        .iter()
        .filter_map(|l| dialled(l.line.groups.get(1)?))
        .collect();
    let ends = etcd::endpoints(cx);
    let answers: Vec<_> = ends
        .iter()
        .filter(|(address, (well, _))| *well && addresses.contains(address.as_str()))
        .map(|(_, (_, f))| cx.fact(f, "the member lives: its client port answers"))
        .collect();
    // Two members that both wait for the other are both alive.
    let waiting: BTreeSet<&str> = late
        .iter()
        .filter_map(|l| {
            l.line
                .text
                .split_ascii_whitespace()
                .find(|w| w.ends_with(':'))
        })
        .collect();
    let both = etcd::speakers(cx).len() >= 2 && waiting.len() >= 2;
    let ready = cx.cluster.nodes.iter().any(|n| {
        n.ready() == Some("True")
            && n.status
                .addresses
                .iter()
                .any(|a| addresses.contains(a.address.as_str()))
    });
    let tried = tried(cx);
    let speaks = speaks(cx, &late, &addresses);
    let points = match (drops.is_empty(), late.is_empty()) {
        _ if !tried.is_empty() => 88,
        (false, false) => 90,
        (false, true) => 80,
        (true, false) if !answers.is_empty() || both || ready || !speaks.is_empty() => 75,
        _ => {
            perhaps(cx, out);
            return;
        }
    };
    let f = RULE
        .on(entity())
        .title("members of etcd live, but the peer port 2380 between them is blocked")
        .why("They can't agree on anything, although each machine is well.")
        .term(
            points,
            "packets to the peer port vanish, while the member is known to live",
        )
        .cite_all(quotes(&drops))
        .cite_all(quotes(&late))
        .cite_all(answers)
        .cite_all(quotes(&speaks))
        .cite_all(tried)
        .safe(
            "Does the port answer, from each server to each?",
            "nc -zvw3 PEER 2380; nft list ruleset | grep -n 2380; iptables -S | grep -n 2380",
        )
        .advice("Open 2379-2380/tcp between the servers, both ways.")
        .dont("Don't reset or re-create members: their data is well.");
    out.push(explain_all(f, cx));
}

/// Seconds between a dial that gets no answer and a word of the machine that was dialled.
const MEANWHILE: i64 = 1800;

/// The member that gets no packets writes itself that it can't publish who it is: its machine is on.
fn speaks<'c>(cx: &'c Context<'_>, late: &[Told<'_>], addresses: &BTreeSet<&str>) -> Vec<Told<'c>> {
    let meanwhile = |l: &Told<'_>| {
        let Some(at) = l.line.time else { return true };
        let mut times = late.iter().filter_map(|d| d.last.or(d.line.time));
        times.any(|t| (t.as_second() - at.as_second()).abs() <= MEANWHILE)
    };
    host::lines(
        cx,
        &["etcd.publish-failed"],
        "the member that is dialled speaks: its machine is on",
    )
    .into_iter()
    .filter(|l| {
        addresses
            .iter()
            .any(|a| l.text.contains(&format!("//{a}:")))
    })
    .filter(meanwhile)
    .collect()
}

/// One member alone gets no answer: from there a filtered port and a machine that is off look the same.
fn perhaps(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let peers = etcd::unanswered(cx);
    let (Some(address), Some(lines)) = (peers.keys().next(), peers.values().next()) else {
        return;
    };
    out.push(
        RULE.on(entity())
            .title(format!("the peer port 2380 of {address} may be filtered"))
            .term(
                40,
                "packets to it vanish; whether the machine lives is not in the evidence",
            )
            .cite_all(quotes(lines))
            .undecided(
                format!(
                    "Does {address} answer from the other members, and does etcd listen there?"
                ),
                command!(
                    "ping -c3 {}; nc -zvw3 {} 22; nc -zvw3 {} 2380; ssh {} ss -ltn",
                    address,
                    address,
                    address,
                    address
                ),
                &["host-down", "etcd-peer-port-blocked", "etcd-member-down"],
            ),
    );
}

/// Somebody tried: the peer port of a host does not answer, another port of it does.
fn tried(cx: &Context<'_>) -> Vec<Evidence> {
    let tries: Vec<(&Fact, &Reach)> = host::facts(cx, |v| match v {
        Value::Reach(r) => Some(r),
        _ => None,
    })
    .collect();
    let shut = |r: &Reach| r.port == Some(2380) && r.answer == Answer::Silent;
    let open = |r: &Reach, target: &str| {
        r.target == target && r.port != Some(2380) && r.answer == Answer::Well
    };
    let mut out = Vec::new();
    for (fact, r) in tries.iter().filter(|(_, r)| shut(r)) {
        if let Some((other, _)) = tries.iter().find(|(_, o)| open(o, &r.target)) {
            out.push(cx.fact(fact, "the peer port does not answer"));
            out.push(cx.fact(other, "the host does"));
        }
    }
    out
}

/// The address of `dial tcp 10.0.0.2:2380: i/o timeout`.
fn dialled(why: &str) -> Option<&str> {
    let at = why.find("dial tcp ")? + 9;
    let rest = why.get(at..)?;
    rest.split(':').next().filter(|_| rest.contains(":2380"))
}
