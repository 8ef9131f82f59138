//! Edges of the graph: "this needs that", with the field that says so.

use crate::id::EntityId;

/// Why one entity needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// A workload needs the pods (or workloads) that it owns: they are its purpose.
    Owns,
    /// A pod runs on a node.
    RunsOn,
    /// A pod mounts a claim.
    MountsClaim,
    /// A pod reads a Secret (volume, env, pull credentials).
    ReadsSecret,
    /// A pod reads a ConfigMap.
    ReadsConfigMap,
    /// A pod runs as a service account.
    RunsAs,
    /// A claim is bound to, or names, a volume.
    BindsVolume,
    /// A claim or volume belongs to a storage class.
    HasClass,
    /// A volume can only be reached from certain nodes.
    PinnedTo,
    /// A Service selects pods.
    Selects,
    /// An Ingress sends to a Service.
    RoutesTo,
    /// A webhook or API service is served by a Service.
    ServedBy,
    /// An object lives in a namespace.
    LivesIn,
    /// A pod resolves names by the cluster's DNS.
    Resolves,
    /// The cluster's DNS is the pods that serve it.
    DnsServedBy,
    /// A custom resource needs its definition.
    DefinedBy,
    /// A namespace's deletion needs discovery, so it needs every API service.
    DiscoversThrough,
}

impl EdgeKind {
    /// The relation in words, as read from the needing side.
    pub fn words(self) -> &'static str {
        match self {
            Self::Owns => "needs the pods it makes",
            Self::RunsOn => "runs on",
            Self::MountsClaim => "mounts",
            Self::ReadsSecret | Self::ReadsConfigMap => "reads",
            Self::RunsAs => "runs as",
            Self::BindsVolume => "is bound to",
            Self::HasClass => "has class",
            Self::PinnedTo => "can only be reached from",
            Self::Selects => "sends traffic to",
            Self::RoutesTo => "routes to",
            Self::ServedBy => "is served by",
            Self::LivesIn => "lives in",
            Self::Resolves => "resolves names by",
            Self::DnsServedBy => "is served by",
            Self::DefinedBy => "is defined by",
            Self::DiscoversThrough => "can only be emptied when discovery works, through",
        }
    }
}

/// One edge: `from` needs `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// What needs.
    pub from: EntityId,
    /// What is needed.
    pub to: EntityId,
    /// Why.
    pub kind: EdgeKind,
    /// The field of `from` that says so, as a JSON pointer; empty when it follows from labels or layout.
    pub field: String,
}

/// The cluster's DNS, as one entity: pods need it, and it needs the pods that serve it.
pub fn dns() -> EntityId {
    EntityId::other("dns", "cluster")
}
