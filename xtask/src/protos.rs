//! `cargo xtask protos`: the table of Kubernetes' messages, by reflection over Kubernetes' own Go types.
//!
//! The Go program `wire` beside the lab's recipe prints it; no `.proto` and no Go source is parsed here, so
//! that what the table says is what Go itself would do. Deliberately absent: a version; the recipe's go.mod
//! is the only place for it.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::lab::LabError;
use crate::lab::parts::KUBERNETES;
use crate::lab::toolchain::{module_folder, run_own};

/// The table, below the workspace's root.
const TABLE: &str = "crates/pure/formats/src/kubernetes/table.txt";

/// The Go program that knows.
const PROGRAM: &str = "./wire";

/// The table as it has to be.
///
/// # Errors
/// When Go is missing, or refuses.
pub fn table() -> Result<String, LabError> {
    let version = KUBERNETES.version()?;
    let lines = run_own(&KUBERNETES, PROGRAM, &["table"])?;
    Ok(format!(
        "# Written by `cargo xtask protos` from Kubernetes {version}: do not edit. table.rs tells its form.\n{lines}"
    ))
}

/// Random objects of every kind as Kubernetes' own encoders write them, one JSON document a line.
///
/// # Errors
/// When Go is missing, or refuses.
pub fn samples() -> Result<String, LabError> {
    run_own(&KUBERNETES, PROGRAM, &["samples"])
}

/// The folder in which Kubernetes keeps an object of each kind in all encodings, for its own tests.
///
/// # Errors
/// When Go is missing, or can't download.
pub fn fixtures() -> Result<PathBuf, LabError> {
    Ok(module_folder(&KUBERNETES, "k8s.io/api")?.join("testdata/HEAD"))
}

/// Compares the table that is kept, or writes it.
///
/// # Errors
/// When it is stale and only to be compared, or can't be made.
pub fn generate(check: bool) -> Result<usize, String> {
    let text = table().map_err(|e| e.to_string())?;
    let target = crate::codegen::root().join(TABLE);
    if std::fs::read_to_string(&target).unwrap_or_default() != text {
        if check {
            return Err(format!("{TABLE} is stale: run `cargo xtask protos`"));
        }
        std::fs::write(&target, &text).map_err(|e| format!("{}: {e}", target.display()))?;
    }
    Ok(text.lines().filter(|line| line.starts_with('!')).count())
}

/// The chore. With `--check` nothing is written; a difference is an error.
#[expect(
    clippy::print_stderr,
    reason = "this is the command line face of the chore"
)]
pub fn run(arguments: Vec<String>) -> ExitCode {
    match generate(arguments.iter().any(|a| a == "--check")) {
        Ok(count) => {
            eprintln!("{count} kinds");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
