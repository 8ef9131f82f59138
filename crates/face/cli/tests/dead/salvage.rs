//! Files of a real etcd whose first pages, root or branches are gone: what is still in their leaves.

use std::collections::BTreeMap;

use defib_session::inspect::{Dead, Trust};
use xtask::lab::member::Member;

use super::wal::{SLOW, failed};
use super::{Outcome, defib, files, text};

const PAGE: usize = 4096;

/// Every live key, its revision and its value.
fn live(dead: &Dead) -> Result<BTreeMap<String, (u64, Vec<u8>)>, libtest_mimic::Failed> {
    let list = dead.list(&Default::default());
    let mut out = BTreeMap::new();
    for item in list.items() {
        let value = dead.rows().value(item.place)?;
        out.insert(item.key.to_owned(), (item.revision, value));
    }
    Ok(out)
}

/// Zeros in the place of every page that is chosen.
fn destroyed(bytes: &[u8], chosen: impl Fn(usize, &[u8]) -> bool) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for (n, page) in bytes.chunks_exact(PAGE).enumerate() {
        if chosen(n, page) {
            out[n * PAGE..(n + 1) * PAGE].fill(0);
        }
    }
    out
}

pub fn rows_come_back_without_a_tree() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.db");
    for whole in [files().snapshot(), files().large()] {
        let want = live(&Dead::open(&whole).map_err(failed)?)?;
        let bytes = std::fs::read(&whole)?;
        let is_branch = |page: &[u8]| page.get(8) == Some(&1);
        let is_root = |page: &[u8]| page.windows(15).any(|w| w == b"members_removed");
        let harms: [(&str, Vec<u8>); 4] = [
            ("first pages", destroyed(&bytes, |n, _| n < 2)),
            ("root", destroyed(&bytes, |n, page| n >= 2 && is_root(page))),
            (
                "branches",
                destroyed(&bytes, |n, page| n >= 2 && is_branch(page)),
            ),
            (
                "all of them",
                destroyed(&bytes, |n, page| n < 2 || is_branch(page) || is_root(page)),
            ),
        ];
        for (what, harmed) in harms {
            std::fs::write(&path, &harmed)?;
            // As a whole it is damaged, and what helps is named.
            let done = defib(&["inspect", "verify", &text(&path)]);
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&done.stdout),
                String::from_utf8_lossy(&done.stderr)
            );
            assert!(
                said.contains("damaged") && said.contains("--salvage"),
                "{what}: {said}"
            );
            assert!(matches!(done.status.code(), Some(1 | 2)), "{what}: {said}");

            let dead = Dead::salvage(&path).map_err(failed)?;
            assert_eq!(dead.verify().trust, Trust::Damaged, "{what}");
            let got = live(&dead)?;
            assert_eq!(got.len(), want.len(), "{what}: {:?}", dead.notes);
            assert!(got == want, "{what}");
            let notes = dead.notes.join("; ");
            println!("{what}: {} keys; {notes}", got.len());
        }
    }
    let file = text(&path);
    for arguments in [
        &["ls", &file, "--salvage"][..],
        &["get", &file, "--salvage", "plain"],
        &["history", &file, "--salvage", "plain"],
        &["stats", &file, "--salvage"],
        &["export", &file, "--salvage", "--select", "kind=ConfigMap"],
        &["diff", &file, "--salvage", "--from", "10", "--kind", "pods"],
        &["verify", &file, "--salvage"],
    ] {
        let done = defib(&[&["inspect"], arguments].concat());
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(told.contains("rows were salvaged"), "{arguments:?}: {told}");
        assert!(!done.stdout.is_empty(), "{arguments:?}: {told}");
        assert_ne!(done.status.code(), Some(1), "{arguments:?}: {told}");
    }
    let done = defib(&["inspect", "members", &file, "--salvage"]);
    assert_eq!(done.status.code(), Some(1));
    Ok(())
}

/// Pages that were given back still hold what was compacted away: it may come back, and that is said.
pub fn what_was_compacted_may_come_back() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut member = Member::start(folder.path(), &SLOW[2..]).map_err(failed)?;
    for n in 0..40 {
        let key = format!("/registry/a/{n:02}");
        member
            .etcdctl(&["put", &key, &"x".repeat(300)])
            .map_err(failed)?;
    }
    member
        .etcdctl(&["del", "/registry/a/1", "/registry/a/2"])
        .map_err(failed)?;
    member
        .etcdctl(&["compact", "42", "--physical"])
        .map_err(failed)?;
    member
        .etcdctl(&["put", "/registry/b", "1"])
        .map_err(failed)?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    member.kill();
    let path = folder.path().join("a.db");
    std::fs::copy(member.data().join("member/snap/db"), &path)?;
    let want = live(&Dead::open(&path).map_err(failed)?)?;
    let dead = Dead::salvage(&path).map_err(failed)?;
    let got = live(&dead)?;
    assert_eq!((want.len(), dead.compacted()), (31, 42));
    assert!(want.iter().all(|(key, value)| got.get(key) == Some(value)));
    let notes = dead.notes.join("; ");
    assert!(
        notes.contains("1 of 1 revisions since the last compaction"),
        "{notes}"
    );
    assert!(notes.contains("may come back"), "{notes}");
    println!(
        "{} keys that were deleted came back",
        got.len() - want.len()
    );
    Ok(())
}
