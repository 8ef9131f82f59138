//! # SCH005 The node's pod limit is reached
//!
//! class: node-pod-capacity-full
//!
//! ## What it sees
//! A pod that is not placed because the nodes hold as many pods as the kubelet allows (110 unless
//! set), or that the kubelet refused with `OutOfpods`.
//!
//! ## Why it matters
//! The limit counts every pod, also those of Jobs that still run. cpu and memory may be free. The
//! pod range of a node (a /24 on k3s) sets the next limit.
//!
//! ## What to do
//! Remove what is not needed, add a node, or raise `max-pods` in the kubelet's arguments, with a pod
//! range that has as many addresses.
//!
//! ## What not to do
//! Do not raise max-pods beyond the addresses of the node's pod range (254 in a /24): pods then
//! start and get no network.

use crate::analysis::scheduling::Reason;
use crate::analysis::{placement, storage};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "SCH005",
    class: "node-pod-capacity-full",
    needs: &["Pod"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for p in placement::all(cx) {
        if p.reason != Reason::PodLimit {
            continue;
        }
        let mut finding = RULE
            .on(EntityId::other("nodes", "cluster"))
            .title(match p.nodes.as_slice() {
                [one] => format!("node {} holds as many pods as it may", one.metadata.name),
                _ => "every node that fits holds as many pods as it may".to_owned(),
            })
            .why("The kubelet takes no more pods than its limit, whatever is free.")
            .term(90, "the scheduler says: too many pods")
            .cite(p.said.clone())
            .cite_all(p.background.clone())
            .explains(K::PodPending, &p.id);
        if let Some(node) = p.nodes.first()
            && node.status.allocatable.contains_key("pods")
        {
            finding = finding.cite(cx.field(
                node.obj,
                "/status/allocatable/pods",
                "the limit of this node",
            ));
        }
        if let Some(pod) = p.pod {
            for claim in storage::waiting_claims(cx, pod) {
                finding = finding.explains(K::ClaimPending, &claim);
            }
        }
        if p.sick_nodes {
            finding = finding.weak();
        }
        out.push(p.settle(
            cx,
            finding
                .safe("Count the pods of each node.", "kubectl get pods -A -o custom-columns=NODE:.spec.nodeName --no-headers | sort | uniq -c")
                .check_first("Remove what is not needed, add a node, or raise max-pods (k3s: kubelet-arg).", "kubectl get pods -A --field-selector status.phase!=Running")
                .dont("Don't raise max-pods beyond the addresses of the node's pod range: pods would start without a network."),
        ));
    }
}
