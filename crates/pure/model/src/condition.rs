//! Conditions: what is observed to be wrong with one entity. A condition is a symptom until a
//! finding explains it; its word is never a root-cause class.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::EntityId;
use crate::report::Evidence;

macro_rules! conditions {
    ($($(#[$doc:meta])+ $name:ident = $slug:literal, $title:literal;)+) => {
        /// The kinds of observed trouble.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum ConditionKind {
            $($(#[$doc])+ $name,)+
        }

        impl ConditionKind {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word used in reports.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)+ }
            }

            /// The word as part of a sentence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

conditions! {
    /// The scheduler finds no node for the pod.
    PodPending = "pod-pending", "pending, no node found";
    /// The pod is refused at creation; seen on its owner.
    PodRefused = "pod-refused", "pods refused at creation";
    /// Bound to a node whose kubelet says nothing about it.
    PodNotStarted = "pod-not-started", "bound to a node and never started";
    /// Said to run on a node that does not exist.
    PodOrphaned = "pod-orphaned", "on a node that is not there";
    /// A container ends again and again.
    ContainerCrashLoop = "container-crash-loop", "crash loop";
    /// A container cannot be created from its configuration.
    ContainerConfigError = "container-config-error", "container cannot be configured";
    /// A container could be configured, but not started.
    ContainerStartError = "container-start-error", "container cannot be started";
    /// An image cannot be pulled.
    ImagePullFailing = "image-pull-failing", "image cannot be pulled";
    /// A volume cannot be attached or mounted.
    VolumeMountFailing = "volume-mount-failing", "volume cannot be mounted";
    /// The pod's sandbox (its network) cannot be made.
    SandboxFailing = "sandbox-failing", "pod sandbox cannot be made";
    /// The kernel killed a container for memory.
    ContainerOomKilled = "container-oom-killed", "container killed for memory";
    /// A probe fails.
    ProbeFailing = "probe-failing", "probe fails";
    /// The pod runs, but is not ready, for longer than a start takes.
    PodNotReady = "pod-not-ready", "not ready";
    /// The pod is to be deleted, but stays.
    PodStuckTerminating = "pod-stuck-terminating", "stuck in deletion";
    /// The kubelet evicted the pod.
    PodEvicted = "pod-evicted", "evicted";
    /// A workload has fewer ready pods than it wants.
    ReplicasMissing = "replicas-missing", "pods missing";
    /// A Deployment does not get its new pods ready in time.
    RolloutStuck = "rollout-stuck", "roll-out stuck";
    /// A Job failed.
    JobFailed = "job-failed", "job failed";
    /// A claim is not bound.
    ClaimPending = "claim-pending", "claim not bound";
    /// A claim lost its volume.
    ClaimLost = "claim-lost", "claim lost its volume";
    /// A volume failed.
    VolumeFailed = "volume-failed", "volume failed";
    /// A volume cannot be attached to its node.
    VolumeAttachFailing = "volume-attach-failing", "volume cannot be attached";
    /// A node is not ready.
    NodeNotReady = "node-not-ready", "node not ready";
    /// The node's network is not set up.
    NodeNetworkUnavailable = "node-network-unavailable", "node without network";
    /// A node has too little disk, memory or process ids.
    NodePressure = "node-pressure", "node under pressure";
    /// A Service has no ready pod behind it.
    ServiceWithoutEndpoints = "service-without-endpoints", "no ready endpoints";
    /// An Ingress sends to a Service that is not there.
    BackendMissing = "backend-missing", "backend missing";
    /// A LoadBalancer Service gets no address.
    LoadBalancerPending = "load-balancer-pending", "no load balancer address";
    /// An API service is not available.
    ApiServiceUnavailable = "api-service-unavailable", "API service unavailable";
    /// Calls to a webhook fail.
    WebhookFailing = "webhook-failing", "webhook calls fail";
    /// A namespace is to be deleted, but stays.
    NamespaceTerminating = "namespace-terminating", "namespace stuck in deletion";
    /// An object is to be deleted, but stays.
    ObjectTerminating = "object-terminating", "stuck in deletion";
    /// The cluster's DNS answers nothing.
    DnsDown = "dns-down", "cluster DNS down";
    /// A program cannot resolve a name.
    NameResolutionFailing = "name-resolution-failing", "names do not resolve";
    /// A controller reports that a custom resource is not ready.
    ResourceNotReady = "resource-not-ready", "not ready";
    /// A log says that something failed; which entity is meant is told by the signal.
    LogError = "log-error", "errors in the log";
    /// The host's storage does not do its work: full, read-only, errors.
    HostStorageFailing = "host-storage-failing", "storage of the host fails";
    /// The datastore answers late.
    DatastoreSlow = "datastore-slow", "datastore slow";
    /// The datastore refuses, times out, or has no leader.
    DatastoreFailing = "datastore-failing", "datastore fails";
    /// A TLS connection between components is rejected.
    TlsRejected = "tls-rejected", "TLS connections rejected";
    /// A server or agent can't join its cluster.
    JoinFailing = "join-failing", "cannot join the cluster";
    /// The container runtime does not work.
    RuntimeFailing = "runtime-failing", "container runtime fails";
    /// The host can't set up the network of pods.
    HostNetworkFailing = "host-network-failing", "pod network cannot be set up";
    /// A program of the host ends, or does not come up.
    ServiceFailing = "service-failing", "service ends or does not start";
    /// A control-plane check fails.
    ControlPlaneUnhealthy = "control-plane-unhealthy", "control plane check fails";
}

/// One observed condition of one entity.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What is wrong.
    pub kind: ConditionKind,
    /// With what.
    pub entity: EntityId,
    /// A part of the entity (a container), if only that is meant.
    pub part: String,
    /// What shows it, best first.
    pub evidence: Vec<Evidence>,
    /// Since when, if known.
    pub since: Option<Timestamp>,
    /// How often it was observed (restarts, events), at least 1.
    pub count: i64,
}
