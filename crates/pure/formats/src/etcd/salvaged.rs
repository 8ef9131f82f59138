//! Rows out of a file whose tree does not lead to them: of every page that looks like a leaf.
//!
//! Pages that were given back keep what they held, so what was deleted or written over long ago comes back with
//! the rest. Deliberately absent: the log, for nobody knows on what it would build; members and leases.

use std::io;

use super::{KeyValue, Revision};
use crate::bbolt::{Database, Entry, Salvaged, Walked, salvage};
use crate::bytes::u64_be;
use crate::datastore::{Engine, Place, Row, Rows};
use crate::read_at::ReadAt;

/// Rows that were found, each revision once, in their order.
pub struct Salvage<R> {
    source: R,
    rows: Vec<Found>,
    /// Pages: what was looked at, and what could not be read.
    pub pages: Salvaged,
    /// Places of the file that look like rows and do not hold.
    pub broken: u64,
    /// Revision up to which history was given up, where that was found.
    compacted: Option<u64>,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    revision: Revision,
    at: u64,
    length: u32,
}

impl<R: ReadAt> Salvage<R> {
    /// Reads every page of the first `length` bytes.
    pub fn read(source: R, length: u64) -> Self {
        let page_size = Database::open(&source, length)
            .ok()
            .map(|d| d.meta().page_size);
        let mut rows = Vec::new();
        let (mut broken, mut compacted, mut has_meta) = (0, None, false);
        let pages = salvage(&source, length, page_size, |entry| {
            has_meta |= entry.key == b"consistent_index";
            if entry.key == b"finishedCompactRev" {
                compacted = compacted.max(u64_be(entry.value, 0));
            }
            match row(&entry) {
                Some(Some(found)) => rows.push(found),
                Some(None) => broken += 1,
                None => {}
            }
        });
        rows.sort_unstable();
        // The same row stands in every page that it was ever written to.
        rows.dedup_by_key(|f| (f.revision.main, f.revision.sub));
        Self {
            source,
            rows,
            pages,
            broken,
            // etcd writes down none before the first.
            compacted: compacted.or(has_meta.then_some(0)),
        }
    }

    /// How many revisions were found of those that there must have been since the last compaction up to the latest
    /// that was found; `None` where no page says when that was.
    pub fn share(&self) -> Option<(u64, u64)> {
        // The first write of all is revision 2.
        let from = self.compacted?.max(1);
        let last = self.rows.last()?.revision.main;
        let mut found = 0;
        let mut before = from;
        for row in &self.rows {
            if row.revision.main > before {
                found += 1;
                before = row.revision.main;
            }
        }
        Some((found, last.saturating_sub(from)))
    }

    /// Rows in all.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Was nothing found?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The bytes.
    pub fn source(&self) -> &R {
        &self.source
    }
}

/// The row that a pair is: none, or one that does not hold.
fn row(entry: &Entry<'_>) -> Option<Option<Found>> {
    let revision = Revision::parse(entry.key)?;
    let kv = KeyValue::parse(entry.value);
    let holds = kv.is_some_and(|kv| {
        revision.is_tombstone
            || kv.mod_revision == revision.main && kv.create_revision <= revision.main
    });
    let length = u32::try_from(entry.value.len()).ok();
    Some(length.filter(|_| holds).map(|length| Found {
        revision,
        at: entry.offset,
        length,
    }))
}

impl<R: ReadAt> Rows for Salvage<R> {
    fn engine(&self) -> Engine {
        Engine::Etcd
    }

    fn scan(&self, part: usize, of: usize, each: &mut dyn FnMut(Row<'_>)) -> Walked {
        let mut walked = Walked::default();
        if part == 0 {
            walked.absorb(self.pages.walked.clone());
            // Whatever is found, nobody knows what is missing.
            walked.note(
                0,
                "rows were taken page by page, where the tree should lead",
            );
        }
        let size = self.rows.len().div_ceil(of.max(1)).max(1);
        let mut buffer = Vec::new();
        for found in self.rows.chunks(size).nth(part).unwrap_or_default() {
            buffer.resize(usize::try_from(found.length).unwrap_or(0), 0);
            if let Err(e) = self.source.read_at(found.at, &mut buffer) {
                walked.note(found.at, format!("it can't be read any more: {e}"));
                continue;
            }
            let Some(kv) = KeyValue::parse(&buffer) else {
                walked.note(found.at, "it is not what it was a moment ago");
                continue;
            };
            let within = buffer.len() - super::rows::rest(&buffer, kv.value);
            each(Row {
                key: kv.key,
                revision: (found.revision.main, found.revision.sub),
                create_revision: kv.create_revision,
                version: kv.version,
                lease: kv.lease,
                value: (!found.revision.is_tombstone).then_some(kv.value),
                place: Place {
                    at: found.at + within as u64,
                    length: u32::try_from(kv.value.len()).unwrap_or(u32::MAX),
                },
            });
        }
        walked
    }

    fn value(&self, place: Place) -> io::Result<Vec<u8>> {
        let end = place.at.saturating_add(u64::from(place.length));
        if end > self.source.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut out = vec![0; usize::try_from(place.length).unwrap_or(0)];
        self.source.read_at(place.at, &mut out)?;
        Ok(out)
    }

    fn compacted(&self) -> u64 {
        self.compacted.unwrap_or(0)
    }
}

/// Does the beginning of a file look as if there were rows in it, whatever its meta pages say?
pub fn is_worth_salvaging(source: &impl ReadAt) -> bool {
    const SAMPLE: u64 = 16 << 20;
    let mut found = false;
    salvage(source, SAMPLE, None, |entry| {
        found |= row(&entry).is_some_and(|r| r.is_some());
    });
    found
}
