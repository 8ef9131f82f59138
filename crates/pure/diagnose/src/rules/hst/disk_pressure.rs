//! # HST004 A disk of the node is over the kubelet's threshold
//!
//! class: node-disk-pressure
//!
//! ## What it sees
//! The node's DiskPressure condition or taint; pods evicted because the node was low on ephemeral-
//! storage or inodes; the kubelet's eviction manager reclaiming disk.
//!
//! ## Why it matters
//! The kubelet watches shares of a file system, not bytes: k3s evicts below 5 % free. Images are
//! collected, pods are killed, and the node takes no new ones until it has had room for five
//! minutes.
//!
//! ## What to do
//! Find what fills the disk (images, logs, emptyDir, local-path data, the datastore's snapshots),
//! make room, and wait for the condition to clear.
//!
//! ## What not to do
//! Do not delete under /var/lib/rancher/k3s by hand: containerd's store and local-path volumes live
//! there. Do not lower the thresholds to zero: a full disk stops etcd and containerd too.

use crate::analysis::enospc;
use crate::analysis::host;
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST004",
    class: "node-disk-pressure",
    needs: &["Node", "Pod"],
    leads_to: &[K::NodePressure, K::PodEvicted],
    check,
};

/// Source: kubernetes `pkg/kubelet/eviction/{helpers,eviction_manager}.go`, `pkg/kubelet/images/image_gc_manager.go`.
const RESOURCES: &[&str] = &["ephemeral-storage", "inodes", "DiskPressure"];

fn is_disk(message: &str) -> bool {
    RESOURCES.iter().any(|r| message.contains(r))
        && !message.contains("exceeds the")
        && !message.contains("NoDiskPressure")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::NodePressure) {
        let Some(node) = cx.cluster.node(c.entity.name()) else {
            continue;
        };
        for (i, condition) in node
            .status
            .conditions
            .iter()
            .enumerate()
            .filter(|(_, c)| c.kind == "DiskPressure" && c.status == "True")
        {
            let pointer = if condition.message.is_empty() {
                "reason"
            } else {
                "message"
            };
            let mut finding = found(&node.metadata.name)
                .term(85, "the kubelet says so in the node's status")
                .cite(cx.field(
                    node.obj,
                    &format!("/status/conditions/{i}/{pointer}"),
                    "the kubelet's words",
                ))
                .cite(cx.field(
                    node.obj,
                    &format!("/status/conditions/{i}/status"),
                    "the DiskPressure condition",
                ))
                .explains(K::NodePressure, &c.entity);
            if let Some(t) = node
                .spec
                .taints
                .iter()
                .position(|t| t.key == "node.kubernetes.io/disk-pressure")
            {
                finding = finding.cite(cx.field(
                    node.obj,
                    &format!("/spec/taints/{t}/key"),
                    "no pod is placed there while this taint is set",
                ));
            }
            out.push(finding);
        }
    }
    for c in cx.all(K::PodEvicted) {
        let pod = cx.cluster.pod(&c.entity);
        let words = c
            .evidence
            .first()
            .filter(|_| pod.is_none_or(|p| is_disk(&p.status.message)));
        let Some(e) = words.filter(|e| pod.is_some() || is_disk(&e.text)) else {
            continue;
        };
        let node = pod
            .map(|p| p.spec.node_name.as_str())
            .filter(|n| !n.is_empty())
            .or_else(|| the_one(cx))
            .unwrap_or_default();
        out.push(
            found(node)
                .term(85, "the kubelet gives it as the reason of the eviction")
                .cite(e.clone())
                .explains(K::PodEvicted, &c.entity),
        );
    }
    for event in cx
        .cluster
        .events
        .iter()
        .filter(|e| e.about.kind() == "node" && e.warning)
    {
        let told = match event.reason.as_str() {
            "EvictionThresholdMet" => is_disk(&event.message),
            "FreeDiskSpaceFailed" => true,
            _ => false,
        };
        let name = event.about.name();
        let node = cx.cluster.node(name);
        let over = node.is_some_and(|n| {
            n.status
                .conditions
                .iter()
                .any(|c| c.kind == "DiskPressure" && c.status == "False")
        });
        if told && !over {
            out.push(
                found(name)
                    .term(80, "the kubelet reclaims disk")
                    .cite(cx.event(event, "the kubelet's words")),
            );
        }
    }
    for hit in cx.hits("kubelet.reclaims-disk") {
        let over = !cx.cluster.nodes.is_empty()
            && cx.all(K::NodePressure).next().is_none()
            && cx.all(K::PodEvicted).next().is_none();
        if !over && cx.all(K::NodePressure).next().is_none() {
            out.push(
                found("")
                    .term(80, "the kubelet's eviction manager reclaims disk")
                    .cite(cx.log(hit, 0, "the kubelet's words")),
            );
        }
    }
    if !out.iter().any(|f| f.rule.code == RULE.code) {
        journals(cx, out);
    }
}

/// Words of kubelets and of the scheduler in text of any kind, with the file systems that `df` shows
/// beyond the threshold of image collection.
fn journals(cx: &Context<'_>, out: &mut Vec<Finding>) {
    const SIGNALS: &[&str] = &[
        "kubelet.has-disk-pressure",
        "kubelet.low-on-disk",
        "kubelet.had-disk-pressure",
        "kubelet.gc-short",
        "kubelet.gc-insufficient",
        "kubelet.gc-over",
        "kubelet.gc-over-percent",
        "kubelet.gc-failed",
        "scheduler.disk-pressure",
    ];
    /// Percent; below it nothing is collected. Source: kubernetes `ImageGCHighThresholdPercent`.
    const HIGH: u64 = 85;
    let lines = host::lines(cx, SIGNALS, "the kubelet is short of disk");
    let lines: Vec<_> = lines.into_iter().filter(|l| counts(cx, l)).collect();
    // That it collects images is its daily work; that it could not free enough is trouble.
    if lines
        .iter()
        .all(|l| matches!(l.signal, "kubelet.gc-over" | "kubelet.gc-over-percent"))
    {
        return;
    }
    let over: Vec<_> = host::facts(cx, |v| match v {
        Value::FileSystem(f) if enospc::can_fill(f) && f.used >= HIGH => Some(f.target.clone()),
        _ => None,
    })
    .collect();
    for (id, lines) in host::by_host(lines) {
        let name = if id.name() == "-" { "" } else { id.name() };
        let mut finding = found(name)
            .term(78, "the kubelet says so")
            .cite_all(lines.iter().map(|l| l.evidence.clone()));
        for (fact, target) in over.iter().filter(|(f, _)| host::same_host(&f.host, name)) {
            finding = finding.cite(cx.fact(fact, format!("{target} is over the threshold")));
        }
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::HostStorageFailing],
        ));
    }
}

/// Is it still so, as far as the node's own object says?
fn counts(cx: &Context<'_>, line: &host::Told) -> bool {
    let known = cx.cluster.node(line.host.name());
    let pressure = known.map(|n| {
        n.status
            .conditions
            .iter()
            .any(|c| c.kind == "DiskPressure" && c.status == "True")
    });
    let conditions =
        known.is_some_and(|n| n.status.conditions.iter().any(|c| c.kind == "DiskPressure"));
    !conditions || pressure == Some(true)
}

fn found(node: &str) -> Finding {
    let entity = if node.is_empty() {
        EntityId::other("nodes", "cluster")
    } else {
        EntityId::object("Node", "", "", node)
    };
    let which = if node.is_empty() {
        "a node".to_owned()
    } else {
        format!("node {node}")
    };
    RULE.on(entity)
        .title(format!("a disk of {which} is over the kubelet's threshold: pods are evicted and none is placed there"))
        .why("The kubelet keeps a share of the disk free, by collecting images and then by killing pods.")
        .safe("What fills it?", "df -h / /var/lib/rancher /var/lib/kubelet; df -i /; du -xh --max-depth=2 /var/lib/rancher/k3s | sort -h | tail -20")
        .check_first("Remove images that nothing uses.", "k3s crictl rmi --prune")
        .check_first("When there is room again, remove what the evictions left.", "kubectl delete pods -A --field-selector status.phase=Failed")
        .dont("Don't delete under /var/lib/rancher/k3s by hand: containerd's store and local-path volumes live there.")
        .dont("Don't set the eviction thresholds to zero: a full disk stops etcd and containerd too.")
}

/// The one node whose kubelet reclaims disk, where the evidence speaks of one only.
fn the_one<'c>(cx: &'c Context<'_>) -> Option<&'c str> {
    let mut names = cx
        .cluster
        .events
        .iter()
        .filter(|e| e.about.kind() == "node" && e.reason == "EvictionThresholdMet")
        .map(|e| e.about.name());
    let first = names.next()?;
    names.all(|n| n == first).then_some(first)
}
