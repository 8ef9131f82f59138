//! The note a lab leaves outside its folder: who owns it, where it is, which processes are its own.
//! Deliberately absent: trust in a process id alone; ids are reused, start times and boot ids not.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::file;
use super::{LabError, cache};

/// The format of a record.
const SCHEMA: &str = "defib.dev/lab-record/v1";

/// One process, so exactly that it can't be taken for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// What it is, for people.
    pub name: String,
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start: u64,
}

impl ProcessId {
    /// The identity of a running process, or nothing if there is none.
    #[must_use]
    pub fn of(name: &str, pid: u32) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            pid,
            start: start_time(pid)?,
        })
    }

    /// True while exactly this process runs (a zombie does not).
    #[must_use]
    pub fn alive(&self) -> bool {
        start_time(self.pid) == Some(self.start)
    }
}

/// Field 22 of /proc/PID/stat; nothing for a zombie or a stranger.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_start_time(&stat)
}

/// The name in field 2 may hold spaces and brackets, so fields are counted from its last bracket.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Which boot this is.
pub(crate) fn boot_id() -> Result<String, LabError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    Ok(fs::read_to_string(path)
        .map_err(file("read", path))?
        .trim()
        .to_owned())
}

/// What is known about one lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `defib.dev/lab-record/v1`.
    pub schema: String,
    /// The boot all processes belong to.
    pub boot_id: String,
    /// The process whose end is the lab's end.
    pub owner: ProcessId,
    /// The lab's folder.
    pub dir: PathBuf,
    /// Its parts.
    pub parts: Vec<ProcessId>,
    /// Control groups that were made for it.
    #[serde(default)]
    pub groups: Vec<PathBuf>,
}

impl Record {
    /// A record owned by this process.
    pub(crate) fn new(dir: &Path) -> Result<Self, LabError> {
        let stat = Path::new("/proc/self/stat");
        let owner = ProcessId::of("owner", std::process::id())
            .ok_or_else(|| file("understand", stat)(std::io::ErrorKind::InvalidData.into()))?;
        Ok(Self {
            schema: SCHEMA.into(),
            boot_id: boot_id()?,
            owner,
            dir: dir.to_owned(),
            parts: Vec::new(),
            groups: Vec::new(),
        })
    }

    /// Writes it; a reader sees the old one or the new one.
    pub(crate) fn write(&self, path: &Path) -> Result<(), LabError> {
        let text = serde_json::to_vec_pretty(self).map_err(|source| LabError::Json {
            what: "the lab's record".into(),
            source,
        })?;
        super::files::write_private(path, &text)
    }

    /// Reads one; other schemas are not understood and not touched.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, LabError> {
        let text = fs::read(path).map_err(file("read", path))?;
        let record: Self = serde_json::from_slice(&text).map_err(|source| LabError::Json {
            what: path.display().to_string(),
            source,
        })?;
        Ok((record.schema == SCHEMA).then_some(record))
    }
}

/// Where records are kept: `$DEFIB_STATE`, else `$XDG_STATE_HOME/defib`, else
/// `~/.local/state/defib`; the lab's share is `lab` below it.
pub fn state_dir() -> Result<PathBuf, LabError> {
    let base = cache::from_environment("DEFIB_STATE")
        .or_else(|| cache::from_environment("XDG_STATE_HOME").map(|path| path.join("defib")))
        .or_else(|| cache::from_environment("HOME").map(|path| path.join(".local/state/defib")))
        .ok_or(LabError::NoHome {
            what: "records of running labs",
            variable: "DEFIB_STATE",
        })?;
    Ok(base.join("lab"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 0 0";
        assert_eq!(parse_start_time(stat), Some(987_654));
        assert_eq!(parse_start_time(&stat.replace(") S", ") Z")), None);
    }

    #[test]
    fn this_process_is_alive_and_its_number_with_another_start_is_not() {
        let me = ProcessId::of("me", std::process::id()).unwrap();
        assert!(me.alive());
        assert!(
            !ProcessId {
                start: me.start + 1,
                ..me
            }
            .alive()
        );
    }
}
