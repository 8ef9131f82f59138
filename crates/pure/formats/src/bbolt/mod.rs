//! bbolt, the file under etcd: pages of a B+ tree of buckets, read in place.
//!
//! Source: go.etcd.io/bbolt `internal/common/{page,meta,bucket,inode}.go`, `db.go`. Numbers are little-endian,
//! as on every machine that k3s runs on. Every offset is checked; what does not hold is a `Damage` with its
//! place, and the walk goes on beside it. Deliberately absent: writing, the free list (etcd does not keep
//! one on disk), and what buckets mean (`etcd`).

mod meta;
mod page;
mod salvage;
mod walk;

#[cfg(test)]
mod tests;

pub use meta::{Meta, Metas, OpenError};
pub use page::{Kind, Page};
pub use salvage::{Salvaged, salvage};
pub use walk::{Bucket, Entry, Seen, Walk, Walked};

use crate::read_at::ReadAt;

/// Bytes of a page's header.
const HEADER: usize = 16;
/// Bytes of a page with all that overflows from it; a larger one is damage. etcd refuses requests of more
/// than a few megabytes.
const LARGEST: u64 = 64 << 20;

/// A file of bbolt, open for reading.
pub struct Database<R> {
    source: R,
    /// Bytes that belong to it: a snapshot has a hash behind them.
    length: u64,
    metas: Metas,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// Byte of the file at which it shows.
    pub offset: u64,
    /// What is wrong there, a fragment of a sentence.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.what)
    }
}

impl<R: ReadAt> Database<R> {
    /// Reads the meta pages of the first `length` bytes.
    ///
    /// # Errors
    /// When neither meta page can be used.
    pub fn open(source: R, length: u64) -> Result<Self, OpenError> {
        let length = length.min(source.len());
        let metas = Metas::read(&source, length)?;
        Ok(Self {
            source,
            length,
            metas,
        })
    }

    /// The meta pages.
    pub fn metas(&self) -> &Metas {
        &self.metas
    }

    /// The meta page that counts.
    pub fn meta(&self) -> &Meta {
        self.metas.chosen()
    }

    /// Bytes of the file that belong to the database.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// Whole pages that are there, or were promised: whichever is fewer.
    pub fn pages(&self) -> u64 {
        let there = self.length / u64::from(self.meta().page_size);
        there.min(self.meta().high_water)
    }

    /// Begins a walk through everything that can be reached.
    pub fn walk(&self) -> Walk {
        Walk::new(self)
    }
}
