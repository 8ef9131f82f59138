//! The same evidence gives the same bytes: whatever the order of files, objects and sources, and
//! whether it was taken along in a bundle first.

use std::path::Path;

use serde_json::Value;

use crate::{defib, example, path};

/// A generator without luck: the same order on every machine.
struct Shuffle(u64);

impl Shuffle {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    fn order<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.next(i + 1));
        }
    }
}

fn files(root: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let full = entry.unwrap().path();
            if full.is_dir() {
                todo.push(full);
            } else {
                out.push(path(full.strip_prefix(root).unwrap()).to_owned());
            }
        }
    }
    out.sort();
    out
}

fn shuffled_copy(seed: u64, to: &Path, change: impl Fn(&str, Vec<u8>, &mut Shuffle) -> Vec<u8>) {
    let from = example();
    let mut names = files(&from);
    let mut shuffle = Shuffle(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    shuffle.order(&mut names);
    for name in names {
        let bytes = std::fs::read(from.join(&name)).unwrap();
        let bytes = change(&name, bytes, &mut shuffle);
        let full = to.join(&name);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, bytes).unwrap();
    }
}

#[test]
fn files_made_in_any_order() {
    let mut first: Option<Vec<u8>> = None;
    for seed in 0..10 {
        let home = tempfile::tempdir().unwrap();
        shuffled_copy(seed, &home.path().join("evidence"), |_, bytes, _| bytes);
        // The same words on the command line: where the folder is, is part of the report.
        let output = crate::bare(&["diagnose", "evidence", "-o", "json"])
            .current_dir(home.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        match &first {
            None => first = Some(output.stdout),
            Some(first) => assert!(*first == output.stdout, "seed {seed} differs"),
        }
    }
}

/// Lists in another order: the same findings on the same evidence, at other lines.
#[test]
fn objects_in_any_order() {
    let mut first: Option<String> = None;
    for seed in 0..10 {
        let home = tempfile::tempdir().unwrap();
        shuffled_copy(seed, home.path(), |name, bytes, shuffle| {
            let Some(mut value) = name
                .ends_with(".json")
                .then(|| serde_json::from_slice::<Value>(&bytes).ok())
                .flatten()
            else {
                return bytes;
            };
            if let Some(items) = value["items"].as_array_mut() {
                shuffle.order(items);
            }
            serde_json::to_vec_pretty(&value).unwrap()
        });
        let mut report = defib(&["diagnose", path(home.path()), "-o", "json"]).report();
        strip(&mut report);
        let report = format!("{report:#}");
        match &first {
            None => first = Some(report),
            Some(first) => assert_eq!(*first, report, "seed {seed}"),
        }
    }
}

/// What may differ: where in a file a line stands, the file's hash, and where the folder was.
fn strip(report: &mut Value) {
    match report {
        Value::Object(fields) => {
            for name in ["line", "bundle", "uri"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// In any form that the report has, a bundle tells what its sources told.
#[test]
fn a_bundle_tells_the_same() {
    let home = tempfile::tempdir().unwrap();
    let bundle = home.path().join("b.tar.zst");
    let ran = defib(&["collect", "--out", path(&bundle), path(&example())]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let of = |source: &Path| {
        let mut report = defib(&["diagnose", path(source), "-o", "json"]).report();
        for field in ["sources", "bundle", "as_of"] {
            report[field] = Value::Null;
        }
        format!("{report:#}")
    };
    assert_eq!(of(&example()), of(&bundle));
    // Taken along again, it stays what it is.
    let again = home.path().join("again.tar.zst");
    assert_eq!(
        defib(&["collect", "--out", path(&again), path(&bundle)]).code,
        0
    );
    assert_eq!(of(&bundle), of(&again));
}
