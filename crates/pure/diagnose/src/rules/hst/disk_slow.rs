//! # HST035 The disk under the datastore is too slow
//!
//! class: disk-too-slow
//!
//! ## What it sees
//! `slow fdatasync` of etcd, and not once or twice only while other members are away; a leader that
//! can't send heartbeats because of its disk; requests that take seconds together with lost leader
//! elections or timeouts; `Slow SQL` of kine together with them.
//!
//! ## Why it matters
//! Every write waits for the disk. From a second on leases are not renewed in time, leaders change,
//! controllers end, and k3s with them.
//!
//! ## What to do
//! Measure the disk (fdatasync of small writes), find what else writes there, move the datastore to a
//! disk of its own, an SSD; look at the hypervisor's storage too.
//!
//! ## What not to do
//! Do not reset or re-create members: their data is well. One slow request alone decides nothing.

use crate::analysis::host::{self, TROUBLES, Told, called, heard_on, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST035",
    class: "disk-too-slow",
    needs: &[],
    leads_to: &[K::DatastoreSlow, K::DatastoreFailing, K::ServiceFailing],
    check,
};

/// The disk itself is named.
const DISK: &[&str] = &["etcd.slow-fdatasync", "etcd.sync-duration"];
/// Late for lack of disk or processor.
const LATE: &[&str] = &["etcd.heartbeat-late", "etcd.overloaded"];
/// Requests that took seconds.
const SECONDS: &[&str] = &[
    "etcd.apply-seconds",
    "etcd.request-seconds",
    "apiserver.trace-seconds",
    "kine.slow-sql",
];
/// A table that does not get smaller, and locks, make queries slow on any disk.
const KINE: &[&str] = &[
    "kine.compact-failed",
    "kine.compact-revision",
    "kine.locked",
    "kine.table-locked",
];
/// Requests that took longer than expected, if only by little.
const SLOW: &[&str] = &["etcd.apply-slow", "etcd.read-index", "etcd.backlog"];
/// What follows when it takes too long.
const LOST: &[&str] = &[
    "k3s.leader-election-lost",
    "host.lease-late",
    "etcd.timed-out",
    "etcd.no-leader",
    "etcd.lost-leader",
];

/// Without a leader requests wait for that, not for the disk.
const LEADERLESS: &[&str] = &[
    "etcd.election",
    "etcd.no-leader",
    "etcd.quorum-inactive",
    "etcd.publish-failed",
    "etcd.lost-leader",
];

/// Members that do not hear each other.
const APART: &[&str] = &[
    "etcd.peer-unhealthy",
    "etcd.peer-health-check",
    "etcd.quorum-inactive",
];

/// Did this request wait for a leader, and not for a disk? A read asks the leader whether it still is one, and no
/// disk; it ends so when nobody can say it (`linearizableReadNotify` in etcd's `server/etcdserver/v3_server.go`).
fn waited(line: &str) -> bool {
    const NOBODY: &[&str] = &["leader changed", "no leader"];
    const UNANSWERED: &[&str] = &[
        "context canceled",
        "context deadline exceeded",
        "request timed out",
    ];
    let any = |words: &[&str]| words.iter().any(|w| line.contains(w));
    let is_read = line.contains("read-only") || line.contains("KV/Range");
    // The statistics of a request do not say how it ended; an answer has some bytes.
    let is_empty = line.contains("\"response size\":0");
    any(NOBODY) || (is_read && (any(UNANSWERED) || is_empty))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let disk = host::by_host(host::lines(cx, DISK, "the write waits for the disk"));
    let late = host::by_host(host::lines(
        cx,
        LATE,
        "the leader does not get to send its heartbeats",
    ));
    let seconds = host::lines(cx, SECONDS, "this took seconds");
    let seconds = host::by_host(seconds.into_iter().filter(|l| !waited(&l.text)).collect());
    let slow = host::lines(cx, SLOW, "this took longer than etcd expects");
    let slow = host::by_host(slow.into_iter().filter(|l| !waited(&l.text)).collect());
    let lost = host::by_host(host::lines(cx, LOST, "leases and requests run out of time"));
    let hosts: std::collections::BTreeSet<&EntityId> = disk
        .keys()
        .chain(late.keys())
        .chain(seconds.keys())
        .chain(slow.keys())
        .collect();
    for host in hosts {
        let of = |m: &std::collections::BTreeMap<EntityId, Vec<Told<'_>>>| {
            m.get(host).map(|l| quotes(l)).unwrap_or_default()
        };
        let (d, la, se, sl, lo) = (of(&disk), of(&late), of(&seconds), of(&slow), of(&lost));
        // Peers that can't be reached explain lost leaders better.
        let apart = heard_on(cx, APART, host);
        let kine = heard_on(cx, KINE, host);
        // Several members chose a leader anew: what waited meanwhile says nothing of a disk.
        let elects = heard_on(cx, &["etcd.lost-leader", "etcd.election"], host);
        // A write that waited once or twice while members are away is a busy moment of whoever is left.
        let times = |l: &Vec<Told<'_>>| l.iter().map(|l| l.count).max().unwrap_or(0);
        let busy = apart && disk.get(host).map_or(0, times) < 3;
        let points = if !d.is_empty() && !busy {
            85
        } else if !la.is_empty() && (!sl.is_empty() || !se.is_empty() || !lo.is_empty()) {
            78
        } else if !se.is_empty() && !lo.is_empty() && !apart && !kine && !elects {
            75
        } else if !sl.is_empty()
            && heard_on(cx, &["k3s.leader-election-lost"], host)
            && !apart
            && !kine
            && !elects
            && !heard_on(cx, LEADERLESS, host)
        {
            72
        } else if !la.is_empty() && !apart {
            65
        } else if heard_on(cx, &["etcd.apply-seconds", "etcd.request-seconds"], host)
            && !apart
            && !heard_on(cx, LEADERLESS, host)
        {
            60
        } else {
            continue;
        };
        let f = RULE.on(host.clone())
                .title(format!("the disk under the datastore of {} is too slow", called(host)))
                .why("Every write waits for it: leases are not renewed in time, leaders change, controllers end.")
                .term(points, "the datastore's own times, and what follows from them")
                .cite_all(d.into_iter().chain(la).chain(se).chain(lo).chain(sl))
                .explains_observed(cx, TROUBLES, host)
                .safe("How long does a small synchronous write take, and who else writes?", "iostat -x 2 5; dmesg -T | grep -iE 'i/o error|timeout|reset'; etcdctl check perf")
                .advice("Give the datastore a disk of its own, an SSD; on a VM look at the hypervisor's storage and its cache mode.")
                .dont("Don't reset or re-create members: their data is well.");
        // Late requests alone may have other reasons: a large database, no processor, the network.
        out.push(if points <= 60 {
            f.undecided(
                "How long does a small synchronous write take on that disk?",
                "iostat -x 2 5; etcdctl check perf",
                &["disk-too-slow", "etcd-nospace", "etcd-quorum-loss"],
            )
        } else {
            f
        });
    }
}
