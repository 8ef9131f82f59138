//! What a lab of nodes stands on: one process in namespaces of its own for processes, mounts and network.
//!
//! The kernel ends every process of a process namespace with its first one, and mounts, links and network
//! namespaces go with the last process that sees them. So ending one process ends a lab, however it was left.
//! Deliberately absent: a daemon that is asked to do things; whoever may, steps in with nsenter.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::run;
use crate::lab::LabError;
use crate::lab::error::file;
use crate::lab::leftovers;
use crate::lab::process;
use crate::lab::ready::wait_until;
use crate::lab::record::ProcessId;

/// The bridge's address: the nodes' way out, which ends there.
pub(crate) const GATEWAY: &str = "198.51.100.1";

/// The bridge's card. One that was given none has its lowest port's, and so another one whenever that goes: a node's words
/// to it would be lost until the node has asked again.
const CARD: &str = "02:00:c6:33:64:01";

/// The first process. /run is hidden because `ip netns` and systemd-nspawn leave notes there. What loses its parent
/// comes to this shell, and `wait` buries it.
const FIRST: &str = r#"
set -eu
trap '' HUP INT TERM
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/netns /run/lock
ip link set lo up
ip link add lab0 address "$2" type bridge
ip address add "$1/24" dev lab0
ip link set lab0 up
echo ready
exec < /dev/null > /dev/null 2>&1
set +e
while :; do sleep 3600 & wait; done
"#;

/// Where programs are in a node and on this machine.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whose end is the lab's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// This process'.
    WithOwner,
    /// Nobody's: it stays until `lab down`.
    UntilDown,
}

/// The namespaces of one lab.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Ends the first process when it ends itself.
    pub(crate) holder: ProcessId,
    /// The first process, as this machine numbers it.
    pub(crate) first: ProcessId,
    /// To be buried, where it is ours.
    child: Option<Child>,
}

impl Ground {
    /// Makes the namespaces; errors of the first process go to `log`.
    pub(crate) fn make(keep: Keep, log: &Path) -> Result<Self, LabError> {
        let mut command = match keep {
            Keep::WithOwner => {
                let mut command = process::mortal("unshare".as_ref());
                command.process_group(0);
                command
            }
            // A session of its own, so that no terminal takes it along.
            Keep::UntilDown => {
                let mut command = Command::new("setsid");
                command.arg("unshare");
                command
            }
        };
        let errors = File::create(log).map_err(file("create", log))?;
        command
            .args(["--pid", "--fork", "--kill-child=KILL", "--mount-proc"])
            .args(["--mount", "--net", "sh", "-c", FIRST, "lab", GATEWAY, CARD])
            .env("PATH", PATH)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors);
        let mut child = process::spawn(command)?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            // An end without a line is said below.
            let _ = BufReader::new(output).read_line(&mut line);
        }
        let found = (line.trim() == "ready")
            .then(|| Self::known(&child))
            .flatten();
        let Some((holder, first)) = found else {
            let _ = child.kill();
            let _ = child.wait();
            let said = std::fs::read_to_string(log).unwrap_or_default();
            return Err(LabError::Command {
                command: "unshare --pid --mount --net".into(),
                status: "did not get ready; is this root?".into(),
                stderr: run::tail(&said, 5),
            });
        };
        Ok(Self {
            holder,
            first,
            child: Some(child),
        })
    }

    fn known(child: &Child) -> Option<(ProcessId, ProcessId)> {
        let pid = child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let first = children.split_ascii_whitespace().next()?.parse().ok()?;
        Some((
            ProcessId::of("holder", pid)?,
            ProcessId::of("first", first)?,
        ))
    }

    /// One that exists, from its record.
    pub(crate) fn recorded(parts: &[ProcessId]) -> Option<Self> {
        let part = |name: &str| parts.iter().find(|part| part.name == name).cloned();
        Some(Self {
            holder: part("holder")?,
            first: part("first")?,
            child: None,
        })
    }

    /// A command inside all of the lab's namespaces.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.enter(&["--pid", "--mount", "--net"], program)
    }

    /// A command of this machine that only sees the lab's network.
    pub(crate) fn on_network(&self, program: impl AsRef<OsStr>) -> Command {
        self.enter(&["--net"], program)
    }

    fn enter(&self, namespaces: &[&str], program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.first.pid))
            .args(namespaces)
            .arg("--")
            .arg(program)
            .env("PATH", PATH);
        command
    }

    /// Runs a script inside.
    pub(crate) fn script<A: AsRef<OsStr>>(
        &self,
        script: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String, LabError> {
        run::text(
            self.command("sh")
                .args(["-c", script, "lab"])
                .args(arguments),
        )
    }

    /// Ends everything in it and waits until it is gone.
    pub(crate) fn end(&mut self) -> Result<(), LabError> {
        leftovers::signal(&self.first, Signal::KILL)?;
        leftovers::signal(&self.holder, Signal::KILL)?;
        if let Some(mut child) = self.child.take() {
            // Only fails if it was buried already.
            let _ = child.wait();
        }
        wait_until(
            "the lab's processes are gone",
            Duration::from_secs(20),
            || {
                if self.first.alive() || self.holder.alive() {
                    Err(format!("process {} still runs", self.first.pid))
                } else {
                    Ok(())
                }
            },
        )
    }
}
