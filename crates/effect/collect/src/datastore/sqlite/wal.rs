//! The write-ahead log beside a database: does it belong there, and is it whole?
//!
//! SQLite takes any log that is whole in itself, and pages of another database ruin what is read. The two do
//! not name each other, so what they hold is compared: rows of kine are never changed but for its own note
//! of compaction, and their ids only rise. Where a frame of a log does not hold, SQLite leaves it out with all behind
//! it and says nothing. Deliberately absent: the form of a log (`formats::sqlite`).

use std::path::Path;

use defib_formats::bbolt::{Damage, Walked};
use defib_formats::sqlite::{self, End, Head};

use super::budget::said;
use super::connections::connect;
use super::copy::Copied;
use super::in_place::{InPlace, Refused};
use super::{FileAt, Log};

/// Rows that are compared: of the newest, and of all others.
pub(super) const NEWEST: i64 = 2_000;
pub(super) const SPREAD: i64 = 500;

/// What is said of a log that holds what the database can't.
pub(super) const OTHER: &str = "it belongs to another database";

/// Decides whether the log may be read with the copy, and takes it away from there if not.
pub(super) fn settle(copied: &Copied) -> Result<(Log, End), rusqlite::Error> {
    let Some(path) = &copied.log else {
        let log = match &copied.left {
            Some(why) => Log::Left { why: why.clone() },
            None => Log::None,
        };
        return Ok((log, End::Whole));
    };
    let (log, end) = judged(path, &copied.database);
    if let Log::Left { .. } = log {
        let shared = path.with_extension("db-shm");
        for path in [path, &shared] {
            // A copy of ours; one that stays would be read, and the next connection then says so.
            drop(std::fs::remove_file(path));
        }
    }
    Ok((log, end))
}

fn judged(path: &Path, database: &Path) -> (Log, End) {
    let none = (Log::None, End::Whole);
    let open = |path: &Path| FileAt::open(path);
    let (Ok(file), Ok(own)) = (open(path), open(database)) else {
        return none;
    };
    // Where the database has no head, SQLite says so.
    let Ok(head) = Head::read(&own) else {
        return none;
    };
    let log = match sqlite::Log::open(file, head.page_size) {
        Ok(log) => log,
        Err(e) => return (Log::Left { why: e.to_string() }, End::Whole),
    };
    let (pages, end) = (log.committed(), log.end().clone());
    if pages == 0 {
        return (Log::None, end);
    }
    // What can't be read by pages is compared by what SQLite makes of it.
    if let (Ok(alone), Ok(again)) = (InPlace::open(own, None), open(database)) {
        let why = match InPlace::open(again, Some(log)) {
            Ok(both) => stranger(&alone, &both),
            // A column that somebody added, with a value for all rows: SQLite says whether it can be read.
            Err(Refused::Odd) => None,
            Err(why) => Some(format!("{OTHER}: with it, {why}")),
        };
        if let Some(why) = why {
            return (Log::Left { why }, End::Whole);
        }
    }
    if let Err(e) = connect(database, false)
        && connect(database, true).is_ok()
    {
        let why = format!("{OTHER}: with it, {}", said(&e));
        return (Log::Left { why }, End::Whole);
    }
    (Log::Read { pages }, end)
}

/// What the end of a log means: what is damaged, and why what was read may not be all.
pub(super) fn ended(end: &End, found: &mut Walked) -> Option<String> {
    match end {
        End::Whole => None,
        End::Cut { frame } => Some(format!(
            "its write-ahead log ends with frame {frame}, which does not hold, as where the power went: what was being \
             written then is missing"
        )),
        End::Broken {
            frame,
            behind,
            commits,
        } => {
            let why = format!(
                "its write-ahead log breaks at frame {frame}, which does not hold; {behind} frames from there on bear \
                 the log's mark and commit {commits} transactions: SQLite leaves them out, and what they wrote is missing"
            );
            found.note(0, format!("(log) {why}"));
            Some(why)
        }
        End::Unread { frame, why } => {
            let why = format!(
                "its write-ahead log breaks off at frame {frame}: {why}; what was written from there on is missing"
            );
            found.note(0, format!("(log) {why}"));
            Some(why)
        }
    }
}

/// Why the log does not belong to this database, if it does not.
pub(super) fn stranger(alone: &InPlace, both: &InPlace) -> Option<String> {
    // Where the database alone does not hold, nothing can be compared: a checkpoint that broke off is mended by
    // its log.
    let own = alone.sample().ok()?;
    // Ids never go back in one database: not where its newest rows were deleted either, by hand.
    let is_later =
        matches!((alone.counter(), both.counter()), (Some(own), Some(with)) if with >= own);
    let why = match compare(&own, both, is_later) {
        Ok(why) => why?,
        Err(damage) => {
            // What does not hold alone either is damage of the database.
            compare(&own, alone, is_later).ok()?;
            format!("with it, {damage}")
        }
    };
    let holds = alone.survey().found.damages == 0;
    holds.then(|| format!("{OTHER}: {why}"))
}

/// A row without its values: id, name, and the revisions that it names.
pub(super) type Row = (i64, Vec<u8>, i64, i64);

/// What of the rows is otherwise where the log is read, too, if anything is.
/// `is_later`: by the counter of its ids it is the same database later, or as it was.
fn compare(own: &[Row], with: &InPlace, is_later: bool) -> Result<Option<String>, Damage> {
    let Some(newest) = own.iter().map(|r| r.0).max() else {
        return Ok(None);
    };
    let reached = with.highest()?.unwrap_or(0);
    if reached < newest && !is_later {
        return Ok(Some(format!(
            "the database reaches to revision {newest}, with it to {reached}"
        )));
    }
    for wanted in own {
        // The one row that kine changes: how far it has compacted.
        if wanted.1 == b"compact_rev_key" {
            continue;
        }
        // Compaction may have taken it.
        if let Some(found) = with.row(wanted.0)?
            && found != *wanted
        {
            return Ok(Some(format!(
                "revision {} is {} in the database, with it {}",
                wanted.0,
                String::from_utf8_lossy(&wanted.1),
                String::from_utf8_lossy(&found.1)
            )));
        }
    }
    Ok(None)
}
