//! A private copy of a database, of its write-ahead log, and of a journal that takes back what never ended.
//!
//! A copy needs as much room as the original. Where there is none, both are read where they lie (`in_place`).
//! Deliberately absent: where the room is (`folder`), and the reading.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::FileAt;
use super::budget::said;
use super::folder::{Private, folders, is_full, room};
use super::journal;
use crate::CollectError;
use defib_formats::bbolt::Walked;
use defib_formats::read_at::ReadAt;

/// What was copied.
pub(super) struct Copied {
    /// The folder, which goes when this goes; none where nothing was copied.
    pub(super) folder: Option<Private>,
    /// Why nothing was copied.
    pub(super) full: Option<String>,
    /// The copy of the database.
    pub(super) database: PathBuf,
    /// The copy of its log, where it has one with anything in it; the log itself where nothing was copied.
    pub(super) log: Option<PathBuf>,
    /// Why a log that lies there was not copied.
    pub(super) left: Option<String>,
    /// What became of a journal of a transaction that never ended.
    pub(super) journal: Journal,
    /// The log itself.
    pub(super) log_at: Option<FileAt>,
    /// The database itself, where it was opened once more because it changed while it was copied before.
    pub(super) again: Option<FileAt>,
    /// Places of the database that can't be read.
    pub(super) holes: Walked,
    /// The originals changed while they were copied, each time.
    pub(super) moved: bool,
}

/// What may lie beside a database and belong to it.
pub(super) struct Beside {
    pub(super) log: PathBuf,
    pub(super) journal: PathBuf,
}

/// What became of a rollback journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Journal {
    /// There is none, or none with anything in it.
    #[default]
    None,
    /// The transaction was taken back in the copy.
    Back,
    /// It was not, for this reason: what is read was never committed.
    Left(String),
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
    beside: Option<&Beside>,
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
    let is_named = others.is_empty();
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
        // One that somebody named and that can't be written to is a mistake to be told. Where nobody named any, as in a
        // container without a place to write, nothing needs to be written either.
        Err(CollectError::NoRoom { source, folder, .. }) if !is_named || is_full(&source) => {
            match beside {
                Some(beside) => here(path, beside, folder, source),
                None => Err(CollectError::NoRoom {
                    path: path.to_owned(),
                    folder,
                    source,
                }),
            }
        }
        other => other,
    }
}

/// Nothing was copied, because there is no room in the folder, or nothing can be written.
fn here(
    path: &Path,
    beside: &Beside,
    folder: PathBuf,
    full: io::Error,
) -> Result<Copied, CollectError> {
    let journal = match journal::hot(&beside.journal) {
        Ok(None) => Journal::None,
        // What it would take back is only taken back in a copy.
        Ok(Some(_)) => {
            let why = format!(
                "{full}; and it can't be read where it lies: {} holds pages from before a transaction that never ended, \
                 which is taken back in a copy only",
                beside.journal.display()
            );
            return Err(CollectError::NoRoom {
                path: path.to_owned(),
                folder,
                source: io::Error::new(full.kind(), why),
            });
        }
        Err(e) => Journal::Left(e.to_string()),
    };
    Ok(Copied {
        folder: None,
        full: Some(format!("{}: {full}", folder.display())),
        database: path.to_owned(),
        log: Some(beside.log.clone()).filter(|l| !is_nothing(l)),
        left: None,
        journal,
        log_at: None,
        again: None,
        holes: Walked::default(),
        moved: false,
    })
}

/// Bytes of a database and of what is copied with it.
fn bytes_of(database: &FileAt, beside: Option<&Beside>) -> u64 {
    let parts = beside.into_iter().flat_map(|b| [&b.log, &b.journal]);
    let length = |path: &PathBuf| std::fs::symlink_metadata(path).map_or(0, |m| m.len());
    parts.map(length).fold(database.len(), u64::saturating_add)
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
    beside: Option<&Beside>,
    within: &Path,
) -> Result<Copied, CollectError> {
    let unwritable = |source| CollectError::NoRoom {
        path: path.to_owned(),
        folder: within.to_owned(),
        source,
    };
    let folder = Private::new(within).map_err(unwritable)?;
    let to = folder.path().join("state.db");
    let log_to = folder.path().join("state.db-wal");
    let journal_to = folder.path().join("state.db-journal");
    let mut moved = false;
    let mut holes = Walked::default();
    let mut left = None;
    let mut taken = Journal::None;
    let mut again: Option<FileAt> = None;
    for _ in 0..TRIES {
        let from = again.as_ref().unwrap_or(database);
        // The log of an earlier try would be read with a later database.
        for path in [&log_to, &journal_to] {
            match std::fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(unwritable(e)),
                _ => {}
            }
        }
        // The database first: a checkpoint between the two is seen by the change of either.
        holes = whole(from, &to).map_err(unwritable)?;
        let mut back_at = None;
        (taken, left) = (Journal::None, None);
        match beside.map_or(Ok(None), |b| journal::hot(&b.journal)) {
            Ok(None) => {}
            Ok(Some(file)) => {
                whole(&file, &journal_to).map_err(unwritable)?;
                taken = Journal::Back;
                back_at = Some(file);
            }
            Err(e) => taken = Journal::Left(e.to_string()),
        }
        let mut log_at = None;
        if let Some(log) = beside.map(|b| &b.log).filter(|log| !is_nothing(log)) {
            match FileAt::found(log) {
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
        let parts = [Some(from), log_at.as_ref(), back_at.as_ref()];
        moved = parts.into_iter().flatten().any(FileAt::has_changed);
        if !moved {
            return Ok(Copied {
                journal: back(taken, &to, &log_to),
                database: to,
                log: log_at.is_some().then_some(log_to),
                left,
                log_at,
                again,
                holes,
                moved,
                folder: Some(folder),
                full: None,
            });
        }
        match FileAt::open(path) {
            Ok(file) => again = Some(file),
            Err(_) => break,
        }
    }
    Ok(Copied {
        journal: back(taken, &to, &log_to),
        log: log_to.exists().then_some(log_to),
        left,
        database: to,
        log_at: None,
        again: None,
        holes,
        moved,
        folder: Some(folder),
        full: None,
    })
}

/// Takes back in the copy what its journal holds, if it has one.
fn back(journal: Journal, copy: &Path, log: &Path) -> Journal {
    if journal != Journal::Back {
        return journal;
    }
    // SQLite would bring the log into the database at once: nobody knows yet whether it belongs there.
    let aside = log.with_extension("aside");
    let is_aside = std::fs::rename(log, &aside).is_ok();
    let done = journal::roll_back(copy);
    if is_aside && let Err(e) = std::fs::rename(&aside, log) {
        return Journal::Left(format!("its log is lost: {e}"));
    }
    match done {
        Ok(()) => Journal::Back,
        Err(e) => Journal::Left(said(&e)),
    }
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
