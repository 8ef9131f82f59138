//! Does a pod fit a node, by what the objects say now? The scheduler's message may be older than they.
//!
//! Source: kubernetes `pkg/scheduler/framework/plugins/` (nodeunschedulable, tainttoleration,
//! nodeaffinity, nodeports, noderesources, volumebinding) and `component-helpers/resource/helpers.go`
//! for what a pod requests. Deliberately absent: other pods' affinities, spreading, limits of volumes
//! per node: for those only the scheduler's word counts.

use std::collections::{BTreeMap, BTreeSet};

use defib_model::quantity::milli;
use defib_model::views::{Node, Pod, PodSpec};

use super::placement;
use super::scheduling::Reason;
use crate::context::Context;

/// What the pods on every node take, counted once for all questions.
pub struct Room<'a> {
    nodes: BTreeMap<&'a str, Held>,
    /// Were the pods of all namespaces listed to the end?
    all_seen: bool,
}

/// What the pods on one node take.
#[derive(Default)]
struct Held {
    pods: i128,
    /// In thousandths, by resource; nothing where a quantity can't be read.
    taken: BTreeMap<String, Option<i128>>,
    ports: BTreeSet<(i64, String)>,
}

impl<'a> Room<'a> {
    /// Counts the pods that are on a node and not finished.
    pub fn of(cx: &Context<'a>) -> Self {
        let mut nodes: BTreeMap<&str, Held> = BTreeMap::new();
        for pod in &cx.cluster.pods {
            if pod.spec.node_name.is_empty() || pod.is_finished() {
                continue;
            }
            let held = nodes.entry(&pod.spec.node_name).or_default();
            held.pods += 1;
            held.ports.extend(host_ports(pod));
            for resource in resources(&pod.spec) {
                let asks = requests(&pod.spec, resource);
                let taken = held.taken.entry(resource.to_owned()).or_insert(Some(0));
                *taken = taken.zip(asks).map(|(a, b)| a + b);
            }
        }
        Self {
            nodes,
            all_seen: everywhere(cx),
        }
    }

    fn on(&self, node: &Node) -> Option<&Held> {
        self.nodes.get(node.metadata.name.as_str())
    }

    /// What is there, is there; what is not counts only where all pods were seen.
    fn if_seen(&self, stands: bool) -> Option<bool> {
        (stands || self.all_seen).then_some(stands)
    }

    fn short(&self, pod: &Pod, node: &Node, resource: &str) -> Option<bool> {
        let wanted = requests(&pod.spec, resource)?;
        let has = match node.status.allocatable.get(resource) {
            Some(text) => milli(text)?,
            // A node that states what it has, and not this, has none of it.
            None if !node.status.allocatable.is_empty() => 0,
            None => return None,
        };
        let taken = self
            .on(node)
            .and_then(|h| h.taken.get(resource))
            .copied()
            .unwrap_or(Some(0))?;
        self.if_seen(wanted > 0 && wanted > has - taken)
    }
}

/// Is this obstacle between the pod and the node? Nothing where the evidence does not tell.
pub fn stands(
    cx: &Context<'_>,
    room: &Room<'_>,
    pod: &Pod,
    node: &Node,
    reason: &Reason,
) -> Option<bool> {
    // A row, or an event alone, shows nothing of what the pod asks for.
    let bare = pod.spec.containers.is_empty()
        && pod.spec.node_selector.is_empty()
        && cx.cluster.object(pod.obj).is_some_and(|o| o.printed);
    if bare {
        return None;
    }
    match reason {
        Reason::NodeSelector => {
            let stands = !placement::selects(pod, node);
            (!stands || placement::shows_labels(cx, node)).then_some(stands)
        }
        Reason::Cordoned => Some(node.spec.unschedulable == Some(true) && !endures_cordon(pod)),
        Reason::Taint(key, _) => {
            let stands = placement::taints(pod, node).any(|t| key.is_empty() || t.key == *key);
            (stands || !placement::is_row(cx, node)).then_some(stands)
        }
        Reason::VolumeAffinity => {
            let claims = pod
                .spec
                .volumes
                .iter()
                .filter_map(|v| v.persistent_volume_claim.as_ref());
            let bound = placement::volumes(cx, pod);
            if bound.iter().any(|v| !placement::reaches(v, node)) {
                return Some(true);
            }
            let all = bound.len() == claims.count()
                && pod.spec.volumes.iter().all(|v| v.ephemeral.is_none());
            all.then_some(false)
        }
        Reason::Insufficient(resource) => room.short(pod, node, resource),
        Reason::PodLimit => {
            let limit = milli(node.status.allocatable.get("pods")?)? / 1000;
            room.if_seen(room.on(node).map_or(0, |h| h.pods) >= limit)
        }
        Reason::HostPorts => {
            let held = room.on(node);
            room.if_seen(host_ports(pod).any(|p| held.is_some_and(|h| h.ports.contains(&p))))
        }
        _ => None,
    }
}

/// Is there an obstacle, of any kind that the objects can show?
pub fn any(cx: &Context<'_>, room: &Room<'_>, pod: &Pod, node: &Node) -> bool {
    let resources = resources(&pod.spec)
        .into_iter()
        .map(|r| Reason::Insufficient(r.to_owned()));
    [
        Reason::NodeSelector,
        Reason::Cordoned,
        Reason::Taint(String::new(), String::new()),
        Reason::VolumeAffinity,
        Reason::PodLimit,
        Reason::HostPorts,
    ]
    .into_iter()
    .chain(resources)
    .any(|r| stands(cx, room, pod, node, &r) == Some(true))
}

/// Can objects show this obstacle at all?
pub fn is_checkable(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::NodeSelector
            | Reason::Cordoned
            | Reason::Taint(..)
            | Reason::VolumeAffinity
            | Reason::Insufficient(_)
            | Reason::PodLimit
            | Reason::HostPorts
            | Reason::NoNodes
    )
}

fn endures_cordon(pod: &Pod) -> bool {
    let taint = defib_model::views::node::Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        value: String::new(),
        effect: "NoSchedule".into(),
    };
    pod.spec.tolerations.iter().any(|t| t.covers(&taint))
}

/// Were the pods of all namespaces listed to the end?
fn everywhere(cx: &Context<'_>) -> bool {
    let (pods, spaces) = (
        cx.cluster.listed.get("Pod"),
        cx.cluster.listed.get("Namespace"),
    );
    let each = || {
        let names = cx.cluster.namespaces.iter().map(|n| &n.metadata.name);
        !cx.cluster.namespaces.is_empty()
            && pods.is_some_and(|l| names.into_iter().all(|n| l.namespaces.contains(n)))
    };
    pods.is_some_and(|l| l.whole) || (spaces.is_some_and(|l| l.whole) && each())
}

/// The names of all resources that the pod asks for.
fn resources(spec: &PodSpec) -> BTreeSet<&str> {
    spec.all_containers()
        .map(|(_, c)| &c.resources)
        .chain([&spec.resources])
        .flat_map(|r| r.requests.keys().chain(r.limits.keys()))
        .chain(spec.overhead.keys())
        .map(String::as_str)
        .collect()
}

/// What the scheduler counts for a pod: its containers and sidecars together, or what an init
/// container needs beside the sidecars before it, whichever is more.
pub fn requests(spec: &PodSpec, resource: &str) -> Option<i128> {
    let of = |r: &defib_model::views::pod::Resources| -> Option<i128> {
        let text = r.requests.get(resource).or_else(|| r.limits.get(resource));
        text.map_or(Some(0), |t| milli(t))
    };
    let mut main = 0;
    for c in &spec.containers {
        main += of(&c.resources)?;
    }
    let (mut sidecars, mut peak) = (0, 0);
    for c in &spec.init_containers {
        let own = of(&c.resources)?;
        if c.restart_policy == "Always" {
            sidecars += own;
            peak = peak.max(sidecars);
        } else {
            peak = peak.max(sidecars + own);
        }
    }
    let mut all = peak.max(main + sidecars);
    let whole = &spec.resources;
    if whole.requests.contains_key(resource) || whole.limits.contains_key(resource) {
        all = of(whole)?;
    }
    let overhead = spec.overhead.get(resource).map_or(Some(0), |t| milli(t))?;
    Some(all + overhead)
}

fn host_ports(pod: &Pod) -> impl Iterator<Item = (i64, String)> + '_ {
    pod.spec
        .all_containers()
        .flat_map(|(_, c)| &c.ports)
        .filter_map(|p| {
            let n = p.host_port.filter(|n| *n > 0)?;
            Some((n, super::policy::or_tcp(&p.protocol).to_owned()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_as_the_scheduler_counts() {
        let of = |text: &str| requests(&serde_json::from_str::<PodSpec>(text).unwrap(), "cpu");
        let c = |cpu: &str| format!(r#"{{"resources":{{"requests":{{"cpu":"{cpu}"}}}}}}"#);
        let side = r#"{"restartPolicy":"Always","resources":{"requests":{"cpu":"100m"}}}"#;
        let two = format!(r#"{{"containers":[{},{}]}}"#, c("1"), c("500m"));
        assert_eq!(of(&two), Some(1500));
        let init = format!(
            r#"{{"initContainers":[{side},{}],"containers":[{}]}}"#,
            c("2"),
            c("1")
        );
        assert_eq!(of(&init), Some(2100));
        let limit = r#"{"containers":[{"resources":{"limits":{"cpu":"2"}}}]}"#;
        assert_eq!(of(limit), Some(2000));
        let whole = format!(
            r#"{{"resources":{{"requests":{{"cpu":"3"}}}},"overhead":{{"cpu":"250m"}},"containers":[{}]}}"#,
            c("1")
        );
        assert_eq!(of(&whole), Some(3250));
        assert_eq!(of(&format!(r#"{{"containers":[{}]}}"#, c("x"))), None);
    }
}
