//! # ETC002 The data directory is marked as that of a removed member
//!
//! class: etcd-tombstone
//!
//! ## What it sees
//! k3s' `tombstone file has been detected`; newer builds end with `but --server is empty` when they do
//! not know whom to join. A `tombstone` file in a listing of `db/etcd` says the same.
//!
//! ## Why it matters
//! The server was removed from etcd and marked its data so. With `--server` it sets the data aside and
//! joins again; without, it refuses to start (older builds begin an empty cluster instead).
//!
//! ## What to do
//! Give the server the address of a living one (`server:` in its config), or, if it is the last,
//! restore a snapshot.
//!
//! ## What not to do
//! Do not delete the tombstone file alone: the data behind it belongs to an id that the cluster has
//! struck out.

use defib_model::fact::Value;

use crate::analysis::host::{self, TROUBLES, called, entity, facts, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC002",
    class: "etcd-tombstone",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut marked: std::collections::BTreeMap<EntityId, Vec<defib_model::Evidence>> =
        Default::default();
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.tombstone-no-server", "k3s.tombstone"],
        "the data is marked as that of a removed member",
    )) {
        marked.entry(host).or_default().extend(quotes(&lines));
    }
    for (fact, ()) in facts(cx, |v| match v {
        Value::File { path, .. } if path.ends_with("etcd/tombstone") || path == "tombstone" => {
            Some(())
        }
        _ => None,
    }) {
        let cited = cx.fact(fact, "the mark of a removed member");
        marked.entry(entity(&fact.host)).or_default().push(cited);
    }
    for (host, evidence) in marked {
        out.push(
            RULE.on(host.clone())
                .title(format!("the etcd data on {} is that of a removed member, and marked so", called(&host)))
                .why("The server can only join again as a new member; it won't start on this data.")
                .term(88, "k3s finds the tombstone")
                .cite_all(evidence)
                .explains_observed(cx, TROUBLES, &host)
                .safe("See who the members are, on a living server.", "etcdctl member list -w table")
                .check_first("Tell it whom to join, and start it.", "grep -n server: /etc/rancher/k3s/config.yaml; systemctl restart k3s")
                .dont("Don't delete the tombstone alone: the cluster has struck out the id that the data belongs to.")
                .dont("Don't start it without --server: older builds then begin an empty cluster."),
        );
    }
}
