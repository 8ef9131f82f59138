//! What is observed to be wrong, entity by entity. Facts of state, before anybody asks why.
//!
//! Deliberately absent: causes. And what only just began: a pod that is starting is not broken.

mod api;
mod datastore;
mod host;
mod network;
mod nodes;
mod overdue;
mod pods;
mod storage;
mod workloads;

use crate::context::Context;

/// Seconds that ordinary start-up work may take before its absence is a condition.
pub(crate) const GRACE: i64 = 60;
/// Seconds after which a pod that is merely not ready counts as stuck (a Deployment's own deadline).
pub(crate) const STUCK: i64 = 600;

/// Collects all conditions.
pub(crate) fn observe(cx: &mut Context<'_>) {
    nodes::observe(cx);
    storage::observe(cx);
    pods::observe(cx);
    workloads::observe(cx);
    network::observe(cx);
    api::observe(cx);
    overdue::observe(cx);
    host::observe(cx);
    datastore::observe(cx);
}

/// True when an event of a refusal speaks of what is over: its owner has its pods, or is gone. Events
/// stay for an hour, and nothing else withdraws them.
pub(crate) fn is_history(cx: &Context<'_>, event: &defib_model::views::Event) -> bool {
    let cluster = cx.cluster;
    let about = &event.about;
    let Some(w) = cluster
        .workloads
        .iter()
        .find(|w| cluster.id(w.obj) == *about)
    else {
        let listed = cluster.listed.iter().any(|(kind, l)| {
            kind.eq_ignore_ascii_case(about.kind())
                && (l.whole
                    || about
                        .namespace()
                        .is_some_and(|ns| l.namespaces.contains(ns)))
        });
        return listed && cluster.find(about).is_none();
    };
    match w.desired() {
        Some(desired) => w.existing() >= desired,
        // Jobs do not say how many pods they want now; a pod made since shows that they may again.
        None => cluster
            .events_of(about)
            .any(|e| e.reason == "SuccessfulCreate" && e.last >= event.last && e.last.is_some()),
    }
}

/// Builds a condition with one piece of evidence.
pub(crate) fn one(
    kind: defib_model::ConditionKind,
    entity: &defib_model::EntityId,
    part: &str,
    evidence: defib_model::Evidence,
    since: Option<jiff::Timestamp>,
    count: i64,
) -> defib_model::Condition {
    defib_model::Condition {
        kind,
        entity: entity.clone(),
        part: part.to_owned(),
        evidence: vec![evidence],
        since,
        count: count.max(1),
    }
}
