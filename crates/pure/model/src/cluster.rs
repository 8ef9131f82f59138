//! The Cluster: everything read from a Bundle, indexed so that rules can ask.
//!
//! Deliberately absent: log lines (only signal hits and short tails are kept, so memory is flat)
//! and any judgement.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::bundle::{Seen, SourceInfo};
use crate::edge::Edge;
use crate::id::EntityId;
use crate::report::Gap;
use crate::selector::Labels;
use crate::signal::{Hit, LogTail};
use crate::views::*;

/// An index into `Cluster::objects`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjId(pub u32);

/// Where an object stands in the evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file, as an index into `Cluster::entries`.
    pub entry: u32,
    /// First byte of the object in the entry.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
}

/// One Kubernetes object, of any kind.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// Its id.
    pub id: EntityId,
    /// Group and version.
    pub api_version: String,
    /// Kind, as written.
    pub kind: String,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid; empty in manifests.
    pub uid: String,
    /// `metadata.resourceVersion` as a number; 0 when absent.
    pub revision: u64,
    /// The object as compact JSON, without the contents of managed fields; empty for pods, whose view
    /// holds all that rules read.
    pub json: Box<[u8]>,
    /// Where it stands.
    pub origin: Origin,
    /// It was read from what a command printed: what it does not show is not known to be absent.
    pub printed: bool,
    /// The host on which a command printed it, as the prompt names it; empty when nothing does, or several hosts did.
    pub asked_on: String,
    /// Where a command printed its state, when the object itself is a file that was to be applied.
    pub state: Option<Origin>,
    /// When several commands printed parts of it: where each stands, and what it shows as JSON.
    pub prints: Vec<(Origin, Box<[u8]>)>,
}

/// One file of the evidence, as rules and quotations know it.
#[derive(Clone, Debug, Default)]
pub struct EntryRef {
    /// The path below its source.
    pub id: String,
    /// The source's id.
    pub source: String,
    /// From where it was seen.
    pub vantage: String,
}

/// An object of a kind that has no view of its own.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Other {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners, finalizers.
    #[serde(deserialize_with = "crate::de::object")]
    pub metadata: Meta,
    /// Its conditions.
    #[serde(deserialize_with = "crate::de::object")]
    pub status: api::ConditionsOnly,
}

/// What is known about how completely a kind was listed.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// All namespaces, to the end.
    pub whole: bool,
    /// Namespaces that were listed to the end.
    pub namespaces: BTreeSet<String>,
}

/// Everything read from the evidence.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Files.
    pub entries: Vec<EntryRef>,
    /// Sources.
    pub sources: Vec<SourceInfo>,
    /// Objects, sorted by id; events are not among them.
    pub objects: Vec<Object>,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Deployments, ReplicaSets and so on.
    pub workloads: Vec<Workload>,
    /// Claims.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Volumes.
    pub volumes: Vec<PersistentVolume>,
    /// Storage classes.
    pub classes: Vec<StorageClass>,
    /// Attachments.
    pub attachments: Vec<VolumeAttachment>,
    /// Services.
    pub services: Vec<Service>,
    /// Endpoints by Service.
    pub endpoints: network::EndpointsByService,
    /// Ingresses.
    pub ingresses: Vec<Ingress>,
    /// Network policies.
    pub policies: Vec<network::NetworkPolicy>,
    /// Secrets: key names only.
    pub secrets: Vec<Secret>,
    /// ConfigMaps.
    pub config_maps: Vec<ConfigMap>,
    /// Service accounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// Quotas.
    pub quotas: Vec<ResourceQuota>,
    /// Disruption budgets.
    pub budgets: Vec<PodDisruptionBudget>,
    /// Webhook configurations.
    pub webhooks: Vec<WebhookConfiguration>,
    /// API services.
    pub api_services: Vec<ApiService>,
    /// Custom resource definitions.
    pub crds: Vec<Crd>,
    /// Objects of all other kinds.
    pub others: Vec<Other>,
    /// Events, oldest first. Their `obj` indexes `event_origins`, not `objects`.
    pub events: Vec<Event>,
    /// Where each event stands.
    pub event_origins: Vec<Origin>,
    /// Signals found in logs.
    pub hits: Vec<Hit>,
    /// What commands printed, and the commands.
    pub facts: Vec<crate::fact::Fact>,
    /// Last lines of container logs.
    pub tails: Vec<LogTail>,
    /// Edges: who needs whom.
    pub edges: Vec<Edge>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// How completely each kind was listed, by kind.
    pub listed: BTreeMap<String, Listed>,
    /// Scope "objects".
    pub objects_seen: Seen,
    /// Kinds that a whole picture would want and that are not in the evidence.
    pub lacking: Vec<String>,
    /// The API server's own answer to `/readyz`, if it was asked: true for ok.
    pub api_ready: Option<bool>,
    /// True when the objects come out of the file of a datastore: no API server answered for them.
    pub at_rest: bool,
    /// The latest trusted time in the evidence.
    pub as_of: Option<Timestamp>,
    /// True when `as_of` is close to the moment of collection: a clock was read, or the evidence holds
    /// what is written all the time (events, node heartbeats). Otherwise it is only a lower bound.
    pub now_known: bool,
    /// Number of log lines that were read.
    pub log_lines: u64,

    /// Objects by id.
    pub by_id: BTreeMap<EntityId, ObjId>,
    /// Pods by id of the pod.
    pub pod_index: BTreeMap<EntityId, usize>,
    /// Indices into `pods`, by namespace, label and its value.
    pub pods_labelled: BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<usize>>>>,
    /// Indices into `events`, by what they are about.
    pub events_about: BTreeMap<EntityId, Vec<usize>>,
    /// Edges by `from`, as ranges into `edges` (which is sorted).
    pub needs_index: BTreeMap<EntityId, (usize, usize)>,
}

impl Cluster {
    /// The object behind a view.
    pub fn object(&self, obj: ObjId) -> Option<&Object> {
        self.objects.get(obj.0 as usize)
    }

    /// The id of the object behind a view.
    pub fn id(&self, obj: ObjId) -> EntityId {
        self.object(obj).map(|o| o.id.clone()).unwrap_or_default()
    }

    /// The object of this id.
    pub fn find(&self, id: &EntityId) -> Option<&Object> {
        self.by_id.get(id).and_then(|o| self.object(*o))
    }

    /// Is there an object of this kind and name?
    pub fn has(&self, kind: &str, group: &str, namespace: &str, name: &str) -> bool {
        self.by_id
            .contains_key(&EntityId::object(kind, group, namespace, name))
    }

    /// The pod of this id.
    pub fn pod(&self, id: &EntityId) -> Option<&Pod> {
        self.pod_index.get(id).and_then(|i| self.pods.get(*i))
    }

    /// What this entity needs.
    pub fn needs(&self, id: &EntityId) -> &[Edge] {
        let (start, end) = self.needs_index.get(id).copied().unwrap_or_default();
        self.edges.get(start..end).unwrap_or_default()
    }

    /// Events about this entity, oldest first.
    pub fn events_of(&self, id: &EntityId) -> impl Iterator<Item = &Event> {
        let list = self
            .events_about
            .get(id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        list.iter().filter_map(|i| self.events.get(*i))
    }

    /// True when every object of this kind in this namespace is known to be in the evidence, so
    /// that a missing one is missing in the cluster too.
    pub fn is_listed(&self, kind: &str, namespace: &str) -> bool {
        self.listed
            .get(kind)
            .is_some_and(|l| l.whole || l.namespaces.contains(namespace))
    }

    /// The claim of this name.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&PersistentVolumeClaim> {
        self.claims
            .iter()
            .find(|c| c.metadata.name == name && c.metadata.namespace == namespace)
    }

    /// The volume of this name.
    pub fn volume(&self, name: &str) -> Option<&PersistentVolume> {
        self.volumes.iter().find(|v| v.metadata.name == name)
    }

    /// The storage class of this name.
    pub fn class(&self, name: &str) -> Option<&StorageClass> {
        self.classes.iter().find(|c| c.metadata.name == name)
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.metadata.name == name)
    }

    /// The namespace of this name.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.iter().find(|n| n.metadata.name == name)
    }

    /// Pods of a namespace whose labels hold all of these.
    pub fn pods_with<'a>(
        &'a self,
        namespace: &'a str,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'a Pod> {
        // Of the labels the rarest is looked up: there may be thousands of Services and of pods.
        let there = self.pods_labelled.get(namespace);
        let with = |(k, v): (&String, &String)| {
            let pods = there.and_then(|n| n.get(k)).and_then(|n| n.get(v));
            pods.map(Vec::as_slice).unwrap_or_default()
        };
        let rarest = labels.iter().map(with).min_by_key(|pods| pods.len());
        // Without labels all pods of the namespace are meant.
        let all = rarest.is_none().then(|| self.pods.iter());
        rarest
            .unwrap_or_default()
            .iter()
            .filter_map(|i| self.pods.get(*i))
            .chain(all.into_iter().flatten())
            .filter(move |p| {
                p.metadata.namespace == namespace
                    && labels
                        .iter()
                        .all(|(k, v)| p.metadata.labels.get(k) == Some(v))
            })
    }

    /// Seconds between a time and the moment of collection, if both are known.
    pub fn age_seconds(&self, since: Option<Timestamp>) -> Option<i64> {
        if !self.now_known {
            return None;
        }
        Some(self.as_of?.as_second() - since?.as_second())
    }
}
