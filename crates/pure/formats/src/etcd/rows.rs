//! The rows of etcd's database.
//!
//! Deliberately absent: what the write-ahead log holds beyond it (`wal`).

use std::collections::BTreeSet;
use std::io;

use super::{KeyValue, Revision, bucket, number};
use crate::bbolt::{Bucket, Database, OpenError, Walk, Walked};
use crate::datastore::{Engine, Place, Row, Rows};
use crate::read_at::ReadAt;

/// A database of etcd, walked as far as its leaves.
pub struct Etcd<R> {
    database: Database<R>,
    walk: Walk,
    /// What its small buckets hold.
    pub meta: Meta,
}

/// What etcd keeps beside the keys.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// The last entry of the log that is in the database.
    pub consistent_index: Option<u64>,
    /// The term of that entry.
    pub term: Option<u64>,
    /// Who votes and who learns.
    pub conf_state: Option<super::ConfState>,
    /// Version of the storage, from etcd 3.6 on.
    pub storage_version: Option<String>,
    /// The revision up to which compaction was asked for, and up to which it was done.
    pub compaction: (u64, u64),
    /// Version of the cluster.
    pub cluster_version: Option<String>,
    /// Members, by their ids.
    pub members: Vec<super::Member>,
    /// Ids of members that were removed.
    pub removed: Vec<u64>,
    /// Alarms: member, and which.
    pub alarms: Vec<(u64, u64)>,
    /// Ids of leases.
    pub leases: BTreeSet<u64>,
    /// What did not hold.
    pub walked: Walked,
}

impl<R: ReadAt> Etcd<R> {
    /// Opens the first `length` bytes.
    ///
    /// # Errors
    /// When they are no database of bbolt.
    pub fn open(source: R, length: u64) -> Result<Self, OpenError> {
        let database = Database::open(source, length)?;
        let walk = database.walk();
        let meta = Meta::read(&database, &walk);
        Ok(Self {
            database,
            walk,
            meta,
        })
    }

    /// The file.
    pub fn database(&self) -> &Database<R> {
        &self.database
    }

    /// Its buckets.
    pub fn walk(&self) -> &Walk {
        &self.walk
    }

    fn keys(&self) -> Option<&Bucket> {
        self.walk.bucket(bucket::KEY)
    }
}

/// Takes a pair; `None` where it does not hold.
type Each<'e> = &'e mut dyn FnMut(&[u8], &[u8]) -> Option<()>;

impl Meta {
    fn read<R: ReadAt>(database: &Database<R>, walk: &Walk) -> Self {
        let mut out = Self::default();
        // etcd does not start where one of these does not hold.
        let pairs = |name: &[u8], each: Each<'_>| -> Walked {
            let mut walked = Walked::default();
            if let Some(bucket) = walk.bucket(name) {
                for part in bucket.parts(1) {
                    walked.absorb(bucket.leaves(
                        database,
                        &walk.seen,
                        part,
                        |e, nested, walked| {
                            if nested {
                                walked.note(e.offset, "a bucket stands inside of one of etcd's");
                            } else if each(e.key, e.value).is_none() {
                                let bucket = String::from_utf8_lossy(name);
                                let what = format!("what `{bucket}` holds here can't be read");
                                walked.note(e.offset, what);
                            }
                        },
                    ));
                }
            }
            walked
        };
        let text = |value: &[u8]| std::str::from_utf8(value).ok().map(str::to_owned);
        let mut walked = pairs(bucket::META, &mut |key, value| {
            match key {
                b"consistent_index" => out.consistent_index = Some(number(value)?),
                b"term" => out.term = Some(number(value)?),
                b"confState" => out.conf_state = Some(super::ConfState::parse(value)?),
                b"storageVersion" => out.storage_version = Some(text(value)?),
                b"scheduledCompactRev" => out.compaction.0 = Revision::parse(value)?.main,
                b"finishedCompactRev" => out.compaction.1 = Revision::parse(value)?.main,
                _ => {}
            }
            Some(())
        });
        walked.absorb(pairs(bucket::CLUSTER, &mut |key, value| {
            if key == b"clusterVersion" {
                out.cluster_version = Some(text(value)?);
            }
            Some(())
        }));
        walked.absorb(pairs(bucket::MEMBERS, &mut |key, value| {
            out.members.push(super::Member::parse(key, value)?);
            Some(())
        }));
        walked.absorb(pairs(bucket::REMOVED, &mut |key, _| {
            out.removed.push(super::Member::id(key)?);
            Some(())
        }));
        walked.absorb(pairs(bucket::ALARM, &mut |key, _| {
            out.alarms.push(super::alarm(key)?);
            Some(())
        }));
        walked.absorb(pairs(bucket::LEASE, &mut |key, _| {
            out.leases.insert(number(key)?);
            Some(())
        }));
        // Users and roles, and what a later etcd may add: not looked into, but reached, so that damage shows.
        let known = [
            bucket::KEY,
            bucket::META,
            bucket::CLUSTER,
            bucket::MEMBERS,
            bucket::REMOVED,
            bucket::ALARM,
            bucket::LEASE,
        ];
        for other in &walk.buckets {
            if !known.contains(&other.name.as_slice()) {
                walked.absorb(pairs(&other.name, &mut |_, _| Some(())));
            }
        }
        out.walked = walked;
        out
    }
}

impl<R: ReadAt> Rows for Etcd<R> {
    fn engine(&self) -> Engine {
        Engine::Etcd
    }

    fn scan(&self, part: usize, of: usize, each: &mut dyn FnMut(Row<'_>)) -> Walked {
        let Some(bucket) = self.keys() else {
            return Walked::default();
        };
        let Some(part) = bucket.parts(of).into_iter().nth(part) else {
            return Walked::default();
        };
        bucket.leaves(
            &self.database,
            &self.walk.seen,
            part,
            |entry, nested, walked| {
                if nested {
                    walked.note(entry.offset, "a bucket stands among the revisions");
                    return;
                }
                let Some(revision) = Revision::parse(entry.key) else {
                    walked.note(entry.offset, "a key of this bucket is no revision");
                    return;
                };
                let Some(kv) = KeyValue::parse(entry.value) else {
                    walked.note(
                        entry.offset,
                        format!("revision {} is not whole", revision.main),
                    );
                    return;
                };
                if !revision.is_tombstone && kv.mod_revision != revision.main {
                    let what = format!(
                        "revision {} calls itself {}",
                        revision.main, kv.mod_revision
                    );
                    walked.note(entry.offset, what);
                }
                let within = entry.value.len() - rest(entry.value, kv.value);
                each(Row {
                    key: kv.key,
                    revision: (revision.main, revision.sub),
                    create_revision: kv.create_revision,
                    version: kv.version,
                    lease: kv.lease,
                    value: (!revision.is_tombstone).then_some(kv.value),
                    place: Place {
                        at: entry.offset + within as u64,
                        length: u32::try_from(kv.value.len()).unwrap_or(u32::MAX),
                    },
                });
            },
        )
    }

    fn value(&self, place: Place) -> io::Result<Vec<u8>> {
        let end = place.at.saturating_add(u64::from(place.length));
        if end > self.database.length() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut out = vec![0; usize::try_from(place.length).unwrap_or(0)];
        self.database.source().read_at(place.at, &mut out)?;
        Ok(out)
    }

    fn compacted(&self) -> u64 {
        self.meta.compaction.1
    }
}

/// Bytes from where a part of a message begins to the message's end.
pub(super) fn rest(message: &[u8], part: &[u8]) -> usize {
    // Both are of one buffer; the field behind the value is the lease, which may be absent.
    let start = part.as_ptr().addr().wrapping_sub(message.as_ptr().addr());
    message.len().saturating_sub(start)
}
