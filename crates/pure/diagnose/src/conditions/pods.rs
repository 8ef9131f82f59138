//! Conditions of pods and their containers.
//!
//! Deliberately absent: pods that are done (Succeeded, or Failed under a Job, which counts itself).

use defib_model::ConditionKind as K;
use defib_model::fact::Value;
use defib_model::views::meta::condition;
use defib_model::views::pod::{ContainerStatus, Pod};
use defib_model::{Condition, EntityId};

use super::{GRACE, STUCK, one};
use crate::context::{Context, last_event};

/// Waiting reasons, by what they mean. Source: kubernetes `pkg/kubelet/images/types.go`,
/// `pkg/kubelet/container/sync_result.go`, `pkg/kubelet/kuberuntime/kuberuntime_container.go`.
pub(crate) fn waiting_kind(reason: &str) -> Option<K> {
    Some(match reason {
        "CrashLoopBackOff" => K::ContainerCrashLoop,
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "RegistryUnavailable"
        | "SignatureValidationFailed"
        | "ImageInspectError" => K::ImagePullFailing,
        "CreateContainerConfigError" => K::ContainerConfigError,
        "CreateContainerError"
        | "RunContainerError"
        | "StartError"
        | "ContainerCannotRun"
        | "PreStartHookError"
        | "PostStartHookError"
        | "PreCreateHookError" => K::ContainerStartError,
        _ => return None,
    })
}

pub(super) fn observe(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for pod in &cluster.pods {
        let id = cluster.id(pod.obj);
        if pod.status.phase == "Failed" && pod.status.reason == "Evicted" {
            if replaced(cx, pod) {
                continue;
            }
            let e = cx.field(pod.obj, "/status/message", "the kubelet evicted this pod");
            cx.observe(one(K::PodEvicted, &id, "", e, None, 1));
            continue;
        }
        if pod.is_finished() {
            continue;
        }
        if let Some(since) = pod.metadata.deletion_timestamp {
            let grace = pod
                .spec
                .termination_grace_period_seconds
                .unwrap_or(30)
                .max(0)
                + 2 * GRACE;
            if cx.older_than(Some(since), grace) {
                let e = cx.field(
                    pod.obj,
                    "/metadata/deletionTimestamp",
                    "deletion was asked for, and the pod is still there",
                );
                cx.observe(one(K::PodStuckTerminating, &id, "", e, Some(since), 1));
            }
            continue;
        }
        unscheduled(cx, pod, &id);
        for (path, status) in pod.statuses() {
            container(cx, pod, &id, &path, status);
        }
        mounts_and_sandbox(cx, pod, &id);
        probes(cx, pod, &id);
        not_ready(cx, pod, &id);
    }
    names(cx);
    dns(cx);
    events_alone(cx);
}

/// Evicted pods whose owner has all its pods again are a record, unless evictions go on.
const EVICTIONS: usize = 3;

/// True when an evicted pod was replaced, its node is well again, and it did not happen repeatedly.
fn replaced(cx: &Context<'_>, pod: &Pod) -> bool {
    let cluster = cx.cluster;
    let Some(owner) = pod.metadata.controller().filter(|o| !o.uid.is_empty()) else {
        return false;
    };
    let satisfied = cluster.workloads.iter().any(|w| {
        w.metadata.uid == owner.uid && w.desired().is_some_and(|desired| w.ready() >= desired)
    });
    let evicted = cluster
        .pods
        .iter()
        .filter(|p| {
            p.status.reason == "Evicted"
                && p.metadata.controller().is_some_and(|o| o.uid == owner.uid)
        })
        .count();
    let pressed = cluster.node(&pod.spec.node_name).is_some_and(|n| {
        n.status
            .conditions
            .iter()
            .any(|c| c.kind.ends_with("Pressure") && c.status == "True")
    });
    satisfied && !pressed && evicted < EVICTIONS
}

fn unscheduled(cx: &mut Context<'_>, pod: &Pod, id: &EntityId) {
    if !pod.spec.node_name.is_empty() {
        return;
    }
    let Some((i, c)) = condition(&pod.status.conditions, "PodScheduled") else {
        return;
    };
    if c.status != "False" || c.reason == "SchedulingGated" {
        return;
    }
    let since = c.last_transition_time.or(pod.metadata.creation_timestamp);
    if !cx.older_than(since, GRACE / 2) {
        return;
    }
    let e = cx.field(
        pod.obj,
        &format!("/status/conditions/{i}/message"),
        "what the scheduler says about this pod",
    );
    cx.observe(one(K::PodPending, id, "", e, since, 1));
}

fn container(cx: &mut Context<'_>, pod: &Pod, id: &EntityId, path: &str, s: &ContainerStatus) {
    let restarts = s.restart_count.unwrap_or(0);
    let since = pod.metadata.creation_timestamp;
    if let Some(w) = &s.state.waiting
        && let Some(kind) = waiting_kind(&w.reason)
    {
        let e = if w.message.is_empty() || kind == K::ContainerCrashLoop {
            cx.field(
                pod.obj,
                &format!("{path}/state/waiting/reason"),
                "what the kubelet says about this container",
            )
        } else {
            cx.field(
                pod.obj,
                &format!("{path}/state/waiting/message"),
                "what the kubelet says about this container",
            )
        };
        cx.observe(one(kind, id, &s.name, e, since, restarts));
    }
    // Between two runs the state is "terminated", and only the count shows the loop.
    let failed_now = s
        .state
        .terminated
        .as_ref()
        .is_some_and(|t| t.exit_code != Some(0));
    let keeps_running = pod.spec.restart_policy != "Never";
    if failed_now && keeps_running && restarts >= 1 {
        let e = cx.field(
            pod.obj,
            &format!("{path}/state/terminated/exitCode"),
            "the container ended with an error, again",
        );
        cx.observe(one(K::ContainerCrashLoop, id, &s.name, e, since, restarts));
    }
    for (field, state) in [("state", &s.state), ("lastState", &s.last_state)] {
        let Some(t) = &state.terminated else { continue };
        let recent =
            field == "state" || s.ready != Some(true) || !cx.older_than(t.finished_at, 3600);
        if t.reason == "OOMKilled" && recent {
            let e = cx.field(
                pod.obj,
                &format!("{path}/{field}/terminated/reason"),
                "the kernel killed this container for memory",
            );
            cx.observe(one(
                K::ContainerOomKilled,
                id,
                &s.name,
                e,
                t.finished_at,
                restarts,
            ));
        }
        if matches!(
            t.reason.as_str(),
            "StartError" | "ContainerCannotRun" | "RunContainerError"
        ) {
            let e = cx.field(
                pod.obj,
                &format!("{path}/{field}/terminated/message"),
                "the container could not be started",
            );
            cx.observe(one(
                K::ContainerStartError,
                id,
                &s.name,
                e,
                t.finished_at,
                restarts,
            ));
        }
    }
}

fn mounts_and_sandbox(cx: &mut Context<'_>, pod: &Pod, id: &EntityId) {
    let started = pod
        .statuses()
        .any(|(_, s)| s.state.running.is_some() || s.restart_count.unwrap_or(0) > 0);
    if started || pod.is_ready() {
        return;
    }
    let cluster = cx.cluster;
    let since = pod.status.start_time.or(pod.metadata.creation_timestamp);
    for (reasons, kind, meaning) in [
        (
            &["FailedMount", "FailedAttachVolume", "FailedMapVolume"][..],
            K::VolumeMountFailing,
            "a volume of this pod can't be mounted",
        ),
        (
            &[
                "FailedCreatePodSandBox",
                "FailedPodSandBoxStatus",
                "NetworkNotReady",
            ][..],
            K::SandboxFailing,
            "the pod's sandbox can't be made",
        ),
    ] {
        if let Some(event) = last_event(cluster, id, reasons) {
            // The kubelet retries: one failure in the first minute of a pod's life is ordinary.
            if event.count < 2 && !cx.older_than(since, GRACE) {
                continue;
            }
            let e = cx.event(event, meaning);
            cx.observe(one(kind, id, "", e, event.first, event.count));
        }
    }
}

fn probes(cx: &mut Context<'_>, pod: &Pod, id: &EntityId) {
    if pod.is_ready() {
        return;
    }
    let Some(event) = last_event(cx.cluster, id, &["Unhealthy", "ProbeWarning"]) else {
        return;
    };
    let restarts: i64 = pod
        .statuses()
        .map(|(_, s)| s.restart_count.unwrap_or(0))
        .sum();
    // Whoever starts for half a minute fails a few readiness probes meanwhile.
    let since = pod.status.start_time.or(pod.metadata.creation_timestamp);
    if restarts == 0 && (event.count < 3 || !cx.older_than(since, GRACE)) {
        return;
    }
    let e = cx.event(event, "a probe of this pod fails");
    cx.observe(one(
        K::ProbeFailing,
        id,
        event.container.as_deref().unwrap_or(""),
        e,
        event.first,
        event.count,
    ));
}

fn not_ready(cx: &mut Context<'_>, pod: &Pod, id: &EntityId) {
    if pod.spec.node_name.is_empty() || pod.is_ready() {
        return;
    }
    let Some((i, c)) = condition(&pod.status.conditions, "Ready") else {
        return;
    };
    let since = c.last_transition_time.or(pod.metadata.creation_timestamp);
    if c.status == "True" || !cx.older_than(since, STUCK) {
        return;
    }
    let e = cx.field(
        pod.obj,
        &format!("/status/conditions/{i}/message"),
        "not ready for longer than a start takes",
    );
    cx.observe(one(K::PodNotReady, id, "", e, since, 1));
}

/// Programs that say that names do not resolve, in their log or their last words.
fn names(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    let mut found: Vec<Condition> = Vec::new();
    for hit in cx
        .heard()
        .filter(|h| h.signal.starts_with("app.name-resolution"))
    {
        let Some(entity) = &hit.entity else { continue };
        if cluster
            .pod(entity)
            .is_some_and(|p| p.is_ready() || p.serves_dns())
        {
            continue;
        }
        let e = cx.log(hit, 0, "this program can't resolve a name");
        found.push(one(
            K::NameResolutionFailing,
            entity,
            &hit.container,
            e,
            hit.first,
            hit.count as i64,
        ));
    }
    for fact in &cluster.facts {
        if let Value::Resolve(pod, false) = &fact.value {
            let e = cx.fact(fact, "no name server answers this pod");
            found.push(one(K::NameResolutionFailing, pod, "", e, None, 1));
        }
    }
    for c in found {
        cx.observe(c);
    }
}

/// The cluster's DNS is down when pods should serve it and none is ready.
fn dns(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    let servers: Vec<&Pod> = cluster
        .pods
        .iter()
        .filter(|p| p.serves_dns() && !p.is_finished())
        .collect();
    if servers.is_empty() || servers.iter().any(|p| p.is_ready()) {
        return;
    }
    let Some(worst) = servers.first() else { return };
    let young = servers
        .iter()
        .all(|p| !cx.older_than(p.metadata.creation_timestamp, GRACE));
    if young {
        return;
    }
    let place = condition(&worst.status.conditions, "Ready")
        .map_or("/status".to_owned(), |(i, _)| {
            format!("/status/conditions/{i}")
        });
    let e = cx.field(
        worst.obj,
        &place,
        "no pod that serves the cluster's DNS is ready",
    );
    cx.observe(one(
        K::DnsDown,
        &defib_model::edge::dns(),
        "",
        e,
        None,
        servers.len() as i64,
    ));
}

/// A manifest, or a few lines of a description, shows nothing of how the pod is.
fn shows_state(pod: &Pod) -> bool {
    !pod.status.phase.is_empty() || pod.statuses().next().is_some()
}

/// Evidence may hold events without the pods that they are about, or without their state.
fn events_alone(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    let mut found = Vec::new();
    for event in &cluster.events {
        // The kubelet's word for a pull that it puts off is no warning, only its repetition is.
        let put_off = event.reason == "BackOff"
            && event.message.contains("pulling image")
            && event.count >= 3;
        if !(event.warning || put_off)
            || event.about.kind() != "pod"
            || cluster.pod(&event.about).is_some_and(shows_state)
        {
            continue;
        }
        // Where the pods were listed, an event about a pod that is gone is history.
        if event
            .about
            .namespace()
            .is_some_and(|ns| cluster.is_listed("Pod", ns))
        {
            continue;
        }
        let kind = match event.reason.as_str() {
            "FailedScheduling" => K::PodPending,
            "BackOff" if event.message.contains("restarting failed") => K::ContainerCrashLoop,
            "BackOff" if event.message.contains("pulling image") => K::ImagePullFailing,
            "Failed" if event.message.contains("pull image") => K::ImagePullFailing,
            "Failed" if event.message.contains("ImagePull") => K::ImagePullFailing,
            "InspectFailed" => K::ImagePullFailing,
            // Behind `Error: ` stands what was found, or the reason that the state of the container has.
            // Source: kubernetes `pkg/kubelet/kuberuntime/kuberuntime_container.go` (startContainer).
            // What the runtime could not make was made by the kubelet well. Source: containerd
            // `internal/cri/server/container_start.go`.
            "Failed"
                if event
                    .message
                    .starts_with("Error: failed to create containerd task") =>
            {
                K::ContainerStartError
            }
            "Failed"
                if event
                    .message
                    .starts_with("Error: failed to start container") =>
            {
                K::ContainerStartError
            }
            "Failed" if event.message.starts_with("Error: ") => {
                waiting_kind(event.message.trim_start_matches("Error: ").trim())
                    .unwrap_or(K::ContainerConfigError)
            }
            "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => K::VolumeMountFailing,
            "FailedCreatePodSandBox" => K::SandboxFailing,
            "Unhealthy" if event.count >= 3 => K::ProbeFailing,
            "Evicted" => K::PodEvicted,
            _ => continue,
        };
        let part = event.container.clone().unwrap_or_default();
        let e = cx.event(
            event,
            "seen in an event only; the pod itself is not in the evidence",
        );
        found.push(one(kind, &event.about, &part, e, event.first, event.count));
    }
    for c in found {
        cx.observe(c);
    }
}
