//! The rollback journal beside a database: pages as they were before a transaction that never ended.
//!
//! While it lies there, the database holds what was never committed; whoever opens it for writing takes that back
//! first. kine keeps a write-ahead log instead, other hands do not. Source: sqlite.org/fileformat2.html, section 3.
//! Deliberately absent: a journal that another one leads, which takes several databases.

use std::io;
use std::path::Path;

use defib_formats::bytes::u32_be;
use defib_formats::read_at::ReadAt;
use rusqlite::{Connection, OpenFlags};

use super::super::FileAt;
use super::budget::{Bytes, Steps};

/// How a journal begins whose transaction did not end; one that ended is emptied, or its head is zeros.
const MAGIC: &[u8] = &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Bytes of its head.
const HEAD: u64 = 28;

/// The journal, where it holds pages that belong back into the database.
///
/// # Errors
/// When there is one that can't be read, or a link.
pub(super) fn hot(path: &Path) -> io::Result<Option<FileAt>> {
    let journal = match FileAt::found(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    if journal.len() < HEAD {
        return Ok(None);
    }
    let mut head = [0; HEAD as usize];
    journal.read_at(0, &mut head)?;
    let word = |at| u64::from(u32_be(&head, at).unwrap_or_default());
    // Behind a head as long as a sector stand pages, each with its number and a sum.
    let (pages, sector, page) = (word(8), word(20), word(24));
    let is_hot = head.starts_with(MAGIC) && pages > 0 && journal.len() >= sector + page + 8;
    Ok(is_hot.then_some(journal))
}

/// Has SQLite take back what the journal beside a copy holds.
pub(super) fn roll_back(copy: &Path) -> Result<(), rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(copy, flags)?;
    let _steps = Steps::of(&mut connection, Bytes::of(copy))?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
    connection.query_row("SELECT max(rowid) FROM sqlite_schema", [], |_| Ok(()))
}
