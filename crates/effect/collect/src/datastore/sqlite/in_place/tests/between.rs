//! Rows that stand between two bad places are read.

use super::super::super::Kine;
use super::{Written, copied, database, rows};

/// Bytes of a page.
const PAGE: usize = 512;

/// Keys of the rows that can be read, by their numbers.
fn numbers(kine: &Kine) -> Vec<u32> {
    let (found, walked) = rows(kine);
    assert!(walked.damages > 0);
    let number = |key: &str| key.rsplit('n').next().and_then(|n| n.parse().ok());
    found.iter().filter_map(|row| number(&row.0)).collect()
}

/// Leaves that are lost, with good ones between them: each row is there that stands in a good one.
#[test]
fn leaves_between_bad_leaves() {
    let db = Written::new(PAGE as u32);
    for key in 0..400 {
        db.row(key, 0, 90, false);
    }
    db.checkpoint("TRUNCATE");
    let cut = db.cut();
    let path = database(cut.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let is_leaf = |at: &usize| bytes[*at] == 13 && bytes[*at + 3..*at + 5] != [0, 0];
    let has_rows = |at: &usize| bytes[*at..*at + PAGE].windows(9).any(|w| w == b"/things/n");
    let leaves: Vec<usize> = (PAGE..bytes.len())
        .step_by(PAGE)
        .filter(is_leaf)
        .filter(has_rows)
        .collect();
    assert!(leaves.len() > 60, "{}", leaves.len());
    let lost = |n: usize| matches!(n, 20 | 22 | 23 | 25 | 29 | 30 | 31 | 33);
    let count = |at: usize| usize::from(u16::from_be_bytes([bytes[at + 3], bytes[at + 4]]));
    let all: usize = (0..leaves.len())
        .filter(|n| lost(*n))
        .map(|n| count(leaves[n]))
        .sum();
    for (n, at) in leaves.iter().enumerate() {
        if lost(n) {
            bytes[*at] = 0;
        }
    }
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(numbers(&copied(cut.path())).len(), 400 - all);
}

/// Values that are lost, with good ones between them.
#[test]
fn values_between_bad_values() {
    let db = Written::new(PAGE as u32);
    for key in 0..60 {
        let id = db.row(key, 0, 0, false);
        let value = format!("value{key:03};").repeat(300);
        let sql = "UPDATE kine SET value = ?1 WHERE id = ?2";
        db.connection
            .execute(sql, (value.into_bytes(), id))
            .unwrap();
    }
    db.checkpoint("TRUNCATE");
    let cut = db.cut();
    let path = database(cut.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let lost = [10, 11, 13, 17, 18, 19, 21];
    for key in lost {
        let mark = format!("value{key:03};").into_bytes();
        let pages = (0..bytes.len()).step_by(PAGE);
        // What goes on elsewhere begins with the number of the next page.
        let mut long = pages
            .filter(|at| bytes[*at] == 0 && bytes[*at..*at + PAGE].windows(9).any(|w| w == mark));
        let first = long.next().unwrap();
        bytes[first..first + 4].fill(0xff);
    }
    std::fs::write(&path, &bytes).unwrap();
    let wanted: Vec<u32> = (0..60).filter(|n| !lost.contains(n)).collect();
    assert_eq!(numbers(&copied(cut.path())), wanted);
}
