//! Pods, pod templates, containers and their states.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::meta::{Meta, StatusCondition};
use crate::cluster::ObjId;
use crate::de;
use crate::selector::{LabelSelector, Labels, NodeSelector};

/// A pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, owner, labels.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: PodSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: PodStatus,
}

/// `PodTemplateSpec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Labels of the pods to be.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Their spec.
    #[serde(deserialize_with = "de::object")]
    pub spec: PodSpec,
}

/// `PodSpec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    /// The node it is bound to.
    #[serde(deserialize_with = "de::text")]
    pub node_name: String,
    /// Labels the node must have.
    #[serde(deserialize_with = "de::text_map")]
    pub node_selector: Labels,
    /// Affinities.
    #[serde(deserialize_with = "de::object")]
    pub affinity: Affinity,
    /// Taints it puts up with.
    #[serde(deserialize_with = "de::list")]
    pub tolerations: Vec<Toleration>,
    /// The account it runs as.
    #[serde(deserialize_with = "de::text")]
    pub service_account_name: String,
    /// Who places it.
    #[serde(deserialize_with = "de::text")]
    pub scheduler_name: String,
    /// ClusterFirst, Default, None, ClusterFirstWithHostNet.
    #[serde(deserialize_with = "de::text")]
    pub dns_policy: String,
    /// True when it shares the node's network.
    #[serde(deserialize_with = "de::flag")]
    pub host_network: Option<bool>,
    /// Always, OnFailure, Never.
    #[serde(deserialize_with = "de::text")]
    pub restart_policy: String,
    /// The runtime handler's class.
    #[serde(deserialize_with = "de::text")]
    pub runtime_class_name: String,
    /// Seconds between TERM and KILL.
    #[serde(deserialize_with = "de::int")]
    pub termination_grace_period_seconds: Option<i64>,
    /// Credentials for its images.
    #[serde(deserialize_with = "de::list")]
    pub image_pull_secrets: Vec<NameRef>,
    /// Containers.
    #[serde(deserialize_with = "de::list")]
    pub containers: Vec<Container>,
    /// Containers that run first.
    #[serde(deserialize_with = "de::list")]
    pub init_containers: Vec<Container>,
    /// Volumes.
    #[serde(deserialize_with = "de::list")]
    pub volumes: Vec<Volume>,
    /// Pod-wide security settings.
    #[serde(deserialize_with = "de::object")]
    pub security_context: SecurityContext,
    /// What must be true outside before the pod counts as ready.
    #[serde(deserialize_with = "de::list")]
    pub readiness_gates: Vec<ReadinessGate>,
    /// Requests of the pod as a whole; they stand before those of its containers.
    #[serde(deserialize_with = "de::object")]
    pub resources: Resources,
    /// What the runtime itself takes.
    #[serde(deserialize_with = "de::text_map")]
    pub overhead: Labels,
    /// What must be lifted before it is scheduled.
    #[serde(deserialize_with = "de::list")]
    pub scheduling_gates: Vec<NameRef>,
}

/// A reference by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NameRef {
    /// The name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
}

/// One of `spec.readinessGates`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReadinessGate {
    /// The condition that must be True.
    #[serde(deserialize_with = "de::text")]
    pub condition_type: String,
}

/// `spec.affinity`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Affinity {
    /// Demands on the node.
    #[serde(deserialize_with = "de::object")]
    pub node_affinity: NodeAffinity,
    /// Pods it must stand beside.
    #[serde(deserialize_with = "de::object")]
    pub pod_affinity: PodAffinity,
    /// Pods it must not stand beside.
    #[serde(deserialize_with = "de::object")]
    pub pod_anti_affinity: PodAffinity,
}

/// `nodeAffinity`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeAffinity {
    /// What must hold.
    #[serde(
        rename = "requiredDuringSchedulingIgnoredDuringExecution",
        deserialize_with = "de::maybe"
    )]
    pub required: Option<NodeSelector>,
}

/// `podAffinity` or `podAntiAffinity`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodAffinity {
    /// What must hold.
    #[serde(
        rename = "requiredDuringSchedulingIgnoredDuringExecution",
        deserialize_with = "de::list"
    )]
    pub required: Vec<PodAffinityTerm>,
}

/// One demand on other pods.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodAffinityTerm {
    /// Which pods.
    #[serde(deserialize_with = "de::object")]
    pub label_selector: LabelSelector,
    /// The node label that says what "beside" means.
    #[serde(deserialize_with = "de::text")]
    pub topology_key: String,
}

/// One of `spec.tolerations`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Toleration {
    /// The taint's key; empty with Exists means every taint.
    #[serde(deserialize_with = "de::text")]
    pub key: String,
    /// Equal (the default) or Exists.
    #[serde(deserialize_with = "de::text")]
    pub operator: String,
    /// The taint's value.
    #[serde(deserialize_with = "de::text")]
    pub value: String,
    /// The taint's effect; empty means every effect.
    #[serde(deserialize_with = "de::text")]
    pub effect: String,
}

/// A container of the spec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Its image reference.
    #[serde(deserialize_with = "de::text")]
    pub image: String,
    /// Entry point.
    #[serde(deserialize_with = "de::texts")]
    pub command: Vec<String>,
    /// Arguments.
    #[serde(deserialize_with = "de::texts")]
    pub args: Vec<String>,
    /// Environment, one by one.
    #[serde(deserialize_with = "de::list")]
    pub env: Vec<EnvVar>,
    /// Environment from whole objects.
    #[serde(deserialize_with = "de::list")]
    pub env_from: Vec<EnvFrom>,
    /// Requests and limits.
    #[serde(deserialize_with = "de::object")]
    pub resources: Resources,
    /// Where volumes appear.
    #[serde(deserialize_with = "de::list")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Ports.
    #[serde(deserialize_with = "de::list")]
    pub ports: Vec<ContainerPort>,
    /// Kills when it fails.
    #[serde(deserialize_with = "de::maybe")]
    pub liveness_probe: Option<Probe>,
    /// Takes out of service when it fails.
    #[serde(deserialize_with = "de::maybe")]
    pub readiness_probe: Option<Probe>,
    /// Holds the others back until it succeeds.
    #[serde(deserialize_with = "de::maybe")]
    pub startup_probe: Option<Probe>,
    /// Security settings.
    #[serde(deserialize_with = "de::object")]
    pub security_context: SecurityContext,
    /// Always on an init container makes it a sidecar.
    #[serde(deserialize_with = "de::text")]
    pub restart_policy: String,
}

/// One of `env`. Values given in place are not kept: no rule reads them, and they are the larger half
/// of many pods.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvVar {
    /// The variable.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Where it comes from otherwise.
    #[serde(deserialize_with = "de::object")]
    pub value_from: EnvSource,
}

/// `env[].valueFrom`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvSource {
    /// A key of a Secret.
    #[serde(deserialize_with = "de::maybe")]
    pub secret_key_ref: Option<Box<KeyRef>>,
    /// A key of a ConfigMap.
    #[serde(deserialize_with = "de::maybe")]
    pub config_map_key_ref: Option<Box<KeyRef>>,
}

/// One of `envFrom`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvFrom {
    /// All keys of a Secret.
    #[serde(deserialize_with = "de::maybe")]
    pub secret_ref: Option<KeyRef>,
    /// All keys of a ConfigMap.
    #[serde(deserialize_with = "de::maybe")]
    pub config_map_ref: Option<KeyRef>,
}

/// A reference to an object or one of its keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct KeyRef {
    /// The object.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// The key, where one is meant.
    #[serde(deserialize_with = "de::text")]
    pub key: String,
    /// True when the pod may start without it.
    #[serde(deserialize_with = "de::flag")]
    pub optional: Option<bool>,
}

/// Requests and limits, by resource name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// What the scheduler counts.
    #[serde(deserialize_with = "de::text_map")]
    pub requests: BTreeMap<String, String>,
    /// What the kernel enforces.
    #[serde(deserialize_with = "de::text_map")]
    pub limits: BTreeMap<String, String>,
}

/// One of `volumeMounts`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeMount {
    /// The volume.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Where it appears.
    #[serde(deserialize_with = "de::text")]
    pub mount_path: String,
}

/// One of `ports`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerPort {
    /// Its name, if any.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// The port inside.
    #[serde(deserialize_with = "de::int")]
    pub container_port: Option<i64>,
    /// TCP (the default), UDP, SCTP.
    #[serde(deserialize_with = "de::text")]
    pub protocol: String,
    /// The port on the node, if it takes one.
    #[serde(deserialize_with = "de::int")]
    pub host_port: Option<i64>,
}

/// A probe.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Probe {
    /// Asks over HTTP.
    #[serde(deserialize_with = "de::maybe")]
    pub http_get: Option<HttpGet>,
    /// Connects.
    #[serde(deserialize_with = "de::maybe")]
    pub tcp_socket: Option<PortRef>,
    /// Asks over gRPC.
    #[serde(deserialize_with = "de::maybe")]
    pub grpc: Option<PortRef>,
    /// Runs a command.
    #[serde(deserialize_with = "de::maybe")]
    pub exec: Option<ExecAction>,
    /// Seconds before the first probe (default 0).
    #[serde(deserialize_with = "de::int")]
    pub initial_delay_seconds: Option<i64>,
    /// Seconds between probes (default 10).
    #[serde(deserialize_with = "de::int")]
    pub period_seconds: Option<i64>,
    /// Seconds it may take (default 1).
    #[serde(deserialize_with = "de::int")]
    pub timeout_seconds: Option<i64>,
    /// Failures in a row that count (default 3).
    #[serde(deserialize_with = "de::int")]
    pub failure_threshold: Option<i64>,
}

impl Probe {
    /// Seconds from container start until the probe gives up for the first time.
    pub fn patience_seconds(&self) -> i64 {
        let delay = self.initial_delay_seconds.unwrap_or(0).max(0);
        let period = self.period_seconds.unwrap_or(10).max(1);
        let failures = self.failure_threshold.unwrap_or(3).max(1);
        delay.saturating_add(period.saturating_mul(failures))
    }

    /// The port it asks: a number or a name.
    pub fn port(&self) -> Option<&str> {
        let port = self
            .http_get
            .as_ref()
            .map(|h| h.port.as_str())
            .or_else(|| self.tcp_socket.as_ref().map(|p| p.port.as_str()))
            .or_else(|| self.grpc.as_ref().map(|p| p.port.as_str()))?;
        (!port.is_empty()).then_some(port)
    }
}

/// `httpGet` of a probe.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HttpGet {
    /// The path.
    #[serde(deserialize_with = "de::text")]
    pub path: String,
    /// Number or name.
    #[serde(deserialize_with = "de::text")]
    pub port: String,
}

/// A port of a probe.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PortRef {
    /// Number or name.
    #[serde(deserialize_with = "de::text")]
    pub port: String,
}

/// `exec` of a probe.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExecAction {
    /// Program and arguments.
    #[serde(deserialize_with = "de::texts")]
    pub command: Vec<String>,
}

/// Security settings of a pod or a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecurityContext {
    /// Refuse to start as root.
    #[serde(deserialize_with = "de::flag")]
    pub run_as_non_root: Option<bool>,
    /// The user's number.
    #[serde(deserialize_with = "de::int")]
    pub run_as_user: Option<i64>,
    /// All of the host.
    #[serde(deserialize_with = "de::flag")]
    pub privileged: Option<bool>,
}

/// A volume of the spec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Volume {
    /// Its name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// A claim.
    #[serde(deserialize_with = "de::maybe")]
    pub persistent_volume_claim: Option<ClaimRef>,
    /// A Secret.
    #[serde(deserialize_with = "de::maybe")]
    pub secret: Option<SecretVolume>,
    /// A ConfigMap.
    #[serde(deserialize_with = "de::maybe")]
    pub config_map: Option<ConfigMapVolume>,
    /// Several sources in one.
    #[serde(deserialize_with = "de::maybe")]
    pub projected: Option<Projected>,
    /// A claim made for this pod.
    #[serde(deserialize_with = "de::maybe")]
    pub ephemeral: Option<Empty>,
    /// A network share.
    #[serde(deserialize_with = "de::maybe")]
    pub nfs: Option<NfsVolume>,
    /// A folder of the node.
    #[serde(deserialize_with = "de::maybe")]
    pub host_path: Option<HostPath>,
}

/// Something that is only there or not.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Empty {}

/// `persistentVolumeClaim` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimRef {
    /// The claim's name.
    #[serde(deserialize_with = "de::text")]
    pub claim_name: String,
}

/// `nfs` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NfsVolume {
    /// Host.
    #[serde(deserialize_with = "de::text")]
    pub server: String,
    /// Exported folder.
    #[serde(deserialize_with = "de::text")]
    pub path: String,
}

/// `hostPath` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HostPath {
    /// The node's folder.
    #[serde(deserialize_with = "de::text")]
    pub path: String,
}

/// `secret` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecretVolume {
    /// The Secret's name.
    #[serde(deserialize_with = "de::text")]
    pub secret_name: String,
    /// Keys picked out; empty means all.
    #[serde(deserialize_with = "de::list")]
    pub items: Vec<KeyRef>,
    /// True when the pod may start without it.
    #[serde(deserialize_with = "de::flag")]
    pub optional: Option<bool>,
}

/// `configMap` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConfigMapVolume {
    /// The ConfigMap's name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Keys picked out; empty means all.
    #[serde(deserialize_with = "de::list")]
    pub items: Vec<KeyRef>,
    /// True when the pod may start without it.
    #[serde(deserialize_with = "de::flag")]
    pub optional: Option<bool>,
}

/// `projected` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Projected {
    /// Its parts.
    #[serde(deserialize_with = "de::list")]
    pub sources: Vec<ProjectedSource>,
}

/// One source of a projected volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProjectedSource {
    /// A Secret.
    #[serde(deserialize_with = "de::maybe")]
    pub secret: Option<ConfigMapVolume>,
    /// A ConfigMap.
    #[serde(deserialize_with = "de::maybe")]
    pub config_map: Option<ConfigMapVolume>,
}

/// `PodStatus`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    /// Pending, Running, Succeeded, Failed, Unknown.
    #[serde(deserialize_with = "de::text")]
    pub phase: String,
    /// One word, for the whole pod (Evicted, NodeLost…).
    #[serde(deserialize_with = "de::text")]
    pub reason: String,
    /// The reason as a sentence.
    #[serde(deserialize_with = "de::text")]
    pub message: String,
    /// The pod's address.
    #[serde(rename = "podIP", deserialize_with = "de::text")]
    pub pod_ip: String,
    /// When the kubelet took it.
    #[serde(deserialize_with = "de::time")]
    pub start_time: Option<Timestamp>,
    /// Conditions.
    #[serde(deserialize_with = "de::list")]
    pub conditions: Vec<StatusCondition>,
    /// Containers.
    #[serde(deserialize_with = "de::list")]
    pub container_statuses: Vec<ContainerStatus>,
    /// Init containers.
    #[serde(deserialize_with = "de::list")]
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// `ContainerStatus`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStatus {
    /// The container.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Passes its readiness probe.
    #[serde(deserialize_with = "de::flag")]
    pub ready: Option<bool>,
    /// Passed its startup probe.
    #[serde(deserialize_with = "de::flag")]
    pub started: Option<bool>,
    /// How often it was started again.
    #[serde(deserialize_with = "de::int")]
    pub restart_count: Option<i64>,
    /// The image that runs.
    #[serde(deserialize_with = "de::text")]
    pub image: String,
    /// Now.
    #[serde(deserialize_with = "de::object")]
    pub state: ContainerState,
    /// The time before.
    #[serde(deserialize_with = "de::object")]
    pub last_state: ContainerState,
}

/// `ContainerState`: one of the three.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// Not started.
    #[serde(deserialize_with = "de::maybe")]
    pub waiting: Option<Waiting>,
    /// Running.
    #[serde(deserialize_with = "de::maybe")]
    pub running: Option<Running>,
    /// Ended.
    #[serde(deserialize_with = "de::maybe")]
    pub terminated: Option<Terminated>,
}

/// A container that waits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// One word.
    #[serde(deserialize_with = "de::text")]
    pub reason: String,
    /// A sentence.
    #[serde(deserialize_with = "de::text")]
    pub message: String,
}

/// A container that runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Running {
    /// Since when.
    #[serde(deserialize_with = "de::time")]
    pub started_at: Option<Timestamp>,
}

/// A container that ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Terminated {
    /// The exit code.
    #[serde(deserialize_with = "de::int")]
    pub exit_code: Option<i64>,
    /// The signal, if one ended it.
    #[serde(deserialize_with = "de::int")]
    pub signal: Option<i64>,
    /// One word.
    #[serde(deserialize_with = "de::text")]
    pub reason: String,
    /// The termination message.
    #[serde(deserialize_with = "de::text")]
    pub message: String,
    /// When it started.
    #[serde(deserialize_with = "de::time")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(deserialize_with = "de::time")]
    pub finished_at: Option<Timestamp>,
}

impl Pod {
    /// Statuses of init containers and containers, with the JSON path of each.
    pub fn statuses(&self) -> impl Iterator<Item = (String, &ContainerStatus)> {
        let path = |list: &'static str| move |(i, s)| (format!("/status/{list}/{i}"), s);
        let init = self.status.init_container_statuses.iter().enumerate();
        let main = self.status.container_statuses.iter().enumerate();
        init.map(path("initContainerStatuses"))
            .chain(main.map(path("containerStatuses")))
    }

    /// Done on purpose: Succeeded, or Failed by a Job that counts its failures itself.
    pub fn is_finished(&self) -> bool {
        self.status.phase == "Succeeded" || self.status.phase == "Failed"
    }

    /// Is this pod one that serves the cluster's DNS?
    ///
    /// The label is the one that the kube-dns Service selects in every distribution; the image
    /// decides where a manifest was labelled otherwise.
    pub fn serves_dns(&self) -> bool {
        let label = self.metadata.labels.get("k8s-app");
        label.is_some_and(|v| v == "kube-dns" || v == "coredns")
            || self.spec.containers.iter().any(|c| {
                let image = c.image.rsplit('/').next().unwrap_or_default();
                let name = image.split([':', '@']).next().unwrap_or_default();
                matches!(
                    name,
                    "coredns" | "kube-dns" | "mirrored-coredns-coredns" | "hardened-coredns"
                )
            })
    }

    /// True when its Ready condition says so.
    pub fn is_ready(&self) -> bool {
        self.status
            .conditions
            .iter()
            .any(|c| c.kind == "Ready" && c.status == "True")
    }
}

impl PodSpec {
    /// Init containers and containers, with the JSON path of each below the spec.
    pub fn all_containers(&self) -> impl Iterator<Item = (String, &Container)> {
        let init = self
            .init_containers
            .iter()
            .enumerate()
            .map(|(i, c)| (format!("initContainers/{i}"), c));
        let main = self
            .containers
            .iter()
            .enumerate()
            .map(|(i, c)| (format!("containers/{i}"), c));
        init.chain(main)
    }
}
