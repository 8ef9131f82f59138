//! What the file of a datastore says of itself: one JSON value per line, as `session::inspect` writes them.
//!
//! Deliberately absent: the objects in it, which come as lists of their own.

use defib_model::fact::{Datastore, EtcdMember, Fact, Value};
use serde::Deserialize;

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

/// The facts of an entry, and the kinds of which the datastore has no object.
pub(crate) fn read(bytes: &[u8], entry: u32) -> (Vec<Fact>, Vec<String>) {
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
                command: format!("defib inspect verify {path}"),
                value,
                ..Fact::default()
            });
        }
    }
    (facts, none)
}

fn value(line: Line) -> Option<Value> {
    if let Some(file) = line.datastore {
        return Some(Value::Datastore(Datastore {
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
}
