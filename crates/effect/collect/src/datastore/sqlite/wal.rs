//! Does a write-ahead log belong to the database beside which it lies?
//!
//! SQLite takes any log that is whole in itself, and pages of another database ruin what is read. The two do
//! not name each other, so what they hold is compared: rows of kine are never changed, and their ids only rise.
//! Source: sqlite.org/walformat.html. Deliberately absent: frames' checksums, which SQLite looks at itself.

use std::fs::File;
use std::path::Path;

use defib_formats::read_at::ReadAt;
use rusqlite::{Connection, OptionalExtension};

use super::{FileAt, connect, first, said};

/// Bytes of a log's head, and of a frame's.
const HEAD: usize = 32;
const FRAME: u64 = 24;
/// Rows that are compared: of the newest, and of all others.
const NEWEST: i64 = 2_000;
const SPREAD: i64 = 500;

/// Pages that the log commits; 0 where it says nothing.
///
/// # Errors
/// When it can't belong to the database, in words.
pub(super) fn pages(log: &Path, database: &Path) -> Result<u64, String> {
    let open = |path: &Path| File::open(path).and_then(FileAt::new);
    let (Ok(log), Ok(database)) = (open(log), open(database)) else {
        return Ok(0);
    };
    let (Some(head), Some(own)) = (first(&log, HEAD), first(&database, 100)) else {
        return Err(format!("it is no whole log, it has {} bytes", log.len()));
    };
    let word = |bytes: &[u8], at: usize| -> u32 {
        let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
        u32::from_be_bytes(four.unwrap_or_default())
    };
    let magic = word(&head, 0);
    if magic & !1 != 0x377f_0682 || word(&head, 4) != 3_007_000 {
        return Err("it does not begin as a log of SQLite".into());
    }
    if checksum(&head, magic & 1 == 1) != (word(&head, 24), word(&head, 28)) {
        return Err("the checksum of its head is wrong".into());
    }
    let size = u64::from(word(&head, 8));
    let page = match own.get(16..18) {
        Some([0, 1]) => 65_536,
        Some([a, b]) => u64::from(u16::from_be_bytes([*a, *b])),
        _ => 0,
    };
    if size != page {
        return Err(format!(
            "its pages have {size} bytes, the database's {page}: it belongs to another one"
        ));
    }
    let salt = head.get(16..24);
    let (mut at, mut seen, mut committed) = (HEAD as u64, 0u64, 0u64);
    let mut frame = [0; 24];
    while at + FRAME + size <= log.len() {
        if log.read_at(at, &mut frame).is_err() || frame.get(8..16) != salt {
            break;
        }
        seen += 1;
        // A frame that says how long the database is now ends a transaction.
        if word(&frame, 4) != 0 {
            committed = seen;
        }
        at += FRAME + size;
    }
    Ok(committed)
}

/// The checksum of a log's head, over its first 24 bytes.
fn checksum(head: &[u8], is_big: bool) -> (u32, u32) {
    let (mut a, mut b) = (0u32, 0u32);
    let number = |four: &[u8]| -> u32 {
        let four: [u8; 4] = four.try_into().unwrap_or_default();
        if is_big {
            u32::from_be_bytes(four)
        } else {
            u32::from_le_bytes(four)
        }
    };
    for pair in head.get(..24).unwrap_or_default().chunks_exact(8) {
        let (x, y) = pair.split_at(4);
        a = a.wrapping_add(number(x)).wrapping_add(b);
        b = b.wrapping_add(number(y)).wrapping_add(a);
    }
    (a, b)
}

/// Why the log does not belong to this database, if it does not.
pub(super) fn stranger(database: &Path) -> Option<String> {
    const OTHER: &str = "it belongs to another database";
    // Where the database alone does not hold, nothing can be compared: a checkpoint that broke off is mended by
    // its log.
    let alone = connect(database, true).ok()?;
    let own = sample(&alone).ok()?;
    let both = match connect(database, false) {
        Ok(both) => both,
        Err(e) => return Some(format!("{OTHER}: with it, {}", said(&e))),
    };
    match compare(&own, &both) {
        Ok(None) => None,
        Ok(Some(why)) => Some(format!("{OTHER}: {why}")),
        // What does not hold alone either is damage of the database.
        Err(e) if compare(&own, &alone).is_ok() => Some(format!("{OTHER}: with it, {}", said(&e))),
        Err(_) => None,
    }
}

/// A row without its values: id, name, and the revisions that it names.
type Row = (i64, Vec<u8>, i64, i64);

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

/// What of the rows is otherwise here, if anything is.
fn compare(own: &[Row], with: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let Some(newest) = own.iter().map(|r| r.0).max() else {
        return Ok(None);
    };
    let reached: Option<i64> =
        with.query_row("SELECT max(id) FROM kine NOT INDEXED", [], |row| row.get(0))?;
    if reached.unwrap_or(0) < newest {
        return Ok(Some(format!(
            "the database reaches to revision {newest}, with it to {}",
            reached.unwrap_or(0)
        )));
    }
    let mut same = with.prepare(&format!("{ROW} WHERE id = ?1"))?;
    for wanted in own {
        // Compaction may have taken it.
        if let Some(found) = same.query_row([wanted.0], row).optional()?
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
