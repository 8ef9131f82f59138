//! # CNI012 The configuration of an earlier network plugin is still there
//!
//! class: stale-data-dir
//!
//! ## What it sees
//! A configuration of one network plugin in the folder that the runtime reads, on a cluster in which
//! another one's pods run and none of its own, while ordinary pods do not get past `ContainerCreating`.
//!
//! ## Why it matters
//! The runtime takes the first file of the folder by name, whoever wrote it. A reset or an uninstall that
//! leaves the old one makes every pod ask a plugin that is not there any more.
//!
//! ## What to do
//! Move the old plugin's files out of the folder on every node, and let the pods start again.
//!
//! ## What not to do
//! Do not delete the configuration of the plugin that runs now.

use crate::analysis::host;
use crate::rules::prelude::*;
use defib_model::fact::Value;
use defib_model::views::meta::condition;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI012",
    class: "stale-data-dir",
    needs: &["Pod"],
    leads_to: &[K::SandboxFailing, K::PodNotReady],
    check,
};

/// What plugins call their configuration and their pods. Sources: the install manifests of each; flannel's is
/// also k3s' own, which has no pods.
const PLUGINS: &[&str] = &[
    "calico",
    "cilium",
    "flannel",
    "weave",
    "kube-router",
    "kuberouter",
    "antrea",
    "ovn-kubernetes",
    "canal",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let runs = |plugin: &str| {
        cx.cluster.pods.iter().find(|p| {
            p.metadata
                .name
                .replace('-', "")
                .contains(&plugin.replace('-', ""))
        })
    };
    // Placed, and no container has come far enough to have a trouble of its own.
    let stuck = cx.cluster.pods.iter().find(|p| {
        let mut waiting = p.statuses().filter_map(|(_, s)| s.state.waiting.as_ref());
        p.status.phase == "Pending"
            && condition(&p.status.conditions, "PodScheduled")
                .is_some_and(|(_, c)| c.status == "True")
            && waiting.all(|w| w.reason == "ContainerCreating")
    });
    let Some(one) = stuck else {
        return;
    };
    for (fact, file) in host::facts_anywhere(cx, |value| match value {
        Value::File { path, .. } if path.contains("/cni/net.d/") => path.rsplit('/').next(),
        _ => None,
    }) {
        let is_read = [".conf", ".conflist", ".json"]
            .iter()
            .any(|e| file.ends_with(e));
        let Some(owner) = PLUGINS
            .iter()
            .find(|p| file.contains(**p))
            .filter(|_| is_read)
        else {
            continue;
        };
        // canal is calico's configuration with flannel's pods.
        if *owner == "flannel" || *owner == "canal" || runs(owner).is_some() {
            continue;
        }
        let Some((other, pod)) = PLUGINS.iter().find_map(|p| Some((p, runs(p)?))) else {
            continue;
        };
        out.push(
            RULE.on(EntityId::other("nodes", "cluster"))
                .key((*owner).to_owned())
                .title(format!("{owner}'s network configuration is left over, and {other} is what runs"))
                .why("The runtime takes the first configuration by name: pods ask a plugin that is not there any more.")
                .term(50, format!("a configuration of {owner} lies in the folder that the runtime reads"))
                .term(20, format!("no pod of {owner} is there, and one of {other} is"))
                .term(8, "pods do not get past ContainerCreating")
                .cite(cx.fact(fact, "the configuration of another network plugin"))
                .cite(cx.field(pod.obj, "/metadata/name", "the network plugin that runs"))
                .cite(cx.field(one.obj, "/metadata/name", "a pod that waits for its network"))
                .safe("Who wrote what the runtime reads?", "ls -l /etc/cni/net.d /var/lib/rancher/k3s/agent/etc/cni/net.d")
                .check_first("Move the old plugin's files away, on every node.", command!("mkdir -p /root/cni-old && mv /etc/cni/net.d/{} /root/cni-old/", file))
                .dont("Don't delete the configuration of the plugin that runs now."),
        );
    }
}
