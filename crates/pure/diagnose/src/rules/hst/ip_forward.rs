//! # HST027 The host does not forward packets
//!
//! class: ip-forward-off
//!
//! ## What it sees
//! `net.ipv4.ip_forward = 0`, or the bridge's `bridge-nf-call-iptables = 0`, as a setting or in a preflight
//! check; a pod of k3s' service load balancer that reads 0 and ends.
//!
//! ## Why it matters
//! Pods of the host reach nothing outside it, and Services do not work for pods of the same node. Something
//! (a hardening role, `sysctl --system` after an update, a firewall) sets it back after k3s has set it.
//!
//! ## What to do
//! Set it, then find which file in /etc/sysctl.d switches it off and change that.
//!
//! ## What not to do
//! Do not only set it by hand: the next boot has it off again.

use std::collections::BTreeMap;

use crate::analysis::host;
use crate::rules::prelude::*;
use defib_model::fact::{Fact, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST027",
    class: "ip-forward-off",
    needs: &[],
    leads_to: &[K::HostNetworkFailing],
    check,
};

const NAMES: &[&str] = &[
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // Of several files the last one read wins, as it does in the kernel.
    let mut last: BTreeMap<(&str, &str), (&Fact, &str)> = BTreeMap::new();
    for (fact, (name, value)) in host::facts(cx, |v| match v {
        Value::Sysctl(name, value) if NAMES.contains(&name.as_str()) => {
            Some((name.as_str(), value.as_str()))
        }
        _ => None,
    }) {
        last.insert((fact.host.as_str(), name), (fact, value));
    }
    let mut off: BTreeMap<EntityId, Vec<(String, defib_model::Evidence)>> = BTreeMap::new();
    for ((at, name), (fact, value)) in last {
        if value == "0" {
            off.entry(host::entity(at))
                .or_default()
                .push((name.to_owned(), cx.fact(fact, "switched off")));
        }
    }
    for line in host::lines(
        cx,
        &["forward.preflight", "forward.docker"],
        "a check finds it switched off",
    ) {
        off.entry(line.host.clone())
            .or_default()
            .push((String::new(), line.evidence));
    }
    // It says what it reads in one line and what it found in the next.
    let asked = host::lines(
        cx,
        &["forward.service-lb"],
        "the load balancer's pod reads it",
    );
    for answer in host::lines(cx, &["forward.is-not-one"], "it is not 1") {
        let Some(asks) = asked
            .iter()
            .find(|a| a.entry == answer.entry && a.line.line.abs_diff(answer.line.line) <= 2)
        else {
            continue;
        };
        let list = off.entry(answer.host.clone()).or_default();
        list.push((String::new(), asks.evidence.clone()));
        list.push((String::new(), answer.evidence.clone()));
    }
    for (id, list) in off {
        let what = list
            .iter()
            .map(|(n, _)| n.as_str())
            .find(|n| !n.is_empty())
            .unwrap_or("net.ipv4.ip_forward")
            .to_owned();
        let (title, why) = match what.starts_with("net.bridge") {
            true => (
                format!(
                    "{}'s bridges pass packets by iptables: {what} is off",
                    host::called(&id)
                ),
                "What kube-proxy writes is not applied between pods of one node: they do not reach Services whose pods are beside them.",
            ),
            false => (
                format!(
                    "{} does not forward packets: {what} is off",
                    host::called(&id)
                ),
                "Pods of the host reach nothing outside it, and nothing reaches them.",
            ),
        };
        out.push(
            RULE.on(id.clone())
                .title(title)
                .why(why)
                .term(85, "the setting is shown")
                .cite_all(list.into_iter().map(|(_, e)| e))
                .explains_if(cx, K::HostNetworkFailing, &id)
                .safe("Who switches it off?", "grep -rn 'ip_forward\\|bridge-nf-call' /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d /run/sysctl.d")
                .check_first("Switch it on, now and at boot.", command!("sysctl -w {}=1; echo '{}=1' >> /etc/sysctl.d/99-k3s.conf", what, what))
                .dont("Don't only set it by hand: the next boot has it off again."),
        );
    }
}
