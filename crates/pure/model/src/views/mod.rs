//! Views: the few fields of each kind that rules read, every one optional.
//!
//! Field names follow the Kubernetes API reference (v1.35). Deliberately absent: everything no rule
//! has asked for yet, and any write back: a view is for reading.

pub mod api;
pub mod config;
pub mod event;
pub mod meta;
pub mod network;
pub mod node;
pub mod pod;
pub mod policy;
pub mod storage;
pub mod workload;

pub use api::{ApiService, Crd, WebhookConfiguration};
pub use config::{ConfigMap, Secret, ServiceAccount};
pub use event::Event;
pub use meta::{Meta, OwnerReference, StatusCondition};
pub use network::{Endpoints, Ingress, Service};
pub use node::Node;
pub use pod::{Container, ContainerStatus, Pod, PodSpec, Volume};
pub use policy::{Namespace, PodDisruptionBudget, ResourceQuota};
pub use storage::{PersistentVolume, PersistentVolumeClaim, StorageClass, VolumeAttachment};
pub use workload::Workload;
