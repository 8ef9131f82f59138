//! Datastores that were read from their files: what each says of itself, one JSON value per line as
//! `session::inspect` writes them, and which of them the cluster is read from.
//!
//! Deliberately absent: the reading of their objects, which come as lists of the API.

use std::collections::BTreeMap;

use defib_model::bundle::Entry;
use defib_model::fact::{self, EtcdMember, Fact, Value};
use defib_model::report::Gap;
use defib_model::text::Word;
use serde::Deserialize;

use crate::object::Parsed;
use crate::reader::List;

/// What stands in one line; fields that a line does not have are empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    datastore: Option<String>,
    path: String,
    engine: String,
    snapshot: bool,
    trust: String,
    revision: u64,
    bytes: u64,
    member_id: String,
    damage: Option<String>,
    bootstrap: Option<String>,
    token_fits: Option<bool>,
    differs_from_bootstrap: Option<String>,
    alarm: Option<String>,
    member: Option<String>,
    name: String,
    role: String,
    peer_urls: Vec<String>,
    client_urls: Vec<String>,
    none_of: Vec<String>,
}

/// Is an entry such a text? Its first line names the datastore first.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"{\"datastore\":")
}

/// Which datastore: its source, and its file's name there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Datastore {
    source: String,
    file: String,
}

impl Datastore {
    /// The one that an entry came out of.
    pub(crate) fn of(entry: &Entry) -> Self {
        let file = entry.id.split_once(".datastore/");
        Self {
            source: entry.source.clone(),
            file: file.map_or(entry.id.as_str(), |(file, _)| file).to_owned(),
        }
    }
}

/// What the file of one datastore holds.
#[derive(Default)]
pub(crate) struct Stored {
    pub(crate) facts: Vec<Fact>,
    pub(crate) parsed: Vec<Parsed>,
    pub(crate) lists: Vec<List>,
    pub(crate) gaps: Vec<Gap>,
}

impl Stored {
    /// Takes what it says of itself.
    pub(crate) fn about(&mut self, bytes: &[u8], index: u32) {
        let (facts, none) = read(bytes, index);
        self.facts.extend(facts);
        self.lists.extend(none.into_iter().map(|kind| List {
            kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
            asked_whole: true,
            ..List::default()
        }));
    }

    fn header(&self) -> Option<&fact::Datastore> {
        self.facts.iter().find_map(|f| match &f.value {
            Value::Datastore(store) => Some(store),
            _ => None,
        })
    }

    /// A server's own before a snapshot, a whole one before a damaged one, then the newest.
    fn rank(&self) -> (bool, bool, bool, u64) {
        let store = self.header();
        (
            !self.parsed.is_empty(),
            store.is_some_and(|s| !s.snapshot),
            store.is_some_and(|s| s.trust != "damaged"),
            store.map_or(0, |s| s.revision),
        )
    }
}

/// Takes what datastores hold together. Objects and members are those of one: of several days they make no
/// cluster. They count where nothing else shows what ran (`answered`), and a snapshot's members where nobody asked
/// etcd.
pub(crate) fn joined(
    stored: BTreeMap<Datastore, Stored>,
    answered: bool,
    facts: &[Fact],
) -> Stored {
    let chosen = stored
        .iter()
        .max_by_key(|(_, s)| s.rank())
        .map(|(which, _)| which.clone());
    let asked = facts
        .iter()
        .any(|f| is_membership(&f.value) || is_answer(&f.value));
    let mut out = Stored::default();
    for (which, mut one) in stored {
        let is_chosen = chosen.as_ref() == Some(&which);
        let is_snapshot = one.header().is_some_and(|s| s.snapshot);
        let speaks = is_chosen && !(is_snapshot && (asked || answered));
        one.facts.retain(|f| speaks || !is_membership(&f.value));
        out.facts.append(&mut one.facts);
        let count = one.parsed.len();
        let why = match (is_chosen, answered) {
            (true, false) => {
                out.parsed.append(&mut one.parsed);
                out.lists.append(&mut one.lists);
                continue;
            }
            (_, true) => {
                "other evidence holds what an API server answered; objects of another time were not mixed with it"
            }
            (false, false) => {
                "objects are taken from one datastore only: the server's own, or the newest"
            }
        };
        if count > 0 {
            out.gaps.push(Gap::new(
                format!("{count} objects of the datastore {}", which.file),
                why,
            ));
        }
    }
    out
}

/// Does it say who belongs to etcd, or how it is?
fn is_membership(value: &Value) -> bool {
    matches!(
        value,
        Value::EtcdMember(_) | Value::EtcdAlarm(..) | Value::EtcdRemoved(_)
    )
}

/// Did an etcd that runs answer?
fn is_answer(value: &Value) -> bool {
    matches!(value, Value::EtcdStatus(_) | Value::EtcdHealth(..))
}

/// The facts of an entry, and the kinds of which the datastore has no object.
fn read(bytes: &[u8], entry: u32) -> (Vec<Fact>, Vec<String>) {
    let (mut facts, mut none) = (Vec::new(), Vec::new());
    let mut path = String::new();
    for (number, text) in (1..).zip(String::from_utf8_lossy(bytes).lines()) {
        let Ok(line) = serde_json::from_str::<Line>(text) else {
            continue;
        };
        none.extend(line.none_of.iter().cloned());
        if line.datastore.is_some() {
            path.clone_from(&line.path);
        }
        if let Some(value) = value(line) {
            facts.push(Fact {
                entry,
                line: number,
                text: text.to_owned(),
                command: format!("defib inspect verify {}", Word(&path)),
                value,
                ..Fact::default()
            });
        }
    }
    (facts, none)
}

fn value(line: Line) -> Option<Value> {
    if let Some(file) = line.datastore {
        return Some(Value::Datastore(fact::Datastore {
            file,
            path: line.path,
            engine: line.engine,
            snapshot: line.snapshot,
            trust: line.trust,
            revision: line.revision,
            bytes: line.bytes,
            member: line.member_id,
        }));
    }
    if let Some(what) = line.damage {
        return Some(Value::DatastoreDamage(what));
    }
    if let Some(hash) = line.bootstrap {
        return Some(Value::Bootstrap(hash, line.token_fits));
    }
    if let Some(file) = line.differs_from_bootstrap {
        return Some(Value::BootstrapDiffers(file));
    }
    let member = line.member?;
    if let Some(kind) = line.alarm {
        return Some(Value::EtcdAlarm(member, kind));
    }
    if line.role == "removed" {
        return Some(Value::EtcdRemoved(member));
    }
    let status = if line.name.is_empty() {
        "unstarted"
    } else {
        "started"
    };
    Some(Value::EtcdMember(EtcdMember {
        id: member,
        name: line.name,
        status: status.to_owned(),
        peers: line.peer_urls,
        clients: line.client_urls,
        learner: line.role == "learner",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_facts_and_rubbish_none() {
        let text = concat!(
            "{\"datastore\":\"db\",\"engine\":\"etcd\",\"trust\":\"readable\",\"revision\":7,\"bytes\":4096}\n",
            "{\"member\":\"8e9e\",\"name\":\"\",\"role\":\"learner\",\"peer_urls\":[\"https://192.0.2.1:2380\"]}\n",
            "{\"alarm\":\"NOSPACE\",\"member\":\"8e9e\"}\n",
            "{\"member\":\"91bc\",\"role\":\"removed\"}\n",
            "[1,\n{\"note\":\"n\"}\n{\"none_of\":[\"v1/Pod\"]}\n",
        );
        let (facts, none) = read(text.as_bytes(), 3);
        let values: Vec<_> = facts.iter().map(|f| (f.line, &f.value)).collect();
        assert!(
            matches!(values[0], (1, Value::Datastore(d)) if d.revision == 7 && d.bytes == 4096)
        );
        assert!(
            matches!(values[1], (2, Value::EtcdMember(m)) if m.learner && m.status == "unstarted")
        );
        assert_eq!(
            values[2],
            (3, &Value::EtcdAlarm("8e9e".into(), "NOSPACE".into()))
        );
        assert_eq!(values[3], (4, &Value::EtcdRemoved("91bc".into())));
        assert_eq!((facts.len(), none), (4, vec!["v1/Pod".to_owned()]));
    }

    /// A learner of last week's snapshot is none of today's.
    #[test]
    fn members_are_those_of_one_datastore() {
        let one = |name: &str, snapshot: bool, revision: u64| {
            let text = format!(
                "{{\"datastore\":\"{name}\",\"engine\":\"etcd\",\"snapshot\":{snapshot},\"trust\":\"readable\",\"revision\":{revision}}}\n{{\"member\":\"{revision}\",\"name\":\"n\"}}\n"
            );
            let mut stored = Stored::default();
            stored.about(text.as_bytes(), 0);
            let entry = Entry {
                id: format!("{name}.datastore/about.jsonl"),
                ..Entry::default()
            };
            (Datastore::of(&entry), stored)
        };
        let all = || BTreeMap::from([one("db", false, 5), one("old", true, 3), one("z", true, 9)]);
        let members = |joined: Stored| -> Vec<String> {
            let of = joined.facts.into_iter();
            of.filter_map(|f| match f.value {
                Value::EtcdMember(m) => Some(m.id),
                _ => None,
            })
            .collect()
        };
        assert_eq!(
            members(joined(all(), false, &[])),
            ["5"],
            "the server's own"
        );
        let snapshots = || BTreeMap::from([one("old", true, 3), one("z", true, 9)]);
        assert_eq!(
            members(joined(snapshots(), false, &[])),
            ["9"],
            "the newest"
        );
        let asked = Fact {
            value: Value::EtcdHealth("127.0.0.1".into(), true, String::new()),
            ..Fact::default()
        };
        assert!(members(joined(snapshots(), false, &[asked])).is_empty());
        let damaged = joined(all(), true, &[]).facts;
        assert_eq!(damaged.len(), 4, "what each file says of itself stays");
    }
}
