//! Files that were made to keep us busy: each ends soon, takes little memory, and is called damaged.

mod forged;

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use defib_formats::bbolt::Walked;
use defib_formats::datastore::Rows;

use self::forged::{Forged, PAGE, branch, entry, long, long_entry, small, tree};
use super::in_place::InPlace;
use super::{FileAt, Kine};

/// Levels of a tree, below its root and above its leaves.
const LEVELS: usize = 17;

/// Everything that is asked of a database: what is wrong with it, and bytes of the rows it gives.
fn asked(folder: &Path) -> Result<(Vec<String>, u64), String> {
    let path = folder.join("state.db");
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let done = || {
            let opened = crate::datastore::open(&path).map_err(|e| e.to_string())?;
            let (kine, _) = Kine::open(opened).map_err(|e| e.to_string())?;
            let (mut walked, mut bytes) = (Walked::default(), 0);
            for part in 0..2 {
                walked.absorb(kine.scan(part, 2, &mut |row| {
                    bytes += (row.key.len() + row.value.map_or(0, <[u8]>::len)) as u64;
                }));
            }
            walked.absorb(kine.integrity());
            kine.old_values();
            kine.expected_rows();
            Ok((walked.damage.into_iter().map(|d| d.what).collect(), bytes))
        };
        // Nobody listens any more where it took too long.
        drop(send.send(done()));
    });
    let answer = receive.recv_timeout(Duration::from_secs(60));
    answer.expect("it ends")
}

fn is_said(damage: &[String], what: &str) -> bool {
    damage.iter().any(|d| d.contains(what))
}

/// Levels of branches, each with six pointers to the next, and one row below all of them.
#[test]
fn a_table_whose_pages_share_their_children() {
    let (mut db, folder) = (Forged::new(), tempfile::tempdir().unwrap());
    let leaf = db.page(db.table).to_vec();
    let mut below = db.add(&leaf);
    for _ in 0..LEVELS {
        below = db.add(&branch(below, 6));
    }
    db.put(db.table, &branch(below, 6));
    db.save(folder.path());
    let (damage, _) = asked(folder.path()).unwrap();
    assert!(is_said(&damage, "stands behind row"), "{damage:?}");
}

/// The same of an index, in which every entry is kine's note of compaction.
#[test]
fn an_index_whose_pages_share_their_children() {
    let (mut db, folder) = (Forged::new(), tempfile::tempdir().unwrap());
    let entry = entry(b"compact_rev_key", 1);
    let mut below = db.add(&tree(10, None, &vec![entry.clone(); 40]));
    for level in 0..=LEVELS {
        let cell = [&below.to_be_bytes()[..], &entry].concat();
        let page = tree(2, Some(below), &vec![cell; 60]);
        match level {
            LEVELS => db.put(db.index, &page),
            _ => below = db.add(&page),
        }
    }
    let path = db.save(folder.path());
    let (damage, _) = asked(folder.path()).unwrap();
    assert!(is_said(&damage, "leads in circles"), "{damage:?}");
    let opened = crate::datastore::open(&path).unwrap();
    let (kine, _) = Kine::open(opened).unwrap();
    assert_eq!(kine.compacted(), 7, "the table says so");
}

/// An index whose entries are as long as SQLite takes them, of one page each: two hundred megabytes, and more than there
/// is memory for.
#[test]
fn entries_that_are_longer_than_the_file() {
    for pages in [50_000, 280_000] {
        let (mut db, folder) = (Forged::new(), tempfile::tempdir().unwrap());
        let circle = db.next();
        let mut page = vec![b'x'; PAGE];
        page[..4].copy_from_slice(&circle.to_be_bytes());
        db.add(&page);
        let mut below = db.add(&tree(10, None, &vec![long_entry(pages, circle); 8]));
        let cell = |below: u32| [&below.to_be_bytes()[..], &entry(b"a", 1)].concat();
        for _ in 0..2 {
            below = db.add(&tree(2, Some(below), &vec![cell(below); 60]));
        }
        db.put(db.index, &tree(2, Some(below), &vec![cell(below); 60]));
        db.save(folder.path());
        db.log(folder.path(), u32::MAX);
        let (damage, _) = asked(folder.path()).unwrap();
        let what = ["leads in circles", "can't be read"];
        assert!(what.iter().any(|w| is_said(&damage, w)), "{damage:?}");
    }
}

/// The same of the list of all tables: nothing can be asked before it was read.
#[test]
fn a_list_of_tables_whose_pages_share_their_children() {
    let (mut db, folder) = (Forged::new(), tempfile::tempdir().unwrap());
    let mut first = db.page(1).to_vec();
    let count = usize::from(first[104]);
    let mut leaf = first.clone();
    leaf.copy_within(100..108 + 2 * count, 0);
    let mut below = db.add(&leaf);
    for _ in 0..LEVELS {
        below = db.add(&branch(below, 6));
    }
    let root = branch(below, 6);
    // In the first page all stands behind the head of the file; the places of cells do not change.
    first[100..122].copy_from_slice(&root[..22]);
    first[PAGE - 40..].copy_from_slice(&root[PAGE - 40..]);
    db.put(1, &first);
    db.save(folder.path());
    match asked(folder.path()) {
        Ok((damage, _)) => assert!(!damage.is_empty()),
        Err(why) => assert!(
            why.contains("SQLite says") || why.contains("circles"),
            "{why}"
        ),
    }
}

/// A log says that the database has billions of pages, so that nothing that is read seems too much; values and names
/// go on in a page that leads to itself.
#[test]
fn values_that_are_longer_than_the_file() {
    for is_name in [false, true] {
        for (rows, pages) in [(24, 7_500), (1, 230_000)] {
            let (mut db, folder) = (Forged::new(), tempfile::tempdir().unwrap());
            let circle = db.next();
            let mut page = vec![b'x'; PAGE];
            page[..4].copy_from_slice(&circle.to_be_bytes());
            db.add(&page);
            let leaves: Vec<Vec<u8>> = (0..rows / 8 + 2)
                .map(|n| {
                    let cells =
                        (0..rows.min(8)).map(|m| long(n * 8 + m + 2, pages, circle, is_name));
                    tree(13, None, &cells.collect::<Vec<_>>())
                })
                .collect();
            let mut cells = Vec::new();
            for (n, leaf) in leaves.iter().enumerate() {
                let number = db.add(leaf);
                cells.push([&number.to_be_bytes()[..], &forged::varint(n as u64 * 8 + 9)].concat());
            }
            let last = db.next() - 1;
            cells.pop();
            db.put(db.table, &tree(5, Some(last), &cells));
            let path = db.save(folder.path());
            db.log(folder.path(), u32::MAX);
            let length = std::fs::metadata(path).unwrap().len();
            let (damage, bytes) = asked(folder.path()).unwrap();
            let what =
                format!("{rows} rows, names: {is_name}: {bytes} bytes of {length}, {damage:?}");
            assert!(bytes <= length, "{what}");
            assert!(
                is_said(&damage, "more bytes than the file") || is_said(&damage, "too big"),
                "{what}"
            );
            // SQLite would mark each of those pages in memory.
            let unchecked = ["4294967295 pages", "check was not made"];
            assert!(unchecked.iter().any(|w| is_said(&damage, w)), "{what}");
        }
    }
}

/// Where a log is judged, rows are kept to be compared: not such with names of megabytes that they share.
#[test]
fn names_that_share_what_follows_them() {
    let (mut db, folder) = (Forged::new(), tempfile::tempdir().unwrap());
    let (pages, first) = (2_050, db.next());
    for n in 0..pages {
        let mut page = vec![b'y'; PAGE];
        let next = if n + 1 < pages { first + n + 1 } else { 0 };
        page[..4].copy_from_slice(&next.to_be_bytes());
        db.add(&page);
    }
    let mut cells = Vec::new();
    for leaf in 0..5u64 {
        let rows = (0..8).map(|n| long(leaf * 8 + n + 2, u64::from(pages), first, true));
        let number = db.add(&tree(13, None, &rows.collect::<Vec<_>>()));
        cells.push([&number.to_be_bytes()[..], &forged::varint(leaf * 8 + 9)].concat());
    }
    let last = db.add(&tree(13, None, &[small(100, b"/registry/things/last")]));
    db.put(db.table, &tree(5, Some(last), &cells));
    let path = db.save(folder.path());
    db.log(folder.path(), db.next() - 1);
    let placed = InPlace::open(FileAt::open(&path).unwrap(), None).unwrap();
    match placed.sample() {
        Ok(rows) => {
            let kept: usize = rows.iter().map(|row| row.1.len()).sum();
            panic!("{kept} bytes of {} rows are kept", rows.len());
        }
        Err(damage) => assert!(damage.what.contains("a name of"), "{damage}"),
    }
    let (damage, _) = asked(folder.path()).unwrap();
    assert!(is_said(&damage, "more bytes than the file"), "{damage:?}");
}
