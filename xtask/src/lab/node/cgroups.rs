//! One control group per node in every hierarchy, so that each systemd has a root of its own.
//! Deliberately absent: setting limits; a fault that needs one writes it into the node's group, and here it is lifted at
//! the end. And making groups, which a node's switch does.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::lab::error::{chain, file};
use crate::lab::{LabError, wait_until};

const MOUNT: &str = "/sys/fs/cgroup";

/// The groups of a lab, one per hierarchy, below those that this process is in.
pub(crate) fn of_lab(lab: &str) -> Result<Vec<PathBuf>, LabError> {
    let own = Path::new("/proc/self/cgroup");
    let text = fs::read_to_string(own).map_err(file("read", own))?;
    let unified = Path::new(MOUNT).join("cgroup.controllers").exists();
    Ok(text
        .lines()
        .filter_map(|line| place(line, unified))
        .filter(|folder| folder.is_dir())
        .map(|folder| folder.join(lab))
        .collect())
}

/// Where a line of /proc/self/cgroup is mounted.
fn place(line: &str, unified: bool) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = path.trim_start_matches('/');
    let hierarchy = match controllers {
        "" if unified => Path::new(MOUNT).to_owned(),
        "" => Path::new(MOUNT).join("unified"),
        name => Path::new(MOUNT).join(name.trim_start_matches("name=")),
    };
    Some(hierarchy.join(path))
}

/// True for a path that can only be a control group.
pub(crate) fn is_group(path: &Path) -> bool {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    path.starts_with(MOUNT) && !climbs
}

/// For shells: `lift GROUP…`, as [`lift`] does.
pub(crate) const LIFT: &str = include_str!("../../../../lab/node/lift.sh");

/// Lifts what holds up the disks of groups and of all below them, so that what is killed there can end. Says nothing of
/// one that can't be lifted: whoever waits for the end will.
pub(crate) fn lift(groups: &[PathBuf]) {
    let script = format!("{LIFT}lift \"$@\"");
    let mut command = Command::new("sh");
    let _ = super::run::text(command.args(["-c", &script, "lab"]).args(groups));
}

/// Removes groups and all below them. A group is busy for an instant after its last process was killed.
pub(crate) fn remove(groups: &[PathBuf]) -> Result<(), LabError> {
    for group in groups {
        wait_until("a control group is empty", Duration::from_secs(5), || {
            remove_tree(group).map_err(|error| chain(&error))
        })?;
    }
    Ok(())
}

fn remove_tree(group: &Path) -> Result<(), LabError> {
    let Ok(entries) = fs::read_dir(group) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(file("remove", group)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_its_hierarchy_is() {
        let at = |line, unified| place(line, unified).unwrap().display().to_string();
        assert_eq!(at("4:memory:/a/b", false), "/sys/fs/cgroup/memory/a/b");
        assert_eq!(at("9:name=systemd:/", false), "/sys/fs/cgroup/systemd/");
        assert_eq!(at("0::/x", false), "/sys/fs/cgroup/unified/x");
        assert_eq!(at("0::/x", true), "/sys/fs/cgroup/x");
    }

    #[test]
    fn what_holds_up_a_disk_is_lifted_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let group = place.path().join("n1/system.slice/k3s.service");
        fs::create_dir_all(&group).unwrap();
        let writes = group.join("blkio.throttle.write_iops_device");
        let (all, memory) = (group.join("io.max"), group.join("memory.max"));
        fs::write(&writes, "254:0 1\n").unwrap();
        fs::write(&all, "8:0 rbps=max wbps=4096 riops=max wiops=1\n").unwrap();
        fs::write(&memory, "4096\n").unwrap();
        lift(&[place.path().to_owned(), "/sys/fs/cgroup/none-such".into()]);
        let now = |path| fs::read_to_string(path).unwrap();
        assert_eq!(now(&writes), "254:0 0\n");
        assert_eq!(now(&all), "8:0 rbps=max wbps=max riops=max wiops=max\n");
        assert_eq!(now(&memory), "4096\n");
    }

    #[test]
    fn only_what_lies_below_the_mount_is_a_group() {
        assert!(is_group(Path::new("/sys/fs/cgroup/memory/a")));
        assert!(!is_group(Path::new("/sys/fs/cgroup/../../../etc")));
        assert!(!is_group(Path::new("/sys/fs/cgroups/a")));
    }
}
