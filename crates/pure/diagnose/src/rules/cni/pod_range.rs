//! # CNI006 The network plugin's pool is not the cluster's pod range
//!
//! class: pod-cidr-mismatch
//!
//! ## What it sees
//! flannel that says that its network does not contain the node's range; a range of the plugin (flannel's
//! net-conf, Calico's pool) and a range of the cluster (`cluster-cidr`, the nodes' podCIDR) that have no
//! address in common; pods with addresses outside the range.
//!
//! ## Why it matters
//! Pods get no address, or one that no other node has a route to; NetworkPolicy and masquerading judge by
//! the other range.
//!
//! ## What to do
//! Make them one: change the plugin's pool to the cluster's range. The cluster's range itself is fixed in the
//! Node objects: changing it means to make the nodes anew.
//!
//! ## What not to do
//! Do not change `cluster-cidr` on one server only: all must have the same.

use crate::analysis::addr::{self, Net};
use crate::analysis::host;
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI006",
    class: "pod-cidr-mismatch",
    needs: &[],
    leads_to: &[K::HostNetworkFailing, K::SandboxFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let said = host::lines(
        cx,
        &["flannel.other-net"],
        "flannel's range does not hold the node's",
    );
    let said = host::by_host(said);
    for (id, lines) in &said {
        let finding = found(id)
            .term(93, "flannel says so")
            .cite_all(lines.iter().map(|l| l.evidence.clone()));
        out.push(host::claim(
            cx,
            finding,
            id,
            lines,
            &[K::HostNetworkFailing, K::ServiceFailing],
        ));
    }
    if !said.is_empty() {
        return;
    }
    let (told_to, nodes, pools) = (addr::configured(cx), addr::of_nodes(cx), addr::pools(cx));
    let cluster: Vec<_> = told_to.iter().chain(&nodes).collect();
    let apart = |net: Net| !cluster.is_empty() && cluster.iter().all(|(c, _)| !c.overlaps(net));
    let nobody = EntityId::other("nodes", "cluster");
    if let Some((net, e)) = pools.iter().find(|(n, _)| apart(*n))
        && pools.iter().all(|(n, _)| apart(*n))
        && let Some((range, first)) = cluster.first()
    {
        out.push(
            found(&nobody)
                .title(format!(
                    "the network plugin's range {net} is not the cluster's, {range}"
                ))
                .term(84, "both ranges are shown, and have no address in common")
                .cite(e.clone())
                .cite(first.clone())
                .cite_all(cluster.iter().skip(1).take(2).map(|(_, e)| e.clone())),
        );
        return;
    }
    // Two ranges for pods in one configuration: flag here, file there.
    if let Some((range, first)) = told_to.first()
        && let Some((net, e)) = nodes
            .iter()
            .find(|(n, _)| !told_to.iter().any(|(c, _)| c.overlaps(*n)))
    {
        out.push(
            found(&nobody)
                .title(format!("the node's range {net} is not of the range that the cluster is now told, {range}"))
                .term(80, "both ranges are shown, and have no address in common")
                .cite(first.clone())
                .cite(e.clone()),
        );
        return;
    }
    outside(cx, &told_to, out);
    if out.is_empty() {
        speaks_from(cx, &told_to, out);
    }
    let bridge = host::lines(
        cx,
        &["cni.bridge-address"],
        "the bridge still has the address of another range",
    );
    for (id, lines) in host::by_host(bridge) {
        let finding = found(&id)
            .title("the bridge of the pods still has an address of another range")
            .term(50, "the node's range was changed, and the bridge was not")
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .undecided(
                "Was the node's range changed (made anew, restored), or do two plugins share the bridge?",
                "ip addr show cni0; cat /run/flannel/subnet.env; kubectl get nodes -o custom-columns=NAME:.metadata.name,CIDR:.spec.podCIDR",
                &["pod-cidr-mismatch", "stale-data-dir"],
            );
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::HostNetworkFailing],
        ));
    }
}

/// Pods with addresses of another range than the one that the cluster is told.
fn outside(cx: &Context<'_>, told_to: &[addr::Shown], out: &mut Vec<Finding>) {
    let Some((range, first)) = told_to.first() else {
        return;
    };
    let hosts: Vec<Net> = addr::of_hosts(cx).into_iter().map(|(n, _)| n).collect();
    let placed: Vec<_> = cx
        .cluster
        .pods
        .iter()
        .filter(|p| p.spec.host_network != Some(true) && !p.is_finished())
        .filter_map(|p| Some((p, Net::parse(&p.status.pod_ip)?)))
        .collect();
    // An address that several pods have is their host's: a printed table does not say it otherwise.
    let own = |ip: Net| placed.iter().filter(|(_, other)| *other == ip).count() == 1;
    let stray: Vec<_> = placed
        .iter()
        .filter(|(_, ip)| own(*ip) && !told_to.iter().any(|(n, _)| n.overlaps(*ip)))
        .filter(|(_, ip)| !hosts.iter().any(|h| h.overlaps(*ip)))
        .collect();
    let (Some((pod, _)), true) = (stray.first(), stray.len() > 1) else {
        return;
    };
    out.push(
        found(&EntityId::other("nodes", "cluster"))
            .title(format!(
                "pods have addresses outside the cluster's range {range}"
            ))
            .term(
                72,
                format!("{} pods have addresses outside the range", stray.len()),
            )
            .cite(first.clone())
            .cite(cx.field(pod.obj, "/status/podIP", "an address outside the range")),
    );
}

/// CoreDNS names its own address in every query that fails (`read udp POD:PORT->UPSTREAM: i/o timeout`),
/// and it is a pod. Where k3s leaves the network to another plugin, that plugin has a pool of its own.
fn speaks_from(cx: &Context<'_>, told_to: &[addr::Shown], out: &mut Vec<Finding>) {
    let Some((range, first)) = told_to.first() else {
        return;
    };
    let foreign = host::facts(cx, |v| match v {
        Value::Setting { name, value, .. } if name == "flannel-backend" => Some(value),
        _ => None,
    })
    .into_iter()
    .any(|(_, backend)| backend == "none");
    let hosts: Vec<Net> = addr::of_hosts(cx).into_iter().map(|(n, _)| n).collect();
    let stray = host::lines(
        cx,
        &["coredns.upstream-timeout"],
        "CoreDNS speaks from an address outside the range",
    )
    .into_iter()
    .find_map(|l| {
        let (_, rest) = l.text.split_once("read udp ")?;
        let (ip, _) = rest.split_once("->")?.0.rsplit_once(':')?;
        let net = Net::parse(ip)?;
        let outside =
            !told_to.iter().any(|(n, _)| n.overlaps(net)) && !hosts.iter().any(|h| h.overlaps(net));
        outside.then_some((ip.to_owned(), l.evidence))
    });
    let (Some((ip, evidence)), true) = (stray, foreign) else {
        return;
    };
    out.push(
        found(&EntityId::other("nodes", "cluster"))
            .title(format!(
                "CoreDNS has the address {ip}, which is not of the cluster's range for pods, {range}"
            ))
            .term(55, "a pod has an address outside the range that the cluster is told")
            .term(20, "another plugin than k3s' own gives the addresses, from its own pool")
            .cite(first.clone())
            .cite(evidence),
    );
}

fn found(id: &EntityId) -> Finding {
    RULE.on(id.clone())
        .title(format!("the network plugin's range on {} is not the cluster's pod range", host::called(id)))
        .why("Pods get no address, or one that the other nodes have no route to.")
        .safe("Compare the ranges.", "kubectl get nodes -o custom-columns=NAME:.metadata.name,CIDR:.spec.podCIDR; cat /run/flannel/subnet.env /var/lib/rancher/k3s/agent/etc/flannel/net-conf.json; kubectl get ippools -o yaml; grep -rn cluster-cidr /etc/rancher/k3s /etc/systemd/system/k3s*")
        .advice("Give the plugin the cluster's range. The nodes' own ranges stay as long as their Node objects; to change those, make the nodes anew one by one.")
        .dont("Don't change cluster-cidr on one server only: all must have the same.")
}
