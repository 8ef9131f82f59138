//! kine's table read by pages where it lies, with what the log beside it commits.
//!
//! For a database that nobody has room to copy. Nothing is locked, so a writer may be at work: what was read is no
//! consistent copy, and the log's frames are looked at again whenever one is read. Deliberately absent: indexes, so
//! that SQLite's own check is not made.

use std::io;
use std::path::Path;

use defib_formats::bbolt::{Damage, Walked};
use defib_formats::datastore::Row;
use defib_formats::read_at::ReadAt;
use defib_formats::sqlite::{self, Field, Head, Pages, Table, Value, fields};
use rusqlite::types::ValueRef;

use super::wal::{self, NEWEST, OTHER, SPREAD};
use super::{COLUMNS, FileAt, Log, rows};

/// How often it is tried to look through a log in which nothing is written meanwhile.
const TRIES: usize = 3;
/// What the highest id may be where the way to it is broken.
const HIGHEST: i64 = 1 << 40;

/// A database and its log, open for reading where they lie.
pub(super) struct InPlace {
    pages: Pages<FileAt, FileAt>,
    root: u32,
    /// Where each of [`COLUMNS`] stands in a record.
    columns: Vec<usize>,
}

/// Opens a database with the log beside it; the log alone may be left out, or hold nothing: then SQLite can read
/// the database where it lies.
///
/// # Errors
/// When the database can't be read so, in words.
pub(super) fn open(file: &FileAt, log: Option<&Path>) -> Result<(Log, Option<InPlace>), String> {
    let Some(path) = log else {
        return Ok((Log::None, None));
    };
    let mut tries = 1..=TRIES;
    loop {
        tries.next();
        let beside = match FileAt::open(path) {
            // A writer that ends or checkpoints leaves it so, with all of it in the database.
            Ok(beside) if beside.is_empty() => return Ok((Log::None, None)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Log::None, None)),
            Ok(beside) => beside,
            Err(e) => {
                let why = format!("it can't be read: {e}");
                return Ok((Log::Left { why }, None));
            }
        };
        let found = taken(file, &beside)?;
        // What somebody writes to meanwhile can look like anything.
        if !found.is_moved || tries.is_empty() {
            return found.what;
        }
    }
}

/// What was found of the two files, and whether they were written to meanwhile.
struct Taken {
    what: Result<(Log, Option<InPlace>), String>,
    is_moved: bool,
}

fn taken(file: &FileAt, beside: &FileAt) -> Result<Taken, String> {
    let again = |of: &FileAt| of.again().map_err(|e| e.to_string());
    let begun = again(file)?;
    let is_moved = || begun.has_changed() || beside.has_changed();
    let done = |what| {
        let is_moved = is_moved();
        Ok(Taken { what, is_moved })
    };
    let left = |why: String| Ok((Log::Left { why }, None));
    let head = match Head::read(&begun) {
        Ok(head) => head,
        Err(e) => return done(Err(e.to_string())),
    };
    let log = match sqlite::Log::open(again(beside)?, head.page_size) {
        Ok(Some(log)) => log,
        Ok(None) => return done(Ok((Log::None, None))),
        Err(e) => return done(left(e.to_string())),
    };
    let pages = log.committed();
    let alone = InPlace::open(again(file)?, None);
    let both = match (InPlace::open(again(file)?, Some(log)), &alone) {
        (Ok(both), _) => both,
        // What does not hold alone either is damage of the database.
        (Err(why), Err(_)) => return done(Err(why)),
        (Err(why), Ok(_)) => return done(left(format!("{OTHER}: with it, {why}"))),
    };
    let stranger = alone.ok().and_then(|alone| stranger(&alone, &both));
    let is_moved = is_moved() || both.has_changed();
    let what = match stranger {
        // Of two moments, they need not fit.
        Some(why) if !is_moved => left(why),
        _ => Ok((Log::Read { pages }, Some(both))),
    };
    Ok(Taken { what, is_moved })
}

/// Why the log does not belong to this database, if it does not.
fn stranger(alone: &InPlace, both: &InPlace) -> Option<String> {
    // Where the database alone does not hold, nothing can be compared.
    let own = alone.sample().ok()?;
    let compared = |with: &InPlace| {
        let reached = with.table().highest()?;
        wal::compare(&own, reached, &mut |id| with.row(id))
    };
    match compared(both) {
        Ok(None) => None,
        Ok(Some(why)) => Some(format!("{OTHER}: {why}")),
        Err(why) if compared(alone).is_ok() => Some(format!("{OTHER}: with it, {why}")),
        Err(_) => None,
    }
}

impl InPlace {
    fn open(file: FileAt, log: Option<sqlite::Log<FileAt>>) -> Result<Self, String> {
        let pages = Pages::open(file, log).map_err(|e| e.to_string())?;
        let Some(table) = pages.table("kine").map_err(|e| e.to_string())? else {
            return Err("it is a database of SQLite, and not one of kine".into());
        };
        let have = table
            .columns()
            .ok_or("its table kine was not made by kine, and can't be read where it lies")?;
        let columns: Vec<usize> = COLUMNS
            .iter()
            .filter_map(|c| have.iter().position(|h| h == c))
            .collect();
        if columns.len() != COLUMNS.len() || columns.first() != Some(&0) {
            return Err("its table kine has not all columns of kine".into());
        }
        Ok(Self {
            pages,
            root: table.root,
            columns,
        })
    }

    fn table(&self) -> Table<'_, FileAt, FileAt> {
        Table::new(&self.pages, self.root)
    }

    /// The columns of a record; what it lacks is nothing, and so is what was not given of it.
    fn columns<'b>(&self, record: &'b [u8]) -> [Option<Field<'b>>; 9] {
        let mut out = [None; 9];
        for (at, field) in fields(record).into_iter().flatten().enumerate() {
            let column = self.columns.iter().position(|c| *c == at);
            if let Some(place) = column.and_then(|n| out.get_mut(n)) {
                *place = Some(field);
            }
        }
        out
    }

    /// Gives the rows of a range as [`rows::SCAN`] does.
    pub(super) fn scan(
        &self,
        wanted: (i64, i64),
        walked: &mut Walked,
        each: &mut dyn FnMut(Row<'_>),
    ) {
        let table = self.table();
        let (mut budget, mut record) = (table.budget(), Vec::new());
        table.walk(wanted, walked, &mut |cell, walked| {
            if let Err(damage) = table.payload(cell, &mut budget, &mut record) {
                return walked.note(damage.offset, damage.what);
            }
            let mut row = self.columns(&record).map(value);
            let is = |field: ValueRef<'_>| !matches!(field, ValueRef::Integer(0) | ValueRef::Null);
            let [_, _, is_created, is_deleted, _, before, _, value, old] = &mut row;
            if is(*is_deleted) {
                *value = ValueRef::Null;
            }
            // What it keeps of the row before it counts where that row is gone.
            let is_gone = match *before {
                ValueRef::Integer(before) if before > 0 => matches!(table.has(before), Ok(false)),
                _ => false,
            };
            *old = match (is_gone, is(*is_created)) {
                (false, _) => ValueRef::Null,
                (true, true) => ValueRef::Integer(1),
                (true, false) => *old,
            };
            rows::one(&row, cell.id, walked, each);
        });
    }

    /// One column of one row.
    pub(super) fn value(&self, id: i64, column: &str) -> io::Result<Vec<u8>> {
        let mut record = Vec::new();
        let found = self.table().get(id, &mut record);
        if !found.map_err(|damage| io::Error::other(damage.to_string()))? {
            return Err(io::Error::other(format!("row {id} is gone")));
        }
        let column = COLUMNS.iter().position(|c| *c == column);
        let field = column.and_then(|n| self.columns(&record).get(n).copied().flatten());
        Ok(rows::bytes(value(field)).unwrap_or_default().to_vec())
    }

    /// The lowest and the highest id.
    pub(super) fn ids(&self) -> Option<(i64, i64)> {
        let highest = match self.table().highest() {
            Ok(found) => found?,
            Err(_) => HIGHEST,
        };
        let lowest = self.table().lowest().ok().flatten().unwrap_or(0);
        Some((lowest.min(highest), highest))
    }

    /// kine's own note of the revision up to which history is gone.
    pub(super) fn compacted(&self) -> u64 {
        let mut out = 0;
        self.heads(&mut |row| {
            if let [_, Some(name), _, _, _, Some(before), ..] = row
                && let Some(Value::Text(b"compact_rev_key")) = name.value
                && let Some(Value::Integer(before)) = before.value
            {
                out = out.max(u64::try_from(before).unwrap_or(0));
            }
        });
        out
    }

    /// Bytes that rows keep of the values before them.
    pub(super) fn old_values(&self) -> u64 {
        let mut out = 0u64;
        self.heads(&mut |row| {
            if let Some(old) = row.last().copied().flatten() {
                out = out.saturating_add(old.length);
            }
        });
        out
    }

    /// Gives every row as far as it stands in its leaf: there its values are that come first, and the length of all.
    fn heads(&self, each: &mut dyn FnMut(&[Option<Field<'_>>; 9])) {
        let all = (i64::MIN, i64::MAX);
        self.table()
            .walk(all, &mut Walked::default(), &mut |cell, _| {
                each(&self.columns(cell.local));
            });
    }

    /// The newest rows, and some of all others.
    fn sample(&self) -> Result<Vec<wal::Row>, Damage> {
        let (table, mut ids, mut walked) = (self.table(), Vec::new(), Walked::default());
        let Some(highest) = table.highest()? else {
            return Ok(Vec::new());
        };
        let newest = highest.saturating_sub(NEWEST);
        table.walk((newest, highest), &mut walked, &mut |cell, _| {
            ids.push(cell.id);
        });
        if let Some(damage) = walked.damage.first() {
            return Err(damage.clone());
        }
        let step = (newest / SPREAD).max(1);
        for n in 0..SPREAD.min(newest.max(0) / step) {
            ids.extend(table.at_or_behind(n * step)?);
        }
        let rows = ids.into_iter().filter_map(|id| self.row(id).transpose());
        rows.collect()
    }

    /// A row without its values.
    fn row(&self, id: i64) -> Result<Option<wal::Row>, Damage> {
        let mut record = Vec::new();
        if !self.table().get(id, &mut record)? {
            return Ok(None);
        }
        let row = self.columns(&record).map(value);
        let number = |field: ValueRef<'_>| field.as_i64().unwrap_or(0);
        let [_, name, _, _, created, before, ..] = row;
        let name = match name {
            ValueRef::Integer(n) => n.to_string().into_bytes(),
            other => rows::bytes(other).unwrap_or_default().to_vec(),
        };
        Ok(Some((id, name, number(created), number(before))))
    }

    /// What it says of itself.
    pub(super) fn head(&self) -> Head {
        self.pages.head()
    }

    /// Its pages.
    pub(super) fn count(&self) -> u32 {
        self.pages.count()
    }

    /// How often a page of the log was overwritten before it was read.
    pub(super) fn overwritten(&self) -> u64 {
        self.pages.overwritten()
    }

    /// Where the log breaks off because it can't be read.
    pub(super) fn holes(&self) -> Walked {
        let mut out = Walked::default();
        if let Some(why) = self.pages.log().and_then(sqlite::Log::unread) {
            out.note(0, format!("the write-ahead log breaks off: {why}"));
        }
        out
    }

    /// Was either file written to since it was opened?
    pub(super) fn has_changed(&self) -> bool {
        let log = self.pages.log();
        self.pages.file().has_changed()
            || log.is_some_and(|log| log.source().has_changed() || log.has_moved())
    }
}

/// A field as SQLite gives it.
fn value(field: Option<Field<'_>>) -> ValueRef<'_> {
    match field.and_then(|f| f.value) {
        None | Some(Value::Null) => ValueRef::Null,
        Some(Value::Integer(n)) => ValueRef::Integer(n),
        Some(Value::Real) => ValueRef::Real(0.0),
        Some(Value::Text(text)) => ValueRef::Text(text),
        Some(Value::Blob(bytes)) => ValueRef::Blob(bytes),
    }
}

#[cfg(test)]
mod tests;
