//! # STO021 The node has no iSCSI client
//!
//! class: iscsi-client-missing-on-node
//!
//! ## What it sees
//! `iscsiadm` that is called on the node and not found: by Longhorn's manager when it starts, by a storage driver,
//! or by the kubelet when it attaches a volume. A driver that only warns goes on without it. What a shell answers to
//! somebody who tries it is not meant, unless his prompt names a node of the cluster.
//!
//! ## Why it matters
//! Longhorn and other block storage attach volumes with the node's own open-iscsi. Without it the manager
//! ends at once, and no volume of that node can be used.
//!
//! ## What to do
//! Install open-iscsi (`iscsi-initiator-utils`) on every node, enable `iscsid`, and put both into what builds
//! the nodes.
//!
//! ## What not to do
//! Do not install the storage anew: the manager looks for the program each time it starts.

use crate::analysis::host;
use crate::analysis::storage;
use crate::rules::prelude::*;
use defib_model::Evidence;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO021",
    class: "iscsi-client-missing-on-node",
    needs: &[],
    leads_to: &[K::VolumeMountFailing, K::ContainerCrashLoop],
    check,
};

/// Source: Go `os/exec` (ErrNotFound) as the kubelet quotes it; util-linux `sys-utils/nsenter.c`.
const WORDS: &[&str] = &[
    "\"iscsiadm\": executable file not found",
    "iscsiadm: executable file not found",
    "iscsiadm: not found",
    "iscsiadm: command not found",
    "failed to execute iscsiadm: No such file",
    "iscsiadm/open-iscsi installed on the host",
];

fn node_of(cx: &Context<'_>, pod: &EntityId) -> Option<String> {
    let node = &cx.cluster.pod(pod)?.spec.node_name;
    (!node.is_empty()).then(|| node.clone())
}

fn found(node: Option<&str>, evidence: Vec<Evidence>) -> Finding {
    let which = node.map_or("a node".to_owned(), |n| format!("node {n}"));
    let entity = match node {
        Some(name) => EntityId::object("Node", "", "", name),
        None => EntityId::other("nodes", "cluster"),
    };
    RULE.on(entity)
        .title(format!("{which} has no iSCSI client (iscsiadm): block volumes can't be attached there"))
        .why("Longhorn and other block storage call the node's own open-iscsi.")
        .term(90, "iscsiadm was called on the node and is not there")
        .cite_all(evidence)
        .safe("Is it there, on that node?", "command -v iscsiadm; systemctl is-active iscsid; lsmod | grep iscsi_tcp")
        .check_first("Install it on every node, and start its service.", "apt-get install open-iscsi   # or: dnf install iscsi-initiator-utils; then: systemctl enable --now iscsid")
        .dont("Don't install the storage anew: the manager looks for the program each time it starts.")
}

/// A shell's answer on a machine that nobody shows to be a node.
fn is_elsewhere(cx: &Context<'_>, line: &host::Told<'_>) -> bool {
    let shell = ["bash: ", "-bash: ", "sh: ", "-sh: ", "zsh: ", "fish: "];
    let ran = line.command(cx).map(|(fact, _)| fact);
    shell.iter().any(|s| line.text.trim_start().starts_with(s))
        && ran.is_some_and(|f| !f.host.is_empty() && cx.cluster.node(&f.host).is_none())
        && line.about.is_none()
        && line.speaker.is_none()
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::VolumeMountFailing) {
        let words = storage::said(cx, &c.entity, WORDS, "iscsiadm is not there");
        if words.is_empty() {
            continue;
        }
        let node = node_of(cx, &c.entity);
        out.push(found(node.as_deref(), words).explains(K::VolumeMountFailing, &c.entity));
    }
    for line in host::lines(cx, &["iscsi.client-missing"], "iscsiadm is not there") {
        let low = [
            "\"level\":\"warn",
            "\"level\":\"info",
            "level=info",
            "level=warn",
            "level=debug",
        ];
        if low.iter().any(|w| line.text.contains(w)) || is_elsewhere(cx, &line) {
            continue;
        }
        let pod = line.speaker.or(line.about.as_ref());
        let node = pod
            .and_then(|p| node_of(cx, p))
            .or_else(|| Some(line.host.name().to_owned()).filter(|n| n != "-"));
        let mut finding = found(node.as_deref(), vec![line.evidence.clone()]);
        if let Some(pod) = pod {
            finding = finding.explains_observed(
                cx,
                &[
                    K::ContainerCrashLoop,
                    K::ContainerStartError,
                    K::VolumeMountFailing,
                    K::PodNotReady,
                ],
                pod,
            );
        }
        out.push(finding);
    }
}
