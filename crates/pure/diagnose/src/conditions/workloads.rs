//! Conditions of what makes pods.
//!
//! Deliberately absent: what is being rolled out and still within its deadline.

use defib_model::ConditionKind as K;
use defib_model::edge::EdgeKind;
use defib_model::views::meta::condition;
use defib_model::views::workload::Workload;
use defib_model::{Condition, EntityId};

use super::{GRACE, STUCK, is_history, one};
use crate::context::{Context, last_event};

pub(super) fn observe(cx: &mut Context<'_>) {
    refused(cx);
    jobs(cx);
    missing(cx);
}

/// Pods that are refused at creation leave no pod: the owner's events and status hold the reason.
fn refused(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    let mut found: Vec<Condition> = Vec::new();
    for about in cluster.events_about.keys() {
        let Some(event) = last_event(cluster, about, &["FailedCreate"]) else {
            continue;
        };
        if !event.warning || is_history(cx, event) {
            continue;
        }
        let e = cx.event(event, "the API server refuses the pods of this owner");
        found.push(one(K::PodRefused, about, "", e, event.first, event.count));
    }
    for w in &cluster.workloads {
        if let Some((i, c)) = condition(&w.status.conditions, "ReplicaFailure")
            && c.status == "True"
            && c.reason == "FailedCreate"
            && w.kind == "ReplicaSet"
        {
            let e = cx.field(
                w.obj,
                &format!("/status/conditions/{i}/message"),
                "the API server refuses the pods of this owner",
            );
            found.push(one(
                K::PodRefused,
                &cluster.id(w.obj),
                "",
                e,
                c.last_transition_time,
                1,
            ));
        }
    }
    for c in found {
        cx.observe(c);
    }
}

fn jobs(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for w in cluster.workloads.iter().filter(|w| w.kind == "Job") {
        if let Some((i, c)) = condition(&w.status.conditions, "Failed")
            && c.status == "True"
            && !done_since(cx, w, c.last_transition_time)
        {
            let e = cx.field(
                w.obj,
                &format!("/status/conditions/{i}/message"),
                "the job gave up",
            );
            cx.observe(one(
                K::JobFailed,
                &cluster.id(w.obj),
                "",
                e,
                c.last_transition_time,
                1,
            ));
        }
    }
}

/// A CronJob keeps its last failed run for people to read. When a later run did the work, that is a
/// record and no trouble.
fn done_since(cx: &Context<'_>, failed: &Workload, when: Option<jiff::Timestamp>) -> bool {
    let owner = |w: &Workload| {
        let o = w.metadata.controller()?;
        (o.kind == "CronJob").then(|| (w.metadata.namespace.clone(), o.name.clone()))
    };
    let Some(mine) = owner(failed) else {
        return false;
    };
    cx.cluster.workloads.iter().any(|w| {
        w.kind == "Job"
            && owner(w).as_ref() == Some(&mine)
            && condition(&w.status.conditions, "Complete").is_some_and(|(_, c)| {
                c.status == "True"
                    && c.last_transition_time.is_some()
                    && c.last_transition_time >= when
            })
    })
}

fn missing(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    let has_trouble_below = |cx: &Context<'_>, id: &EntityId| {
        let mut stack = vec![id.clone()];
        let mut steps = 0;
        while let Some(at) = stack.pop() {
            steps += 1;
            if steps > 10_000 {
                break;
            }
            for edge in cluster
                .needs(&at)
                .iter()
                .filter(|e| e.kind == EdgeKind::Owns)
            {
                if cx.conditions.iter().any(|c| c.entity == edge.to) {
                    return true;
                }
                stack.push(edge.to.clone());
            }
        }
        false
    };
    for w in &cluster.workloads {
        let id = cluster.id(w.obj);
        let Some(desired) = w.desired() else { continue };
        let ready = w.ready();
        if desired == 0 || ready >= desired || w.metadata.deletion_timestamp.is_some() {
            continue;
        }
        if let Some((i, c)) = condition(&w.status.conditions, "Progressing")
            && c.status == "False"
            && c.reason == "ProgressDeadlineExceeded"
        {
            let e = cx.field(
                w.obj,
                &format!("/status/conditions/{i}/message"),
                "the new pods did not become ready in time",
            );
            cx.observe(one(K::RolloutStuck, &id, "", e, c.last_transition_time, 1));
        }
        let refused = cx.has(K::PodRefused, &id).is_some();
        if refused || has_trouble_below(cx, &id) || overdue(cx, w) {
            let place = if w.kind == "DaemonSet" {
                "/status/desiredNumberScheduled"
            } else {
                "/spec/replicas"
            };
            let e = cx.field(w.obj, place, format!("{ready} of {desired} pods are ready"));
            cx.observe(one(K::ReplicasMissing, &id, "", e, None, desired - ready));
        }
    }
}

/// Without any trouble below, pods count as missing only when the roll-out is past its time.
fn overdue(cx: &Context<'_>, w: &Workload) -> bool {
    if w.kind == "Deployment" {
        return condition(&w.status.conditions, "Available").is_some_and(|(_, c)| {
            c.status == "False" && cx.older_than(c.last_transition_time, STUCK)
        });
    }
    let desired = w.desired().unwrap_or(0);
    w.existing() < desired
        && cx.cluster.as_of.is_some()
        && w.metadata.creation_timestamp.is_some()
        && cx.older_than(w.metadata.creation_timestamp, STUCK.max(GRACE))
        && w.metadata.owner_references.is_empty()
}
