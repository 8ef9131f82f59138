//! Namespaces, quotas, disruption budgets.

use serde::Deserialize;

use super::meta::{Meta, StatusCondition};
use crate::cluster::ObjId;
use crate::de;
use crate::selector::{LabelSelector, Labels};

/// A namespace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Namespace {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Its own finalizers.
    #[serde(deserialize_with = "de::object")]
    pub spec: NamespaceSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: NamespaceStatus,
}

/// `spec` of a namespace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NamespaceSpec {
    /// `kubernetes` while content remains.
    #[serde(deserialize_with = "de::texts")]
    pub finalizers: Vec<String>,
}

/// `status` of a namespace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NamespaceStatus {
    /// Active or Terminating.
    #[serde(deserialize_with = "de::text")]
    pub phase: String,
    /// What keeps it.
    #[serde(deserialize_with = "de::list")]
    pub conditions: Vec<StatusCondition>,
}

/// A quota.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceQuota {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What is allowed.
    #[serde(deserialize_with = "de::object")]
    pub spec: QuotaAmounts,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: QuotaStatus,
}

/// `spec` of a quota.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QuotaAmounts {
    /// Limits by resource.
    #[serde(deserialize_with = "de::text_map")]
    pub hard: Labels,
}

/// `status` of a quota.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QuotaStatus {
    /// Limits by resource.
    #[serde(deserialize_with = "de::text_map")]
    pub hard: Labels,
    /// Use by resource.
    #[serde(deserialize_with = "de::text_map")]
    pub used: Labels,
}

/// A disruption budget.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodDisruptionBudget {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: BudgetSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: BudgetStatus,
}

/// `spec` of a budget.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BudgetSpec {
    /// Number or percentage.
    #[serde(deserialize_with = "de::text")]
    pub min_available: String,
    /// Number or percentage.
    #[serde(deserialize_with = "de::text")]
    pub max_unavailable: String,
    /// Its pods.
    #[serde(deserialize_with = "de::object")]
    pub selector: LabelSelector,
}

/// `status` of a budget.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BudgetStatus {
    /// Pods that may go now.
    #[serde(deserialize_with = "de::int")]
    pub disruptions_allowed: Option<i64>,
    /// Pods well.
    #[serde(deserialize_with = "de::int")]
    pub current_healthy: Option<i64>,
    /// Pods that must stay.
    #[serde(deserialize_with = "de::int")]
    pub desired_healthy: Option<i64>,
    /// Pods counted.
    #[serde(deserialize_with = "de::int")]
    pub expected_pods: Option<i64>,
}
