//! Conditions of hosts, from what their programs write and what commands show.
//!
//! A line that names its cause is for rules; here stand the lines that only show that something fails.
//! Deliberately absent: what a start is full of, and what a later start contradicts.

use defib_model::ConditionKind as K;

use super::one;
use crate::analysis::host;
use crate::context::Context;

/// Signals that show a condition of their host.
const SHOWS: &[(&str, K, &str)] = &[
    ("k3s.fatal", K::ServiceFailing, "k3s ends with this"),
    ("k3s.shutdown", K::ServiceFailing, "k3s ends with this"),
    (
        "containerd.exited",
        K::RuntimeFailing,
        "k3s sees containerd end",
    ),
    (
        "containerd.locked",
        K::RuntimeFailing,
        "another containerd holds the store",
    ),
    (
        "kubelet.runtime-down",
        K::RuntimeFailing,
        "the runtime does not answer the kubelet",
    ),
    (
        "kubelet.pleg",
        K::RuntimeFailing,
        "the runtime answers too late",
    ),
    (
        "kubelet.sanity",
        K::RuntimeFailing,
        "the runtime does not answer the kubelet",
    ),
    (
        "flannel.exited",
        K::HostNetworkFailing,
        "flannel ends with this",
    ),
    (
        "flannel.subnet-env",
        K::HostNetworkFailing,
        "flannel has not run on this node",
    ),
    (
        "flannel.no-cidr",
        K::HostNetworkFailing,
        "the node has no range for its pods",
    ),
    (
        "flannel.vxlan",
        K::HostNetworkFailing,
        "flannel has no device",
    ),
];

pub(super) fn observe(cx: &mut Context<'_>) {
    let mut found = Vec::new();
    for (signal, kind, meaning) in SHOWS {
        for (id, lines) in host::spoken(cx, &[signal], meaning) {
            let count = lines.iter().map(|l| l.count).max().unwrap_or(1);
            if let Some(last) = lines.last() {
                found.push(one(
                    *kind,
                    &id,
                    "",
                    last.evidence.clone(),
                    last.line.time,
                    count as i64,
                ));
            }
        }
    }
    for c in found {
        cx.observe(c);
    }
}
