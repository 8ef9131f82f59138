//! SSH keys made for one lab: one to come in with, one that its hosts show.
//! Deliberately absent: the user's own keys and settings; nothing of ~/.ssh is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run;
use crate::lab::LabError;
use crate::lab::error::file;
use crate::lab::files::write_private;

/// Where a lab's keys and SSH settings lie.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    folder: PathBuf,
}

impl Keys {
    pub(crate) fn at(lab: &Path) -> Self {
        Self {
            folder: lab.join("ssh"),
        }
    }

    /// Makes both pairs and the settings for `ssh -F`.
    pub(crate) fn make(lab: &Path, nodes: &[(String, String)]) -> Result<Self, LabError> {
        let keys = Self::at(lab);
        fs::create_dir(&keys.folder).map_err(file("create", &keys.folder))?;
        for name in ["id", "host"] {
            run::text(
                Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"])
                    .arg(keys.folder.join(name)),
            )?;
        }
        let host = keys.read("host.pub")?;
        let known = keys.folder.join("known_hosts");
        write_private(&known, format!("198.51.100.* {host}").as_bytes())?;
        let mut text = String::new();
        for (name, address) in nodes {
            text.push_str(&format!("Host {name} {address}\n  HostName {address}\n"));
        }
        text.push_str(&format!(
            "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  BatchMode yes\n  ConnectTimeout 5\n  LogLevel ERROR\n",
            keys.folder.join("id").display(),
            known.display()
        ));
        write_private(&keys.settings(), text.as_bytes())?;
        Ok(keys)
    }

    /// The file for `ssh -F`.
    pub(crate) fn settings(&self) -> PathBuf {
        self.folder.join("config")
    }

    /// One of the key files as text.
    pub(crate) fn read(&self, name: &str) -> Result<String, LabError> {
        let path = self.folder.join(name);
        fs::read_to_string(&path).map_err(file("read", &path))
    }
}
