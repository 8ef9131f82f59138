//! Who belongs to the cluster, with what the log says beyond the database.
//!
//! Source: `server/etcdserver/api/membership/cluster.go`. Deliberately absent: whether a change was wise.

use std::collections::BTreeSet;

use defib_formats::etcd::wal::{Entry, Log};
use defib_formats::etcd::{Change, Member, Meta, announced};

/// Members, and those that are gone.
#[derive(Clone, Debug, Default)]
pub struct Membership {
    /// Members, by id.
    pub members: Vec<Member>,
    /// Ids of members that were removed.
    pub removed: Vec<u64>,
    /// The version that all agreed on.
    pub cluster_version: Option<String>,
    /// Changes of the log that were applied.
    pub changes: u64,
}

impl Membership {
    /// What the database says.
    pub fn new(meta: &Meta) -> Self {
        Self {
            members: meta.members.clone(),
            removed: meta.removed.clone(),
            cluster_version: meta.cluster_version.clone(),
            changes: 0,
        }
    }

    /// Applies an entry of the log; a change that etcd would refuse changes nothing.
    pub fn apply(&mut self, entry: &Entry) {
        if entry.is_normal {
            let (attributes, version) = announced(&entry.data);
            if version.is_some() {
                self.cluster_version = version;
            }
            if let Some(said) = attributes
                && let Some(member) = self.members.iter_mut().find(|m| m.id == said.id)
            {
                member.name = said.name;
                member.client_urls = said.client_urls;
            }
            return;
        }
        let Some(change) = Change::parse(&entry.data) else {
            return;
        };
        let changed = match change {
            Change::Added(member) => {
                let is_new = !self.removed.contains(&member.id)
                    && self.members.iter().all(|m| m.id != member.id);
                if is_new {
                    self.members.push(member);
                    self.members.sort_by_key(|m| m.id);
                }
                is_new
            }
            Change::Promoted(id) => {
                let learner = self.members.iter_mut().find(|m| m.id == id && m.is_learner);
                learner.map(|m| m.is_learner = false).is_some()
            }
            Change::Removed(id) => {
                let before = self.members.len();
                self.members.retain(|m| m.id != id);
                let is_gone = self.members.len() < before;
                if is_gone {
                    self.removed.push(id);
                }
                is_gone
            }
            Change::Moved(to) => {
                let member = self.members.iter_mut().find(|m| m.id == to.id);
                member.map(|m| m.peer_urls = to.peer_urls).is_some()
            }
        };
        self.changes += u64::from(changed);
    }
}

/// How many of the log's entries are agreed on: those that the member knew to be, and those that it wrote down as
/// the only one who votes.
pub fn agreed(meta: &Meta, log: &Log) -> usize {
    let mut voters: BTreeSet<u64> = meta
        .conf_state
        .as_ref()
        .map(|c| c.voters.iter().copied().collect())
        .unwrap_or_default();
    let known = log.commit.max(meta.consistent_index.unwrap_or(0));
    let own = log.ids.map(|(member, _)| BTreeSet::from([member]));
    for (n, entry) in log.entries.iter().enumerate() {
        if entry.index > known && own.as_ref() != Some(&voters) {
            return n;
        }
        if entry.is_normal {
            continue;
        }
        match Change::parse(&entry.data) {
            Some(Change::Added(m)) if !m.is_learner => drop(voters.insert(m.id)),
            Some(Change::Promoted(id)) => drop(voters.insert(id)),
            Some(Change::Removed(id)) => drop(voters.remove(&id)),
            _ => {}
        }
    }
    log.entries.len()
}

#[cfg(test)]
mod tests {
    use defib_formats::etcd::ConfState;

    use super::*;

    fn agreed_of(voters: &[u64], own: Option<u64>) -> usize {
        let meta = Meta {
            consistent_index: Some(5),
            conf_state: Some(ConfState {
                voters: voters.to_vec(),
                learners: vec![9],
            }),
            ..Meta::default()
        };
        let entries = (5..=8).map(|index| Entry {
            index,
            is_normal: true,
            data: Vec::new(),
        });
        let log = Log {
            entries: entries.collect(),
            ids: own.map(|id| (id, 77)),
            ..Log::default()
        };
        agreed(&meta, &log)
    }

    /// A learner writes down what the one voter may never have agreed to.
    #[test]
    fn only_the_one_who_votes_agrees_by_writing() {
        assert_eq!(agreed_of(&[1], Some(1)), 4);
        assert_eq!(agreed_of(&[1], Some(9)), 1);
        assert_eq!(agreed_of(&[1], None), 1);
        assert_eq!(agreed_of(&[1, 2], Some(1)), 1);
    }

    /// Members of etcd 3.5 announce themselves with requests of the second API.
    #[test]
    fn what_members_announce_is_read_in_both_forms() {
        let field = |number: u8, value: &[u8]| {
            let mut out = vec![number << 3 | 2, value.len() as u8];
            out.extend(value);
            out
        };
        let put = |path: &[u8], value: &[u8]| {
            [
                vec![8, 1],
                field(2, b"PUT"),
                field(3, path),
                field(4, value),
            ]
            .concat()
        };
        let said = br#"{"name":"n1","clientURLs":["https://198.51.100.1:2379"]}"#;
        let mut membership = Membership::default();
        membership.members.push(Member {
            id: 0xa1,
            ..Member::default()
        });
        let entry = |data| Entry {
            index: 1,
            is_normal: true,
            data,
        };
        membership.apply(&entry(put(b"/0/members/a1/attributes", said)));
        membership.apply(&entry(put(b"/0/version", b"3.5.0")));
        assert_eq!(membership.members[0].name, "n1");
        assert_eq!(membership.members[0].client_urls.len(), 1);
        assert_eq!(membership.cluster_version.as_deref(), Some("3.5.0"));
        // Inside of a request of the third.
        membership.apply(&entry(field(2, &put(b"/0/version", b"3.6.0"))));
        assert_eq!(membership.cluster_version.as_deref(), Some("3.6.0"));
    }
}
