//! # WRK014 The device plugin runs without NVIDIA's runtime
//!
//! class: nvidia-runtime-not-used
//!
//! ## What it sees
//! NVIDIA's device plugin that finds no driver library in its container, under the ordinary runtime, on a
//! node that should have a GPU.
//!
//! ## Why it matters
//! It goes on running and looks well; the node just offers no `nvidia.com/gpu`, and pods that want one
//! stay Pending.
//!
//! ## What to do
//! On k3s the runtime is there but not the default: set `runtimeClassName: nvidia` on the device plugin
//! and on every pod that uses the GPU (the class must exist), or start k3s with
//! `--default-runtime nvidia`.
//!
//! ## What not to do
//! Do not install a driver in the image: the runtime brings the host's in.

use defib_model::views::Pod;

use crate::analysis::placement;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK014",
    class: "nvidia-runtime-not-used",
    needs: &["container logs"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut wants: Vec<EntityId> = cx
        .pods(K::PodPending)
        .filter(|(_, p)| {
            p.spec
                .containers
                .iter()
                .any(|c| c.resources.limits.contains_key("nvidia.com/gpu"))
        })
        .map(|(c, _)| c.entity.clone())
        .chain(placement::lack_device(cx, Some("nvidia.com")))
        .collect();
    wants.sort();
    wants.dedup();
    for hit in cx.heard().filter(|h| h.signal.starts_with("nvidia.")) {
        // A row of a table shows neither runtime class nor node.
        let whole = |p: &&Pod| {
            !cx.cluster
                .object(p.obj)
                .is_some_and(|o| o.printed && p.spec.containers.is_empty())
        };
        let pod = hit
            .entity
            .as_ref()
            .and_then(|id| cx.cluster.pod(id))
            .filter(whole);
        if pod.is_some_and(|p| p.spec.runtime_class_name.starts_with("nvidia")) {
            continue;
        }
        // On a node without a GPU these words are in order: somebody must miss the GPU.
        let node = pod.and_then(|p| cx.cluster.node(&p.spec.node_name));
        let labelled = node.is_some_and(|n| {
            n.metadata
                .labels
                .get("nvidia.com/gpu.present")
                .is_some_and(|v| v == "true")
        });
        let entity = hit.entity.as_ref().map_or_else(
            || EntityId::other("program", "nvidia-device-plugin"),
            |id| cx.top_owner(id),
        );
        let mut finding = RULE
            .on(entity)
            .title("NVIDIA's device plugin runs without NVIDIA's runtime, so it finds no driver and offers no GPU")
            .why("It goes on running and looks well; the node just offers no nvidia.com/gpu.")
            .term(68, "the plugin finds no driver library in its container")
            .safe("See which runtimes there are, and which the plugin uses.", "kubectl get runtimeclass; grep -n nvidia /var/lib/rancher/k3s/agent/etc/containerd/config.toml")
            .check_first("Set runtimeClassName: nvidia on the plugin and on the pods that use the GPU.", "kubectl edit daemonset -n kube-system nvidia-device-plugin-daemonset")
            .dont("Don't install a driver in the image: the runtime brings the host's in.");
        for i in 0..hit.lines.len() {
            finding = finding.cite(cx.log(hit, i, "the plugin finds no driver"));
        }
        if let Some(pod) = pod {
            finding = finding.term(14, "its pod asks for no runtime class");
            finding = finding.cite(cx.field(
                pod.obj,
                "/metadata/name",
                "this pod has no runtimeClassName",
            ));
        }
        if !wants.is_empty() || labelled {
            finding = finding.term(10, "a GPU is missed here");
            for id in &wants {
                finding = finding.explains(K::PodPending, id);
            }
        } else if pod.is_some() {
            finding = finding.undecided(
                "Has this node a GPU at all? On one without, the plugin's words are in order.",
                "lspci | grep -i nvidia; nvidia-smi",
                &["nvidia-runtime-not-used"],
            );
        }
        out.push(finding);
    }
}
