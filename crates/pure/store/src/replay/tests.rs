//! Requests of a log, applied to a datastore that a test holds.

use super::*;
use crate::held::{Held, Told};

fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, value.len() as u8];
    out.extend(value);
    out
}

fn put(key: &[u8], value: &[u8]) -> Vec<u8> {
    [bytes(1, key), bytes(2, value)].concat()
}

/// `mod_revision(key) == revision`
fn unchanged(key: &[u8], revision: u8) -> Vec<u8> {
    [vec![0x10, 2], bytes(3, key), vec![0x30, revision]].concat()
}

fn txn(compare: &[u8], then: &[u8]) -> Vec<u8> {
    bytes(6, &[bytes(1, compare), bytes(2, then)].concat())
}

fn entry(data: Vec<u8>) -> Entry {
    Entry {
        is_normal: true,
        data,
        ..Entry::default()
    }
}

fn leased(lease: u64) -> Standing {
    Standing {
        leases: BTreeSet::from([lease]),
        ..Standing::default()
    }
}

/// Key, revision, version, value.
type Said = (String, (u64, u64), u64, Option<String>);

fn writes(base: Held, requests: Vec<Vec<u8>>) -> Vec<Said> {
    let entries: Vec<Entry> = requests.into_iter().map(entry).collect();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let done = Replayed::new(base, leased(9), &entries, Walked::default());
    assert_eq!(done.broken, 0);
    let written = done.writes.iter();
    written
        .map(|w| {
            (
                text(&w.key),
                w.revision,
                w.version,
                w.value.as_deref().map(text),
            )
        })
        .collect()
}

/// What an API server does: it writes where nobody wrote in between.
#[test]
fn transactions_write_where_they_hold() {
    let base = Held(vec![
        Told::new("a", 5, "old"),
        Told::new("b", 7, "x").leased(9),
    ]);
    let got = writes(
        base,
        vec![
            txn(&unchanged(b"a", 5), &bytes(2, &put(b"a", b"new"))),
            txn(&unchanged(b"a", 5), &bytes(2, &put(b"a", b"late"))),
            txn(&unchanged(b"c", 0), &bytes(2, &put(b"c", b"made"))),
            bytes(4, &put(b"d", b"plain")),
            bytes(5, &[bytes(1, b"a"), bytes(2, b"b")].concat()),
            bytes(9, &[8, 9]),
        ],
    );
    let some = |s: &str| Some(s.to_owned());
    assert_eq!(
        got,
        [
            ("a".into(), (8, 0), 2, some("new")),
            ("c".into(), (9, 0), 1, some("made")),
            ("d".into(), (10, 0), 1, some("plain")),
            ("a".into(), (11, 0), 0, None),
            ("b".into(), (12, 0), 0, None),
        ]
    );
}

/// What etcd refuses leaves nothing, not even the part of a transaction that it would have taken.
#[test]
fn what_is_refused_is_refused_whole() {
    let base = Held(vec![
        Told::new("a", 5, "old"),
        Told::new("b", 7, "x").leased(9),
    ]);
    let leased = |key: &[u8], lease: u8| [put(key, b"v"), vec![0x18, lease]].concat();
    let keeping = |key: &[u8]| [bytes(1, key), vec![0x28, 1]].concat();
    let both = [
        bytes(1, &unchanged(b"a", 5)),
        bytes(2, &bytes(2, &put(b"a", b"taken"))),
        bytes(2, &bytes(2, &keeping(b"none"))),
    ]
    .concat();
    // A transaction inside of one: it compares with what was before both.
    let inner = bytes(
        4,
        &[
            bytes(1, &unchanged(b"a", 5)),
            bytes(2, &bytes(2, &put(b"c", b"in"))),
        ]
        .concat(),
    );
    let nested = [bytes(2, &bytes(2, &put(b"a", b"new"))), bytes(2, &inner)].concat();
    let got = writes(
        base,
        vec![
            bytes(4, &leased(b"l", 8)),
            bytes(8, &[0x10, 8]),
            bytes(4, &leased(b"l", 8)),
            bytes(6, &both),
            bytes(4, &keeping(b"none")),
            bytes(6, &nested),
            bytes(9, &[8, 77]),
            bytes(9, &[8, 8]),
        ],
    );
    let some = |s: &str| Some(s.to_owned());
    assert_eq!(
        got,
        [
            ("l".into(), (8, 0), 1, some("v")),
            ("a".into(), (9, 0), 2, some("new")),
            ("c".into(), (9, 1), 1, some("in")),
            ("l".into(), (10, 0), 0, None),
        ]
    );
}

/// One that does not hold ends it: what comes behind would get wrong revisions.
#[test]
fn nothing_is_applied_behind_what_does_not_hold() {
    let base = Held(vec![Told::new("a", 5, "old")]);
    let requests = [
        bytes(4, &put(b"b", b"1")),
        vec![0x22, 9],
        bytes(4, &put(b"c", b"2")),
    ];
    let entries: Vec<Entry> = requests.into_iter().map(entry).collect();
    let done = Replayed::new(base, Standing::default(), &entries, Walked::default());
    assert_eq!((done.applied, done.broken, done.writes.len()), (1, 2, 1));
    assert_eq!(done.scan(0, 1, &mut |_| {}).damages, 1);
}

/// etcd 3.5 announces members in the form of its second API: no write, and no damage.
#[test]
fn a_request_of_the_second_api_is_passed() {
    let announced = [
        vec![8, 1],
        bytes(2, b"PUT"),
        bytes(3, b"/0/version"),
        bytes(4, b"3.5.0"),
    ]
    .concat();
    let got = writes(
        Held(vec![Told::new("a", 5, "old")]),
        vec![announced, bytes(4, &put(b"b", b"new"))],
    );
    assert_eq!(got, [("b".into(), (6, 0), 1, Some("new".to_owned()))]);
}

/// A compaction that is only in the log counts, unless etcd would have refused it.
#[test]
fn a_compaction_of_the_log_counts() {
    let of = |requests: Vec<Vec<u8>>| {
        let entries: Vec<Entry> = requests.into_iter().map(entry).collect();
        let base = Held(vec![Told::new("a", 5, "old")]);
        Replayed::new(base, Standing::default(), &entries, Walked::default()).compacted()
    };
    let compact = |revision: u8| bytes(7, &[8, revision]);
    assert_eq!(of(vec![compact(4)]), 4);
    assert_eq!(of(vec![compact(4), compact(3)]), 4);
    assert_eq!(of(vec![compact(6)]), 0);
    assert_eq!(of(vec![bytes(4, &put(b"b", b"new")), compact(6)]), 6);
}
