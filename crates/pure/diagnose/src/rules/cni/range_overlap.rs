//! # CNI007 The range of pods contains addresses of the hosts
//!
//! class: pod-cidr-overlaps-host-network
//!
//! ## What it sees
//! A range for pods (`cluster-cidr`, the plugin's pool, the nodes' podCIDR) in which a node's own address or
//! a network of the host lies.
//! Addresses that hosts are told to be known by (`node-ip`, kubeadm's endpoint) count as theirs.
//!
//! ## Why it matters
//! Packets to those hosts go into the pod network instead. Some hosts can't be reached from pods, and
//! masquerading is left out; it looks like a fault of single machines.
//!
//! ## What to do
//! Choose another range (k3s' default 10.42.0.0/16 is free in most networks). It is fixed at the making of the
//! cluster: with Calico add a new pool and retire the old one, else make the nodes anew.
//!
//! ## What not to do
//! Do not add single routes by hand: they are gone with the next change.

use crate::analysis::addr;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI007",
    class: "pod-cidr-overlaps-host-network",
    needs: &[],
    leads_to: &[K::HostNetworkFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let ranges: Vec<_> = addr::configured(cx)
        .into_iter()
        .chain(addr::pools(cx))
        .chain(addr::of_nodes(cx))
        .filter(|(n, _)| n.length >= 8)
        .collect();
    let hosts = addr::of_hosts(cx);
    let hit = ranges.iter().find_map(|(range, a)| {
        hosts
            .iter()
            .find(|(h, _)| h.overlaps(*range))
            .map(|(h, b)| (range, a, h, b))
    });
    let Some((range, a, host, b)) = hit else {
        return;
    };
    out.push(
        RULE.on(EntityId::other("nodes", "cluster"))
            .title(format!("the range of pods {range} contains addresses of the hosts ({host})"))
            .why("Packets to those hosts go into the pod network instead; it looks like a fault of single machines.")
            .term(84, "both are shown, and overlap")
            .cite(a.clone())
            .cite(b.clone())
            .safe("Compare routes with the ranges.", "ip route; ip -br addr; kubectl get nodes -o custom-columns=NAME:.metadata.name,IP:.status.addresses[0].address,CIDR:.spec.podCIDR")
            .advice("Choose another range; with Calico add a new pool and retire the old one, else make the nodes anew with another cluster-cidr.")
            .dont("Don't add single routes by hand: they are gone with the next change."),
    );
}
