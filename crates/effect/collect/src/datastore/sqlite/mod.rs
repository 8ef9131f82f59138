//! kine's table in SQLite: the only place where SQLite is opened.
//!
//! Where it can be helped it is not opened where it lies: SQLite writes beside what it reads. A private copy of the
//! database and of its write-ahead log is read instead, never of `-shm`, which is only good on the machine and in
//! the moment that wrote it. Without room for one, a database with an empty log is opened where it lies, as a file
//! that does not change, and one with a log is read by pages (`in_place`). Sources: `kine/pkg/drivers/sqlite/sqlite.go` (the schema), sqlite.org/walformat.html.
//! Deliberately absent: writing, and what the rows mean (`store`).

mod budget;
mod connections;
mod copy;
mod folder;
mod in_place;
mod journal;
mod rows;
mod survey;
mod wal;

use std::path::{Path, PathBuf};

use defib_formats::bbolt::Walked;
use defib_formats::sqlite::{self, Head};
use rusqlite::Connection;

use self::budget::said;
use self::connections::Connections;
use self::copy::{Beside, Journal};
pub use self::folder::forget_copies;
pub(super) use self::folder::{folders, is_full, room};
use self::in_place::InPlace;
use self::survey::Survey;
use super::{FileAt, Opened};
use crate::CollectError;

/// Columns that every kine from 0.11 to 0.16 has.
const COLUMNS: &[&str] = &[
    "id",
    "name",
    "created",
    "deleted",
    "create_revision",
    "prev_revision",
    "lease",
    "value",
    "old_value",
];

/// What became of the write-ahead log beside a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// There is none, or nothing is in it.
    #[default]
    None,
    /// It was read with the database: so many pages that were committed.
    Read {
        /// Pages.
        pages: u64,
    },
    /// It was left out, because it does not belong to this database or does not hold.
    Left {
        /// Why.
        why: String,
    },
}

/// A kine database, open for reading.
pub struct Kine {
    /// What was done with its write-ahead log.
    pub log: Log,
    /// Pages in use, and in all.
    pub pages: (u64, u64),
    /// Bytes of a page.
    pub page_size: u64,
    /// Why what was read may not be all, though nothing is damaged.
    pub doubts: Vec<String>,
    /// What does not hold of the whole: places that can't be read and stand as zeros, a log that breaks off, rows that
    /// an index knows and the table has not. The first part of every scan gives it.
    found: Walked,
    /// It is read where it lies, because there was no room for a copy: what was read may be of several moments.
    pub in_place: bool,
    /// The lowest and the highest id; none where the table is empty.
    ids: Option<(i64, i64)>,
    compacted: u64,
    /// What goes through the whole table has no end of its own.
    is_circle: bool,
    form: Form,
    /// The same by its pages, where SQLite can't read all of the table.
    beside: Option<Box<InPlace>>,
    sources: Vec<FileAt>,
}

/// By what it is read.
enum Form {
    /// By SQLite: a copy, or a file without a log.
    Sqlite(Connections),
    /// By its pages, where it and its log lie.
    Pages(Box<InPlace>),
}

/// The files that SQLite reads, open once more.
struct Spare {
    database: FileAt,
    log: Option<FileAt>,
}

impl Spare {
    /// None where they can't be opened; a log that was left out is not there any more.
    fn open(database: &Path, log: Option<&Path>) -> Option<Self> {
        let database = FileAt::open(database).ok()?;
        let log = log.and_then(|log| FileAt::open(log).ok());
        Some(Self { database, log })
    }

    /// Reads them by their pages.
    fn read(self) -> Option<InPlace> {
        let size = Head::read(&self.database).ok()?.page_size;
        let log = self.log.and_then(|log| sqlite::Log::open(log, size).ok());
        let log = log.filter(|log| log.committed() > 0);
        InPlace::open(self.database, log).ok()
    }
}

impl Kine {
    /// Opens a file that was found to be SQLite; what is worth knowing goes to its notes.
    ///
    /// # Errors
    /// When it can't be copied, is broken at its head, or holds no table of kine.
    pub fn open(opened: Opened) -> Result<(Self, Vec<String>), CollectError> {
        let none = |why: String| CollectError::NoDatastore {
            path: opened.path.clone(),
            why,
        };
        let beside = opened.packed.is_none().then(|| {
            // As SQLite does it: beside what a link leads to that somebody named.
            let real = opened.path.canonicalize();
            let real = real.as_ref().unwrap_or(&opened.path);
            Beside {
                log: with_suffix(real, "-wal"),
                journal: with_suffix(real, "-journal"),
            }
        });
        let copied = copy::take(&opened.path, &opened.file, beside.as_ref())?;
        let mut notes = opened.notes;
        if copied.moved {
            notes.push(
                "the database was written to while it was copied: this may be no consistent state"
                    .into(),
            );
        }
        let mut found = copied.holes.clone();
        match &copied.journal {
            Journal::None => {}
            Journal::Back => notes.push(
                "a transaction that never ended was taken back, by the rollback journal beside it (-journal)".into(),
            ),
            Journal::Left(why) => {
                let why = format!(
                    "the rollback journal beside it (-journal) was left out: {why}; what was never committed may be read"
                );
                found.note(0, why.clone());
                notes.push(why);
            }
        }
        let in_place = copied.folder.is_none();
        let (log, end, placed) = match in_place {
            false => {
                let (log, end) = wal::settle(&copied).map_err(|e| none(said(&e)))?;
                (log, end, None)
            }
            true => {
                let found = in_place::open(&opened.file, copied.log.as_deref()).map_err(none)?;
                (found.log, found.end, found.placed)
            }
        };
        if let Some(why) = &copied.full {
            notes.push(format!(
                "there is no room for a copy ({why}): it is read where it lies, which is no consistent copy, and what is \
                 written meanwhile can be missing or mixed in; name a folder with room: TMPDIR=FOLDER"
            ));
        }
        match &log {
            Log::None => {}
            Log::Read { pages } => notes.push(format!(
                "{pages} pages of its write-ahead log ({}-wal) are read with it",
                opened.path.file_name().unwrap_or_default().to_string_lossy()
            )),
            Log::Left { why } => notes.push(format!(
                "the write-ahead log beside it was left out: {why}; what was written last may be missing"
            )),
        }
        let mut doubts = Vec::new();
        let before = found.damages;
        if let Some(why) = wal::ended(&end, &mut found) {
            notes.push(why.clone());
            // What is damaged is said as such.
            if found.damages == before {
                doubts.push(why);
            }
        }
        // As it was copied: an earlier try, during which it was written to, is no matter.
        let mut sources = vec![copied.again.unwrap_or(opened.file)];
        let form = match placed {
            Some(placed) => {
                // It knows itself whether its files changed since they were looked through.
                sources.clear();
                Form::Pages(Box::new(placed))
            }
            None => {
                let opened = Connections::open(&copied.database, in_place);
                Form::Sqlite(opened.map_err(|e| none(said(&e)))?)
            }
        };
        // By their pages, where it comes to that.
        let spare = match form {
            Form::Sqlite(_) => Spare::open(&copied.database, copied.log.as_deref()),
            Form::Pages(_) => None,
        };
        // What is open stays; nobody else can open it, and nothing is left when the process ends.
        drop(copied.folder);
        let mut kine = Self {
            log,
            pages: (0, 0),
            page_size: 0,
            doubts,
            found,
            in_place,
            ids: None,
            compacted: 0,
            is_circle: false,
            form,
            beside: None,
            sources: sources.into_iter().chain(copied.log_at).collect(),
        };
        notes.extend(kine.look(spare).map_err(none)?);
        Ok((kine, notes))
    }

    /// Is it read by SQLite, which can check every page and every index?
    pub fn is_checked(&self) -> bool {
        matches!(self.form, Form::Sqlite(_))
    }

    /// How often a page of the log was overwritten before it was read.
    pub fn overwritten(&self) -> u64 {
        match &self.form {
            Form::Sqlite(_) => 0,
            Form::Pages(placed) => placed.overwritten(),
        }
    }

    /// Was it written to since it was opened?
    pub fn has_changed(&self) -> bool {
        let placed = match &self.form {
            Form::Sqlite(_) => false,
            Form::Pages(placed) => placed.has_changed(),
        };
        placed || self.sources.iter().any(FileAt::has_changed)
    }

    /// Bytes that rows keep of the values before them.
    pub fn old_values(&self) -> u64 {
        match &self.form {
            Form::Sqlite(asked) => match &self.beside {
                Some(placed) => placed.old_values(),
                None => asked
                    .number("SELECT sum(length(old_value)) FROM kine")
                    .unwrap_or(0),
            },
            Form::Pages(placed) => placed.old_values(),
        }
    }

    /// SQLite's own check of every page and every index; what it complains of. It is not made where SQLite does not
    /// read: the walk through all rows finds what does not hold of the table.
    pub fn integrity(&self) -> Walked {
        let mut out = Walked::default();
        let Form::Sqlite(asked) = &self.form else {
            return out;
        };
        // SQLite looks at every row, and marks every page that there is said to be.
        if self.is_circle {
            out.note(0, "SQLite's own check was not made: it would have no end");
            return out;
        }
        if self.pages.1 / 8 > asked.most() {
            let what = format!(
                "it says that it has {} pages, and they stand nowhere",
                self.pages.1
            );
            out.note(0, what);
            return out;
        }
        let complaint = |text: &str, out: &mut Walked| {
            // `Tree 2 page 7 cell 3: …`; the page says where.
            let page = text
                .split_once("page ")
                .map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()))
                .and_then(|mut words| words.next()?.parse::<u64>().ok());
            let at = page.map_or(0, |p| p.saturating_sub(1).saturating_mul(self.page_size));
            out.note(
                at,
                text.trim_start_matches("*** in database main ***").trim(),
            );
        };
        let connection = asked.single();
        let done = connection
            .prepare("PRAGMA integrity_check(1000)")
            .and_then(|mut asked| {
                let mut rows = asked.query([])?;
                while let Some(row) = rows.next()? {
                    let text: String = row.get(0)?;
                    for line in text.lines().filter(|l| *l != "ok" && !l.is_empty()) {
                        if !line.starts_with("*** in database") {
                            complaint(line, &mut out);
                        }
                    }
                }
                Ok(())
            });
        if let Err(e) = done {
            out.note(0, format!("the check of all pages broke off: {}", said(&e)));
        }
        out
    }

    /// How many rows an index knows: what the table should have.
    pub fn expected_rows(&self) -> Option<u64> {
        match &self.form {
            Form::Sqlite(asked) => survey::known(asked, "kine_name_index"),
            Form::Pages(_) => None,
        }
    }

    /// Reads what is asked for again and again, and whether all rows are there; what is worth knowing of it.
    fn look(&mut self, spare: Option<Spare>) -> Result<Vec<String>, String> {
        let asked = match &self.form {
            Form::Sqlite(asked) => asked,
            Form::Pages(placed) => {
                let head = placed.head();
                let count = u64::from(placed.count());
                self.pages = (count.saturating_sub(head.free.into()), count);
                self.page_size = head.page_size.into();
                self.compacted = placed.compacted();
                let survey = placed.survey();
                return Ok(self.surveyed(survey));
            }
        };
        let connection = asked.single();
        let kind: Result<String, _> = connection.query_row(
            "SELECT type FROM sqlite_schema WHERE name = 'kine' AND sql NOT LIKE 'CREATE VIRTUAL%'",
            [],
            |row| row.get(0),
        );
        match kind {
            Ok(kind) if kind == "table" => {}
            Ok(_) | Err(rusqlite::Error::QueryReturnedNoRows) => {
                return Err("it is a database of SQLite, and not one of kine".into());
            }
            Err(e) => return Err(said(&e)),
        }
        let have = columns(&connection).map_err(|e| said(&e))?;
        let lacks: Vec<&str> = (COLUMNS.iter().copied())
            .filter(|c| !have.iter().any(|h| h == c))
            .collect();
        if !lacks.is_empty() {
            return Err(format!("its table kine has no {}", lacks.join(", ")));
        }
        drop(connection);
        let count = asked.number("PRAGMA page_count").unwrap_or(0);
        let free = asked.number("PRAGMA freelist_count").unwrap_or(0);
        self.page_size = asked.number("PRAGMA page_size").unwrap_or(0);
        self.pages = (count.saturating_sub(free), count);
        let mut survey = survey::of_sqlite(asked);
        self.compacted = survey.compacted;
        self.is_circle = survey.is_circle;
        if survey.is_broken
            && let Some(placed) = spare.and_then(Spare::read)
        {
            // What SQLite says of it counts, and what can be read of it is told by its pages.
            let by_pages = placed.survey();
            survey.ids = by_pages.ids;
            survey.found.absorb(by_pages.found);
            self.compacted = self.compacted.max(placed.compacted());
            self.beside = Some(Box::new(placed));
        }
        Ok(self.surveyed(survey))
    }

    fn surveyed(&mut self, survey: Survey) -> Vec<String> {
        self.ids = survey.ids;
        self.found.absorb(survey.found);
        survey.notes
    }
}

/// Its ordinary columns: one that is computed would run what the file says.
fn columns(connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let mut asked =
        connection.prepare("SELECT name FROM pragma_table_xinfo('kine') WHERE hidden = 0")?;
    let names = asked.query_map([], |row| row.get(0))?;
    names.collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod hostile;
