//! # CNI005 The host has no usable default route
//!
//! class: no-default-route
//!
//! ## What it sees
//! k3s, the API server or flannel that can't choose an address or interface from the default routes, and
//! the table of routes where it is shown.
//!
//! ## Why it matters
//! k3s takes the node's address and flannel its interface from the default route. Without one (an isolated
//! network, a static configuration without a gateway, two next hops instead of one) they end.
//!
//! ## What to do
//! Give the host a default route, if need be to a dummy interface (k3s' airgap guide has the commands), or
//! name address and interface: `--node-ip`, `--flannel-iface`.
//!
//! ## What not to do
//! Do not re-install: the next start fails the same way.

use std::collections::BTreeMap;

use crate::analysis::host::{self, called};
use crate::rules::prelude::*;
use defib_model::fact::{Fact, Route, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI005",
    class: "no-default-route",
    needs: &[],
    leads_to: &[K::ServiceFailing, K::HostNetworkFailing],
    check,
};

/// A route as it was printed.
type Row<'c> = (&'c Fact, &'c Route);

/// A listing that shows all routes of the main table.
fn is_whole(command: &str) -> bool {
    let words: Vec<&str> = command
        .split_whitespace()
        .filter(|w| *w != "sudo")
        .collect();
    matches!(
        words.as_slice(),
        ["ip", "r" | "ro" | "route"]
            | ["ip", "-4", "r" | "ro" | "route"]
            | [
                "ip",
                "r" | "ro" | "route",
                "s" | "sh" | "show" | "list" | "ls"
            ]
            | ["route", "-n"]
            | ["route"]
            | ["netstat", "-rn" | "-nr"]
    )
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let words = host::lines(
        cx,
        &["route.none", "route.no-interface"],
        "it takes its address from the default route, and finds none",
    );
    let mut tables: BTreeMap<(u32, &str, &str), Vec<Row<'_>>> = BTreeMap::new();
    for (fact, route) in host::facts(cx, |v| match v {
        Value::Route(r) => Some(r),
        _ => None,
    }) {
        tables
            .entry((fact.entry, &fact.host, &fact.command))
            .or_default()
            .push((fact, route));
    }
    let mut shown: Vec<(&str, Vec<&Fact>, &str)> = Vec::new();
    for ((_, at, command), routes) in &tables {
        let defaults: Vec<&Row<'_>> = routes.iter().filter(|(_, r)| r.to == "default").collect();
        // Where flannel's interface is there, it was told which one to use.
        let runs = routes
            .iter()
            .any(|(_, r)| r.dev.starts_with("flannel") || r.dev.starts_with("cni"));
        if defaults.is_empty() && is_whole(command) && !runs {
            let all = routes.iter().take(5).map(|(f, _)| *f).collect();
            shown.push((at, all, "none of all routes is the default"));
        } else if !defaults.is_empty()
            && defaults
                .iter()
                .all(|(_, r)| r.multipath || r.dev.is_empty())
        {
            let others = routes.iter().filter(|(_, r)| r.to != "default");
            let list = defaults
                .iter()
                .copied()
                .chain(others)
                .take(5)
                .map(|(f, _)| *f)
                .collect();
            shown.push((at, list, "several next hops, and no interface of its own"));
        }
    }
    let hosts = host::by_host(words);
    for (id, lines) in &hosts {
        let mut finding = found(id)
            .term(88, "the program says so")
            .cite_all(lines.iter().map(|l| l.evidence.clone()));
        for (_, facts, meaning) in shown
            .iter()
            .filter(|(at, _, _)| host::same_host(at, id.name()))
        {
            finding = finding.cite_all(facts.iter().map(|f| cx.fact(f, *meaning)));
        }
        out.push(host::claim(
            cx,
            finding,
            id,
            lines,
            &[K::HostNetworkFailing, K::JoinFailing, K::ServiceFailing],
        ));
    }
    if hosts.is_empty() {
        for (at, facts, meaning) in shown {
            let id = host::entity(at);
            out.push(
                found(&id)
                    .term(70, meaning)
                    .cite_all(facts.iter().map(|f| cx.fact(f, meaning)))
                    .explains_if(cx, K::HostNetworkFailing, &id)
                    .explains_if(cx, K::ServiceFailing, &id),
            );
        }
    }
}

fn found(id: &EntityId) -> Finding {
    RULE.on(id.clone())
        .title(format!("{} has no usable default route", called(id)))
        .why("k3s takes the node's address, and flannel its interface, from the default route.")
        .safe("Which routes are there?", "ip route; ip -6 route; ip -br addr")
        .check_first("Give it one, if need be to a dummy interface.", "ip link add dummy0 type dummy; ip link set dummy0 up; ip addr add 203.0.113.254/31 dev dummy0; ip route add default via 203.0.113.255 dev dummy0 metric 1000")
        .advice("Or name them: node-ip and flannel-iface in /etc/rancher/k3s/config.yaml.")
        .dont("Don't re-install: the next start fails the same way.")
}
