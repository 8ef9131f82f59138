//! # HST036 Versions that may not be combined
//!
//! class: version-skew
//!
//! ## What it sees
//! Nodes whose kubelet is newer than the API server, or more than three minor versions older; an older
//! etcd that meets newer data (`invalid downgrade`), `incompatible down-level server`, a remote member
//! whose version does not fit.
//! A kubelet that lists Services by a selector which servers older than 1.31 don't know, or that refuses pods
//! which an older server let through.
//!
//! ## Why it matters
//! A newer kubelet asks for what the API server does not know, and the other way round; an older k3s
//! refuses data that a newer one wrote.
//!
//! ## What to do
//! Upgrade servers first, then agents, one minor version at a time; bring the odd one to the version of
//! the servers.
//!
//! ## What not to do
//! Do not downgrade k3s on its data: restore the snapshot from before the upgrade instead.

use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST036",
    class: "version-skew",
    needs: &[],
    leads_to: &[K::NodeNotReady, K::ServiceFailing, K::DatastoreFailing],
    check,
};

/// How many minor versions a kubelet may be behind. Source: kubernetes "Version Skew Policy".
const BEHIND: i64 = 3;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    nodes(cx, out);
    starts(cx, out);
    asks(cx, out);
    for (host, lines) in host::by_host(host::lines(
        cx,
        &[
            "etcd.downgrade",
            "etcd.downgrade-old",
            "etcd.remote-version",
            "k3s.down-level",
            "kubelet.newer",
            "kubelet.skew",
            "kubeadm.versions",
            "kubelet.api-unknown",
            "kubelet.unknown-selector",
            "kubelet.pod-refused",
        ],
        "one side is of a version that the other can't work with",
    )) {
        out.push(
            advise(RULE.on(host.clone()))
                .title(format!(
                    "{} runs a version that does not fit its cluster's data or servers",
                    called(&host)
                ))
                .term(88, "the programs compare versions and say so")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host),
        );
    }
}

/// Minor version of `v1.30.2+k3s1`.
fn minor(version: &str) -> Option<i64> {
    let (major, rest) = version.trim_start_matches('v').split_once('.')?;
    (major == "1").then_some(())?;
    rest.split('.').next()?.parse().ok()
}

/// Agents that start with a newer version than the servers of the same evidence.
fn starts(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let all: Vec<_> = host::by_host(host::lines(
        cx,
        &["k3s.starting"],
        "it starts with this version",
    ))
    .into_iter()
    .collect();
    // The last start counts.
    let of = |agent: bool| {
        all.iter()
            .filter_map(move |(host, lines)| {
                let l = lines
                    .iter()
                    .rfind(|l| l.line.groups.first().is_some_and(|g| g.is_empty() != agent))?;
                Some((host, minor(l.line.groups.get(1)?)?, l))
            })
            .collect::<Vec<_>>()
    };
    let Some((_, server, line)) = of(false).into_iter().max_by_key(|(_, v, _)| *v) else {
        return;
    };
    for (host, own, l) in of(true).into_iter().filter(|(_, v, _)| *v > server) {
        out.push(
            advise(RULE.on(host.clone()))
                .title(format!(
                    "the agent on {} is of 1.{own}, its server of 1.{server}",
                    called(host)
                ))
                .term(80, "both say it as they start")
                .cite(l.evidence.clone())
                .cite(line.evidence.clone())
                .explains_observed(cx, TROUBLES, host),
        );
    }
}

/// The first minor version whose API servers know the selector by which its kubelets list Services.
const SELECTOR: i64 = 31;

/// A kubelet that asks for Services as only newer servers understand, at an address behind which older
/// servers stand, too.
fn asks(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let servers = || cx.cluster.nodes.iter().filter(|n| is_server(n));
    let Some(old) = servers().find(|n| version(n).is_some_and(|v| v < SELECTOR)) else {
        return;
    };
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["kubelet.asks-services"],
        "it lists Services by a selector that servers know from 1.31 on",
    )) {
        let Some(node) = cx
            .cluster
            .node(host.name())
            .filter(|n| version(n).is_some_and(|v| v >= SELECTOR))
        else {
            continue;
        };
        // Its own server, on the same machine, is of its own version.
        let afar = |l: &&host::Told<'_>| {
            let to = l.line.groups.first().map_or("", String::as_str);
            !to.starts_with("127.") && !to.starts_with("localhost") && !to.starts_with("[::1]")
        };
        let Some(line) = lines.iter().find(afar) else {
            continue;
        };
        let id = cx.cluster.id(node.obj);
        out.push(
            advise(RULE.on(id.clone()))
                .title(format!(
                    "the kubelet of {} ({}) is newer than server {} ({}), which may answer it",
                    node.metadata.name,
                    node.status.node_info.kubelet_version,
                    old.metadata.name,
                    old.status.node_info.kubelet_version
                ))
                .term(78, "it asks in a way that the older server refuses")
                .cite(line.evidence.clone())
                .cite(cx.field(node.obj, "/status/nodeInfo/kubeletVersion", "its kubelet"))
                .cite(cx.field(old.obj, "/status/nodeInfo/kubeletVersion", "a server's"))
                .explains_if(cx, K::NodeNotReady, &id),
        );
    }
}

fn is_server(n: &defib_model::views::Node) -> bool {
    n.metadata.labels.iter().any(|(k, _)| {
        matches!(
            k.as_str(),
            "node-role.kubernetes.io/control-plane"
                | "node-role.kubernetes.io/master"
                | "node-role.kubernetes.io/etcd"
        )
    })
}

fn version(n: &defib_model::views::Node) -> Option<i64> {
    minor(&n.status.node_info.kubelet_version)
}

/// Kubelets against the servers' version.
fn nodes(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let servers: Vec<_> = cx.cluster.nodes.iter().filter(|n| is_server(n)).collect();
    // The oldest server counts: any of them may answer, unless it is gone.
    let up =
        |n: &&&defib_model::views::Node| cx.has(K::NodeNotReady, &cx.cluster.id(n.obj)).is_none();
    let any_up = servers.iter().any(|n| up(&n));
    let oldest = servers
        .iter()
        .filter(|n| up(n) || !any_up)
        .filter_map(|n| Some((version(n)?, *n)))
        .min_by_key(|(v, _)| *v);
    // Or what the API server says of itself, if that is older still.
    let api = host::lines(cx, &["kubectl.server-version"], "the API server");
    let said = api.first().and_then(|l| Some((minor(l.group(0))?, l)));
    let (lowest, called_so, cited) = match (oldest, said) {
        (Some((v, n)), said) if said.as_ref().is_none_or(|(s, _)| *s >= v) => (
            v,
            n.status.node_info.kubelet_version.clone(),
            cx.field(n.obj, "/status/nodeInfo/kubeletVersion", "a server's"),
        ),
        (_, Some((v, l))) => (v, l.group(0).to_owned(), l.evidence.clone()),
        _ => return,
    };
    let highest = servers
        .iter()
        .filter_map(|n| version(n))
        .max()
        .unwrap_or(lowest);
    for node in cx.cluster.nodes.iter().filter(|n| !is_server(n)) {
        let Some(own) = version(node) else { continue };
        let words = if own > lowest {
            "newer than"
        } else if own < highest - BEHIND {
            "too old for"
        } else {
            continue;
        };
        let id = cx.cluster.id(node.obj);
        out.push(
            advise(RULE.on(id.clone()))
                .title(format!(
                    "the kubelet of {} ({}) is {words} the servers ({})",
                    node.metadata.name, node.status.node_info.kubelet_version, called_so
                ))
                .term(80, "the nodes' own versions")
                .cite(cx.field(node.obj, "/status/nodeInfo/kubeletVersion", "its kubelet"))
                .cite(cited.clone())
                .explains_if(cx, K::NodeNotReady, &id),
        );
    }
}

fn advise(f: Finding) -> Finding {
    f.why("Each side asks for what the other does not know, or refuses what the other wrote.")
        .safe("Who has which version?", "kubectl get nodes -o wide; k3s --version")
        .advice("Bring the odd one to the servers' version; upgrade servers first, then agents, one minor version at a time.")
        .dont("Don't downgrade k3s on its data: restore the snapshot from before the upgrade.")
}
