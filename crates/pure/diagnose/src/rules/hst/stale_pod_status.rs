//! # HST003 Pods still show the last state of a node that is gone
//!
//! class: stale-pod-status-on-dead-node
//!
//! ## What it sees
//! Pods shown as Running on a node that is no longer in the list of nodes; or a node that is shown
//! as Ready although its lease was not renewed for minutes while others were.
//!
//! ## Why it matters
//! Status is what a kubelet last wrote. When the kubelet and the controllers that would correct it
//! are gone, `kubectl get pods` shows a world that does not exist any more.
//!
//! ## What to do
//! Believe leases and heartbeats, not phases. Bring the controller manager back; its pod garbage
//! collector removes pods of nodes that are gone.
//!
//! ## What not to do
//! Do not count these pods as alive when you plan a restart or a drain elsewhere.

use crate::rules::prelude::*;
use defib_model::cluster::ObjId;
use defib_model::report::Evidence;
use jiff::Timestamp;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST003",
    class: "stale-pod-status-on-dead-node",
    needs: &["Pod", "Node"],
    leads_to: &[],
    check,
};

/// Seconds without a renewal after which a Ready node is not believed (it renews every ten).
const SILENT: i64 = 300;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let listed =
        cx.cluster.listed.get("Node").is_some_and(|l| l.whole) && !cx.cluster.nodes.is_empty();
    for pod in cx.cluster.pods.iter().filter(|p| {
        listed && p.status.phase == "Running" && p.metadata.deletion_timestamp.is_none()
    }) {
        let name = &pod.spec.node_name;
        if name.is_empty() || cx.cluster.node(name).is_some() {
            continue;
        }
        // Pods and nodes may have been listed from two clusters or at two times: the node must have
        // left another trace that it was one of these.
        let Some(trace) = trace(cx, name) else {
            continue;
        };
        let mut finding = found(
            name,
            format!("pods are shown as running on node {name}, which does not exist any more"),
        )
        .term(80, "all nodes were listed, and it is not among them")
        .cite(cx.field(pod.obj, "/spec/nodeName", "the node that the pod ran on"))
        .cite(cx.field(
            pod.obj,
            "/status/phase",
            "the last thing that its kubelet wrote",
        ))
        .cite(trace);
        let id = cx.cluster.id(pod.obj);
        for kind in [K::PodNotReady, K::ContainerCrashLoop, K::ProbeFailing] {
            if cx.has(kind, &id).is_some() {
                finding = finding.explains(kind, &id);
            }
        }
        out.push(finding);
    }
    leases(cx, out);
}

/// What a node that is gone leaves behind: its lease, its password, attachments, events.
fn trace(cx: &Context<'_>, node: &str) -> Option<Evidence> {
    let lease = cx.cluster.others.iter().map(|o| o.obj).find(|o| {
        cx.cluster.object(*o).is_some_and(|o| {
            o.kind == "Lease" && o.namespace == "kube-node-lease" && o.name == node
        })
    });
    let password = format!("{node}.node-password.k3s");
    let secret = cx
        .cluster
        .secrets
        .iter()
        .find(|s| s.metadata.name == password)
        .map(|s| s.obj);
    if let Some(obj) = lease.or(secret) {
        return Some(cx.field(
            obj,
            "/metadata/name",
            "the node was a member of this cluster",
        ));
    }
    if let Some(a) = cx
        .cluster
        .attachments
        .iter()
        .find(|a| a.spec.node_name == node)
    {
        return Some(cx.field(
            a.obj,
            "/spec/nodeName",
            "the node was a member of this cluster",
        ));
    }
    let event = cx
        .cluster
        .events_of(&EntityId::object("Node", "", "", node))
        .last()?;
    Some(cx.event(event, "the node was a member of this cluster"))
}

fn found(node: &str, title: String) -> Finding {
    RULE.on(EntityId::object("Node", "", "", node))
        .title(title)
        .why("Status is what a kubelet last wrote; nobody has corrected it since.")
        .safe("When did each node last renew its lease?", "kubectl get leases -n kube-node-lease -o custom-columns=NODE:.metadata.name,RENEWED:.spec.renewTime")
        .dont("Don't count these pods as alive when you plan a restart or a drain elsewhere.")
}

/// Nodes that are shown as Ready, and have not renewed their lease while others have.
fn leases(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut renewed: Vec<(ObjId, String, Timestamp)> = Vec::new();
    for other in &cx.cluster.others {
        let Some(object) = cx
            .cluster
            .object(other.obj)
            .filter(|o| o.kind == "Lease" && o.namespace == "kube-node-lease")
        else {
            continue;
        };
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&object.json) else {
            continue;
        };
        let time = value
            .pointer("/spec/renewTime")
            .and_then(|t| t.as_str())
            .and_then(|t| t.parse().ok());
        renewed.extend(time.map(|t| (other.obj, object.name.clone(), t)));
    }
    let Some((fresh, _, latest)) = renewed.iter().max_by_key(|r| r.2).cloned() else {
        return;
    };
    for (obj, name, time) in renewed {
        let Some(node) = cx.cluster.node(&name).filter(|n| n.ready() == Some("True")) else {
            continue;
        };
        if latest.as_second() - time.as_second() < SILENT {
            continue;
        }
        let Some(i) = node
            .status
            .conditions
            .iter()
            .position(|c| c.kind == "Ready")
        else {
            continue;
        };
        out.push(
            found(
                &name,
                format!(
                    "node {name} is shown as Ready, but has not renewed its lease since {time}"
                ),
            )
            .term(75, "other nodes have renewed theirs since")
            .cite(cx.field(obj, "/spec/renewTime", "its last sign of life"))
            .cite(cx.field(
                node.obj,
                &format!("/status/conditions/{i}/status"),
                "what is still shown",
            ))
            .cite(cx.field(
                fresh,
                "/spec/renewTime",
                "another node renewed its lease then",
            )),
        );
    }
}
