//! # CNI001 The container runtime has no CNI configuration
//!
//! class: cni-config-missing
//!
//! ## What it sees
//! The node's Ready condition or a pod's sandbox event says that the CNI plugin is not initialized,
//! that there is no network configuration, or that a plugin binary is not found.
//!
//! ## Why it matters
//! Without it no pod of the node gets a network, the node is not Ready, and what needs DNS fails. On
//! k3s flannel writes the configuration when it starts; with `--flannel-backend=none` the operator's
//! own CNI must.
//!
//! ## What to do
//! Find out which CNI is meant. Bring its DaemonSet up (it runs with host network), or give k3s its
//! flannel back; look at the directories that containerd reads, which are k3s' own.
//!
//! ## What not to do
//! Do not copy a configuration from another node: it names that node's pod range. Do not restart the
//! pods: they come by themselves.

use crate::analysis::host;
use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI001",
    class: "cni-config-missing",
    needs: &["Node", "Event"],
    leads_to: &[K::NodeNotReady, K::SandboxFailing],
    check,
};

/// Source: containerd `internal/cri/server/status.go`, go-cni `errors.go`, libcni `api.go`, `invoke/find.go`.
const WORDS: &[&str] = &[
    "cni plugin not initialized",
    "cni config uninitialized",
    "network plugin is not ready",
    "NetworkPluginNotReady",
    "no network config found in",
    "no networks found in",
    "failed to find plugin \"",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::NodeNotReady) {
        let Some(node) = cx.cluster.node(c.entity.name()) else {
            continue;
        };
        let told = node.status.conditions.iter().position(|c| {
            c.kind == "Ready" && c.status == "False" && WORDS.iter().any(|w| c.message.contains(w))
        });
        if let Some(i) = told {
            out.push(
                found(c.entity.clone(), &node.metadata.name)
                    .term(88, "the kubelet says so in the node's Ready condition")
                    .cite(cx.field(
                        node.obj,
                        &format!("/status/conditions/{i}/message"),
                        "the kubelet's words",
                    ))
                    .cite_all(sandboxes(cx, &node.metadata.name))
                    .explains(K::NodeNotReady, &c.entity),
            );
        }
    }
    for c in cx.all(K::SandboxFailing) {
        let words = storage::said(cx, &c.entity, WORDS, "the pod's network can't be made");
        if words.is_empty() {
            continue;
        }
        let node = cx
            .cluster
            .pod(&c.entity)
            .map_or("", |p| p.spec.node_name.as_str());
        let entity = if node.is_empty() {
            EntityId::other("nodes", "cluster")
        } else {
            EntityId::object("Node", "", "", node)
        };
        out.push(
            found(entity, node)
                .term(80, "the runtime says so when it makes a sandbox")
                .cite_all(words)
                .explains(K::SandboxFailing, &c.entity),
        );
    }
    if !out.iter().any(|f| f.rule.code == RULE.code) {
        journals(cx, out);
    }
    if !out.iter().any(|f| f.rule.code == RULE.code) {
        out.extend(nobody(cx));
    }
}

/// Network plugins that may take the place of flannel, by what their pods are called.
const PLUGINS: &[&str] = &[
    "calico",
    "cilium",
    "canal",
    "weave",
    "flannel",
    "kube-router",
    "antrea",
    "ovn",
    "multus",
];

/// k3s was told to bring no network plugin, a node does not get ready, and nothing shows another plugin.
fn nobody(cx: &Context<'_>) -> Option<Finding> {
    let (asked, _) = host::asked(cx, "flannel-backend").find(|(_, value)| *value == "none")?;
    let node = cx
        .all(K::NodeNotReady)
        .find_map(|c| cx.cluster.node(c.entity.name()))?;
    // What the kubelet says itself is read above, and may be something else.
    let told = node
        .status
        .conditions
        .iter()
        .any(|c| c.kind == "Ready" && !c.message.is_empty());
    let other = cx
        .cluster
        .objects
        .iter()
        .any(|o| PLUGINS.iter().any(|p| o.id.name().contains(p)));
    if told || other {
        return None;
    }
    let id = cx.cluster.id(node.obj);
    Some(
        found(id.clone(), &node.metadata.name)
            .term(
                66,
                "k3s was told to bring none, and nothing shows another one",
            )
            .cite(cx.fact(asked, "flannel is not to be run"))
            .cite(cx.field(
                node.obj,
                "/status/conditions/0/status",
                "its Ready condition",
            ))
            .explains(K::NodeNotReady, &id),
    )
}

/// The same in a journal: only where it lasts and flannel did not come after all. Every start says it
/// until the network plugin has written its configuration.
fn journals(cx: &Context<'_>, out: &mut Vec<Finding>) {
    const SIGNALS: &[&str] = &[
        "cni.no-plugin",
        "cni.not-initialized",
        "cni.config-uninitialized",
        "cni.no-config",
        "cni.no-networks",
    ];
    /// Seconds that a start takes until the configuration is there.
    const START: i64 = 90;
    let lines = host::lines(cx, SIGNALS, "the runtime has no network configuration");
    // Events are read above; a line about the first seconds of containerd means nothing.
    let lines: Vec<_> = lines
        .into_iter()
        .filter(|l| l.about.is_none() && !l.text.contains("during init"))
        .collect();
    if lines
        .iter()
        .any(|l| l.is_followed(cx, &["flannel.runs", "kubelet.became-ready"]))
    {
        return;
    }
    // k3s brings its network when its server is ready: until then this is a consequence of what keeps that.
    let waits = host::lines(cx, &["k3s.agent-waits"], "");
    for (id, lines) in host::by_host(lines) {
        let plugin = |l: &host::Told<'_>| l.signal == "cni.no-plugin";
        if waits.iter().any(|w| w.host == id) && !lines.iter().any(plugin) {
            continue;
        }
        let first = lines.iter().filter_map(|l| l.line.time).min();
        let last = lines.iter().filter_map(|l| l.last.or(l.line.time)).max();
        let span = first.zip(last).map(|(a, b)| b.as_second() - a.as_second());
        let plugin = lines.iter().any(|l| l.signal == "cni.no-plugin");
        let name = if id.name() == "-" { "" } else { id.name() };
        let mut finding = found(id.clone(), name)
            .term(if plugin { 84 } else { 74 }, "the runtime says so")
            .cite_all(lines.iter().map(|l| l.evidence.clone()));
        if !plugin && span.is_some_and(|s| s < START) && lines.len() > 1 {
            finding = finding.undecided(
                "Did the network plugin come up afterwards?",
                "ls -l /var/lib/rancher/k3s/agent/etc/cni/net.d /etc/cni/net.d; journalctl -u k3s -u k3s-agent | grep -i flannel | tail",
                &["cni-config-missing"],
            );
        }
        out.push(host::claim(
            cx,
            finding,
            &host::entity(name),
            &lines,
            &[K::HostNetworkFailing, K::RuntimeFailing],
        ));
    }
}

/// Events of pods on this node that say the same.
fn sandboxes(cx: &Context<'_>, node: &str) -> Vec<defib_model::Evidence> {
    cx.pods(K::SandboxFailing)
        .filter(|(_, p)| p.spec.node_name == node)
        .flat_map(|(c, _)| storage::said(cx, &c.entity, WORDS, "the pod's network can't be made"))
        .take(3)
        .collect()
}

fn found(entity: EntityId, node: &str) -> Finding {
    let which = if node.is_empty() {
        "a node".to_owned()
    } else {
        format!("node {node}")
    };
    RULE.on(entity)
        .title(format!("the container runtime of {which} has no CNI configuration: no pod there gets a network"))
        .why("Without a network configuration the node is not ready, and nothing but host-network pods starts on it.")
        .safe("What does the runtime read, and is it there?", "ls -l /var/lib/rancher/k3s/agent/etc/cni/net.d /var/lib/rancher/k3s/data/current/bin/ /etc/cni/net.d /opt/cni/bin; grep -rn flannel-backend /etc/rancher/k3s/")
        .safe("Who should write it?", "kubectl get daemonsets -A; journalctl -u k3s -u k3s-agent | grep -i flannel | tail")
        .dont("Don't copy a configuration from another node: it names that node's pod range.")
        .dont("Don't restart the pods: they start by themselves when the network is there.")
}
