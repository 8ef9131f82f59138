//! What a person would fetch from a broken control plane, and the casebook's pages made of it.
//!
//! `DEFIB_RECORD=cases cargo test -p defib --test live fault_` writes the `Firing` section of every
//! page that a fault names; `UPDATE_CASES=1` of the casebook then fills in what is said about it.
//! Deliberately absent: cleaning. What kubectl printed stands in the page as it was printed.

use std::fmt::Write as _;
use std::path::PathBuf;

use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::ControlPlane;

use crate::faults::Fault;
use crate::{Outcome, bare};

/// One thing that is fetched, and the file it is kept in.
pub enum Take {
    /// The output of kubectl, which must succeed.
    Get(&'static str, &'static [&'static str]),
    /// What kubectl said, errors too; it is expected to fail.
    Try(&'static str, &'static [&'static str]),
    /// The same with a manifest: its file's name, by which kubectl may be told of it, and its text.
    TryWith(
        &'static str,
        &'static [&'static str],
        &'static str,
        fn() -> String,
    ),
}

/// Fetches: file and text.
pub fn taken(plane: &ControlPlane, takes: &[Take]) -> Result<Vec<(&'static str, String)>, Failed> {
    takes
        .iter()
        .map(|take| {
            Ok(match take {
                Take::Get(file, arguments) => (*file, plane.kubectl_text(arguments)?),
                Take::Try(file, arguments) => (*file, said(plane, arguments)?),
                Take::TryWith(file, arguments, manifest, text) => {
                    std::fs::write(plane.dir.join(manifest), text())?;
                    (*file, said(plane, arguments)?)
                }
            })
        })
        .collect()
}

/// Both outputs of a kubectl that fails, run where the manifests are.
fn said(plane: &ControlPlane, arguments: &[&str]) -> Result<String, Failed> {
    let output = plane
        .command(plane.bin.join("kubectl"))
        .current_dir(&plane.dir)
        .args(arguments)
        .output()?;
    assert!(!output.status.success(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr))
}

/// Whether pages are to be written.
pub fn wanted() -> bool {
    std::env::var_os("DEFIB_RECORD").is_some()
}

/// The report about files alone; about ones that are just made, as of an hour later.
pub fn diagnosed(taken: &[(&str, String)]) -> Result<Value, Failed> {
    let folder = tempfile::tempdir()?;
    for (file, text) in taken {
        std::fs::write(folder.path().join(file), text)?;
    }
    let diagnose = |arguments: &[&str]| {
        let output = bare()
            .arg("diagnose")
            .arg(folder.path())
            .args(["-o", "json"])
            .args(arguments)
            .output()?;
        crate::Ran::of(&output).report()
    };
    let report = diagnose(&[])?;
    match crate::an_hour_later(&report) {
        Ok(as_of) if !wanted() => diagnose(&["--as-of", &as_of]),
        // Logs alone know no time; a page is judged as it stands.
        _ => Ok(report),
    }
}

/// Writes the page anew, if `DEFIB_RECORD` names the casebook (from the workspace's root).
pub fn written(fault: &Fault, taken: &[(&str, String)]) -> Outcome {
    let (Some(casebook), Some(page)) = (std::env::var_os("DEFIB_RECORD"), fault.page) else {
        return Ok(());
    };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../..")
        .join(casebook)
        .join(page);
    let old = std::fs::read_to_string(&path)?;
    let new = rewritten(&old, fault.name, taken).ok_or("the page has no section `Firing`")?;
    std::fs::write(&path, new)?;
    Ok(())
}

/// The page with another `Firing` section: its prose stays, its blocks go.
fn rewritten(old: &str, fault: &str, taken: &[(&str, String)]) -> Option<String> {
    let (head, rest) = old.split_once("\n## Firing\n")?;
    let (section, tail) = rest
        .find("\n## ")
        .map_or((rest, ""), |at| rest.split_at(at));
    let prose = section.split("```").next()?.trim();
    let mut out = String::new();
    for line in head.lines() {
        match line.split_once(": ") {
            Some(("origin", _)) => out.push_str("origin: recorded"),
            Some(("source", text)) if !text.contains("fault_") => {
                write!(
                    out,
                    "source: `cargo test -p defib --test live fault_{fault}` breaks it again (Firing); {text}"
                )
                .ok()?;
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out.push_str("\n## Firing\n\n");
    if !prose.is_empty() {
        write!(out, "{prose}\n\n").ok()?;
    }
    for (file, text) in taken {
        let language = if file.ends_with(".yaml") {
            "yaml"
        } else {
            "log"
        };
        write!(
            out,
            "```{language} file={file}\n{}\n```\n\n",
            text.trim_end()
        )
        .ok()?;
    }
    out.push_str("```findings\n```\n");
    out.push_str(tail);
    Some(out)
}
