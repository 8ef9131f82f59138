//! # ETC015 The snapshot to restore from is unfinished or damaged
//!
//! class: snapshot-incomplete
//!
//! ## What it sees
//! A restore that stops over the file: wrong or missing hash, an archive that does not hold one
//! database, a file that is no database or ends too early; a snapshot of no bytes, or `.part`, in a
//! listing; and a snapshot in the evidence that does not hold.
//!
//! ## Why it matters
//! Nothing of it can be restored; the database before the restore was moved aside and is still there.
//!
//! ## What to do
//! Take another snapshot (an older one, another server's, the object store's) and check it before the
//! restore.
//!
//! ## What not to do
//! Do not force it with a skipped hash check: what is missing is found out later, one object at a time.

use defib_model::fact::Value;

use crate::analysis::datastore;
use crate::analysis::host::{self, TROUBLES, called, entity, facts, heard_on, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC015",
    class: "snapshot-incomplete",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

const RESTORE: &[&str] = &["k3s.pre-restore"];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for bad in datastore::damaged(cx) {
        if bad.store.snapshot {
            let file = &bad.store.file;
            out.push(
                RULE.on(datastore::entity(bad.store))
                    .title(format!("the snapshot {file} is damaged"))
                    .why("A restore refuses it, or brings back less than there was.")
                    .term(93, "it was read whole: its hash, every page, every value")
                    .cite_all(bad.evidence)
                    .explains_observed(cx, &[K::DatastoreFailing], &datastore::entity(bad.store))
                    .safe(
                        "What can still be read?",
                        command!("defib inspect verify {}", bad.store.path),
                    )
                    .safe(
                        "Which others are there, and are they whole?",
                        "ls -l /var/lib/rancher/k3s/server/db/snapshots",
                    )
                    .dont("Don't skip the hash check to get it in."),
            );
        }
    }
    let mut found = host::by_host(host::lines(
        cx,
        &[
            "etcd.snapshot-hash-wrong",
            "etcd.snapshot-hash-missing",
            "k3s.snapshot-contents",
        ],
        "the restore finds the file damaged or unfinished",
    ));
    let asked = facts(cx, |v| match v {
        Value::Setting { name, .. } if name == "cluster-reset-restore-path" => Some(()),
        Value::Ran(words)
            if words
                .iter()
                .any(|w| w == "restore" || w.contains("restore-path"))
                && words
                    .iter()
                    .any(|w| w.contains("snapshot") || w.contains("restore-path")) =>
        {
            Some(())
        }
        _ => None,
    })
    .next()
    .is_some();
    for (host, lines) in host::by_host(host::lines(
        cx,
        &[
            "bbolt.invalid",
            "bbolt.too-small",
            "bbolt.meta",
            "bbolt.checksum",
            "zip.invalid",
            "zip.eof",
        ],
        "the file is no whole database",
    )) {
        if asked || heard_on(cx, RESTORE, &host) {
            found.entry(host).or_default().extend(lines);
        }
    }
    let stubs: Vec<_> = facts(cx, |v| match v {
        Value::File {
            path, size, mode, ..
        } if is_snapshot(path) && ((*size == 0 && !mode.is_empty()) || path.ends_with(".part")) => {
            Some(())
        }
        _ => None,
    })
    .map(|(f, ())| (entity(&f.host), cx.fact(f, "an unfinished snapshot")))
    .collect();
    for (host, lines) in &found {
        out.push(
            about(host)
                .term(90, "the restore itself says so")
                .cite_all(quotes(lines))
                .cite_all(stubs.iter().map(|(_, e)| e.clone()))
                .explains_observed(cx, TROUBLES, host),
        );
    }
    if found.is_empty() && !stubs.is_empty() && (asked || !host::lines(cx, RESTORE, "").is_empty())
    {
        for (host, stub) in stubs {
            out.push(
                about(&host)
                    .term(60, "a restore was asked for, and the file is unfinished")
                    .cite(stub)
                    .explains_observed(cx, TROUBLES, &host),
            );
        }
    }
}

fn is_snapshot(path: &str) -> bool {
    path.contains("snapshots/") || path.contains("etcd-snapshot-") || path.contains("on-demand-")
}

fn about(host: &EntityId) -> Finding {
    RULE.on(host.clone())
        .title(format!("the snapshot that {} restores from is unfinished or damaged", called(host)))
        .why("Nothing can be restored from it; the data from before was moved aside and is still there.")
        .safe("Which others are there, and are they whole?", "ls -l /var/lib/rancher/k3s/server/db/snapshots; etcdutl snapshot status FILE -w table")
        .check_first("Restore another one (unzipped).", "k3s server --cluster-reset --cluster-reset-restore-path=OTHER")
        .dont("Don't skip the hash check to get it in.")
        .dont("Don't delete db/etcd-old-*: it is the state from before the restore.")
}
