//! What programs of hosts said, host by host; and whether it is over.
//!
//! Deliberately absent: what the words mean; rules name the signals.

use std::collections::BTreeMap;

use defib_model::Evidence;
use defib_model::condition::ConditionKind;
use defib_model::fact::{Fact, Value};
use defib_model::id::EntityId;
use defib_model::signal::{Hit, LogLine};

use crate::context::Context;

/// Signals that say that a start came to its good end.
const UP: &[&str] = &["k3s.up", "k3s.agent-up"];

/// The host of this name; `host/-` where the evidence does not name it.
pub fn entity(name: &str) -> EntityId {
    EntityId::other("host", if name.is_empty() { "-" } else { name })
}

/// The host whose log this is.
pub fn of(hit: &Hit) -> EntityId {
    entity(&hit.host)
}

/// The host in a sentence.
pub fn called(host: &EntityId) -> String {
    match host.name() {
        "-" => "the host".to_owned(),
        name => format!("host {name}"),
    }
}

/// One line of a host's log.
#[derive(Clone, Debug)]
pub struct Spoken<'c> {
    /// The signal that it is.
    pub signal: &'static str,
    /// The line, with the groups of the signal's pattern.
    pub line: &'c LogLine,
    /// How often the signal was heard in that log.
    pub count: u64,
    /// The citation.
    pub evidence: Evidence,
}

/// Lines of these signals that still count, by host. `heard` decides who may say them; what a later,
/// complete start of the service contradicts is history.
pub fn spoken<'c>(
    cx: &'c Context<'_>,
    signals: &[&str],
    meaning: &str,
) -> BTreeMap<EntityId, Vec<Spoken<'c>>> {
    let mut out: BTreeMap<EntityId, Vec<Spoken<'c>>> = BTreeMap::new();
    for signal in signals {
        for hit in cx.heard().filter(|h| h.signal == *signal) {
            if is_over(cx, hit) {
                continue;
            }
            let list = out.entry(of(hit)).or_default();
            for (i, line) in hit.lines.iter().enumerate() {
                list.push(Spoken {
                    signal: hit.signal,
                    line,
                    count: hit.count,
                    evidence: cx.log(hit, i, meaning),
                });
            }
        }
    }
    out
}

/// The same log says later that the service came up, and does not say this again.
pub fn is_over(cx: &Context<'_>, hit: &Hit) -> bool {
    cx.heard().any(|up| {
        UP.contains(&up.signal)
            && up.entry == hit.entry
            && up.host == hit.host
            && up.last_line > hit.last_line
    })
}

/// Facts with what they say, where it is of the wanted kind.
pub fn facts<'c, T>(
    cx: &'c Context<'_>,
    wanted: impl Fn(&'c Value) -> Option<T> + 'c,
) -> impl Iterator<Item = (&'c Fact, T)> + 'c {
    cx.cluster
        .facts
        .iter()
        .filter_map(move |f| Some((f, wanted(&f.value)?)))
}

/// Conditions of a host that a cause on it may explain.
pub const TROUBLES: &[ConditionKind] = &[
    ConditionKind::HostStorageFailing,
    ConditionKind::DatastoreSlow,
    ConditionKind::DatastoreFailing,
    ConditionKind::TlsRejected,
    ConditionKind::JoinFailing,
    ConditionKind::ServiceFailing,
];

/// The citations, each line once: the first of every signal, then the others. Quotations are few, and
/// what another message says is worth more than the same once more.
pub fn quotes(lines: &[Spoken<'_>]) -> Vec<Evidence> {
    let mut out: Vec<Evidence> = Vec::new();
    let mut signals: Vec<&str> = Vec::new();
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for l in lines {
        if signals.contains(&l.signal) {
            later.push(&l.evidence);
        } else {
            signals.push(l.signal);
            first.push(&l.evidence);
        }
    }
    for e in first.into_iter().chain(later) {
        let known = |k: &Evidence| k.file == e.file && k.source == e.source && k.line == e.line;
        if !out.iter().any(known) {
            out.push(e.clone());
        }
    }
    out
}

/// Lines of these signals from all hosts, in one list.
pub fn all<'c>(cx: &'c Context<'_>, signals: &[&str], meaning: &str) -> Vec<Spoken<'c>> {
    spoken(cx, signals, meaning)
        .into_values()
        .flatten()
        .collect()
}

/// Was any of these heard on this host, or where nobody knows which?
pub fn heard_on(cx: &Context<'_>, signals: &[&str], host: &EntityId) -> bool {
    cx.heard().any(|h| {
        signals.contains(&h.signal)
            && !is_over(cx, h)
            && (h.host.is_empty() || host.name() == "-" || of(h) == *host)
    })
}

/// Was this asked for: as a flag or setting with such a name, in a command, a file or a unit?
pub fn asked<'c>(cx: &'c Context<'_>, name: &'c str) -> impl Iterator<Item = (&'c Fact, &'c str)> {
    facts(cx, move |v| match v {
        Value::Setting { name: n, value, .. } if n == name => Some(value.as_str()),
        _ => None,
    })
}
