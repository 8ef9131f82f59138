//! # KIN001 Compaction of kine fails, and the datastore grows
//!
//! class: kine-compaction-failing
//!
//! ## What it sees
//! `Compact failed: …` and `failed to compact`, checkpoints that do not go through, and a database that
//! consists mostly of free or old pages.
//!
//! ## Why it matters
//! Every change adds a row; only the compaction takes old ones out. When it fails the table grows,
//! every query slows, leases time out, and k3s ends.
//!
//! ## What to do
//! Stop k3s, copy `state.db`, remove old revisions and compact the file (`VACUUM`) with k3s stopped,
//! and find why it failed: too large to finish in its time, a slow disk, a full one.
//!
//! ## What not to do
//! Do not delete `state.db-wal`. Do not delete rows by hand while k3s runs.

use defib_model::fact::Value;

use crate::analysis::host::{self, TROUBLES, Told, called, entity, facts_anywhere, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "KIN001",
    class: "kine-compaction-failing",
    needs: &[],
    leads_to: &[K::DatastoreSlow, K::DatastoreFailing, K::ServiceFailing],
    check,
};

/// Reasons that have a name of their own.
const OTHERS: &[&str] = &[
    "database is locked",
    "table is locked",
    "database or disk is full",
    "no space left",
    "disk I/O error",
    "disk image is malformed",
    "readonly database",
    "read-only file system",
];
/// Revisions that are not compacted: kine keeps 1,000 and goes on every five minutes, in batches of 1,000. A cluster
/// writes no million in that time. Source: kine pkg/logstructured/sqllog/sql.go.
const BEHIND: u64 = 1_000_000;
/// From this size on a mostly empty file is worth a word.
const LARGE: u64 = 50_000;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let failed = host::by_host(host::lines(
        cx,
        &[
            "kine.compact-failed",
            "kine.compact-revision",
            "kine.checkpoint",
        ],
        "old revisions stay: the compaction does not finish",
    ));
    let slow = host::by_host(host::lines(cx, &["kine.slow-sql"], "queries take seconds"));
    let numbers = facts_anywhere(cx, |v| match v {
        Value::Database(name, n) => Some((name.as_str(), *n)),
        _ => None,
    })
    .collect::<Vec<_>>();
    let get = |name: &str| numbers.iter().rfind(|(_, (n, _))| *n == name);
    let bloat = get("database page count")
        .zip(get("freelist page count"))
        .filter(|((_, (_, all)), (_, (_, free)))| *all >= LARGE && free * 2 >= *all);
    let mut said = false;
    for (host, lines) in failed {
        let lines: Vec<Told<'_>> = lines
            .into_iter()
            .filter(|l| !OTHERS.iter().any(|w| l.evidence.text.contains(w)))
            .collect();
        if lines.is_empty() {
            continue;
        }
        said = true;
        out.push(
            about(&host)
                .term(85, "kine says so")
                .cite_all(quotes(&lines))
                .cite_all(slow.get(&host).map(|s| quotes(s)).unwrap_or_default())
                .explains_observed(cx, TROUBLES, &host),
        );
    }
    let behind = get("compact revision")
        .zip(get("current revision"))
        .map(|((_, (_, old)), (fact, (_, new)))| (fact, new.saturating_sub(*old)))
        .filter(|(_, rows)| *rows >= BEHIND);
    if let Some((fact, rows)) = behind.filter(|_| !said) {
        let host = entity(&fact.host);
        out.push(
            about(&host)
                .key("revisions")
                .term(
                    78,
                    format!("{rows} revisions were never compacted; kine keeps the last 1,000"),
                )
                .cite(cx.fact(fact, "how far the compaction is behind"))
                .explains_observed(cx, TROUBLES, &host),
        );
        said = true;
    }
    if let Some(((all_fact, (_, all)), (free_fact, (_, free)))) = bloat.filter(|_| !said) {
        let host = entity(&free_fact.host);
        out.push(
            about(&host)
                .term(70, format!("{free} of {all} pages are free: the file was much larger inside than what is alive"))
                .cite(cx.fact(free_fact, "pages that hold nothing any more"))
                .cite(cx.fact(all_fact, "all pages of the file"))
                .explains_observed(cx, TROUBLES, &host),
        );
    }
}

fn about(host: &EntityId) -> Finding {
    RULE.on(host.clone())
        .title(format!("kine on {} does not get its datastore compacted", called(host)))
        .why("Every change adds a row; when old ones stay, the table grows and every query slows, until leases time out.")
        .safe("How large is it, and what of it is alive?", "ls -l /var/lib/rancher/k3s/server/db; sqlite3 -readonly /var/lib/rancher/k3s/server/db/state.db 'pragma page_count; pragma freelist_count; select count(*) from kine;'")
        .check_first("With k3s stopped and the file copied: shrink it.", "systemctl stop k3s && cp -a /var/lib/rancher/k3s/server/db /root/db-copy && sqlite3 /var/lib/rancher/k3s/server/db/state.db 'pragma wal_checkpoint(truncate); vacuum;' && systemctl start k3s")
        .dont("Don't delete state.db-wal: it holds writes that are not in state.db yet.")
        .dont("Don't delete rows while k3s runs.")
}
