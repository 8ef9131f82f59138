//! What a question to a file of so many bytes may cost: a file that is not ours can lead in circles.
//!
//! Pages below a branch may be shared, so that few of them stand for rows without number, and values may go on in a
//! page that leads to itself. No row that is there is read twice, so both are told by the length of the files: never
//! by the count of pages, which the file names itself. A single step can still copy all of a file, for an entry of an
//! index that goes on in it: such steps are told by the time that they take. Deliberately absent: what is asked
//! (`connections`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use defib_formats::read_at::ReadAt;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode};
use rustix::time::ClockId;

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

/// What SQLite may have of the memory, for all connections of the process: values of a few megabytes are in use at a
/// time, and an entry of an index may say that it has two gigabytes.
pub(super) const MEMORY: u64 = 1 << 30;

/// Time that a question may take of the processor: a hundred times what its bytes take, and what a slow machine takes
/// of the smallest file. Waiting for a disk does not count, nor being stopped.
fn longest(bytes: Bytes) -> Duration {
    Duration::from_secs(5) + Duration::from_micros(bytes.written)
}

/// Time that this thread has taken of the processor.
fn taken() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    now.try_into().unwrap_or_default()
}

/// Does the same question go on for too long? For entries that are taken one by one.
pub(super) struct Watch {
    longest: Duration,
    end: Option<Duration>,
    rows: u64,
}

impl Watch {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self {
            longest: longest(bytes),
            end: None,
            rows: 0,
        }
    }

    /// After each row, by the thread that reads them.
    pub(super) fn is_over(&mut self) -> bool {
        self.rows += 1;
        // To ask for the time takes longer than a row.
        if !self.rows.is_multiple_of(16) {
            return false;
        }
        let now = taken();
        now > *self.end.get_or_insert(now + self.longest)
    }
}

/// Steps that are left to what is asked, and until when it may take them.
pub(super) struct Steps {
    left: Arc<AtomicU64>,
    most: u64,
    end: Arc<AtomicU64>,
    longest: Duration,
}

impl Steps {
    /// Has a connection end what takes more steps than files of so many bytes can take, and refuse longer values.
    pub(super) fn of(connection: &mut Connection, bytes: Bytes) -> Result<Self, rusqlite::Error> {
        let most = bytes.written.saturating_mul(STEPS).saturating_add(LEAST);
        let left = Arc::new(AtomicU64::new(most));
        let end = Arc::new(AtomicU64::new(u64::MAX));
        let (of_it, its_end) = (Arc::clone(&left), Arc::clone(&end));
        let is_over = move || {
            let was = of_it.load(Ordering::Relaxed);
            of_it.store(was.saturating_sub(EVERY), Ordering::Relaxed);
            was < EVERY || nanoseconds(taken()) > its_end.load(Ordering::Relaxed)
        };
        let every = i32::try_from(EVERY).unwrap_or(i32::MAX);
        connection.progress_handler(every, Some(is_over))?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LARGEST)?;
        Ok(Self {
            left,
            most,
            end,
            longest: longest(bytes),
        })
    }

    /// Something else is asked, and much else is done with what is found.
    pub(super) fn renew(&self) {
        self.left.store(self.most, Ordering::Relaxed);
        self.end.store(u64::MAX, Ordering::Relaxed);
    }

    /// Something else is asked, by this thread, which does nothing else meanwhile.
    pub(super) fn renew_for_me(&self) {
        self.renew();
        let end = nanoseconds(taken() + self.longest);
        self.end.store(end, Ordering::Relaxed);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
