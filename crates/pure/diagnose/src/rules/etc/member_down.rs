//! # ETC005 A voter of etcd is absent
//!
//! class: etcd-member-down
//!
//! ## What it sees
//! Health checks of endpoints of which some fail while a majority answers; or a peer that the others
//! can't reach, while they have a leader.
//!
//! ## Why it matters
//! The cluster works, but without a spare: the next failure stops all writes. Servers can't join while
//! a voter is down.
//!
//! ## What to do
//! Bring the member's machine and its k3s back. If it is gone for good, remove its id and add a new
//! server.
//!
//! ## What not to do
//! Do not reset the cluster: it has a quorum. Do not restart the others before this one is back.

use crate::analysis::etcd::{self, entity, explain_all};
use crate::analysis::host::{self, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC005",
    class: "etcd-member-down",
    needs: &[],
    leads_to: &[K::DatastoreFailing],
    check,
};

/// Words of a peer that is off: its machine answers nothing, or nobody listens.
const OFF: &[&str] = &[
    "connection refused",
    "no route to host",
    "host is down",
    "network is unreachable",
    "i/o timeout",
    "connection timed out",
    "deadline exceeded",
];

/// A peer can't be reached.
const AWAY: &[&str] = &["etcd.peer-unhealthy", "etcd.peer-health-check"];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if let Some(count) = etcd::count(cx).filter(|c| c.voters > 1) {
        let failed = host::lines(
            cx,
            &["etcdctl.status-failed"],
            "this endpoint did not answer",
        );
        let dead: Vec<_> = etcd::endpoints(cx)
            .into_values()
            .filter(|(well, _)| !well)
            .map(|(_, f)| cx.fact(f, "this endpoint does not answer"))
            .chain(quotes(&failed))
            .collect();
        let alive = etcd::endpoints(cx)
            .values()
            .filter(|(well, _)| *well)
            .count();
        if !dead.is_empty() && alive >= etcd::majority(count.voters) && alive < count.voters {
            out.push(found(
                cx,
                80,
                "health checks show it",
                dead,
                &format!("{alive} of {} voters answer", count.voters),
            ));
            return;
        }
    }
    // A log: a peer that stays away from a member that has a leader.
    let away: Vec<_> = host::lines(cx, AWAY, "a peer can't be reached")
        .into_iter()
        .filter(|l| {
            OFF.iter()
                .any(|w| l.line.groups.get(1).is_some_and(|g| g.contains(w)))
        })
        .collect();
    let leaderless = !host::lines(
        cx,
        &[
            "etcd.election",
            "etcd.no-leader",
            "etcd.quorum-inactive",
            "etcd.publish-failed",
            "etcd.lost-leader",
            "etcd.dropping",
        ],
        "",
    )
    .is_empty();
    let hits: Vec<_> = cx
        .heard()
        .filter(|h| AWAY.contains(&h.signal) && !host::is_followed(cx, &["etcd.peer-active"], h))
        .collect();
    if away.is_empty() || leaderless || hits.is_empty() {
        return;
    }
    // Its own log says that it has a leader, or serves.
    let led = [
        "etcd.elected",
        "etcd.became-leader",
        "k3s.up",
        "etcd.published",
    ];
    let led = cx.heard().any(|l| {
        led.contains(&l.signal) && hits.iter().any(|h| h.entry == l.entry && h.host == l.host)
    });
    let f = found(
        cx,
        if !led { 45 } else { 65 },
        "its peers can't reach it, and have a leader",
        quotes(&away),
        "its peers can't reach it",
    );
    out.push(if !led {
        f.undecided(
            "Does that member's machine answer, and have the others a leader?",
            "etcdctl endpoint status --cluster -w table",
            &[
                "etcd-member-down",
                "etcd-quorum-loss",
                "etcd-peer-port-blocked",
            ],
        )
    } else {
        f
    });
}

fn found(
    cx: &Context<'_>,
    points: i32,
    term: &str,
    evidence: Vec<defib_model::Evidence>,
    said: &str,
) -> Finding {
    let f = RULE
        .on(entity())
        .title(format!("a voter of etcd is down: {said}"))
        .why("Quorum holds, but the next failure stops all writes, and no server can join.")
        .term(points, term)
        .cite_all(evidence)
        .safe("Which one, and why?", "etcdctl endpoint status --cluster -w table; etcdctl endpoint health --cluster")
        .advice("Bring that machine and its k3s back; if it is gone for good, remove exactly that member and add a new server.")
        .dont("Don't run --cluster-reset: the others have a quorum.")
        .dont("Don't restart the others before it is back.");
    explain_all(f, cx)
}
