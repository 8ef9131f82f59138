//! What of a datastore can be applied to another cluster, in which order, and what has to go before.
//!
//! Sources: `k8s.io/kubernetes/pkg/registry/*/strategy.go` (which fields a server sets itself),
//! `pkg/controller/volume/persistentvolume` (binding by claimRef), `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`
//! and `pkg/registry/flowcontrol/ensurer` (what a server makes at its start). Deliberately absent: whether the
//! target wants it; a dry run there says so.

use serde_json::{Map, Value};

/// Why an object is not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// A controller made it, and makes it again of its owner.
    Owned,
    /// Every cluster makes its own: nodes, leases, events, endpoints, what a server writes at its start.
    Own,
    /// It was being deleted.
    Terminating,
    /// It is a Secret, and those were not asked for.
    Secret,
    /// It is no object of Kubernetes.
    NoObject,
}

impl Left {
    /// For people: what these are.
    pub fn what(self) -> &'static str {
        match self {
            Self::Owned => "made by controllers, which make them again",
            Self::Own => "of which every cluster makes its own",
            Self::Terminating => "were being deleted",
            Self::Secret => "are Secrets: --show-secrets exports them",
            Self::NoObject => "are no objects of Kubernetes",
        }
    }
}

/// The place of a kind in the order of application, two digits.
pub fn rank(api_version: &str, kind: &str) -> u8 {
    match kind {
        "CustomResourceDefinition" => 0,
        "Namespace" => 1,
        "StorageClass"
        | "PriorityClass"
        | "IngressClass"
        | "RuntimeClass"
        | "CSIDriver"
        | "VolumeAttributesClass" => 2,
        "ServiceAccount" | "LimitRange" | "ResourceQuota" => 3,
        "Secret" => 4,
        "ConfigMap" => 5,
        "PersistentVolume" => 6,
        "PersistentVolumeClaim" => 7,
        "ClusterRole" | "Role" => 8,
        "ClusterRoleBinding" | "RoleBinding" => 9,
        "Service" => 10,
        "NetworkPolicy" | "PodDisruptionBudget" => 11,
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "ReplicationController"
        | "CronJob"
        | "Job"
        | "Pod" => 12,
        "HorizontalPodAutoscaler" | "Ingress" => 13,
        // These stand in the way of everything as long as nobody answers for them.
        "ValidatingWebhookConfiguration"
        | "MutatingWebhookConfiguration"
        | "APIService"
        | "ValidatingAdmissionPolicy"
        | "ValidatingAdmissionPolicyBinding" => 30,
        _ if is_builtin(api_version) => 14,
        _ => 20,
    }
}

/// Groups of Kubernetes itself have no dot, or end so.
fn is_builtin(api_version: &str) -> bool {
    match api_version.split_once('/') {
        None => true,
        Some((group, _)) => !group.contains('.') || group.ends_with(".k8s.io"),
    }
}

fn text<'v>(object: &'v Value, path: &[&str]) -> &'v str {
    let found = path.iter().try_fold(object, |at, key| at.get(key));
    found.and_then(Value::as_str).unwrap_or_default()
}

/// Why the object is not for another cluster, if so.
pub fn left(object: &Value, with_secrets: bool) -> Option<Left> {
    let kind = text(object, &["kind"]);
    if kind.is_empty() || object.get("metadata").is_none() {
        return Some(Left::NoObject);
    }
    let metadata = object.get("metadata");
    let owned = metadata
        .and_then(|m| m.get("ownerReferences"))
        .and_then(Value::as_array)
        .is_some_and(|owners| {
            owners.iter().any(|o| {
                o.get("controller").and_then(Value::as_bool) == Some(true)
                    || text(o, &["kind"]) == "Node"
            })
        });
    if is_own(object, kind) {
        return Some(Left::Own);
    }
    if owned {
        return Some(Left::Owned);
    }
    if metadata.is_some_and(|m| m.get("deletionTimestamp").is_some_and(|d| !d.is_null())) {
        return Some(Left::Terminating);
    }
    (kind == "Secret" && !with_secrets).then_some(Left::Secret)
}

/// Does every cluster make its own of it?
fn is_own(object: &Value, kind: &str) -> bool {
    let name = text(object, &["metadata", "name"]);
    let namespace = text(object, &["metadata", "namespace"]);
    let label = |key: &str| text(object, &["metadata", "labels", key]);
    let annotation = |key: &str| text(object, &["metadata", "annotations", key]);
    match kind {
        "Event"
        | "Lease"
        | "Endpoints"
        | "EndpointSlice"
        | "Node"
        | "CSINode"
        | "VolumeAttachment"
        | "ControllerRevision"
        | "CertificateSigningRequest"
        | "RangeAllocation"
        | "IPAddress"
        | "ServiceCIDR"
        | "ComponentStatus"
        | "StorageVersion"
        | "ResourceSlice"
        | "LeaseCandidate"
        | "CSIStorageCapacity"
        | "ETCDSnapshotFile" => true,
        "Namespace" => matches!(
            name,
            "default" | "kube-system" | "kube-public" | "kube-node-lease"
        ),
        "ServiceAccount" => name == "default",
        "ConfigMap" => {
            name == "kube-root-ca.crt"
                || namespace == "kube-system"
                    && matches!(
                        name,
                        "extension-apiserver-authentication"
                            | "kube-apiserver-legacy-service-account-token-tracking"
                            | "k3s-etcd-snapshots"
                            | "rke2-etcd-snapshots"
                    )
        }
        "Service" => namespace == "default" && name == "kubernetes",
        "Secret" => {
            text(object, &["type"]) == "kubernetes.io/service-account-token"
                || name.ends_with(".node-password.k3s")
                || name.ends_with(".node-password.rke2")
                || namespace == "kube-system" && matches!(name, "k3s-serving" | "rke2-serving")
        }
        "PriorityClass" => name.starts_with("system-"),
        "APIService" => !label("kube-aggregator.kubernetes.io/automanaged").is_empty(),
        "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding" => {
            label("kubernetes.io/bootstrapping") == "rbac-defaults"
        }
        "FlowSchema" | "PriorityLevelConfiguration" => {
            annotation("apf.kubernetes.io/autoupdate-spec") == "true"
                || matches!(name, "exempt" | "catch-all")
        }
        "Pod" => !annotation("kubernetes.io/config.mirror").is_empty(),
        _ => false,
    }
}

/// Fields of metadata that a server sets itself, and those that name objects of the old cluster.
const METADATA: &[&str] = &[
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "finalizers",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Annotations that controllers write.
const ANNOTATIONS: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
    "batch.kubernetes.io/job-tracking",
    "control-plane.alpha.kubernetes.io/leader",
    "endpoints.kubernetes.io/last-change-trigger-time",
];

/// Labels of a Job by which its controller knew it.
const JOB_LABELS: &[&str] = &[
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "job-name",
    "batch.kubernetes.io/job-name",
];

fn map<'v>(object: &'v mut Value, path: &[&str]) -> Option<&'v mut Map<String, Value>> {
    let found = path.iter().try_fold(object, |at, key| at.get_mut(key));
    found.and_then(Value::as_object_mut)
}

fn without(object: &mut Value, path: &[&str], keys: &[&str]) {
    if let Some(map) = map(object, path) {
        for key in keys {
            map.remove(*key);
        }
    }
}

/// Takes out what another cluster has to set itself.
pub fn strip(object: &mut Value) {
    let kind = text(object, &["kind"]).to_owned();
    without(object, &[], &["status"]);
    without(object, &["metadata"], METADATA);
    without(object, &["metadata", "annotations"], ANNOTATIONS);
    for field in ["annotations", "labels"] {
        let empty = map(object, &["metadata", field]).is_some_and(|m| m.is_empty());
        if empty {
            without(object, &["metadata"], &[field]);
        }
    }
    match kind.as_str() {
        "Namespace" => without(object, &["spec"], &["finalizers"]),
        "ServiceAccount" => without(object, &[], &["secrets"]),
        // Bound to the claim of this name, whatever its uid will be.
        "PersistentVolume" => {
            without(object, &["spec", "claimRef"], &["uid", "resourceVersion"]);
        }
        "Service" if text(object, &["spec", "clusterIP"]) != "None" => {
            let set = [
                "clusterIP",
                "clusterIPs",
                "ipFamilies",
                "healthCheckNodePort",
            ];
            without(object, &["spec"], &set);
        }
        "Job" => {
            let manual = object
                .get("spec")
                .and_then(|s| s.get("manualSelector"))
                .and_then(Value::as_bool);
            if manual != Some(true) {
                without(object, &["spec"], &["selector"]);
                without(object, &["metadata", "labels"], JOB_LABELS);
                let template = ["spec", "template", "metadata", "labels"];
                without(object, &template, JOB_LABELS);
            }
        }
        "Pod" => {
            without(object, &["spec"], &["nodeName"]);
            without_tokens(object);
        }
        _ => {}
    }
}

/// Takes the volumes out that admission adds for a pod's own token.
fn without_tokens(pod: &mut Value) {
    let is_token = |v: &Value| {
        text(v, &["name"]).starts_with("kube-api-access-")
            || text(v, &["mountPath"]) == "/var/run/secrets/kubernetes.io/serviceaccount"
    };
    let Some(spec) = map(pod, &["spec"]) else {
        return;
    };
    if let Some(Value::Array(volumes)) = spec.get_mut("volumes") {
        volumes.retain(|v| !is_token(v));
    }
    for list in ["containers", "initContainers"] {
        let Some(Value::Array(containers)) = spec.get_mut(list) else {
            continue;
        };
        for container in containers {
            if let Some(Value::Array(mounts)) = container.get_mut("volumeMounts") {
                mounts.retain(|m| !is_token(m));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_server_sets_goes_and_bindings_stay() {
        let mut volume = json!({"apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": "v", "uid": "u", "resourceVersion": "5", "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}},
            "spec": {"claimRef": {"name": "c", "namespace": "n", "uid": "x", "resourceVersion": "4"}}, "status": {"phase": "Bound"}});
        strip(&mut volume);
        assert_eq!(
            volume,
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
            "spec": {"claimRef": {"name": "c", "namespace": "n"}}})
        );
        let headless = json!({"kind": "Service", "metadata": {"name": "h"}, "spec": {"clusterIP": "None", "clusterIPs": ["None"]}});
        let mut same = headless.clone();
        strip(&mut same);
        assert_eq!(same, headless);
        let mut pod = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "n1",
            "volumes": [{"name": "kube-api-access-x2x2x"}, {"name": "data"}],
            "containers": [{"name": "c", "volumeMounts": [{"name": "kube-api-access-x2x2x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}]}});
        strip(&mut pod);
        assert_eq!(
            pod["spec"],
            json!({"volumes": [{"name": "data"}], "containers": [{"name": "c", "volumeMounts": []}]})
        );
    }

    #[test]
    fn what_others_make_is_left() {
        let of = |object: Value| left(&object, false);
        let owned = json!({"kind": "Pod", "metadata": {"name": "p", "ownerReferences": [{"kind": "ReplicaSet", "controller": true}]}});
        assert_eq!(of(owned), Some(Left::Owned));
        assert_eq!(
            of(json!({"kind": "Event", "metadata": {}})),
            Some(Left::Own)
        );
        assert_eq!(
            of(json!({"kind": "Secret", "metadata": {"name": "s"}})),
            Some(Left::Secret)
        );
        assert_eq!(
            of(json!({"kind": "ConfigMap", "metadata": {"name": "c"}})),
            None
        );
        assert_eq!(of(json!("text")), Some(Left::NoObject));
        let mut order = [
            ("v1", "Pod"),
            ("example.net/v1", "Pod2"),
            ("v1", "Secret"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ];
        order.sort_by_key(|(v, k)| rank(v, k));
        assert_eq!(
            order.map(|(_, k)| k),
            ["CustomResourceDefinition", "Secret", "Pod", "Pod2"]
        );
    }
}
