//! Disks in the status of Longhorn's own Node objects; and whether Longhorn is in use at all.
//!
//! Source: longhorn-manager `k8s/pkg/apis/longhorn/v1beta2/node.go`, `controller/node_controller.go`.
//! Deliberately absent: volumes and replicas; their states follow from the disks'.

use defib_model::cluster::ObjId;
use defib_model::condition::ConditionKind as K;
use defib_model::fact::Value;
use defib_model::{EntityId, Evidence};

use super::host;
use crate::context::Context;

/// What shows that Longhorn is in use: its class of storage, or its version in a list of versions.
pub fn shown(cx: &Context<'_>) -> Option<Evidence> {
    let classes = &cx.cluster.classes;
    let class = classes
        .iter()
        .find(|c| c.provisioner == "driver.longhorn.io")
        .map(|c| cx.field(c.obj, "/provisioner", "Longhorn makes the volumes"));
    class.or_else(|| {
        let mut versions = host::facts_anywhere(cx, |v| match v {
            Value::Version(name, _) if name == "longhorn" => Some(()),
            _ => None,
        });
        let (fact, ()) = versions.next()?;
        Some(cx.fact(fact, "Longhorn is in use"))
    })
}

/// A disk whose condition of the wanted type is False.
pub struct Disk {
    /// The Longhorn node.
    pub obj: ObjId,
    /// Its name.
    pub node: String,
    /// The condition's reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// Where the message stands.
    pub message_at: String,
    /// Where the status stands.
    pub status_at: String,
}

/// Disks with trouble of this type.
pub fn disks(cx: &Context<'_>, kind: &str) -> Vec<Disk> {
    let mut out = Vec::new();
    for other in &cx.cluster.others {
        let Some(object) = cx
            .cluster
            .object(other.obj)
            .filter(|o| o.kind == "Node" && o.api_version.starts_with("longhorn.io/"))
        else {
            continue;
        };
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&object.json) else {
            continue;
        };
        let Some(disks) = value
            .pointer("/status/diskStatus")
            .and_then(|d| d.as_object())
        else {
            continue;
        };
        for (name, disk) in disks {
            let Some(conditions) = disk.get("conditions") else {
                continue;
            };
            // A list since v1beta2, before that a map by type.
            let list: Vec<(String, &serde_json::Value)> = match conditions {
                serde_json::Value::Array(a) => a
                    .iter()
                    .enumerate()
                    .map(|(i, c)| (i.to_string(), c))
                    .collect(),
                serde_json::Value::Object(o) => o.iter().map(|(k, c)| (k.clone(), c)).collect(),
                _ => Vec::new(),
            };
            for (key, c) in list {
                let text = |k: &str| {
                    c.get(k)
                        .and_then(|v| v.as_str())
                        .unwrap_or_default()
                        .to_owned()
                };
                if text("type") == kind && text("status") == "False" {
                    let at = format!(
                        "/status/diskStatus/{}/conditions/{key}",
                        name.replace('~', "~0").replace('/', "~1")
                    );
                    out.push(Disk {
                        obj: other.obj,
                        node: object.name.clone(),
                        reason: text("reason"),
                        message: text("message"),
                        message_at: format!("{at}/message"),
                        status_at: format!("{at}/status"),
                    });
                }
            }
        }
    }
    out
}

/// Pods whose mount of a Longhorn volume fails.
pub fn hurt(cx: &Context<'_>) -> Vec<EntityId> {
    cx.all(K::VolumeMountFailing)
        .filter(|c| {
            cx.cluster.events_of(&c.entity).any(|e| {
                e.message.contains("longhorn") || e.message.contains("AttachVolume.Attach failed")
            })
        })
        .map(|c| c.entity.clone())
        .collect()
}
