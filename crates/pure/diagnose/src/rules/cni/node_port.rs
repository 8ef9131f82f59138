//! # CNI014 A firewall of a host rejects one port of it
//!
//! class: host-firewall-blocks-node-port
//!
//! ## What it sees
//! `No route to host` from one port of a host, where the answer came at once, or where the same host answers on
//! another port, or listens on this one. From an address that is only silent nothing follows.
//!
//! ## Why it matters
//! firewalld and iptables' REJECT answer with an ICMP message that programs show as a missing route. A route
//! that is really missing fails for all ports, and a host that is gone fails after seconds. People check routes,
//! IPv6 and the service, while the port is only not allowed; ufw may be off and firewalld still run.
//!
//! ## What to do
//! Open the port on that host for the other nodes (6443, 9345, 2379-2380, 10250 by TCP, 8472 by UDP), or switch the
//! firewall off.
//!
//! ## What not to do
//! Do not change routes or addresses, and do not open the ports for everybody.

use crate::analysis::addr::Net;
use crate::analysis::host::{self, Told};
use crate::rules::prelude::*;
use defib_model::Evidence;
use defib_model::fact::{Answer, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI014",
    class: "host-firewall-blocks-node-port",
    needs: &[],
    leads_to: &[K::JoinFailing, K::ServiceFailing],
    check,
};

/// An address that nobody has takes seconds to fail: the kernel asks three times who has it.
/// Source: Linux `net/ipv4/arp.c` (mcast_solicit, retrans_time).
const AT_ONCE: u64 = 900;

/// Ranges of pods and Services: what rejects there is about pods.
fn is_pods(host: &str) -> bool {
    let ranges = [
        "10.42.0.0/16",
        "10.43.0.0/16",
        "10.96.0.0/12",
        "10.244.0.0/16",
    ];
    Net::parse(host).is_some_and(|ip| {
        ranges
            .iter()
            .filter_map(|r| Net::parse(r))
            .any(|r| r.overlaps(ip))
    })
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let rejected: Vec<Told<'_>> = host::lines(
        cx,
        &["client.no-route", "net.no-route"],
        "this port of the host answers as if there were no route",
    )
    .into_iter()
    // etcd's own port has a rule of its own.
    .filter(|l| !is_pods(l.group(0)) && l.group(1) != "2380")
    .collect();
    let mut seen: Vec<(String, String)> = Vec::new();
    for line in &rejected {
        let (target, port) = (line.group(0), line.group(1));
        let key = (target.to_owned(), port.to_owned());
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        if is_gone(cx, target) || was_slow(cx, target) {
            continue;
        }
        let fast = at_once(cx, line, port);
        let answers = answers(cx, target, port);
        if fast.is_none() && answers.is_none() {
            continue;
        }
        let both = fast.is_some() && answers.is_some();
        let mut finding = RULE
            .on(host::entity(target))
            .key(port)
            .title(format!("a firewall rejects port {port} of {target}"))
            .why("A reject looks like a missing route; a route that is missing fails for all ports, and only after seconds.")
            .term(
                if both { 88 } else { 80 },
                if fast.is_some() {
                    "the refusal came at once, as only a reject does"
                } else {
                    "the same host answers otherwise"
                },
            )
            .cite(line.evidence.clone())
            .cite_all(fast)
            .cite_all(answers)
            .safe(
                "On that host: which firewall runs, and what does it reject?",
                "systemctl is-active firewalld ufw nftables; firewall-cmd --list-all; iptables -S | grep -iE 'reject|drop'",
            )
            .check_first(
                "Open the port for the other nodes.",
                command!("firewall-cmd --permanent --add-port={}/tcp && firewall-cmd --reload", port),
            )
            .dont("Don't change routes or addresses, and don't open the ports for everybody.");
        let caller = &line.host;
        finding = finding.explains_observed(cx, &[K::JoinFailing, K::ServiceFailing], caller);
        out.push(finding);
    }
}

/// Did the host not answer a ping either?
fn is_gone(cx: &Context<'_>, target: &str) -> bool {
    let mut pings = host::facts(cx, |v| match v {
        Value::Reach(r) if r.target == target && r.port.is_none() => Some(r.answer),
        _ => None,
    });
    pings.any(|(_, answer)| answer == Answer::Silent) && !host::answers_on_a_port(cx, target)
}

/// Did an attempt wait for an answer to "who has it"? Those that follow at once only repeat what is known by then.
fn was_slow(cx: &Context<'_>, target: &str) -> bool {
    let lines = host::lines(cx, &["client.gave-up"], "");
    let slow = |ms: &str| ms.parse::<u64>().is_ok_and(|ms| ms >= AT_ONCE);
    lines
        .iter()
        .any(|l| l.group(0) == target && slow(l.group(2)))
}

/// curl counts the milliseconds in the line behind.
fn at_once(cx: &Context<'_>, line: &Told<'_>, port: &str) -> Option<Evidence> {
    host::lines(
        cx,
        &["client.gave-up"],
        "and it came at once: somebody there rejects",
    )
    .into_iter()
    .find(|l| {
        l.entry == line.entry
            && l.line.line >= line.line.line
            && l.line.line <= line.line.line + 4
            && l.group(1) == port
            && l.group(2).parse::<u64>().is_ok_and(|ms| ms < AT_ONCE)
    })
    .map(|l| l.evidence)
}

/// The host is there: it answered on another port, or to a ping.
fn answers(cx: &Context<'_>, target: &str, port: &str) -> Option<Evidence> {
    host::facts(cx, |v| match v {
        Value::Reach(r) if r.target == target && r.answer == Answer::Well => Some(r.port),
        _ => None,
    })
    .find(|(_, p)| p.is_none_or(|p| p.to_string() != port))
    .map(|(fact, _)| cx.fact(fact, "the host is there, and answers otherwise"))
}
