//! # CNI004 The host's firewall rejects traffic of pods
//!
//! class: host-firewall-blocks-pod-network
//!
//! ## What it sees
//! The kernel's log of packets that ufw or firewalld blocked on an interface of pods (or of the ports that
//! nodes need between each other); a reject rule together with `no route to host` to an address of the
//! cluster.
//! CoreDNS that reaches neither the API server nor any upstream makes it a question.
//!
//! ## Why it matters
//! firewalld and ufw reject what is forwarded and not allowed. The reject looks like a missing route, so
//! people search for the network plugin. DNS and all Services fail on that node.
//!
//! ## What to do
//! Switch the firewall off, or allow the ranges of pods and Services (10.42.0.0/16 and 10.43.0.0/16 with
//! k3s' defaults) and the ports between nodes (8472/udp, 10250, 6443, 2379-2380).
//!
//! ## What not to do
//! Do not open everything to the world: 8472/udp must be reachable by the nodes only.

use crate::analysis::addr::{Net, is_virtual};
use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::fact::{Answer, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI004",
    class: "host-firewall-blocks-pod-network",
    needs: &[],
    leads_to: &[K::HostNetworkFailing, K::DnsDown],
    check,
};

/// Ports that nodes need from each other.
const PORTS: &[&str] = &[
    "8472", "4789", "51820", "10250", "6443", "9345", "2379", "2380",
];

/// A packet of pods, or of nodes among themselves.
fn is_ours(line: &Told) -> bool {
    let pods =
        |i: usize| !line.group(i).is_empty() && line.group(i) != "lo" && is_virtual(line.group(i));
    pods(0) || pods(1) || PORTS.contains(&line.group(4))
}

/// Addresses that only a cluster has, by the defaults of k3s, kubeadm, MicroK8s and their plugins.
fn is_cluster_address(text: &str) -> bool {
    let Some(ip) = Net::parse(text) else {
        return false;
    };
    [
        "10.42.0.0/16",
        "10.43.0.0/16",
        "10.96.0.0/12",
        "10.152.183.0/24",
        "10.244.0.0/16",
        "10.233.0.0/16",
    ]
    .iter()
    .filter_map(|n| Net::parse(n))
    .any(|n| n.overlaps(ip))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let blocked: Vec<Told> = host::lines(
        cx,
        &["firewall.ufw", "firewall.firewalld"],
        "the firewall blocked this packet",
    )
    .into_iter()
    .filter(is_ours)
    .collect();
    let rules = host::lines(
        cx,
        &[
            "net.prohibited",
            "firewall.reject",
            "firewall.admin",
            "firewall.ufw-active",
        ],
        "a rule that rejects what is not allowed",
    );
    let no_route: Vec<Told> =
        host::lines(cx, &["net.no-route"], "a reject looks like a missing route")
            .into_iter()
            .filter(|l| is_cluster_address(l.group(0)))
            .collect();
    let active: Vec<_> = host::facts(cx, |v| match v {
        Value::Unit { name, active, .. }
            if active == "active"
                && matches!(
                    name.as_str(),
                    "firewalld.service" | "firewalld" | "ufw.service"
                ) =>
        {
            Some(name.clone())
        }
        _ => None,
    })
    .collect();
    let refuses = !rules.is_empty() || !active.is_empty();
    let strong = !blocked.is_empty() || (refuses && !no_route.is_empty());
    if blocked.is_empty() && no_route.is_empty() {
        walled_in(cx, out);
        between_nodes(cx, out);
        return;
    }
    let lines: Vec<Told> = blocked
        .iter()
        .chain(&rules)
        .chain(&no_route)
        .cloned()
        .collect();
    for (id, lines) in host::by_host(lines) {
        let mut finding = RULE
            .on(id.clone())
            .title(format!("the firewall of {} rejects traffic of pods", called(&id)))
            .why("A reject looks like a missing route; DNS and Services fail on that node.")
            .term(
                if !blocked.is_empty() { 85 } else if strong { 80 } else { 40 },
                if strong { "a firewall rejects, and addresses of the cluster can't be reached" } else { "an address of the cluster is rejected on the way" },
            )
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .safe("What does it reject?", "iptables -S | grep -iE 'reject|drop'; firewall-cmd --list-all; ufw status verbose; journalctl -k | grep -iE 'UFW BLOCK|REJECT' | tail")
            .check_first("Allow the ranges of pods and Services.", "firewall-cmd --permanent --zone=trusted --add-source=10.42.0.0/16 --add-source=10.43.0.0/16 && firewall-cmd --reload || { ufw allow from 10.42.0.0/16; ufw allow from 10.43.0.0/16; }")
            .dont("Don't open 8472/udp to the world: only the nodes may reach it.");
        for (fact, name) in &active {
            finding = finding.cite(cx.fact(fact, format!("{name} is active")));
        }
        if !strong {
            finding = finding.undecided(
                "Does a firewall of the host reject it, or does nothing answer at that address?",
                "systemctl is-active firewalld ufw nftables; iptables -S | grep -iE 'reject|drop'",
                &[
                    "host-firewall-blocks-pod-network",
                    "iptables-backend-conflict",
                    "vxlan-checksum-offload",
                    "cni-config-missing",
                ],
            );
        }
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::HostNetworkFailing],
        ));
    }
}

/// Somebody tried from inside a pod: one on another node does not answer. Who drops it between the nodes,
/// nobody has said.
fn between_nodes(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if !cx.cluster.policies.is_empty() {
        return;
    }
    let tries: Vec<_> = host::facts_anywhere(cx, |v| match v {
        Value::Reach(r) => Some(r),
        _ => None,
    })
    .filter_map(|(fact, r)| {
        let (_, rest) = fact.command.split_once(" exec ")?;
        let from = rest.split_whitespace().find_map(|w| {
            let name = w.trim_start_matches("pod/");
            cx.cluster.pods.iter().find(|p| p.metadata.name == name)
        })?;
        let to = cx
            .cluster
            .pods
            .iter()
            .find(|p| p.status.pod_ip == r.target)?;
        let (a, b) = (&from.spec.node_name, &to.spec.node_name);
        (!a.is_empty() && !b.is_empty() && a != b).then_some((fact, r, a, b, to))
    })
    .collect();
    if tries.iter().any(|(_, r, ..)| r.answer == Answer::Well) {
        return;
    }
    let Some((fact, _, a, b, to)) = tries.iter().find(|(_, r, ..)| r.answer == Answer::Silent)
    else {
        return;
    };
    out.push(
        RULE.on(EntityId::object("Node", "", "", b))
            .title(format!("pods on {a} get no answer from pods on {b}: something between the nodes takes their packets"))
            .term(40, "a pod of another node does not answer")
            .cite(cx.fact(fact, "no answer from a pod of another node"))
            .cite(cx.field(to.obj, "/spec/nodeName", "the node of the pod that was asked"))
            .undecided(
                "Do the overlay's packets leave one node and reach the other, and are their checksums right?",
                "tcpdump -vni any udp port 8472; firewall-cmd --list-all; nft list ruleset | grep -n 8472",
                &["host-firewall-blocks-pod-network", "vxlan-checksum-offload", "mtu-mismatch", "networkpolicy-blocks-traffic"],
            ),
    );
}

/// CoreDNS gets no answer from anybody, neither from the API server nor from any upstream: something
/// between pods and the rest takes their packets, and nobody has said what.
fn walled_in(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let upstream = cx.hits("coredns.upstream-timeout").find(|h| h.count >= 2);
    let api = ["coredns.api-unreachable", "coredns.not-ready"]
        .iter()
        .find_map(|s| cx.hits(s).next());
    let (Some(upstream), Some(api)) = (upstream, api) else {
        return;
    };
    if upstream.entity != api.entity || cx.hits("coredns.loop").next().is_some() {
        return;
    }
    out.push(
        RULE.on(host::entity(""))
            .title("CoreDNS reaches neither the API server nor its upstreams: a firewall of the host may drop what pods send")
            .term(50, "two ways out of the same pod fail, and they share only the host")
            .cite(cx.log(upstream, 0, "no answer from the upstream"))
            .cite(cx.log(api, 0, "no answer from the API server"))
            .safe("What does the host drop?", "iptables -S FORWARD; firewall-cmd --list-all; ufw status verbose; sysctl net.ipv4.ip_forward")
            .undecided(
                "Does a firewall run on that host, and does a pod there reach anything outside it?",
                "systemctl is-active firewalld ufw nftables; kubectl run -it --rm ask --image=busybox -- ping -c3 GATEWAY",
                &["host-firewall-blocks-pod-network", "ip-forward-off", "pod-cidr-mismatch", "coredns-upstream-unreachable"],
            ),
    );
}
