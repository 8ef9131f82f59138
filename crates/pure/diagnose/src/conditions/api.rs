//! Conditions of what extends the API, of namespaces, and of objects that do not go away.

use defib_model::ConditionKind as K;
use defib_model::EntityId;
use defib_model::views::meta::condition;

use super::{GRACE, one};
use crate::context::Context;

pub(super) fn observe(cx: &mut Context<'_>) {
    api_services(cx);
    webhooks(cx);
    namespaces(cx);
    leftovers(cx);
    custom(cx);
    readyz(cx);
}

fn api_services(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for api in &cluster.api_services {
        if let Some((i, c)) = condition(&api.status.conditions, "Available")
            && c.status == "False"
            && cx.older_than(c.last_transition_time, GRACE / 2)
        {
            let e = cx.field(
                api.obj,
                &format!("/status/conditions/{i}/message"),
                "the API server can't reach this API service",
            );
            cx.observe(one(
                K::ApiServiceUnavailable,
                &cluster.id(api.obj),
                "",
                e,
                c.last_transition_time,
                1,
            ));
        }
    }
}

/// Webhook failures show in the events, statuses and logs of whoever was refused.
fn webhooks(cx: &mut Context<'_>) {
    let mut found = Vec::new();
    for failing in crate::analysis::webhook::failing(cx) {
        let served = failing
            .pods
            .as_ref()
            .is_some_and(|pods| pods.iter().any(|p| p.is_ready()));
        if failing.verdict == crate::analysis::webhook::Verdict::Nothing && served {
            continue;
        }
        for s in &failing.said {
            found.push(one(
                K::WebhookFailing,
                &failing.entity,
                &failing.name,
                s.evidence.clone(),
                s.first,
                s.count,
            ));
        }
    }
    for c in found {
        cx.observe(c);
    }
}

fn namespaces(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for ns in &cluster.namespaces {
        let since = ns.metadata.deletion_timestamp;
        if ns.status.phase == "Terminating" && cx.older_than(since, 2 * GRACE) {
            let remaining = ns
                .status
                .conditions
                .iter()
                .position(|c| c.status == "True" && c.kind.starts_with("Namespace"));
            let e = match remaining {
                Some(i) => cx.field(
                    ns.obj,
                    &format!("/status/conditions/{i}/message"),
                    "what keeps the namespace",
                ),
                None => cx.field(ns.obj, "/status/phase", "the namespace does not go away"),
            };
            cx.observe(one(
                K::NamespaceTerminating,
                &cluster.id(ns.obj),
                "",
                e,
                since,
                1,
            ));
        }
    }
}

fn leftovers(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    let all = cluster
        .others
        .iter()
        .map(|o| (o.obj, &o.metadata))
        .chain(cluster.claims.iter().map(|c| (c.obj, &c.metadata)))
        .chain(cluster.volumes.iter().map(|v| (v.obj, &v.metadata)))
        .chain(cluster.crds.iter().map(|c| (c.obj, &c.metadata)));
    for (obj, meta) in all {
        if meta.deletion_timestamp.is_some()
            && !meta.finalizers.is_empty()
            && cx.older_than(meta.deletion_timestamp, 2 * GRACE)
        {
            let e = cx.field(
                obj,
                "/metadata/finalizers",
                "deletion was asked for; these finalizers hold the object",
            );
            cx.observe(one(
                K::ObjectTerminating,
                &cluster.id(obj),
                "",
                e,
                meta.deletion_timestamp,
                1,
            ));
        }
    }
}

/// Custom resources that say of themselves that they are not ready.
fn custom(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for other in &cluster.others {
        let Some(object) = cluster.object(other.obj) else {
            continue;
        };
        // Built-in kinds without a view say other things with their conditions.
        if !object.api_version.contains('.') || object.api_version.contains(".k8s.io/") {
            continue;
        }
        if other.metadata.deletion_timestamp.is_some() {
            continue;
        }
        if object.api_version.starts_with("argoproj.io/")
            && matches!(other.status.health.status.as_str(), "Degraded" | "Missing")
        {
            let e = cx.field(
                other.obj,
                "/status/health/status",
                "Argo CD says so of what it manages",
            );
            cx.observe(one(K::ResourceNotReady, &object.id, "", e, None, 1));
            continue;
        }
        let bad = other.status.conditions.iter().position(|c| {
            c.status == "False"
                && matches!(
                    c.kind.as_str(),
                    "Ready" | "Available" | "Synced" | "Healthy"
                )
        });
        if let Some(i) = bad
            && let Some(c) = other.status.conditions.get(i)
            && cx.older_than(c.last_transition_time, 5 * GRACE)
        {
            let e = cx.field(
                other.obj,
                &format!("/status/conditions/{i}/message"),
                "its controller says that it is not ready",
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

fn readyz(cx: &mut Context<'_>) {
    if cx.cluster.api_ready == Some(false) {
        let entity = EntityId::other("api-server", "cluster");
        let evidence = defib_model::Evidence {
            text: "/readyz".to_owned(),
            meaning: "the API server answers that it is not ready".to_owned(),
            show: Some("kubectl get --raw '/readyz?verbose'".to_owned()),
            ..Default::default()
        };
        cx.observe(one(
            K::ControlPlaneUnhealthy,
            &entity,
            "",
            evidence,
            None,
            1,
        ));
    }
}
