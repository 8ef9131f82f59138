//! A datastore as a list of writes, whatever keeps it.
//!
//! etcd and kine both keep every write under a revision until they compact, so everything that is asked of a
//! dead datastore is asked of its rows. Deliberately absent: the reading of SQLite (`collect`), and what the
//! rows mean together (`store`).

use std::io;

use crate::bbolt::Walked;

/// What keeps the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// etcd's file of bbolt.
    Etcd,
    /// kine's table in SQLite.
    Kine,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Etcd => "etcd",
            Self::Kine => "kine",
        })
    }
}

/// One write, or one deletion.
#[derive(Clone, Copy, Debug)]
pub struct Row<'b> {
    /// The key.
    pub key: &'b [u8],
    /// The revision of this write, and its place among the writes of the same transaction.
    pub revision: (u64, u64),
    /// The revision in which the key was created last; 0 for a deletion.
    pub create_revision: u64,
    /// Writes since it was created; 0 where the datastore does not count them.
    pub version: u64,
    /// The lease on which it depends, or 0.
    pub lease: u64,
    /// The value; `None` for a deletion.
    pub value: Option<&'b [u8]>,
    /// Where the value can be read again.
    pub place: Place,
}

/// Where a value stands: the byte of the file in etcd, the id of the row in kine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Byte, or id.
    pub at: u64,
    /// Bytes of the value.
    pub length: u32,
}

/// Marks the place of what a later row of kine still says of a row that is gone.
pub const REMNANT: u64 = 1 << 63;

impl Place {
    /// Is it no row of its own, but what a later one says of it?
    pub fn is_remnant(self) -> bool {
        self.at & REMNANT != 0
    }
}

/// The rows of a datastore.
pub trait Rows: Sync {
    /// What keeps them.
    fn engine(&self) -> Engine;

    /// Gives every row of one of `of` parts, in the order of their revisions; the parts follow each other, and
    /// may be read by several threads. Fewer parts than asked for may hold anything.
    fn scan(&self, part: usize, of: usize, each: &mut dyn FnMut(Row<'_>)) -> Walked;

    /// Reads one value again.
    ///
    /// # Errors
    /// When the source can't be read there.
    fn value(&self, place: Place) -> io::Result<Vec<u8>>;

    /// Revision up to which history is gone; 0 where none is, or where it is not known.
    fn compacted(&self) -> u64;
}
