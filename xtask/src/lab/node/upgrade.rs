//! A later release of k3s for one host, while the others keep theirs.
//! Deliberately absent: a later server; see `LATER_PARTS` for what there is.

use super::machine::Machine;
use crate::lab::LabError;
use crate::lab::cache::Programs;
use crate::lab::parts::{LATER_KUBERNETES, LATER_PARTS};

/// Where the stand-in looks for programs first (lab/k3s/layout.go).
const FOLDER: &str = "/opt/lab/later";

/// Installs it, as k3s' own script would: whatever runs goes on until it is started again.
///
/// # Errors
/// When a program can't be built, or the host is off.
pub fn upgrade(machine: &Machine<'_>, tell: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    machine.script(&format!("mkdir -p {FOLDER}"))?;
    for part in LATER_PARTS {
        let program = Programs::one(part, tell)?;
        machine.put(&program, &format!("{FOLDER}/{}", part.name))?;
    }
    // Last, as the name of the whole.
    let release = LATER_KUBERNETES.version()?;
    machine.script(&format!("echo '{release}+k3s1' > {FOLDER}/release"))?;
    Ok(())
}
