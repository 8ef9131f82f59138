//! # ETC016 Left-overs of an earlier role or cluster mislead the start
//!
//! class: stale-data-dir
//!
//! ## What it sees
//! k3s that takes up an existing etcd although it was told to join another cluster, and finds that
//! cluster's token or CA foreign; a server that lists nodes of its own, none of them of the cluster that it was told to
//! join; a member list in which this server is not; a list of members that no
//! longer fits what is on disk; an uninstall that was skipped, and a new start on what it left.
//!
//! ## Why it matters
//! An initialised `db/etcd` decides what a server is, whatever its flags say: it goes on with the old
//! cluster's data, keys and names.
//!
//! ## What to do
//! Be sure what the data is worth, set it aside (do not delete), and start the server as what it should
//! be.
//!
//! ## What not to do
//! Do not reset: that makes the left-overs the cluster.

use std::collections::BTreeMap;

use defib_model::fact::Value;
use defib_model::views::Node;

use crate::analysis::etcd::{host_of, node_of, pairs};
use crate::analysis::host::{self, TROUBLES, Told, asked, called, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC016",
    class: "stale-data-dir",
    needs: &[],
    leads_to: &[K::JoinFailing, K::ServiceFailing],
    check,
};

/// The cluster that it should join is not the one its data is from.
const FOREIGN: &[&str] = &[
    "token CA hash does not match",
    "signed by unknown authority",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let joins = asked(cx, "server").next().is_some();
    let foreign = host::by_host(host::lines(
        cx,
        &["k3s.reconcile-remote"],
        "the cluster that it should join is another one",
    ));
    for (host, old) in host::by_host(host::lines(
        cx,
        &["k3s.etcd-existing"],
        "it takes up the data that it finds",
    )) {
        let Some(lines) = foreign
            .get(&host)
            .map(|l| own(l, |l| FOREIGN.iter().any(|w| l.evidence.text.contains(w))))
            .filter(|l| !l.is_empty())
        else {
            continue;
        };
        let f = about(&host)
            .term(
                if joins { 75 } else { 65 },
                "it goes on with data of its own, and the cluster it should join is foreign to it",
            )
            .cite_all(quotes(&lines))
            .cite_all(quotes(&old))
            .explains_observed(cx, TROUBLES, &host);
        out.push(f);
    }
    // The uninstall left everything, and the start after it takes up what it finds.
    for skipped in host::lines(
        cx,
        &["k3s.uninstall-skipped"],
        "the uninstall left the data",
    ) {
        let Some(found) = host::lines(
            cx,
            &["k3s.etcd-existing"],
            "it takes up the data that it finds",
        )
        .into_iter()
        .find(|l| l.entry == skipped.entry && l.line.line > skipped.line.line) else {
            continue;
        };
        out.push(
            about(&found.host)
                .term(
                    78,
                    "nothing was uninstalled, and the new start goes on with what was left",
                )
                .cite(skipped.evidence)
                .cite(found.evidence)
                .explains_observed(cx, TROUBLES, &found.host),
        );
    }
    by_lists(cx, out);
    // A list without this server's name and address: data of another server, or one that was taken out.
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.not-a-member", "etcd.member-count", "etcd.local-name"],
        "the list of members on disk is not this server's",
    )) {
        let strange = own(&lines, |l| l.signal != "k3s.not-a-member" || is_stranger(l));
        if strange.is_empty() {
            continue;
        }
        out.push(
            about(&host)
                .term(45, "neither its name nor its address is in the list")
                .cite_all(quotes(&strange))
                .explains_observed(cx, TROUBLES, &host)
                .undecided(
                    "Is this data of another server, or was this one removed?",
                    "etcdctl member list -w table; cat /var/lib/rancher/k3s/server/db/etcd/name; hostname",
                    &["stale-data-dir", "etcd-member-was-removed", "node-ip-changed"],
                ),
        );
    }
}

/// Servers that were told to join a cluster, and list other nodes than that cluster does.
fn by_lists(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // Who was asked, and the nodes that it listed.
    let mut lists: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in &cx.cluster.nodes {
        let asked = cx.cluster.object(node.obj).map_or("", |o| &o.asked_on);
        if !asked.is_empty() {
            lists.entry(asked).or_default().push(node);
        }
    }
    // A node that two hosts list makes them one cluster, and a list that somebody narrowed shows nothing missing.
    let shared = cx.cluster.nodes.iter().any(|n| {
        let object = cx.cluster.object(n.obj);
        object.is_some_and(|o| o.printed && o.asked_on.is_empty())
    });
    if shared || lists.len() < 2 || narrowed(cx) {
        return;
    }
    for (told, server) in asked(cx, "server") {
        let Some(listed) = lists.get(told.host.as_str()) else {
            continue;
        };
        // Alone it would have begun anew; with others it goes on with what they had.
        if listed.len() < 2 || !listed.iter().any(|n| n.metadata.name == told.host) {
            continue;
        }
        let address = server
            .split_once("://")
            .map_or(server, |(_, rest)| rest)
            .split([':', '/'])
            .next()
            .unwrap_or_default();
        let is_it = |n: &Node| {
            n.metadata.name == address || n.status.addresses.iter().any(|a| a.address == address)
        };
        // It is of this cluster itself; another one may well have the same addresses.
        if listed.iter().any(|n| is_it(n)) {
            continue;
        }
        let wanted = lists
            .iter()
            .find(|(asked, list)| **asked != told.host && list.iter().any(|n| is_it(n)));
        let Some((_, wanted)) = wanted else { continue };
        let id = host::entity(&told.host);
        let existing = host::lines(
            cx,
            &["k3s.etcd-existing"],
            "it takes up the data that it finds",
        );
        let existing = own(&existing, |l| host::same_host(l.host.name(), &told.host));
        let mut finding = about(&id)
            .term(
                78,
                "it lists nodes of its own, and none of the cluster that it was told to join",
            )
            .term(
                if existing.is_empty() { 0 } else { 10 },
                "it says that it takes up the data that it finds",
            )
            .cite(cx.fact(told, "the cluster that it was told to join"))
            .cite_all(
                listed
                    .iter()
                    .take(2)
                    .map(|n| cx.field(n.obj, "/metadata/name", "it lists this node")),
            )
            .cite_all(wanted.iter().take(1).map(|n| {
                cx.field(
                    n.obj,
                    "/metadata/name",
                    "the cluster that it was told to join lists this one",
                )
            }))
            .cite_all(quotes(&existing))
            .explains_observed(cx, TROUBLES, &id);
        // The nodes of then have gone elsewhere.
        for node in listed.iter().filter(|n| n.metadata.name != told.host) {
            finding = finding.explains_if(cx, K::NodeNotReady, &cx.cluster.id(node.obj));
        }
        out.push(finding);
    }
}

/// Did somebody list some nodes only, by name or through a filter?
fn narrowed(cx: &Context<'_>) -> bool {
    let asked = host::facts_anywhere(cx, |v| match v {
        Value::Ran(words) => {
            let at = words.iter().position(|w| w == "get")?;
            let what = words.get(at + 1)?;
            let rest = words.get(at + 2..).unwrap_or_default();
            matches!(what.as_str(), "no" | "node" | "nodes").then_some(rest)
        }
        _ => None,
    });
    let whole = |rest: &[String]| {
        rest.iter()
            .all(|w| matches!(w.as_str(), "-o" | "wide" | "-owide" | "-A"))
    };
    asked.into_iter().any(|(_, rest)| !whole(rest))
}

fn own<'c>(lines: &[Told<'c>], keep: impl Fn(&Told<'c>) -> bool) -> Vec<Told<'c>> {
    lines.iter().filter(|l| keep(l)).cloned().collect()
}

fn is_stranger(l: &Told<'_>) -> bool {
    let (Some(found), Some((name, url))) = (
        l.line.groups.first(),
        l.line.groups.get(1).and_then(|e| e.split_once('=')),
    ) else {
        return false;
    };
    !pairs(found)
        .iter()
        .any(|(n, u)| node_of(n) == node_of(name) || host_of(u) == host_of(url))
}

fn about(host: &EntityId) -> Finding {
    RULE.on(host.clone())
        .title(format!("left-overs in the data directory of {} mislead its start", called(host)))
        .why("An initialised db/etcd decides what a server is, whatever its flags say.")
        .safe("What is it from?", "cat /var/lib/rancher/k3s/server/db/etcd/name; ls -l --time-style=full-iso /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/server/tls")
        .check_first("If nothing in it is needed: set it aside and start anew.", "systemctl stop k3s && mv /var/lib/rancher/k3s/server /var/lib/rancher/k3s/server.old && systemctl start k3s")
        .dont("Don't run --cluster-reset: it makes the left-overs the cluster.")
}
