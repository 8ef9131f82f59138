//! # SCH003 A taint that the pods do not tolerate keeps them off every fitting node
//!
//! class: untolerated-taint
//!
//! ## What it sees
//! A pod that is not placed because every node that it may use carries a taint, set by a person or a
//! tool, that the pod does not tolerate.
//!
//! ## Why it matters
//! A taint reserves a node. It stays when the reason for it is over (maintenance, a GPU that is
//! gone), and new pods without the toleration find no place.
//!
//! ## What to do
//! Take the taint off if its reason is over, or give the pods the toleration.
//!
//! ## What not to do
//! Do not add a toleration for everything (`operator: Exists` without key): the pods then stay on
//! dying nodes too.

use defib_model::views::Node;

use crate::analysis::called::called;
use crate::analysis::scheduling::{self, Reason};
use crate::analysis::{placement, storage};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "SCH003",
    class: "untolerated-taint",
    needs: &["Pod"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for p in placement::all(cx) {
        let Reason::Taint(key, value) = &p.reason else {
            continue;
        };
        let uninitialized = key == "node.cloudprovider.kubernetes.io/uninitialized";
        if (scheduling::is_health_taint(key) && !uninitialized) || placement::is_of_servers(cx, key)
        {
            continue;
        }
        let owner = cx.top_owner(&p.id);
        let full = if value.is_empty() {
            key.clone()
        } else {
            format!("{key}={value}")
        };
        let mut finding = RULE
            .on(owner.clone())
            .key(key.clone())
            .title(format!(
                "{} does not tolerate taint {full}, and every node that fits carries it",
                called(&owner)
            ))
            .why("The taint keeps pods without the toleration off the node.")
            .term(75, "the scheduler says that the taint is not tolerated")
            .cite(p.said.clone())
            .cite_all(p.background.clone())
            .explains(K::PodPending, &p.id);
        let tainted = |n: &Node| n.spec.taints.iter().any(|t| t.key == *key);
        let node_name = p
            .only_node(cx, tainted)
            .map_or("NODE", |n| n.metadata.name.as_str());
        for node in p.among(cx) {
            if let Some(i) = node.spec.taints.iter().position(|t| t.key == *key) {
                finding = finding
                    .term(15, "the node carries the taint")
                    .cite(cx.field(
                        node.obj,
                        &format!("/spec/taints/{i}/key"),
                        "the taint on the node",
                    ));
                break;
            }
        }
        if let Some(pod) = p.pod {
            for claim in storage::waiting_claims(cx, pod) {
                finding = finding.explains(K::ClaimPending, &claim);
            }
        }
        if uninitialized {
            // The kubelet sets it where an outer cloud controller is announced, which takes it off; why that
            // has not, its own trouble says first.
            finding = finding
                .safe("Does the cloud controller run, and what does it say?", "kubectl get pods -A | grep -iE 'cloud-controller|ccm'; kubectl get nodes -o custom-columns=NAME:.metadata.name,ID:.spec.providerID")
                .weak();
        }
        if key.is_empty() {
            finding = finding.undecided(
                "Which taint is it?",
                "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints",
                &[
                    "untolerated-taint",
                    "untolerated-taint-control-plane",
                    "host-down",
                    "node-disk-pressure",
                ],
            );
        }
        out.push(p.settle(
            cx,
            finding
                .safe("See which nodes carry which taints.", "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints")
                .check_first("Take the taint off, if its reason is over.", command!("kubectl taint node {} {}-", node_name, key))
                .dont("Don't tolerate everything (operator: Exists without a key): the pods would stay on dying nodes too."),
        ));
    }
}
