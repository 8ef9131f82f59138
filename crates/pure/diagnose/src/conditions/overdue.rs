//! What is past its time without anybody saying so: no status, no event, no message. Silence of the
//! component that should have spoken is a fact like any other.
//!
//! Deliberately absent: what has a message of its own; the files beside this one read those.

use defib_model::ConditionKind as K;
use defib_model::views::meta::condition;

use super::{GRACE, STUCK, one};
use crate::context::Context;

pub(super) fn observe(cx: &mut Context<'_>) {
    unscheduled(cx);
    not_started(cx);
    orphaned(cx);
    autoscalers(cx);
    attachments(cx);
}

/// A scheduler writes `PodScheduled` as soon as it has looked at a pod; kubernetes
/// `pkg/scheduler/schedule_one.go`. No such condition means that none has.
fn unscheduled(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for pod in &cluster.pods {
        let waits = pod.status.phase == "Pending"
            && pod.spec.node_name.is_empty()
            && pod.spec.scheduling_gates.is_empty()
            && pod.metadata.deletion_timestamp.is_none()
            && condition(&pod.status.conditions, "PodScheduled").is_none();
        let since = pod.metadata.creation_timestamp;
        if !waits || !cx.older_than(since, 2 * GRACE) {
            continue;
        }
        let id = cluster.id(pod.obj);
        let e = cx.field(
            pod.obj,
            "/status/phase",
            "no scheduler has looked at this pod",
        );
        cx.observe(one(K::PodPending, &id, "", e, since, 1));
    }
}

/// The kubelet writes the containers' states within seconds of a pod's arrival on its node, also while
/// it pulls images or mounts volumes; kubernetes `pkg/kubelet/kubelet_pods.go`.
fn not_started(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for pod in &cluster.pods {
        let silent = pod.status.phase == "Pending"
            && !pod.spec.node_name.is_empty()
            && pod.metadata.deletion_timestamp.is_none()
            && pod.statuses().next().is_none()
            && condition(&pod.status.conditions, "Ready").is_none();
        let since = condition(&pod.status.conditions, "PodScheduled")
            .and_then(|(_, c)| c.last_transition_time)
            .or(pod.metadata.creation_timestamp);
        if !silent || !cx.older_than(since, 2 * GRACE) {
            continue;
        }
        let id = cluster.id(pod.obj);
        let e = cx.field(
            pod.obj,
            "/spec/nodeName",
            "bound to this node, whose kubelet has said nothing about it",
        );
        cx.observe(one(K::PodNotStarted, &id, "", e, since, 1));
    }
}

/// A pod that is said to run on a node which does not exist.
fn orphaned(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    if !cluster.listed.get("Node").is_some_and(|l| l.whole) || cluster.nodes.is_empty() {
        return;
    }
    for pod in &cluster.pods {
        let node = &pod.spec.node_name;
        let gone = !node.is_empty()
            && !pod.is_finished()
            && pod.metadata.deletion_timestamp.is_none()
            && cluster.node(node).is_none();
        if !gone || !cx.older_than(pod.metadata.creation_timestamp, GRACE) {
            continue;
        }
        let id = cluster.id(pod.obj);
        let e = cx.field(pod.obj, "/spec/nodeName", "there is no node of this name");
        cx.observe(one(K::PodOrphaned, &id, "", e, None, 1));
    }
}

/// An autoscaler that has not known what to do for long: nobody scales.
fn autoscalers(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for other in &cluster.others {
        let Some(object) = cluster
            .object(other.obj)
            .filter(|o| o.kind == "HorizontalPodAutoscaler")
        else {
            continue;
        };
        let bad = other.status.conditions.iter().position(|c| {
            matches!(c.kind.as_str(), "ScalingActive" | "AbleToScale")
                && c.status == "False"
                // Scaled to zero on purpose.
                && c.reason != "ScalingDisabled"
        });
        if let Some(i) = bad
            && let Some(c) = other.status.conditions.get(i)
            && cx.older_than(c.last_transition_time, STUCK)
        {
            let e = cx.field(
                other.obj,
                &format!("/status/conditions/{i}/message"),
                "the autoscaler can't decide",
            );
            cx.observe(one(
                K::ResourceNotReady,
                &object.id,
                "",
                e,
                c.last_transition_time,
                1,
            ));
        }
    }
}

/// An attachment that fails, where no pod's own trouble tells of it.
fn attachments(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    let told = cx
        .conditions
        .iter()
        .any(|c| c.kind == K::VolumeMountFailing);
    for attachment in &cluster.attachments {
        let since = attachment.metadata.creation_timestamp;
        let fails = attachment.status.attached != Some(true)
            && attachment
                .status
                .attach_error
                .as_ref()
                .is_some_and(|e| !e.message.is_empty());
        if told || !fails || !cx.older_than(since, 2 * GRACE) {
            continue;
        }
        let id = cluster.id(attachment.obj);
        let e = cx.field(
            attachment.obj,
            "/status/attachError/message",
            "why the volume does not reach its node",
        );
        cx.observe(one(K::VolumeAttachFailing, &id, "", e, since, 1));
    }
}
