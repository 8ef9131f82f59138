//! # ETC004 A learner never became a voter
//!
//! class: etcd-learner-not-promoted
//!
//! ## What it sees
//! `Learner … stalled at RaftAppliedIndex`, `Removed learner`, a server that waits to be promoted again
//! and again, joins that wait for `too many learner members`, a learner in the list of members, and
//! etcd 3.6 that refuses to start with more than one. A learner in the list alone is a candidate: every server is one
//! for as long as it catches up.
//!
//! ## Why it matters
//! Only one learner may be there at a time: until it is promoted or removed no other server can join,
//! and it does not count for the quorum.
//!
//! ## What to do
//! See whether the leader reaches the learner on 2379 and 2380 and whether it catches up. If it was
//! removed, set its data aside and let it join again.
//!
//! ## What not to do
//! Do not add a second server in the meantime; do not promote by hand what is not in sync.

use defib_model::fact::Value;

use crate::analysis::etcd::{entity, explain_all, members};
use crate::analysis::host::{self, facts_anywhere, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC004",
    class: "etcd-learner-not-promoted",
    needs: &[],
    leads_to: &[K::JoinFailing, K::ServiceFailing, K::DatastoreFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let promoted = !host::lines(cx, &["k3s.learner-promoted"], "").is_empty();
    let stated = host::lines(
        cx,
        &["k3s.learner-stalled", "k3s.learner-removed"],
        "the learner does not catch up",
    );
    let refused = host::lines(
        cx,
        &["etcd.too-many-learners", "k3s.join-learners"],
        "there is a learner already",
    );
    let absent = host::lines(
        cx,
        &["etcd.peer-unhealthy", "etcd.peer-health-check"],
        "a member does not run",
    );
    let waits = host::lines(
        cx,
        &["k3s.learner-waits", "etcd.not-in-sync"],
        "it is still a learner",
    );
    let mut shown: Vec<_> = members(cx)
        .iter()
        .filter(|(_, m)| m.learner && m.status != "unstarted" && !m.name.is_empty())
        .map(|(f, _)| cx.fact(f, "a learner: it has no vote"))
        .collect();
    for (fact, ()) in facts_anywhere(cx, |v| match v {
        Value::EtcdStatus(s) if s.learner => Some(()),
        _ => None,
    }) {
        shown.push(cx.fact(fact, "a learner: it has no vote"));
    }
    let often = |l: &[host::Told<'_>]| l.iter().map(|l| l.count).max().unwrap_or(0);
    // etcd 3.6 refuses to start on such a store; that is no passing wait.
    let fatal = refused
        .iter()
        .any(|l| l.evidence.text.contains("membership: too many learner"));
    let points = if !stated.is_empty() || fatal {
        88
    } else if promoted {
        return;
    } else if !shown.is_empty()
        && (is_sick(cx) || has_caught_up(cx) || !waits.is_empty() || !refused.is_empty())
    {
        75
    } else if !shown.is_empty() {
        // Every server is one for as long as it catches up.
        46
    } else if often(&waits) >= 3 || often(&refused) >= 3 {
        65
    } else if !refused.is_empty() && !absent.is_empty() {
        // Somebody is the one learner that is allowed, and somebody does not run.
        62
    } else if !waits.is_empty() || !refused.is_empty() {
        40
    } else {
        return;
    };
    let mut evidence = quotes(&stated);
    evidence.extend(shown);
    evidence.extend(quotes(&refused));
    evidence.extend(quotes(&waits));
    if points == 62 {
        evidence.extend(quotes(&absent));
    }
    let f = RULE
        .on(entity())
        .title("a member of etcd joined as learner and was never promoted")
        .why("It has no vote, and until it is promoted or removed no other server can join.")
        .term(points, "the learner is there, and nobody says that it was promoted")
        .cite_all(evidence)
        .safe("Who is a learner, and does it catch up?", "etcdctl member list -w table; etcdctl endpoint status --cluster -w table")
        .check_first("If its machine is gone, or it was removed: set its data aside and let it join again.", "systemctl stop k3s && mv /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/server/db.old && systemctl start k3s")
        .dont("Don't add another server meanwhile: only one learner is allowed.");
    let f = explain_all(f, cx);
    out.push(if points < 50 {
        f.undecided(
            "Is there a learner that does not get promoted?",
            "etcdctl member list -w table",
            &[
                "etcd-learner-not-promoted",
                "etcd-ghost-member",
                "etcd-quorum-loss",
            ],
        )
    } else {
        f
    });
}

/// Does a server not come up, or not join?
fn is_sick(cx: &Context<'_>) -> bool {
    [
        K::JoinFailing,
        K::ServiceFailing,
        K::DatastoreFailing,
        K::NodeNotReady,
    ]
    .iter()
    .any(|k| cx.all(*k).next().is_some())
        || !host::unstable(cx).is_empty()
}

/// Is a learner as far as its leader? k3s promotes it then.
fn has_caught_up(cx: &Context<'_>) -> bool {
    let states: Vec<_> = facts_anywhere(cx, |v| match v {
        Value::EtcdStatus(s) => Some(s),
        _ => None,
    })
    .map(|(_, s)| s)
    .collect();
    let leader = states.iter().find(|s| s.leader).map(|s| s.index);
    leader.is_some_and(|index| states.iter().any(|s| s.learner && s.index >= index))
}
