//! What a SOURCE argument means.
//!
//! Deliberately absent: opening anything.

use std::fmt;
use std::path::PathBuf;

/// One source of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, folder or bundle.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// A living cluster, by context; none means the current one.
    Kube(Option<String>),
}

/// Why an argument is no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A kind that this version does not read.
    #[error("{kind} sources ({arg}) are not read by this version yet")]
    NotYet {
        /// The argument.
        arg: String,
        /// Its kind.
        kind: &'static str,
    },
}

impl Source {
    /// Reads one argument.
    ///
    /// # Errors
    /// When it names a kind of source that this version does not read.
    pub fn parse(arg: &str) -> Result<Self, SourceError> {
        let not_yet = |kind| {
            Err(SourceError::NotYet {
                arg: arg.to_owned(),
                kind,
            })
        };
        if arg == "-" {
            return Ok(Self::Stdin);
        }
        if let Some(context) = arg.strip_prefix("kube:") {
            return Ok(Self::Kube(
                (!context.is_empty()).then(|| context.to_owned()),
            ));
        }
        for (prefix, kind) in [
            ("ssh://", "ssh"),
            ("docker://", "docker"),
            ("pve://", "Proxmox"),
        ] {
            if arg.starts_with(prefix) {
                return not_yet(kind);
            }
        }
        if arg == "local" && !PathBuf::from(arg).exists() {
            return not_yet("local host");
        }
        Ok(Self::Path(PathBuf::from(arg)))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(p) => write!(f, "{}", p.display()),
            Self::Stdin => f.write_str("standard input"),
            Self::Kube(None) => f.write_str("kube:"),
            Self::Kube(Some(context)) => write!(f, "kube:{context}"),
        }
    }
}
