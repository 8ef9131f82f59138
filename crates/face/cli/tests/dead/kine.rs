//! What a real kine wrote, and had not yet brought from its log into its database when it was killed.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use xtask::lab::kine::Kine;

use super::{Outcome, defib, text};

fn said(arguments: &[&str]) -> Result<Value, libtest_mimic::Failed> {
    let done = defib(arguments);
    serde_json::from_slice(&done.stdout).map_err(|e| {
        format!(
            "{arguments:?}: {e}: {}",
            String::from_utf8_lossy(&done.stderr)
        )
        .into()
    })
}

fn object(name: &str, colour: &str) -> String {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "namespace": "apps"},
        "data": {"colour": colour}})
    .to_string()
}

/// Every living key and its revision, as kine itself answers.
fn answered(kine: &Kine) -> Result<(u64, BTreeMap<String, u64>), libtest_mimic::Failed> {
    let fields = kine.etcdctl(&["get", "--prefix", "/registry/", "-w", "fields"], "")?;
    let (mut revision, mut keys, mut key) = (0, BTreeMap::new(), String::new());
    for line in fields.lines() {
        let Some((name, value)) = line.split_once(" : ") else {
            continue;
        };
        match name {
            "\"Revision\"" => revision = value.parse()?,
            "\"Key\"" => key = value.trim_matches('"').to_owned(),
            "\"ModRevision\"" => {
                keys.insert(key.clone(), value.parse()?);
            }
            _ => {}
        }
    }
    Ok((revision, keys))
}

/// The tool in a process whose files may grow to some KiB only.
fn without_room(arguments: &[&str]) -> Result<Output, libtest_mimic::Failed> {
    let done = Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 16; exec \"$0\" inspect \"$@\"")
        .arg(env!("CARGO_BIN_EXE_defib"))
        .args(arguments)
        .output()?;
    Ok(done)
}

/// A kine that is written to, read again and again where its files lie: nothing breaks, it is never called more than
/// readable, and what is listed was there.
pub fn a_kine_at_work_is_read_where_it_lies() -> Outcome {
    let folder = tempfile::tempdir()?;
    let kine = Kine::start(folder.path())?;
    let file = text(&kine.database());
    let key = |n: u32| format!("/registry/configmaps/apps/c{n:03}");
    kine.write(&key(0), 0, Some(&object("c000", "red")))?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        let (kine, done) = (&kine, &done);
        let writer = scope.spawn(move || {
            let mut n = 1;
            while !done.load(Ordering::Relaxed) && n < 1_000 {
                let name = format!("c{n:03}");
                if kine.write(&key(n), 0, Some(&object(&name, "red"))).is_err() {
                    break;
                }
                n += 1;
            }
            n
        });
        let read = || -> Outcome {
            let mut most = 0;
            for _ in 0..40 {
                let list = without_room(&["ls", &file, "-o", "json"])?;
                let noted = String::from_utf8_lossy(&list.stderr).into_owned();
                let list: Value =
                    serde_json::from_slice(&list.stdout).map_err(|e| format!("{e}: {noted}"))?;
                assert!(noted.contains("no consistent copy"), "{noted}");
                let keys = list.as_array().map_or(0, Vec::len);
                assert!(keys >= most, "{keys} after {most}: {noted}");
                most = keys;
                let said = without_room(&["verify", &file, "-o", "json"])?;
                let said: Value = serde_json::from_slice(&said.stdout)?;
                let trust = said["trust"].as_str().unwrap_or_default();
                assert!(matches!(trust, "unknown" | "readable"), "{said}");
            }
            Ok(())
        };
        let outcome = read();
        done.store(true, Ordering::Relaxed);
        let written = writer.join().map_err(|_| "the writer")?;
        println!("{written} written meanwhile");
        outcome
    })
}

/// Creations, changes and deletions: what lives is what kine said, what was changed has its history, what was
/// deleted can be had back, and the files stay as they were.
pub fn a_killed_kine_shows_what_it_answered() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut kine = Kine::start(folder.path())?;
    let key = |n: u32| format!("/registry/configmaps/apps/c{n:02}");
    for n in 0..24 {
        kine.write(&key(n), 0, Some(&object(&format!("c{n:02}"), "red")))?;
    }
    let (_, first) = answered(&kine)?;
    for n in 0..8 {
        let before = first.get(&key(n)).copied().unwrap_or_default();
        kine.write(&key(n), before, Some(&object(&format!("c{n:02}"), "blue")))?;
    }
    for n in 20..24 {
        let before = first.get(&key(n)).copied().unwrap_or_default();
        kine.write(&key(n), before, None)?;
    }
    let (revision, living) = answered(&kine)?;
    kine.kill();

    let file = text(&kine.database());
    let bytes = |end: &str| std::fs::read(format!("{file}{end}")).unwrap_or_default();
    let before = (bytes(""), bytes("-wal"), bytes("-shm"));
    assert!(!before.1.is_empty(), "the last writes stand in the log");
    let list = said(&["inspect", "ls", &file, "-o", "json"])?;
    let shown: BTreeMap<String, u64> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|k| Some((k["key"].as_str()?.to_owned(), k["revision"].as_u64()?)))
        .collect();
    assert_eq!(shown, living);
    let verified = said(&["inspect", "verify", &file, "-o", "json"])?;
    assert_eq!(verified["trust"], "readable", "{verified}");
    assert_eq!(verified["revision"].as_u64(), Some(revision));
    let changed = said(&["inspect", "get", &file, "configmap/c03", "-o", "json"])?;
    assert_eq!(changed["data"]["colour"], "blue");
    let history = said(&["inspect", "history", &file, "configmap/c21", "-o", "json"])?;
    let steps = history["steps"].as_array().cloned().unwrap_or_default();
    let whats: Vec<_> = steps.iter().filter_map(|s| s["what"].as_str()).collect();
    assert_eq!(whats, ["created", "deleted"], "{history}");
    let at = steps[0]["revision"].to_string();
    let back = said(&[
        "inspect",
        "get",
        &file,
        "configmap/c21",
        "--revision",
        &at,
        "-o",
        "json",
    ])?;
    assert_eq!(back["data"]["colour"], "red");
    let report = said(&["diagnose", &file, "-o", "json"])?;
    assert_eq!(report["verdict"], "unknown", "{report}");
    // Without room for a copy the same is read where it lies.
    for verb in [
        &["ls", &file, "-o", "json"] as &[&str],
        &["get", &file, "configmap/c03", "-o", "json"],
        &["history", &file, "configmap/c21", "-o", "json"],
        &["stats", &file],
        &["export", &file],
    ] {
        let (with, without) = (defib(&[&["inspect"], verb].concat()), without_room(verb)?);
        let noted = String::from_utf8_lossy(&without.stderr);
        assert!(noted.contains("no consistent copy"), "{verb:?}: {noted}");
        assert!(with.status.success() && !with.stdout.is_empty(), "{verb:?}");
        assert!(with.stdout == without.stdout, "{verb:?}: other answers");
    }
    let placed = without_room(&["verify", &file, "-o", "json"])?;
    let placed: Value = serde_json::from_slice(&placed.stdout)?;
    // No index was asked whether it knows more rows.
    assert_eq!(placed["trust"], "unknown", "{placed}");
    for what in ["revision", "rows", "pages", "values"] {
        assert_eq!(placed[what], verified[what], "{what}");
    }
    assert_eq!(
        before,
        (bytes(""), bytes("-wal"), bytes("-shm")),
        "nothing was written"
    );
    Ok(())
}
