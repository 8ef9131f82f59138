//! Does a write-ahead log belong to the database beside which it lies?
//!
//! SQLite takes any log that is whole in itself, and pages of another database ruin what is read. The two do
//! not name each other, so what they hold is compared: rows of kine are never changed but for its own note
//! of compaction, and their ids only rise.
//! Deliberately absent: the form of a log (`formats::sqlite`).

use std::fs::File;
use std::path::Path;

use defib_formats::sqlite::{Head, Log};
use rusqlite::{Connection, OptionalExtension};

use super::FileAt;
use super::connections::{connect, said};

/// Rows that are compared: of the newest, and of all others.
pub(super) const NEWEST: i64 = 2_000;
pub(super) const SPREAD: i64 = 500;

/// Pages that the log commits; 0 where it says nothing.
///
/// # Errors
/// When it can't belong to the database, in words.
pub(super) fn pages(log: &Path, database: &Path) -> Result<u64, String> {
    let open = |path: &Path| File::open(path).and_then(FileAt::new);
    let (Ok(log), Ok(database)) = (open(log), open(database)) else {
        return Ok(0);
    };
    // Where the database has no head, SQLite says so.
    let Ok(head) = Head::read(&database) else {
        return Ok(0);
    };
    match Log::open(&log, head.page_size) {
        Ok(log) => Ok(log.map_or(0, |log| log.committed())),
        Err(e) => Err(e.to_string()),
    }
}

/// What is said of a log that holds what the database can't.
pub(super) const OTHER: &str = "it belongs to another database";

/// Why the log does not belong to this database, if it does not.
pub(super) fn stranger(database: &Path) -> Option<String> {
    // Where the database alone does not hold, nothing can be compared: a checkpoint that broke off is mended by
    // its log.
    let alone = connect(database, true).ok()?;
    let own = sample(&alone).ok()?;
    let both = match connect(database, false) {
        Ok(both) => both,
        Err(e) => return Some(format!("{OTHER}: with it, {}", said(&e))),
    };
    match asked(&own, &both) {
        Ok(None) => None,
        Ok(Some(why)) => Some(format!("{OTHER}: {why}")),
        // What does not hold alone either is damage of the database.
        Err(e) if asked(&own, &alone).is_ok() => Some(format!("{OTHER}: with it, {}", said(&e))),
        Err(_) => None,
    }
}

/// A row without its values: id, name, and the revisions that it names.
pub(super) type Row = (i64, Vec<u8>, i64, i64);

const ROW: &str =
    "SELECT id, CAST(name AS BLOB), create_revision, prev_revision FROM kine NOT INDEXED";

fn row(row: &rusqlite::Row<'_>) -> Result<Row, rusqlite::Error> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

/// The newest rows, and some of all others.
fn sample(of: &Connection) -> Result<Vec<Row>, rusqlite::Error> {
    let mut newest = of.prepare(&format!("{ROW} ORDER BY id DESC LIMIT ?1"))?;
    let mut out: Vec<Row> = newest.query_map([NEWEST], row)?.collect::<Result<_, _>>()?;
    let lowest = out.last().map_or(0, |r| r.0);
    let step = (lowest / SPREAD).max(1);
    let mut next = of.prepare(&format!("{ROW} WHERE id >= ?1 ORDER BY id LIMIT 1"))?;
    let mut from = 0;
    while from < lowest {
        match next.query_row([from], row).optional()? {
            Some(found) => {
                from = found.0.max(from).saturating_add(step);
                out.push(found);
            }
            None => break,
        }
    }
    Ok(out)
}

fn asked(own: &[Row], with: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let reached: Option<i64> =
        with.query_row("SELECT max(id) FROM kine NOT INDEXED", [], |row| row.get(0))?;
    let mut same = with.prepare(&format!("{ROW} WHERE id = ?1"))?;
    compare(own, reached, &mut |id| same.query_row([id], row).optional())
}

/// What of the rows is otherwise where the log is read, too, if anything is.
pub(super) fn compare<E>(
    own: &[Row],
    reached: Option<i64>,
    same: &mut dyn FnMut(i64) -> Result<Option<Row>, E>,
) -> Result<Option<String>, E> {
    let Some(newest) = own.iter().map(|r| r.0).max() else {
        return Ok(None);
    };
    if reached.unwrap_or(0) < newest {
        return Ok(Some(format!(
            "the database reaches to revision {newest}, with it to {}",
            reached.unwrap_or(0)
        )));
    }
    for wanted in own {
        // The one row that kine changes: how far it has compacted.
        if wanted.1 == b"compact_rev_key" {
            continue;
        }
        // Compaction may have taken it.
        if let Some(found) = same(wanted.0)?
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
