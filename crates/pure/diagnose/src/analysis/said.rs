//! Everything that was said with certain words: events, statuses and logs, in one list.
//!
//! The same refusal stands in an event, in a status and in a controller's log, and evidence often
//! holds only one of the three. Deliberately absent: what the words mean.

use std::collections::BTreeSet;

use defib_model::condition::ConditionKind as K;
use defib_model::fact::Value;
use defib_model::id::EntityId;
use defib_model::report::{Evidence, QUOTE_LIMIT};
use defib_model::signal::Hit;
use defib_model::views::meta::{StatusCondition, condition};
use jiff::Timestamp;

use crate::context::Context;
use crate::rule::Finding;

/// A log line this much older than the evidence is history: what still fails is said again.
const HISTORY: i64 = 7200;

/// One message.
#[derive(Clone, Debug)]
pub struct Said {
    /// About what; nothing for a line of a log.
    pub who: Option<EntityId>,
    /// Whose log, if it is a line of one and that is known.
    pub speaker: Option<EntityId>,
    /// The message, unescaped, from the words on or whole.
    pub text: String,
    /// Where it stands.
    pub evidence: Evidence,
    /// How often.
    pub count: i64,
    /// First time.
    pub first: Option<Timestamp>,
    /// Last time.
    pub last: Option<Timestamp>,
}

/// Was one of these said further down in the same file?
pub fn is_ended(cx: &Context<'_>, evidence: &Evidence, signals: &[&str]) -> bool {
    let ends =
        |hit: &Hit| hit.last_line > evidence.line && cx.log(hit, 0, "").file == evidence.file;
    signals.iter().any(|signal| cx.hits(signal).any(ends))
}

/// All messages that hold these words and are not history: `signal` is their name in logs.
pub fn said(cx: &Context<'_>, words: &str, signal: &str, meaning: &str) -> Vec<Said> {
    let cluster = cx.cluster;
    let mut out: Vec<Said> = Vec::new();
    for event in &cluster.events {
        if !event.message.contains(words) || past(cx, &event.about) {
            continue;
        }
        // The last refusal counts: an owner may have been refused for another reason before.
        if event.reason == "FailedCreate"
            && crate::context::last_event(cluster, &event.about, &["FailedCreate"])
                .is_some_and(|e| !e.message.contains(words))
        {
            continue;
        }
        out.push(Said {
            who: Some(event.about.clone()),
            speaker: None,
            text: event.message.clone(),
            evidence: cx
                .event(event, meaning)
                .around(decides(&event.message, words)),
            count: event.count,
            first: event.first,
            last: event.last,
        });
    }
    statuses(cx, words, meaning, &mut out);
    for fact in &cluster.facts {
        if let Value::Error(text) = &fact.value
            && text.contains(words)
        {
            out.push(Said {
                who: None,
                speaker: None,
                text: text.clone(),
                evidence: cx.fact(fact, meaning),
                count: 1,
                first: None,
                last: None,
            });
        }
    }
    for hit in cx.hits(signal) {
        // An event that a command printed is among the events.
        if hit.event {
            continue;
        }
        if cx
            .cluster
            .age_seconds(hit.last)
            .is_some_and(|age| age > HISTORY)
        {
            continue;
        }
        // What a pod said that has done its work is history too.
        if hit
            .entity
            .as_ref()
            .and_then(|e| cluster.pod(e))
            .is_some_and(|p| p.status.phase == "Succeeded")
        {
            continue;
        }
        let mut seen = BTreeSet::new();
        for (i, line) in hit.lines.iter().enumerate() {
            let text = line
                .groups
                .first()
                .cloned()
                .unwrap_or_else(|| line.text.clone());
            if !seen.insert(text.clone()) {
                continue;
            }
            out.push(Said {
                who: None,
                speaker: hit.entity.clone(),
                text,
                evidence: cx.log(hit, i, meaning),
                count: hit.count as i64,
                first: hit.first,
                last: hit.last,
            });
        }
    }
    out
}

/// The words to have in sight: those asked for, or, where they only open a chain of errors, its end.
fn decides<'m>(message: &'m str, words: &'m str) -> &'m str {
    let after = message.split_once(words).map_or("", |(_, rest)| rest);
    match after.rsplit(": ").next() {
        Some(last) if !last.is_empty() && after.len() > QUOTE_LIMIT / 2 => last,
        _ => words,
    }
}

fn statuses(cx: &Context<'_>, words: &str, meaning: &str, out: &mut Vec<Said>) {
    let cluster = cx.cluster;
    let lists = cluster
        .workloads
        .iter()
        .map(|w| (w.obj, &w.status.conditions))
        .chain(cluster.others.iter().map(|o| (o.obj, &o.status.conditions)))
        .chain(
            cluster
                .namespaces
                .iter()
                .map(|n| (n.obj, &n.status.conditions)),
        )
        .chain(
            cluster
                .api_services
                .iter()
                .map(|a| (a.obj, &a.status.conditions)),
        );
    for (obj, list) in lists {
        for (i, c) in list.iter().enumerate() {
            let id = cluster.id(obj);
            if c.message.contains(words) && !past(cx, &id) {
                out.push(Said {
                    who: Some(id),
                    speaker: None,
                    text: c.message.clone(),
                    evidence: cx
                        .field(obj, &format!("/status/conditions/{i}/message"), meaning)
                        .around(decides(&c.message, words)),
                    count: 1,
                    first: c.last_transition_time,
                    last: c.last_transition_time,
                });
                break;
            }
        }
    }
}

fn well(list: &[StatusCondition]) -> bool {
    ["Ready", "Available", "Synced", "Complete"]
        .iter()
        .any(|k| condition(list, k).is_some_and(|(_, c)| c.status == "True"))
}

/// What was said about this is history: it is well by now, or gone.
pub fn past(cx: &Context<'_>, id: &EntityId) -> bool {
    let cluster = cx.cluster;
    if let Some(pod) = cluster.pod(id) {
        return pod.is_ready() || pod.status.phase == "Succeeded";
    }
    if let Some(w) = cluster.workloads.iter().find(|w| cluster.id(w.obj) == *id) {
        let all_there = w
            .desired()
            .is_some_and(|d| w.existing() >= d && w.kind != "Deployment")
            || (w.kind == "Deployment"
                && w.desired().is_some_and(|d| {
                    w.ready() >= d && condition(&w.status.conditions, "ReplicaFailure").is_none()
                }));
        let done =
            condition(&w.status.conditions, "Complete").is_some_and(|(_, c)| c.status == "True");
        return all_there || done || w.status.active.unwrap_or(0) > 0;
    }
    if let Some(o) = cluster.others.iter().find(|o| cluster.id(o.obj) == *id) {
        return well(&o.status.conditions);
    }
    cluster.find(id).is_none() && known_gone(cx, id)
}

/// The kind was listed there, and this is not among it.
pub fn known_gone(cx: &Context<'_>, id: &EntityId) -> bool {
    cx.cluster.find(id).is_none()
        && cx.cluster.listed.iter().any(|(kind, l)| {
            kind.eq_ignore_ascii_case(id.kind())
                && (l.whole || id.namespace().is_some_and(|ns| l.namespaces.contains(ns)))
        })
}

/// Cites messages and claims the conditions of what they are about.
pub fn claim(cx: &Context<'_>, mut finding: Finding, said: &[&Said]) -> Finding {
    for s in said {
        finding = finding.cite(s.evidence.clone());
        let Some(who) = &s.who else { continue };
        for kind in [
            K::PodRefused,
            K::ReplicasMissing,
            K::ResourceNotReady,
            K::NamespaceTerminating,
            K::ApiServiceUnavailable,
        ] {
            let missing_below = kind == K::ReplicasMissing && cx.has(K::PodRefused, who).is_some();
            if cx.has(kind, who).is_some() && !missing_below {
                finding = finding.explains(kind, who);
            }
        }
    }
    finding
}

/// Name and namespace that a structured line of a controller names (`"name":"x","namespace":"y"`,
/// `name=x namespace=y`, `Kustomization/x.y`).
pub fn subject(line: &str) -> Option<(String, String)> {
    let field = |key: &str| {
        let plain = line.replace("\\\"", "\"");
        for mark in [
            format!("\"{key}\":\""),
            format!("\"{key}\": \""),
            format!("\"{key}\"=\""),
            format!(" {key}=\""),
            format!(" {key}="),
        ] {
            if let Some((_, rest)) = plain.split_once(&mark) {
                let value: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
                    .collect();
                if !value.is_empty() {
                    return Some(value);
                }
            }
        }
        None
    };
    Some((field("namespace")?, field("name")?))
}
