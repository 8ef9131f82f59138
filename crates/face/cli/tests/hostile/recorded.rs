//! Files as people really send them, each damaged in one way (`tests/damaged`): what can be read of them
//! is read, and what can't be is a gap that says so.
//!
//! The table `damaged/expected.txt` says of every file: exit code, class that must be found (`-`: none),
//! and words that must stand in the gaps or, where nothing could be read at all, in the refusal (`-`: no
//! gap is due). Recorded input was damaged once: `examples/` and the casebook's recorded pages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{Ran, bare, defib, gaps, path};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/damaged")
}

struct Row {
    file: String,
    code: i32,
    class: Option<String>,
    words: Option<String>,
}

fn rows() -> Vec<Row> {
    let table = std::fs::read_to_string(folder().join("expected.txt")).unwrap();
    let given = |word: &str| (word != "-").then(|| word.to_owned());
    table
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut next = || words.next().unwrap_or_else(|| panic!("short: {line}"));
            let (file, code, class) = (next().to_owned(), next(), next());
            Row {
                file,
                code: code.parse().unwrap(),
                class: given(class),
                words: given(&words.collect::<Vec<_>>().join(" ")),
            }
        })
        .collect()
}

/// Nothing that a terminal would obey, in what was said.
fn is_calm(name: &str, ran: &Ran) {
    for said in [&ran.text(), &ran.err] {
        let bad = said.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(bad, None, "{name}: {said:?}");
    }
}

fn holds(row: &Row, ran: &Ran) {
    let name = row.file.as_str();
    is_calm(name, ran);
    assert_eq!(ran.code, row.code, "{name}: {}{}", ran.text(), ran.err);
    if row.code == 1 {
        let words = row.words.as_deref().unwrap_or_default();
        assert!(ran.err.contains(words), "{name}: {}", ran.err);
        return;
    }
    let report = ran.report();
    assert_ne!(report["verdict"], "healthy", "{name}: {report:#}");
    let classes: BTreeSet<&str> = report["root_causes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| r["class"].as_str())
        .collect();
    let wanted: BTreeSet<&str> = row.class.as_deref().into_iter().collect();
    assert_eq!(classes, wanted, "{name}: {report:#}");
    let told = gaps(&report);
    match &row.words {
        Some(words) => assert!(
            told.contains(words.as_str()),
            "{name}: {words:?} in\n{told}"
        ),
        None => assert_eq!(told, "", "{name}"),
    }
}

#[test]
fn every_damaged_file_gives_what_is_left_of_it() {
    for row in rows() {
        let file = folder().join(&row.file);
        holds(&row, &defib(&["diagnose", path(&file), "-o", "json"]));
        let text = defib(&["diagnose", path(&file), "--all"]);
        is_calm(&row.file, &text);
        assert_eq!(text.code, row.code, "{}", row.file);
    }
}

#[test]
fn the_table_names_every_file() {
    let named: BTreeSet<String> = rows().into_iter().map(|r| r.file).collect();
    let mut there = BTreeSet::new();
    let mut size = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let entry = entry.unwrap();
        size += entry.metadata().unwrap().len();
        there.insert(entry.file_name().into_string().unwrap());
    }
    there.remove("expected.txt");
    assert_eq!(named, there);
    assert!(size <= 300_000, "{size} bytes");
}

/// All of them at once, as somebody's folder of whatever they could save: both causes, no crash.
#[test]
fn all_of_them_in_one_folder() {
    let report = defib(&["diagnose", path(&folder()), "-o", "json"]).report();
    assert_eq!(report["verdict"], "root-cause", "{report:#}");
    let told = gaps(&report);
    for row in rows().iter().filter(|r| r.words.is_some()) {
        // Files of an archive stand below its name, or beside it.
        let stem = row.file.split('.').next().unwrap_or_default();
        let inside = ["wrong-crc", "dump/", "notes.log", "k3s.log"];
        assert!(
            told.contains(stem) || inside.iter().any(|i| told.contains(i)),
            "{}\n{told}",
            row.file
        );
    }
}

/// The same through standard input, where no name helps.
#[test]
fn without_a_name() {
    for row in rows() {
        let bytes = std::fs::read(folder().join(&row.file)).unwrap();
        let mut child = bare(&["diagnose", "-", "-o", "json"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        // It may have seen enough before it has read all.
        let _ = std::io::Write::write_all(&mut input, &bytes);
        drop(input);
        let output = child.wait_with_output().unwrap();
        let ran = Ran {
            code: output.status.code().expect("no signal ended it"),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        is_calm(&row.file, &ran);
        assert!(!ran.err.contains("internal error"), "{}", ran.err);
        assert!(matches!(ran.code, 1..=3), "{}: {}", row.file, ran.err);
        if row.class.is_some() {
            assert_eq!(ran.code, row.code, "{}: {}", row.file, ran.text());
        }
    }
}
