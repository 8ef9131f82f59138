//! What is observed to be wrong, entity by entity. Facts of state, before anybody asks why.
//!
//! Deliberately absent: causes. And what only just began: a pod that is starting is not broken.

mod api;
mod network;
mod nodes;
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
