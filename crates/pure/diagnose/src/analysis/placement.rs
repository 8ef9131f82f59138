//! Why a pod is not placed: the scheduler's message, held against the nodes where they are known.
//!
//! The scheduler filters a node by the first plugin that refuses it (order: kubernetes
//! `pkg/scheduler/apis/config/v1/default_plugins.go`): cordon, taints, selector, ports, resources,
//! volumes. So its message names for each node only the first obstacle, and nodes that were never
//! meant for the pod drown the one that was. One answer per pod, so that rules exclude each other.
//! Deliberately absent: claims that are not bound; `binding` answers those.

use defib_model::condition::{Condition, ConditionKind as K};
use defib_model::id::EntityId;
use defib_model::report::Evidence;
use defib_model::views::{Node, PersistentVolume, Pod};

use super::scheduling::{self, Clause, Reason};
use crate::context::{Context, last_event};

/// Why one pod is not placed.
pub struct Placement<'a> {
    /// The pod's id.
    pub id: EntityId,
    /// The pod, where the evidence has it.
    pub pod: Option<&'a Pod>,
    /// The scheduler's words.
    pub said: Evidence,
    /// The scheduler's words as text.
    pub message: String,
    /// What keeps the pod from the nodes that it was meant for.
    pub reason: Reason,
    /// The nodes that it was meant for, where known.
    pub nodes: Vec<&'a Node>,
    /// Where a pinned volume narrows the nodes down: its claim and its affinity.
    pub background: Vec<Evidence>,
    /// False when the evidence does not decide.
    pub sure: bool,
    /// Nodes with troubles of their own are among those that it could use.
    pub sick_nodes: bool,
}

/// Every pending pod whose obstacle can be told.
pub fn all<'a>(cx: &Context<'a>) -> Vec<Placement<'a>> {
    cx.all(K::PodPending).filter_map(|c| one(cx, c)).collect()
}

fn one<'a>(cx: &Context<'a>, c: &Condition) -> Option<Placement<'a>> {
    let pod = cx.cluster.pod(&c.entity);
    let (message, said) = words(cx, pod, &c.entity)?;
    let clauses = scheduling::clauses(&message);
    let primary = scheduling::primary(&clauses)?.reason.clone();
    let meant: Vec<&Node> = pod.map(|p| meant_for(cx, p)).unwrap_or_default();
    let counted = total(&message);
    let nodes_known =
        !cx.cluster.nodes.is_empty() && counted.is_none_or(|n| cx.cluster.nodes.len() as u64 >= n);
    let sick_nodes = clauses
        .iter()
        .any(|c| matches!(&c.reason, Reason::Taint(k, _) if scheduling::is_health_taint(k)))
        || meant.iter().any(|n| n.ready().is_some_and(|r| r != "True"));
    let mut sure = true;
    let mut background = Vec::new();
    if let Some(pod) = pod.filter(|_| primary == Reason::VolumeAffinity)
        && let Some(volume) = volumes(cx, pod)
            .into_iter()
            .find(|v| v.spec.node_affinity.required.is_some())
    {
        background.push(cx.field(
            volume.obj,
            "/spec/nodeAffinity/required",
            "the node that the pod's volume is pinned to",
        ));
        let claim = cx
            .cluster
            .claims
            .iter()
            .find(|c| c.spec.volume_name == volume.metadata.name);
        background.extend(
            claim.map(|c| cx.field(c.obj, "/spec/volumeName", "the claim that is bound to it")),
        );
    }
    let reason = match primary {
        Reason::VolumeAffinity => volume(cx, pod, &clauses, nodes_known, &mut sure),
        Reason::Taint(..) | Reason::Cordoned | Reason::NodeSelector => {
            match pod.filter(|_| nodes_known) {
                Some(pod) if meant.is_empty() => {
                    if demands(pod) {
                        Reason::NodeSelector
                    } else {
                        primary
                    }
                }
                Some(pod) => obstacle(pod, &meant).unwrap_or(primary),
                None => from_words(&clauses, primary, &mut sure),
            }
        }
        other => other,
    };
    Some(Placement {
        id: c.entity.clone(),
        pod,
        said,
        message,
        reason,
        nodes: meant,
        background,
        sure,
        sick_nodes,
    })
}

/// The scheduler's latest words about a pod.
fn words(cx: &Context<'_>, pod: Option<&Pod>, id: &EntityId) -> Option<(String, Evidence)> {
    if let Some(pod) = pod
        && let Some((pointer, message)) = scheduling::message(pod)
        && !message.is_empty()
    {
        return Some((
            message.to_owned(),
            cx.field(
                pod.obj,
                &pointer,
                "what keeps the scheduler from placing the pod",
            ),
        ));
    }
    let event = last_event(cx.cluster, id, &["FailedScheduling"])?;
    Some((
        event.message.clone(),
        cx.event(event, "what keeps the scheduler from placing the pod"),
    ))
}

/// The number of nodes that the scheduler counted: `0/3 nodes are available`.
fn total(message: &str) -> Option<u64> {
    let head = message.split_once(" nodes are available")?.0;
    head.rsplit_once('/')?.1.parse().ok()
}

/// Does the pod ask for certain nodes at all?
pub fn demands(pod: &Pod) -> bool {
    !pod.spec.node_selector.is_empty() || pod.spec.affinity.node_affinity.required.is_some()
}

/// Does the node carry what the pod's selector and affinity ask for?
pub fn selects(pod: &Pod, node: &Node) -> bool {
    let labels = &node.metadata.labels;
    pod.spec
        .node_selector
        .iter()
        .all(|(k, v)| labels.get(k) == Some(v))
        && pod
            .spec
            .affinity
            .node_affinity
            .required
            .as_ref()
            .is_none_or(|r| r.matches(&node.metadata.name, labels))
}

/// The volumes that the pod's claims are bound to.
pub fn volumes<'a>(cx: &Context<'a>, pod: &Pod) -> Vec<&'a PersistentVolume> {
    pod.spec
        .volumes
        .iter()
        .filter_map(|v| v.persistent_volume_claim.as_ref())
        .filter_map(|c| cx.cluster.claim(&pod.metadata.namespace, &c.claim_name))
        .filter_map(|c| cx.cluster.volume(&c.spec.volume_name))
        .collect()
}

/// Can the volume be reached from the node?
pub fn reaches(volume: &PersistentVolume, node: &Node) -> bool {
    volume
        .spec
        .node_affinity
        .required
        .as_ref()
        .is_none_or(|r| r.matches(&node.metadata.name, &node.metadata.labels))
}

/// Nodes that the pod selects and that reach its volumes.
fn meant_for<'a>(cx: &Context<'a>, pod: &Pod) -> Vec<&'a Node> {
    let volumes = volumes(cx, pod);
    cx.cluster
        .nodes
        .iter()
        .filter(|n| selects(pod, n) && volumes.iter().all(|v| reaches(v, n)))
        .collect()
}

/// What keeps the pod off the nodes that it selects.
fn obstacle(pod: &Pod, nodes: &[&Node]) -> Option<Reason> {
    let mut found: Vec<Reason> = Vec::new();
    for node in nodes {
        if node.spec.unschedulable == Some(true) {
            found.push(Reason::Cordoned);
        }
        for taint in &node.spec.taints {
            let blocks = matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute" | "");
            if blocks
                && taint.key != "node.kubernetes.io/unschedulable"
                && !pod.spec.tolerations.iter().any(|t| t.covers(taint))
            {
                found.push(Reason::Taint(taint.key.clone(), taint.value.clone()));
            }
        }
    }
    found.into_iter().min_by_key(|r| match r {
        Reason::Taint(key, _) if scheduling::is_health_taint(key) => 0,
        Reason::Taint(key, _) if !scheduling::is_control_plane(key) => 1,
        Reason::Cordoned => 2,
        _ => 3,
    })
}

/// A pinned volume: the nodes that it can't be reached from are only the background, if its node is there.
fn volume(
    cx: &Context<'_>,
    pod: Option<&Pod>,
    clauses: &[Clause],
    nodes_known: bool,
    sure: &mut bool,
) -> Reason {
    let rest: Vec<Clause> = clauses
        .iter()
        .filter(|c| c.reason != Reason::VolumeAffinity)
        .cloned()
        .collect();
    let other = scheduling::primary(&rest).map(|c| c.reason.clone());
    if let Some(pod) = pod.filter(|_| nodes_known) {
        let volumes = volumes(cx, pod);
        let home: Vec<&Node> = cx
            .cluster
            .nodes
            .iter()
            .filter(|n| volumes.iter().all(|v| reaches(v, n)))
            .collect();
        if !volumes.is_empty() && !home.is_empty() {
            let there: Vec<&Node> = home.iter().copied().filter(|n| selects(pod, n)).collect();
            if there.is_empty() {
                return Reason::VolumeAffinity;
            }
            return obstacle(pod, &there)
                .or(other)
                .unwrap_or(Reason::VolumeAffinity);
        }
        if !volumes.is_empty() {
            return Reason::VolumeAffinity;
        }
    }
    match other {
        None | Some(Reason::NodeSelector) => {}
        Some(Reason::Taint(key, _)) if scheduling::is_control_plane(&key) => {}
        Some(Reason::Taint(key, value)) if scheduling::is_health_taint(&key) => {
            return Reason::Taint(key, value);
        }
        Some(_) => *sure = false,
    }
    Reason::VolumeAffinity
}

/// Without the nodes: control-plane taints are the background of every selector.
fn from_words(clauses: &[Clause], primary: Reason, sure: &mut bool) -> Reason {
    if let Reason::Taint(key, _) = &primary
        && key.is_empty()
    {
        *sure = false;
        return primary;
    }
    let only_control_plane = clauses.iter().all(|c| match &c.reason {
        Reason::Taint(key, _) => scheduling::is_control_plane(key),
        other => matches!(other, Reason::NodeSelector),
    });
    if only_control_plane && clauses.iter().any(|c| c.reason == Reason::NodeSelector) {
        return Reason::NodeSelector;
    }
    if matches!(&primary, Reason::Taint(key, _) if scheduling::is_control_plane(key))
        && clauses.iter().any(|c| c.reason == Reason::Cordoned)
    {
        return Reason::Cordoned;
    }
    primary
}
