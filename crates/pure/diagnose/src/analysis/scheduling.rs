//! The scheduler's message, clause by clause.
//!
//! `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector.
//! preemption: …`. Source: kubernetes `pkg/scheduler/framework/types.go` (FitError.Error) and the
//! reasons of each plugin under `pkg/scheduler/framework/plugins/`.
//! Deliberately absent: the preemption half of the message, which only says that eviction won't help.

use defib_model::views::Pod;

/// What one clause says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A claim is missing altogether.
    ClaimMissing(String),
    /// A claim is not bound, and no volume is free for it.
    ClaimUnbound,
    /// A bound volume can only be reached from other nodes.
    VolumeAffinity,
    /// A port of the node is taken.
    HostPorts,
    /// The node's pod limit is reached.
    PodLimit,
    /// Too little of a resource is unrequested.
    Insufficient(String),
    /// Too many volumes are attached to the node.
    VolumeLimit,
    /// Other pods are in the way, or not there.
    PodAffinity,
    /// Spreading forbids it.
    Spread,
    /// A taint: key, value.
    Taint(String, String),
    /// The node is cordoned.
    Cordoned,
    /// The node's labels do not fit.
    NodeSelector,
    /// There is no node at all.
    NoNodes,
    /// Something else.
    Other(String),
}

/// One clause: on how many nodes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Nodes.
    pub nodes: u64,
    /// Why.
    pub reason: Reason,
}

/// The clauses of a scheduler's message.
pub fn clauses(message: &str) -> Vec<Clause> {
    if message.contains("no nodes available to schedule pods") {
        return vec![Clause {
            nodes: 0,
            reason: Reason::NoNodes,
        }];
    }
    let Some((_, rest)) = message.split_once("nodes are available: ") else {
        return whole(message).into_iter().collect();
    };
    let mut end = rest.len();
    for mark in [
        " preemption: ",
        " no new claims to deallocate",
        " still not schedulable",
    ] {
        if let Some(at) = rest.find(mark) {
            end = end.min(at);
        }
    }
    let body = rest
        .get(..end)
        .unwrap_or(rest)
        .trim_end()
        .trim_end_matches('.');
    let mut out = Vec::new();
    let mut part = String::new();
    for piece in body.split(", ") {
        let starts_clause = piece.starts_with(|c: char| c.is_ascii_digit());
        if starts_clause && !part.is_empty() {
            out.push(clause(&part));
            part.clear();
        }
        if !part.is_empty() {
            part.push_str(", ");
        }
        part.push_str(piece);
    }
    if !part.is_empty() {
        out.push(clause(&part));
    }
    out
}

/// Messages that speak of the pod as a whole.
fn whole(message: &str) -> Option<Clause> {
    let reason = classify(message);
    (!matches!(reason, Reason::Other(_))).then_some(Clause { nodes: 0, reason })
}

fn clause(text: &str) -> Clause {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let rest = text.get(digits.len()..).unwrap_or("").trim_start();
    Clause {
        nodes: digits.parse().unwrap_or(0),
        reason: classify(rest),
    }
}

fn classify(text: &str) -> Reason {
    let has = |s: &str| text.contains(s);
    if let Some(name) = super::between(text, "persistentvolumeclaim \"", "\"")
        && has("not found")
    {
        return Reason::ClaimMissing(name.to_owned());
    }
    if has("unbound immediate PersistentVolumeClaims")
        || has("didn't find available persistent volumes to bind")
        || has("did not find available persistent volumes")
    {
        return Reason::ClaimUnbound;
    }
    if has("volume node affinity conflict")
        || has("didn't match PersistentVolume's node affinity")
        || has("pvc(s) bound to non-existent pv")
    {
        return Reason::VolumeAffinity;
    }
    if has("free ports for the requested pod ports") {
        return Reason::HostPorts;
    }
    // `Insufficient pods` before 1.20: the kubelet's limit counts as a resource.
    if has("Too many pods") || text.trim_end_matches('.') == "Insufficient pods" {
        return Reason::PodLimit;
    }
    if let Some(what) = text.strip_prefix("Insufficient ") {
        return Reason::Insufficient(what.trim_end_matches('.').to_owned());
    }
    if has("exceed max volume count") {
        return Reason::VolumeLimit;
    }
    if has("taint") {
        // `had untolerated taint {key: value}` or, before 1.22, `had taint {key: value}, that …`;
        // since 1.35 also `untolerated taint(s)`, which does not say which.
        let inside = super::between(text, "{", "}").unwrap_or("");
        let (key, value) = inside.split_once(':').unwrap_or((inside, ""));
        return Reason::Taint(key.trim().to_owned(), value.trim().to_owned());
    }
    if has("were unschedulable") {
        return Reason::Cordoned;
    }
    if has("node affinity/selector")
        || has("match node selector")
        || has("match Pod's node affinity")
    {
        return Reason::NodeSelector;
    }
    if has("pod affinity") || has("anti-affinity") {
        return Reason::PodAffinity;
    }
    if has("topology spread") {
        return Reason::Spread;
    }
    Reason::Other(text.to_owned())
}

/// Which clause names the cause. Nodes that the pod was never meant for (labels, control plane,
/// cordon, taints) are the background; what keeps it from the others is the reason.
pub fn primary(clauses: &[Clause]) -> Option<&Clause> {
    let rank = |r: &Reason| match r {
        Reason::ClaimMissing(_) => 0,
        Reason::ClaimUnbound => 1,
        Reason::VolumeAffinity => 2,
        Reason::HostPorts => 3,
        Reason::PodLimit => 4,
        Reason::Insufficient(_) => 5,
        Reason::VolumeLimit => 6,
        Reason::PodAffinity => 7,
        Reason::Spread => 8,
        Reason::Other(_) => 9,
        Reason::Taint(key, _) if is_health_taint(key) => 10,
        Reason::Taint(key, _) if !is_control_plane(key) => 11,
        Reason::Taint(..) => 12,
        Reason::Cordoned => 13,
        Reason::NodeSelector => 14,
        Reason::NoNodes => 15,
    };
    clauses
        .iter()
        .min_by_key(|c| (rank(&c.reason), std::cmp::Reverse(c.nodes)))
}

/// Taints that keep ordinary pods off control-plane nodes.
pub fn is_control_plane(key: &str) -> bool {
    matches!(
        key,
        "node-role.kubernetes.io/control-plane"
            | "node-role.kubernetes.io/master"
            | "node-role.kubernetes.io/etcd"
    )
}

/// Taints that the node controller sets for the node's own troubles.
pub fn is_health_taint(key: &str) -> bool {
    matches!(
        key,
        "node.kubernetes.io/not-ready"
            | "node.kubernetes.io/unreachable"
            | "node.kubernetes.io/disk-pressure"
            | "node.kubernetes.io/memory-pressure"
            | "node.kubernetes.io/pid-pressure"
            | "node.kubernetes.io/network-unavailable"
            | "node.cloudprovider.kubernetes.io/uninitialized"
            | "node.kubernetes.io/out-of-service"
    )
}

/// What the scheduler last said about this pod, with the JSON pointer of it.
pub fn message(pod: &Pod) -> Option<(String, &str)> {
    let (i, c) = defib_model::views::meta::condition(&pod.status.conditions, "PodScheduled")?;
    (c.status == "False").then(|| {
        (
            format!("/status/conditions/{i}/message"),
            c.message.as_str(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_told_apart() {
        let got = clauses(
            "0/5 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling.",
        );
        let reasons: Vec<_> = got.iter().map(|c| (c.nodes, c.reason.clone())).collect();
        assert_eq!(
            reasons,
            [
                (1, Reason::Insufficient("cpu".into())),
                (
                    1,
                    Reason::Taint(
                        "node-role.kubernetes.io/control-plane".into(),
                        String::new()
                    )
                ),
                (1, Reason::Cordoned),
                (2, Reason::NodeSelector),
            ]
        );
        assert_eq!(
            primary(&got).unwrap().reason,
            Reason::Insufficient("cpu".into())
        );
    }

    #[test]
    fn old_and_new_words_mean_the_same() {
        for m in [
            "0/1 nodes are available: 1 node(s) had taint {dedicated: gpu}, that the pod didn't tolerate.",
            "0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        ] {
            assert_eq!(
                clauses(m),
                [Clause {
                    nodes: 1,
                    reason: Reason::Taint("dedicated".into(), "gpu".into())
                }],
                "{m}"
            );
        }
        assert_eq!(
            clauses("persistentvolumeclaim \"data\" not found")[0].reason,
            Reason::ClaimMissing("data".into())
        );
        assert_eq!(
            clauses(
                "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
            ),
            [Clause {
                nodes: 1,
                reason: Reason::ClaimUnbound
            }]
        );
        assert!(clauses("something else").is_empty());
    }
}
