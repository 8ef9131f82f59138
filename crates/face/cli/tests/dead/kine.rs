//! What a real kine wrote, and had not yet brought from its log into its database when it was killed.

use std::collections::BTreeMap;

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
    assert_eq!(
        before,
        (bytes(""), bytes("-wal"), bytes("-shm")),
        "nothing was written"
    );
    Ok(())
}
