//! # ETC014 The node's address is not the one registered for it
//!
//! class: node-ip-changed
//!
//! ## What it sees
//! `not a member of the etcd cluster. Found […], expect: …` where the list has the same name with
//! another address; k3s that can't listen on an address the host does not have; a kubelet whose node IP
//! is on no interface; etcd's list against the host's own addresses.
//!
//! ## Why it matters
//! etcd knows the server by its peer address, certificates and load balancers by its IP. With another
//! one it is a stranger to its own cluster.
//!
//! ## What to do
//! Give the machine its old address back (a DHCP lease, a second interface that came up first, `node-
//! ip` in the config). If it must be new: `--cluster-reset` on a single server, else remove and join
//! again.
//!
//! ## What not to do
//! Do not wipe the data: it is well. Do not reset a server of a cluster whose others live.

use std::collections::BTreeMap;

use defib_model::Evidence;
use defib_model::fact::Value;

use crate::analysis::etcd::{change, host_of, members, node_of};
use crate::analysis::host::{self, TROUBLES, Told, called, entity, facts, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC014",
    class: "node-ip-changed",
    needs: &[],
    leads_to: &[K::DatastoreFailing, K::JoinFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut found: BTreeMap<EntityId, (i32, String, Vec<Evidence>)> = BTreeMap::new();
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.not-a-member"],
        "the same name is registered with another address",
    )) {
        let changed: Vec<Told<'_>> = lines.into_iter().filter(|l| change(l).is_some()).collect();
        if let Some((old, new)) = changed.first().and_then(change) {
            found.insert(
                host,
                (
                    92,
                    format!("is registered with {old} and now has {new}"),
                    quotes(&changed),
                ),
            );
        }
    }
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.node-ip-absent", "k3s.node-ip-nowhere"],
        "the address is on no interface of the host",
    )) {
        let ip = lines.iter().map(|l| l.group(0)).find(|ip| !ip.is_empty());
        let ip = ip.unwrap_or("the node's address");
        found
            .entry(host)
            .or_insert_with(|| (85, format!("has no interface with {ip}"), quotes(&lines)));
    }
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.cannot-assign"],
        "the host does not have this address",
    )) {
        let own: Vec<Told<'_>> = lines
            .into_iter()
            .filter(|l| {
                matches!(
                    l.line.groups.get(1).map(String::as_str),
                    Some("2379" | "2380" | "6443" | "10250")
                )
            })
            .collect();
        if let Some(first) = own.first() {
            let ip = first.line.groups.first().cloned().unwrap_or_default();
            found
                .entry(host)
                .or_insert_with(|| (85, format!("no longer has the address {ip}"), quotes(&own)));
        }
    }
    listed(cx, &mut found);
    for (host, (points, what, evidence)) in found {
        out.push(
            RULE.on(host.clone())
                .title(format!("{} {what}", called(&host)))
                .why("etcd knows a server by its address; with another one it is a stranger to its own cluster.")
                .term(points, "what is registered and what the host has differ")
                .cite_all(evidence)
                .explains_observed(cx, TROUBLES, &host)
                .safe("What does it have, and what was registered?", "ip -br address; ip route; grep -rn node-ip /etc/rancher/k3s; etcdctl member list -w table")
                .advice("Give it the old address back: DHCP lease, order of interfaces, or node-ip in config.yaml.")
                .check_first("If it must be new, and it is the only server.", "systemctl stop k3s && k3s server --cluster-reset && systemctl start k3s")
                .dont("Don't wipe its data: it is well.")
                .dont("Don't reset one of several servers while the others live: remove it there and let it join again."),
        );
    }
}

/// A member of this host's name with an address that none of its interfaces has.
fn listed(cx: &Context<'_>, found: &mut BTreeMap<EntityId, (i32, String, Vec<Evidence>)>) {
    let addresses: Vec<_> = facts(cx, |v| match v {
        Value::Address(_, ip, _) => Some(ip.as_str()),
        _ => None,
    })
    .filter(|(f, _)| !f.host.is_empty())
    .collect();
    for (fact, member) in members(cx) {
        let node = node_of(&member.name);
        let own: Vec<_> = addresses
            .iter()
            .filter(|(f, ip)| f.host == node && !ip.starts_with("127.") && *ip != "::1")
            .collect();
        let registered: Vec<&str> = member.peers.iter().map(|p| host_of(p)).collect();
        let Some(old) = registered.first().filter(|_| !own.is_empty()) else {
            continue;
        };
        if own.iter().any(|(_, ip)| registered.contains(ip)) {
            continue;
        }
        let mut evidence = vec![cx.fact(fact, "the address that is registered")];
        evidence.extend(
            own.iter()
                .map(|(f, _)| cx.fact(f, "an address that the host has")),
        );
        found.entry(entity(node)).or_insert_with(|| {
            (
                75,
                format!("is registered with {old}, which it does not have"),
                evidence,
            )
        });
    }
}
