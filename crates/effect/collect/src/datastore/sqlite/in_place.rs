//! kine's table read by its pages, with what the log beside it commits: where both lie, or to compare them.
//!
//! For a database that nobody has room to copy. Nothing is locked, so a writer may be at work: what was read is no
//! consistent copy, and the log's frames are looked at again whenever one is read. Deliberately absent: indexes, so
//! that SQLite's own check is not made.

use std::path::Path;
use std::{fmt, io};

use defib_formats::bbolt::{Damage, Walked};
use defib_formats::datastore::Row;
use defib_formats::read_at::ReadAt;
use defib_formats::sqlite::{self, Cell, End, Field, Head, Pages, Reached, Table, Value, fields};
use rusqlite::types::ValueRef;

use super::survey::{Survey, beyond};
use super::wal::{self, NEWEST, OTHER, SPREAD};
use super::{COLUMNS, FileAt, Log, rows};

/// How often it is tried to look through a log in which nothing is written meanwhile.
const TRIES: usize = 3;
/// Bytes of a name and what stands around it. Kubernetes allows some hundred for each of its parts.
const LONGEST: u64 = 1 << 16;
/// Every id that there can be.
const ALL: (i64, i64) = (i64::MIN, i64::MAX);

/// A database and its log, open for reading where they lie.
pub(super) struct InPlace {
    pages: Pages<FileAt, FileAt>,
    root: u32,
    /// Where each of [`COLUMNS`] stands in a record.
    columns: Vec<usize>,
}

/// What became of a database with a log beside it.
pub(super) struct Found {
    pub(super) log: Log,
    /// How the log ends.
    pub(super) end: End,
    /// None where SQLite can read the database where it lies: without its log, or with an empty one.
    pub(super) placed: Option<InPlace>,
}

impl Found {
    fn alone(log: Log) -> Self {
        Self {
            log,
            end: End::Whole,
            placed: None,
        }
    }

    fn left(why: String) -> Self {
        Self::alone(Log::Left { why })
    }
}

/// Opens a database with the log beside it; the log alone may be left out, or hold nothing.
///
/// # Errors
/// When the database can't be read so, in words.
pub(super) fn open(file: &FileAt, log: Option<&Path>) -> Result<Found, String> {
    let Some(path) = log else {
        return Ok(Found::alone(Log::None));
    };
    let mut tries = 1..=TRIES;
    loop {
        tries.next();
        let beside = match FileAt::found(path) {
            // A writer that ends or checkpoints leaves it so, with all of it in the database.
            Ok(beside) if beside.is_empty() => return Ok(Found::alone(Log::None)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Found::alone(Log::None)),
            Ok(beside) => beside,
            Err(e) => return Ok(Found::left(format!("it can't be read: {e}"))),
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
    what: Result<Found, String>,
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
    let head = match Head::read(&begun) {
        Ok(head) => head,
        Err(e) => return done(Err(e.to_string())),
    };
    let log = match sqlite::Log::open(again(beside)?, head.page_size) {
        Ok(log) => log,
        Err(e) => return done(Ok(Found::left(e.to_string()))),
    };
    let (pages, end) = (log.committed(), log.end().clone());
    if pages == 0 {
        let alone = Found::alone(Log::None);
        return done(Ok(Found { end, ..alone }));
    }
    let alone = InPlace::open(again(file)?, None);
    let both = match (InPlace::open(again(file)?, Some(log)), &alone) {
        (Ok(both), _) => both,
        // What does not hold alone either is damage of the database.
        (Err(why), Err(_)) => return done(Err(why.to_string())),
        // It may well be the database's own: only SQLite could tell, and that reads copies.
        (Err(Refused::Odd), Ok(_)) => {
            return done(Ok(Found::left(format!("with it, {}", Refused::Odd))));
        }
        (Err(why), Ok(_)) => {
            return done(Ok(Found::left(format!("{OTHER}: with it, {why}"))));
        }
    };
    let stranger = alone.ok().and_then(|alone| wal::stranger(&alone, &both));
    let is_moved = is_moved() || both.has_changed();
    let what = match stranger {
        // Of two moments, they need not fit.
        Some(why) if !is_moved => Found::left(why),
        _ => Found {
            log: Log::Read { pages },
            end,
            placed: Some(both),
        },
    };
    let what = Ok(what);
    Ok(Taken { what, is_moved })
}

/// Why a database can't be read by its pages.
#[derive(Debug)]
pub(super) enum Refused {
    /// It does not hold, or is none of kine.
    Foreign(String),
    /// Its table was made with words that only SQLite understands.
    Odd,
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self::Foreign(why)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign(why) => why,
            Self::Odd => "its table kine was not made by kine, and can't be read where it lies",
        })
    }
}

impl InPlace {
    pub(super) fn open(file: FileAt, log: Option<sqlite::Log<FileAt>>) -> Result<Self, Refused> {
        let pages = Pages::open(file, log).map_err(|e| e.to_string())?;
        let Some(table) = pages.table("kine").map_err(|e| e.to_string())? else {
            let why = "it is a database of SQLite, and not one of kine";
            return Err(why.to_owned().into());
        };
        let have = table.columns().ok_or(Refused::Odd)?;
        let columns: Vec<usize> = COLUMNS
            .iter()
            .filter_map(|c| have.iter().position(|h| h == c))
            .collect();
        if columns.len() != COLUMNS.len() || columns.first() != Some(&0) {
            let why = "its table kine has not all columns of kine";
            return Err(why.to_owned().into());
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

    /// The columns of a record of so many bytes; what it lacks is nothing, and so is what was not given of it.
    fn columns<'b>(
        &self,
        record: &'b [u8],
        length: u64,
    ) -> Result<[Option<Field<'b>>; 9], &'static str> {
        let mut out = [None; 9];
        for (at, field) in fields(record, length)?.enumerate() {
            let column = self.columns.iter().position(|c| *c == at);
            if let Some(place) = column.and_then(|n| out.get_mut(n)) {
                *place = Some(field);
            }
        }
        Ok(out)
    }

    /// Is every row there that should be, as far as the tree and the counter of its ids say?
    pub(super) fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        let (mut found, mut ids) = (Walked::default(), None);
        self.table().walk(ALL, &mut found, &mut |cell, _| {
            ids = Some((ids.map_or(cell.id, |(low, _)| low), cell.id));
        });
        if let missing @ 1.. = self.pages.missing() {
            let what = format!("{missing} pages at its end are missing");
            found.note(self.pages.file().len(), what);
        }
        if let Some(what) = beyond(self.counter(), ids.map(|i| i.1)) {
            found.note(0, what);
        }
        survey.ids = ids;
        survey.found = found;
        survey
    }

    /// The highest id that SQLite ever gave, as it says itself.
    pub(super) fn counter(&self) -> Option<i64> {
        let list = self.pages.table("sqlite_sequence").ok()??;
        let mut found = None;
        let table = Table::new(&self.pages, list.root);
        table.walk(ALL, &mut Walked::default(), &mut |cell, _| {
            let mut values = fields(cell.local, cell.length).into_iter().flatten();
            let mut next = || values.next().and_then(|f| f.value);
            if let (Some(Value::Text(b"kine")), Some(Value::Integer(n))) = (next(), next()) {
                found = Some(n);
            }
        });
        found
    }

    /// Gives the rows of a range as [`rows::SCAN`] does: what of the tree does not hold, and what of the rows.
    pub(super) fn scan(
        &self,
        wanted: (i64, i64),
        each: &mut dyn FnMut(Row<'_>),
    ) -> (Walked, Walked) {
        let table = self.table();
        let (mut reached, mut record) = (Reached::default(), Vec::new());
        let (mut tree, mut walked) = (Walked::default(), Walked::default());
        table.walk(wanted, &mut tree, &mut |cell, _| {
            if let Err(damage) = table.payload(cell, &mut reached, &mut record) {
                return walked.note(damage.offset, damage.what);
            }
            let columns = match self.columns(&record, cell.length) {
                Ok(columns) => columns,
                Err(why) => return walked.note(cell.offset(), format!("row {} {why}", cell.id)),
            };
            let mut row = columns.map(value);
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
            rows::one(&row, cell.id, &mut walked, each);
        });
        (tree, walked)
    }

    /// One column of one row.
    pub(super) fn value(&self, id: i64, column: &str) -> io::Result<Vec<u8>> {
        let table = self.table();
        let mut out = Vec::new();
        let found = table.get(id, &mut |cell| {
            let mut record = Vec::new();
            table.payload(cell, &mut Reached::default(), &mut record)?;
            let columns = self.columns(&record, cell.length);
            let columns = columns.map_err(|why| damaged(cell, why))?;
            let column = COLUMNS.iter().position(|c| *c == column);
            let field = column.and_then(|n| columns.get(n).copied().flatten());
            out = rows::bytes(value(field)).unwrap_or_default().to_vec();
            Ok(())
        });
        match found {
            Ok(true) => Ok(out),
            Ok(false) => Err(io::Error::other(format!("row {id} is gone"))),
            Err(damage) => Err(io::Error::other(damage.to_string())),
        }
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
        self.table()
            .walk(ALL, &mut Walked::default(), &mut |cell, _| {
                if let Ok(columns) = self.columns(cell.local, cell.length) {
                    each(&columns);
                }
            });
    }

    /// The highest id, by the way to the last leaf alone.
    pub(super) fn highest(&self) -> Result<Option<i64>, Damage> {
        self.table().highest()
    }

    /// The newest rows, and some of all others.
    pub(super) fn sample(&self) -> Result<Vec<wal::Row>, Damage> {
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

    /// A row without its values, of which no page is read.
    pub(super) fn row(&self, id: i64) -> Result<Option<wal::Row>, Damage> {
        let (table, mut out) = (self.table(), None);
        table.get(id, &mut |cell| {
            let mut record = Vec::new();
            let of = |record| self.columns(record, cell.length);
            let head = of(cell.local).map_err(|why| damaged(cell, why))?;
            // Up to the last of the columns that are asked for.
            let small = head.iter().take(6).flatten();
            let end = small.map(|f| f.at.saturating_add(f.length)).max();
            // Some thousand rows are kept to be compared, and a few pages can be the names of all of them.
            let name = head.get(1).copied().flatten().map_or(0, |f| f.length);
            if end.unwrap_or(0) > LONGEST {
                return Err(damaged(cell, &format!("has a name of {name} bytes")));
            }
            table.beginning(cell, end.unwrap_or(0), &mut Reached::default(), &mut record)?;
            let row = of(&record).map_err(|why| damaged(cell, why))?.map(value);
            let number = |field: ValueRef<'_>| field.as_i64().unwrap_or(0);
            let [_, name, _, _, created, before, ..] = row;
            let name = match name {
                ValueRef::Integer(n) => n.to_string().into_bytes(),
                other => rows::bytes(other).unwrap_or_default().to_vec(),
            };
            out = Some((id, name, number(created), number(before)));
            Ok(())
        })?;
        Ok(out)
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

    /// Was either file written to since it was opened?
    pub(super) fn has_changed(&self) -> bool {
        let log = self.pages.log();
        self.pages.file().has_changed()
            || log.is_some_and(|log| log.source().has_changed() || log.has_moved())
    }
}

/// A row whose record does not hold.
fn damaged(cell: &Cell<'_>, why: &str) -> Damage {
    Damage {
        offset: cell.offset(),
        what: format!("row {} {why}", cell.id),
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
