//! A node's switch: one script, beside the lab, so that whoever may press it does the same. The harness does, and so do
//! the programs that stand in for an engine or a hypervisor.
//! Deliberately absent: waiting until one can log in; that is `machine`'s.

use std::path::{Path, PathBuf};

use super::cgroups::LIFT;
use super::ground::GATEWAY;
use super::open::{Plan, Seat};
use crate::lab::LabError;
use crate::lab::files::write_private;

const SCRIPT: &str = include_str!("../../../../lab/node/switch.sh");

/// Where a lab keeps it.
pub(super) fn path(lab: &Path) -> PathBuf {
    lab.join("switch.sh")
}

/// Puts it into the lab's folder, with what it reads.
pub(super) fn write(lab: &Path) -> Result<(), LabError> {
    write_private(&lab.join("lift.sh"), LIFT.as_bytes())?;
    write_private(&path(lab), SCRIPT.as_bytes())
}

/// Writes down what it has to know of one node, whose folder is `dir`.
pub(super) fn describe(
    dir: &Path,
    plan: &Plan,
    seat: &Seat,
    groups: &[PathBuf],
    own_binds: Vec<String>,
) -> Result<(), LabError> {
    let paths = |paths: &[PathBuf], between: &str| {
        let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
        paths.join(between)
    };
    let groups: Vec<PathBuf> = groups.iter().map(|group| group.join(&seat.name)).collect();
    let mut binds: Vec<String> = plan
        .binds
        .iter()
        .map(|(from, to)| format!("--bind-ro={}:{to}", from.display()))
        .collect();
    binds.extend(own_binds);
    let settings = [
        ("name", seat.name.clone()),
        ("host", seat.host.clone()),
        ("address", seat.address.clone()),
        ("gateway", GATEWAY.to_owned()),
        ("lower", paths(&plan.lower, ":")),
        ("groups", paths(&groups, "\n")),
        ("binds", binds.join("\n")),
    ];
    let text: String = settings
        .iter()
        .map(|(name, value)| format!("{name}={}\n", quoted(value)))
        .collect();
    write_private(&dir.join("seat"), text.as_bytes())
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_back_what_was_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let mut plan = Plan::new(1, 0, false, "secret".into());
        plan.lower = vec!["/a b".into(), "/it's".into()];
        let seat = &plan.seats[0];
        describe(
            dir.path(),
            &plan,
            seat,
            &["/g/x".into(), "/h".into()],
            Vec::new(),
        )
        .unwrap();
        let told = Command::new("sh")
            .args([
                "-c",
                ". \"$1/seat\"; printf '%s|' \"$host\" \"$lower\" \"$groups\"",
                "x",
            ])
            .arg(dir.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert_eq!(told, "n1|/a b:/it's|/g/x/n1\n/h/n1|");
    }
}
