//! # KIN003 The SQLite database under kine is damaged
//!
//! class: sqlite-data-corrupt
//!
//! ## What it sees
//! SQLite's own words (`database disk image is malformed`, `file is not a database`) in the log of k3s, and
//! the file itself where it is in the evidence: pages that do not hold, rows without their index.
//!
//! ## Why it matters
//! A server without embedded etcd has all of the cluster in this one file. It may still start and lose
//! objects one at a time.
//!
//! ## What to do
//! Stop k3s, copy `state.db` with its `-wal` away, see what can be read, and restore the newest copy that
//! holds; what is newer can be exported from the damaged one.
//!
//! ## What not to do
//! Do not delete `state.db-wal`: it holds the latest writes. Do not run `VACUUM` or `.recover` on the only
//! copy.

use crate::analysis::datastore;
use crate::analysis::etcd::explain_all;
use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "KIN003",
    class: "sqlite-data-corrupt",
    needs: &[],
    leads_to: &[K::DatastoreFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for bad in datastore::damaged(cx) {
        if bad.store.engine == "kine" {
            let file = &bad.store.file;
            let f = RULE
                .on(datastore::entity(bad.store))
                .title(format!("the SQLite database {file} is damaged"))
                .term(93, "it was read page by page")
                .cite_all(bad.evidence)
                .explains_observed(cx, &[K::DatastoreFailing], &datastore::entity(bad.store))
                .safe(
                    "What can still be read?",
                    command!("defib inspect verify {}", bad.store.path),
                );
            out.push(explain_all(advise(f), cx));
        }
    }
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["kine.malformed", "sqlite.no-database"],
        "SQLite finds the file damaged",
    )) {
        let f = RULE
            .on(host.clone())
            .title(format!(
                "kine's SQLite database on {} is damaged",
                called(&host)
            ))
            .term(88, "SQLite says so of its own file")
            .cite_all(quotes(&lines))
            .explains_observed(cx, TROUBLES, &host);
        out.push(advise(f));
    }
}

fn advise(f: Finding) -> Finding {
    f.why("This one file is the whole cluster; there is no other member that has the data.")
        .safe("Copy it before anything else, with its log.", "systemctl stop k3s; cp -a /var/lib/rancher/k3s/server/db /root/db-damaged")
        .check_first("Put the newest copy that holds in its place; what is newer can be exported from the damaged one.", "defib inspect verify BACKUP/state.db; defib inspect export /root/db-damaged/state.db --out newer")
        .dont("Don't delete state.db-wal: it holds the latest writes.")
        .dont("Don't run VACUUM or .recover on the only copy.")
}
