//! What programs of hosts said, host by host; and whether it is over.
//!
//! Deliberately absent: what the words mean; rules name the signals.

use std::collections::BTreeMap;

use defib_model::Evidence;
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
