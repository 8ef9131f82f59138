//! Who waits for whom among the resources of Flux, and what stands in a custom resource.
//!
//! Sources: fluxcd/kustomize-controller and helm-controller `api` (spec.dependsOn, spec.sourceRef,
//! spec.chart.spec.sourceRef), helm `pkg/action` (the release annotations). Deliberately absent:
//! reasons; rules name them.

use defib_model::Condition;
use defib_model::condition::ConditionKind as K;
use defib_model::id::EntityId;
use defib_model::views::meta::StatusCondition;
use serde_json::Value;

use crate::context::Context;

/// Conditions of what is waited for that a waiting resource may show.
pub const KINDS: &[K] = &[
    K::ResourceNotReady,
    K::ReplicasMissing,
    K::RolloutStuck,
    K::PodRefused,
    K::JobFailed,
    K::ObjectTerminating,
];

/// A custom resource that says that it is not well.
pub struct NotReady<'a> {
    /// Its id.
    pub id: EntityId,
    /// Index and text of the condition that says so.
    pub condition: (usize, &'a StatusCondition),
    /// The object behind it.
    pub obj: defib_model::cluster::ObjId,
    /// Kind as written.
    pub kind: String,
}

/// All custom resources of a group that say that they are not well.
pub fn not_ready<'a>(cx: &Context<'a>, group: &str) -> Vec<NotReady<'a>> {
    let cluster = cx.cluster;
    cluster
        .others
        .iter()
        .filter_map(|o| {
            let object = cluster.object(o.obj)?;
            let its = object.api_version.rsplit_once('/').map_or("", |(g, _)| g);
            if !its.ends_with(group) || super::said::past(cx, &object.id) {
                return None;
            }
            let condition = o.status.conditions.iter().enumerate().find(|(_, c)| {
                c.status == "False" && matches!(c.kind.as_str(), "Ready" | "Released" | "Synced")
            })?;
            Some(NotReady {
                id: object.id.clone(),
                condition,
                obj: o.obj,
                kind: object.kind.clone(),
            })
        })
        .collect()
}

/// The object as a value; nothing when it is no object.
pub fn value(cx: &Context<'_>, obj: defib_model::cluster::ObjId) -> Value {
    cx.cluster
        .object(obj)
        .and_then(|o| serde_json::from_slice(&o.json).ok())
        .unwrap_or(Value::Null)
}

/// Text at a pointer.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Resources named in `spec.dependsOn`, with the pointer of each.
pub fn depends_on(cx: &Context<'_>, id: &EntityId) -> Vec<(EntityId, String)> {
    let Some(object) = cx.cluster.find(id) else {
        return Vec::new();
    };
    let Ok(v) = serde_json::from_slice::<Value>(&object.json) else {
        return Vec::new();
    };
    let group = object.api_version.rsplit_once('/').map_or("", |(g, _)| g);
    let list = v
        .pointer("/spec/dependsOn")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    list.iter()
        .enumerate()
        .map(|(i, d)| {
            let ns = text(d, "/namespace");
            let ns = if ns.is_empty() {
                object.namespace.as_str()
            } else {
                ns
            };
            (
                EntityId::object(&object.kind, group, ns, text(d, "/name")),
                format!("/spec/dependsOn/{i}/name"),
            )
        })
        .collect()
}

/// What a resource that is not ready says that it waits for: its dependency, its source, or what it
/// applied.
pub fn waits_for(cx: &Context<'_>, c: &Condition) -> Vec<EntityId> {
    if c.kind != K::ResourceNotReady {
        return Vec::new();
    }
    let Some(object) = cx.cluster.find(&c.entity) else {
        return Vec::new();
    };
    if !object.api_version.contains("toolkit.fluxcd.io/") {
        return Vec::new();
    }
    let Some(other) = cx
        .cluster
        .others
        .iter()
        .find(|o| cx.cluster.id(o.obj) == c.entity)
    else {
        return Vec::new();
    };
    let message: String = other
        .status
        .conditions
        .iter()
        .filter(|s| s.status == "False")
        .map(|s| s.message.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    let mut out = Vec::new();
    if message.contains("dependency '") || message.contains("unable to get '") {
        out.extend(depends_on(cx, &c.entity).into_iter().map(|d| d.0));
    }
    let v: Value = serde_json::from_slice(&object.json).unwrap_or(Value::Null);
    if message.contains("ource") || message.contains("rtifact") || message.contains("Chart") {
        for at in [
            "/spec/sourceRef",
            "/spec/chart/spec/sourceRef",
            "/spec/chartRef",
        ] {
            let Some(source) = v.pointer(at) else {
                continue;
            };
            let ns = text(source, "/namespace");
            let ns = if ns.is_empty() {
                object.namespace.as_str()
            } else {
                ns
            };
            out.push(EntityId::object(
                text(source, "/kind"),
                "source.toolkit.fluxcd.io",
                ns,
                text(source, "/name"),
            ));
        }
        let chart = format!("{}-{}", object.namespace, object.name);
        out.extend(
            cx.cluster
                .others
                .iter()
                .map(|o| cx.cluster.id(o.obj))
                .filter(|id| id.kind() == "helmchart" && id.name() == chart),
        );
    }
    // `timeout waiting for: [Deployment/apps/web status: 'InProgress']`
    if message.contains("waiting for")
        || message.contains("ealth check")
        || message.contains("context deadline exceeded")
    {
        for word in message.split(['[', ' ', ',', ']', ';']) {
            let mut parts = word.split('/');
            if let (Some(kind), Some(ns), Some(name), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            {
                out.extend(
                    cx.cluster
                        .objects
                        .iter()
                        .filter(|o| o.kind == kind && o.namespace == ns && o.name == name)
                        .map(|o| o.id.clone()),
                );
            }
        }
        if object.kind == "HelmRelease" {
            out.extend(released_by(cx, &v, object));
        }
    }
    out
}

/// Workloads that a Helm release made, by Helm's own annotations.
fn released_by(
    cx: &Context<'_>,
    v: &Value,
    object: &defib_model::cluster::Object,
) -> Vec<EntityId> {
    let or = |at: &str, other: &str| {
        let t = text(v, at);
        if t.is_empty() {
            other.to_owned()
        } else {
            t.to_owned()
        }
    };
    let ns = or("/spec/targetNamespace", &object.namespace);
    let name = or("/spec/releaseName", &object.name);
    let key =
        |m: &defib_model::views::Meta, k: &str| m.annotations.get(k).cloned().unwrap_or_default();
    cx.cluster
        .workloads
        .iter()
        .filter(|w| {
            key(&w.metadata, "meta.helm.sh/release-name") == name
                && key(&w.metadata, "meta.helm.sh/release-namespace") == ns
        })
        .map(|w| cx.cluster.id(w.obj))
        .collect()
}
