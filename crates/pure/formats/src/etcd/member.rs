//! Members as etcd keeps them, and who of them may vote.
//!
//! Source: `server/etcdserver/api/membership/{member,storev2}.go`, `server/storage/schema/{membership,confstate}.go`.
//! Deliberately absent: whether they are alive.

use serde_json::Value;

/// A member of the bucket `members`: the key is its id in hex, the value JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name; empty until it has started once.
    pub name: String,
    /// Where other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; none until it has started once.
    pub client_urls: Vec<String>,
    /// It does not vote yet.
    pub is_learner: bool,
}

impl Member {
    /// The member of one pair.
    pub fn parse(key: &[u8], value: &[u8]) -> Option<Self> {
        let id = Self::id(key)?;
        let said: Value = serde_json::from_slice(value).ok()?;
        let list = |name: &str| {
            said.get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|u| u.as_str().map(str::to_owned))
                .collect()
        };
        Some(Self {
            id,
            name: said
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            peer_urls: list("peerURLs"),
            client_urls: list("clientURLs"),
            is_learner: said
                .get("isLearner")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        })
    }

    /// The id that a key of `members` or `members_removed` means.
    pub fn id(key: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(key).ok().filter(|t| t.len() <= 16)?;
        u64::from_str_radix(text, 16).ok()
    }
}

/// Who takes part in the consensus (`raftpb.ConfState`, kept as JSON).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfState {
    /// Ids of those who vote.
    pub voters: Vec<u64>,
    /// Ids of those who only learn.
    pub learners: Vec<u64>,
}

impl ConfState {
    /// The value of `confState` in the bucket `meta`.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let said: Value = serde_json::from_slice(value).ok()?;
        let list = |name: &str| {
            said.get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_u64)
                .collect()
        };
        Some(Self {
            voters: list("voters"),
            learners: list("learners"),
        })
    }
}
