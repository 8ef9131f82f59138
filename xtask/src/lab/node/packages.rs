//! What this machine needs to make nodes, installed by name when it is missing.
//! Deliberately absent: other distributions; the nodes are Debian, made from the machine's own Debian mirror.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::run;
use crate::lab::error::file;
use crate::lab::{LabError, path};

/// A program, and the Debian package it comes from.
const NEEDED: &[(&str, &str)] = &[
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("ssh", "openssh-client"),
    ("unshare", "util-linux"),
];

/// Installs what is missing.
pub(crate) fn ensure(tell: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    ensure_also(NEEDED, tell)
}

/// Installs what is missing of others.
pub(crate) fn ensure_also(
    needed: &[(&str, &str)],
    tell: &mut dyn FnMut(&str),
) -> Result<(), LabError> {
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(program, _)| !path::has(&path::with_sbin(), program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    tell(&format!("installing {}", missing.join(" ")));
    let apt = |arguments: &[&str]| {
        run::text(
            Command::new("apt-get")
                .args(["-qq", "-o", "DPkg::Lock::Timeout=120"])
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive")
                // dpkg refuses to work where it does not find its helpers.
                .env("PATH", path::with_sbin()),
        )
    };
    apt(&["update"])?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install).map(|_| ())
}

/// How many inotify instances root may have: all nodes of all labs share them, a server takes 20 and an agent as many.
const WATCHES: u32 = 1024;

/// Makes room for those, where less is allowed: the kernel's own number is 128, and without one containerd can't start.
/// The kernel counts them per user and machine, so a node can't have a number of its own.
pub(crate) fn room_for_watches(tell: &mut dyn FnMut(&str)) {
    let path = Path::new("/proc/sys/fs/inotify/max_user_instances");
    let allowed = fs::read_to_string(path).ok();
    let allowed = allowed.and_then(|text| text.trim().parse::<u32>().ok());
    if allowed.is_none_or(|allowed| allowed >= WATCHES) {
        return;
    }
    match fs::write(path, WATCHES.to_string()) {
        Ok(()) => tell(&format!(
            "fs.inotify.max_user_instances of this machine is now {WATCHES}, until its next boot"
        )),
        // Often there is room enough.
        Err(error) => tell(&format!(
            "fs.inotify.max_user_instances is low and can't be raised: {error}"
        )),
    }
}

/// The machine's Debian: what its nodes are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Debian {
    /// Its name, such as `bookworm`.
    pub(crate) suite: String,
    /// Where its packages come from.
    pub(crate) mirror: String,
}

impl Debian {
    /// This machine's, or why it has none.
    pub(crate) fn here() -> Result<Self, LabError> {
        let release = Path::new("/etc/os-release");
        let text = fs::read_to_string(release).map_err(file("read", release))?;
        let suite = suite(&text).ok_or_else(|| {
            file("find Debian's name in", release)(std::io::ErrorKind::Unsupported.into())
        })?;
        let mut sources = String::new();
        for path in ["/etc/apt/sources.list"]
            .iter()
            .map(|p| p.into())
            .chain(listed())
        {
            sources.push_str(&fs::read_to_string(&path).unwrap_or_default());
            sources.push('\n');
        }
        let mirror = mirror(&sources, &suite).ok_or_else(|| {
            let apt = Path::new("/etc/apt/sources.list");
            file("find a Debian mirror in", apt)(std::io::ErrorKind::NotFound.into())
        })?;
        Ok(Self { suite, mirror })
    }
}

/// The files of /etc/apt/sources.list.d.
fn listed() -> Vec<std::path::PathBuf> {
    let folder = fs::read_dir("/etc/apt/sources.list.d");
    let mut paths: Vec<_> = folder
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

/// Debian's own name in os-release; nothing for another distribution.
fn suite(os_release: &str) -> Option<String> {
    let value = |key: &str| {
        os_release
            .lines()
            .find_map(|line| Some(line.strip_prefix(key)?.trim_matches('"').to_owned()))
    };
    (value("ID=")? == "debian")
        .then(|| value("VERSION_CODENAME="))
        .flatten()
}

/// The first place that serves the suite itself, in either form of apt's source files.
fn mirror(sources: &str, suite: &str) -> Option<String> {
    for paragraph in sources.split("\n\n") {
        let field = |name: &str| {
            paragraph
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        if let (Some(uris), Some(suites)) = (field("URIs:"), field("Suites:"))
            && suites.split_ascii_whitespace().any(|word| word == suite)
        {
            return uris.split_ascii_whitespace().next().map(str::to_owned);
        }
    }
    sources.lines().find_map(|line| {
        let mut words = line
            .strip_prefix("deb ")?
            .split_ascii_whitespace()
            .skip_while(|word| word.starts_with('[') || word.ends_with(']'));
        let uri = words.next()?;
        (words.next()? == suite).then(|| uri.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_found_in_both_forms_and_the_security_one_is_not_it() {
        let new = "# old\nTypes: deb\nURIs: http://one.example/debian-security\nSuites: bookworm-security\n\nTypes: deb\nURIs: http://two.example/debian\nSuites: bookworm bookworm-updates\n";
        assert_eq!(
            mirror(new, "bookworm").as_deref(),
            Some("http://two.example/debian")
        );
        let old = "deb http://a.example/x stable main\ndeb [arch=amd64 signed-by=/k] http://b.example/debian bookworm main\n";
        assert_eq!(
            mirror(old, "bookworm").as_deref(),
            Some("http://b.example/debian")
        );
        assert_eq!(mirror(old, "trixie"), None);
    }

    #[test]
    fn another_distribution_has_no_suite() {
        assert_eq!(
            suite("ID=debian\nVERSION_CODENAME=bookworm\n").as_deref(),
            Some("bookworm")
        );
        assert_eq!(suite("ID=ubuntu\nVERSION_CODENAME=noble\n"), None);
    }
}
