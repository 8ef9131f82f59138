//! `cargo xtask snapshot --out FILE [--pods N]`: a large etcd snapshot to measure with.
//!
//! With 100,000 pods it is the file that docs/benchmarks.md speaks of: 403,339 revisions. Deliberately absent:
//! the same bytes every time; etcd decides where its pages lie.

use std::path::Path;
use std::process::ExitCode;

use crate::lab::LabError;
use crate::lab::member::Member;

/// Pods where nothing else is said.
const PODS: u32 = 100_000;

/// The chore.
#[expect(
    clippy::print_stderr,
    reason = "this is the command line face of the chore"
)]
pub fn run(arguments: Vec<String>) -> ExitCode {
    let usage = "cargo xtask snapshot --out FILE [--pods N]";
    let (mut out, mut pods) = (None, PODS);
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), rest.next()) {
            ("--out", Some(file)) => out = Some(file),
            ("--pods", Some(n)) => match n.parse() {
                Ok(n) => pods = n,
                Err(_) => {
                    eprintln!("{usage}: {n} is no number");
                    return ExitCode::FAILURE;
                }
            },
            _ => {
                eprintln!("{usage}");
                return ExitCode::FAILURE;
            }
        }
    }
    let Some(out) = out else {
        eprintln!("{usage}");
        return ExitCode::FAILURE;
    };
    match make(Path::new(&out), pods) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the file.
///
/// # Errors
/// When etcd can't be started or filled.
pub fn make(out: &Path, pods: u32) -> Result<(), LabError> {
    let folder = tempfile::tempdir().map_err(|source| LabError::File {
        action: "create",
        path: std::env::temp_dir(),
        source,
    })?;
    let member = Member::start(folder.path(), &[])?;
    member.fill(pods)?;
    member.snapshot(out)
}
