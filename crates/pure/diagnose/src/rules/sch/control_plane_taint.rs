//! # SCH004 The only fitting node carries the control-plane taint
//!
//! class: untolerated-taint-control-plane
//!
//! ## What it sees
//! A pod that is not placed because all nodes that it may use are servers with the control-plane (or
//! CriticalAddonsOnly) taint.
//!
//! ## Why it matters
//! k3s servers take ordinary pods unless they are tainted. A cluster of servers only, or one whose
//! agents are gone, has then no place for workloads.
//!
//! ## What to do
//! Join an agent; or take the taint off if servers may carry workloads here; or give this one
//! workload the toleration.
//!
//! ## What not to do
//! Do not take the taint off servers with a slow disk: workloads and etcd then share it, and etcd
//! loses.

use defib_model::views::Node;

use crate::analysis::called::called;
use crate::analysis::scheduling::Reason;
use crate::analysis::{placement, storage};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "SCH004",
    class: "untolerated-taint-control-plane",
    needs: &["Pod"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for p in placement::all(cx) {
        let Reason::Taint(key, value) = &p.reason else {
            continue;
        };
        if !placement::is_of_servers(cx, key) {
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
                "{} has no node but servers with taint {full}, which it does not tolerate",
                called(&owner)
            ))
            .why("Servers with this taint take no ordinary pods.")
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

        out.push(p.settle(
            cx,
            finding
                .safe("See which nodes carry which taints.", "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints")
                .check_first("If servers may carry workloads here, take the taint off; otherwise join an agent.", command!("kubectl taint node {} {}-", node_name, key))
                .dont("Don't take the taint off servers with a slow disk: workloads and etcd would share it."),
        ));
    }
}
