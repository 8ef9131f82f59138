//! # ETC007 A member has bootstrapped a cluster of its own
//!
//! class: etcd-cluster-id-mismatch
//!
//! ## What it sees
//! `request sent was ignored … due to cluster ID mismatch` between peers, or endpoints whose status
//! shows different cluster ids. A cluster that was made anew on the same address has the same ids: then a
//! peer says again and again that it does not know the member (`failed to find local node`), which was no
//! member of the new one.
//!
//! ## Why it matters
//! One of the servers was reset, restored or started empty while the others kept their data. They never
//! come together; writes to each go different ways.
//!
//! ## What to do
//! Decide which side is the cluster (highest revision, the agents' side). Set the data of the others
//! aside and let them join it.
//!
//! ## What not to do
//! Do not reset the other side too. Do not copy databases between them.

use defib_model::fact::Value;

use crate::analysis::etcd::{entity, explain_all};
use crate::analysis::host::{self, called, facts_anywhere, quotes};
use crate::analysis::nodes;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC007",
    class: "etcd-cluster-id-mismatch",
    needs: &[],
    leads_to: &[K::DatastoreFailing, K::JoinFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(
        cx,
        &["etcd.cluster-id"],
        "the peer belongs to another cluster",
    );
    let mut evidence = quotes(&lines);
    let ids: Vec<_> = facts_anywhere(cx, |v| match v {
        Value::EtcdStatus(s) if !s.cluster.is_empty() => Some(s.cluster.as_str()),
        _ => None,
    })
    .collect();
    if ids
        .iter()
        .any(|(_, id)| ids.first().is_some_and(|(_, first)| first != id))
    {
        evidence.extend(
            ids.iter()
                .map(|(f, id)| cx.fact(f, format!("its cluster id is {id}"))),
        );
    }
    if evidence.is_empty() {
        out.extend(unknown(cx));
        return;
    }
    let f = RULE
        .on(entity())
        .title("members of etcd belong to different clusters")
        .why("One server was reset or started empty, the others kept their data; they never come together by themselves.")
        .term(90, "etcd compares the cluster ids and says so")
        .cite_all(evidence)
        .safe("Which id and which revision has each server?", "etcdctl endpoint status --cluster -w json")
        .check_first("On the servers that are not the one to keep: set the data aside and join it.", "systemctl stop k3s && mv /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/server/db.other && systemctl start k3s")
        .dont("Don't reset the other side too, and don't copy databases between them.");
    // To the others a server with a cluster of its own is a node that fell silent.
    let mut f = explain_all(f, cx);
    for (node, _, since) in nodes::silent(cx) {
        if nodes::speaks(cx, node, since) {
            f = f.explains_if(cx, K::NodeNotReady, &cx.cluster.id(node.obj));
        }
    }
    out.push(f);
}

/// Tries after which it is no longer a change of members that a peer has yet to apply: as the one that calls counts
/// them, and as the one that is called.
const OFTEN: (u64, u64) = (3, 50);

/// A member whose peer has never heard of it: the two have different histories.
fn unknown(cx: &Context<'_>) -> Option<Finding> {
    let other = host::lines(cx, &["etcd.stranger"], "the other side: a stranger calls");
    let often = other.iter().any(|l| l.count >= OFTEN.1);
    let lines = host::lines(
        cx,
        &["etcd.peer-knows-not"],
        "the peer does not know this member, and never did: one that was removed is told so",
    );
    // It does not get into its cluster either: one that waits for a peer to hear of it does.
    let alone = host::lines(
        cx,
        &["etcd.publish-failed"],
        "it does not get into its cluster",
    );
    let led = ["etcd.elected", "etcd.published"];
    let is_alone = |host: &EntityId| {
        alone
            .iter()
            .any(|l| l.host == *host && !l.is_followed(cx, &led))
    };
    let (host, lines) = host::by_host(lines).into_iter().find(|(host, lines)| {
        is_alone(host) && (often || lines.iter().any(|l| l.count >= OFTEN.0))
    })?;
    let f = RULE
        .on(entity())
        .title(format!("the cluster of etcd's peer does not know the member on {}: one of the two was made anew", called(&host)))
        .why("The peer answers under the same address with another history: it was reset, restored or created again while this member was away.")
        .term(80, "a peer that removed a member says so; this one never had it")
        .cite_all(quotes(&lines))
        .cite_all(quotes(&other))
        .safe("Which members, which revision and which age has each side?", "etcdctl member list -w table; etcdctl endpoint status -w table; kubectl get namespace kube-system -o jsonpath={.metadata.creationTimestamp}")
        .check_first("When the new cluster is the one to keep: set the old data aside, and join.", "systemctl stop k3s && mv /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/server/db.before && systemctl start k3s")
        .dont("Don't delete the data of the member that is not known: it may be all that is left of the cluster of before.")
        .dont("Don't reset the other side too, and don't copy databases between them.");
    Some(explain_all(f, cx))
}
