//! # STO012 The volume is pinned to a node that is missing, renamed or unfit
//!
//! class: volume-node-affinity-conflict
//!
//! ## What it sees
//! A pod that is not placed because its bound volume can only be reached from nodes that are not
//! there or that the pod may not use; or a mount that fails in the node affinity check.
//!
//! ## Why it matters
//! A local volume (k3s' local-path above all) names its node by the label kubernetes.io/hostname.
//! When the node is made again under another name, or is gone, the data is where it was and no pod
//! can follow.
//!
//! ## What to do
//! Bring the node back under its name (the data is on its disk). If only the name changed: keep the
//! data, make a volume with the same path and the new name, and the claim again with that
//! volumeName.
//!
//! ## What not to do
//! Do not delete the claim: with local-path the folder with the data goes with it. The affinity of a
//! volume can not be edited.

use defib_model::views::PersistentVolume;

use crate::analysis::scheduling::Reason;
use crate::analysis::{placement, storage};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO012",
    class: "volume-node-affinity-conflict",
    needs: &["Pod", "PersistentVolume"],
    leads_to: &[K::PodPending, K::VolumeMountFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for p in placement::all(cx) {
        // A claim bound to a volume that is gone has its own rule.
        if p.reason != Reason::VolumeAffinity || p.message.contains("non-existent") {
            continue;
        }
        let volumes = p
            .pod
            .map(|pod| placement::volumes(cx, pod))
            .unwrap_or_default();
        let pinned = volumes.into_iter().find(|v| {
            v.spec.node_affinity.required.is_some()
                && !cx.cluster.nodes.iter().any(|n| {
                    placement::reaches(v, n) && p.pod.is_none_or(|pod| placement::selects(pod, n))
                })
        });
        let entity = pinned.map_or_else(|| p.id.clone(), |v| cx.cluster.id(v.obj));
        let mut finding = found(cx, entity, pinned, p.id.name())
            .term(70, "the scheduler says so")
            .cite(p.said.clone())
            .explains(K::PodPending, &p.id);
        if pinned.is_some() {
            finding = finding
                .term(20, "no node of the evidence meets what the volume demands")
                .cite_all(p.background.clone());
        }
        if !p.sure && p.free.is_empty() {
            finding = finding.undecided(
                "Which node is the volume pinned to, and is that node there and free?",
                "kubectl get pv -o yaml | grep -A8 nodeAffinity; kubectl get nodes --show-labels",
                &[
                    "volume-node-affinity-conflict",
                    "insufficient-node-resources",
                    "nodes-cordoned",
                ],
            );
        }
        out.push(p.settle(cx, finding));
    }
    // Source: kubernetes `pkg/volume/util/operationexecutor/operation_generator.go`.
    for c in cx.all(K::VolumeMountFailing) {
        let words = storage::said(
            cx,
            &c.entity,
            &["NodeAffinity check failed", "no matching NodeSelectorTerms"],
            "the volume may not be used on this node",
        );
        if words.is_empty() {
            continue;
        }
        out.push(
            found(cx, c.entity.clone(), None, c.entity.name())
                .term(85, "the kubelet says so")
                .cite_all(words)
                .explains(K::VolumeMountFailing, &c.entity),
        );
    }
}

fn found(
    cx: &Context<'_>,
    entity: EntityId,
    volume: Option<&PersistentVolume>,
    pod: &str,
) -> Finding {
    let nodes = cx
        .cluster
        .nodes
        .iter()
        .map(|n| n.metadata.name.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let name = volume.map_or("PV", |v| v.metadata.name.as_str());
    RULE.on(entity)
        .title(match volume {
            Some(v) => format!("volume {} is pinned to a node that is none of {nodes}", v.metadata.name),
            None => format!("a volume of pod {pod} is pinned to other nodes than those that the pod may use"),
        })
        .why("A local volume can only be reached from its node; the data is there and nowhere else.")
        .safe("See which node the volume wants, and what the nodes are called.", command!("kubectl get pv {} -o yaml | grep -A12 nodeAffinity; kubectl get nodes --show-labels", name))
        .advice("Bring the node back under its name; or, when only the name changed, make a volume with the same path for the new name, and the claim again with that volumeName.")
        .dont("Don't delete the claim: with local-path the folder with the data goes with it.")
}
