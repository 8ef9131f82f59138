//! # ETC009 etcd has reached its quota
//!
//! class: etcd-nospace
//!
//! ## What it sees
//! The NOSPACE alarm in lists, health and logs, `message exceeded backend quota`, `mvcc: database space
//! exceeded`.
//!
//! ## Why it matters
//! etcd refuses every write until space is freed and the alarm is taken back. The disk may be empty:
//! the quota (2 GiB) is etcd's own.
//!
//! ## What to do
//! Compact, defragment one member after the other, disarm the alarm; find what writes so much; then
//! think about the quota.
//!
//! ## What not to do
//! Do not delete files under `db/etcd`. Do not disarm before space was freed: the alarm comes back at
//! the next write.

use defib_model::fact::Value;

use crate::analysis::etcd::{entity, explain_all};
use crate::analysis::host::{self, facts_anywhere, quotes};
use crate::analysis::order::{self, Moment};
use crate::analysis::said::{is_ended, said};
use crate::rules::prelude::*;
use defib_model::Evidence;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC009",
    class: "etcd-nospace",
    needs: &[],
    leads_to: &[
        K::DatastoreFailing,
        K::ServiceFailing,
        K::ControlPlaneUnhealthy,
    ],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(
        cx,
        &[
            "etcd.quota-alarm",
            "etcd.alarm-nospace",
            "etcd.nospace-raised",
            "etcd.no-space",
            "etcd.alarm-nospace-health",
            "k3s.alarm-nospace",
        ],
        "etcd's own quota is reached",
    );
    // k3s takes the alarm back as it starts, where there is room again.
    let disarmed = |l: &host::Told<'_>| {
        cx.hits("k3s.nospace-disarmed")
            .any(|h| h.entry == l.entry && order::is_behind(cx, &Moment::last(h), &l.moment()))
    };
    let lines: Vec<_> = lines.into_iter().filter(|l| !disarmed(l)).collect();
    let mut evidence = quotes(&lines);
    // Whoever wrote to the API was told so.
    evidence.extend(
        said(
            cx,
            "database space exceeded",
            "etcd.space-exceeded",
            "the write is refused for lack of quota",
        )
        .into_iter()
        .map(|s| s.evidence),
    );
    // k3s that came up since has written, and has taken the alarm back where there was room.
    evidence.retain(|e| !disarmed_below(cx, e) && !is_ended(cx, e, &["k3s.up"]));
    for (fact, size) in facts_anywhere(cx, |v| match v {
        Value::EtcdAlarm(_, kind) if kind == "NOSPACE" => Some(0),
        Value::EtcdStatus(s) if s.errors.contains("NOSPACE") => Some(s.size),
        Value::EtcdHealth(_, false, why) if why.contains("NOSPACE") => Some(0),
        _ => None,
    }) {
        // Older clients print the alarms that they took back.
        if disarmed_below(cx, &cx.fact(fact, "")) {
            continue;
        }
        let meaning = match size {
            0 => "the alarm is set".to_owned(),
            n => format!("the alarm is set, at {} MB", n / 1_000_000),
        };
        let cited = cx.fact(fact, meaning);
        if !evidence
            .iter()
            .any(|e| e.file == cited.file && e.line == cited.line)
        {
            evidence.push(cited);
        }
    }
    if evidence.is_empty() {
        return;
    }
    let f = RULE
        .on(entity())
        .title("etcd has reached its quota and refuses writes")
        .why("Until space is freed and the alarm disarmed nothing can be created or changed; the disk itself may be empty.")
        .term(90, "etcd raised the alarm NOSPACE")
        .cite_all(evidence)
        .safe("How large is it, and who is in alarm?", "etcdctl endpoint status --cluster -w table; etcdctl alarm list")
        .check_first("Free space, one member after the other, then take the alarm back (a restart of k3s does the last two).", "etcdctl compact $(etcdctl endpoint status -w json | grep -o '\"revision\":[0-9]*' | head -1 | cut -d: -f2); etcdctl defrag; etcdctl alarm disarm")
        .dont("Don't delete files below db/etcd.")
        .dont("Don't disarm before space was freed: the alarm comes back with the next write.");
    out.push(explain_all(f, cx));
}

/// Did somebody take the alarm back further down in the same transcript, or is this what doing so printed?
fn disarmed_below(cx: &Context<'_>, evidence: &Evidence) -> bool {
    let ran: Vec<(u64, bool)> = facts_anywhere(cx, |v| match v {
        Value::Ran(words) => Some(words.iter().any(|w| w == "disarm")),
        _ => None,
    })
    .map(|(fact, is_disarm)| (cx.fact(fact, ""), is_disarm))
    .filter(|(ran, _)| ran.file == evidence.file)
    .map(|(ran, is_disarm)| (ran.line, is_disarm))
    .collect();
    let later = ran.iter().any(|(line, d)| *d && *line > evidence.line);
    let own = ran.iter().rfind(|(line, _)| *line < evidence.line);
    later || own.is_some_and(|(_, is_disarm)| *is_disarm)
}
