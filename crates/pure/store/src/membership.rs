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

/// How many of the log's entries are agreed on: those that the member knew to be, and those that its only voter
/// wrote down.
pub fn agreed(meta: &Meta, log: &Log) -> usize {
    let mut voters: BTreeSet<u64> = meta
        .conf_state
        .as_ref()
        .map(|c| c.voters.iter().copied().collect())
        .unwrap_or_default();
    let known = log.commit.max(meta.consistent_index.unwrap_or(0));
    for (n, entry) in log.entries.iter().enumerate() {
        if entry.index > known && voters.len() != 1 {
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
