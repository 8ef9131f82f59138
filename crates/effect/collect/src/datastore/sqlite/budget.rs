//! What a question to a file of so many bytes may cost: a file that is not ours can lead in circles.
//!
//! Pages below a branch may be shared, so that few of them stand for rows without number, and values may go on in a
//! page that leads to itself. No row that is there is read twice, so both are told by the length of the files: never
//! by the count of pages, which the file names itself. Deliberately absent: what is asked (`connections`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use defib_formats::read_at::ReadAt;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode};

/// Steps of SQLite's machine for each byte: its own check takes the most, and not a fifth of that.
const STEPS: u64 = 16;
/// Steps that a question may take of the smallest file.
const LEAST: u64 = 1_000_000;
/// Steps after which it is looked how many are left; often enough, and seldom enough to cost nothing.
const EVERY: u64 = 10_000;
/// Bytes of a value; a longer one is damage. Kubernetes refuses objects of more than a few megabytes.
const LARGEST: i32 = 64 << 20;

/// Zeros that values can be made of where a file has holes.
const HOLES: u64 = 1 << 30;
/// Places of a file between holes that are told apart.
const PARTS: usize = 10_000;

/// Bytes of a database and of the log beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    /// Those that were written: holes hold no pages of a tree.
    written: u64,
    /// Those that values can have together.
    pub(super) most: u64,
}

impl Bytes {
    /// Of a database, by its name.
    pub(super) fn of(path: &Path) -> Self {
        let (mut written, mut length) = (0u64, 0u64);
        for path in [path, &super::with_suffix(path, "-wal")] {
            let Ok(file) = super::FileAt::open(path) else {
                continue;
            };
            let here = file.written(PARTS);
            written = written.saturating_add(here);
            length = length.saturating_add(file.len());
        }
        let most = length.min(written.saturating_add(HOLES));
        Self { written, most }
    }
}

/// Steps that are left to what is asked.
pub(super) struct Steps {
    left: Arc<AtomicU64>,
    most: u64,
}

impl Steps {
    /// Has a connection end what takes more steps than files of so many bytes can take, and refuse longer values.
    pub(super) fn of(connection: &mut Connection, bytes: Bytes) -> Result<Self, rusqlite::Error> {
        let most = bytes.written.saturating_mul(STEPS).saturating_add(LEAST);
        let left = Arc::new(AtomicU64::new(most));
        let of_it = Arc::clone(&left);
        let is_over = move || {
            let was = of_it.load(Ordering::Relaxed);
            of_it.store(was.saturating_sub(EVERY), Ordering::Relaxed);
            was < EVERY
        };
        let every = i32::try_from(EVERY).unwrap_or(i32::MAX);
        connection.progress_handler(every, Some(is_over))?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LARGEST)?;
        Ok(Self { left, most })
    }

    /// Something else is asked.
    pub(super) fn renew(&self) {
        self.left.store(self.most, Ordering::Relaxed);
    }
}

/// Bytes of values that were given, and that there can be.
pub(super) struct Given {
    bytes: u64,
    most: u64,
}

impl Given {
    pub(super) fn new(most: u64) -> Self {
        Self { bytes: 0, most }
    }

    /// Counts what was given; false where it is more than the files have, so that it leads in circles.
    pub(super) fn fits(&mut self, field: ValueRef<'_>) -> bool {
        if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = field {
            self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        }
        self.bytes <= self.most
    }
}

/// SQLite's error in its own words, but for the end that is put to it here.
pub(super) fn said(error: &rusqlite::Error) -> String {
    match error {
        e if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            "it goes on for longer than any file of its length, so its pages lead in circles".into()
        }
        rusqlite::Error::SqliteFailure(_, Some(text)) => format!("SQLite says: {text}"),
        other => format!("SQLite says: {other}"),
    }
}
