//! Everything that can go wrong in the lab, with the command that helps next.
//! Deliberately absent: failures of the command a user runs inside the lab; those are its own.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the lab could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// The lab leans on Linux: /proc, pidfds and the parent-death signal.
    #[error("the lab runs on Linux only, this is {0}; use a Linux machine or container")]
    NotLinux(&'static str),
    /// A program the lab calls is not installed.
    #[error("`{program}` is not on PATH; install it ({package})")]
    MissingProgram {
        /// What is called.
        program: &'static str,
        /// Where it usually comes from.
        package: &'static str,
    },
    /// Neither an override nor a home directory says where to keep things.
    #[error("no place for {what}: set {variable}, or HOME")]
    NoHome {
        /// What would be kept.
        what: &'static str,
        /// The variable that decides it.
        variable: &'static str,
    },
    /// The recipe does not say which version to build.
    #[error("{} requires no version of {module}; compare it with the committed one", path.display())]
    NoVersion {
        /// The go.mod that was read.
        path: PathBuf,
        /// The module that was looked for.
        module: &'static str,
    },
    /// `go` refused or failed.
    #[error("building {part} failed; repeat it with `{command}`\n{tail}")]
    Build {
        /// The program being built.
        part: &'static str,
        /// The command, to be repeated by hand.
        command: String,
        /// The end of what `go` said.
        tail: String,
    },
    /// A file or directory refused.
    #[error("could not {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A process could not be started.
    #[error("could not start {program}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No loopback port could be had.
    #[error("no free loopback port; look at `ss -ltn`")]
    Ports(#[source] io::Error),
    /// A certificate could not be made.
    #[error("could not make the certificate of {name}")]
    Certificate {
        /// Whose certificate.
        name: String,
        /// What the certificate library said.
        #[source]
        source: rcgen::Error,
    },
    /// A part ended by itself.
    #[error("{part} ended with {status}; the end of its log:\n{tail}")]
    Died {
        /// The part.
        part: &'static str,
        /// How it ended.
        status: String,
        /// The end of its log.
        tail: String,
    },
    /// Something did not become true in time.
    #[error("waited {}s in vain until {what}; last seen: {last}", waited.as_secs())]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// What was seen last.
        last: String,
    },
    /// The API server answered with a refusal.
    #[error("{method} {path} was answered with {status}: {message}")]
    Api {
        /// The HTTP method.
        method: &'static str,
        /// The path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The server's message.
        message: String,
    },
    /// The API server could not be spoken to.
    #[error("{method} {path} got no answer")]
    Transport {
        /// The HTTP method.
        method: &'static str,
        /// The path.
        path: String,
        /// What the HTTP library said.
        #[source]
        source: Box<ureq::Error>,
    },
    /// A command of ours that should have worked did not.
    #[error("`{command}` failed with {status}: {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it said.
        stderr: String,
    },
    /// JSON that is not what it should be.
    #[error("{what} is not the JSON it should be")]
    Json {
        /// Which document.
        what: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A cluster that the lab did not start.
    #[error("{} is not a lab's kubeconfig ({why}); run this inside `cargo xtask lab control-plane -- …`", path.display())]
    NotOurs {
        /// The kubeconfig.
        path: PathBuf,
        /// What is missing.
        why: &'static str,
    },
    /// A lab of nodes can't be had as asked for.
    #[error("no lab of nodes: {0}")]
    NoNodes(String),
    /// A node refused what it was asked for.
    #[error("{node}: {why}")]
    Node {
        /// The node.
        node: String,
        /// Why, and what to do.
        why: String,
    },
    /// A name that no part has.
    #[error("this control plane has no part `{0}`")]
    NoSuchPart(String),
    /// A datastore did not take a write.
    #[error("the write was refused: {0}")]
    Refused(String),
    /// The thread all processes are started from is gone.
    #[error("the thread that starts processes is gone: a bug in the lab")]
    NoSpawner,
}

/// Shortens the usual way to say which file refused what.
pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LabError {
    let path = path.to_owned();
    move |source| LabError::File {
        action,
        path,
        source,
    }
}

/// An error with all its sources in one line, for a person.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
