//! # ETC006 Fewer than a majority of the registered members live
//!
//! class: etcd-quorum-loss
//!
//! ## What it sees
//! Health and status of endpoints counted against the list of members; or a log in which elections go
//! round without a leader while peers can't be reached.
//!
//! ## Why it matters
//! Without a majority etcd takes no write and answers no consistent read: the API server and all
//! controllers stop. What runs keeps running.
//!
//! ## What to do
//! Bring back as many members as the majority needs; data is safe meanwhile. Only if they are gone for
//! good: reset on the survivor with the highest applied index.
//!
//! ## What not to do
//! Do not reset on more than one server, and not while the others may come back. Do not delete data
//! directories.

use std::collections::BTreeSet;

use defib_model::fact::Value;
use defib_model::signal::Hit;

use crate::analysis::etcd::{self, entity, explain_all};
use crate::analysis::host::{self, facts_anywhere, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC006",
    class: "etcd-quorum-loss",
    needs: &[],
    leads_to: &[
        K::DatastoreFailing,
        K::ServiceFailing,
        K::ControlPlaneUnhealthy,
    ],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if let Some(f) = counted(cx).or_else(|| logged(cx)).or_else(|| reset(cx)) {
        out.push(f);
    }
}

/// Somebody resets the cluster, and no word of etcd is shown: that is what one does without a quorum.
fn reset(cx: &Context<'_>) -> Option<Finding> {
    let (fact, _) = host::asked(cx, "cluster-reset").next()?;
    let silent = |s: &str| !s.starts_with("etcd") && !s.starts_with("k3s.");
    if !cx.heard().all(|h| silent(h.signal)) || !etcd::members(cx).is_empty() {
        return None;
    }
    Some(
        found(
            cx,
            "a cluster is reset, as one does that has lost its quorum; nothing shows whether it has".to_owned(),
            vec![cx.fact(fact, "the reset")],
        )
        .term(25, "nothing of etcd itself is shown")
        .undecided(
            "On the server that is left: which members does etcd count, and which of them answer?",
            "etcdctl member list -w table; etcdctl endpoint status --cluster; journalctl -u k3s --since -1h | grep -i etcd | tail -50",
            &["etcd-quorum-loss", "etcd-member-down", "etcd-reset-flag-left"],
        ),
    )
}

/// Endpoints against members.
fn counted(cx: &Context<'_>) -> Option<Finding> {
    let count = etcd::count(cx).filter(|c| c.voters > 1)?;
    let ends = etcd::endpoints(cx);
    // Between two leaders one endpoint or another says that there is none.
    let leaderless =
        ends.values().any(|(_, f)| f.text.contains("no leader")) && !leads(cx, count.voters);
    let failed = host::lines(
        cx,
        &["etcdctl.status-failed"],
        "this endpoint did not answer",
    );
    let needed = etcd::majority(count.voters);
    // An endpoint that nobody asked says nothing. What is asked by its loopback address is one of the members.
    let mut away: BTreeSet<&str> = ends
        .iter()
        .filter(|(_, (well, _))| !well)
        .map(|(host, _)| host.as_str())
        .collect();
    away.extend(failed.iter().map(|l| etcd::host_of(l.group(0))));
    away.retain(|host| !ends.get(*host).is_some_and(|(well, _)| *well));
    let short = count.alive < needed && count.voters.saturating_sub(away.len()) < needed;
    let unasked = !short && count.alive < needed && !away.is_empty();
    let bad = host::lines(cx, &["etcdctl.cluster-bad"], "etcdctl counts too few");
    let said = bad.iter().any(|l| {
        l.line
            .groups
            .first()
            .is_some_and(|g| g == "unhealthy" || g == "unavailable")
    });
    if !short && !leaderless && !said && !unasked {
        return None;
    }
    let mut evidence: Vec<_> = ends
        .values()
        .filter(|(well, f)| !well || f.text.contains("no leader"))
        .map(|(_, f)| cx.fact(f, "this endpoint has no quorum, or does not answer"))
        .collect();
    evidence.extend(quotes(&failed));
    evidence.extend(
        etcd::members(cx)
            .iter()
            .map(|(f, _)| cx.fact(f, "a registered member")),
    );
    if !short && !leaderless && !said {
        let title = format!(
            "{} of {} voters of etcd do not answer; nothing shows whether the others do",
            away.len(),
            count.voters
        );
        return Some(
            found(cx, title, evidence)
                .term(45, "the others were not asked")
                .undecided(
                    "Which of all members answer?",
                    "etcdctl endpoint health --cluster; etcdctl endpoint status --cluster -w table",
                    &["etcd-quorum-loss", "etcd-member-down"],
                ),
        );
    }
    Some(
        found(
            cx,
            format!(
                "etcd has lost its quorum: {} of {} voters answer, {needed} are needed",
                count.alive, count.voters
            ),
            evidence,
        )
        .term(
            85,
            format!(
                "{} voters, majority {needed}, {} alive",
                count.voters, count.alive
            ),
        ),
    )
}

/// Does one endpoint say that it leads, and a majority of so many voters that there is a leader? Of what one of them says
/// on several hosts any answer with a leader counts.
fn leads(cx: &Context<'_>, voters: usize) -> bool {
    let mut led: BTreeSet<&str> = BTreeSet::new();
    let mut is_leader = false;
    for (_, state) in facts_anywhere(cx, |v| match v {
        Value::EtcdStatus(s) => Some(s),
        _ => None,
    }) {
        if !state.errors.contains("no leader") {
            led.insert(etcd::host_of(&state.endpoint));
            is_leader |= state.leader;
        }
    }
    is_leader && led.len() >= etcd::majority(voters)
}

/// Elections without an end, while peers are away.
fn logged(cx: &Context<'_>) -> Option<Finding> {
    let elections = host::lines(
        cx,
        &["etcd.quorum-inactive", "etcd.election", "etcd.dropping"],
        "there is no leader, and no candidate finds a majority",
    );
    let waits = host::lines(
        cx,
        &["etcd.no-leader", "etcd.publish-failed", "etcd.lost-leader"],
        "nothing is decided without a leader",
    );
    let away = host::lines(
        cx,
        &[
            "etcd.peer-unhealthy",
            "etcd.peer-health-check",
            "etcd.no-peer",
        ],
        "a peer can't be reached",
    );
    let rounds: u64 = elections
        .iter()
        .map(|l| (l.signal, l.count))
        .collect::<std::collections::BTreeMap<_, _>>()
        .values()
        .sum();
    if elections.is_empty() && (waits.is_empty() || away.is_empty()) {
        return None;
    }
    // A leader found after the last round, in the same log, ends it.
    let led = ["etcd.elected", "etcd.became-leader", "etcd.published"];
    let open = [
        "etcd.election",
        "etcd.no-leader",
        "etcd.publish-failed",
        "etcd.quorum-inactive",
        "etcd.dropping",
        "etcd.lost-leader",
    ];
    // What clients were still told when the leader was there already is no word of the member itself.
    let late = |h: &Hit| {
        h.signal == "etcd.no-leader"
            && cx
                .heard()
                .any(|l| led.contains(&l.signal) && l.host == h.host)
    };
    if !cx
        .heard()
        .any(|h| open.contains(&h.signal) && !host::is_followed(cx, &led, h) && !late(h))
    {
        return None;
    }
    // The members were asked, a majority answered, and one of them leads.
    if etcd::count(cx).is_some_and(|c| c.alive >= etcd::majority(c.voters) && leads(cx, c.voters)) {
        return None;
    }
    let peers: BTreeSet<_> = away.iter().filter_map(|l| l.line.groups.first()).collect();
    let known: BTreeSet<_> = host::lines(cx, &["etcd.member-known"], "")
        .iter()
        .filter_map(|l| l.line.groups.iter().find(|g| !g.is_empty()).cloned())
        .collect();
    let total = known.len().max(peers.len() + 1);
    let left = total.saturating_sub(peers.len());
    let short = !peers.is_empty() && left < etcd::majority(total);
    let mut evidence = quotes(&elections);
    evidence.extend(quotes(&away));
    evidence.extend(quotes(&waits));
    // Silence looks the same whether the others are dead or their packets are dropped: a machine that lives
    // without etcd refuses.
    let silent = !away.is_empty()
        && away.iter().all(|l| {
            ["i/o timeout", "timed out", "deadline exceeded"]
                .iter()
                .any(|w| l.text.contains(w))
        });
    let sure = !silent
        && ((short && (rounds >= 2 || !waits.is_empty()))
            || elections.iter().any(|l| l.signal == "etcd.quorum-inactive")
            || rounds >= 3);
    let f = found(
        cx,
        "etcd has no leader and finds no majority".to_owned(),
        evidence,
    );
    Some(if sure {
        f.term(
            70,
            if short {
                format!(
                    "{} of {total} members can't be reached, {} are needed",
                    peers.len(),
                    etcd::majority(total)
                )
            } else {
                "elections go round without a leader".to_owned()
            },
        )
    } else {
        f.term(40, "elections, and not enough to say why")
            .undecided(
                "How many members answer?",
                "etcdctl endpoint status --cluster -w table; etcdctl member list -w table",
                &[
                    "etcd-quorum-loss",
                    "etcd-peer-port-blocked",
                    "disk-too-slow",
                    "etcd-member-down",
                ],
            )
    })
}

fn found(cx: &Context<'_>, title: String, evidence: Vec<defib_model::Evidence>) -> Finding {
    let f = RULE
        .on(entity())
        .title(title)
        .why("Without a majority etcd takes no write; the API stands still, while what runs keeps running.")
        .cite_all(evidence)
        .safe("Which members live, and how far is each?", "etcdctl member list -w table; etcdctl endpoint status --cluster -w table")
        .advice("Bring back members until the majority is there: that needs no reset and loses nothing.")
        .destructive("Only when the others are gone for good: on the survivor with the highest applied index.", "systemctl stop k3s && cp -a /var/lib/rancher/k3s/server/db /root/db-before-reset && k3s server --cluster-reset")
        .dont("Don't reset on two servers, and not while others may come back: each becomes a cluster of its own.");
    explain_all(f, cx)
}
