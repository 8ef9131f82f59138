//! What `diagnose` says of a recording, and whether that is right.
//! Deliberately absent: reasons why it may say something else; a fault lists the classes that are right for it.

use std::fmt;
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use serde::{Deserialize, Serialize};
use xtask::lab::fault::Fault;
use xtask::lab::node::Lab;

use super::named::causes;

/// What was found of one fault.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// The classes that are right for it.
    pub right: Vec<String>,
    /// The classes that were named.
    pub named: Vec<String>,
    /// The classes that were named without the stand-in's own lines.
    pub without: Vec<String>,
    /// Seconds until it showed.
    pub shown: u64,
    /// Seconds until all was well again.
    pub healed: u64,
}

impl Found {
    /// What is wrong about it.
    pub fn wrong(&self) -> Option<String> {
        let right = |class: &&String| self.right.contains(class);
        let may = |class: &&String| right(class) || STATES.contains(&class.as_str());
        let is_named =
            self.named.iter().all(|c| right(&c)) && self.named.is_empty() == self.right.is_empty();
        let silent = self.without.iter().all(|c| may(&c));
        (!is_named || !silent).then(|| format!("{self}, and right is {:?}", self.right))
    }

    /// Is it also found without the stand-in's own lines?
    pub fn is_confirmed(&self) -> bool {
        self.right.is_empty() || self.without.iter().any(|class| self.right.contains(class))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}: {:?}, without the stand-in's lines {:?}; shown after {} s, healed in {} s",
            self.name, self.named, self.without, self.shown, self.healed
        )
    }
}

/// What holds of a cluster that has lost a server for whatever reason, and is no wrong answer.
const STATES: &[&str] = &["etcd-member-down", "etcd-quorum-loss", "host-down"];

/// Judges a recording, as it is and without the lines that the stand-in itself wrote: those are from the same page of
/// facts as the rules, and prove nothing.
pub fn judge(fault: &Fault, recording: &Path) -> Result<Found, Failed> {
    let silent = recording.with_extension("silent");
    silenced(recording, &silent)?;
    Ok(Found {
        name: fault.name.to_owned(),
        right: fault.classes.iter().map(|c| (*c).to_owned()).collect(),
        named: causes(recording)?,
        without: causes(&silent)?,
        ..Found::default()
    })
}

fn silenced(recording: &Path, silent: &Path) -> Result<(), Failed> {
    fs::create_dir(silent)?;
    for entry in fs::read_dir(recording)? {
        let entry = entry?;
        // A verb of its own is no journal at all.
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("certificate-check") {
            continue;
        }
        let text = fs::read_to_string(entry.path())?;
        // containerd is upstream's, and writes a file of its own.
        if name.to_string_lossy().starts_with("containerd-log") {
            fs::write(silent.join(name), text)?;
            continue;
        }
        // Own lines are logrus', as k3s' are; kine's are so too, and with them those go that are upstream's.
        let is_own = |line: &&str| line.contains("time=\"") && line.contains("level=");
        let others: Vec<&str> = text.lines().filter(|line| !is_own(line)).collect();
        fs::write(silent.join(name), others.join("\n"))?;
    }
    Ok(())
}

/// What no recording may hold: keys, passwords of nodes, the lab itself.
pub fn secrets(lab: &Lab) -> Result<Vec<String>, Failed> {
    let mut secrets = vec!["PRIVATE KEY".to_owned(), "defib-lab-".to_owned()];
    for machine in lab.machines() {
        if !machine.is_on()? {
            continue;
        }
        let password = machine.script("cat /etc/rancher/node/password")?;
        assert!(password.trim().len() >= 16, "{}", machine.name());
        secrets.push(password.trim().to_owned());
    }
    Ok(secrets)
}

/// Every node that is on has its journal and its terminals, and nothing tells a key, a node's password or the lab. The
/// token proves nothing here: it is taken out of every file as it is written.
pub fn looks_collected(lab: &Lab, out: &Path, secrets: &[String]) -> Result<(), Failed> {
    let mut lines = 0;
    for machine in lab.machines() {
        let journal = out.join(format!("journal-{}-{}.log", machine.unit(), machine.name()));
        assert_eq!(journal.is_file(), machine.is_on()?, "{}", journal.display());
        if journal.is_file() {
            let text = fs::read_to_string(&journal)?;
            lines += text.lines().filter(|line| line.contains(" k3s[")).count();
        }
    }
    assert!(lines > 0, "{} tells nothing", out.display());
    for entry in fs::read_dir(out)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        for secret in secrets {
            assert!(!text.contains(secret), "{} has {secret}", path.display());
        }
    }
    Ok(())
}
