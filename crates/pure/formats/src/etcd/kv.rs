//! Revisions and what was written in them.
//!
//! Source: `server/storage/mvcc/revision.go`, `api/mvccpb/kv.proto`. Deliberately absent: which of them is the
//! latest of a key (`store`).

use crate::bytes::u64_be;
use crate::protobuf::{Value, fields};

/// A revision, as the bucket `key` is sorted by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    /// The transaction.
    pub main: u64,
    /// The write inside of it.
    pub sub: u64,
    /// The key was deleted.
    pub is_tombstone: bool,
}

impl Revision {
    /// The revision that a key of the bucket means: 17 bytes, or 18 with the mark of a deletion.
    pub fn parse(key: &[u8]) -> Option<Self> {
        let is_tombstone = match key.get(17..)? {
            [] => false,
            [b't'] => true,
            _ => return None,
        };
        if key.get(8) != Some(&b'_') {
            return None;
        }
        Some(Self {
            main: u64_be(key, 0)?,
            sub: u64_be(key, 9)?,
            is_tombstone,
        })
    }
}

/// What was written (`mvccpb.KeyValue`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyValue<'b> {
    /// The key.
    pub key: &'b [u8],
    /// The revision in which the key was created last.
    pub create_revision: u64,
    /// The revision of this write.
    pub mod_revision: u64,
    /// Writes since it was created.
    pub version: u64,
    /// The value.
    pub value: &'b [u8],
    /// The lease on which it depends, or 0.
    pub lease: u64,
}

impl<'b> KeyValue<'b> {
    /// The message; `None` when it does not hold to its end or has no key.
    pub fn parse(bytes: &'b [u8]) -> Option<Self> {
        let mut out = Self::default();
        let mut fields = fields(bytes);
        for (number, value) in fields.by_ref() {
            match (number, value) {
                (1, Value::Bytes(v)) => out.key = v,
                (2, Value::Varint(v)) => out.create_revision = v,
                (3, Value::Varint(v)) => out.mod_revision = v,
                (4, Value::Varint(v)) => out.version = v,
                (5, Value::Bytes(v)) => out.value = v,
                (6, Value::Varint(v)) => out.lease = v,
                (1..=6, _) => return None,
                _ => {}
            }
        }
        (fields.is_whole() && !out.key.is_empty()).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn revisions_are_read_with_their_marks() {
        let mut key = 7u64.to_be_bytes().to_vec();
        key.push(b'_');
        key.extend(2u64.to_be_bytes());
        let plain = Revision {
            main: 7,
            sub: 2,
            is_tombstone: false,
        };
        assert_eq!(Revision::parse(&key), Some(plain));
        key.push(b't');
        assert_eq!(
            Revision::parse(&key),
            Some(Revision {
                is_tombstone: true,
                ..plain
            })
        );
        key.push(b't');
        assert_eq!(Revision::parse(&key), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = KeyValue::parse(&bytes);
            let _ = Revision::parse(&bytes);
            let _ = crate::etcd::alarm(&bytes);
            let _ = crate::etcd::Member::parse(b"8e9e05c52164694d", &bytes);
        }
    }
}
