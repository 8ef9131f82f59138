//! Labs on this machine, from their records: which run, which were left over, and removing these.
//! Deliberately absent: anything found by a process name; only what a record identifies is touched.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::LabError;
use super::error::{chain, file};
use super::ready::wait_until;
use super::record::{self, ProcessId, Record};

/// How long a signalled process may take to go.
const PATIENCE: Duration = Duration::from_secs(20);

/// One lab and what is left of it.
#[derive(Debug, Clone)]
pub struct Lab {
    /// The record's path.
    pub path: PathBuf,
    /// The record.
    pub record: Record,
    /// Whether the owner still runs; if not, whatever remains is left over.
    pub owned: bool,
    /// The parts that still run.
    pub running: Vec<ProcessId>,
}

/// All labs of this user, by name.
pub fn list() -> Result<Vec<Lab>, LabError> {
    list_in(&record::state_dir()?)
}

/// The same for another state folder.
pub fn list_in(state: &Path) -> Result<Vec<Lab>, LabError> {
    if !state.exists() {
        return Ok(Vec::new());
    }
    let boot = record::boot_id()?;
    let mut labs = Vec::new();
    for entry in fs::read_dir(state).map_err(file("list", state))? {
        let path = entry.map_err(file("list", state))?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let record = match Record::read(&path) {
            Ok(Some(record)) => record,
            Ok(None) => continue,
            Err(error) => {
                // One that went meanwhile is no matter; a damaged one must not hide the others.
                if path.exists() {
                    let _ = writeln!(std::io::stderr(), "lab: left out: {}", chain(&error));
                }
                continue;
            }
        };
        // After a reboot the same numbers and start times could belong to anybody.
        let same_boot = record.boot_id == boot;
        let running: Vec<ProcessId> = record
            .parts
            .iter()
            .filter(|part| same_boot && part.alive())
            .cloned()
            .collect();
        labs.push(Lab {
            path,
            owned: same_boot && record.owner.alive(),
            running,
            record,
        });
    }
    labs.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(labs)
}

impl Lab {
    /// True for one that has no owner but itself: it stays until it is taken down.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.record.parts.contains(&self.record.owner)
    }

    /// Ends it: an owner is asked to stop its lab, parts without one are killed, and what then
    /// remains of folder and record is removed.
    pub fn remove(&self) -> Result<(), LabError> {
        if self.owned && !self.stays() {
            signal(&self.record.owner, Signal::TERM)?;
            wait_until("the owner has gone", PATIENCE, || gone(&self.record.owner))?;
        }
        // A damaged record must not make us remove anything but this lab's groups and folder.
        let named = |path: &Path| {
            path.file_name()
                .is_some_and(|name| Some(name) == self.path.file_stem())
        };
        let mut groups = self.record.groups.clone();
        groups.retain(|group| named(group) && super::node::is_group(group));
        for part in &self.running {
            signal(part, Signal::KILL)?;
        }
        super::node::lift(&groups);
        for part in &self.running {
            wait_until(&format!("{} has gone", part.name), PATIENCE, || gone(part))?;
        }
        super::node::remove_groups(&groups)?;
        let dir = &self.record.dir;
        if named(dir) && dir.is_dir() {
            ignore_missing(fs::remove_dir_all(dir)).map_err(file("remove", dir))?;
        }
        ignore_missing(fs::remove_file(&self.path)).map_err(file("remove", &self.path))
    }
}

/// The owner's reaper works at the same time and may be faster.
fn ignore_missing(outcome: std::io::Result<()>) -> std::io::Result<()> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn gone(process: &ProcessId) -> Result<(), String> {
    if process.alive() {
        Err(format!("process {} still runs", process.pid))
    } else {
        Ok(())
    }
}

/// Signals exactly this process: the pidfd is opened first and the start time compared after, so a
/// number that was given away in between is never hit.
pub(crate) fn signal(process: &ProcessId, signal: Signal) -> Result<(), LabError> {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return Ok(());
    };
    if !process.alive() {
        return Ok(());
    }
    pidfd_send_signal(&handle, signal)
        .or_else(|error| {
            if error == rustix::io::Errno::SRCH {
                Ok(())
            } else {
                Err(error)
            }
        })
        .map_err(|error| LabError::Spawn {
            program: format!("kill {}", process.pid),
            source: error.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn record(dir: &Path, owner: ProcessId, parts: Vec<ProcessId>) -> Record {
        Record {
            owner,
            parts,
            ..Record::new(dir).unwrap()
        }
    }

    #[test]
    fn a_left_over_part_is_killed_and_its_folder_removed() {
        let state = tempfile::tempdir().unwrap();
        let dir = state.path().join("defib-lab-x");
        fs::create_dir(&dir).unwrap();
        let mut sleeper = Command::new("sleep").arg("1000").spawn().unwrap();
        let part = ProcessId::of("sleep", sleeper.id()).unwrap();
        let dead = ProcessId {
            name: "owner".into(),
            pid: std::process::id(),
            start: 0,
        };
        let path = state.path().join("defib-lab-x.json");
        record(&dir, dead, vec![part.clone()]).write(&path).unwrap();

        let labs = list_in(state.path()).unwrap();
        assert_eq!(
            (labs.len(), labs[0].owned, &labs[0].running),
            (1, false, &vec![part])
        );
        labs[0].remove().unwrap();
        assert!(!sleeper.wait().unwrap().success());
        assert!(!dir.exists() && !path.exists());
    }

    #[test]
    fn a_reused_number_and_a_foreign_folder_are_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let precious = state.path().join("precious");
        fs::create_dir(&precious).unwrap();
        let me = ProcessId::of("part", std::process::id()).unwrap();
        let stranger = ProcessId {
            start: me.start + 1,
            ..me
        };
        let path = state.path().join("defib-lab-y.json");
        // The right name at a wrong place, and the other way round.
        let foreign = precious.join("defib-lab-y");
        fs::create_dir(&foreign).unwrap();
        let foreign_groups = Record {
            groups: vec![foreign.clone(), "/sys/fs/cgroup/none-such".into()],
            ..record(&precious, stranger.clone(), vec![stranger])
        };
        foreign_groups.write(&path).unwrap();

        let labs = list_in(state.path()).unwrap();
        assert!(!labs[0].owned && labs[0].running.is_empty());
        labs[0].remove().unwrap();
        assert!(foreign.exists() && !path.exists());
    }

    #[test]
    fn a_damaged_record_does_not_hide_the_others() {
        let state = tempfile::tempdir().unwrap();
        let me = ProcessId::of("owner", std::process::id()).unwrap();
        let good = state.path().join("defib-lab-b.json");
        record(state.path(), me, Vec::new()).write(&good).unwrap();
        let damaged = state.path().join("defib-lab-a.json");
        fs::write(&damaged, "{\"schema\":").unwrap();
        // A link to nothing is read as a record that went meanwhile.
        std::os::unix::fs::symlink("nowhere", state.path().join("defib-lab-c.json")).unwrap();
        let labs = list_in(state.path()).unwrap();
        assert_eq!((labs.len(), &labs[0].path), (1, &good));
        assert!(damaged.exists(), "what is not understood is not touched");
    }

    #[test]
    fn after_a_reboot_nothing_is_running() {
        let state = tempfile::tempdir().unwrap();
        let me = ProcessId::of("owner", std::process::id()).unwrap();
        let path = state.path().join("defib-lab-z.json");
        let before = Record {
            boot_id: "another".into(),
            ..record(state.path(), me.clone(), vec![me])
        };
        before.write(&path).unwrap();
        let labs = list_in(state.path()).unwrap();
        assert!(!labs[0].owned && labs[0].running.is_empty());
    }
}
