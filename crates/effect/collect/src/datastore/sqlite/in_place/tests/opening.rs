//! What is taken of a database and its log when they are opened.

use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::super::Kine;
use super::super::Log;
use super::{Written, copied, database, placed, rows};

/// Written to between the moment in which it was found and the copy: the copy of the next try is a sound one.
#[test]
fn a_try_that_succeeds_is_what_counts() {
    let db = Written::new(4096);
    db.row(1, 0, 100, false);
    db.checkpoint("TRUNCATE");
    let opened = crate::datastore::open(&database(db.folder.path())).unwrap();
    for key in 2..400 {
        db.row(key, 0, 500, false);
    }
    db.checkpoint("TRUNCATE");
    let (kine, notes) = Kine::open(opened).unwrap();
    assert_eq!(rows(&kine).0.len(), 399, "{notes:?}");
    assert!(!kine.has_changed(), "{notes:?}");
    db.row(400, 0, 5_000, false);
    db.checkpoint("TRUNCATE");
    assert!(kine.has_changed());
}

/// What stands behind two slashes is no name of a machine.
#[test]
fn a_path_that_begins_with_two_slashes() {
    let db = Written::new(4096);
    db.row(1, 0, 100, false);
    let path = format!("/{}", database(db.folder.path()).display());
    super::super::super::connections::connect(Path::new(&path), false).unwrap();
}

/// What people do to a table by hand, in the log of the database itself: no other database's.
#[test]
fn a_log_in_which_somebody_changed_the_table_is_its_own() {
    let filled = || {
        let db = Written::new(4096);
        for key in 0..200 {
            db.row(key, 0, 300, false);
        }
        db.checkpoint("TRUNCATE");
        db
    };
    let db = filled();
    db.sql("DELETE FROM kine WHERE id > 150");
    let copy = copied(db.cut().path());
    assert!(matches!(copy.log, Log::Read { .. }), "{:?}", copy.log);
    assert_eq!(rows(&copy).0.len(), 149);
    let (log, there) = placed(db.cut().path()).unwrap();
    assert!(matches!(log, Log::Read { .. }), "{log:?}");
    assert_eq!(rows(&there.unwrap()).0.len(), 149);

    let db = filled();
    db.sql("ALTER TABLE kine ADD COLUMN x TEXT DEFAULT ''");
    db.row(900, 0, 300, false);
    let cut = db.cut();
    let copy = copied(cut.path());
    assert!(matches!(copy.log, Log::Read { .. }), "{:?}", copy.log);
    assert_eq!(rows(&copy).0.len(), 201);
    // Where it lies, words that are not understood are no reason to call it another's.
    match placed(cut.path()).unwrap() {
        (Log::Left { why }, None) => assert!(!why.contains("another database"), "{why}"),
        (log, _) => panic!("{log:?}"),
    }
}

/// Behind a gigabyte lies a page that SQLite never writes, nor puts into a log.
#[test]
fn a_log_that_takes_a_database_beyond_a_gigabyte() {
    const PAGE: u32 = 65_536;
    let db = Written::new(PAGE);
    db.row(1, 0, 100, false);
    let Written { folder, connection } = db;
    drop(connection);
    // As long as that, of a hole that no table has.
    let pages: u32 = (1 << 30) / PAGE - 3;
    let file = std::fs::File::options()
        .write(true)
        .open(database(folder.path()))
        .unwrap();
    file.set_len(u64::from(pages) * u64::from(PAGE)).unwrap();
    file.write_all_at(&pages.to_be_bytes(), 28).unwrap();
    let connection = rusqlite::Connection::open(database(folder.path())).unwrap();
    connection
        .execute_batch("PRAGMA wal_autocheckpoint = 0")
        .unwrap();
    let db = Written { folder, connection };
    for key in 2..12 {
        db.row(key, 0, 100_000, false);
    }
    let (log, there) = placed(db.folder.path()).unwrap();
    let (kine, Log::Read { .. }) = (there.unwrap(), &log) else {
        panic!("{log:?}");
    };
    assert!(
        kine.pages.1 > (1 << 30) / u64::from(PAGE) + 1,
        "{:?}",
        kine.pages
    );
    let (found, walked) = rows(&kine);
    assert_eq!((found.len(), &walked.damage[..]), (11, &[][..]));
}

/// The last transaction, of which one frame never reached the disk and the frame that commits did: so it may be where the
/// power went, and nobody has to have damaged it. Not so where another transaction follows.
#[test]
fn a_frame_that_never_reached_the_disk() {
    let db = Written::new(4096);
    db.row(1, 0, 100, false);
    db.checkpoint("TRUNCATE");
    db.row(2, 0, 100, false);
    let begin = std::fs::metadata(db.folder.path().join("state.db-wal"))
        .unwrap()
        .len();
    db.row(3, 0, 60_000, false);
    let lost = |db: &Written| {
        let cut = db.cut();
        let log = std::fs::File::options()
            .write(true)
            .open(cut.path().join("state.db-wal"))
            .unwrap();
        log.write_all_at(&[0; 4096 + 24], begin + 3 * (4096 + 24))
            .unwrap();
        let kine = copied(cut.path());
        assert_eq!(rows(&kine).0.len(), 2);
        (kine.doubts.concat(), rows(&kine).1.damages)
    };
    let (doubts, damages) = lost(&db);
    assert!(doubts.contains("as where the power went"), "{doubts}");
    assert_eq!(damages, 0);
    db.row(4, 0, 100, false);
    let (doubts, damages) = lost(&db);
    assert!(doubts.is_empty() && damages > 0, "{doubts}");
}
