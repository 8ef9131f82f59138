//! # SCH001 The requests leave no room on any node
//!
//! class: insufficient-node-resources
//!
//! ## What it sees
//! A pod that the scheduler can not place because a resource (cpu, memory, ephemeral-storage, a
//! device) is fully requested on the nodes that it may use. Where a node that is not ready may have it, it is a
//! question; where the pod waits for a node that is being drained, it is the drain's.
//!
//! ## Why it matters
//! The scheduler counts requests, not use: nodes that idle at 10 % are full when the sum of requests
//! says so. A pod that asks for more than any node has never fits.
//!
//! ## What to do
//! Compare the pod's requests with what the nodes have left; lower requests that are far above use,
//! scale something down, or add a node.
//!
//! ## What not to do
//! Do not remove requests to squeeze the pod in: the node then runs out in earnest, and the kernel
//! chooses what dies.

use crate::analysis::called::called;
use crate::analysis::drain::Drain;
use crate::analysis::scheduling::Reason;
use crate::analysis::{fit, placement, storage};
use crate::rules::prelude::*;
use defib_model::quantity::milli;

/// The rule.
pub static RULE: Rule = Rule {
    code: "SCH001",
    class: "insufficient-node-resources",
    needs: &["Pod"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let drain = Drain::hanging(cx);
    for p in placement::all(cx) {
        let Reason::Insufficient(resource) = &p.reason else {
            continue;
        };
        // The node will be there again when its drain has ended.
        if drain.as_ref().is_some_and(|drain| drain.keeps(&p)) {
            continue;
        }
        let owner = cx.top_owner(&p.id);
        let mut finding = RULE
            .on(EntityId::other("nodes", "cluster"))
            .key(resource.clone())
            .title(format!(
                "{} asks for more {resource} than the nodes have left",
                called(&owner)
            ))
            .why("The scheduler adds up requests, whatever is really used.")
            .term(85, "the scheduler says so")
            .cite(p.said.clone())
            .cite_all(p.background.clone())
            .explains(K::PodPending, &p.id);
        if let Some(pod) = p.pod {
            let asks = pod
                .spec
                .all_containers()
                .find(|(_, c)| c.resources.requests.contains_key(resource));
            if let Some((path, _)) = asks {
                let key = resource.replace('~', "~0").replace('/', "~1");
                finding = finding.term(5, "the pod states the request").cite(cx.field(
                    pod.obj,
                    &format!("/spec/{path}/resources/requests/{key}"),
                    "what the pod asks for",
                ));
            }
            for claim in storage::waiting_claims(cx, pod) {
                finding = finding.explains(K::ClaimPending, &claim);
            }
        }
        if let Some(node) = p.nodes.first()
            && node.status.allocatable.contains_key(resource)
        {
            let key = resource.replace('~', "~0").replace('/', "~1");
            finding = finding.cite(cx.field(
                node.obj,
                &format!("/status/allocatable/{key}"),
                "what this node has for all its pods together",
            ));
        }
        let offered = cx.cluster.nodes.iter().any(|n| {
            let has = n.status.allocatable.get(resource);
            has.and_then(|q| milli(q)).is_some_and(|q| q > 0)
        });
        if p.sick_nodes || (resource.contains('/') && !offered) {
            // Room is short because a node is missing, or nobody offers this device at all: whatever
            // explains that comes first.
            finding = finding.weak();
        }
        if p.sick_nodes && may_hold(cx, &p, resource) {
            finding = finding.undecided(
                format!("Would the node that is not ready have the {resource}?"),
                "kubectl get nodes; kubectl describe nodes | grep -A10 -E '^(Name|Capacity|Allocatable):'",
                &["insufficient-node-resources", "host-down"],
            );
        }
        out.push(p.settle(
            cx,
            finding
                .safe("See what is requested where.", "kubectl describe nodes | grep -A8 'Allocated resources'")
                .check_first("Lower requests that are far above use, scale something down, or add a node.", command!("kubectl edit {} {} -n {}", owner.kind(), owner.name(), owner.namespace().unwrap_or_default()))
                .dont("Don't remove requests to squeeze the pod in: the node then runs out in earnest."),
        ));
    }
}

/// May one of the nodes that are not ready have as much as the pod asks for? Not if each shows that it has less in all.
fn may_hold(cx: &Context<'_>, p: &placement::Placement<'_>, resource: &str) -> bool {
    let wants = p
        .pod
        .and_then(|pod| fit::requests(&pod.spec, resource))
        .unwrap_or(0);
    let mut sick = cx
        .cluster
        .nodes
        .iter()
        .filter(|n| n.ready() != Some("True"))
        .peekable();
    sick.peek().is_none()
        || sick.any(|n| {
            let has = n.status.allocatable.get(resource).and_then(|q| milli(q));
            has.is_none_or(|has| has >= wants)
        })
}
