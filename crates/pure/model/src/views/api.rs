//! What extends or guards the API: webhooks, API services, custom resource definitions.

use serde::Deserialize;

use super::meta::{Meta, StatusCondition};
use crate::cluster::ObjId;
use crate::de;
use crate::selector::LabelSelector;

/// A validating or mutating webhook configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WebhookConfiguration {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Which of the two.
    #[serde(deserialize_with = "de::text")]
    pub kind: String,
    /// Its webhooks.
    #[serde(deserialize_with = "de::list")]
    pub webhooks: Vec<Webhook>,
}

/// One webhook.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Webhook {
    /// Its name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Fail (default) or Ignore.
    #[serde(deserialize_with = "de::text")]
    pub failure_policy: String,
    /// Whom it calls.
    #[serde(deserialize_with = "de::object")]
    pub client_config: ClientConfig,
    /// For what.
    #[serde(deserialize_with = "de::list")]
    pub rules: Vec<WebhookRule>,
    /// For which namespaces.
    #[serde(deserialize_with = "de::object")]
    pub namespace_selector: LabelSelector,
    /// Patience.
    #[serde(deserialize_with = "de::int")]
    pub timeout_seconds: Option<i64>,
}

/// One of `rules`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WebhookRule {
    /// Groups.
    #[serde(deserialize_with = "de::texts")]
    pub api_groups: Vec<String>,
    /// Resources.
    #[serde(deserialize_with = "de::texts")]
    pub resources: Vec<String>,
    /// Operations.
    #[serde(deserialize_with = "de::texts")]
    pub operations: Vec<String>,
}

/// `clientConfig` of a webhook.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientConfig {
    /// A Service of the cluster.
    #[serde(deserialize_with = "de::maybe")]
    pub service: Option<ServiceReference>,
    /// An address outside.
    #[serde(deserialize_with = "de::text")]
    pub url: String,
}

/// A reference to a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceReference {
    /// Namespace.
    #[serde(deserialize_with = "de::text")]
    pub namespace: String,
    /// Name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Port.
    #[serde(deserialize_with = "de::int")]
    pub port: Option<i64>,
}

/// An APIService.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ApiService {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: ApiServiceSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: ConditionsOnly,
}

/// `spec` of an APIService.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ApiServiceSpec {
    /// Group.
    #[serde(deserialize_with = "de::text")]
    pub group: String,
    /// Version.
    #[serde(deserialize_with = "de::text")]
    pub version: String,
    /// Who serves it; absent means the API server itself.
    #[serde(deserialize_with = "de::maybe")]
    pub service: Option<ServiceReference>,
}

/// A status of conditions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConditionsOnly {
    /// Conditions.
    #[serde(deserialize_with = "de::list")]
    pub conditions: Vec<StatusCondition>,
    /// Argo CD's word for what it manages.
    #[serde(deserialize_with = "de::object")]
    pub health: Health,
}

/// `status.health` of an Argo CD Application.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Health {
    /// Healthy, Progressing, Degraded, Suspended, Missing or Unknown.
    #[serde(deserialize_with = "de::text")]
    pub status: String,
}

/// A custom resource definition.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Crd {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: CrdSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: ConditionsOnly,
}

/// `spec` of a CRD.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CrdSpec {
    /// Group.
    #[serde(deserialize_with = "de::text")]
    pub group: String,
    /// Names.
    #[serde(deserialize_with = "de::object")]
    pub names: CrdNames,
    /// Namespaced or Cluster.
    #[serde(deserialize_with = "de::text")]
    pub scope: String,
    /// Versions.
    #[serde(deserialize_with = "de::list")]
    pub versions: Vec<CrdVersion>,
}

/// `names` of a CRD.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CrdNames {
    /// Kind.
    #[serde(deserialize_with = "de::text")]
    pub kind: String,
    /// Plural.
    #[serde(deserialize_with = "de::text")]
    pub plural: String,
}

/// One version of a CRD.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CrdVersion {
    /// Version.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Served.
    #[serde(deserialize_with = "de::flag")]
    pub served: Option<bool>,
    /// Stored.
    #[serde(deserialize_with = "de::flag")]
    pub storage: Option<bool>,
}
