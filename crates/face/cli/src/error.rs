//! What people see when something fails: who, what, and the next command.

use std::error::Error;
use std::fmt;

/// A failure with hints.
#[derive(Debug)]
pub struct CliError {
    what: String,
    hints: Vec<String>,
    closed_pipe: bool,
}

impl CliError {
    /// A failure without hints.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hints: Vec::new(),
            closed_pipe: false,
        }
    }

    /// The same failure with a next step.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// True when whoever read our output went away: no failure at all.
    pub fn is_closed_pipe(&self) -> bool {
        self.closed_pipe
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "defib: {}", self.what)?;
        for hint in &self.hints {
            write!(f, "\n  {hint}")?;
        }
        Ok(())
    }
}

impl From<std::io::Error> for CliError {
    fn from(e: std::io::Error) -> Self {
        let closed_pipe = e.kind() == std::io::ErrorKind::BrokenPipe;
        Self {
            what: format!("cannot write the result: {e}"),
            hints: Vec::new(),
            closed_pipe,
        }
    }
}

impl From<defib_session::SourceError> for CliError {
    fn from(e: defib_session::SourceError) -> Self {
        Self::new(e.to_string()).hint("take its evidence along as files instead, and give their folder: defib diagnose FOLDER")
    }
}

impl From<defib_session::Error> for CliError {
    fn from(e: defib_session::Error) -> Self {
        use defib_session::Error as E;
        let mut what = e.to_string();
        let mut at = e.source();
        while let Some(source) = at {
            what = format!("{what}: {source}");
            at = source.source();
        }
        let failure = Self::new(what);
        match &e {
            E::Unreadable { .. } => failure.hint("defib diagnose --help lists what can be read"),
            E::Cluster { .. } => failure
                .hint(
                    "if the API server is dead, give its evidence as files: defib diagnose FOLDER",
                )
                .hint("else see whether kubectl reaches it: kubectl get --raw /readyz"),
            E::Kubeconfig { .. } => failure
                .hint("name one:                 defib diagnose kube: --kubeconfig FILE")
                .hint("on a k3s server that is:  --kubeconfig /etc/rancher/k3s/k3s.yaml")
                .hint("see what kubectl uses:    kubectl config get-contexts"),
            E::NotYet { .. } => {
                failure.hint("unpack it, and give the folder: defib diagnose FOLDER")
            }
            E::Exists { .. } => {
                failure.hint("nothing is overwritten: name another file with --out FILE")
            }
            E::Archive { .. } => failure.hint("fetch it again, or unpack what can be unpacked and give the folder: defib diagnose DIR"),
            E::NoDatastore { .. } => failure
                .hint("a snapshot:            defib inspect verify /var/lib/rancher/k3s/server/db/snapshots/FILE")
                .hint("a member's database:   defib inspect verify /var/lib/rancher/k3s/server/db/etcd")
                .hint("a server without etcd: defib inspect verify /var/lib/rancher/k3s/server/db/state.db"),
            E::DamagedDatastore { .. } => failure
                .hint("rows out of single pages may still be had: add --salvage to ls, get, history, stats, diff, export or verify")
                .hint("deleted ones may come back with them; an older snapshot that is whole is better"),
            E::NoSalvage { path } => failure
                .hint("without --salvage all rows are read that SQLite still reaches, and damage is named")
                .hint(format!(
                    "for what stands in lost pages, let SQLite look at a copy: sqlite3 {} .recover",
                    defib_model::text::Word(&path.display().to_string())
                )),
            E::NoBundle { .. } => failure.hint("take it again: defib collect --out FILE SOURCE"),
            E::NoRoom { folder, .. } => failure.hint(format!(
                "name a folder with as much room as the database and its log have: TMPDIR=FOLDER defib … (now {})",
                folder.display()
            )),
            E::Unwritable { .. } => {
                failure.hint("name a file in a folder that exists and may be written: --out FILE")
            }
            E::NewerSchema { .. } => failure.hint("see this one's version: defib version"),
        }
    }
}
