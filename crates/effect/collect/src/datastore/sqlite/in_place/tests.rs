//! What is read where it lies, compared with what SQLite reads of a copy.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use defib_formats::bbolt::Walked;
use defib_formats::datastore::Rows;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use super::super::{Form, Kine};
use super::Log;

mod between;
mod opening;

/// As `kine/pkg/drivers/sqlite/sqlite.go` of 0.16 has it.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS kine
    (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT,
        created INTEGER,
        deleted INTEGER,
        create_revision INTEGER,
        prev_revision INTEGER,
        lease INTEGER,
        value BLOB,
        old_value BLOB
    );
CREATE INDEX IF NOT EXISTS kine_name_index ON kine (name);
CREATE INDEX IF NOT EXISTS kine_name_id_index ON kine (name,id);
CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine (name, prev_revision);
INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value)
    VALUES ('compact_rev_key', 1, 0, 0, 0, 0, '');";

/// A database that is being written.
struct Written {
    folder: tempfile::TempDir,
    connection: Connection,
}

impl Written {
    fn new(page_size: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("state.db")).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {page_size}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF;"
            ))
            .unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        Self { folder, connection }
    }

    /// One write, whose value has so many bytes; `before`: the row before it of the same key.
    fn row(&self, key: u32, before: i64, bytes: usize, is_deleted: bool) -> i64 {
        let value: Vec<u8> = (0..bytes).map(|n| (n as u32 * 7 + key) as u8).collect();
        let old = (before > 0).then(|| vec![key as u8; bytes / 3]);
        self.connection
            .execute(
                "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    format!("/registry/things/n{key}"),
                    i64::from(before == 0),
                    i64::from(is_deleted),
                    before,
                    before,
                    i64::from(key.is_multiple_of(5)) * 60,
                    (!is_deleted).then_some(value),
                    old,
                ],
            )
            .unwrap();
        self.connection.last_insert_rowid()
    }

    fn sql(&self, text: &str) {
        self.connection.execute_batch(text).unwrap();
    }

    fn checkpoint(&self, how: &str) {
        self.connection
            .query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(()))
            .unwrap();
    }

    /// What lies there now, as after a power cut.
    fn cut(&self) -> tempfile::TempDir {
        let to = tempfile::tempdir().unwrap();
        for name in ["state.db", "state.db-wal"] {
            std::fs::copy(self.folder.path().join(name), to.path().join(name)).unwrap();
        }
        to
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("state.db")
}

/// Read where it lies; `None` where the log is left to SQLite, or out.
fn placed(folder: &Path) -> Result<(Log, Option<Kine>), String> {
    let path = database(folder);
    let file = crate::datastore::open(&path)
        .map_err(|e| e.to_string())?
        .file;
    let found = super::open(&file, Some(&folder.join("state.db-wal")))?;
    let log = found.log;
    let Some(placed) = found.placed else {
        return Ok((log, None));
    };
    let mut damage = Walked::default();
    let doubts = super::wal::ended(&found.end, &mut damage);
    let mut kine = Kine {
        log: log.clone(),
        pages: (0, 0),
        page_size: 0,
        doubts: doubts.into_iter().filter(|_| damage.damages == 0).collect(),
        found: damage,
        in_place: true,
        ids: None,
        compacted: 0,
        is_circle: false,
        form: Form::Pages(Box::new(placed)),
        beside: None,
        sources: Vec::new(),
    };
    kine.look(None)?;
    Ok((log, Some(kine)))
}

fn copied(folder: &Path) -> Kine {
    let opened = crate::datastore::open(&database(folder)).unwrap();
    Kine::open(opened).unwrap().0
}

/// A row with all that is said of it.
type Said = (String, u64, u64, u64, Option<Vec<u8>>, u64, Vec<u8>);

fn rows(kine: &Kine) -> (Vec<Said>, Walked) {
    let (mut out, mut walked) = (Vec::new(), Walked::default());
    for part in 0..3 {
        let mut places = Vec::new();
        walked.absorb(kine.scan(part, 3, &mut |row| {
            places.push(row.place);
            out.push((
                String::from_utf8_lossy(row.key).into_owned(),
                row.revision.0,
                row.create_revision,
                row.lease,
                row.value.map(<[u8]>::to_vec),
                row.place.at,
                Vec::new(),
            ));
        }));
        let begin = out.len() - places.len();
        for (said, place) in out[begin..].iter_mut().zip(places) {
            said.6 = kine.value(place).unwrap_or_default();
        }
    }
    (out, walked)
}

/// The same both ways, and nothing damaged; how many rows there are.
fn same(folder: &Path, what: &str) -> usize {
    let (rows, damage) = alike(folder, what);
    assert!(damage.is_empty(), "{what}: {damage:?}");
    rows
}

/// The same both ways; how many rows there are, and what is said to be wrong.
fn alike(folder: &Path, what: &str) -> (usize, Vec<String>) {
    let (log, placed) = placed(folder).unwrap();
    let copy = copied(folder);
    assert_eq!(log, copy.log, "{what}");
    let placed = placed.unwrap_or_else(|| copied(folder));
    let (theirs, ours) = (rows(&copy), rows(&placed));
    let wrong = |kine: &Kine, walked: &Walked| -> Vec<String> {
        let damage = walked.damage.iter().map(|d| d.what.clone());
        damage.chain(kine.doubts.iter().cloned()).collect()
    };
    let damage = wrong(&placed, &ours.1);
    assert_eq!(wrong(&copy, &theirs.1), damage, "{what}");
    assert!(theirs.0 == ours.0, "{what}: other rows");
    let said = |kine: &Kine| {
        let all = (kine.ids, kine.compacted, kine.pages, kine.page_size);
        (all, kine.old_values())
    };
    assert_eq!(said(&copy), said(&placed), "{what}");
    assert!(!placed.has_changed(), "{what}");
    (ours.0.len(), damage)
}

#[test]
fn what_lies_there_is_what_a_copy_gives() {
    for page_size in [512, 1024, 4096, 65_536] {
        let db = Written::new(page_size);
        let mut last = Vec::new();
        for key in 0..60 {
            last.push(db.row(key, 0, key as usize * 41, false));
        }
        let what = |step: &str| format!("{step} with pages of {page_size}");
        assert_eq!(same(db.cut().path(), &what("no checkpoint")), 60);
        db.checkpoint("PASSIVE");
        same(db.cut().path(), &what("all is in the database, too"));
        // Several transactions over what was brought into the database, with values of many pages.
        for (key, before) in last.iter_mut().enumerate() {
            let bytes = if key % 9 == 0 { 200_000 } else { 900 };
            *before = db.row(key as u32, *before, bytes, false);
        }
        same(db.cut().path(), &what("a log begun anew"));
        for key in (0..60).step_by(4) {
            last[key] = db.row(key as u32, last[key], 30, true);
        }
        // As kine compacts: rows go, and its own note of it is changed.
        db.sql("DELETE FROM kine WHERE id IN (SELECT prev_revision FROM kine WHERE name != 'compact_rev_key' AND id <= 90)");
        db.sql("UPDATE kine SET prev_revision = 90 WHERE name = 'compact_rev_key'");
        same(db.cut().path(), &what("compacted"));
        // What is not yet committed stands in the log, too, where memory is short.
        db.sql("PRAGMA cache_size = 4; PRAGMA cache_spill = 1; BEGIN");
        let long = std::fs::metadata(db.folder.path().join("state.db-wal")).unwrap();
        for key in 0..300 {
            db.row(1_000 + key, 0, 2_000, false);
        }
        let now = std::fs::metadata(db.folder.path().join("state.db-wal")).unwrap();
        assert!(now.len() > long.len(), "nothing stands in the log");
        let before = same(db.cut().path(), &what("uncommitted"));
        db.sql("COMMIT");
        assert_eq!(same(db.cut().path(), &what("committed")), before + 300);
        // All pages in other places, and fewer than before.
        db.sql("DELETE FROM kine WHERE id BETWEEN 100 AND 250; VACUUM");
        let count = same(db.cut().path(), &what("vacuum"));
        db.checkpoint("TRUNCATE");
        db.row(5_000, 0, 10, false);
        assert_eq!(same(db.cut().path(), &what("truncated")), count + 1);
    }
}

/// A log that is cut or damaged at any place ends there for SQLite and for us, and it is said where frames are lost.
#[test]
fn a_damaged_log_ends_where_it_ends_for_sqlite() {
    let db = Written::new(1024);
    for key in 0..20 {
        db.row(key, 0, 100, false);
    }
    db.checkpoint("PASSIVE");
    for key in 0..40 {
        db.row(100 + key, 0, 700, false);
    }
    let cut = db.cut();
    let path = cut.path().join("state.db-wal");
    let good = std::fs::read(&path).unwrap();
    let (mut least, mut most, mut broken) = (usize::MAX, 0, 0);
    let (all, _) = alike(cut.path(), "whole");
    for n in 0..60 {
        let mut bytes = good.clone();
        let at = 32 + n * (bytes.len() - 32) / 60;
        match n % 2 {
            0 => bytes[at] ^= 1 << (n % 8),
            _ => bytes.truncate(at),
        }
        std::fs::write(&path, &bytes).unwrap();
        let (count, wrong) = alike(cut.path(), &format!("byte {at}"));
        (least, most) = (least.min(count), most.max(count));
        broken += usize::from(wrong.iter().any(|w| w.contains("breaks at frame")));
        // A log that is cut between two frames ends there for everybody.
        let is_clean = n % 2 == 1 && (at - 32).is_multiple_of(24 + 1024);
        assert!(
            count == all || is_clean || !wrong.is_empty(),
            "byte {at}: {count} rows"
        );
    }
    assert!(least <= 21 && most > 50, "{least} to {most}");
    assert!(broken > 20, "{broken}");
}

#[test]
fn the_log_of_another_database_is_left_out() {
    let (ours, others) = (Written::new(4096), Written::new(4096));
    for key in 0..200 {
        ours.row(key, 0, 300, false);
        others.row(9_000 + key, 0, 1_300, false);
    }
    ours.checkpoint("TRUNCATE");
    others.checkpoint("TRUNCATE");
    for key in 0..60 {
        others.row(key, 0, 2_000, false);
    }
    let cut = ours.cut();
    let log = cut.path().join("state.db-wal");
    std::fs::copy(others.folder.path().join("state.db-wal"), &log).unwrap();
    let left = |part: &str| match placed(cut.path()).unwrap() {
        (Log::Left { why }, None) => assert!(why.contains(part), "{why}"),
        (other, _) => panic!("{other:?}"),
    };
    left("another database");
    std::fs::write(&log, [7; 4_000]).unwrap();
    left("does not begin as a log");
    std::fs::write(&log, [7; 9]).unwrap();
    left("9 bytes");
    let small = Written::new(512);
    std::fs::copy(small.folder.path().join("state.db-wal"), &log).unwrap();
    left("512 bytes");
}

/// Tells a writer to end when it goes.
struct Ends<'d>(&'d AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A writer that commits, checkpoints and begins its log anew, without a pause: nothing breaks, and what says that
/// nothing changed is one state of the database.
#[test]
fn a_writer_at_work() {
    let db = Written::new(4096);
    let folder = db.folder.path().to_owned();
    let done = AtomicBool::new(false);
    let (mut whole, mut changed, mut refused) = (0, 0, 0);
    std::thread::scope(|scope| {
        let done = &done;
        // Also where an assertion fails: the scope waits for the writer.
        let _ends = Ends(done);
        let writer = scope.spawn(move || {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                // Seven rows belong together.
                db.sql("BEGIN");
                for n in 0..7 {
                    db.row(round * 7 + n, 0, 600 + round as usize % 9_000, false);
                }
                db.sql("COMMIT");
                match round % 16 {
                    3 => db.checkpoint("PASSIVE"),
                    9 => db.checkpoint("RESTART"),
                    15 => db.checkpoint("TRUNCATE"),
                    _ => {}
                }
                if round % 64 == 63 {
                    db.sql(&format!(
                        "DELETE FROM kine WHERE id BETWEEN 2 AND {}",
                        1 + (round - 20) * 7
                    ));
                }
                round += 1;
                // A real one rests, too.
                if round % 24 == 5 {
                    std::thread::sleep(std::time::Duration::from_millis(40));
                }
            }
            db
        });
        let begun = std::time::Instant::now();
        // On a machine with much to do, it may take a while until the two meet.
        while (whole + changed + refused < 60 || changed == 0) && begun.elapsed().as_secs() < 40 {
            let kine = match placed(&folder) {
                Ok((_, Some(kine))) => kine,
                // The moment in which a log is begun anew.
                Ok((Log::None, None)) => continue,
                Ok((Log::Left { why }, None)) => {
                    assert!(!why.contains("another database"), "{why}");
                    refused += 1;
                    continue;
                }
                Ok((log, None)) => panic!("{log:?}"),
                Err(why) => {
                    assert!(!why.is_empty());
                    refused += 1;
                    continue;
                }
            };
            let (rows, walked) = rows(&kine);
            if kine.has_changed() || kine.overwritten() > 0 {
                changed += 1;
                continue;
            }
            assert_eq!(walked.damages, 0, "{:?}", walked.damage);
            let mut counts = std::collections::BTreeMap::new();
            for row in &rows {
                *counts.entry((row.1 - 2) / 7).or_insert(0) += 1;
            }
            assert!(counts.values().all(|n| *n == 7), "{counts:?}");
            whole += 1;
        }
        done.store(true, Ordering::Relaxed);
        let db = writer.join().unwrap();
        db.row(1_000_000, 0, 10, false);
        same(db.cut().path(), "at rest");
    });
    println!("{whole} whole, {changed} changed meanwhile, {refused} refused");
    assert!(changed > 0);
}

/// Id, key, value.
type Plain = (u64, String, Option<Vec<u8>>);

/// What SQLite itself reads of the table in a copy: id, key, value; and whether it broke off.
fn by_sqlite(folder: &Path) -> (Vec<Plain>, bool) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["state.db", "state.db-wal"] {
        std::fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    let mut out = Vec::new();
    let done = Connection::open(copy.path().join("state.db")).and_then(|connection| {
        // As it is read here: without it, SQLite gives what lies elsewhere on a page.
        connection.execute_batch("PRAGMA cell_size_check = ON")?;
        let mut asked = connection.prepare(
            "SELECT id, CAST(name AS BLOB), deleted, value, old_value FROM kine NOT INDEXED",
        )?;
        let mut rows = asked.query([])?;
        while let Some(row) = rows.next()? {
            let (id, name): (i64, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
            let is_deleted = !matches!(row.get_ref(2)?, ValueRef::Null | ValueRef::Integer(0));
            let value = super::rows::bytes(row.get_ref(3)?).map(<[u8]>::to_vec);
            let name = String::from_utf8_lossy(&name.unwrap_or_default()).into_owned();
            if name != "compact_rev_key" {
                let value = value.filter(|_| !is_deleted);
                out.push((u64::try_from(id).unwrap_or(0), name, value));
            }
            // A tree that leads in circles has no end.
            if out.len() > 10_000 {
                return Ok(false);
            }
        }
        Ok(true)
    });
    (out, !done.unwrap_or(false))
}

/// Bytes changed anywhere in either file: no panic, no endless walk, and either what SQLite reads of the same file or a
/// word about what is wrong; read where it lies and from a copy.
#[test]
fn damage_is_named_and_ends() {
    let db = Written::new(512);
    for key in 0..40 {
        db.row(key, 0, 60 + 50 * key as usize, false);
    }
    db.checkpoint("PASSIVE");
    for key in 0..40 {
        db.row(key, i64::from(key) + 2, 400, key % 3 == 0);
    }
    let cut = db.cut();
    let paths = ["state.db", "state.db-wal"].map(|name| cut.path().join(name));
    let good = paths.each_ref().map(|path| std::fs::read(path).unwrap());
    let all = by_sqlite(cut.path()).0.len();
    let (mut seed, mut damaged, mut refused, mut left, mut lost) = (7u64, 0, 0, 0, 0);
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for round in 0..1_200 {
        let mut bytes = good.clone();
        let which = usize::from(random(4) == 0);
        let page = random(bytes[which].len() / 512) * 512;
        let is_bit = round % 2 == 0;
        for _ in 0..1 + if is_bit { 0 } else { random(4) } {
            // Heads of pages above all: there stands what leads elsewhere.
            let at = match random(3) {
                0 => random(bytes[which].len()),
                _ => (page + random(24)).min(bytes[which].len() - 1),
            };
            bytes[which][at] = match is_bit {
                true => bytes[which][at] ^ 1 << random(8),
                false => [0, 1, 2, 5, 13, 0x7f, 0xff][random(7)],
            };
        }
        for (path, bytes) in paths.iter().zip(&bytes) {
            std::fs::write(path, bytes).unwrap();
        }
        let (theirs, is_broken) = by_sqlite(cut.path());
        lost += u32::from(theirs.len() < all || is_broken);
        let mut compared = |kine: &Kine, how: &str| {
            let (rows, walked) = rows(kine);
            damaged += u32::from(walked.damages > 0);
            // What a row still says of the one before it stands in front of it.
            let ids: Vec<u64> = rows.iter().map(|r| r.5 & !(1 << 63)).collect();
            assert!(ids.is_sorted(), "{ids:?}");
            let is_said = walked.damages > 0 || !kine.doubts.is_empty();
            if is_said || matches!(kine.log, Log::Left { .. }) {
                return;
            }
            let ours: Vec<_> = rows
                .into_iter()
                .filter(|row| row.5 >> 63 == 0)
                .map(|row| (row.1, row.0, row.4))
                .collect();
            if is_broken {
                // Where it is the words that made an index, SQLite reads nothing, and all rows are there.
                assert_eq!(ours.len(), all, "round {round} {how}");
                return;
            }
            assert!(
                ours == theirs,
                "round {round} {how}: {} rows, SQLite reads {}",
                ours.len(),
                theirs.len()
            );
        };
        match placed(cut.path()) {
            Err(why) => {
                assert!(!why.is_empty());
                refused += 1;
            }
            Ok((_, None)) => left += 1,
            Ok((_, Some(kine))) => compared(&kine, "in place"),
        }
        if round % 4 < 2
            && let Ok((kine, _)) = Kine::open(crate::datastore::open(&paths[0]).unwrap())
        {
            compared(&kine, "copied");
        }
    }
    println!(
        "{damaged} damaged, {refused} refused, {left} logs left out; SQLite lost rows of {lost}"
    );
    assert!(
        damaged > 200 && refused > 5 && left > 3 && lost > 200,
        "{damaged}, {refused}, {left}, {lost}"
    );
}

/// A table of three levels, and what a fault of one page in it hides: it is said, in place as in a copy.
#[test]
fn rows_that_the_tree_lost_are_missed() {
    let db = Written::new(512);
    for key in 0..300 {
        db.row(key, 0, 90, false);
    }
    db.checkpoint("TRUNCATE");
    // So that there is a log, and it is read in place.
    db.sql("UPDATE kine SET prev_revision = 1 WHERE name = 'compact_rev_key'");
    let cut = db.cut();
    let path = database(cut.path());
    let good = std::fs::read(&path).unwrap();
    let leaves: Vec<usize> = (1..good.len() / 512)
        .map(|n| n * 512)
        .filter(|at| good[*at] == 13 && good[at + 3..at + 5] != [0, 0])
        .collect();
    assert!(leaves.len() > 60, "{}", leaves.len());
    let count = |kine: &Kine| rows(kine).0.len();
    let all = count(&placed(cut.path()).unwrap().1.unwrap());
    let mut hidden = 0;
    for at in leaves {
        for (offset, bits) in [(4, 0xff), (4, 1), (3, 0), (9, 2), (10, 1)] {
            let mut bytes = good.clone();
            match offset {
                // No rows at all.
                4 if bits == 0xff => bytes[at + 3..at + 5].fill(0),
                3 => bytes[at] = 0,
                _ => bytes[at + offset] ^= bits,
            }
            std::fs::write(&path, &bytes).unwrap();
            let placed = match placed(cut.path()) {
                Ok((_, Some(kine))) => kine,
                // Another table's: the list of tables, or the counter.
                _ => continue,
            };
            let opened = crate::datastore::open(&path).unwrap();
            let copied = Kine::open(opened).ok().map(|(kine, _)| kine);
            for kine in [Some(placed), copied].into_iter().flatten() {
                let (rows, walked) = rows(&kine);
                if rows.len() < all {
                    hidden += 1;
                    assert!(walked.damages > 0, "byte {offset} of the page at {at}");
                }
            }
        }
    }
    assert!(hidden > 300, "{hidden}");
}

/// Ids as far from each other as there can be: the parts of a scan have all of them.
#[test]
fn ids_far_apart() {
    let db = Written::new(1024);
    let ids = [i64::MIN + 1, -5, 7, i64::MAX - 1];
    for id in ids {
        db.connection
            .execute(
                "INSERT INTO kine(id, name, created, deleted, create_revision, prev_revision, lease, value)
                 VALUES (?1, ?2, 1, 0, 0, 0, 0, x'7b7d')",
                params![id, format!("/registry/things/n{id}")],
            )
            .unwrap();
    }
    let cut = db.cut();
    assert_eq!(same(cut.path(), "far apart"), ids.len());
}

/// Rows whose values go on in a page that leads to itself, in a file that says it has millions of pages.
#[test]
fn values_that_lead_in_circles_end() {
    let db = Written::new(512);
    for key in 0..60 {
        db.row(key, 0, 2_000, false);
    }
    db.checkpoint("TRUNCATE");
    db.row(99, 0, 10, false);
    let cut = db.cut();
    let path = database(cut.path());
    let mut bytes = std::fs::read(&path).unwrap();
    // Every page that a value goes on in leads to itself.
    for page in 2..=bytes.len() / 512 {
        let at = (page - 1) * 512;
        let next = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if next == page + 1 {
            bytes[at..at + 4].copy_from_slice(&(page as u32).to_be_bytes());
        }
    }
    std::fs::write(&path, &bytes).unwrap();
    let begun = std::time::Instant::now();
    let (_, Some(kine)) = placed(cut.path()).unwrap() else {
        panic!("it is not read in place");
    };
    let (rows, walked) = rows(&kine);
    assert!(walked.damages > 50, "{} of {}", walked.damages, rows.len());
    assert!(
        walked.damage[0].what.contains("belongs elsewhere"),
        "{:?}",
        walked.damage[0]
    );
    assert!(begun.elapsed().as_secs() < 10);
}

/// A transaction that never ended, in the database already: its journal takes it back in the copy, and without room
/// for one nothing is answered.
#[test]
fn a_hot_journal_is_rolled_back() {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(database(folder.path())).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 2")
        .unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let fill = |from: i64, to: i64, what: &str| {
        for n in from..to {
            connection
                .execute(
                    "INSERT INTO kine(id, name, created, deleted, create_revision, prev_revision, lease, value)
                     VALUES (?1, ?2, 1, 0, 0, 0, 0, zeroblob(200))",
                    params![n, format!("/registry/things/{what}{n}")],
                )
                .unwrap();
        }
    };
    fill(10, 110, "old");
    connection
        .execute_batch("BEGIN; DELETE FROM kine WHERE id BETWEEN 30 AND 60")
        .unwrap();
    fill(200, 500, "never");
    let names = ["state.db", "state.db-journal"];
    let cut = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::copy(folder.path().join(name), cut.path().join(name)).unwrap();
    }
    let before = names.map(|name| std::fs::read(cut.path().join(name)).unwrap());
    let opened = crate::datastore::open(&database(cut.path())).unwrap();
    let (kine, notes) = Kine::open(opened).unwrap();
    assert!(notes.iter().any(|n| n.contains("-journal")), "{notes:?}");
    let (found, walked) = rows(&kine);
    assert_eq!(
        (found.len(), walked.damages),
        (100, 0),
        "{:?}",
        walked.damage
    );
    assert!(found.iter().all(|r| r.0.contains("old")));
    assert_eq!(
        before,
        names.map(|name| std::fs::read(cut.path().join(name)).unwrap())
    );
    // Nothing is copied: it is not read as it lies.
    let journal = cut.path().join(names[1]);
    let hot = super::super::journal::hot;
    assert!(hot(&journal).unwrap().is_some());
    // Ended by hand, cut off, or empty.
    let mut ended = before[1].clone();
    ended[..28].fill(0);
    for bytes in [&ended[..], &before[1][..600], &before[1][..20], &[]] {
        std::fs::write(&journal, bytes).unwrap();
        assert!(hot(&journal).unwrap().is_none(), "{} bytes", bytes.len());
    }
    std::fs::remove_file(&journal).unwrap();
    assert!(hot(&journal).unwrap().is_none());
    std::os::unix::fs::symlink(folder.path().join(names[1]), &journal).unwrap();
    assert!(hot(&journal).is_err());
}
