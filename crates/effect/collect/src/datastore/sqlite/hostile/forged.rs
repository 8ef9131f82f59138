//! Databases that SQLite made, with pages put into them by hand.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// As older versions of kine have it, with one index.
const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE kine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
    create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
CREATE INDEX kine_name_index ON kine (name);
INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value)
    VALUES ('compact_rev_key', 1, 0, 0, 7, 0, '');";

/// Bytes of a page.
pub(super) const PAGE: usize = 4_096;
/// Bytes of a record that stand in its leaf, where its length fits.
const LOCAL: usize = 489;

/// A database, page by page.
pub(super) struct Forged {
    bytes: Vec<u8>,
    /// Roots of the table and of its index.
    pub(super) table: u32,
    pub(super) index: u32,
}

impl Forged {
    /// With kine's own note alone in it.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let root = |name: &str| -> u32 {
            let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
            connection.query_row(sql, [name], |r| r.get(0)).unwrap()
        };
        let (table, index) = (root("kine"), root("kine_name_index"));
        drop(connection);
        let bytes = std::fs::read(&path).unwrap();
        Self {
            bytes,
            table,
            index,
        }
    }

    pub(super) fn page(&self, number: u32) -> &[u8] {
        &self.bytes[(number as usize - 1) * PAGE..number as usize * PAGE]
    }

    /// The page behind the last.
    pub(super) fn next(&self) -> u32 {
        (self.bytes.len() / PAGE) as u32 + 1
    }

    pub(super) fn add(&mut self, page: &[u8]) -> u32 {
        let number = self.next();
        self.bytes.extend_from_slice(page);
        number
    }

    pub(super) fn put(&mut self, number: u32, page: &[u8]) {
        self.bytes[(number as usize - 1) * PAGE..number as usize * PAGE].copy_from_slice(page);
    }

    /// Writes it; its head says how many pages it has.
    pub(super) fn save(&mut self, folder: &Path) -> PathBuf {
        let count = self.next() - 1;
        self.bytes[28..32].copy_from_slice(&count.to_be_bytes());
        let path = folder.join("state.db");
        std::fs::write(&path, &self.bytes).unwrap();
        path
    }

    /// A log of one frame, which says how many pages the database has.
    pub(super) fn log(&self, folder: &Path, pages: u32) {
        let words = |bytes: &mut Vec<u8>, words: &[u32]| {
            words
                .iter()
                .for_each(|w| bytes.extend_from_slice(&w.to_be_bytes()));
        };
        let sum = |(mut a, mut b): (u32, u32), bytes: &[u8]| {
            for pair in bytes.chunks_exact(8) {
                let word = |at| u32::from_be_bytes(pair[at..at + 4].try_into().unwrap());
                a = a.wrapping_add(word(0)).wrapping_add(b);
                b = b.wrapping_add(word(4)).wrapping_add(a);
            }
            (a, b)
        };
        let mut out = Vec::new();
        let salt = [11, 12];
        words(&mut out, &[0x377f_0683, 3_007_000, PAGE as u32, 0]);
        words(&mut out, &salt);
        let head = sum((0, 0), &out);
        words(&mut out, &[head.0, head.1]);
        let mut frame = Vec::new();
        words(&mut frame, &[1, pages]);
        let mut first = self.page(1).to_vec();
        // SQLite believes this word as far as the frame allows it.
        first[28..32].copy_from_slice(&pages.to_be_bytes());
        let all = sum(sum(head, &frame), &first);
        words(&mut frame, &salt);
        words(&mut frame, &[all.0, all.1]);
        out.extend_from_slice(&frame);
        out.extend_from_slice(&first);
        std::fs::write(folder.join("state.db-wal"), out).unwrap();
    }
}

pub(super) fn varint(number: u64) -> Vec<u8> {
    let mut out = vec![(number & 0x7f) as u8];
    let mut rest = number >> 7;
    while rest > 0 {
        out.insert(0, (rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out
}

/// A page of a tree: `right` where it is a branch.
pub(super) fn tree(kind: u8, right: Option<u32>, cells: &[Vec<u8>]) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let (mut end, mut place) = (PAGE, if right.is_some() { 12 } else { 8 });
    for cell in cells {
        end -= cell.len().max(4);
        page[end..end + cell.len()].copy_from_slice(cell);
        page[place..place + 2].copy_from_slice(&(end as u16).to_be_bytes());
        place += 2;
    }
    assert!(place <= end, "too many cells");
    page[0] = kind;
    page[3..5].copy_from_slice(&(cells.len() as u16).to_be_bytes());
    page[5..7].copy_from_slice(&(end as u16).to_be_bytes());
    if let Some(right) = right {
        page[8..12].copy_from_slice(&right.to_be_bytes());
    }
    page
}

/// Types of a row of kine and its name, as they begin a record; the last but one is its value's.
fn begin(name: u64, value: u64) -> Vec<u8> {
    // No id, the name, created, not deleted, three times 0, the value, none before it.
    let mut types = vec![0];
    types.extend(varint(13 + 2 * name));
    types.extend([9, 8, 8, 8, 8]);
    types.extend(varint(12 + 2 * value));
    types.push(0);
    types.insert(0, types.len() as u8 + 1);
    types
}

/// A row that is whole in its leaf.
pub(super) fn small(id: u64, name: &[u8]) -> Vec<u8> {
    let mut record = begin(name.len() as u64, 2);
    record.extend_from_slice(name);
    record.extend_from_slice(b"{}");
    let mut cell = varint(record.len() as u64);
    cell.extend(varint(id));
    cell.extend(record);
    cell
}

/// A row that goes on in so many pages from one on: its name is long, or else its value.
pub(super) fn long(id: u64, pages: u64, first: u32, is_name: bool) -> Vec<u8> {
    let length = LOCAL as u64 + pages * (PAGE as u64 - 4);
    let short = format!("/registry/things/n{id}");
    let of = |long: u64| match is_name {
        true => begin(long, 0),
        false => begin(short.len() as u64, long),
    };
    let rest = length - if is_name { 0 } else { short.len() as u64 };
    let head = of(rest - 16);
    let head = of(rest - head.len() as u64);
    let mut record = head;
    record.extend_from_slice(short.as_bytes());
    record.resize(LOCAL, b'x');
    let mut cell = varint(length);
    cell.extend(varint(id));
    cell.extend(record);
    cell.extend(first.to_be_bytes());
    cell
}

/// A branch of a table whose children are all the same page.
pub(super) fn branch(child: u32, count: u64) -> Vec<u8> {
    let cells: Vec<Vec<u8>> = (1..count)
        .map(|n| [child.to_be_bytes().to_vec(), varint(n)].concat())
        .collect();
    tree(5, Some(child), &cells)
}

/// An entry of the index of names that goes on in so many pages, all of them the same one.
pub(super) fn long_entry(pages: u64, page: u32) -> Vec<u8> {
    let length = LOCAL as u64 + pages * (PAGE as u64 - 4);
    // The name, what no entry has, and the id.
    let of = |filler: u64| {
        let types = [vec![13 + 2 * 15], varint(12 + 2 * filler), vec![1]].concat();
        [vec![types.len() as u8 + 1], types].concat()
    };
    let head = of(length - 32).len() as u64;
    let mut record = of(length - head - 15 - 1);
    record.extend_from_slice(b"compact_rev_key");
    record.resize(LOCAL, b'x');
    let mut cell = varint(length);
    cell.extend(record);
    cell.extend(page.to_be_bytes());
    cell
}

/// An entry of the index of names.
pub(super) fn entry(name: &[u8], id: u8) -> Vec<u8> {
    let mut record = vec![3, 13 + 2 * name.len() as u8, 1];
    record.extend_from_slice(name);
    record.push(id);
    let mut cell = varint(record.len() as u64);
    cell.extend(record);
    cell
}
