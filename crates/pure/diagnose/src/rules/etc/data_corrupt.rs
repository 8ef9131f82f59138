//! # ETC008 The etcd database or its log is damaged or inconsistent
//!
//! class: etcd-data-corrupt
//!
//! ## What it sees
//! Words of etcd about its own files: a WAL that can't be read, sums that differ, a missing snapshot
//! database, replicas that differ, the CORRUPT alarm, a raft log that went backwards; panics of bbolt
//! and SIGBUS with frames of etcd; and the file itself, where it is in the evidence and does not hold.
//!
//! ## Why it matters
//! This member can't start, or must not be trusted. Of several members the others have the data; of a
//! single one this is the cluster.
//!
//! ## What to do
//! With a quorum elsewhere: remove this member, set its data aside, join anew. A single server: copy
//! the files first, then restore the newest snapshot.
//!
//! ## What not to do
//! Do not delete `member/wal` or `snap` to make it start: what is missing then is gone without a word.
//! What is true of containerd's store, that it can be made again, is not true of this one.

use std::collections::BTreeSet;

use defib_model::fact::Value;

use crate::analysis::datastore;
use crate::analysis::etcd::{self, explain_all};
use crate::analysis::host::{self, TROUBLES, Told, called, facts_anywhere, heard_on, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC008",
    class: "etcd-data-corrupt",
    needs: &[],
    leads_to: &[K::DatastoreFailing, K::ServiceFailing],
    check,
};

/// etcd says so of its own files.
const OWN: &[&str] = &[
    "etcd.wal-unreadable",
    "etcd.snap-db-missing",
    "etcd.recover-backend",
    "etcd.db-missing",
    "etcd.db-mismatch",
    "etcd.inconsistent",
    "etcd.hash-mismatch",
    "etcd.tocommit",
    "etcd.wal-crc",
    "etcd.wal-missing",
    "etcd.wal-record",
    "etcd.wal-mismatch",
    "etcd.snap-db-gone",
];
/// What every member says once the alarm is set, and what a leader says of another member: nothing about the files of
/// the one that speaks.
const SAID_BY_ALL: &[&str] = &[
    "etcd.follower-differs",
    "etcd.hash-differs",
    "etcd.corrupt-alarm",
    "k3s.corrupt-alarm",
    "etcd.corrupt-cluster",
];
/// bbolt says so of a file; which one, its neighbours say.
const FILE: &[&str] = &[
    "bbolt.meta",
    "bbolt.pages",
    "bbolt.freed",
    "bbolt.freelist",
    "bbolt.assertion",
    "bbolt.page-type",
    "bbolt.too-small",
    "bbolt.checksum",
    "bbolt.invalid",
    "go.sigbus",
    "go.fault",
];
/// The file is etcd's.
const ETCD: &[&str] = &[
    "etcd.frame",
    "etcd.recover-backend",
    "etcd.db-open",
    "k3s.reconcile-local",
    "k3s.etcd-existing",
    "k3s.opens-store",
];
/// It is containerd's.
const CONTAINERD: &[&str] = &["containerd.frame", "containerd.meta-db"];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    files(cx, out);
    let own = host::by_host(host::lines(
        cx,
        OWN,
        "etcd finds its own files damaged, or different from its peers'",
    ));
    let file = host::by_host(host::lines(
        cx,
        FILE,
        "the database file is damaged, or ends too early",
    ));
    let restoring = |host: &EntityId| {
        heard_on(
            cx,
            &[
                "k3s.pre-restore",
                "etcd.snapshot-hash-wrong",
                "etcd.snapshot-hash-missing",
            ],
            host,
        )
    };
    for (host, lines) in &own {
        let more = file
            .get(host)
            .filter(|_| !heard_on(cx, CONTAINERD, host))
            .cloned()
            .unwrap_or_default();
        out.push(found(cx, host, 90, lines, &more));
    }
    for (host, lines) in file.iter().filter(|(h, _)| !own.contains_key(*h)) {
        let frames = host::by_host(host::lines(cx, ETCD, "etcd was about to open its database"))
            .remove(host)
            .unwrap_or_default();
        let near = lines.iter().any(|l| is_etcd(&l.evidence.text));
        let others = heard_on(cx, CONTAINERD, host)
            || lines.iter().any(|l| l.evidence.text.contains("containerd"));
        // A fault of memory is of this kind only in the database.
        let fault_only = lines.iter().all(|l| l.signal.starts_with("go."));
        if restoring(host)
            || (fault_only && frames.iter().all(|l| l.signal != "etcd.frame") && !near)
        {
            continue;
        }
        if others && !near {
            continue;
        }
        let f = found(cx, host, 85, lines, &frames);
        out.push(if near || !frames.is_empty() {
            f
        } else {
            f.undecided("Whose database is it: etcd's, or containerd's?", "ls -l /var/lib/rancher/k3s/server/db/etcd/member/snap /var/lib/rancher/k3s/agent/containerd/io.containerd.metadata.v1.bolt", &["etcd-data-corrupt", "containerd-store-corrupt"])
        });
    }
}

/// The file was read, or etcd compared it with its peers' and set the alarm.
fn files(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for bad in datastore::damaged(cx) {
        if bad.store.engine == "etcd" && !bad.store.snapshot {
            let f = RULE
                .on(datastore::entity(bad.store))
                .title(format!("the etcd database {} is damaged", bad.store.file))
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
    alarm(cx, out);
}

/// The alarm CORRUPT: the leader compared its peers with itself. The member that it names is the odd one, unless it
/// names the majority: then the leader is.
fn alarm(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let alarms: Vec<_> = facts_anywhere(cx, |v| match v {
        Value::EtcdAlarm(id, kind) if kind == "CORRUPT" => Some(id.as_str()),
        _ => None,
    })
    .collect();
    let said = host::lines(
        cx,
        SAID_BY_ALL,
        "every member refuses requests once one differs",
    );
    if alarms.is_empty() && said.is_empty() {
        return;
    }
    let members = etcd::members(cx);
    let named: BTreeSet<&str> = alarms.iter().map(|(_, id)| *id).collect();
    let few = named.len() * 2 < etcd::voters(&members).max(1);
    let cited: Vec<_> = alarms
        .iter()
        .map(|(fact, _)| cx.fact(fact, "its data differs from the leader's"))
        .collect();
    let mut known = false;
    for (fact, member) in members
        .iter()
        .filter(|(_, m)| few && named.contains(m.id.as_str()))
    {
        known = true;
        let host = host::entity(etcd::node_of(&member.name));
        let f = RULE
            .on(host.clone())
            .title(format!(
                "the etcd member on {} holds other data than its peers",
                called(&host)
            ))
            .term(
                90,
                "etcd compared them, and the alarm CORRUPT names this member",
            )
            .cite_all(cited.iter().cloned())
            .cite(cx.fact(fact, "the member that the alarm names"))
            .cite_all(quotes(&said));
        out.push(explain_all(
            advise(f).check_first(
                "Once the member is removed: disarm the alarm, and the others go on.",
                "etcdctl alarm disarm",
            ),
            cx,
        ));
    }
    if !known {
        let f = RULE
            .on(etcd::entity())
            .title("a member of etcd holds other data than its peers")
            .term(88, "etcd compared them and raised the alarm CORRUPT")
            .cite_all(cited)
            .cite_all(quotes(&said))
            .safe(
                "Which one differs? The one whose hash is alone, at one revision.",
                "etcdctl alarm list; etcdctl member list -w table; etcdctl endpoint hashkv --cluster -w table",
            )
            .dont("Don't take the member that complains for the one that is damaged: all of them refuse now.");
        out.push(explain_all(advise(f), cx));
    }
}

fn is_etcd(text: &str) -> bool {
    ["member/snap", "member/wal", "etcd"]
        .iter()
        .any(|w| text.contains(w))
}

fn found(
    cx: &Context<'_>,
    host: &EntityId,
    points: i32,
    lines: &[Told<'_>],
    more: &[Told<'_>],
) -> Finding {
    let f = RULE
        .on(host.clone())
        .title(format!("the etcd data on {} is damaged", called(host)))
        .term(points, "the datastore says so of its own files")
        .cite_all(quotes(lines))
        .cite_all(quotes(more))
        .explains_observed(cx, TROUBLES, host);
    advise(f)
}

fn advise(f: Finding) -> Finding {
    f.why("The member can't start on it, or must not be trusted; if it is the only one, this is the cluster.")
        .safe("Copy it before anything else, and see who else has the data.", "systemctl stop k3s; cp -a /var/lib/rancher/k3s/server/db /root/db-damaged; etcdctl member list -w table")
        .check_first("With a quorum elsewhere: remove this member there, set its data aside here, and join anew.", "mv /var/lib/rancher/k3s/server/db/etcd /var/lib/rancher/k3s/server/db/etcd.damaged && systemctl start k3s")
        .destructive("The only server: restore the newest snapshot.", "k3s server --cluster-reset --cluster-reset-restore-path=SNAPSHOT")
        .dont("Don't delete files of member/wal or member/snap to make it start.")
}
