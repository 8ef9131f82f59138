//! Conditions of nodes.
//!
//! Deliberately absent: a cordon. Somebody set it on purpose, and nothing is wrong by that alone.

use defib_model::ConditionKind as K;

use super::one;
use crate::context::Context;

pub(super) fn observe(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for node in &cluster.nodes {
        let id = cluster.id(node.obj);
        for (i, c) in node.status.conditions.iter().enumerate() {
            let (kind, meaning) = match (c.kind.as_str(), c.status.as_str()) {
                ("Ready", "False" | "Unknown") => (K::NodeNotReady, "the node is not ready"),
                ("MemoryPressure" | "DiskPressure" | "PIDPressure", "True") => {
                    (K::NodePressure, "the kubelet reports pressure")
                }
                ("NetworkUnavailable", "True") => (
                    K::NodeNetworkUnavailable,
                    "nobody has set up this node's network",
                ),
                _ => continue,
            };
            // A node that has just registered is not ready for a short while.
            if matches!(kind, K::NodeNotReady | K::NodeNetworkUnavailable)
                && !cx.older_than(node.metadata.creation_timestamp, super::GRACE)
            {
                continue;
            }
            let pointer = if c.message.is_empty() {
                "reason"
            } else {
                "message"
            };
            let e = cx.field(
                node.obj,
                &format!("/status/conditions/{i}/{pointer}"),
                meaning,
            );
            cx.observe(one(kind, &id, &c.kind, e, c.last_transition_time, 1));
        }
    }
}
