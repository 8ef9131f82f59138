//! What an API server changes between its store and its answer, where the two differ on a cluster that runs
//! as it comes.
//!
//! Sources: the conversions of k8s.io/apiextensions-apiserver (`apiextensions/v1`, `v1beta1`) and of
//! k8s.io/kubernetes (`apis/apps/v1`, `apis/core/v1`, `apis/storage/v1`); the lab's control plane is compared
//! with all of it in xtask's tests. Deliberately absent: defaults that a newer server adds to what an older
//! one stored, and versions that only features switched on by hand make it store.

use serde_json::{Map, Value};

use super::{DecodeError, Decoded, decode_at};

/// Definitions of custom resources are stored in a version that no server has served since 1.22.
const OLD_DEFINITION: &str = "apiextensions.k8s.io/v1beta1";
const DEFINITION: &str = "apiextensions.k8s.io/v1";
/// Stored in its second version while the third is served; their fields are the same.
const OLD_ATTRIBUTES: &str = "storage.k8s.io/v1beta1";
const ATTRIBUTES: &str = "storage.k8s.io/v1";

/// As [`decode_at`], and then in the version that an API server answers with: what can be applied again.
///
/// # Errors
/// As [`decode_at`].
pub fn decode_served(
    value: &[u8],
    revision: Option<u64>,
    out: &mut Vec<u8>,
) -> Result<Decoded, DecodeError> {
    let begin = out.len();
    let mut decoded = decode_at(value, revision, out)?;
    let (change, version): (fn(&mut Value), &str) =
        match (decoded.api_version.as_str(), decoded.kind.as_str()) {
            (OLD_DEFINITION, "CustomResourceDefinition") => (definition, DEFINITION),
            (OLD_ATTRIBUTES, "VolumeAttributesClass") => (|_| {}, ATTRIBUTES),
            ("apps/v1", "StatefulSet") => (claim_templates, "apps/v1"),
            ("v1", "PersistentVolume" | "PersistentVolumeClaim") => (phase, "v1"),
            _ => return Ok(decoded),
        };
    let json = out.get(begin..).unwrap_or_default();
    if let Ok(mut object) = serde_json::from_slice::<Value>(json) {
        change(&mut object);
        if let Some(object) = object.as_object_mut() {
            object.insert("apiVersion".to_owned(), version.into());
        }
        out.truncate(begin);
        out.extend_from_slice(object.to_string().as_bytes());
        version.clone_into(&mut decoded.api_version);
    }
    Ok(decoded)
}

/// Claims in a StatefulSet say what they are; on the wire they do not.
fn claim_templates(object: &mut Value) {
    let templates = object.pointer_mut("/spec/volumeClaimTemplates");
    for template in templates
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(template) = template.as_object_mut() {
            template.insert("apiVersion".to_owned(), "v1".into());
            template.insert("kind".to_owned(), "PersistentVolumeClaim".into());
        }
    }
}

/// A volume or claim that no controller has seen yet is pending.
fn phase(object: &mut Value) {
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.entry("phase").or_insert_with(|| "Pending".into());
    }
}

/// A definition, from `v1beta1` to `v1`: what was said once for all versions is said by each.
fn definition(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let version = spec.remove("version");
    let named =
        |version: Value| serde_json::json!([{"name": version, "served": true, "storage": true}]);
    if !spec.contains_key("versions")
        && let Some(version) = version
    {
        spec.insert("versions".to_owned(), named(version));
    }
    for (old, new) in [
        ("validation", "schema"),
        ("subresources", "subresources"),
        ("additionalPrinterColumns", "additionalPrinterColumns"),
        ("selectableFields", "selectableFields"),
    ] {
        if let Some(common) = spec.remove(old) {
            for version in versions(spec) {
                version.insert(new.to_owned(), common.clone());
            }
        }
    }
    for version in versions(spec) {
        let columns = version.get_mut("additionalPrinterColumns");
        let columns = columns.and_then(Value::as_array_mut);
        for column in columns
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            rename(column, "JSONPath", "jsonPath");
        }
    }
    // The new version leaves out what is false.
    if spec.get("preserveUnknownFields") == Some(&Value::Bool(false)) {
        spec.remove("preserveUnknownFields");
    }
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut) {
        let client = conversion.remove("webhookClientConfig");
        let reviews = conversion.remove("conversionReviewVersions");
        if client.is_some() || reviews.is_some() {
            let mut webhook = Map::new();
            webhook.insert(
                "conversionReviewVersions".to_owned(),
                reviews.unwrap_or_default(),
            );
            if let Some(client) = client {
                webhook.insert("clientConfig".to_owned(), client);
            }
            conversion.insert("webhook".to_owned(), Value::Object(webhook));
        }
    }
}

fn versions(spec: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    let versions = spec.get_mut("versions").and_then(Value::as_array_mut);
    (versions.into_iter().flatten()).filter_map(Value::as_object_mut)
}

fn rename(object: &mut Map<String, Value>, old: &str, new: &str) {
    if let Some(value) = object.remove(old) {
        object.insert(new.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(value: &Value) -> (Decoded, Value) {
        let mut out = b"before".to_vec();
        let decoded = decode_served(value.to_string().as_bytes(), Some(3), &mut out).unwrap();
        (decoded, serde_json::from_slice(&out[6..]).unwrap())
    }

    #[test]
    fn a_definition_says_for_each_version_what_it_said_for_all() {
        let (decoded, json) = served(&serde_json::json!({
            "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1beta1",
            "metadata": {"name": "w.example.com"},
            "spec": {
                "group": "example.com", "version": "v1", "preserveUnknownFields": false,
                "validation": {"openAPIV3Schema": {"type": "object"}},
                "additionalPrinterColumns": [{"name": "Age", "type": "date", "JSONPath": ".x"}],
                "versions": [{"name": "v1", "served": true, "storage": true}, {"name": "v2", "served": false, "storage": false}],
                "conversion": {"strategy": "Webhook", "webhookClientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1"]}
            }
        }));
        assert_eq!(decoded.api_version, "apiextensions.k8s.io/v1");
        let column = serde_json::json!([{"name": "Age", "type": "date", "jsonPath": ".x"}]);
        let schema = serde_json::json!({"openAPIV3Schema": {"type": "object"}});
        assert_eq!(
            json,
            serde_json::json!({
                "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1",
                "metadata": {"name": "w.example.com", "resourceVersion": "3"},
                "spec": {
                    "group": "example.com",
                    "versions": [
                        {"name": "v1", "served": true, "storage": true, "schema": schema, "additionalPrinterColumns": column},
                        {"name": "v2", "served": false, "storage": false, "schema": schema, "additionalPrinterColumns": column},
                    ],
                    "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1"]}}
                }
            })
        );
    }

    #[test]
    fn a_definition_of_one_version_gets_a_list() {
        let (_, json) = served(&serde_json::json!({
            "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1beta1", "metadata": {},
            "spec": {"version": "v1alpha1"}
        }));
        let versions = serde_json::json!([{"name": "v1alpha1", "served": true, "storage": true}]);
        assert_eq!(json["spec"], serde_json::json!({"versions": versions}));
    }

    #[test]
    fn what_is_served_as_it_is_stored_passes() {
        let claim = |status: Value| serde_json::json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "status": status});
        assert_eq!(
            served(&claim(serde_json::json!({}))).1["status"]["phase"],
            "Pending"
        );
        let bound = claim(serde_json::json!({"phase": "Bound"}));
        assert_eq!(served(&bound).1, bound);
    }
}
