//! Removes a lab's folder, control groups and record once its owner has gone, in whatever way.
//! Deliberately absent: killing; the kernel does that (see `process`).

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::LabError;
use super::node::LIFT;

/// Waits for the end of its input, which comes when the owner closes the pipe or dies. The folder
/// may still be written to for an instant by a dying part, hence the second tries. The record stays while anything else
/// does: without it nobody would find the rest.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
cat > /dev/null
dir=$1 record=$2
shift 2
lift "$@"
again() {
  tries=0
  until "$@" 2> /dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || return 1
    sleep 0.05
  done
}
prune() {
  [ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir {} +
}
left=
again rm -rf -- "$dir" || left=1
for group; do
  again prune "$group" || left=1
done
[ -n "$left" ] || rm -f -- "$record"
"#;

/// The waiting shell.
#[derive(Debug)]
pub(crate) struct Reaper {
    shell: Child,
    alive: Option<ChildStdin>,
}

impl Reaper {
    /// Posts a reaper for a folder, its record and its control groups.
    pub(crate) fn post(dir: &Path, record: &Path, groups: &[PathBuf]) -> Result<Self, LabError> {
        use std::os::unix::process::CommandExt as _;
        let mut shell = Command::new("sh")
            .args(["-c", &format!("{LIFT}{SCRIPT}"), "defib-lab-reaper"])
            .arg(dir)
            .arg(record)
            .args(groups)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Outside the terminal's foreground group: Ctrl-C must not take the cleaner first.
            .process_group(0)
            .spawn()
            .map_err(|source| LabError::Spawn {
                program: "sh".into(),
                source,
            })?;
        let alive = shell.stdin.take();
        Ok(Self { shell, alive })
    }

    /// Lets it work and waits until it is done.
    pub(crate) fn release(&mut self) {
        self.alive = None;
        // Only fails if the shell was already reaped, and then it has done its work.
        let _ = self.shell.wait();
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_record_stays_while_a_group_does() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let (dir, record, group) = (at("dir"), at("record"), at("group"));
        fs::create_dir_all(dir.join("logs")).unwrap();
        fs::create_dir_all(group.join("n1")).unwrap();
        fs::write(&record, "").unwrap();
        // A file makes an ordinary folder as hard to remove as a process makes a group.
        fs::write(group.join("n1/busy"), "").unwrap();
        drop(Reaper::post(&dir, &record, std::slice::from_ref(&group)).unwrap());
        assert!(!dir.exists() && group.exists() && record.exists());

        fs::remove_file(group.join("n1/busy")).unwrap();
        drop(Reaper::post(&dir, &record, std::slice::from_ref(&group)).unwrap());
        assert!(!group.exists() && !record.exists());
    }
}
