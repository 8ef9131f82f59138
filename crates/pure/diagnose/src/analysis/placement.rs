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
use defib_model::views::node::Taint;
use defib_model::views::{Node, PersistentVolume, Pod};

use super::fit::{self, Room};
use super::scheduling::{self, Clause, Reason};
use crate::context::{Context, last_event};
use crate::rule::Finding;

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
    /// The scheduler counts cordoned nodes among those that it leaves out.
    pub cordoned: bool,
    /// Nodes that the message counts out and on which the objects show no obstacle: it is older.
    pub free: Vec<&'a Node>,
    /// True when no node shows the obstacle that the message names.
    pub doubted: bool,
}

impl<'a> Placement<'a> {
    /// A finding that rests on the scheduler's message is a candidate only where the nodes contradict
    /// it.
    pub fn settle(&self, cx: &Context<'_>, finding: Finding) -> Finding {
        let (pod, class) = (self.id.name(), finding.rule.class);
        let describe = command!(
            "kubectl describe pod {} -n {}",
            pod,
            self.id.namespace().unwrap_or_default()
        );
        let Some(node) = self.free.first() else {
            if !self.doubted {
                return finding;
            }
            return finding
                .title(format!(
                    "the scheduler's last word on pod {pod} does not agree with the nodes: none of them shows what it names"
                ))
                .term(-40, "no node of the evidence shows this obstacle")
                .undecided(
                    "Was something changed since? No node shows now what the scheduler named. What does it say now?",
                    describe,
                    &[class],
                );
        };
        let name = &node.metadata.name;
        finding
            .title(format!(
                "the scheduler's last word on pod {pod} does not agree with the nodes: as they are, {name} takes it"
            ))
            .term(-40, "a node of the evidence has no obstacle that shows")
            .against(cx.field(
                node.obj,
                "/metadata/name",
                "nothing that the objects show keeps the pod from this node",
            ))
            .undecided(
                format!(
                    "Was something changed since (a label, a taint, a cordon, what others request)? As the nodes are now, {name} takes pod {pod}. What does the scheduler say now?"
                ),
                describe,
                &[class],
            )
    }

    /// The one node that is meant by a condition, among those that the pod was meant for (or all, where
    /// the pod is not known): advice that changes a node names it only then.
    pub fn only_node(&self, cx: &Context<'a>, is: impl Fn(&Node) -> bool) -> Option<&'a Node> {
        let mut found = self.among(cx).into_iter().filter(|n| is(n));
        let one = found.next()?;
        found.next().is_none().then_some(one)
    }

    /// The nodes that the pod was meant for; all of them, where the pod is not known.
    pub fn among(&self, cx: &Context<'a>) -> Vec<&'a Node> {
        match self.pod {
            Some(_) => self.nodes.clone(),
            None => cx.cluster.nodes.iter().collect(),
        }
    }
}

/// Pending pods for which the scheduler finds too little of a device; of `vendor` only, if one is named.
/// A device is an extended resource: its name has a domain.
/// Source: kubernetes `pkg/apis/core/v1/helper/helpers.go` (IsExtendedResourceName).
pub fn lack_device(cx: &Context<'_>, vendor: Option<&str>) -> Vec<EntityId> {
    all(cx)
        .into_iter()
        .filter(|p| match &p.reason {
            Reason::Insufficient(resource) => match (resource.split_once('/'), vendor) {
                (Some((domain, _)), Some(vendor)) => domain == vendor,
                (found, _) => found.is_some(),
            },
            _ => false,
        })
        .map(|p| p.id)
        .collect()
}

/// Every pending pod whose obstacle can be told.
pub fn all<'a>(cx: &Context<'a>) -> Vec<Placement<'a>> {
    let mut pending = cx.all(K::PodPending).peekable();
    if pending.peek().is_none() {
        return Vec::new();
    }
    let room = Room::of(cx);
    pending.filter_map(|c| one(cx, &room, c)).collect()
}

fn one<'a>(cx: &Context<'a>, room: &Room<'_>, c: &Condition) -> Option<Placement<'a>> {
    let pod = cx.cluster.pod(&c.entity);
    let (message, said) = words(cx, pod, &c.entity)?;
    let clauses = scheduling::clauses(&message);
    let primary = scheduling::primary(&clauses)?.reason.clone();
    let meant: Vec<&Node> = pod.map(|p| meant_for(cx, p)).unwrap_or_default();
    let counted = total(&message);
    let labelled = !meant.is_empty() || cx.cluster.nodes.iter().all(|n| shows_labels(cx, n));
    let nodes_known = !cx.cluster.nodes.is_empty()
        && counted.is_none_or(|n| cx.cluster.nodes.len() as u64 >= n)
        && labelled;
    let sick_nodes = clauses
        .iter()
        .any(|c| matches!(&c.reason, Reason::Taint(k, _) if scheduling::is_health_taint(k)))
        || meant.iter().any(|n| n.ready().is_some_and(|r| r != "True"));
    // A description that was cut shows no demands, and yet the scheduler found some.
    let selected = clauses.iter().any(|c| c.reason == Reason::NodeSelector);
    let nodes_known = nodes_known && pod.is_none_or(|p| demands(p) || !selected);
    let free = match pod {
        Some(pod) if nodes_known => free_nodes(cx, room, pod, &clauses),
        _ => Vec::new(),
    };
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
        // What the nodes do not show any more gives way to what they show.
        other => match pod.filter(|p| nodes_known && nowhere(cx, room, p, &other)) {
            Some(pod) => obstacle(pod, &meant).unwrap_or(other),
            None => other,
        },
    };
    let doubted = pod.is_some_and(|p| nodes_known && nowhere(cx, room, p, &reason));
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
        cordoned: clauses.iter().any(|c| c.reason == Reason::Cordoned),
        free,
        doubted,
    })
}

/// True when every node of the evidence shows that this obstacle is not there.
fn nowhere(cx: &Context<'_>, room: &Room<'_>, pod: &Pod, reason: &Reason) -> bool {
    cx.cluster
        .nodes
        .iter()
        .all(|n| fit::stands(cx, room, pod, n, reason) == Some(false))
}

/// Ready nodes on which nothing stands in the pod's way that the message names, and nothing else that
/// shows. Where the message gives reasons that objects do not show (other pods' affinities), as many
/// nodes as it counts for them are left out.
fn free_nodes<'a>(
    cx: &Context<'a>,
    room: &Room<'_>,
    pod: &Pod,
    clauses: &[Clause],
) -> Vec<&'a Node> {
    let (shown, word): (Vec<&Clause>, Vec<&Clause>) =
        clauses.iter().partition(|c| fit::is_checkable(&c.reason));
    if shown.is_empty() {
        return Vec::new();
    }
    let clear = |node: &Node| {
        node.ready() == Some("True")
            && shown.iter().all(|c| {
                c.reason == Reason::NoNodes
                    || fit::stands(cx, room, pod, node, &c.reason) == Some(false)
            })
            && !fit::any(cx, room, pod, node)
    };
    let free: Vec<&Node> = cx.cluster.nodes.iter().filter(|n| clear(n)).collect();
    let other: u64 = word.iter().map(|c| c.nodes.max(1)).sum();
    if free.len() as u64 > other {
        free
    } else {
        Vec::new()
    }
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

/// Is this the taint of servers? `CriticalAddonsOnly` is, where a server is seen to carry it: k3s' documents give it to
/// servers, and people give it to others too.
pub fn is_of_servers(cx: &Context<'_>, key: &str) -> bool {
    let serves = |node: &Node| {
        let labels = &node.metadata.labels;
        labels.keys().any(|l| {
            l.starts_with("node-role.kubernetes.io/control-plane")
                || l.starts_with("node-role.kubernetes.io/master")
        })
    };
    scheduling::is_control_plane(key)
        || (key == "CriticalAddonsOnly"
            && cx
                .cluster
                .nodes
                .iter()
                .any(|n| serves(n) && n.spec.taints.iter().any(|t| t.key == key)))
}

/// Taints that keep the pod off the node. That of a cordon is the cordon's.
pub fn taints<'n>(pod: &Pod, node: &'n Node) -> impl Iterator<Item = &'n Taint> {
    node.spec.taints.iter().filter(move |t| {
        matches!(t.effect.as_str(), "NoSchedule" | "NoExecute" | "")
            && t.key != "node.kubernetes.io/unschedulable"
            && !pod.spec.tolerations.iter().any(|x| x.covers(t))
    })
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

/// Is all that is known of the node a row of a table? It shows no taints, and nothing of what is left.
pub(super) fn is_row(cx: &Context<'_>, node: &Node) -> bool {
    cx.cluster.object(node.obj).is_some_and(|o| o.printed) && node.status.allocatable.is_empty()
}

/// Does the evidence show all labels of the node? Every node carries its name as one.
pub(super) fn shows_labels(cx: &Context<'_>, node: &Node) -> bool {
    !is_row(cx, node) || node.metadata.labels.contains_key("kubernetes.io/hostname")
}

/// What keeps the pod off the nodes that it selects.
fn obstacle(pod: &Pod, nodes: &[&Node]) -> Option<Reason> {
    let mut found: Vec<Reason> = Vec::new();
    for node in nodes {
        if node.spec.unschedulable == Some(true) {
            found.push(Reason::Cordoned);
        }
        found.extend(taints(pod, node).map(|t| Reason::Taint(t.key.clone(), t.value.clone())));
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
