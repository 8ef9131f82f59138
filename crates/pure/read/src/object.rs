//! One object: its head, its compact JSON, and the view that its kind asks for.
//!
//! Deliberately absent: what objects mean to each other (`edges`).

use defib_model::cluster::{Object, Origin, Other};
use defib_model::views::event::RawEvent;
use defib_model::views::network::{NetworkPolicy, RawEndpointSlice, RawEndpoints};
use defib_model::views::*;
use defib_model::{EntityId, de};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The view of one object.
#[derive(Debug)]
pub enum View {
    Pod(Box<Pod>),
    Node(Box<Node>),
    Workload(Box<Workload>),
    Claim(Box<PersistentVolumeClaim>),
    Volume(Box<PersistentVolume>),
    Class(Box<StorageClass>),
    Attachment(Box<VolumeAttachment>),
    Service(Box<Service>),
    Endpoints(Box<RawEndpoints>),
    Slice(Box<RawEndpointSlice>),
    Ingress(Box<Ingress>),
    Policy(Box<NetworkPolicy>),
    Secret(Box<Secret>),
    ConfigMap(Box<ConfigMap>),
    ServiceAccount(Box<ServiceAccount>),
    Namespace(Box<Namespace>),
    Quota(Box<ResourceQuota>),
    Budget(Box<PodDisruptionBudget>),
    Webhook(Box<WebhookConfiguration>),
    ApiService(Box<ApiService>),
    Crd(Box<Crd>),
    Event(Box<RawEvent>),
    Other(Box<Other>),
}

impl View {
    /// Sets the namespace, where the source did not print it.
    pub fn set_namespace(&mut self, namespace: &str) {
        let metadata = match self {
            Self::Pod(v) => &mut v.metadata,
            Self::Claim(v) => &mut v.metadata,
            Self::Service(v) => &mut v.metadata,
            Self::Workload(v) => &mut v.metadata,
            Self::Other(v) => &mut v.metadata,
            _ => return,
        };
        metadata.namespace = namespace.to_owned();
    }
}

/// One object, read.
#[derive(Debug)]
pub struct Parsed {
    pub object: Object,
    pub view: View,
    /// Of what a command printed: what it shows.
    pub shown: Option<Box<[u8]>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Head {
    #[serde(deserialize_with = "de::text")]
    kind: String,
    #[serde(deserialize_with = "de::text")]
    api_version: String,
    #[serde(deserialize_with = "de::object")]
    metadata: HeadMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HeadMeta {
    #[serde(deserialize_with = "de::text")]
    name: String,
    #[serde(deserialize_with = "de::text")]
    namespace: String,
    #[serde(deserialize_with = "de::text")]
    uid: String,
    #[serde(deserialize_with = "de::text")]
    resource_version: String,
}

/// Parses, and if that fails for duplicate keys, once more with the last of them.
fn parse<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    match serde_json::from_slice(json) {
        Ok(v) => Some(v),
        Err(_) => {
            let value: serde_json::Value = serde_json::from_slice(json).ok()?;
            serde_json::from_value(value).ok()
        }
    }
}

/// Why an object gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is no valid JSON (too deep, or damaged); the byte of its file where it starts.
    Invalid(u64),
    /// It has no kind, and its shape gives none away.
    NoKind,
    /// It has no name.
    NoName,
}

/// Reads one object. `list` is the kind and version that its list promises.
pub fn read(
    json: &[u8],
    origin: Origin,
    list: Option<&(String, String)>,
) -> Result<Parsed, Refused> {
    let json = defib_formats::json::compact(json);
    let head: Head = parse(&json).ok_or(Refused::Invalid(origin.start))?;
    let (mut kind, mut api_version) = (head.kind, head.api_version);
    let mut metadata = head.metadata;
    if kind.is_empty() {
        let (k, v) = match list {
            Some((k, v)) => (k.clone(), v.clone()),
            None => {
                let (k, v) = infer_owned(&json).ok_or(Refused::NoKind)?;
                // A piece of an object: its head was left out, and its name with it.
                if metadata.name.is_empty() {
                    metadata.name = crate::text::UNNAMED.to_owned();
                }
                (k, v)
            }
        };
        kind = k;
        if api_version.is_empty() {
            api_version = v;
        }
    }
    if metadata.name.is_empty() && kind != "Event" {
        return Err(Refused::NoName);
    }
    let group = api_version.rsplit_once('/').map_or("", |(g, _)| g);
    let mut object = Object {
        id: EntityId::object(&kind, group, &metadata.namespace, &metadata.name),
        revision: metadata.resource_version.parse().unwrap_or(0),
        namespace: metadata.namespace,
        name: metadata.name,
        uid: metadata.uid,
        api_version,
        kind,
        json: Box::default(),
        origin,
        printed: false,
        state: None,
        asked_on: String::new(),
        prints: Vec::new(),
    };
    let view = view(&object, &json).ok_or(Refused::Invalid(origin.start))?;
    // Events and pods are the many and the large: their views hold all that rules read, and quotations
    // come from the source. Everything else is kept whole.
    if !matches!(view, View::Event(_) | View::Pod(_)) {
        object.json = json.into_boxed_slice();
    }
    Ok(Parsed {
        object,
        view,
        shown: None,
    })
}

fn infer_owned(json: &[u8]) -> Option<(String, String)> {
    crate::infer::of_shape(json).map(|(k, v)| (k.to_owned(), v.to_owned()))
}

fn boxed<T: DeserializeOwned>(json: &[u8]) -> Option<Box<T>> {
    parse(json).map(Box::new)
}

/// Group → view; the group keeps a custom resource named `Service` apart from the real one.
fn view(object: &Object, json: &[u8]) -> Option<View> {
    let group = object.api_version.rsplit_once('/').map_or("", |(g, _)| g);
    Some(match (group, object.kind.as_str()) {
        ("", "Pod") => View::Pod(boxed(json)?),
        ("", "Node") => View::Node(boxed(json)?),
        ("", "PersistentVolumeClaim") => View::Claim(boxed(json)?),
        ("", "PersistentVolume") => View::Volume(boxed(json)?),
        ("", "Service") => View::Service(boxed(json)?),
        ("", "Endpoints") => View::Endpoints(boxed(json)?),
        ("", "Secret") => View::Secret(boxed(json)?),
        ("", "ConfigMap") => View::ConfigMap(boxed(json)?),
        ("", "ServiceAccount") => View::ServiceAccount(boxed(json)?),
        ("", "Namespace") => View::Namespace(boxed(json)?),
        ("", "ResourceQuota") => View::Quota(boxed(json)?),
        ("" | "events.k8s.io", "Event") => View::Event(boxed(json)?),
        ("discovery.k8s.io", "EndpointSlice") => View::Slice(boxed(json)?),
        ("storage.k8s.io", "StorageClass") => View::Class(boxed(json)?),
        ("storage.k8s.io", "VolumeAttachment") => View::Attachment(boxed(json)?),
        ("networking.k8s.io" | "extensions", "Ingress") => View::Ingress(boxed(json)?),
        ("networking.k8s.io", "NetworkPolicy") => View::Policy(boxed(json)?),
        ("policy", "PodDisruptionBudget") => View::Budget(boxed(json)?),
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => {
            let mut view: Box<WebhookConfiguration> = boxed(json)?;
            view.kind = object.kind.clone();
            View::Webhook(view)
        }
        ("apiregistration.k8s.io", "APIService") => View::ApiService(boxed(json)?),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => View::Crd(boxed(json)?),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job" | "CronJob")
        | ("", "ReplicationController") => {
            let mut view: Box<Workload> = boxed(json)?;
            view.kind = object.kind.clone();
            View::Workload(view)
        }
        _ => View::Other(boxed(json)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_keys_do_not_cost_the_object() {
        let json = br#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{},"spec":{"nodeName":"n1"}}"#;
        let got = read(json, Origin::default(), None).unwrap();
        assert!(matches!(got.view, View::Pod(p) if p.spec.node_name == "n1"));
    }

    #[test]
    fn a_custom_resource_is_no_builtin_of_the_same_name() {
        let json = br#"{"kind":"Service","apiVersion":"serving.knative.dev/v1","metadata":{"name":"a","namespace":"b"}}"#;
        let got = read(json, Origin::default(), None).unwrap();
        assert!(matches!(got.view, View::Other(_)));
        assert_eq!(got.object.id.as_str(), "service.serving.knative.dev/b/a");
    }
}
