//! What a lab could leave on a machine, counted: before and after.
//!
//! Others work on the machine too, so what is counted is what a lab makes, wherever it might lie: processes that a
//! test has started, that are in a lab's groups or that name a lab, and mounts, links, files and groups by the names a
//! lab gives. A lab of another process that lives is that one's, by the owner in its name. Deliberately absent: labs of
//! hosts beside each other; tests that count run alone among those.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::time::Duration;

use xtask::lab::record::ProcessId;
use xtask::lab::{LabError, wait_until};

/// Everything found, one line each.
#[derive(Debug)]
pub struct Census(BTreeSet<String>);

impl Census {
    /// Looks around.
    pub fn take() -> Self {
        let mut found = BTreeSet::new();
        let parents = parents();
        processes(&parents, &mut found);
        for line in text("/proc/self/mountinfo").lines() {
            // The mount point; ids are given away again.
            let point = line.split(' ').nth(4).unwrap_or_default();
            if of_a_lab(point) {
                found.insert(format!("mount {point}"));
            }
        }
        for line in text("/proc/net/dev").lines().skip(2) {
            let link = line.split(':').next().unwrap_or_default().trim();
            if of_a_lab(link) {
                found.insert(format!("link {link}"));
            }
        }
        let state = xtask::lab::record::state_dir().unwrap_or_default();
        let temporary = std::env::temp_dir();
        let folders = [
            temporary.as_path(),
            state.as_path(),
            Path::new("/run/netns"),
            Path::new("/run/systemd/nspawn"),
            Path::new("/run/systemd/machines"),
        ];
        for entry in folders
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        {
            let path = entry.path().display().to_string();
            if of_a_lab(&path) {
                found.insert(format!("file {path}"));
            }
        }
        groups(Path::new("/sys/fs/cgroup"), &mut found);
        found.retain(|line| !of_another(line, &parents));
        Self(found)
    }

    /// Waits until nothing is here that was not there.
    pub fn returns(&self) -> Result<(), LabError> {
        wait_until(
            "all is as it was before",
            Duration::from_secs(60),
            || match Self::take().more_than(self) {
                more if more.is_empty() => Ok(()),
                more => Err(more),
            },
        )
    }

    /// What is here and was not there, for people.
    pub fn more_than(&self, before: &Self) -> String {
        let more: Vec<&str> = self.0.difference(&before.0).map(String::as_str).collect();
        more.join(", ")
    }
}

/// Does this name a lab whose owner lives, and is neither this process nor one that it has started? A lab's name holds
/// its owner's number and start: `defib-lab-OWNER-START-COUNT`.
fn of_another(text: &str, parents: &HashMap<String, String>) -> bool {
    let mut named = text.split("defib-lab-").skip(1);
    named.any(|rest| {
        let mut words = rest.split(|c: char| !c.is_ascii_digit());
        let owner = words.next().unwrap_or_default();
        let start = words.next().and_then(|word| word.parse().ok());
        let lives = owner.parse().ok().and_then(|pid| ProcessId::of("", pid));
        lives.is_some_and(|one| Some(one.start) == start)
            && owner != std::process::id().to_string()
            && !descends(owner, parents)
    })
}

/// A name that a lab gives: its own, its bridge's, a node's, and what the tests make on nodes.
fn of_a_lab(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let node = last.strip_prefix('n').unwrap_or_default();
    name.contains("defib-lab-")
        || name.contains("/nspawn")
        || matches!(last, "lab0" | "left")
        || (!node.is_empty() && node.bytes().all(|b| b.is_ascii_digit()))
}

fn processes(parents: &HashMap<String, String>, found: &mut BTreeSet<String>) {
    let own = fs::read_link("/proc/self/ns/pid").ok();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let theirs = fs::read_link(format!("/proc/{name}/ns/pid")).ok();
        let command = fs::read(format!("/proc/{name}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let foreign = theirs.is_some() && theirs != own;
        let ours = || {
            let groups = text(&format!("/proc/{name}/cgroup"));
            descends(&name, parents)
                || (groups.contains("/defib-lab-") && !of_another(&groups, parents))
        };
        // A lab's holder and its first process, also where nobody is left that they descend from.
        let named = ["defib-lab-", "--kill-child=KILL", "ip link add lab0"];
        let names_one = named.iter().any(|word| command.contains(word));
        if (names_one && !of_another(&command, parents)) || (foreign && ours()) {
            let start: String = command.chars().take(60).collect();
            found.insert(format!("process {name} {start}"));
        }
    }
}

/// The parent of every process.
fn parents() -> HashMap<String, String> {
    let parent = |name: &str| {
        let stat = text(&format!("/proc/{name}/stat"));
        // The name of the program may hold spaces and brackets.
        let fields = stat.rsplit_once(')')?.1;
        fields.split_ascii_whitespace().nth(1).map(str::to_owned)
    };
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter_map(|name| parent(&name).map(|parent| (name, parent)))
        .collect()
}

/// True for a process that this one has started, itself or through others.
fn descends(name: &str, parents: &HashMap<String, String>) -> bool {
    let own = std::process::id().to_string();
    std::iter::successors(parents.get(name), |parent| parents.get(*parent)).any(|one| *one == own)
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
