//! Members as etcd keeps them, and who of them may vote.
//!
//! Source: `server/etcdserver/api/membership/{member,storev2}.go`, `server/storage/schema/{membership,confstate}.go`.
//! Deliberately absent: whether they are alive.

use serde_json::Value;

use crate::protobuf::{Value as Field, fields};

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
        let said: Value = serde_json::from_slice(value).ok()?;
        Some(Self::read(Self::id(key)?, &said))
    }

    /// The member as its JSON says, which the log has too.
    fn read(id: u64, said: &Value) -> Self {
        let list = |name: &str| {
            said.get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|u| u.as_str().map(str::to_owned))
                .collect()
        };
        Self {
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
        }
    }

    /// The id that a key of `members` or `members_removed` means.
    pub fn id(key: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(key).ok().filter(|t| t.len() <= 16)?;
        u64::from_str_radix(text, 16).ok()
    }
}

/// A change of who belongs to the cluster, as the log has it (`raftpb.ConfChange`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A member came, to vote or to learn.
    Added(Member),
    /// A learner votes from now on.
    Promoted(u64),
    /// A member went for good.
    Removed(u64),
    /// A member is reached elsewhere.
    Moved(Member),
}

impl Change {
    /// The change that an entry of the log asks for.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (mut kind, mut id, mut context) = (0, 0, &[][..]);
        let mut parts = fields(data);
        for (number, field) in parts.by_ref() {
            match (number, field) {
                (2, Field::Varint(v)) => kind = v,
                (3, Field::Varint(v)) => id = v,
                (4, Field::Bytes(v)) => context = v,
                _ => {}
            }
        }
        if !parts.is_whole() || id == 0 {
            return None;
        }
        if kind == 1 {
            return Some(Self::Removed(id));
        }
        let said: Value = serde_json::from_slice(context).ok()?;
        let is_promotion = said.get("isPromote").and_then(Value::as_bool);
        let member = Member::read(id, &said);
        Some(match kind {
            0 | 3 if is_promotion == Some(true) => Self::Promoted(id),
            0 | 3 => Self::Added(member),
            2 => Self::Moved(member),
            _ => return None,
        })
    }
}

/// What a member says of itself once it has started (`membershippb.ClusterMemberAttrSetRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
}

/// A request of etcd's second API (`etcdserverpb.Request`). Members of etcd 3.5 still announce themselves and the
/// cluster's version with it; it writes nothing into the database.
struct Legacy<'r> {
    path: &'r [u8],
    value: &'r [u8],
}

impl<'r> Legacy<'r> {
    /// What it may ask for (`server/etcdserver/v2_server.go`).
    const METHODS: [&'static [u8]; 7] = [
        b"PUT", b"POST", b"DELETE", b"GET", b"QGET", b"HEAD", b"SYNC",
    ];

    fn parse(request: &'r [u8]) -> Option<Self> {
        let (mut method, mut path, mut value) = (&[][..], &[][..], &[][..]);
        let mut parts = fields(request);
        for (number, field) in parts.by_ref() {
            match (number, field) {
                (2, Field::Bytes(v)) => method = v,
                (3, Field::Bytes(v)) => path = v,
                (4, Field::Bytes(v)) => value = v,
                _ => {}
            }
        }
        let is_one = parts.is_whole() && Self::METHODS.contains(&method);
        // The time passes for all keys, and names none.
        let has_path = path.starts_with(b"/") || (path.is_empty() && method == b"SYNC");
        (is_one && has_path).then_some(Self { path, value })
    }

    /// The one that an entry is, or holds.
    fn of(request: &'r [u8]) -> Option<Self> {
        Self::parse(request).or_else(|| {
            fields(request).find_map(|(number, field)| match (number, field) {
                (2, Field::Bytes(inner)) => Self::parse(inner),
                _ => None,
            })
        })
    }

    /// `server/etcdserver/api/membership/storev2.go` names the paths.
    fn announced(&self) -> (Option<Attributes>, Option<String>) {
        let path = self.path.strip_prefix(b"/0/").unwrap_or_default();
        if path == b"version" {
            return (None, Some(String::from_utf8_lossy(self.value).into_owned()));
        }
        let id = path
            .strip_prefix(b"members/")
            .and_then(|rest| rest.strip_suffix(b"/attributes"));
        let said = serde_json::from_slice(self.value).ok();
        let member = id
            .and_then(Member::id)
            .zip(said.as_ref())
            .map(|(id, said)| Member::read(id, said));
        let attributes = member.map(|m| Attributes {
            id: m.id,
            name: m.name,
            client_urls: m.client_urls,
        });
        (attributes, None)
    }
}

/// Is an entry a request of etcd's second API, which writes no key of the third?
pub fn is_legacy(request: &[u8]) -> bool {
    Legacy::parse(request).is_some()
}

/// What a request of the log says of the cluster itself: a member's attributes, or the version that all agreed
/// on.
pub fn announced(request: &[u8]) -> (Option<Attributes>, Option<String>) {
    if let Some(legacy) = Legacy::of(request) {
        return legacy.announced();
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (mut attributes, mut version) = (None, None);
    for (number, field) in fields(request) {
        match (number, field) {
            (1300, Field::Bytes(set)) => {
                version = fields(set).find_map(|(number, field)| match (number, field) {
                    (1, Field::Bytes(v)) => Some(text(v)),
                    _ => None,
                });
            }
            (1301, Field::Bytes(set)) => {
                let mut out = Attributes::default();
                for (number, field) in fields(set) {
                    match (number, field) {
                        (1, Field::Varint(v)) => out.id = v,
                        (2, Field::Bytes(inner)) => {
                            for (number, field) in fields(inner) {
                                match (number, field) {
                                    (1, Field::Bytes(v)) => out.name = text(v),
                                    (2, Field::Bytes(v)) => out.client_urls.push(text(v)),
                                    _ => {}
                                }
                            }
                        }
                        _ => {}
                    }
                }
                attributes = Some(out);
            }
            _ => {}
        }
    }
    (attributes, version)
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
