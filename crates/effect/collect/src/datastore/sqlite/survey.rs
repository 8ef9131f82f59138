//! Is every row there that should be? Asked before any verb answers: a tree that lost its way to some rows reads as one
//! that never had them.
//!
//! Each row stands in the table and in its indexes, and SQLite keeps the highest id that it ever gave: where these say
//! the same, nothing is missing. Values are not looked at. Deliberately absent: which page is at fault (`verify`, by
//! SQLite's own check).

use std::hash::{DefaultHasher, Hash, Hasher};

use defib_formats::bbolt::Walked;
use rayon::prelude::*;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::budget::{Given, Watch, said};
use super::connections::Connections;

/// What was found out.
#[derive(Default)]
pub(super) struct Survey {
    /// The lowest and the highest id; none where the table is empty.
    pub(super) ids: Option<(i64, i64)>,
    /// What does not hold.
    pub(super) found: Walked,
    /// What is not wrong and yet odd.
    pub(super) notes: Vec<String>,
    /// kine's own note of the revision up to which history is gone.
    pub(super) compacted: u64,
    /// SQLite can't read all of the table.
    pub(super) is_broken: bool,
    /// The table leads in circles: what goes through all of it has no end of its own.
    pub(super) is_circle: bool,
}

/// Indexes by what they are asked for: the first of each that is there.
const NAMES: &[&str] = &[
    "kine_name_index",
    "kine_name_id_index",
    "kine_name_prev_revision_uindex",
];
const DELETED: &[&str] = &["kine_id_deleted_index"];

/// Bytes that a row takes in an index at the least, with its place in the page.
const SMALLEST: u64 = 6;

/// Rows, however they were reached: the sums are the same in every order.
#[derive(Default)]
struct Rows {
    count: u64,
    ids: Option<(i64, i64)>,
    names: u64,
    deleted: u64,
    compacted: u64,
}

/// Why rows are not all.
enum Broken {
    /// They can't be read.
    Unread(String),
    /// They come again.
    Circle(String),
}

/// Compares the table with its indexes and with the counter of its ids.
pub(super) fn of_sqlite(asked: &Connections) -> Survey {
    let mut survey = Survey::default();
    let (rows, broken) = table(&asked.single(), asked.most());
    survey.ids = rows.ids;
    survey.compacted = rows.compacted;
    if let Some(broken) = broken {
        let (Broken::Unread(why) | Broken::Circle(why)) = &broken;
        survey.found.note(0, why.clone());
        survey.is_broken = true;
        survey.is_circle = matches!(broken, Broken::Circle(_));
        // Where the way to the last row is broken, the counter still knows it.
        let highest = counter(&asked.single()).unwrap_or(1 << 40);
        survey.ids = match rows.ids {
            Some((low, high)) => Some((low, high.max(highest))),
            None => Some((0, highest)),
        };
        return survey;
    }
    let there = indexes(&asked.single());
    let wanted: Vec<(&str, &str, u64)> = [
        (NAMES, "name", rows.names),
        (DELETED, "deleted", rows.deleted),
    ]
    .into_iter()
    .filter_map(|(names, column, sum)| {
        let name = names.iter().find(|n| there.iter().any(|t| t == *n))?;
        Some((*name, column, sum))
    })
    .collect();
    let compared: Vec<Option<String>> = wanted
        .par_iter()
        .enumerate()
        .map(|(part, (index, column, sum))| {
            let connection = asked.part(part);
            let may = (Given::new(asked.most()), asked.watch());
            differs(&connection, (index, column), (rows.count, *sum), may)
        })
        .collect();
    // Only the index of names can be trusted to say that no row is missing.
    let is_whole = wanted.iter().any(|w| w.1 == "name") && compared.iter().all(Option::is_none);
    for what in compared.into_iter().flatten() {
        survey.found.note(0, what);
    }
    let highest = rows.ids.map(|i| i.1);
    if let Some(what) = beyond(counter(&asked.single()), highest) {
        match is_whole {
            true => survey.notes.push(format!(
                "{what}; its indexes know no more rows, so they were deleted by hand, or lost together"
            )),
            false => survey.found.note(0, what),
        }
    }
    survey
}

/// What the counter of ids says against the highest id that was found.
pub(super) fn beyond(counter: Option<i64>, highest: Option<i64>) -> Option<String> {
    let (counter, highest) = (counter?, highest.unwrap_or(0));
    match counter.cmp(&highest) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(format!(
            "SQLite gave ids up to {counter}, and the last row is {highest}: newer ones are missing"
        )),
        std::cmp::Ordering::Less => Some(format!(
            "SQLite gave ids up to {counter}, and there is a row {highest}"
        )),
    }
}

fn counter(connection: &Connection) -> Option<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'kine'";
    connection.query_row(sql, [], |row| row.get(0)).ok()
}

fn indexes(connection: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'kine'";
    let Ok(mut asked) = connection.prepare(sql) else {
        return Vec::new();
    };
    let names = asked.query_map([], |row| row.get(0));
    names.map_or_else(|_| Vec::new(), |all| all.flatten().collect())
}

/// A row with one of its columns, as a number to be added up.
fn mixed(id: i64, column: ValueRef<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    match column {
        ValueRef::Null => 0u8.hash(&mut hasher),
        ValueRef::Integer(n) => (1u8, n).hash(&mut hasher),
        ValueRef::Real(n) => (2u8, n.to_bits()).hash(&mut hasher),
        ValueRef::Text(text) => (3u8, text).hash(&mut hasher),
        ValueRef::Blob(bytes) => (4u8, bytes).hash(&mut hasher),
    }
    hasher.finish()
}

/// All rows in the order of the tree, and why they are not all, if so.
fn table(connection: &Connection, most: u64) -> (Rows, Option<Broken>) {
    let (mut out, mut given) = (Rows::default(), Given::new(most));
    let sql = "SELECT id, name, deleted, prev_revision FROM kine NOT INDEXED";
    let done = connection.prepare(sql).and_then(|mut asked| {
        let mut rows = asked.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if let Some((_, last)) = out.ids
                && id <= last
            {
                // A tree that leads in circles has no end.
                let why = format!("row {id} stands behind row {last}");
                return Ok(Some(Broken::Circle(why)));
            }
            let name = row.get_ref(1)?;
            if !given.fits(name) {
                let why = format!("row {id} and those before it have more bytes than the file");
                return Ok(Some(Broken::Circle(why)));
            }
            if let (ValueRef::Text(b"compact_rev_key"), ValueRef::Integer(n)) =
                (name, row.get_ref(3)?)
            {
                out.compacted = out.compacted.max(u64::try_from(n).unwrap_or(0));
            }
            out.ids = Some((out.ids.map_or(id, |i| i.0), id));
            out.count += 1;
            out.names = out.names.wrapping_add(mixed(id, name));
            out.deleted = out.deleted.wrapping_add(mixed(id, row.get_ref(2)?));
        }
        Ok(None)
    });
    let broken = done.unwrap_or_else(|e| {
        let last = out
            .ids
            .map_or_else(String::new, |(_, last)| format!(" behind row {last}"));
        let why = format!("the rows break off{last}: {}", said(&e));
        Some(Broken::Unread(why))
    });
    (out, broken)
}

/// What an index says otherwise than the table, if anything.
fn differs(
    connection: &Connection,
    (index, column): (&str, &str),
    (count, sum): (u64, u64),
    (mut given, mut watch): (Given, Watch),
) -> Option<String> {
    let sql = format!("SELECT id, {column} FROM kine INDEXED BY {index}");
    let (mut known, mut found) = (0u64, 0u64);
    let done = connection.prepare(&sql).and_then(|mut asked| {
        let mut rows = asked.query([])?;
        while let Some(row) = rows.next()? {
            known += 1;
            let column = row.get_ref(1)?;
            found = found.wrapping_add(mixed(row.get(0)?, column));
            // One that leads in circles has no end.
            let most = count.saturating_mul(2).saturating_add(1_000);
            if known > most || !given.fits(column) || watch.is_over() {
                return Ok(false);
            }
        }
        Ok(true)
    });
    match done {
        Ok(true) => {}
        Ok(false) => {
            return Some(format!(
                "its index {index} leads in circles, so nobody knows whether rows are missing"
            ));
        }
        Err(e) => {
            let why = said(&e);
            return Some(format!(
                "its index {index} can't be read, so nobody knows whether rows are missing: {why}"
            ));
        }
    }
    if known != count {
        return Some(format!(
            "its index {index} knows {known} rows, and the table has {count}"
        ));
    }
    (found != sum)
        .then(|| format!("its index {index} does not say the same of all rows as the table"))
}

/// How many rows an index knows: what the table should have. One row after the other, as far as there can be so many:
/// SQLite would count them in one step, which nothing ends where pages lead in circles.
pub(super) fn known(asked: &Connections, index: &str) -> Option<u64> {
    let connection = asked.single();
    let sql = format!("SELECT id FROM kine INDEXED BY {index}");
    let mut prepared = connection.prepare(&sql).ok()?;
    let mut rows = prepared.query([]).ok()?;
    let (mut known, mut watch) = (0u64, asked.watch());
    while rows.next().ok()?.is_some() {
        known += 1;
        if known.saturating_mul(SMALLEST) > asked.most() || watch.is_over() {
            return None;
        }
    }
    Some(known)
}
