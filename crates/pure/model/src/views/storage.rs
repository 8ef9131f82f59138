//! Claims, volumes, classes and attachments.

use jiff::Timestamp;
use serde::Deserialize;

use super::meta::{Meta, StatusCondition};
use super::pod::{HostPath, NfsVolume, Resources};
use crate::cluster::ObjId;
use crate::de;
use crate::selector::{LabelSelector, Labels, NodeSelector};

/// A claim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PersistentVolumeClaim {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: ClaimSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: ClaimStatus,
}

/// `spec` of a claim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimSpec {
    /// ReadWriteOnce and so on.
    #[serde(deserialize_with = "de::texts")]
    pub access_modes: Vec<String>,
    /// The size, under requests.storage.
    #[serde(deserialize_with = "de::object")]
    pub resources: Resources,
    /// Labels that the volume must have.
    #[serde(deserialize_with = "de::maybe")]
    pub selector: Option<LabelSelector>,
    /// The class; absent means the default, empty means none.
    #[serde(deserialize_with = "de::maybe_text")]
    pub storage_class_name: Option<String>,
    /// Filesystem (default) or Block.
    #[serde(deserialize_with = "de::text")]
    pub volume_mode: String,
    /// The volume, when named or bound.
    #[serde(deserialize_with = "de::text")]
    pub volume_name: String,
}

/// `status` of a claim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimStatus {
    /// Pending, Bound, Lost.
    #[serde(deserialize_with = "de::text")]
    pub phase: String,
    /// Resizing and the like.
    #[serde(deserialize_with = "de::list")]
    pub conditions: Vec<StatusCondition>,
}

/// A volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PersistentVolume {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What it offers.
    #[serde(deserialize_with = "de::object")]
    pub spec: VolumeSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: VolumeStatus,
}

/// `spec` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeSpec {
    /// What it can do.
    #[serde(deserialize_with = "de::texts")]
    pub access_modes: Vec<String>,
    /// Its size, under storage.
    #[serde(deserialize_with = "de::text_map")]
    pub capacity: Labels,
    /// The claim it is bound to or kept for.
    #[serde(deserialize_with = "de::maybe")]
    pub claim_ref: Option<ClaimReference>,
    /// Its class.
    #[serde(deserialize_with = "de::text")]
    pub storage_class_name: String,
    /// Filesystem (default) or Block.
    #[serde(deserialize_with = "de::text")]
    pub volume_mode: String,
    /// Retain, Delete, Recycle.
    #[serde(deserialize_with = "de::text")]
    pub persistent_volume_reclaim_policy: String,
    /// The nodes that reach it.
    #[serde(deserialize_with = "de::object")]
    pub node_affinity: VolumeNodeAffinity,
    /// A disk of one node.
    #[serde(deserialize_with = "de::maybe")]
    pub local: Option<HostPath>,
    /// A folder of one node.
    #[serde(deserialize_with = "de::maybe")]
    pub host_path: Option<HostPath>,
    /// A network share.
    #[serde(deserialize_with = "de::maybe")]
    pub nfs: Option<NfsVolume>,
    /// A driver volume.
    #[serde(deserialize_with = "de::maybe")]
    pub csi: Option<CsiVolume>,
}

/// `csi` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CsiVolume {
    /// The driver.
    #[serde(deserialize_with = "de::text")]
    pub driver: String,
    /// Its name for the volume.
    #[serde(deserialize_with = "de::text")]
    pub volume_handle: String,
}

/// `nodeAffinity` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeNodeAffinity {
    /// What must hold.
    #[serde(deserialize_with = "de::maybe")]
    pub required: Option<NodeSelector>,
}

/// `claimRef` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimReference {
    /// Namespace of the claim.
    #[serde(deserialize_with = "de::text")]
    pub namespace: String,
    /// Name of the claim.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// The very claim; empty when reserved by name only.
    #[serde(deserialize_with = "de::text")]
    pub uid: String,
}

/// `status` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeStatus {
    /// Available, Bound, Released, Failed, Pending.
    #[serde(deserialize_with = "de::text")]
    pub phase: String,
    /// A sentence.
    #[serde(deserialize_with = "de::text")]
    pub message: String,
    /// Since when.
    #[serde(deserialize_with = "de::time")]
    pub last_phase_transition_time: Option<Timestamp>,
}

/// A storage class.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StorageClass {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Who makes volumes.
    #[serde(deserialize_with = "de::text")]
    pub provisioner: String,
    /// Immediate or WaitForFirstConsumer.
    #[serde(deserialize_with = "de::text")]
    pub volume_binding_mode: String,
    /// What becomes of released volumes.
    #[serde(deserialize_with = "de::text")]
    pub reclaim_policy: String,
}

/// An attachment of a volume to a node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeAttachment {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: AttachmentSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: AttachmentStatus,
}

/// `spec` of an attachment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AttachmentSpec {
    /// The driver.
    #[serde(deserialize_with = "de::text")]
    pub attacher: String,
    /// The node.
    #[serde(deserialize_with = "de::text")]
    pub node_name: String,
    /// The volume.
    #[serde(deserialize_with = "de::object")]
    pub source: AttachmentSource,
}

/// `source` of an attachment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AttachmentSource {
    /// The volume.
    #[serde(deserialize_with = "de::text")]
    pub persistent_volume_name: String,
}

/// `status` of an attachment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AttachmentStatus {
    /// Done.
    #[serde(deserialize_with = "de::flag")]
    pub attached: Option<bool>,
    /// Why not.
    #[serde(deserialize_with = "de::maybe")]
    pub attach_error: Option<AttachmentError>,
    /// Why it does not let go.
    #[serde(deserialize_with = "de::maybe")]
    pub detach_error: Option<AttachmentError>,
}

/// An error of the driver.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AttachmentError {
    /// A sentence.
    #[serde(deserialize_with = "de::text")]
    pub message: String,
    /// When.
    #[serde(deserialize_with = "de::time")]
    pub time: Option<Timestamp>,
}

impl StorageClass {
    /// True when claims without a class get this one.
    pub fn is_default(&self) -> bool {
        let yes = |key: &str| {
            self.metadata
                .annotations
                .get(key)
                .is_some_and(|v| v == "true")
        };
        yes("storageclass.kubernetes.io/is-default-class")
            || yes("storageclass.beta.kubernetes.io/is-default-class")
    }
}

impl PersistentVolumeClaim {
    /// The size asked for, as written.
    pub fn request(&self) -> &str {
        self.spec
            .resources
            .requests
            .get("storage")
            .map_or("", String::as_str)
    }
}
