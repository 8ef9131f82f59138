//! The kind of an object that does not name it: items of typed lists, and pasted fragments.
//!
//! Deliberately absent: guesses between kinds that share their shape (a Deployment's fragment and a
//! ReplicaSet's are told apart by their owner and status only).

use serde::Deserialize;
use serde_json::value::RawValue;

/// The few fields that give a kind away.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Shape<'a> {
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    involved_object: Option<&'a RawValue>,
    #[serde(borrow)]
    regarding: Option<&'a RawValue>,
    #[serde(borrow)]
    provisioner: Option<&'a RawValue>,
    #[serde(borrow)]
    webhooks: Option<&'a RawValue>,
    #[serde(borrow)]
    subsets: Option<&'a RawValue>,
    #[serde(borrow)]
    endpoints: Option<&'a RawValue>,
}

fn has(raw: Option<&RawValue>, key: &str) -> bool {
    let Some(raw) = raw else { return false };
    let bytes = raw.get().as_bytes();
    defib_formats::json::fields(bytes, 0, bytes.len()).any(|f| f.key == key)
}

/// Kind and API version of a list's items: `PodList` → `Pod`.
pub fn of_list(kind: &str, api_version: &str) -> Option<(String, String)> {
    let item = kind.strip_suffix("List")?;
    if item.is_empty() {
        return None;
    }
    Some((item.to_owned(), api_version.to_owned()))
}

/// Kind and API version from an object's shape alone.
pub fn of_shape(json: &[u8]) -> Option<(&'static str, &'static str)> {
    let shape: Shape<'_> = serde_json::from_slice(json).ok()?;
    let spec = |key| has(shape.spec, key);
    let status = |key| has(shape.status, key);
    Some(if shape.involved_object.is_some() {
        ("Event", "v1")
    } else if shape.regarding.is_some() {
        ("Event", "events.k8s.io/v1")
    } else if status("containerStatuses") || (spec("containers") && !spec("template")) {
        ("Pod", "v1")
    } else if shape.status.is_some_and(|s| {
        let text = s.get();
        text.contains("\"NamespaceDeletion") || text.contains("\"NamespaceContentRemaining")
    }) {
        ("Namespace", "v1")
    } else if status("nodeInfo") || spec("podCIDR") {
        ("Node", "v1")
    } else if spec("accessModes") && (spec("claimRef") || spec("capacity")) {
        ("PersistentVolume", "v1")
    } else if spec("accessModes") && spec("resources") {
        ("PersistentVolumeClaim", "v1")
    } else if shape.provisioner.is_some() {
        ("StorageClass", "storage.k8s.io/v1")
    } else if spec("template") && spec("serviceName") {
        ("StatefulSet", "apps/v1")
    } else if status("desiredNumberScheduled") {
        ("DaemonSet", "apps/v1")
    } else if spec("template") && (spec("strategy") || status("unavailableReplicas")) {
        ("Deployment", "apps/v1")
    } else if spec("template") && status("fullyLabeledReplicas") {
        ("ReplicaSet", "apps/v1")
    } else if spec("jobTemplate") {
        ("CronJob", "batch/v1")
    } else if spec("template") && spec("backoffLimit") {
        ("Job", "batch/v1")
    } else if spec("clusterIP") || (spec("ports") && spec("selector")) {
        ("Service", "v1")
    } else if spec("groupPriorityMinimum") {
        ("APIService", "apiregistration.k8s.io/v1")
    } else if spec("finalizers") && status("phase") {
        ("Namespace", "v1")
    } else if shape.webhooks.is_some() {
        (
            "ValidatingWebhookConfiguration",
            "admissionregistration.k8s.io/v1",
        )
    } else if shape.subsets.is_some() {
        ("Endpoints", "v1")
    } else if shape.endpoints.is_some() {
        ("EndpointSlice", "discovery.k8s.io/v1")
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_known_by_their_fields() {
        let of = |j: &str| of_shape(j.as_bytes()).map(|k| k.0);
        assert_eq!(of(r#"{"spec":{"containers":[]}}"#), Some("Pod"));
        assert_eq!(
            of(r#"{"spec":{"accessModes":[],"resources":{}}}"#),
            Some("PersistentVolumeClaim")
        );
        assert_eq!(
            of(r#"{"spec":{"accessModes":[],"capacity":{}}}"#),
            Some("PersistentVolume")
        );
        assert_eq!(of(r#"{"metadata":{"name":"x"}}"#), None);
        assert_eq!(of_list("PodList", "v1"), Some(("Pod".into(), "v1".into())));
        assert_eq!(of_list("List", "v1"), None);
    }
}
