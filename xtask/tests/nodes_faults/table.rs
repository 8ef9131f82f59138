//! What a full run found, kept fault by fault, and docs/faults.md made of it.
//! Deliberately absent: results of other commits.

use std::fs;
use std::path::PathBuf;

use libtest_mimic::Failed;
use xtask::codegen::root;
use xtask::full::commit;
use xtask::lab::fault::Fault;

use crate::choice::Kind;
use crate::judged::Found;

/// The document.
const TABLE: &str = "docs/faults.md";

/// Where results of this commit are kept; of changes that are not committed only this run's.
fn folder() -> PathBuf {
    let key = commit().unwrap_or_else(|| format!("now-{}", std::process::id()));
    root().join("target/faults").join(key)
}

fn kept(name: &str) -> PathBuf {
    folder().join(format!("{name}.json"))
}

/// What was found before of this name.
fn known(name: &str) -> Option<Found> {
    let text = fs::read(kept(name)).ok()?;
    let found: Found = serde_json::from_slice(&text).ok()?;
    Some(found)
}

/// Was it found, and rightly? What was wrong is looked at again.
pub fn is_known(name: &str) -> bool {
    known(name).is_some_and(|found| found.wrong().is_none())
}

/// Keeps what was found.
pub fn keep(found: &Found) -> Result<(), Failed> {
    let path = kept(&found.name);
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, serde_json::to_vec_pretty(found)?)?;
    Ok(())
}

/// Writes the document, with what is known. A fault of which nothing is known is an error: the table is of all of them.
pub fn write(faults: &[(Kind, &'static Fault)]) -> Result<(), Failed> {
    let mut rows = String::new();
    let mut missing = Vec::new();
    let (mut right, mut confirmed) = (0, 0);
    for (_, fault) in faults {
        let Some(found) = known(fault.name) else {
            missing.push(fault.name);
            rows.push_str(&format!(
                "| `{}` | {} | {} | {} | not run yet | | | |\n",
                fault.name,
                fault.family.name(),
                fault.needs(),
                fault.what
            ));
            continue;
        };
        right += usize::from(found.wrong().is_none());
        confirmed += usize::from(found.is_confirmed());
        rows.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} | {} | {} |\n",
            fault.name,
            fault.family.name(),
            fault.needs(),
            fault.what,
            classes(&found.named),
            if found.is_confirmed() {
                classes(&found.without)
            } else {
                format!("{} (unconfirmed)", classes(&found.without))
            },
            found.shown,
            found.healed
        ));
    }
    let all = faults.len();
    let text = format!(
        "# Faults\n\nWritten by `DEFIB_FULL=1 cargo test -p xtask --test nodes_faults`; do not edit. Every fault is really done to a lab of hosts\n(lab/README.md), recorded with the commands that a person would use, and given to `defib diagnose`. `cargo xtask lab\nfaults NAME` shows the commands that break and heal it.\n\nThe stand-in for k3s and the rules are written from the same facts, so its own lines prove nothing: the second column\nof causes is what is found without any line in k3s' own form. Where that is not a right one, the fault counts as\nunconfirmed.\n\n{right} of {all} are named rightly, {confirmed} of {all} also without the stand-in's own lines. Labs of 1, 2 and 3 servers, of\none with SQLite and of one with agents are given no cause when they have come up, right after restarts, and while the\nleader changes.\n\n| fault | family | lab | what it does | named | without own lines | shown after, s | healed in, s |\n|---|---|---|---|---|---|---|---|\n{rows}"
    );
    fs::write(root().join(TABLE), text)?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("nothing is known of {}", missing.join(", ")).into())
}

fn classes(list: &[String]) -> String {
    if list.is_empty() {
        return "none".to_owned();
    }
    list.iter()
        .map(|class| format!("`{class}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
