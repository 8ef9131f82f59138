//! Healthy states of one real control plane: `healthy`, exit 0, at most three lines.
//! Deliberately absent: cleaning up after states that last; every later state is judged with them.

#[path = "quiet/manifests.rs"]
mod manifests;

use std::path::Path;

use xtask::lab::{ControlPlane, wait_until};

use manifests::*;

use crate::{Outcome, PATIENCE, an_hour_later, defib, node, until};

/// A state, by name: it is brought about and judged.
pub type State = (&'static str, fn(&mut ControlPlane) -> Outcome);

/// The states, in this order: the first one needs the control plane as it starts, the last one a
/// Service that is older than a minute by then.
pub const STATES: &[State] = &[
    ("without_any_node", quiet_and_lasting),
    ("one_idle_node", one_idle_node),
    ("deployment_rolled_out", rolled_out),
    ("mid_rollout_gated", mid_rollout_gated),
    ("mid_rollout_not_ready", mid_rollout_not_ready),
    ("job_completed", job_completed),
    ("job_in_progress", job_in_progress),
    ("scaled_to_zero", scaled_to_zero),
    ("suspended_cron_job", suspended_cron_job),
    ("cron_job_that_failed_once", cron_job_that_failed_once),
    ("cordoned_node", cordoned),
    ("controllers_started_again", controllers_started_again),
    ("stateful_set_with_volumes", stateful_set),
    ("daemon_set", daemon_set),
    ("services_without_selector", services_without_selector),
    ("namespace_being_deleted", namespace_being_deleted),
    ("claim_waits_for_first_consumer", claim_waits),
    ("pods_just_created", pods_just_created),
    ("disruption_budget_and_autoscaler", budget_and_autoscaler),
    ("evicted_and_replaced", evicted_and_replaced),
    ("quota_raised_since", quota_raised),
    ("refused_owner_gone", refused_owner_gone),
    ("webhook_mended_since", webhook_mended),
    ("just_scaled_up_from_zero", just_scaled_up),
];

/// Nothing wrong: in one word, with exit code 0, in at most three lines.
fn quiet(plane: &mut ControlPlane) -> Outcome {
    is_quiet(&plane.kubeconfig, &["diagnose", "kube:"])
}

/// Nothing wrong now, and nothing that time alone would make wrong.
fn quiet_and_lasting(plane: &mut ControlPlane) -> Outcome {
    quiet(plane)?;
    let now = defib(&plane.kubeconfig, &["diagnose", "kube:", "-o", "json"])?.report()?;
    assert_eq!(now["verdict"], "healthy", "{now:#}");
    let as_of = an_hour_later(&now)?;
    is_quiet(&plane.kubeconfig, &["diagnose", "kube:", "--as-of", &as_of])
}

fn is_quiet(kubeconfig: &Path, arguments: &[&str]) -> Outcome {
    let ran = defib(kubeconfig, arguments)?;
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.out.contains(" healthy:"), "{}", ran.all());
    assert!(ran.out.lines().count() <= 3, "{}", ran.all());
    assert!(ran.err.is_empty(), "{}", ran.all());
    Ok(())
}

fn one_idle_node(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    quiet_and_lasting(plane)
}

fn ready(plane: &ControlPlane, kind: &str, name: &str, namespace: &str, pods: u32) -> Outcome {
    let field = if kind == "daemonset" {
        "jsonpath={.status.numberReady}"
    } else {
        "jsonpath={.status.readyReplicas}"
    };
    let arguments = ["get", kind, name, "-n", namespace, "-o", field];
    until(plane, "its pods are ready", &arguments, |t| {
        t == pods.to_string()
    })
}

fn rolled_out(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(&format!(
        "{}\n---\n{}",
        deployment("web", 3),
        service("web")
    ))?;
    ready(plane, "deployment", "web", "web", 3)?;
    quiet_and_lasting(plane)
}

/// The new ReplicaSet's pod exists and is held before scheduling; the old pods serve.
fn mid_rollout_gated(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(&deployment("rolling", 2))?;
    ready(plane, "deployment", "rolling", "rolling", 2)?;
    let gate =
        r#"{"spec":{"template":{"spec":{"schedulingGates":[{"name":"example.com/wait"}]}}}}"#;
    plane.kubectl_text(&[
        "patch",
        "deployment",
        "rolling",
        "-n",
        "rolling",
        "-p",
        gate,
    ])?;
    let state = [
        "get",
        "pods",
        "-n",
        "rolling",
        "-o",
        "jsonpath={.items[*].status.conditions[*].reason}",
    ];
    until(plane, "a new pod is held", &state, |t| {
        t.contains("SchedulingGated")
    })?;
    quiet(plane)?;
    plane.kubectl_text(&["rollout", "undo", "deployment", "rolling", "-n", "rolling"])?;
    let pods = ["get", "pods", "-n", "rolling", "-o", "name"];
    until(plane, "two pods are left", &pods, |t| {
        t.lines().count() == 2
    })?;
    quiet_and_lasting(plane)
}

/// The new pod runs and is not ready yet.
fn mid_rollout_not_ready(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(&format!(
        "{}\n---\n{}",
        deployment("surge", 2),
        service("surge")
    ))?;
    ready(plane, "deployment", "surge", "surge", 2)?;
    let slower = r#"{"spec":{"minReadySeconds":300,"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}},"template":{"metadata":{"labels":{"version":"two"}}}}}"#;
    plane.kubectl_text(&["patch", "deployment", "surge", "-n", "surge", "-p", slower])?;
    let new = [
        "get",
        "pods",
        "-n",
        "surge",
        "-l",
        "version=two",
        "-o",
        "jsonpath={.items[*].metadata.name} {.items[*].status.phase}",
    ];
    until(plane, "the new pod runs", &new, |t| t.ends_with(" Running"))?;
    let name = plane.kubectl_text(&[
        "get",
        "pods",
        "-n",
        "surge",
        "-l",
        "version=two",
        "-o",
        "name",
    ])?;
    let unready = r#"{"status":{"conditions":[{"type":"Ready","status":"False","reason":"ContainersNotReady","message":"containers with unready status: [app]"}]}}"#;
    plane.kubectl_text(&[
        "patch",
        name.trim(),
        "-n",
        "surge",
        "--subresource=status",
        "-p",
        unready,
    ])?;
    let updated = [
        "get",
        "deployment",
        "surge",
        "-n",
        "surge",
        "-o",
        "jsonpath={.status.updatedReplicas} {.status.readyReplicas} {.status.replicas}",
    ];
    until(plane, "the roll-out is half way", &updated, |t| {
        t == "1 2 3"
    })?;
    quiet(plane)?;
    plane.kubectl_text(&["delete", "namespace", "surge"])?;
    Ok(())
}

fn job_completed(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(&format!(
        "{}\n---\n{}",
        namespace("batch"),
        job("done", "batch", "")
    ))?;
    let state = [
        "get",
        "job",
        "done",
        "-n",
        "batch",
        "-o",
        "jsonpath={.status.conditions[?(@.type=='Complete')].status}",
    ];
    until(plane, "the job is complete", &state, |t| t == "True")?;
    quiet_and_lasting(plane)
}

fn job_in_progress(plane: &mut ControlPlane) -> Outcome {
    let held = "schedulingGates: [{name: example.com/wait}], ";
    plane.apply(&format!(
        "{}\n---\n{}",
        namespace("batch"),
        job("works", "batch", held)
    ))?;
    let state = [
        "get",
        "job",
        "works",
        "-n",
        "batch",
        "-o",
        "jsonpath={.status.active}",
    ];
    until(plane, "the job works", &state, |t| t == "1")?;
    quiet_and_lasting(plane)
}

fn scaled_to_zero(plane: &mut ControlPlane) -> Outcome {
    plane.apply(&format!(
        "{}\n---\n{}",
        deployment("parked", 0),
        service("parked")
    ))?;
    let state = [
        "get",
        "deployment",
        "parked",
        "-n",
        "parked",
        "-o",
        "jsonpath={.status.observedGeneration}",
    ];
    until(plane, "the controller has seen it", &state, |t| t == "1")?;
    quiet_and_lasting(plane)
}

/// Scaled up a moment ago, with pods that wait to be placed; the Service is an hour old.
fn just_scaled_up(plane: &mut ControlPlane) -> Outcome {
    scaled_to_zero(plane)?;
    let held = r#"{"spec":{"replicas":2,"template":{"spec":{"schedulingGates":[{"name":"example.com/wait"}]}}}}"#;
    plane.kubectl_text(&["patch", "deployment", "parked", "-n", "parked", "-p", held])?;
    quiet(plane)?;
    let pods = ["get", "pods", "-n", "parked", "-o", "name"];
    until(plane, "its pods are there", &pods, |t| {
        t.lines().count() == 2
    })?;
    quiet(plane)?;
    plane.kubectl_text(&["delete", "namespace", "parked"])?;
    Ok(())
}

fn suspended_cron_job(plane: &mut ControlPlane) -> Outcome {
    plane.apply(&format!(
        "{}\n---\n{}",
        namespace("batch"),
        cron_job("nightly")
    ))?;
    quiet_and_lasting(plane)
}

/// One run failed, the next one did its work.
fn cron_job_that_failed_once(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(&format!(
        "{}\n---\n{}",
        namespace("batch"),
        cron_job("flaky")
    ))?;
    let run = |name: &str| {
        plane.kubectl_text(&["create", "job", name, "--from=cronjob/flaky", "-n", "batch"])
    };
    // Where it may not be placed, KWOK leaves the pod alone, and it can be made to fail.
    plane.kubectl_text(&["cordon", "n1"])?;
    run("flaky-1")?;
    let first = [
        "get",
        "pods",
        "-n",
        "batch",
        "-l",
        "job-name=flaky-1",
        "-o",
        "name",
    ];
    until(plane, "the first run has a pod", &first, |t| !t.is_empty())?;
    let pod = plane.kubectl_text(&first)?;
    let failed = r#"{"status":{"phase":"Failed","reason":"Error","message":"ended with 1"}}"#;
    plane.kubectl_text(&[
        "patch",
        pod.trim(),
        "-n",
        "batch",
        "--subresource=status",
        "-p",
        failed,
    ])?;
    let state = [
        "get",
        "job",
        "flaky-1",
        "-n",
        "batch",
        "-o",
        "jsonpath={.status.conditions[?(@.type=='Failed')].status}",
    ];
    until(plane, "the first run has failed", &state, |t| t == "True")?;
    plane.kubectl_text(&["uncordon", "n1"])?;
    node(plane, "n1")?;
    run("flaky-2")?;
    let state = [
        "get",
        "job",
        "flaky-2",
        "-n",
        "batch",
        "-o",
        "jsonpath={.status.conditions[?(@.type=='Complete')].status}",
    ];
    until(plane, "the second run is complete", &state, |t| t == "True")?;
    quiet_and_lasting(plane)
}

fn cordoned(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n2")?;
    plane.kubectl_text(&["cordon", "n2"])?;
    quiet_and_lasting(plane)?;
    plane.kubectl_text(&["uncordon", "n2"])?;
    Ok(())
}

fn controllers_started_again(plane: &mut ControlPlane) -> Outcome {
    for part in ["kube-controller-manager", "kube-scheduler"] {
        plane.kill(part)?;
    }
    let without = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| quiet(plane)));
    // Before anything is said about it: every later state needs the controllers.
    for part in ["kube-controller-manager", "kube-scheduler"] {
        plane.start_again(part)?;
    }
    without.map_err(|_| "not quiet while the controllers were away")??;
    quiet(plane)?;
    // They work again once a new Deployment is rolled out.
    node(plane, "n1")?;
    plane.apply(&deployment("after", 1))?;
    ready(plane, "deployment", "after", "after", 1)?;
    quiet_and_lasting(plane)
}

fn stateful_set(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(STATEFUL_SET)?;
    ready(plane, "statefulset", "db", "db", 2)?;
    quiet_and_lasting(plane)
}

fn daemon_set(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(DAEMON_SET)?;
    let state = [
        "get",
        "daemonset",
        "agent",
        "-n",
        "agent",
        "-o",
        "jsonpath={.status.desiredNumberScheduled} {.status.numberReady}",
    ];
    until(plane, "its pods are ready", &state, |t| {
        matches!(t, "1 1" | "2 2")
    })?;
    quiet_and_lasting(plane)
}

fn services_without_selector(plane: &mut ControlPlane) -> Outcome {
    plane.apply(SERVICES)?;
    quiet_and_lasting(plane)
}

/// A namespace on its way out is in order while it lasts no longer than such things take.
fn namespace_being_deleted(plane: &mut ControlPlane) -> Outcome {
    plane.apply(LEAVING)?;
    plane.kubectl_text(&["delete", "namespace", "leaving", "--wait=false"])?;
    let state = ["get", "namespace", "leaving", "-o", "yaml"];
    until(plane, "the namespace waits", &state, |t| {
        t.contains("NamespaceFinalizersRemaining")
    })?;
    quiet(plane)?;
    let release = r#"{"metadata":{"finalizers":null}}"#;
    plane.kubectl_text(&["patch", "configmap", "last", "-n", "leaving", "-p", release])?;
    let gone = [
        "get",
        "namespace",
        "leaving",
        "--ignore-not-found",
        "-o",
        "name",
    ];
    until(plane, "the namespace is gone", &gone, str::is_empty)?;
    quiet_and_lasting(plane)
}

fn claim_waits(plane: &mut ControlPlane) -> Outcome {
    plane.apply(WAITING_CLAIM)?;
    let events = [
        "get",
        "events",
        "-n",
        "waits",
        "-o",
        "jsonpath={.items[*].reason}",
    ];
    until(plane, "the claim waits", &events, |t| {
        t.contains("WaitForFirstConsumer")
    })?;
    quiet(plane)?;
    plane.kubectl_text(&["delete", "namespace", "waits"])?;
    Ok(())
}

/// No node fits yet, for seconds: an autoscaler or a slow join would look the same.
fn pods_just_created(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(&format!(
        "{}\n---\n{}",
        deployment("new", 0),
        service("new")
    ))?;
    let picky = r#"{"spec":{"replicas":2,"template":{"spec":{"nodeSelector":{"disk":"soon"}}}}}"#;
    plane.kubectl_text(&["patch", "deployment", "new", "-n", "new", "-p", picky])?;
    let state = [
        "get",
        "pods",
        "-n",
        "new",
        "-o",
        "jsonpath={.items[*].status.conditions[*].reason}",
    ];
    until(plane, "the scheduler has looked", &state, |t| {
        t.matches("Unschedulable").count() == 2
    })?;
    quiet(plane)?;
    plane.kubectl_text(&["label", "node", "n1", "disk=soon", "--overwrite"])?;
    ready(plane, "deployment", "new", "new", 2)?;
    // The events of the refusals are still there.
    quiet_and_lasting(plane)
}

fn budget_and_autoscaler(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(&deployment("scaled", 2))?;
    plane.apply(BUDGET_AND_AUTOSCALER)?;
    ready(plane, "deployment", "scaled", "scaled", 2)?;
    let events = [
        "get",
        "events",
        "-n",
        "scaled",
        "-o",
        "jsonpath={.items[*].reason}",
    ];
    until(plane, "the autoscaler misses its metrics", &events, |t| {
        t.contains("FailedGetResourceMetric")
    })?;
    quiet(plane)?;
    // An autoscaler that still can't decide an hour later is no healthy state.
    let now = defib(&plane.kubeconfig, &["diagnose", "kube:", "-o", "json"])?.report()?;
    let as_of = an_hour_later(&now)?;
    let arguments = ["diagnose", "kube:", "--as-of", &as_of, "-o", "json"];
    let later = defib(&plane.kubeconfig, &arguments)?.report()?;
    assert_eq!(later["verdict"], "unknown", "{later:#}");
    let conditions = crate::texts(&later, "symptoms", "condition");
    assert_eq!(conditions, ["resource-not-ready"], "{later:#}");
    plane.kubectl_text(&["delete", "hpa", "--all", "-n", "scaled"])?;
    quiet_and_lasting(plane)
}

/// An evicted pod stays as a record; its owner has made another one.
fn evicted_and_replaced(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(&deployment("moved", 1))?;
    ready(plane, "deployment", "moved", "moved", 1)?;
    let pod = plane.kubectl_text(&["get", "pods", "-n", "moved", "-o", "name"])?;
    let evicted = r#"{"status":{"phase":"Failed","reason":"Evicted","message":"The node was low on resource: memory. Threshold quantity: 100Mi, available: 96Mi."}}"#;
    plane.kubectl_text(&[
        "patch",
        pod.trim(),
        "-n",
        "moved",
        "--subresource=status",
        "-p",
        evicted,
    ])?;
    let pods = [
        "get",
        "pods",
        "-n",
        "moved",
        "-o",
        "jsonpath={.items[*].status.phase}",
    ];
    until(plane, "there is another pod", &pods, |t| {
        t.contains("Failed") && t.contains("Running")
    })?;
    ready(plane, "deployment", "moved", "moved", 1)?;
    quiet_and_lasting(plane)
}

/// The pods are there now; the events of their refusal stay for an hour.
fn quota_raised(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(&format!("{}\n---\n{}", namespace("room"), quota("room", 0)))?;
    let used = [
        "get",
        "quota",
        "room",
        "-n",
        "room",
        "-o",
        "jsonpath={.status.hard.pods}",
    ];
    until(plane, "the quota counts", &used, |t| t == "0")?;
    plane.apply(&format!(
        "{}\n---\n{}",
        deployment("room", 1),
        job("room", "room", "")
    ))?;
    let events = [
        "get",
        "events",
        "-n",
        "room",
        "--field-selector=reason=FailedCreate",
        "-o",
        "jsonpath={.items[*].involvedObject.kind}",
    ];
    until(plane, "both are refused", &events, |t| {
        t.contains("ReplicaSet") && t.contains("Job")
    })?;
    plane.apply(&quota("room", 9))?;
    // Controllers try again by themselves, later and later; a change makes them try at once.
    plane.kubectl_text(&["rollout", "restart", "deployment", "room", "-n", "room"])?;
    ready(plane, "deployment", "room", "room", 1)?;
    let state = [
        "get",
        "job",
        "room",
        "-n",
        "room",
        "-o",
        "jsonpath={.status.succeeded}",
    ];
    until(plane, "the job is complete", &state, |t| t == "1")?;
    quiet_and_lasting(plane)
}

/// Who was refused is deleted; only the events speak of it.
fn refused_owner_gone(plane: &mut ControlPlane) -> Outcome {
    plane.apply(&format!(
        "{}\n---\n{}",
        namespace("given-up"),
        quota("given-up", 0)
    ))?;
    let used = [
        "get",
        "quota",
        "given-up",
        "-n",
        "given-up",
        "-o",
        "jsonpath={.status.hard.pods}",
    ];
    until(plane, "the quota counts", &used, |t| t == "0")?;
    plane.apply(&deployment("given-up", 1))?;
    let events = [
        "get",
        "events",
        "-n",
        "given-up",
        "--field-selector=reason=FailedCreate",
        "-o",
        "name",
    ];
    until(plane, "it is refused", &events, |t| !t.is_empty())?;
    plane.kubectl_text(&["delete", "deployment", "given-up", "-n", "given-up"])?;
    let sets = ["get", "replicasets", "-n", "given-up", "-o", "name"];
    until(plane, "its ReplicaSet is gone", &sets, str::is_empty)?;
    quiet_and_lasting(plane)
}

/// The webhook did not answer for a while; now it is gone, and the pods are there.
fn webhook_mended(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    plane.apply(WEBHOOK)?;
    let dry = [
        "run",
        "x",
        "-n",
        "checked",
        "--image=registry.invalid/app:1",
        "--dry-run=server",
    ];
    wait_until("the webhook is called", PATIENCE, || {
        match plane.kubectl(&dry) {
            Ok(output) if !output.status.success() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    plane.kubectl_text(&[
        "create",
        "deployment",
        "checked",
        "-n",
        "checked",
        "--image=registry.invalid/app:1",
    ])?;
    let events = [
        "get",
        "events",
        "-n",
        "checked",
        "-o",
        "jsonpath={.items[*].message}",
    ];
    until(plane, "its pods are refused", &events, |t| {
        t.contains("failed calling webhook")
    })?;
    plane.kubectl_text(&["delete", "validatingwebhookconfiguration", "for-a-while"])?;
    wait_until("the webhook is called no more", PATIENCE, || {
        match plane.kubectl(&dry) {
            Ok(output) if output.status.success() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    plane.kubectl_text(&[
        "rollout",
        "restart",
        "deployment",
        "checked",
        "-n",
        "checked",
    ])?;
    ready(plane, "deployment", "checked", "checked", 1)?;
    quiet_and_lasting(plane)
}
