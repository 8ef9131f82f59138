//! Files made by hand, whole and damaged. Files that a real etcd wrote are read in the tests of `defib`.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::{Database, Walked, salvage};

const SIZE: usize = 1024;

fn page(id: u64, flags: u16, count: usize, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(id.to_le_bytes());
    out.extend(flags.to_le_bytes());
    out.extend(u16::try_from(count).unwrap().to_le_bytes());
    out.extend(0u32.to_le_bytes());
    out.extend(body);
    out.resize(SIZE, 0);
    out
}

/// A leaf's elements, behind its header.
fn leaf(pairs: &[(u32, &[u8], Vec<u8>)]) -> Vec<u8> {
    let (mut heads, mut data) = (Vec::<u8>::new(), Vec::<u8>::new());
    for (n, (flags, key, value)) in pairs.iter().enumerate() {
        let at = (pairs.len() - n) * 16 + data.len();
        for number in [*flags, at as u32, key.len() as u32, value.len() as u32] {
            heads.extend(number.to_le_bytes());
        }
        data.extend(*key);
        data.extend(value);
    }
    heads.extend(data);
    heads
}

fn branch(children: &[(&[u8], u64)]) -> Vec<u8> {
    let (mut heads, mut data) = (Vec::<u8>::new(), Vec::<u8>::new());
    for (n, (key, child)) in children.iter().enumerate() {
        let at = (children.len() - n) * 16 + data.len();
        heads.extend((at as u32).to_le_bytes());
        heads.extend((key.len() as u32).to_le_bytes());
        heads.extend(child.to_le_bytes());
        data.extend(*key);
    }
    heads.extend(data);
    heads
}

fn meta(id: u64, txid: u64, root: u64, high: u64) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [0xED0C_DAEDu32, 2, SIZE as u32, 0] {
        body.extend(number.to_le_bytes());
    }
    for number in [root, 0, u64::MAX, high, txid] {
        body.extend(number.to_le_bytes());
    }
    let sum = body.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    body.extend(sum.to_le_bytes());
    page(id, 4, 0, &body)
}

/// Two buckets: `key` with two leaves below a branch, `meta` inside of the root's leaf.
fn file() -> Vec<u8> {
    let pairs = |from: u8| {
        let keys: Vec<[u8; 1]> = (from..from + 5).map(|n| [n]).collect();
        leaf(
            &keys
                .iter()
                .map(|k| (0, k.as_slice(), vec![k[0]; 9]))
                .collect::<Vec<_>>(),
        )
    };
    let mut inline = [0u8; 16].to_vec();
    let mut body = page(0, 2, 1, &leaf(&[(0, b"term", vec![1])]));
    body.truncate(16 + 16 + 5);
    inline.extend(body);
    let mut outer = 3u64.to_le_bytes().to_vec();
    outer.extend(0u64.to_le_bytes());
    let root = leaf(&[(1, b"key", outer), (1, b"meta", inline)]);
    [
        meta(0, 6, 2, 6),
        meta(1, 7, 2, 6),
        page(2, 2, 2, &root),
        page(3, 1, 2, &branch(&[(&[10], 4), (&[20], 5)])),
        page(4, 2, 5, &pairs(10)),
        page(5, 2, 5, &pairs(20)),
    ]
    .concat()
}

/// All keys of the bucket `key`, and what was found on the way.
fn read(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, Walked)> {
    let database = Database::open(bytes, bytes.len() as u64).ok()?;
    let walk = database.walk();
    let mut walked = walk.walked.clone();
    let mut keys = Vec::new();
    for bucket in &walk.buckets {
        for part in bucket.parts(3) {
            walked.absorb(bucket.leaves(&database, &walk.seen, part, |entry, _, _| {
                if bucket.name == b"key" {
                    keys.push(entry.key.to_vec());
                }
            }));
        }
    }
    Some((keys, walked))
}

fn whole() -> Vec<Vec<u8>> {
    (10..15).chain(20..25).map(|n| vec![n]).collect()
}

#[test]
fn buckets_branches_and_inline_pages_are_walked() {
    let bytes = file();
    let database = Database::open(bytes.as_slice(), bytes.len() as u64).unwrap();
    assert_eq!((database.meta().txid, database.pages()), (7, 6));
    let names: Vec<Vec<u8>> = database
        .walk()
        .buckets
        .into_iter()
        .map(|b| b.name)
        .collect();
    assert_eq!(names, [b"key".to_vec(), b"meta".to_vec()]);
    let (keys, walked) = read(&bytes).unwrap();
    assert_eq!((keys, walked.damages), (whole(), 0), "{:?}", walked.damage);
}

/// A crash while one meta page is written leaves the other.
#[test]
fn the_other_meta_page_holds() {
    for (at, txid) in [(SIZE + 30, 6), (30, 7)] {
        let mut bytes = file();
        bytes[at] ^= 1;
        let database = Database::open(bytes.as_slice(), bytes.len() as u64).unwrap();
        assert_eq!(database.meta().txid, txid);
        assert!(database.metas().other.is_some());
        assert_eq!(read(&bytes).unwrap().0, whole());
    }
    let mut bytes = file();
    bytes[30] ^= 1;
    bytes[SIZE + 30] ^= 1;
    assert!(Database::open(bytes.as_slice(), bytes.len() as u64).is_err());
}

#[test]
fn circles_and_pages_of_others_are_found() {
    // The branch names itself, and then the same leaf twice.
    for children in [
        [(&[10u8][..], 3), (&[20][..], 5)],
        [(&[10][..], 4), (&[20][..], 4)],
    ] {
        let mut bytes = file();
        bytes.splice(3 * SIZE..4 * SIZE, page(3, 1, 2, &branch(&children)));
        let (_, walked) = read(&bytes).unwrap();
        assert!(walked.damages > 0);
    }
}

#[test]
fn leaves_are_found_without_a_tree() {
    let mut bytes = file();
    bytes[..4 * SIZE].fill(0);
    let mut keys = Vec::new();
    let found = salvage(
        &bytes.as_slice(),
        bytes.len() as u64,
        Some(SIZE as u32),
        |entry| {
            keys.push(entry.key.to_vec());
        },
    );
    assert_eq!((keys, found.leaves), (whole(), 2));
}

/// Counts what is read.
struct Counted(Vec<u8>, AtomicU64);

impl crate::read_at::ReadAt for Counted {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.0.as_slice().read_at(offset, buffer)
    }
}

/// Leaves that all say they reach to the end of the file, and do not hold, do not make it be read as often as there
/// are pages.
#[test]
fn pages_that_claim_everything_are_not_believed() {
    let pages = 2_000u64;
    let mut bytes = Vec::new();
    for id in 0..pages {
        // Its one element stands nowhere.
        let mut one = page(id, 2, 1, &[0xff; 16]);
        let rest = u32::try_from(pages - id - 1).unwrap();
        one[12..16].copy_from_slice(&rest.to_le_bytes());
        bytes.extend(one);
    }
    let file = Counted(bytes, Default::default());
    let length = pages * SIZE as u64;
    let found = salvage(&file, length, Some(SIZE as u32), |_| {});
    assert!(found.walked.damages > 0);
    let read = file.1.into_inner();
    assert!(read < 8 * length, "{} times", read / length);
}

proptest! {
    /// Whatever is changed, it comes to an end, and no key appears that is in no page.
    #[test]
    fn damage_is_survived(changes in prop::collection::vec((0usize..6 * SIZE, any::<u8>()), 1..8), cut in 0usize..6 * SIZE) {
        let mut bytes = file();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let _ = read(&bytes);
        bytes.truncate(cut);
        if let Some((keys, _)) = read(&bytes) {
            prop_assert!(keys.len() < 100);
        }
        let mut n = 0;
        salvage(&bytes.as_slice(), bytes.len() as u64, None, |_| n += 1);
        prop_assert!(n < 1000);
    }

    /// The same with rubbish behind sound meta pages.
    #[test]
    fn rubbish_is_survived(rubbish in prop::collection::vec(any::<u8>(), 4 * SIZE)) {
        let mut bytes = file();
        bytes.truncate(2 * SIZE);
        bytes.extend(rubbish);
        let _ = read(&bytes);
    }
}
