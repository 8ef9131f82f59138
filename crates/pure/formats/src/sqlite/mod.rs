//! SQLite's file and the write-ahead log beside it, read by pages where they lie.
//!
//! For databases that nobody has room to copy: SQLite itself can't read a log without writing beside it. A table is
//! walked by its ids, nothing more. Source: sqlite.org/fileformat2.html. Every place is checked; what does not hold
//! is damage, and the walk goes on beside it. Deliberately absent: writing, locks, indexes, SQL, tables without
//! ids, text that is not UTF-8: where a copy can be made, SQLite reads it (`collect`).

mod log;
mod node;
mod pages;
mod reached;
mod record;
mod schema;
mod tree;

pub use log::{End, Log, LogError};
pub use node::Cell;
pub use pages::{Head, Pages};
pub use reached::Reached;
pub use record::{Field, Fields, Value, fields};
pub use schema::Definition;
pub use tree::Table;

/// Why a file can't be read by pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Its head can't be read, or is none of SQLite.
    #[error("its head does not hold: {0}")]
    Head(String),
    /// Its text is not UTF-8.
    #[error("its text is UTF-16, which kine never writes")]
    Encoding,
    /// The list of its tables can't be read.
    #[error("the list of its tables does not hold: {0}")]
    Schema(String),
}
