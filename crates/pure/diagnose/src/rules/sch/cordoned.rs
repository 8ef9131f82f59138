//! # SCH007 Every node that fits is cordoned
//!
//! class: nodes-cordoned
//!
//! ## What it sees
//! A pod that is not placed because the nodes that it may use are marked unschedulable, and no drain that hangs did it.
//!
//! ## Why it matters
//! A drain cordons a node and does not take the cordon back. After an interrupted maintenance
//! nothing new is placed, while everything that runs goes on: it shows only at the next restart.
//!
//! ## What to do
//! Find out whether the maintenance is over, then uncordon.
//!
//! ## What not to do
//! Do not uncordon a node that somebody is working on (a disk, an upgrade): ask first.

use defib_model::views::Node;

use crate::analysis::drain::Drain;
use crate::analysis::scheduling::Reason;
use crate::analysis::{placement, storage};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "SCH007",
    class: "nodes-cordoned",
    needs: &["Pod", "Node"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let drain = Drain::hanging(cx);
    for p in placement::all(cx) {
        if p.reason != Reason::Cordoned {
            continue;
        }
        // The node will be there again when its drain has ended.
        if drain.as_ref().is_some_and(|drain| drain.keeps(&p)) {
            continue;
        }
        let is_cordoned = |n: &Node| n.spec.unschedulable == Some(true);
        let cordoned: Vec<_> = p.among(cx).into_iter().filter(|n| is_cordoned(n)).collect();
        let names = cordoned
            .iter()
            .map(|n| n.metadata.name.as_str())
            .collect::<Vec<_>>();
        let mut finding = RULE
            .on(EntityId::other("nodes", "cluster"))
            .title(if names.is_empty() {
                "every node that fits is cordoned".to_owned()
            } else {
                format!("every node that fits is cordoned: {}", names.join(", "))
            })
            .why("A drain cordons, and nobody took it back: nothing new is placed.")
            .term(85, "the scheduler says that the nodes are unschedulable")
            .cite(p.said.clone())
            .cite_all(p.background.clone())
            .explains(K::PodPending, &p.id);
        for node in cordoned.iter().take(3) {
            finding =
                finding.cite(cx.field(node.obj, "/spec/unschedulable", "this node is cordoned"));
        }
        if !cordoned.is_empty() {
            finding = finding.term(10, "the nodes say so themselves");
        }
        if let Some(pod) = p.pod {
            for claim in storage::waiting_claims(cx, pod) {
                finding = finding.explains(K::ClaimPending, &claim);
            }
        }
        out.push(
            p.settle(
                cx,
                finding
                    .safe("See which nodes are cordoned.", "kubectl get nodes")
                    .check_first(
                        "When the maintenance is over, take the cordon back.",
                        command!(
                            "kubectl uncordon {}",
                            p.only_node(cx, is_cordoned)
                                .map_or("NODE", |n| n.metadata.name.as_str())
                        ),
                    )
                    .dont("Don't uncordon a node that somebody is working on: ask first."),
            ),
        );
    }
}
