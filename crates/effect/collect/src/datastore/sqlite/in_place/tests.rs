//! What is read where it lies, compared with what SQLite reads of a copy.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use defib_formats::bbolt::Walked;
use defib_formats::datastore::Rows;
use rusqlite::{Connection, params};

use super::super::{Form, Kine};
use super::Log;

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
        doubts: doubts.into_iter().collect(),
        found: damage,
        in_place: true,
        ids: None,
        compacted: 0,
        form: Form::Pages(Box::new(placed)),
        sources: Vec::new(),
    };
    kine.look()?;
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

/// The same both ways; how many rows there are.
fn same(folder: &Path, what: &str) -> usize {
    let (log, placed) = placed(folder).unwrap();
    let copy = copied(folder);
    assert_eq!(log, copy.log, "{what}");
    let placed = placed.unwrap_or_else(|| copied(folder));
    let (theirs, ours) = (rows(&copy), rows(&placed));
    assert_eq!(ours.1.damages, 0, "{what}: {:?}", ours.1.damage);
    assert_eq!(theirs.1.damages, 0, "{what}: {:?}", theirs.1.damage);
    assert!(theirs.0 == ours.0, "{what}: other rows");
    let said = |kine: &Kine| {
        let all = (kine.ids, kine.compacted, kine.pages, kine.page_size);
        (all, kine.old_values())
    };
    assert_eq!(said(&copy), said(&placed), "{what}");
    assert!(!placed.has_changed(), "{what}");
    ours.0.len()
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

/// A log that is cut or damaged at any place ends there for SQLite and for us.
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
    let (mut least, mut most) = (usize::MAX, 0);
    for n in 0..60 {
        let mut bytes = good.clone();
        let at = 32 + n * (bytes.len() - 32) / 60;
        match n % 2 {
            0 => bytes[at] ^= 1 << (n % 8),
            _ => bytes.truncate(at),
        }
        std::fs::write(&path, &bytes).unwrap();
        let count = same(cut.path(), &format!("byte {at}"));
        (least, most) = (least.min(count), most.max(count));
    }
    assert!(least <= 21 && most > 50, "{least} to {most}");
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
        while whole + changed + refused < 60 && begun.elapsed().as_secs() < 20 {
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

/// Bytes changed anywhere in either file: no panic, no endless walk, and rows in their order.
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
    let (mut seed, mut damaged, mut refused, mut left) = (7u64, 0, 0, 0);
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..3_000 {
        let mut bytes = good.clone();
        let which = usize::from(random(4) == 0);
        let page = random(bytes[which].len() / 512) * 512;
        for _ in 0..1 + random(4) {
            // Heads of pages above all: there stands what leads elsewhere.
            let at = match random(3) {
                0 => random(bytes[which].len()),
                _ => (page + random(24)).min(bytes[which].len() - 1),
            };
            bytes[which][at] = [0, 1, 2, 5, 13, 0x7f, 0xff][random(7)];
        }
        for (path, bytes) in paths.iter().zip(&bytes) {
            std::fs::write(path, bytes).unwrap();
        }
        match placed(cut.path()) {
            Err(why) => {
                assert!(!why.is_empty());
                refused += 1;
            }
            Ok((_, None)) => left += 1,
            Ok((_, Some(kine))) => {
                let (rows, walked) = rows(&kine);
                damaged += u32::from(walked.damages > 0);
                // What a row still says of the one before it stands in front of it.
                let ids: Vec<u64> = rows.iter().map(|r| r.5 & !(1 << 63)).collect();
                assert!(ids.is_sorted(), "{ids:?}");
            }
        }
    }
    println!("{damaged} damaged, {refused} refused, {left} logs left out");
    assert!(
        damaged > 200 && refused > 10 && left > 5,
        "{damaged}, {refused}, {left}"
    );
}
