//! kine's rows as writes.
//!
//! `id` is the revision; a row that creates says 0 as its `create_revision` and means its own id; gaps in the
//! ids are filled with `gap-…`, and `compact_rev_key` is kine's own note of what is gone. A row also keeps the
//! value before it, which is the last trace of a row that compaction took. Source:
//! `kine/pkg/logstructured/sqllog/sql.go`. Deliberately absent: times of leases, which run in kine's memory.

use std::io;

use defib_formats::bbolt::Walked;
use defib_formats::datastore::{Engine, Place, REMNANT, Row, Rows};
use rusqlite::Statement;
use rusqlite::types::ValueRef;

use super::budget::{Given, said};
use super::connections::Connections;
use super::in_place::InPlace;
use super::{Form, Kine};

/// Rows in the order of their revisions. The last column says whether the row before it of the same key is
/// gone: 1 where that was a deletion, its value where it was a write, else nothing.
const SCAN: &str = "SELECT k.id, k.name, k.created, k.deleted, k.create_revision, k.prev_revision, k.lease, \
    CASE WHEN k.deleted THEN NULL ELSE k.value END, \
    CASE WHEN k.prev_revision > 0 AND NOT EXISTS (SELECT 1 FROM kine p WHERE p.id = k.prev_revision) \
    THEN CASE WHEN k.created THEN 1 ELSE k.old_value END END \
    FROM kine k NOT INDEXED WHERE k.id BETWEEN ?1 AND ?2 ORDER BY k.id LIMIT ?3";

/// The same without a look at the row before, whose page may be the broken one.
const PLAIN: &str = "SELECT k.id, k.name, k.created, k.deleted, k.create_revision, k.prev_revision, k.lease, \
    CASE WHEN k.deleted THEN NULL ELSE k.value END, NULL \
    FROM kine k NOT INDEXED WHERE k.id BETWEEN ?1 AND ?2 ORDER BY k.id LIMIT ?3";

/// Places at which reading is tried again behind damage, in each part.
const RETRIES: usize = 4_096;

/// Ids that are tried one by one behind damage: those of some pages.
const SINGLE: u32 = 512;

/// A reading that broke off.
struct Broken {
    /// The last row that was read.
    last: Option<i64>,
    why: rusqlite::Error,
}

impl Rows for Kine {
    fn engine(&self) -> Engine {
        Engine::Kine
    }

    fn scan(&self, part: usize, of: usize, each: &mut dyn FnMut(Row<'_>)) -> Walked {
        let mut walked = Walked::default();
        // What was found of the whole counts once.
        if part == 0 {
            walked.absorb(self.found.clone());
        }
        let Some((mut from, to)) = self.range(part, of) else {
            return walked;
        };
        let asked = match self.by() {
            By::Sqlite(asked) => asked,
            By::Pages(placed) => {
                let (tree, rows) = placed.scan((from, to), each);
                // The tree was walked through before; each part would say the same of it again.
                if self.found.damages == 0 {
                    walked.absorb(tree);
                }
                walked.absorb(rows);
                return walked;
            }
        };
        let mut given = Given::new(asked.most());
        let connection = asked.part(part);
        let prepared = connection
            .prepare(SCAN)
            .and_then(|scan| Ok((scan, connection.prepare(PLAIN)?)));
        let (mut scan, mut asked) = match prepared {
            Ok(both) => both,
            Err(e) => {
                walked.note(0, format!("the rows can't be read: {}", said(&e)));
                return walked;
            }
        };
        let behind_last = |from: i64, broken: &Broken| {
            let last = broken.last.map(|last| last.saturating_add(1));
            // From the lowest id that there can be on, nothing is found by ever longer steps.
            last.unwrap_or(from.max(self.ids.map_or(0, |(low, _)| low)))
        };
        match read(&mut scan, (from, to), &mut given, &mut walked, each) {
            Ok(()) => return walked,
            Err(broken) => from = behind_last(from, &broken),
        }
        for _ in 0..RETRIES {
            let Err(broken) = read(&mut asked, (from, to), &mut given, &mut walked, each) else {
                return walked;
            };
            let bad = behind_last(from, &broken);
            let why = said(&broken.why);
            match behind(&mut asked, bad, to) {
                Some(good) => {
                    walked.note(
                        0,
                        format!("rows {bad} to {} can't be read: {why}", good - 1),
                    );
                    from = good;
                }
                None => {
                    let end = match to {
                        i64::MAX => "on".to_owned(),
                        to => format!("to {to}"),
                    };
                    walked.note(0, format!("rows {bad} {end} can't be read: {why}"));
                    return walked;
                }
            }
        }
        walked.note(
            0,
            format!("there is too much damage to read behind row {from}"),
        );
        walked
    }

    fn value(&self, place: Place) -> io::Result<Vec<u8>> {
        let column = match place.is_remnant() {
            true => "old_value",
            false => "value",
        };
        let id = i64::try_from(place.at & !REMNANT).unwrap_or(0);
        let asked = match self.by() {
            By::Sqlite(asked) => asked,
            By::Pages(placed) => return placed.value(id, column),
        };
        asked
            .single()
            .query_row(
                &format!("SELECT {column} FROM kine WHERE id = ?1"),
                [id],
                |row| Ok(bytes(row.get_ref(0)?).unwrap_or_default().to_vec()),
            )
            .map_err(|e| io::Error::other(said(&e)))
    }

    fn compacted(&self) -> u64 {
        self.compacted
    }
}

/// What gives rows.
enum By<'k> {
    Sqlite(&'k Connections),
    Pages(&'k InPlace),
}

impl Kine {
    /// Where the tree does not hold, SQLite ends at the first page of it: by the pages, the way goes on beside it.
    fn by(&self) -> By<'_> {
        match (&self.form, &self.beside) {
            (Form::Pages(placed), _) | (Form::Sqlite(_), Some(placed)) => By::Pages(placed),
            (Form::Sqlite(asked), None) => By::Sqlite(asked),
        }
    }

    /// The ids of a part. All parts together have all ids that there can be: what was taken for the lowest and the
    /// highest may be wrong.
    fn range(&self, part: usize, of: usize) -> Option<(i64, i64)> {
        let (low, high) = self.ids.unwrap_or((0, 0));
        let (low, high) = (i128::from(low), i128::from(high.max(low)));
        let (part, of) = (i128::try_from(part).ok()?, i128::try_from(of).ok()?.max(1));
        let each = (high - low) / of + 1;
        let from = |part: i128| match part {
            0 => i128::from(i64::MIN),
            part => (low + each * part).min(high + 1),
        };
        let to = match part + 1 {
            next if next >= of => i128::from(i64::MAX),
            next => from(next) - 1,
        };
        let from = from(part);
        (from <= to).then_some((i64::try_from(from).ok()?, i64::try_from(to).ok()?))
    }
}

/// The first id behind a place that can't be read at which a row can be.
fn behind(asked: &mut Statement<'_>, bad: i64, to: i64) -> Option<i64> {
    let mut can = |from: i64| {
        let mut rows = asked.query((from, to, 1)).ok()?;
        rows.next().ok().map(|_| ())
    };
    // Each id where rows can still be told apart: a longer step would pass over good ones in front of the next bad place.
    let (mut low, mut step, mut single) = (bad, 1i64, SINGLE);
    let mut high = loop {
        let next = low.checked_add(step).filter(|next| *next <= to)?;
        if can(next).is_some() {
            break next;
        }
        low = next;
        match single.checked_sub(1) {
            Some(left) => single = left,
            None => step = step.saturating_mul(2),
        }
    };
    while high.checked_sub(low)? > 1 {
        let middle = low + (high - low) / 2;
        if can(middle).is_some() {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

fn read(
    asked: &mut Statement<'_>,
    (from, to): (i64, i64),
    given: &mut Given,
    walked: &mut Walked,
    each: &mut dyn FnMut(Row<'_>),
) -> Result<(), Broken> {
    let mut last = None;
    let broken = |last, why| Broken { last, why };
    let mut rows = (asked.query((from, to, -1))).map_err(|e| broken(None, e))?;
    loop {
        match rows.next() {
            Ok(None) => return Ok(()),
            Ok(Some(row)) => {
                let id = row.get(0).map_err(|e| broken(last, e))?;
                // A tree that leads in circles gives ids that do not rise.
                if last.is_some_and(|l| id <= l) || id < from || id > to {
                    walked.note(
                        0,
                        format!("row {id} stands behind row {}", last.unwrap_or(from)),
                    );
                    return Ok(());
                }
                let mut fields = [ValueRef::Null; 9];
                for (n, field) in fields.iter_mut().enumerate() {
                    *field = row.get_ref(n).map_err(|e| broken(last, e))?;
                }
                // Its key, too.
                if !fields.iter().all(|field| given.fits(*field)) {
                    // So it is where values lead in circles, and that would take for ever.
                    let what =
                        format!("row {id} and those before it have more bytes than the file");
                    walked.note(0, what);
                    return Ok(());
                }
                one(&fields, id, walked, each);
                last = Some(id);
            }
            Err(e) => return Err(broken(last, e)),
        }
    }
}

/// Gives one row of the columns of [`SCAN`], and what it keeps of the one before it.
pub(super) fn one(
    fields: &[ValueRef<'_>; 9],
    id: i64,
    walked: &mut Walked,
    each: &mut dyn FnMut(Row<'_>),
) {
    let [
        _,
        name,
        is_created,
        is_deleted,
        created,
        before,
        lease,
        value,
        old,
    ] = *fields;
    let number = |field: ValueRef<'_>| match field {
        ValueRef::Integer(n) => u64::try_from(n).unwrap_or(0),
        _ => 0,
    };
    let text;
    let key = match name {
        ValueRef::Text(key) | ValueRef::Blob(key) => key,
        // The column is declared INTEGER: a key of digits alone comes back as a number.
        ValueRef::Integer(n) => {
            text = n.to_string();
            text.as_bytes()
        }
        ValueRef::Null | ValueRef::Real(_) => {
            return walked.note(0, format!("row {id} has no key"));
        }
    };
    // What kine keeps for itself.
    if key.starts_with(b"gap-") || key == b"compact_rev_key" {
        return;
    }
    let revision = u64::try_from(id).unwrap_or(0);
    let (is_created, is_deleted) = (number(is_created) != 0, number(is_deleted) != 0);
    let (created, before, lease) = (number(created), number(before), number(lease));
    let length = |value: &[u8]| u32::try_from(value.len()).unwrap_or(u32::MAX);
    let mut remnant = |value: Option<&[u8]>| {
        each(Row {
            key,
            revision: (before, 0),
            create_revision: if value.is_some() { created } else { 0 },
            version: 0,
            lease: 0,
            value,
            place: Place {
                at: revision | REMNANT,
                length: value.map_or(0, length),
            },
        });
    };
    match old {
        ValueRef::Integer(_) => remnant(None),
        ValueRef::Blob(old) | ValueRef::Text(old) => remnant(Some(old)),
        ValueRef::Null | ValueRef::Real(_) => {}
    }
    let value = bytes(value);
    if value.is_none() && !is_deleted {
        walked.note(0, format!("row {id} has a value that is none"));
    }
    let value = value.unwrap_or_default();
    each(Row {
        key,
        revision: (revision, 0),
        create_revision: match (is_deleted, is_created || created == 0) {
            (true, _) => 0,
            (false, true) => revision,
            (false, false) => created,
        },
        version: 0,
        lease,
        value: (!is_deleted).then_some(value),
        place: Place {
            at: revision,
            length: if is_deleted { 0 } else { length(value) },
        },
    });
}

/// The bytes of a value; an empty one may be stored as nothing.
pub(super) fn bytes(value: ValueRef<'_>) -> Option<&[u8]> {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Some(bytes),
        ValueRef::Null => Some(&[]),
        ValueRef::Integer(_) | ValueRef::Real(_) => None,
    }
}
