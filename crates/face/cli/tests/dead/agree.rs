//! Damaged copies of a real snapshot, put before etcd's and bbolt's own programs too.
//!
//! The hash behind each copy is that of its damaged bytes, so that only what stands in it can tell.

use std::collections::BTreeMap;

use defib_session::inspect::{Dead, Trust};
use sha2::{Digest, Sha256};
use xtask::lab::member::{bbolt, etcdutl};

use super::wal::failed;
use super::{Outcome, files, text};

const PAGE: usize = 4096;

/// Where bits are flipped: in headers of pages and of their elements, and spread over everything.
fn places(length: usize, full: bool) -> Vec<usize> {
    let mut out = Vec::new();
    let step = if full { 1 } else { 4 };
    for (n, page) in (0..length / PAGE).enumerate().step_by(step) {
        // Number, flags, count, overflow; of the first element flags, place, and two lengths.
        let header = [0, 8, 10, 12, 16, 20, 24, 28];
        out.push(page * PAGE + header[n / step % header.len()]);
    }
    let spread = if full { 400 } else { 30 };
    out.extend((0..spread).map(|n| (n * 104_729 + 8_192) % length));
    out
}

pub fn what_others_call_broken_is_never_good() -> Outcome {
    let full = std::env::var_os("DEFIB_FULL").is_some();
    let folder = tempfile::tempdir()?;
    let (path, raw) = (folder.path().join("a.db"), folder.path().join("raw.db"));
    let mut bytes = std::fs::read(files().snapshot())?;
    bytes.truncate(bytes.len() - 32);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let (mut asked, mut wrong) = (0, Vec::new());
    for at in places(bytes.len(), full) {
        bytes[at] ^= 0x08;
        std::fs::write(&raw, &bytes)?;
        let mut all = bytes.clone();
        all.extend(Sha256::digest(&bytes));
        std::fs::write(&path, &all)?;
        bytes[at] ^= 0x08;
        let said = Dead::open(&path).map(|dead| dead.verify());
        let trust = said.as_ref().map(|s| s.trust).ok();
        let out = folder.path().join(format!("restored-{at}"));
        let others = [
            (
                "status",
                etcdutl(&["snapshot", "status", &text(&path)]).is_ok(),
            ),
            (
                "restore",
                etcdutl(&[
                    "snapshot",
                    "restore",
                    &text(&path),
                    "--data-dir",
                    &text(&out),
                ])
                .is_ok(),
            ),
            ("check", bbolt(&["check", &text(&raw)]).is_ok()),
        ];
        drop(std::fs::remove_dir_all(&out));
        asked += 1;
        let broken: Vec<&str> = others.iter().filter(|o| !o.1).map(|o| o.0).collect();
        let good = matches!(trust, Some(Trust::Verified | Trust::Readable));
        if !broken.is_empty() && good {
            wrong.push(format!(
                "byte {at}: {broken:?} say broken, here it is {trust:?}"
            ));
        }
        let kind = match (good, broken.is_empty()) {
            (true, _) => "all say good".to_owned(),
            (false, false) => "both say broken".to_owned(),
            // What they do not look at, and is said here with its place.
            (false, true) => {
                let said = said.map_err(failed)?;
                let first = said.damage.first().ok_or("damage without a place")?;
                let words = [
                    "is not whole",
                    "calls itself",
                    "does not hold",
                    "out of",
                    "not in order",
                    "lies outside",
                    "no revision",
                    "flags",
                    "bucket",
                ];
                let word = words.iter().find(|w| first.what.contains(**w));
                let what = word.map_or(first.what.as_str(), |w| w);
                format!("only here: {what}")
            }
        };
        *counts.entry(kind).or_insert(0) += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{asked} flips: {counts:?}");
    Ok(())
}
