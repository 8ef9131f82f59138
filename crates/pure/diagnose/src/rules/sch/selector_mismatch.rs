//! # SCH002 No node carries the labels that the pod asks for
//!
//! class: node-selector-mismatch
//!
//! ## What it sees
//! A pod that is not placed, whose nodeSelector or required node affinity no node meets.
//!
//! ## Why it matters
//! Node labels that were set by hand are gone when a node is made again: they live on the Node
//! object only. On k3s, `--node-label` puts them back only at registration.
//!
//! ## What to do
//! Label the node that is meant, or correct the selector. Put labels into k3s' config (`node-
//! label`), so that they survive the node.
//!
//! ## What not to do
//! Do not take the selector away without asking what it was for: disks, GPUs, architecture.

use crate::analysis::called::called;
use crate::analysis::scheduling::Reason;
use crate::analysis::{placement, storage};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "SCH002",
    class: "node-selector-mismatch",
    needs: &["Pod"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for p in placement::all(cx) {
        if p.reason != Reason::NodeSelector {
            continue;
        }
        let owner = cx.top_owner(&p.id);
        let wanted = p
            .pod
            .map(|pod| {
                pod.spec
                    .node_selector
                    .iter()
                    .map(|(k, v)| format!("{k}={v}"))
                    .collect::<Vec<_>>()
                    .join(",")
            })
            .unwrap_or_default();
        let what = if wanted.is_empty() {
            "the labels of its affinity".to_owned()
        } else {
            wanted.clone()
        };
        let mut finding = RULE
            .on(owner.clone())
            .title(format!(
                "no node carries what {} asks for: {what}",
                called(&owner)
            ))
            .why("The pod may only run on nodes with these labels.")
            .term(70, "the scheduler says that the nodes do not match");
        if let Some(pod) = p.pod {
            let pointer = if pod.spec.node_selector.is_empty() {
                "/spec/affinity/nodeAffinity"
            } else {
                "/spec/nodeSelector"
            };
            if placement::demands(pod) {
                finding = finding
                    .term(20, "the pod demands labels")
                    .cite(p.said.clone())
                    .cite_all(p.background.clone())
                    .cite(cx.field(pod.obj, pointer, "the labels that the pod demands"));
            } else {
                finding = finding.cite(p.said.clone()).cite_all(p.background.clone());
            }
            for claim in storage::waiting_claims(cx, pod) {
                finding = finding.explains(K::ClaimPending, &claim);
            }
        } else {
            finding = finding.cite(p.said.clone()).cite_all(p.background.clone());
        }
        let label = if wanted.is_empty() {
            "KEY=VALUE".to_owned()
        } else {
            wanted.replace(',', " ")
        };
        out.push(p.settle(
            cx,
            finding
                .explains(K::PodPending, &p.id)
                .safe("See the labels of the nodes.", "kubectl get nodes --show-labels")
                .check_first("Label the node that is meant (and write it into its k3s config as node-label).", command!("kubectl label node NODE {}", label))
                .dont("Don't drop the selector before you know what it was for: a disk, a GPU, an architecture."),
        ));
    }
}
