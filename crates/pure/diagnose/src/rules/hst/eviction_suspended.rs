//! # HST002 No node is ready, so the controller moves nothing
//!
//! class: eviction-suspended-all-nodes-notready
//!
//! ## What it sees
//! All nodes are not Ready, at least one of them silent; or the controller manager's `Entering
//! master disruption mode`.
//!
//! ## Why it matters
//! When every node of a zone is not ready, the node controller believes that the fault is its own
//! and suspends evictions: pods of a dead node stay where they are and still look alive. With two
//! nodes it takes one dead and one sick.
//!
//! ## What to do
//! Bring one node back to Ready: the controller then goes on by itself. First the servers, since the
//! others report to them.
//!
//! ## What not to do
//! Do not delete the pods by hand to move them: with no ready node they have nowhere to go, and
//! those with volumes may be running twice later.

use crate::analysis::nodes;
use crate::analysis::order::{self, Moment};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST002",
    class: "eviction-suspended-all-nodes-notready",
    needs: &["Node"],
    leads_to: &[K::NodeNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.cluster.nodes.is_empty() {
        heard(cx, out);
        return;
    }
    if nodes::someone_ready(cx) || cx.cluster.nodes.len() < 2 {
        return;
    }
    let silent = nodes::silent(cx);
    if silent.is_empty() {
        // A table says that none is ready, and not why.
        heard(cx, out);
        return;
    }
    let names = cx
        .cluster
        .nodes
        .iter()
        .map(|n| n.metadata.name.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let mut finding = RULE
        .on(EntityId::other("nodes", "cluster"))
        .title(format!("no node is ready ({names}): the controller has suspended evictions"))
        .why("Pods of dead nodes stay where they are and still look alive until a node is ready again.")
        .term(60, "every node of the evidence is not ready")
        .term(10, "at least one does not report at all");
    for (node, i, _) in silent.iter().take(2) {
        finding = finding
            .cite(cx.field(
                node.obj,
                &format!("/status/conditions/{i}/message"),
                "this node does not report",
            ))
            .cite(cx.field(
                node.obj,
                &format!("/status/conditions/{i}/status"),
                "its Ready condition",
            ));
    }
    for (node, _, _) in &silent {
        finding = finding.explains(K::NodeNotReady, &cx.cluster.id(node.obj));
    }
    for hit in cx.hits("kcm.all-nodes-not-ready").take(1) {
        finding = finding
            .term(20, "the controller manager says so")
            .cite(cx.log(hit, 0, "the controller suspends evictions"));
    }
    out.push(advise(finding));
}

/// Of the nodes no more is known than that none is ready, but the controller's own log is there.
fn heard(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for hit in cx.hits("kcm.all-nodes-not-ready") {
        let over = cx.hits("kcm.some-nodes-ready").any(|h| {
            h.entry == hit.entry && order::is_behind(cx, &Moment::last(h), &Moment::last(hit))
        });
        if over {
            continue;
        }
        let mut finding = RULE
            .on(EntityId::other("nodes", "cluster"))
            .title("no node is ready: the controller has suspended evictions")
            .why("Pods of dead nodes stay where they are and still look alive until a node is ready again.")
            .term(78, "the controller manager says so, and not that it is over")
            .cite(cx.log(hit, 0, "the controller suspends evictions"));
        for node in &cx.cluster.nodes {
            finding = finding.explains_observed(cx, &[K::NodeNotReady], &cx.cluster.id(node.obj));
        }
        out.push(advise(finding));
    }
}

fn advise(finding: Finding) -> Finding {
    finding
            .weak()
            .safe("Which nodes answer, and what do they say?", "kubectl describe nodes | grep -A12 Conditions")
            .check_first("Bring one node back, a server first.", "ssh NODE systemctl status k3s --no-pager")
            .dont("Don't delete pods by hand to move them: there is nowhere to go, and they may run twice later.")
}
