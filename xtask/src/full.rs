//! `cargo xtask ci full`: every test with everything it can try, resumable.
//!
//! What passed on a commit is kept in `target/full`, and not run on it again; what failed is. With changes that are
//! not committed everything runs. Deliberately absent: what a step does (`ci`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::ci::Count;
use crate::codegen::root;

/// Makes tests try every position, page and byte instead of some.
pub(crate) const EVERYTHING: &str = "DEFIB_FULL";

/// Steps that passed on this commit.
pub(crate) struct Done {
    /// Where they are kept; nowhere where the tree is no commit.
    folder: Option<PathBuf>,
}

impl Done {
    #[expect(clippy::print_stderr, reason = "progress of a long run")]
    pub(crate) fn on_this_commit() -> Self {
        let folder = commit().map(|commit| root().join("target/full").join(commit));
        match &folder {
            Some(folder) => eprintln!("== what passes is kept in {}", folder.display()),
            None => eprintln!("== there are changes that are not committed: everything runs"),
        }
        Self { folder }
    }

    /// Runs a step, unless it passed before; its counts are added either way.
    #[expect(clippy::print_stderr, reason = "progress of a long run")]
    pub(crate) fn or_run(&self, count: &mut Count, name: &str, run: impl FnOnce(&mut Count)) {
        let kept = self.folder.as_ref().map(|f| f.join(name));
        let before = kept.as_ref().and_then(|k| fs::read_to_string(k).ok());
        if let Some(seen) = before.as_deref().and_then(Count::read) {
            eprintln!("== {name} passed before");
            count.add(&seen);
            return;
        }
        let mut seen = Count::default();
        run(&mut seen);
        if let (true, Some(kept), Some(folder)) = (seen.is_good(), kept, &self.folder) {
            let written =
                fs::create_dir_all(folder).and_then(|()| fs::write(kept, seen.to_string()));
            if let Err(e) = written {
                eprintln!("== it will run again next time: {e}");
            }
        }
        count.add(&seen);
    }
}

/// The commit that the tree is, without changes. The table of faults is none: it is what a full run writes.
pub fn commit() -> Option<String> {
    let changes = git(&["status", "--porcelain", "--", ".", ":!docs/faults.md"])?;
    changes.is_empty().then(|| git(&["rev-parse", "HEAD"]))?
}

fn git(arguments: &[&str]) -> Option<String> {
    let done = Command::new("git")
        .args(arguments)
        .current_dir(root())
        .output()
        .ok()?;
    let said = String::from_utf8(done.stdout).ok()?;
    done.status.success().then(|| said.trim().to_owned())
}

/// Names of test targets by package.
pub(crate) fn test_targets() -> BTreeSet<(String, String)> {
    let metadata = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output();
    let said: Value = metadata
        .ok()
        .and_then(|done| serde_json::from_slice(&done.stdout).ok())
        .unwrap_or_default();
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned();
    let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    let mut out = BTreeSet::new();
    for package in list(&said, "packages").unwrap_or_default() {
        for target in list(&package, "targets").unwrap_or_default() {
            let is_test = list(&target, "kind").is_some_and(|k| k.iter().any(|k| k == "test"));
            let both = name(&package).zip(name(&target));
            out.extend(both.filter(|_| is_test));
        }
    }
    out
}

/// What `cargo test` is given for some targets; of all of the workspace, so that nothing is built twice.
pub(crate) fn words<'w>(what: impl IntoIterator<Item = &'w str>) -> Vec<String> {
    let words = ["test", "--workspace", "--locked", "--no-fail-fast"].into_iter();
    words.chain(what).map(str::to_owned).collect()
}

/// What is tested in one step.
pub(crate) struct Target {
    /// The step's name.
    pub(crate) name: String,
    /// The package, or the first one of several with tests of this name; empty for what is of all packages.
    pub(crate) package: String,
    arguments: Vec<String>,
}

impl Target {
    /// What `cargo` is given.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.arguments.iter().map(String::as_str).collect()
    }
}

/// All steps of tests.
pub(crate) fn targets() -> Vec<Target> {
    let units = [
        ("units", "--lib"),
        ("binaries", "--bins"),
        ("examples in documents", "--doc"),
    ];
    let mut out: Vec<Target> = units
        .map(|(name, flag)| Target {
            name: name.to_owned(),
            package: String::new(),
            arguments: words([flag]),
        })
        .into();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (package, name) in test_targets() {
        names.entry(name).or_insert(package);
    }
    out.extend(names.into_iter().map(|(name, package)| Target {
        arguments: words(["--test", name.as_str()]),
        name: format!("tests {name}"),
        package,
    }));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_is_not_run_again_and_what_failed_is() {
        let folder = tempfile::tempdir().unwrap();
        let done = Done {
            folder: Some(folder.path().join("commit")),
        };
        let mut count = Count::default();
        let mut runs = 0;
        for (passed, failed) in [(3, 1), (4, 0), (9, 9)] {
            done.or_run(&mut count, "a step", |seen| {
                runs += 1;
                (seen.passed, seen.failed) = (passed, failed);
            });
        }
        assert_eq!(runs, 2);
        assert_eq!((count.passed, count.failed), (3 + 4 + 4, 1));
        let nowhere = Done { folder: None };
        nowhere.or_run(&mut count, "a step", |_| runs += 1);
        assert_eq!(runs, 3);
    }

    #[test]
    fn every_test_of_the_workspace_is_a_step() {
        let names: Vec<String> = targets().into_iter().map(|t| t.name).collect();
        for name in ["units", "tests dead", "tests cases", "tests control_plane"] {
            assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
        }
    }
}
