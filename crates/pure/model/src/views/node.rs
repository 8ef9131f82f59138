//! Nodes.

use serde::Deserialize;

use super::meta::{Meta, StatusCondition};
use super::pod::Toleration;
use crate::cluster::ObjId;
use crate::de;
use crate::selector::Labels;

/// A node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Node {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: NodeSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: NodeStatus,
}

/// `spec` of a node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSpec {
    /// Cordoned.
    #[serde(deserialize_with = "de::flag")]
    pub unschedulable: Option<bool>,
    /// What keeps pods off.
    #[serde(deserialize_with = "de::list")]
    pub taints: Vec<Taint>,
    /// Its share of the pod range.
    #[serde(rename = "podCIDR", deserialize_with = "de::text")]
    pub pod_cidr: String,
    /// The machine behind it.
    #[serde(rename = "providerID", deserialize_with = "de::text")]
    pub provider_id: String,
}

/// One of `spec.taints`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Taint {
    /// Its name.
    #[serde(deserialize_with = "de::text")]
    pub key: String,
    /// Its value.
    #[serde(deserialize_with = "de::text")]
    pub value: String,
    /// NoSchedule, PreferNoSchedule, NoExecute.
    #[serde(deserialize_with = "de::text")]
    pub effect: String,
}

/// `status` of a node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeStatus {
    /// Ready, DiskPressure and the like.
    #[serde(deserialize_with = "de::list")]
    pub conditions: Vec<StatusCondition>,
    /// What pods may use.
    #[serde(deserialize_with = "de::text_map")]
    pub allocatable: Labels,
    /// What there is.
    #[serde(deserialize_with = "de::text_map")]
    pub capacity: Labels,
    /// Versions.
    #[serde(deserialize_with = "de::object")]
    pub node_info: NodeInfo,
    /// Addresses.
    #[serde(deserialize_with = "de::list")]
    pub addresses: Vec<NodeAddress>,
}

/// One of `status.addresses`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeAddress {
    /// InternalIP, Hostname and so on.
    #[serde(rename = "type", deserialize_with = "de::text")]
    pub kind: String,
    /// The address.
    #[serde(deserialize_with = "de::text")]
    pub address: String,
}

/// `status.nodeInfo`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeInfo {
    /// Of the kubelet.
    #[serde(deserialize_with = "de::text")]
    pub kubelet_version: String,
    /// Of the kernel.
    #[serde(deserialize_with = "de::text")]
    pub kernel_version: String,
    /// Of the runtime.
    #[serde(deserialize_with = "de::text")]
    pub container_runtime_version: String,
    /// amd64, arm64 and so on.
    #[serde(deserialize_with = "de::text")]
    pub architecture: String,
    /// Of this boot.
    #[serde(rename = "bootID", deserialize_with = "de::text")]
    pub boot_id: String,
    /// The distribution.
    #[serde(deserialize_with = "de::text")]
    pub os_image: String,
}

impl Toleration {
    /// Does this toleration cover the taint? Source: component-helpers `ToleratesTaint`.
    pub fn covers(&self, taint: &Taint) -> bool {
        if !self.effect.is_empty() && self.effect != taint.effect {
            return false;
        }
        if !self.key.is_empty() && self.key != taint.key {
            return false;
        }
        match self.operator.as_str() {
            "" | "Equal" => self.key == taint.key && self.value == taint.value,
            "Exists" => true,
            _ => false,
        }
    }
}

impl Node {
    /// The Ready condition's status: True, False, Unknown or nothing.
    pub fn ready(&self) -> Option<&str> {
        self.status
            .conditions
            .iter()
            .find(|c| c.kind == "Ready")
            .map(|c| c.status.as_str())
    }
}
