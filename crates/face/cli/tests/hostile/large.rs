//! Logs that are too large to be held: read in pieces, the same by every way in.
//!
//! Deliberately absent: times, memory and the 1 GB rows (`cargo xtask bench`).

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::{Ran, bare, defib, path};

/// Megabytes of the log: several pieces.
const SIZE: usize = 40;
/// A secret that stands in it again and again.
const CANARY: &str = "canary-7001-Pw";

/// A journal whose only trouble is said seven times, in places far from each other.
fn journal(to: &Path) {
    let file = std::fs::File::create(to).unwrap();
    let mut out = std::io::BufWriter::with_capacity(1 << 20, file);
    let mut piece = String::new();
    for n in 0..8_000 {
        piece.push_str(&format!(
            "Nov 21 10:{:02}:{:02} n1 k3s[812]: time=\"2026-11-21T10:{:02}:{:02}Z\" level=info msg=\"Handling backend connection request [node-{n}]\"\n",
            n / 60 % 60, n % 60, n / 60 % 60, n % 60
        ));
    }
    let times = SIZE * 1_000_000 / piece.len();
    for n in 0..times {
        out.write_all(piece.as_bytes()).unwrap();
        writeln!(
            out,
            "Nov 21 12:00:00 n1 sudo[9]: root : COMMAND=/usr/bin/etcdctl --user root:{CANARY} member list"
        )
        .unwrap();
        if n % (times / 7 + 1) == 0 {
            writeln!(out, "Nov 21 12:00:00 n1 k3s[812]: write /var/lib/rancher/k3s/server/db/state.db-wal: no space left on device").unwrap();
        }
    }
}

/// What the report says, without the names of sources.
fn essence(ran: &Ran) -> Vec<String> {
    let report = ran.report();
    let list = |v: &Value, k: &str| v[k].as_array().cloned().unwrap_or_default();
    list(&report, "root_causes")
        .iter()
        .flat_map(|c| {
            let lines = list(c, "evidence")
                .iter()
                .map(|e| format!("{}: {}", e["line"], e["text"]))
                .collect::<Vec<_>>();
            [format!("{} {}", c["class"], c["entity"])]
                .into_iter()
                .chain(lines)
        })
        .collect()
}

#[test]
fn a_large_log_is_the_same_by_every_way_in() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("k3s.log");
    journal(&log);
    let plain = defib(&["diagnose", path(&log), "-o", "json"]);
    let want = essence(&plain);
    assert_eq!(
        want.first().map(String::as_str),
        Some("\"disk-full\" \"host/n1\"")
    );
    assert!(want.len() > 4, "{want:?}");

    let stdin = bare(&["diagnose", "-", "-o", "json"])
        .stdin(Stdio::from(std::fs::File::open(&log).unwrap()))
        .output()
        .unwrap();
    let stdin = Ran {
        code: stdin.status.code().unwrap(),
        out: stdin.stdout,
        err: String::new(),
    };
    assert_eq!(essence(&stdin), want);

    let bundle = folder.path().join("b.tar.zst");
    let collected = defib(&["collect", path(&log), "--out", path(&bundle)]);
    assert_eq!(collected.code, 0, "{}", collected.err);
    let again = defib(&["diagnose", path(&bundle), "-o", "json"]);
    assert_eq!(essence(&again), want);

    let packed = folder.path().join("logs.tar.zst");
    let mut tar =
        tar::Builder::new(zstd::Encoder::new(std::fs::File::create(&packed).unwrap(), 1).unwrap());
    tar.append_path_with_name(&log, "n1/k3s.log").unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let unpacked = defib(&["diagnose", path(&packed), "-o", "json"]);
    assert_eq!(essence(&unpacked), want);

    for ran in [&plain, &stdin, &again, &unpacked] {
        assert!(!ran.text().contains("canary-7001"));
        assert!(!ran.err.contains("canary-7001"));
    }
    let inside = zstd::stream::decode_all(std::fs::File::open(&bundle).unwrap()).unwrap();
    let found = String::from_utf8_lossy(&inside).contains(CANARY);
    assert!(!found, "the bundle holds a secret");
}

/// Every word of an endless line says something: each is looked at once.
#[test]
fn a_line_without_an_end_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let line =
        format!("no space left on device, password={CANARY} and more words ").repeat(300_000);
    std::fs::write(folder.path().join("a.log"), line).unwrap();
    let ran = defib(&["diagnose", path(folder.path()), "-o", "json"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(!ran.text().contains("canary-7001"));
}
