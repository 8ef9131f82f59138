//! Quotas: what a refusal says, and what the objects say where no refusal is in the evidence.
//!
//! Source: kubernetes `staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`
//! (`exceeded quota: %s, requested: %s, used: %s, limited: %s`; `failed quota: %s: must specify %s`)
//! and `pkg/quota/v1/evaluator/core/pods.go`. Deliberately absent: scopes of quotas.

use defib_model::quantity::milli;
use defib_model::views::ResourceQuota;
use defib_model::views::pod::PodSpec;
use defib_model::views::workload::Workload;

use crate::context::Context;

/// Name of the quota that a refusal names.
pub fn named(message: &str) -> Option<&str> {
    let rest = message
        .split_once("xceeded quota: ")
        .or_else(|| message.split_once("failed quota: "))?
        .1;
    rest.split([',', ':', ' ']).next().filter(|n| !n.is_empty())
}

/// Resources in `requested: limits.cpu=2,pods=1`, with their amounts.
pub fn requested(message: &str) -> Vec<(String, String)> {
    let Some(rest) = message.split_once("requested: ") else {
        return Vec::new();
    };
    let list = rest.1.split(", used:").next().unwrap_or_default();
    list.split(',')
        .filter_map(|p| p.split_once('='))
        .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
        .collect()
}

/// The quota of this name.
pub fn quota<'a>(cx: &Context<'a>, ns: &str, name: &str) -> Option<&'a ResourceQuota> {
    cx.cluster
        .quotas
        .iter()
        .find(|q| q.metadata.namespace == ns && q.metadata.name == name)
}

/// True when this much more does not fit under the quota.
pub fn full(quota: &ResourceQuota, resource: &str, amount: &str) -> Option<bool> {
    let hard = milli(quota.status.hard.get(resource)?)?;
    let used = milli(quota.status.used.get(resource)?)?;
    Some(used + milli(amount)? > hard)
}

/// What one pod of this spec counts in a quota's terms.
pub fn counts(spec: &PodSpec, resource: &str) -> Option<i128> {
    if resource == "pods" || resource == "count/pods" {
        return Some(1000);
    }
    let (side, name) = match resource.split_once('.') {
        Some((side @ ("requests" | "limits"), name)) => (side, name),
        _ => ("requests", resource),
    };
    let mut sum = 0;
    for c in &spec.containers {
        let list = if side == "limits" {
            &c.resources.limits
        } else {
            &c.resources.requests
        };
        // Requests default to the limits.
        sum += milli(list.get(name).or_else(|| c.resources.limits.get(name))?)?;
    }
    Some(sum)
}

/// Computed resources of a quota's terms that every container must state.
pub fn must_state(resource: &str) -> bool {
    matches!(
        resource,
        "cpu"
            | "memory"
            | "requests.cpu"
            | "requests.memory"
            | "limits.cpu"
            | "limits.memory"
            | "ephemeral-storage"
            | "requests.ephemeral-storage"
            | "limits.ephemeral-storage"
    )
}

/// Owners of pods that lack pods which were never made, and of which nothing is said.
pub fn silent_owners<'a>(cx: &'a Context<'_>) -> impl Iterator<Item = &'a Workload> {
    cx.cluster.workloads.iter().filter(move |w| {
        let id = cx.cluster.id(w.obj);
        let makes_pods = matches!(w.kind.as_str(), "ReplicaSet" | "StatefulSet" | "DaemonSet");
        makes_pods
            && w.desired().is_some_and(|d| w.existing() < d)
            && cx.older_than(w.metadata.creation_timestamp, 60)
            && w.metadata.creation_timestamp.is_some()
            && w.metadata.deletion_timestamp.is_none()
            && cx.cluster.events_of(&id).next().is_none()
            && w.status
                .conditions
                .iter()
                .all(|c| c.kind != "ReplicaFailure")
    })
}
