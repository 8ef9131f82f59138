//! # WRK013 containerd has no runtime named nvidia
//!
//! class: nvidia-runtime-not-configured
//!
//! ## What it sees
//! A pod sandbox that containerd refuses to make: no runtime for the handler `nvidia` is configured, as an event or in
//! a node's log.
//!
//! ## Why it matters
//! k3s adds the runtime by itself when it finds `nvidia-container-runtime` on the node at start: installed
//! later, or with another containerd's configuration edited, it is not there.
//!
//! ## What to do
//! Install the NVIDIA container toolkit on the node and restart k3s; then look for `nvidia` in
//! `/var/lib/rancher/k3s/agent/etc/containerd/config.toml`.
//!
//! ## What not to do
//! Do not edit that `config.toml` by hand: k3s writes it anew at each start. And `/etc/containerd/config.toml`
//! belongs to another containerd.

use crate::analysis::host;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK013",
    class: "nvidia-runtime-not-configured",
    needs: &["Event"],
    leads_to: &[K::SandboxFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::SandboxFailing) {
        // Source: containerd `internal/cri/config` (GetSandboxRuntime).
        for event in cx.cluster.events_of(&c.entity).filter(|e| {
            e.message.contains("no runtime for \"nvidia") && e.message.contains("is configured")
        }) {
            let pod = cx.cluster.pod(&c.entity);
            let node = pod
                .map(|p| p.spec.node_name.as_str())
                .filter(|n| !n.is_empty());
            let on = node.map_or_else(
                || cx.top_owner(&c.entity),
                |n| EntityId::object("Node", "", "", n),
            );
            let mut finding = found(on, node)
                .cite(cx.event(event, "containerd has no such runtime"))
                .explains(K::SandboxFailing, &c.entity);
            if let Some(pod) = pod.filter(|p| !p.spec.runtime_class_name.is_empty()) {
                finding = finding.cite(cx.field(
                    pod.obj,
                    "/spec/runtimeClassName",
                    "the runtime class that the pod asks for",
                ));
            }
            out.push(finding);
        }
    }
    if out.iter().any(|f| f.rule.code == RULE.code) {
        return;
    }
    // The log of the kubelet or of containerd alone.
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["cri.no-nvidia-runtime"],
        "containerd has no such runtime",
    )) {
        let name = (host.name() != "-").then(|| host.name().to_owned());
        out.push(found(host, name.as_deref()).cite_all(host::quotes(&lines)));
    }
}

fn found(on: EntityId, node: Option<&str>) -> Finding {
    RULE.on(on)
        .title(format!("the containerd of {} has no runtime named nvidia", node.map_or("the node".to_owned(), |n| format!("node {n}"))))
        .why("k3s adds the runtime when it starts and finds nvidia-container-runtime on the node.")
        .term(93, "containerd says so")
        .safe("See what k3s found.", "grep -n nvidia /var/lib/rancher/k3s/agent/etc/containerd/config.toml; which nvidia-container-runtime")
        .check_first("Install the NVIDIA container toolkit on the node, then restart k3s there.", "systemctl restart k3s-agent || systemctl restart k3s")
        .dont("Don't edit the generated config.toml: k3s writes it anew at each start.")
}
