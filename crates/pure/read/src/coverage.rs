//! How much of the cluster the evidence holds: an absent object means something only where its kind
//! was listed whole.
//!
//! Deliberately absent: trust in file names. The one exception is an empty typed list, which says nothing
//! else about itself: its folder is named after the namespace by `kubectl cluster-info dump`, its file by
//! Troubleshoot. Which of the two it is, the names of the namespaces tell.

use std::collections::{BTreeMap, BTreeSet};

use defib_model::bundle::Seen;
use defib_model::cluster::{Cluster, Listed};

use crate::reader::List;

/// Kinds without a namespace that people list.
const CLUSTER_SCOPED: &[&str] = &[
    "Node",
    "PersistentVolume",
    "StorageClass",
    "Namespace",
    "VolumeAttachment",
    "CustomResourceDefinition",
    "APIService",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "PriorityClass",
    "RuntimeClass",
    "IngressClass",
];

/// Kinds that a judgement of everything would want; reported when they are not in the evidence.
const WANTED: &[&str] = &[
    "ConfigMap",
    "Deployment",
    "Namespace",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ReplicaSet",
    "Secret",
    "Service",
    "StorageClass",
];

/// Adds what one list says about completeness.
pub(crate) fn note(
    list: &List,
    namespaces: &BTreeSet<&str>,
    listed: &mut BTreeMap<String, Listed>,
) {
    if !list.complete && !list.asked_whole {
        return;
    }
    let entry = listed.entry(list.kind.clone()).or_default();
    if list.asked_whole
        || list.namespaces.len() > 1
        || list.cluster_scoped
        || CLUSTER_SCOPED.contains(&list.kind.as_str())
    {
        entry.whole = true;
        return;
    }
    match list.namespaces.first() {
        Some(one) => {
            entry.namespaces.insert(one.clone());
        }
        None => {
            let known = |name: &str| namespaces.contains(name);
            let name = match (known(&list.folder), known(&list.file)) {
                (true, true) => return,
                (false, true) => &list.file,
                _ => &list.folder,
            };
            if !name.is_empty() {
                entry.namespaces.insert(name.clone());
            }
        }
    }
}

/// Judges the scope "objects".
pub(crate) fn judge(cluster: &mut Cluster) {
    let namespaces: BTreeSet<&str> = cluster
        .namespaces
        .iter()
        .map(|n| n.metadata.name.as_str())
        .collect();
    let names_known =
        cluster.listed.get("Namespace").is_some_and(|l| l.whole) && !namespaces.is_empty();
    let whole = |kind: &str| {
        cluster.listed.get(kind).is_some_and(|l| {
            l.whole || (names_known && namespaces.iter().all(|n| l.namespaces.contains(*n)))
        })
    };
    let core = [whole("Node"), whole("Pod"), whole("Event")];
    let live = cluster.sources.iter().any(|s| s.kind == "kube");
    cluster.objects_seen = if core.iter().all(|c| *c) && (!live || cluster.api_ready == Some(true))
    {
        Seen::All
    } else if cluster.objects.is_empty() && cluster.events.is_empty() {
        Seen::None
    } else {
        Seen::Part
    };
    let mut lacking: Vec<String> = ["Node", "Pod", "Event"]
        .iter()
        .zip(core)
        .filter(|(_, seen)| !seen)
        .map(|(kind, _)| (*kind).to_owned())
        .collect();
    lacking.extend(
        WANTED
            .iter()
            .filter(|k| !cluster.listed.contains_key(**k))
            .map(|k| (*k).to_owned()),
    );
    if !whole("EndpointSlice") && !whole("Endpoints") {
        lacking.push("EndpointSlice".to_owned());
    }
    cluster.lacking = lacking;
}
