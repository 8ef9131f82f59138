//! Volumes that can't be attached because another node has them: who holds them, and is it alive?
//!
//! Source: kubernetes `pkg/controller/volume/attachdetach/reconciler/reconciler.go`
//! (reportMultiAttachError). Deliberately absent: errors of drivers.

use defib_model::condition::ConditionKind as K;
use defib_model::id::EntityId;
use defib_model::report::Evidence;

use super::storage;
use crate::context::Context;

/// What holds the volume.
pub enum Answer {
    /// A node that is gone or does not answer.
    DeadNode {
        /// Its name.
        node: String,
        /// The attachment's name, if it is in the evidence.
        attachment: Option<String>,
        /// What shows it.
        evidence: Vec<Evidence>,
    },
    /// A living pod of the same owner.
    LivingPod {
        /// Its name.
        old: String,
        /// The owner of both.
        owner: EntityId,
        /// What shows it.
        evidence: Vec<Evidence>,
    },
    /// The evidence does not say.
    Unknown,
}

/// One pod that waits for a volume which is attached elsewhere.
pub struct Case {
    /// The pod.
    pub pod: EntityId,
    /// The volume, as the message names it.
    pub volume: Option<String>,
    /// The messages.
    pub words: Vec<Evidence>,
    /// Who has it.
    pub answer: Answer,
}

/// All of them.
pub fn cases(cx: &Context<'_>) -> Vec<Case> {
    let mut out = Vec::new();
    for c in cx.all(K::VolumeMountFailing) {
        let words = storage::said(
            cx,
            &c.entity,
            &["Multi-Attach error for volume"],
            "the volume is attached to another node",
        );
        let Some(first) = words.first() else { continue };
        let volume = super::between(&first.text, "Multi-Attach error for volume \"", "\"")
            .map(str::to_owned);
        let users: Vec<String> = first
            .text
            .split_once("already used by pod(s) ")
            .map(|r| {
                r.1.split([',', ' '])
                    .filter(|w| w.contains('-') || w.len() > 3)
                    .map(|w| w.trim_end_matches('.').to_owned())
                    .collect()
            })
            .unwrap_or_default();
        let nobody = first.text.contains("exclusively attached to one node");
        let answer = dead_node(cx, &c.entity, volume.as_deref(), &users)
            .or_else(|| nobody.then(|| only_dead_node(cx, &c.entity)).flatten())
            .or_else(|| living(cx, &c.entity, &users))
            .unwrap_or(Answer::Unknown);
        out.push(Case {
            pod: c.entity.clone(),
            volume,
            words,
            answer,
        });
    }
    out
}

fn is_dead(cx: &Context<'_>, node: &str) -> bool {
    let listed = cx.cluster.listed.get("Node").is_some_and(|l| l.whole);
    match cx.cluster.node(node) {
        Some(n) => n.ready().is_some_and(|r| r != "True"),
        None => listed,
    }
}

fn node_words(cx: &Context<'_>, node: &str) -> Option<Evidence> {
    let n = cx.cluster.node(node)?;
    let i = n.status.conditions.iter().position(|c| c.kind == "Ready")?;
    Some(cx.field(
        n.obj,
        &format!("/status/conditions/{i}/status"),
        "that node is not ready",
    ))
}

fn dead_node(
    cx: &Context<'_>,
    pod: &EntityId,
    volume: Option<&str>,
    users: &[String],
) -> Option<Answer> {
    let own = cx
        .cluster
        .pod(pod)
        .map(|p| p.spec.node_name.as_str())
        .unwrap_or_default();
    for a in &cx.cluster.attachments {
        let node = &a.spec.node_name;
        if Some(a.spec.source.persistent_volume_name.as_str()) == volume
            && node != own
            && is_dead(cx, node)
        {
            let mut evidence = vec![cx.field(
                a.obj,
                "/spec/nodeName",
                "the node that the volume is attached to",
            )];
            evidence.extend(node_words(cx, node));
            return Some(Answer::DeadNode {
                node: node.clone(),
                attachment: Some(a.metadata.name.clone()),
                evidence,
            });
        }
    }
    let ns = pod.namespace().unwrap_or_default();
    for user in users {
        let Some(other) = cx.cluster.pod(&EntityId::object("Pod", "", ns, user)) else {
            continue;
        };
        if is_dead(cx, &other.spec.node_name) {
            let mut evidence = vec![cx.field(
                other.obj,
                "/spec/nodeName",
                "the pod that has the volume ran on this node",
            )];
            evidence.extend(node_words(cx, &other.spec.node_name));
            return Some(Answer::DeadNode {
                node: other.spec.node_name.clone(),
                attachment: None,
                evidence,
            });
        }
    }
    None
}

/// The controller says so where no pod uses the volume on the node that has it: it waits for that node to let go.
/// Where one node is silent and no other is, that is the one.
fn only_dead_node(cx: &Context<'_>, pod: &EntityId) -> Option<Answer> {
    let own = cx
        .cluster
        .pod(pod)
        .map(|p| p.spec.node_name.as_str())
        .unwrap_or_default();
    let mut dead = (cx.cluster.nodes.iter())
        .filter(|n| n.metadata.name != own && n.ready().is_some_and(|r| r != "True"));
    let (Some(node), None) = (dead.next(), dead.next()) else {
        return None;
    };
    Some(Answer::DeadNode {
        node: node.metadata.name.clone(),
        attachment: None,
        evidence: node_words(cx, &node.metadata.name).into_iter().collect(),
    })
}

fn living(cx: &Context<'_>, pod: &EntityId, users: &[String]) -> Option<Answer> {
    let ns = pod.namespace().unwrap_or_default();
    let owner = cx.top_owner(pod);
    for user in users {
        let id = EntityId::object("Pod", "", ns, user);
        let theirs = cx.top_owner(&id);
        let known = cx.cluster.pod(&id);
        if known.is_some_and(|p| p.metadata.deletion_timestamp.is_some()) {
            continue;
        }
        let workload = cx
            .cluster
            .workloads
            .iter()
            .find(|w| cx.cluster.id(w.obj) == owner);
        if workload.is_some_and(|w| w.kind != "Deployment" || w.spec.strategy.kind == "Recreate") {
            continue;
        }
        // Pods of one Deployment share its name: NAME-HASH-ID.
        let stem = |name: &str| name.rsplitn(3, '-').nth(2).map(str::to_owned);
        let same = if owner != *pod {
            owner == theirs
        } else {
            stem(user).is_some() && stem(user) == stem(pod.name())
        };
        if !same {
            continue;
        }
        let owner = if owner == *pod {
            EntityId::object("Deployment", "apps", ns, &stem(user)?)
        } else {
            owner
        };
        let mut evidence = Vec::new();
        if let Some(w) = workload {
            evidence.push(cx.field(
                w.obj,
                "/spec/strategy/type",
                "the new pod is started before the old one is stopped",
            ));
        }
        return Some(Answer::LivingPod {
            old: user.clone(),
            owner,
            evidence,
        });
    }
    None
}
