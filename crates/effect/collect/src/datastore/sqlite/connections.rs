//! SQLite, open for reading: one connection for each thread.
//!
//! Deliberately absent: what is asked, and what it may cost (`budget`).

use std::ops::Deref;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::budget::{Bytes, MEMORY, Steps, Watch};

/// Connections to one database.
pub(super) struct Connections {
    /// One for each thread that scans: a connection is for one at a time.
    parts: Vec<Mutex<Bounded>>,
    /// One for single questions, which may be asked within a scan.
    single: Mutex<Bounded>,
    /// Bytes of the database and its log.
    bytes: Bytes,
}

/// A connection whose questions end, whatever the file says.
pub(super) struct Bounded {
    connection: Connection,
    steps: Steps,
}

impl Deref for Bounded {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Connections {
    /// Opens as many as there are threads; `alone`: without the write-ahead log.
    pub(super) fn open(path: &Path, alone: bool) -> Result<Self, rusqlite::Error> {
        let count = rayon::current_num_threads().max(1);
        let parts: Result<_, _> = (0..count)
            .map(|_| connect(path, alone).map(Mutex::new))
            .collect();
        Ok(Self {
            parts: parts?,
            single: Mutex::new(connect(path, alone)?),
            bytes: Bytes::of(path),
        })
    }

    /// Bytes that all values together can have.
    pub(super) fn most(&self) -> u64 {
        self.bytes.most
    }

    /// For what is taken one by one.
    pub(super) fn watch(&self) -> Watch {
        Watch::new(self.bytes)
    }

    /// A number that is asked for; none where it can't be had.
    pub(super) fn number(&self, sql: &str) -> Option<u64> {
        let found: Option<i64> = self.single().query_row(sql, [], |row| row.get(0)).ok()?;
        u64::try_from(found.unwrap_or(0)).ok()
    }

    /// The one for single questions.
    pub(super) fn single(&self) -> MutexGuard<'_, Bounded> {
        let single = self.single.lock().unwrap_or_else(PoisonError::into_inner);
        single.steps.renew_for_me();
        single
    }

    /// The one of a thread.
    pub(super) fn part(&self, part: usize) -> MutexGuard<'_, Bounded> {
        let at = part % self.parts.len().max(1);
        // One is always there: `open` makes at least one.
        #[expect(clippy::indexing_slicing, reason = "an index taken modulo the length")]
        let chosen = &self.parts[at];
        let part = chosen.lock().unwrap_or_else(PoisonError::into_inner);
        part.steps.renew();
        part
    }
}

/// Opens a database for reading; `alone`: without its write-ahead log.
pub(super) fn connect(path: &Path, alone: bool) -> Result<Bounded, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // What follows two slashes would be the name of a machine: so an empty one stands there.
    let mut address = String::from(if path.is_absolute() {
        "file://"
    } else {
        "file:"
    });
    for byte in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()) {
        match byte {
            b'/' | b'.' | b'-' | b'_' => address.push(char::from(*byte)),
            b if b.is_ascii_alphanumeric() => address.push(char::from(*b)),
            b => address.push_str(&format!("%{b:02x}")),
        }
    }
    address.push_str("?mode=ro");
    if alone {
        // It does not change, or is asked whether it did; and this is how SQLite is told to see no log.
        address.push_str("&immutable=1");
    }
    let mut connection = Connection::open_with_flags(address, flags)?;
    // Before anything is asked: the list of its tables is a tree, too.
    let steps = Steps::of(&mut connection, Bytes::of(path))?;
    // The file is not ours: no function of its schema is run, and cells are checked before they are used.
    connection.execute_batch(&format!("PRAGMA hard_heap_limit = {MEMORY}"))?;
    connection.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON; \
         PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;",
    )?;
    // The first question opens the log too, while the copy still has a name. Not how many: that is one step, which
    // nothing ends.
    connection.query_row("SELECT max(rowid) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(Bounded { connection, steps })
}
