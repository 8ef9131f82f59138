//! The binary against input that means harm: no crash, no hang, a bounded memory, valid JSON, the file
//! and line of what could not be read, and nothing hostile or secret in any output.
//!
//! Deliberately absent: what is found in good input (the casebook, the live tests).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

#[path = "hostile/damage.rs"]
mod damage;
#[path = "hostile/large.rs"]
mod large;
#[path = "hostile/order.rs"]
mod order;
#[path = "hostile/outputs.rs"]
mod outputs;
#[path = "hostile/recorded.rs"]
mod recorded;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Peak memory that any run may have, whatever it is given.
const MEMORY: i64 = 256 << 20;

/// What one run gave.
struct Ran {
    code: i32,
    out: Vec<u8>,
    err: String,
}

impl Ran {
    /// The report; a run on hostile input gives one, and never says that all is well.
    fn report(&self) -> Value {
        let report: Value = serde_json::from_slice(&self.out)
            .unwrap_or_else(|e| panic!("no JSON ({e}), exit {}: {}", self.code, self.err));
        let code = match report["verdict"].as_str() {
            Some("healthy") => 0,
            Some("root-cause") => 2,
            Some("unknown") => 3,
            other => panic!("verdict {other:?}"),
        };
        assert_eq!(self.code, code, "{}", self.err);
        report
    }

    fn text(&self) -> String {
        String::from_utf8(self.out.clone()).expect("output is UTF-8")
    }
}

/// The binary, with a bare environment.
fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_defib"));
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .args(arguments);
    command
}

/// Runs it; never more memory than allowed, never a panic.
fn defib(arguments: &[&str]) -> Ran {
    let output = bare(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    let ran = Ran {
        code: output.status.code().expect("no signal ended it"),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert!(!ran.err.contains("internal error"), "{}", ran.err);
    // The largest of all children so far: a test beside this one may be the one at fault.
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
        .expect("Linux tells")
        .max_rss()
        * 1024;
    assert!(used <= MEMORY, "{} MiB", used >> 20);
    ran
}

/// `defib diagnose FOLDER -o json`, after writing these files into the folder.
fn judged(files: &[(&str, &[u8])]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("written");
    }
    defib(&["diagnose", path(folder.path()), "-o", "json"]).report()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/half-alive-rebuild")
}

/// All gaps as text.
fn gaps(report: &Value) -> String {
    report["gaps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|g| {
            format!(
                "{}: {}\n",
                g["what"].as_str().unwrap_or_default(),
                g["why"].as_str().unwrap_or_default()
            )
        })
        .collect()
}
