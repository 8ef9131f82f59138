//! What makes pods: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs.

use jiff::Timestamp;
use serde::Deserialize;

use super::meta::{Meta, StatusCondition};
use super::pod::PodTemplate;
use super::storage::PersistentVolumeClaim;
use crate::cluster::ObjId;
use crate::de;
use crate::selector::LabelSelector;

/// Any kind that makes pods; fields of other kinds stay empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Workload {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Deployment, ReplicaSet and so on.
    #[serde(deserialize_with = "de::text")]
    pub kind: String,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: WorkloadSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: WorkloadStatus,
}

/// `spec` of a workload.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WorkloadSpec {
    /// Pods wanted (default 1).
    #[serde(deserialize_with = "de::int")]
    pub replicas: Option<i64>,
    /// Its pods.
    #[serde(deserialize_with = "de::object")]
    pub selector: LabelSelector,
    /// What its pods look like.
    #[serde(deserialize_with = "de::object")]
    pub template: PodTemplate,
    /// Deployment on hold.
    #[serde(deserialize_with = "de::flag")]
    pub paused: Option<bool>,
    /// Job or CronJob on hold.
    #[serde(deserialize_with = "de::flag")]
    pub suspend: Option<bool>,
    /// How a Deployment changes.
    #[serde(deserialize_with = "de::object")]
    pub strategy: Strategy,
    /// Service of a StatefulSet.
    #[serde(deserialize_with = "de::text")]
    pub service_name: String,
    /// Claims a StatefulSet makes.
    #[serde(deserialize_with = "de::list")]
    pub volume_claim_templates: Vec<PersistentVolumeClaim>,
    /// Of a Job.
    #[serde(deserialize_with = "de::int")]
    pub completions: Option<i64>,
    /// Of a Job.
    #[serde(deserialize_with = "de::int")]
    pub backoff_limit: Option<i64>,
    /// Of a Deployment (default 600).
    #[serde(deserialize_with = "de::int")]
    pub progress_deadline_seconds: Option<i64>,
    /// Of a CronJob.
    #[serde(deserialize_with = "de::text")]
    pub schedule: String,
    /// Seconds ready before available.
    #[serde(deserialize_with = "de::int")]
    pub min_ready_seconds: Option<i64>,
}

/// `strategy` of a Deployment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Strategy {
    /// RollingUpdate or Recreate.
    #[serde(rename = "type", deserialize_with = "de::text")]
    pub kind: String,
}

/// `status` of a workload.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WorkloadStatus {
    /// Pods there are.
    #[serde(deserialize_with = "de::int")]
    pub replicas: Option<i64>,
    /// Pods ready.
    #[serde(deserialize_with = "de::int")]
    pub ready_replicas: Option<i64>,
    /// Pods ready long enough.
    #[serde(deserialize_with = "de::int")]
    pub available_replicas: Option<i64>,
    /// Pods of the present template.
    #[serde(deserialize_with = "de::int")]
    pub updated_replicas: Option<i64>,
    /// Pods missing.
    #[serde(deserialize_with = "de::int")]
    pub unavailable_replicas: Option<i64>,
    /// DaemonSet: nodes that should have a pod.
    #[serde(deserialize_with = "de::int")]
    pub desired_number_scheduled: Option<i64>,
    /// DaemonSet: pods ready.
    #[serde(deserialize_with = "de::int")]
    pub number_ready: Option<i64>,
    /// DaemonSet: pods missing.
    #[serde(deserialize_with = "de::int")]
    pub number_unavailable: Option<i64>,
    /// DaemonSet: nodes that have a pod.
    #[serde(deserialize_with = "de::int")]
    pub current_number_scheduled: Option<i64>,
    /// The spec that this status answers.
    #[serde(deserialize_with = "de::int")]
    pub observed_generation: Option<i64>,
    /// Job: pods failed.
    #[serde(deserialize_with = "de::int")]
    pub failed: Option<i64>,
    /// Job: pods done.
    #[serde(deserialize_with = "de::int")]
    pub succeeded: Option<i64>,
    /// Job: pods at work.
    #[serde(deserialize_with = "de::int")]
    pub active: Option<i64>,
    /// Available, Progressing, ReplicaFailure, Complete, Failed.
    #[serde(deserialize_with = "de::list")]
    pub conditions: Vec<StatusCondition>,
    /// Job: since when.
    #[serde(deserialize_with = "de::time")]
    pub start_time: Option<Timestamp>,
}

impl Workload {
    /// Pods that should be there now; nothing where the kind does not say.
    pub fn desired(&self) -> Option<i64> {
        match self.kind.as_str() {
            "DaemonSet" => self.status.desired_number_scheduled,
            "Job" | "CronJob" => None,
            _ => Some(self.spec.replicas.unwrap_or(1)),
        }
    }

    /// Pods that are ready.
    pub fn ready(&self) -> i64 {
        match self.kind.as_str() {
            "DaemonSet" => self.status.number_ready.unwrap_or(0),
            _ => self.status.ready_replicas.unwrap_or(0),
        }
    }

    /// Pods that exist, ready or not.
    pub fn existing(&self) -> i64 {
        match self.kind.as_str() {
            "DaemonSet" => self.status.current_number_scheduled.unwrap_or(0),
            _ => self.status.replicas.unwrap_or(0),
        }
    }
}
