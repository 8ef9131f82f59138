//! What was said about one host, whoever said it: its journal, a loose line, an event about its pods.
//!
//! Rules of hosts ask here. A line of an event counts for the host where the pod runs, and the trouble of
//! that pod is the line's. Deliberately absent: what the words mean, and conditions (`conditions::host`).

use std::collections::BTreeMap;

use defib_model::Evidence;
use defib_model::condition::ConditionKind as K;
use defib_model::fact::{Fact, FileSystem, Value};
use defib_model::id::EntityId;
use jiff::Timestamp;

use super::host;
use crate::context::Context;
use crate::rule::Finding;

/// One line.
#[derive(Clone, Debug)]
pub struct Told {
    /// The signal that it is.
    pub signal: &'static str,
    /// The host; `host/-` where nobody names it.
    pub host: EntityId,
    /// What an event that says it is about.
    pub about: Option<EntityId>,
    /// The file, as an index into `Cluster::entries`.
    pub entry: u32,
    /// The program that the line names.
    pub program: String,
    /// The line, unescaped.
    pub text: String,
    /// The groups of the signal's pattern.
    pub groups: Vec<String>,
    /// Its time.
    pub time: Option<Timestamp>,
    /// The last time that the signal was heard in that log.
    pub last: Option<Timestamp>,
    /// The citation.
    pub evidence: Evidence,
}

impl Told {
    /// The group of this number; empty where it did not match.
    pub fn group(&self, index: usize) -> &str {
        self.groups.get(index).map_or("", String::as_str)
    }
}

/// Lines of these signals that still count, in the order of the signals.
pub fn lines(cx: &Context<'_>, signals: &[&str], meaning: &str) -> Vec<Told> {
    let mut out = Vec::new();
    for signal in signals {
        for hit in cx.heard().filter(|h| h.signal == *signal) {
            if host::is_over(cx, hit) {
                continue;
            }
            let about = hit.entity.clone().filter(|_| hit.event);
            let host = match &about {
                Some(e) => node_of(cx, e),
                None => host::of(hit),
            };
            for (i, line) in hit.lines.iter().enumerate() {
                // What somebody looks for is not what was said.
                if line.text.contains("grep ") {
                    continue;
                }
                out.push(Told {
                    signal: hit.signal,
                    host: host.clone(),
                    about: about.clone(),
                    entry: hit.entry,
                    program: hit.program.clone(),
                    text: line.text.replace("\\\"", "\""),
                    groups: line.groups.clone(),
                    time: line.time,
                    last: hit.last,
                    evidence: cx.log(hit, i, meaning),
                });
            }
        }
    }
    out
}

/// The host on which this entity lives.
fn node_of(cx: &Context<'_>, about: &EntityId) -> EntityId {
    let name = match about.kind() {
        "node" => about.name(),
        "pod" => cx.cluster.pod(about).map_or("", |p| &p.spec.node_name),
        _ => "",
    };
    host::entity(name)
}

/// The lines by host. Lines that name none belong to the one host that others name.
pub fn by_host(lines: Vec<Told>) -> BTreeMap<EntityId, Vec<Told>> {
    let mut out: BTreeMap<EntityId, Vec<Told>> = BTreeMap::new();
    for line in lines {
        out.entry(line.host.clone()).or_default().push(line);
    }
    let nobody = host::entity("");
    if out.len() == 2
        && let Some(loose) = out.remove(&nobody)
    {
        for named in out.values_mut() {
            named.extend(loose.iter().cloned());
        }
    }
    out
}

/// Is this about the host, as far as anybody says?
pub fn same_host(a: &str, b: &str) -> bool {
    a.is_empty() || b.is_empty() || a == "-" || b == "-" || a == b
}

/// Facts of hosts: what was asked inside a container says nothing about its host.
pub fn facts<'c, T>(
    cx: &'c Context<'_>,
    wanted: impl Fn(&'c Value) -> Option<T> + 'c,
) -> impl Iterator<Item = (&'c Fact, T)> + 'c {
    host::facts(cx, wanted).filter(|(f, _)| {
        ![
            "kubectl exec",
            "docker exec",
            "crictl exec",
            "kubectl debug",
        ]
        .iter()
        .any(|inside| f.command.contains(inside))
    })
}

/// Troubles of a pod that come from its host.
const POD: &[K] = &[
    K::SandboxFailing,
    K::ContainerStartError,
    K::ContainerConfigError,
    K::ImagePullFailing,
    K::VolumeMountFailing,
    K::PodEvicted,
];

/// Claims what these lines are about: these conditions of the host, its node's, and those of the pods
/// whose events say it.
pub fn claim(
    cx: &Context<'_>,
    mut finding: Finding,
    host: &EntityId,
    lines: &[Told],
    kinds: &[K],
) -> Finding {
    for kind in kinds {
        finding = finding.explains_if(cx, *kind, host);
    }
    let node = EntityId::object("Node", "", "", host.name());
    finding = finding.explains_observed(
        cx,
        &[K::NodeNotReady, K::NodePressure, K::NodeNetworkUnavailable],
        &node,
    );
    for pod in lines.iter().filter_map(|l| l.about.as_ref()) {
        finding = finding.explains_observed(cx, POD, pod);
    }
    finding
}

/// File systems of which `df` can say that they are full without meaning it.
pub fn can_fill(fs: &FileSystem) -> bool {
    let read_only = fs.target.starts_with("/snap")
        || fs.target.starts_with("/boot")
        || fs.target.starts_with("/media")
        || fs.source.starts_with("/dev/loop")
        || fs.source.starts_with("/dev/sr")
        || matches!(
            fs.source.as_str(),
            "efivarfs" | "squashfs" | "overlay" | "shm" | "devtmpfs" | "udev" | "none"
        );
    !read_only && fs.size > 0
}

/// Rows of `df` that show a full file system: no share left, or no inode.
pub fn full<'c>(cx: &'c Context<'_>) -> Vec<(&'c Fact, String)> {
    let blocks = facts(cx, |v| match v {
        Value::FileSystem(f) if can_fill(f) && (f.used >= 100 || f.available == 0) => {
            Some(f.target.clone())
        }
        _ => None,
    });
    let inodes = facts(cx, |v| match v {
        Value::Inodes(target, used) if *used >= 100 && !target.starts_with("/boot") => {
            Some(target.clone())
        }
        _ => None,
    });
    blocks.chain(inodes).collect()
}
