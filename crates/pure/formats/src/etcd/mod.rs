//! etcd's own words: what stands in the buckets of its database, in its write-ahead log and in its snapshots.
//!
//! Deliberately absent: Kubernetes (`kubernetes`), and judgement (`store`).

mod kv;
mod member;
mod rows;
mod salvaged;
mod version;
pub mod wal;

pub use kv::{KeyValue, Revision};
pub use member::{Attributes, Change, ConfState, Member, announced, is_legacy};
pub use rows::{Etcd, Meta};
pub use salvaged::{Salvage, is_worth_salvaging};
pub use version::openers;

use crate::bbolt::Walk;
use crate::bytes::u64_be;

/// Names of the buckets, of `server/storage/schema/bucket.go`.
pub mod bucket {
    /// Every revision of every key.
    pub const KEY: &[u8] = b"key";
    /// What etcd knows about itself.
    pub const META: &[u8] = b"meta";
    /// Leases.
    pub const LEASE: &[u8] = b"lease";
    /// Alarms that are set.
    pub const ALARM: &[u8] = b"alarm";
    /// The cluster's version.
    pub const CLUSTER: &[u8] = b"cluster";
    /// Members.
    pub const MEMBERS: &[u8] = b"members";
    /// Members that are gone for good.
    pub const REMOVED: &[u8] = b"members_removed";
}

/// Bytes of the hash behind a snapshot (`etcdutl/snapshot/v3_snapshot.go`).
pub const TRAILER: u64 = 32;

/// Is a file of this length a snapshot with its hash behind it? Pages are multiples of 512 bytes.
pub fn has_trailer(length: u64) -> bool {
    length % 512 == TRAILER && length > TRAILER
}

/// Are these the buckets of etcd?
pub fn is_etcd(walk: &Walk) -> bool {
    walk.bucket(bucket::KEY).is_some() && walk.bucket(bucket::META).is_some()
}

/// An alarm: which member, and which of `NOSPACE` (1) and `CORRUPT` (2). The key is the whole message
/// (`server/storage/schema/alarm.go`).
pub fn alarm(key: &[u8]) -> Option<(u64, u64)> {
    let (mut member, mut kind) = (0, 0);
    let mut fields = crate::protobuf::fields(key);
    for (number, value) in fields.by_ref() {
        match (number, value) {
            (1, crate::protobuf::Value::Varint(v)) => member = v,
            (2, crate::protobuf::Value::Varint(v)) => kind = v,
            _ => {}
        }
    }
    fields.is_whole().then_some((member, kind))
}

/// A number of the bucket `meta`.
pub fn number(value: &[u8]) -> Option<u64> {
    (value.len() == 8).then(|| u64_be(value, 0)).flatten()
}
