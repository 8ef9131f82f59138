//! # ETC001 A member was removed from etcd and starts with its old data
//!
//! class: etcd-member-was-removed
//!
//! ## What it sees
//! etcd's own words on the member that was taken out: `the member has been permanently removed from the
//! cluster`, `data-dir used by this member must be removed`, and k3s' `This node has been removed from
//! the cluster`; a peer that rejects streams `because it was removed` says it about the other one. A
//! member's own database says it too, when the member's id is among those that were removed.
//!
//! ## Why it matters
//! An id that was removed never comes back. The server's etcd ends at every start, while its unit may
//! stay active; the cluster itself is well without it.
//!
//! ## What to do
//! Move the data directory of the removed member aside and let it join anew with `--server`; its data
//! is older than the cluster's and nothing in it is needed as long as the others live.
//!
//! ## What not to do
//! Do not reset the cluster on this server: that makes a second cluster out of old data. Do not remove
//! further members.

use crate::analysis::datastore;
use crate::analysis::etcd::explain_all;
use crate::analysis::host::{self, TROUBLES, called, entity, heard_on, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC001",
    class: "etcd-member-was-removed",
    needs: &[],
    leads_to: &[K::ServiceFailing, K::DatastoreFailing],
    check,
};

/// What a start with a tombstone says: then that is the cause to name.
const TOMBSTONE: &[&str] = &["k3s.tombstone", "k3s.tombstone-no-server"];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let own = host::by_host(host::lines(
        cx,
        &[
            "etcd.data-dir-removed",
            "etcd.removed",
            "k3s.member-removed",
        ],
        "the cluster took this member out, and says so to it",
    ));
    for (host, lines) in &own {
        if heard_on(cx, TOMBSTONE, host) {
            continue;
        }
        out.push(advise(
            RULE.on(host.clone())
                .title(format!("the etcd member on {} was removed from the cluster, and starts with its old data", called(host)))
                .term(90, "etcd says so of itself")
                .cite_all(quotes(lines))
                .explains_observed(cx, TROUBLES, host),
        ));
    }
    if own.is_empty() {
        out.extend(stored(cx));
    }
    // The others' word, where the removed one is silent.
    let others = host::by_host(host::lines(
        cx,
        &["etcd.rejects-removed"],
        "a peer that was removed still knocks",
    ));
    if own.is_empty() && !others.is_empty() && !heard_on(cx, TOMBSTONE, &entity("")) {
        let lines: Vec<_> = others.into_values().flatten().collect();
        out.push(advise(
            RULE.on(crate::analysis::etcd::entity())
                .title("a member that was removed from etcd still runs with its old data")
                .term(75, "the members reject its streams because it was removed")
                .cite_all(quotes(&lines)),
        ));
    }
}

/// The member's own database knows that it was removed.
fn stored(cx: &Context<'_>) -> Vec<Finding> {
    datastore::removed(cx)
        .into_iter()
        .map(|(gone, store)| {
            let f = RULE
                .on(datastore::entity(store))
                .title(format!(
                    "the member whose database is {} was removed from etcd",
                    store.file
                ))
                .term(
                    88,
                    "its own database lists its id among those that were removed",
                )
                .cite(cx.fact(gone, "this id was removed, and never comes back"))
                .explains(K::DatastoreFailing, &datastore::entity(store));
            advise(explain_all(f, cx))
        })
        .collect()
}

fn advise(f: Finding) -> Finding {
    f.why("A removed id is never taken back: this etcd can't start again with what it has.")
        .safe("Ask a living server who the members are.", "etcdctl member list -w table")
        .check_first("On the removed server: set its old data aside, and start it with --server so that it joins anew.", "systemctl stop k3s && mv /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/server/db.removed && systemctl start k3s")
        .dont("Don't run --cluster-reset here: it makes a second cluster out of old data.")
        .dont("Don't remove further members to tidy up: each one costs quorum.")
}
