//! `metadata` and the status conditions that most kinds share.

use jiff::Timestamp;
use serde::Deserialize;

use crate::de;
use crate::selector::Labels;

/// Stands for the value of a label of which only the key is known. No label can have it: the API server
/// refuses its characters.
pub const SOME_VALUE: &str = "(some value)";

/// Set beside the labels of a printed object where they are not all of its labels: those that the command
/// asked for, by a selector or as columns.
pub const LABELS_IN_PART: &str = "labelsInPart";

/// `metav1.ObjectMeta`, without managed fields' contents.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    /// The object's name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// The name's prefix, for generated names.
    #[serde(deserialize_with = "de::text")]
    pub generate_name: String,
    /// Its namespace; empty for cluster-scoped kinds.
    #[serde(deserialize_with = "de::text")]
    pub namespace: String,
    /// Its unique id; empty in manifests that were never applied.
    #[serde(deserialize_with = "de::text")]
    pub uid: String,
    /// The datastore revision of its last change; compared only as a number.
    #[serde(deserialize_with = "de::text")]
    pub resource_version: String,
    /// How often its spec changed.
    #[serde(deserialize_with = "de::int")]
    pub generation: Option<i64>,
    /// When it was made.
    #[serde(deserialize_with = "de::time")]
    pub creation_timestamp: Option<Timestamp>,
    /// When its deletion was asked for.
    #[serde(deserialize_with = "de::time")]
    pub deletion_timestamp: Option<Timestamp>,
    /// Labels.
    #[serde(deserialize_with = "de::text_map")]
    pub labels: Labels,
    /// Annotations.
    #[serde(deserialize_with = "de::text_map")]
    pub annotations: Labels,
    /// Who must let go before a deletion completes.
    #[serde(deserialize_with = "de::texts")]
    pub finalizers: Vec<String>,
    /// What made this object.
    #[serde(deserialize_with = "de::list")]
    pub owner_references: Vec<OwnerReference>,
    /// Who wrote it last, and when.
    #[serde(deserialize_with = "de::list")]
    pub managed_fields: Vec<ManagedFields>,
}

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version of the owner.
    #[serde(deserialize_with = "de::text")]
    pub api_version: String,
    /// Its kind.
    #[serde(deserialize_with = "de::text")]
    pub kind: String,
    /// Its name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Its unique id.
    #[serde(deserialize_with = "de::text")]
    pub uid: String,
    /// True for the one owner that manages the object.
    #[serde(deserialize_with = "de::flag")]
    pub controller: Option<bool>,
}

/// One entry of `metadata.managedFields`, without the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ManagedFields {
    /// The program that wrote.
    #[serde(deserialize_with = "de::text")]
    pub manager: String,
    /// Apply or Update.
    #[serde(deserialize_with = "de::text")]
    pub operation: String,
    /// When it last wrote.
    #[serde(deserialize_with = "de::time")]
    pub time: Option<Timestamp>,
}

/// One entry of `status.conditions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StatusCondition {
    /// What is judged: Ready, PodScheduled, Available…
    #[serde(rename = "type", deserialize_with = "de::text")]
    pub kind: String,
    /// True, False or Unknown.
    #[serde(deserialize_with = "de::text")]
    pub status: String,
    /// One word for the reason.
    #[serde(deserialize_with = "de::text")]
    pub reason: String,
    /// The reason as a sentence.
    #[serde(deserialize_with = "de::text")]
    pub message: String,
    /// Since when.
    #[serde(deserialize_with = "de::time")]
    pub last_transition_time: Option<Timestamp>,
    /// Last seen so.
    #[serde(deserialize_with = "de::time")]
    pub last_heartbeat_time: Option<Timestamp>,
}

/// The condition of this type, with its index in the list.
pub fn condition<'a>(
    list: &'a [StatusCondition],
    kind: &str,
) -> Option<(usize, &'a StatusCondition)> {
    list.iter().enumerate().find(|(_, c)| c.kind == kind)
}

impl Meta {
    /// The owner that manages this object, or its only owner.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references
            .iter()
            .find(|o| o.controller == Some(true))
            .or_else(|| self.owner_references.first())
    }
}
