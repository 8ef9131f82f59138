//! `cargo xtask walls`: who may depend on whom, compared with what the manifests say.
//!
//! Stages never depend on each other; they meet in `model`'s types, and only `session` calls more than
//! one. Deliberately absent: exceptions. A new edge is a change of ARCHITECTURE.md first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, ExitCode};

use serde_json::Value;

/// Our crates, and what of ours each may use.
const OURS: &[(&str, &[&str])] = &[
    ("defib-formats", &[]),
    ("defib-model", &[]),
    ("defib-read", &["defib-formats", "defib-model"]),
    ("defib-diagnose", &["defib-model"]),
    ("defib-render", &["defib-model"]),
    ("defib-store", &["defib-formats", "defib-model"]),
    ("defib-reach", &["defib-model"]),
    (
        "defib-collect",
        &["defib-formats", "defib-model", "defib-reach"],
    ),
    (
        "defib-session",
        &[
            "defib-collect",
            "defib-diagnose",
            "defib-formats",
            "defib-model",
            "defib-reach",
            "defib-read",
            "defib-store",
        ],
    ),
    ("defib", &["defib-model", "defib-render", "defib-session"]),
    ("xtask", &["defib-diagnose", "defib-model", "defib-render"]),
];

/// Third-party crates that the pure shelf may use: they read bytes and hold values, nothing else.
const PURE_THIRD_PARTY: &[&str] = &[
    "aes",
    "aes-gcm",
    "aho-corasick",
    "base64",
    "blake3",
    "cbc",
    "crypto_secretbox",
    "granit-parser",
    "jiff",
    "memchr",
    "pbkdf2",
    "rayon",
    "regex",
    "schemars",
    "serde",
    "serde_json",
    "sha1",
    "sha2",
    "thiserror",
    "toml",
    "x509-parser",
];

/// Lines at which a file has to be split.
const LONGEST_FILE: usize = 800;

/// Everything that is wrong, in sentences.
///
/// # Errors
/// When cargo can't be asked.
pub fn breaches(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let mut out = edges(&metadata);
    out.extend(files(root));
    Ok(out)
}

fn edges(metadata: &Value) -> Vec<String> {
    let allowed: BTreeMap<&str, BTreeSet<&str>> = OURS
        .iter()
        .map(|(name, uses)| (*name, uses.iter().copied().collect()))
        .collect();
    let mut out = Vec::new();
    for package in metadata
        .get("packages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |v: &Value, key: &str| {
            v.get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let name = text(package, "name");
        let pure = text(package, "manifest_path").contains("/crates/pure/");
        let Some(uses) = allowed.get(name.as_str()) else {
            out.push(format!("{name} is a crate that the walls do not know"));
            continue;
        };
        for dependency in package
            .get("dependencies")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            // Tests may use what they like.
            if text(dependency, "kind") == "dev" {
                continue;
            }
            let on = text(dependency, "name");
            if allowed.contains_key(on.as_str()) {
                if !uses.contains(on.as_str()) {
                    out.push(format!("{name} uses {on}: the walls do not allow it"));
                }
            } else if pure && !PURE_THIRD_PARTY.contains(&on.as_str()) {
                out.push(format!(
                    "{name} uses {on}, which is not on the pure shelf's list"
                ));
            }
        }
    }
    out
}

/// Every source file says what it is for, and none is too long to read.
fn files(root: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut stack = vec![root.join("crates"), root.join("xtask")];
    while let Some(folder) = stack.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_none_or(|n| n != "target") {
                    stack.push(path);
                }
                continue;
            }
            if path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let shown = path.strip_prefix(root).unwrap_or(&path).display();
            if !text.starts_with("//!") {
                out.push(format!("{shown} does not open with //! and its purpose"));
            }
            let lines = text.lines().count();
            if lines > LONGEST_FILE {
                out.push(format!("{shown} has {lines} lines: split it"));
            }
        }
    }
    out.sort();
    out
}

/// The chore.
#[expect(
    clippy::print_stderr,
    reason = "this is the command line face of the chore"
)]
pub fn run(_: Vec<String>) -> ExitCode {
    match breaches(&crate::codegen::root()) {
        Ok(list) if list.is_empty() => {
            eprintln!("the walls stand");
            ExitCode::SUCCESS
        }
        Ok(list) => {
            for breach in list {
                eprintln!("{breach}");
            }
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walls_stand() {
        assert_eq!(
            breaches(&crate::codegen::root()).unwrap(),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_breach_is_seen() {
        let metadata = serde_json::json!({"packages": [{
            "name": "defib-diagnose", "manifest_path": "/x/crates/pure/diagnose/Cargo.toml",
            "dependencies": [{"name": "defib-read"}, {"name": "tokio"}, {"name": "proptest", "kind": "dev"}],
        }]});
        assert_eq!(edges(&metadata).len(), 2);
    }
}
