//! # SCH008 The pod's rules about other pods can not be met
//!
//! class: pod-anti-affinity-unsatisfiable
//!
//! ## What it sees
//! A pod that is not placed because of required pod affinity or anti-affinity: usually more replicas
//! that must be apart than there are nodes.
//!
//! ## Why it matters
//! A required anti-affinity by host needs one node for each replica, and one more during a rolling
//! update. With fewer nodes the last replica waits for ever.
//!
//! ## What to do
//! Scale to the number of nodes, make the rule `preferred`, set `maxSurge: 0` for the roll-out, or
//! add a node.
//!
//! ## What not to do
//! Do not delete the running replica to make room: the one that waits takes its place and another
//! waits then.

use crate::analysis::called::called;
use crate::analysis::scheduling::Reason;
use crate::analysis::{placement, storage};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "SCH008",
    class: "pod-anti-affinity-unsatisfiable",
    needs: &["Pod"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for p in placement::all(cx) {
        if p.reason != Reason::PodAffinity {
            continue;
        }
        let owner = cx.top_owner(&p.id);
        let mut finding = RULE
            .on(owner.clone())
            .title(format!(
                "{} demands a distance to (or nearness of) other pods that the nodes can't give",
                called(&owner)
            ))
            .why("The rule is required, so the scheduler rather does not place the pod.")
            .term(80, "the scheduler says so")
            .cite(p.said.clone())
            .cite_all(p.background.clone())
            .explains(K::PodPending, &p.id);
        if let Some(pod) = p.pod {
            let affinity = &pod.spec.affinity;
            let pointer = if !affinity.pod_anti_affinity.required.is_empty() {
                "/spec/affinity/podAntiAffinity"
            } else {
                "/spec/affinity/podAffinity"
            };
            if !affinity.pod_anti_affinity.required.is_empty()
                || !affinity.pod_affinity.required.is_empty()
            {
                finding = finding.term(12, "the pod demands it").cite(cx.field(
                    pod.obj,
                    pointer,
                    "the rule that can't be met",
                ));
            }
            for claim in storage::waiting_claims(cx, pod) {
                finding = finding.explains(K::ClaimPending, &claim);
            }
        }
        if p.sick_nodes {
            finding = finding.weak();
        }
        out.push(
            p.settle(
                cx,
                finding
                    .safe(
                        "Count the nodes, and where the others run.",
                        command!(
                            "kubectl get nodes; kubectl get pods -n {} -o wide",
                            owner.namespace().unwrap_or_default()
                        ),
                    )
                    .check_first(
                        "Scale to the number of nodes, or make the rule preferred.",
                        command!(
                            "kubectl edit {} {} -n {}",
                            owner.kind(),
                            owner.name(),
                            owner.namespace().unwrap_or_default()
                        ),
                    )
                    .dont("Don't delete a running replica to make room: another one waits then."),
            ),
        );
    }
}
