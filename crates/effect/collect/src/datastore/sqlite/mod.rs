//! kine's table in SQLite: the only place where SQLite is opened.
//!
//! Where it can be helped it is not opened where it lies: SQLite writes beside what it reads. A private copy of the
//! database and of its write-ahead log is read instead, never of `-shm`, which is only good on the machine and in
//! the moment that wrote it. Without room for one, a database with an empty log is opened where it lies, as a file
//! that does not change, and one with a log is read by pages (`place`). Sources: `kine/pkg/drivers/sqlite/sqlite.go` (the schema), sqlite.org/walformat.html.
//! Deliberately absent: writing, and what the rows mean (`store`).

mod connections;
mod copy;
mod place;
mod rows;
mod wal;

use std::path::{Path, PathBuf};

use defib_formats::bbolt::Walked;
use rusqlite::Connection;

use self::connections::{Connections, said};
use self::copy::Copied;
use self::place::InPlace;
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
    /// Bytes of the database that could not be read, and which stand as zeros in what was read.
    pub holes: Walked,
    /// It is read where it lies, because there was no room for a copy: what was read may be of several moments.
    pub in_place: bool,
    /// The lowest and the highest id; none where the table is empty.
    ids: Option<(i64, i64)>,
    compacted: u64,
    form: Form,
    sources: Vec<FileAt>,
}

/// By what it is read.
enum Form {
    /// By SQLite: a copy, or a file without a log.
    Sqlite(Connections),
    /// By its pages, where it and its log lie.
    Pages(Box<InPlace>),
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
        let beside = match opened.packed {
            // As SQLite does it: beside what a link leads to.
            None => {
                let real = opened.path.canonicalize();
                Some(with_suffix(real.as_ref().unwrap_or(&opened.path), "-wal"))
            }
            Some(_) => None,
        };
        let copied = copy::take(&opened.path, &opened.file, beside.as_deref())?;
        let mut notes = opened.notes;
        if copied.moved {
            notes.push(
                "the database was written to while it was copied: this may be no consistent state"
                    .into(),
            );
        }
        let in_place = copied.folder.is_none();
        let (log, placed) = match in_place {
            false => (settle(&copied).map_err(|e| none(said(&e)))?, None),
            true => place::open(&opened.file, copied.log.as_deref()).map_err(none)?,
        };
        if in_place {
            notes.push(
                "there is no room for a copy: it is read where it lies, which is no consistent copy, and what is written \
                 meanwhile can be missing or mixed in; name a folder with room: TMPDIR=FOLDER"
                    .into(),
            );
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
        let mut holes = copied.holes;
        let mut sources = vec![opened.file];
        let form = match placed {
            Some(placed) => {
                holes.absorb(placed.holes());
                // It knows itself whether its files changed since they were looked through.
                sources.clear();
                Form::Pages(Box::new(placed))
            }
            None => {
                let opened = Connections::open(&copied.database, in_place);
                Form::Sqlite(opened.map_err(|e| none(said(&e)))?)
            }
        };
        let mut kine = Self {
            log,
            pages: (0, 0),
            page_size: 0,
            holes,
            in_place,
            ids: None,
            compacted: 0,
            form,
            sources: sources.into_iter().chain(copied.log_at).collect(),
        };
        kine.look().map_err(none)?;
        // What is open stays; nobody else can open it, and nothing is left when the process ends.
        drop(copied.folder);
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
            Form::Sqlite(asked) => asked
                .number("SELECT sum(length(old_value)) FROM kine")
                .unwrap_or(0),
            Form::Pages(placed) => placed.old_values(),
        }
    }

    /// SQLite's own check of every page and every index; what it complains of. It is not made where SQLite does not
    /// read: the walk through all rows finds what does not hold of the table.
    pub fn integrity(&self) -> Walked {
        let mut out = self.holes.clone();
        let Form::Sqlite(asked) = &self.form else {
            return out;
        };
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
            Form::Sqlite(asked) => {
                asked.number("SELECT count(*) FROM kine INDEXED BY kine_name_index")
            }
            Form::Pages(_) => None,
        }
    }

    /// Reads what is asked for again and again.
    fn look(&mut self) -> Result<(), String> {
        let asked = match &self.form {
            Form::Sqlite(asked) => asked,
            Form::Pages(placed) => {
                let head = placed.head();
                let count = u64::from(placed.count());
                self.pages = (count.saturating_sub(head.free.into()), count);
                self.page_size = head.page_size.into();
                self.ids = placed.ids();
                self.compacted = placed.compacted();
                return Ok(());
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
        let highest = asked
            .number("SELECT max(id) FROM kine NOT INDEXED")
            // Where the way to the last row is broken, the counter still knows it.
            .or_else(|| asked.number("SELECT seq FROM sqlite_sequence WHERE name = 'kine'"))
            .unwrap_or(1 << 40);
        let lowest = asked.number("SELECT min(id) FROM kine NOT INDEXED");
        let id = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.ids = (highest > 0).then(|| (id(lowest.unwrap_or(0)), id(highest)));
        self.compacted = asked
            .number("SELECT max(prev_revision) FROM kine WHERE name = 'compact_rev_key'")
            .unwrap_or(0);
        Ok(())
    }
}

/// Decides whether the write-ahead log may be read with the database, and takes it away from the copy if not.
fn settle(copied: &Copied) -> Result<Log, rusqlite::Error> {
    let Some(log) = &copied.log else {
        return Ok(match &copied.left {
            Some(why) => Log::Left { why: why.clone() },
            None => Log::None,
        });
    };
    let pages = match wal::pages(log, &copied.database) {
        Ok(0) => return Ok(Log::None),
        Ok(pages) => pages,
        Err(why) => return Ok(leave(log, why)),
    };
    Ok(match wal::stranger(&copied.database) {
        None => Log::Read { pages },
        Some(why) => leave(log, why),
    })
}

fn leave(log: &Path, why: String) -> Log {
    let shared = log.with_extension("db-shm");
    for path in [log, &shared] {
        // A copy of ours; one that stays would be read, and the next connection then says so.
        drop(std::fs::remove_file(path));
    }
    Log::Left { why }
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
