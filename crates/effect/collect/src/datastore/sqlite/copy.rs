//! A private copy of a database and of its write-ahead log.
//!
//! A copy needs as much room as the original in the folder for temporary files: `TMPDIR`, else whichever of `/tmp`,
//! `/var/tmp` and `/dev/shm` has it. Where none has, both are read where they lie (`place`).
//! No file system is filled to its end, and no more than half of the free memory: what is dying on the host must
//! not die of this. Deliberately absent: the reading.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use defib_formats::bbolt::Walked;
use defib_formats::read_at::ReadAt;
use tempfile::TempDir;

use super::super::FileAt;
use crate::CollectError;

/// What was copied.
pub(super) struct Copied {
    /// The folder, which goes when this goes; none where nothing was copied.
    pub(super) folder: Option<TempDir>,
    /// The copy of the database.
    pub(super) database: PathBuf,
    /// The copy of its log, where it has one with anything in it; the log itself where nothing was copied.
    pub(super) log: Option<PathBuf>,
    /// Why a log that lies there was not copied.
    pub(super) left: Option<String>,
    /// The log itself.
    pub(super) log_at: Option<FileAt>,
    /// Places of the database that can't be read.
    pub(super) holes: Walked,
    /// The originals changed while they were copied, each time.
    pub(super) moved: bool,
}

/// How often it is tried to get a copy during which nothing was written.
const TRIES: usize = 3;
/// Bytes copied at once.
const BLOCK: usize = 1 << 20;
/// Bytes that are given up where one of them can't be read.
const SECTOR: usize = 4_096;

pub(super) fn take(
    path: &Path,
    database: &FileAt,
    beside: Option<&Path>,
) -> Result<Copied, CollectError> {
    let within = |folder: &Path| {
        room(folder, bytes_of(database, beside))
            .map_err(|source| CollectError::NoRoom {
                path: path.to_owned(),
                folder: folder.to_owned(),
                source,
            })
            .and_then(|()| copied(path, database, beside, folder))
    };
    let (first, others) = folders();
    let mut done = within(&first);
    for folder in others {
        if !matches!(done, Err(CollectError::NoRoom { .. })) {
            break;
        }
        // What is said is why there was none in the first.
        done = match (within(Path::new(folder)), done) {
            (Err(CollectError::NoRoom { .. }), first) => first,
            (other, _) => other,
        };
    }
    match done {
        Err(CollectError::NoRoom { source, .. }) if is_full(&source) && beside.is_some() => {
            Ok(Copied {
                folder: None,
                database: path.to_owned(),
                log: beside.filter(|l| !is_nothing(l)).map(Path::to_owned),
                left: None,
                log_at: None,
                holes: Walked::default(),
                moved: false,
            })
        }
        other => other,
    }
}

/// Where a copy may lie: where somebody said, or else in the first of several in which there is room.
fn folders() -> (PathBuf, &'static [&'static str]) {
    match std::env::var_os("TMPDIR").filter(|said| !said.is_empty()) {
        Some(said) => (said.into(), &[]),
        None => ("/tmp".into(), &["/var/tmp", MEMORY]),
    }
}

/// A file system in memory.
const MEMORY: &str = "/dev/shm";

/// Bytes of a database and of its log.
fn bytes_of(database: &FileAt, log: Option<&Path>) -> u64 {
    let log = log
        .and_then(|l| std::fs::metadata(l).ok())
        .map_or(0, |m| m.len());
    database.len().saturating_add(log)
}

/// Has the folder room for so many bytes, and some to spare?
fn room(folder: &Path, bytes: u64) -> io::Result<()> {
    let said = rustix::fs::statvfs(folder)?;
    let mut free = said.f_bavail.saturating_mul(said.f_frsize);
    if folder == Path::new(MEMORY) {
        free = free.min(free_memory() / 2);
    }
    let wanted = bytes.saturating_add(bytes / 10);
    if free >= wanted {
        return Ok(());
    }
    let what = format!("{free} bytes are free there, and {wanted} are wanted");
    Err(io::Error::new(io::ErrorKind::StorageFull, what))
}

/// Bytes of memory that are to be had (`proc_meminfo(5)`); none where that is not said.
fn free_memory() -> u64 {
    let said = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = said.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1024)
}

/// Is it that there is no room?
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded
    )
}

/// Is there no such log, or nothing in it?
fn is_nothing(log: &Path) -> bool {
    match std::fs::symlink_metadata(log) {
        Ok(meta) => meta.is_file() && meta.len() == 0,
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    }
}

fn copied(
    path: &Path,
    database: &FileAt,
    beside: Option<&Path>,
    within: &Path,
) -> Result<Copied, CollectError> {
    let unwritable = |source| CollectError::NoRoom {
        path: path.to_owned(),
        folder: within.to_owned(),
        source,
    };
    let private = std::fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new()
        .prefix("defib-")
        .permissions(private)
        .tempdir_in(within)
        .map_err(unwritable)?;
    let to = folder.path().join("state.db");
    let log_to = folder.path().join("state.db-wal");
    let mut moved = false;
    let mut holes = Walked::default();
    let mut left = None;
    let mut again;
    let mut from = database;
    for _ in 0..TRIES {
        // The log of an earlier try would be read with a later database.
        match std::fs::remove_file(&log_to) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(unwritable(e)),
            _ => {}
        }
        // The database first: a checkpoint between the two is seen by the change of either.
        holes = whole(from, &to).map_err(unwritable)?;
        let mut log_at = None;
        left = None;
        if let Some(log) = beside.filter(|log| !is_nothing(log)) {
            match FileAt::open(log) {
                Ok(file) => {
                    let unread = whole(&file, &log_to).map_err(unwritable)?;
                    for hole in unread.damage {
                        holes.note(0, format!("byte {} of its log {}", hole.offset, hole.what));
                    }
                    log_at = Some(file);
                }
                Err(e) => left = Some(format!("it can't be read: {e}")),
            }
        }
        moved = from.has_changed() || log_at.as_ref().is_some_and(FileAt::has_changed);
        if !moved {
            return Ok(Copied {
                database: to,
                log: log_at.is_some().then_some(log_to),
                left,
                log_at,
                holes,
                moved,
                folder: Some(folder),
            });
        }
        match FileAt::open(path) {
            Ok(file) => again = file,
            Err(_) => break,
        }
        from = &again;
    }
    Ok(Copied {
        log: log_to.exists().then_some(log_to),
        left,
        database: to,
        log_at: None,
        holes,
        moved,
        folder: Some(folder),
    })
}

/// Copies all of it; what can't be read stays zero, and is noted.
fn whole(from: &FileAt, to: &Path) -> io::Result<Walked> {
    let mut out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)?;
    let mut holes = Walked::default();
    if from.copy_into(&mut out) {
        return Ok(holes);
    }
    let length = from.len();
    let mut buffer = vec![0; BLOCK];
    let mut at = 0;
    while at < length {
        let n = usize::try_from((length - at).min(BLOCK as u64)).unwrap_or(BLOCK);
        let Some(block) = buffer.get_mut(..n) else {
            break;
        };
        if from.read_at(at, block).is_ok() {
            out.write_all_at(block, at)?;
        } else {
            let mut place = at;
            for sector in block.chunks_mut(SECTOR) {
                if let Err(e) = from.read_at(place, sector) {
                    sector.fill(0);
                    holes.note(place, format!("can't be read: {e}"));
                }
                out.write_all_at(sector, place)?;
                place += sector.len() as u64;
            }
        }
        at += n as u64;
    }
    out.flush()?;
    Ok(holes)
}
