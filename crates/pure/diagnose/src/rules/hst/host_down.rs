//! # HST001 A host does not answer, while its neighbours do
//!
//! class: host-down
//!
//! ## What it sees
//! A node whose Ready condition is Unknown (`Kubelet stopped posting node status.`) while at least
//! one other node is Ready; not where the node's own log shows a clock that is behind, or goes on until the
//! evidence ends. Where the machine answers a ping, or somebody types commands on it, it is a question. A host that answers no ping, unless it was asked through a tunnel that is dead. A member of
//! etcd that leaves one other without any answer is a question.
//!
//! ## Why it matters
//! The machine, its network, or k3s on it is gone. After five minutes its pods are marked for
//! deletion and made elsewhere; those with local or ReadWriteOnce volumes wait.
//!
//! ## What to do
//! Look at the machine: power, hypervisor, disk, network, then `systemctl status k3s` or `k3s-agent`
//! on it. When it comes back its pods are cleaned up by themselves.
//!
//! ## What not to do
//! Do not force-delete its pods while you do not know that the machine is off: two copies may write
//! to one volume. Do not delete the Node object of a server to tidy up: that removes its etcd
//! member.

use defib_model::fact::{Answer, Fact, Reach, Value};

use crate::analysis::{etcd, host, nodes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST001",
    class: "host-down",
    needs: &["Node"],
    leads_to: &[K::NodeNotReady],
    check,
};

/// What a ping says: who answers and who does not. One that is silent while others answer is down.
fn pings(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let asked: Vec<(&Fact, &Reach)> = host::facts(cx, |v| match v {
        Value::Reach(r) if r.port.is_none() && !r.target.is_empty() => Some(r),
        _ => None,
    })
    .collect();
    let off = host::lines(cx, &["host.power-off"], "the machine has no power");
    // Nobody has an address any more from which a host says that it has moved.
    let refused = host::lines(cx, &["k3s.not-a-member"], "");
    let mut left: Vec<String> = (refused.iter().filter_map(etcd::change))
        .map(|(old, _)| old)
        .collect();
    left.extend(etcd::gone(cx));
    // Who asks through a tunnel that is dead asks nobody.
    let dead = host::lines(cx, &["tunnel.no-handshake"], "");
    let answered = asked.iter().find(|(_, r)| r.answer == Answer::Well);
    for (fact, r) in asked.iter().filter(|(_, r)| r.answer == Answer::Silent) {
        let answers = |o: &Reach| o.target == r.target && o.answer == Answer::Well;
        let by_port = host::answers_on_a_port(cx, &r.target);
        // The address of a Service is no host's own.
        let balanced = (cx.cluster.services.iter())
            .flat_map(|s| &s.status.load_balancer.ingress)
            .any(|a| a.ip == r.target);
        let tunnelled = dead.iter().any(|l| l.entry == fact.entry);
        if balanced
            || by_port
            || tunnelled
            || left.contains(&r.target)
            || asked.iter().any(|(_, o)| answers(o))
        {
            continue;
        }
        let node = is_node(cx, &r.target);
        if node == Some(false) {
            continue;
        }
        // Its Node says so too, and the API that says it answers.
        let not_ready = cx.cluster.nodes.iter().any(|n| {
            nodes::belongs(n, &r.target) && n.ready().is_some_and(|ready| ready != "True")
        });
        let sure = answered.is_some() || !off.is_empty() || not_ready;
        let id = host::entity(&r.target);
        let mut finding = RULE
            .on(id.clone())
            .title(format!("host {} does not answer", r.target))
            .why("The machine or its network is gone; nothing that ran there is known to be alive.")
            .term(if sure { 78 } else { 40 }, "it answers no ping")
            .cite(cx.fact(fact, "it answers no ping"))
            .cite_all(answered.iter().map(|(f, _)| cx.fact(f, "another host does")))
            .cite_all(off.iter().map(|l| l.evidence.clone()))
            .safe("Is it on, and in its network?", command!("ping -c3 {}; arping -c3 {}", r.target, r.target))
            .dont("Don't force-delete its pods while you don't know that the machine is off: two copies may write to one volume.");
        if !sure {
            finding = finding.undecided(
                "Do its neighbours answer from where you are?",
                "ping -c3 NEIGHBOUR; kubectl get nodes",
                &["host-down", "access-path-down"],
            );
        }
        out.push(finding);
    }
}

/// Is this one of the cluster's nodes? Nothing where the evidence does not show enough of them: an address among
/// nodes whose addresses were not printed may be any.
fn is_node(cx: &Context<'_>, target: &str) -> Option<bool> {
    let nodes = &cx.cluster.nodes;
    if nodes.iter().any(|n| nodes::belongs(n, target)) {
        return Some(true);
    }
    let is_address = target.parse::<std::net::IpAddr>().is_ok();
    let addressed = nodes.iter().all(|n| !n.status.addresses.is_empty());
    let tells = !nodes.is_empty() && (addressed || !is_address);
    // A server may be listed as a member and not as a Node.
    let servers = etcd::members(cx);
    let member = servers
        .iter()
        .any(|(_, m)| m.name == target || m.peers.iter().any(|url| etcd::host_of(url) == target));
    (tells && !member && servers.is_empty()).then_some(false)
}

/// A member of etcd of which nothing is known but that it does not answer another one.
fn peers(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let told = host::facts(cx, |v| matches!(v, Value::Reach(_)).then_some(())).next();
    if told.is_some() || !cx.cluster.nodes.is_empty() {
        return;
    }
    for (address, lines) in etcd::unanswered(cx) {
        out.push(
            RULE.on(host::entity(&address))
                .title(format!(
                    "host {address} may be off: it answers another member of etcd nothing"
                ))
                .term(
                    40,
                    "no answer and no refusal; its port may as well be filtered",
                )
                .cite_all(host::quotes(&lines))
                .undecided(
                    format!(
                        "Does {address} answer at all, from where you are and from its neighbours?"
                    ),
                    command!(
                        "ping -c3 {}; ssh {} systemctl status k3s --no-pager",
                        address,
                        address
                    ),
                    &["host-down", "etcd-peer-port-blocked", "etcd-member-down"],
                ),
        );
    }
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if nodes::silent(cx).is_empty() {
        pings(cx, out);
        peers(cx, out);
    }
    let neighbours = nodes::someone_ready(cx);
    // With several nodes and none ready, the fault may be the observer's own.
    if !neighbours && cx.cluster.nodes.len() > 1 {
        return;
    }
    let signs = nodes::Signs::of(cx);
    for (node, i, since) in nodes::silent(cx) {
        // One that runs is not down, whatever the others hear of it.
        if nodes::is_behind(cx, node) || nodes::speaks(cx, node, since) {
            continue;
        }
        let id = cx.cluster.id(node.obj);
        let name = &node.metadata.name;
        let mut finding =
            RULE.on(id.clone())
                .title(if neighbours { format!("node {name} does not answer, while other nodes do") } else { format!("node {name} does not answer; it is the only one in the evidence") })
                .why("The machine, its network, or k3s on it is gone; nothing that ran there is known to be alive.")
                .term(if neighbours { 70 } else { 40 }, "its kubelet stopped reporting")
                .term(if neighbours { 15 } else { 0 }, since.map(|t| format!("it is silent since {t}")).unwrap_or_else(|| "its neighbours are ready".to_owned()))
                .cite(cx.field(node.obj, &format!("/status/conditions/{i}/message"), "the node controller's words"))
                .cite(cx.field(node.obj, &format!("/status/conditions/{i}/status"), "its Ready condition"))
                .explains(K::NodeNotReady, &id)
                // What the host's own logs say about it is nearer to the cause.
                .weak()
                .safe("Does the machine answer?", command!("ping -c3 {}; ssh {} systemctl status k3s k3s-agent --no-pager", name, name))
                .safe("What ran there, and what can't move?", command!("kubectl get pods -A -o wide --field-selector spec.nodeName={}", name))
                .check_first("If it is off for good, let its volumes go.", command!("kubectl taint node {} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute", name))
                .dont("Don't force-delete its pods while you don't know that the machine is off: two copies may write to one volume.")
                .dont("Don't delete the Node object of a server to tidy up: that removes its etcd member.");
        if !neighbours {
            finding = finding.undecided(
                format!("Does the machine {name} answer, and is k3s running on it?"),
                command!(
                    "ping -c3 {}; ssh {} systemctl status k3s k3s-agent --no-pager",
                    name,
                    name
                ),
                &["host-down"],
            );
        } else if let Some(sign) = signs.is_on(cx, node) {
            finding = finding.term(-30, "the machine seems to be on").against(sign).undecided(
                format!("The machine {name} seems to be on: does k3s run on it, and does the API hear it?"),
                command!(
                    "ssh {} 'systemctl status k3s k3s-agent --no-pager; journalctl -u k3s -u k3s-agent -n 50 --no-pager'",
                    name
                ),
                &["host-down", "mtu-mismatch", "host-firewall-blocks-node-port"],
            );
        }
        out.push(finding);
    }
}
