//! Conditions of hosts, from what their programs write and what commands show.
//!
//! A line that names its cause is for rules; here stand the lines that only show that something fails.
//! Deliberately absent: what a start is full of, and what a later start contradicts.

use defib_model::fact::Value;
use defib_model::{Condition, ConditionKind as K};

use super::one;
use crate::analysis::host::{self, Told};
use crate::context::Context;

/// Signals that show a condition of their host.
const SHOWS: &[(&str, K, &str)] = &[
    ("k3s.fatal", K::ServiceFailing, "k3s ends with this"),
    ("k3s.shutdown", K::ServiceFailing, "k3s ends with this"),
    ("k3s.fatal-console", K::ServiceFailing, "k3s ends with this"),
    (
        "k3s.apiserver-late",
        K::ServiceFailing,
        "the API server does not become ready",
    ),
    ("k3s.panicked", K::ServiceFailing, "k3s panics"),
    (
        "kubelet.not-registered",
        K::JoinFailing,
        "the API server refuses the node",
    ),
    (
        "apiserver.hook-failed",
        K::ServiceFailing,
        "the API server ends with this",
    ),
    (
        "kubernetes.command-failed",
        K::ServiceFailing,
        "it ends with this",
    ),
    (
        "kubelet.container-manager",
        K::ServiceFailing,
        "the kubelet does not start",
    ),
    ("k3s.etcd-ended", K::DatastoreFailing, "etcd ends"),
    (
        "k3s.etcd-test",
        K::DatastoreFailing,
        "k3s does not get etcd to answer",
    ),
    (
        "k3s.etcd-local-status",
        K::DatastoreFailing,
        "k3s does not get etcd to answer",
    ),
    (
        "k3s.etcd-errors",
        K::DatastoreFailing,
        "etcd reports errors",
    ),
    (
        "k3s.defragment",
        K::DatastoreFailing,
        "etcd can't be defragmented",
    ),
    (
        "etcd.timed-out",
        K::DatastoreFailing,
        "requests to etcd run out of time",
    ),
    ("etcd.no-leader", K::DatastoreFailing, "etcd has no leader"),
    (
        "etcd.election",
        K::DatastoreFailing,
        "etcd elects again and again",
    ),
    (
        "etcd.quorum-inactive",
        K::DatastoreFailing,
        "the leader lost its quorum",
    ),
    (
        "etcd.publish-failed",
        K::DatastoreFailing,
        "the member does not get into its cluster",
    ),
    (
        "etcd.peer-unhealthy",
        K::DatastoreFailing,
        "a peer can't be reached",
    ),
    (
        "etcd.slow-fdatasync",
        K::DatastoreSlow,
        "writes wait for the disk",
    ),
    (
        "etcd.heartbeat-late",
        K::DatastoreSlow,
        "the leader is late",
    ),
    ("kine.slow-sql", K::DatastoreSlow, "queries take seconds"),
    ("kine.txn", K::DatastoreFailing, "a write fails"),
    ("kine.commit-failed", K::DatastoreFailing, "a write fails"),
    (
        "kine.compact-failed",
        K::DatastoreFailing,
        "old revisions stay",
    ),
    (
        "kine.storage-endpoint",
        K::DatastoreFailing,
        "kine does not start",
    ),
    (
        "k3s.join-learners",
        K::JoinFailing,
        "the join waits for another one",
    ),
    (
        "k3s.join-unhealthy",
        K::JoinFailing,
        "the join waits for an absent member",
    ),
    (
        "k3s.join-members",
        K::JoinFailing,
        "the server that is asked does not answer",
    ),
    ("k3s.join-failed", K::JoinFailing, "the join failed"),
    (
        "k3s.validate-connection",
        K::JoinFailing,
        "the agent does not get in",
    ),
    (
        "k3s.agent-waits",
        K::JoinFailing,
        "the agent waits for its server",
    ),
    (
        "k3s.config-mismatch",
        K::JoinFailing,
        "servers are configured differently",
    ),
    (
        "tls.other-side",
        K::TlsRejected,
        "the other side rejects the certificate",
    ),
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
        "flannel.subnet-file",
        K::HostNetworkFailing,
        "flannel can't write its file",
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

/// Last words that every Go program with logrus has: whose they are, the line does not say.
const ANYONES: &[&str] = &["k3s.fatal", "k3s.fatal-console"];

/// Names of k3s and of its files, and openings that only its fatal lines have.
/// Source: k3s `pkg/cli/server/server.go`, `pkg/agent/flannel/setup.go`.
const K3S: &[&str] = &["k3s", "rke2", "starting kubernetes: ", "flannel exited: "];

/// Is this line of k3s, as far as it or its file tells?
fn is_k3s(cx: &Context<'_>, line: &Told<'_>) -> bool {
    let names_it = |s: &str| K3S.iter().any(|w| s.contains(w));
    if !line.program.is_empty() {
        return names_it(line.program);
    }
    // Of containers only those of k3s are heard.
    if line.speaker.is_some() || names_it(&line.text) {
        return true;
    }
    let file = cx.cluster.entries.get(line.entry as usize);
    let file = file.and_then(|e| e.id.rsplit('/').next());
    if file.is_some_and(names_it) {
        return true;
    }
    // In a transcript the last command tells who speaks.
    if let Some((_, words)) = line.command(cx) {
        return words.iter().any(|w| names_it(w));
    }
    cx.heard().any(|h| {
        h.entry == line.entry
            && (h.signal.starts_with("k3s.") || h.signal.starts_with("kine."))
            && !ANYONES.contains(&h.signal)
    })
}

/// Are there nodes, and all of them ready?
fn nodes_are_well(cx: &Context<'_>) -> bool {
    let nodes = &cx.cluster.nodes;
    !nodes.is_empty() && nodes.iter().all(|n| n.ready() == Some("True"))
}

/// One leader followed another: an election that somebody won, and what was under way meanwhile and is asked again.
fn is_one_change(cx: &Context<'_>, line: &Told<'_>) -> bool {
    match line.signal {
        "etcd.election" => {
            line.count < 3 && line.is_followed(cx, &["etcd.elected", "etcd.became-leader"])
        }
        "etcd.no-leader" => line.count < 2 && line.text.contains("etcdserver: leader changed"),
        _ => false,
    }
}

pub(super) fn observe(cx: &mut Context<'_>) {
    let mut found = Vec::new();
    for (signal, kind, meaning) in SHOWS {
        let mut lines = host::lines(cx, &[signal], meaning);
        if ANYONES.contains(signal) {
            lines.retain(|l| is_k3s(cx, l));
        }
        lines.retain(|l| !is_one_change(cx, l));
        for (id, lines) in host::by_host(lines) {
            let count = lines.iter().map(|l| l.count).max().unwrap_or(1);
            // Every datastore is late once in a while.
            if *kind == K::DatastoreSlow && count < 2 && nodes_are_well(cx) {
                continue;
            }
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
    found.extend(ends(cx));
    for c in found {
        cx.observe(c);
    }
}

/// k3s that does not stay up, as systemd sees it: it says so also where k3s' own words are lost or filtered.
fn ends(cx: &Context<'_>) -> Vec<Condition> {
    let mut found = Vec::new();
    let lines = host::lines(
        cx,
        &["systemd.restarts"],
        "systemd starts it again by itself",
    );
    let own = lines.into_iter().filter(|l| host::is_ours(l.group(0)));
    for (id, lines) in host::by_host(own.collect()) {
        let count = |l: &Told<'_>| l.group(1).parse().unwrap_or(1);
        if let Some(last) = lines.last() {
            let times = lines.iter().map(count).max().unwrap_or(1);
            let since = last.line.time;
            let quoted = last.evidence.clone();
            found.push(one(K::ServiceFailing, &id, "", quoted, since, times));
        }
    }
    for fact in host::unstable(cx).into_iter().chain(host::restless(cx)) {
        let times = match &fact.value {
            Value::Unit { restarts, .. } => i64::try_from(*restarts).unwrap_or(i64::MAX),
            _ => 1,
        };
        let quoted = cx.fact(fact, "k3s does not stay up");
        let id = host::entity(&fact.host);
        found.push(one(K::ServiceFailing, &id, "", quoted, None, times));
    }
    found
}
