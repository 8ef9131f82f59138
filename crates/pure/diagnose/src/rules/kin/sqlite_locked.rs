//! # KIN002 A lock conflict in sqlite under kine
//!
//! class: kine-sqlite-locked
//!
//! ## What it sees
//! `database is locked` in compaction and transactions of kine: two writers want the file, and one
//! gives up.
//!
//! ## Why it matters
//! Writes fail, leases are lost, and k3s ends. The other writer is a second process (a backup tool, a
//! second k3s, sqlite3 by hand) or kine's own long transaction.
//!
//! ## What to do
//! See who has the file open. Stop what is not k3s; take backups with `.backup` or with k3s stopped. If
//! it is kine itself: the database is too large or the disk too slow.
//!
//! ## What not to do
//! Do not delete `state.db-wal` or `-shm`: writes are lost with them.

use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "KIN002",
    class: "kine-sqlite-locked",
    needs: &[],
    leads_to: &[K::DatastoreFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["kine.locked", "kine.table-locked"],
        "two writers want the file, and one gives up",
    )) {
        out.push(
            RULE.on(host.clone())
                .title(format!("writes to kine's sqlite on {} fail on a lock", called(&host)))
                .why("Leases and leader elections are writes too: when they fail, k3s ends.")
                .term(80, "kine's own transactions say so")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host)
                .safe("Who has the file open, and how large is it?", "fuser -v /var/lib/rancher/k3s/server/db/state.db*; ls -l /var/lib/rancher/k3s/server/db")
                .advice("Stop what is not k3s (a backup that copies the live file, a second k3s, sqlite3 by hand); take backups with k3s stopped.")
                .dont("Don't delete state.db-wal or state.db-shm."),
        );
    }
}
