//! What a lab could leave on a machine, counted: before and after.
//! Deliberately absent: whose it is; tests that count run alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Everything found, one word each.
#[derive(Debug)]
pub struct Census(BTreeSet<String>);

impl Census {
    /// Looks around.
    pub fn take() -> Self {
        let mut found = BTreeSet::new();
        processes(&mut found);
        for line in text("/proc/self/mountinfo").lines() {
            // The mount point; ids are given away again.
            let point = line.split(' ').nth(4).unwrap_or_default();
            found.insert(format!("mount {point}"));
        }
        for line in text("/proc/net/dev").lines().skip(2) {
            let link = line.split(':').next().unwrap_or_default().trim();
            found.insert(format!("link {link}"));
        }
        let state = xtask::lab::record::state_dir().unwrap_or_default();
        for folder in [&std::env::temp_dir(), &state] {
            names(folder, "defib-lab-", "file", &mut found);
        }
        for folder in ["/run/netns", "/run/systemd/nspawn", "/run/systemd/machines"] {
            names(Path::new(folder), "", "file", &mut found);
        }
        groups(Path::new("/sys/fs/cgroup"), &mut found);
        Self(found)
    }

    /// What is here and was not there, for people.
    pub fn more_than(&self, before: &Self) -> String {
        let more: Vec<&str> = self.0.difference(&before.0).map(String::as_str).collect();
        more.join(", ")
    }
}

/// Processes of a lab are those in other namespaces than ours, and those whose command names a lab. Others come and
/// go on a machine that is in use.
fn processes(found: &mut BTreeSet<String>) {
    let own = namespaces("self");
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let theirs = namespaces(&name);
        let command = fs::read(format!("/proc/{name}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let foreign = theirs.is_some() && theirs != own;
        if foreign || command.contains("defib-lab-") {
            found.insert(format!(
                "process {name} {}",
                command.chars().take(60).collect::<String>()
            ));
        }
    }
}

/// Which process, mount and network namespace a process is in.
fn namespaces(process: &str) -> Option<Vec<std::path::PathBuf>> {
    ["pid", "mnt", "net"]
        .iter()
        .map(|kind| fs::read_link(format!("/proc/{process}/ns/{kind}")).ok())
        .collect()
}

fn names(folder: &Path, start: &str, kind: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(start) {
            found.insert(format!("{kind} {}", entry.path().display()));
        }
    }
}

fn groups(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if path.to_string_lossy().contains("/defib-lab-") {
            found.insert(format!("group {}", path.display()));
        }
        groups(&path, found);
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
