//! The root file system of every node: a Debian made once by debootstrap and only read from then on.
//! Deliberately absent: anything of one node; that lies in layers above it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::packages::Debian;
use super::run;
use crate::lab::error::file;
use crate::lab::files::clear;
use crate::lab::{LabError, cache, path, process};

/// Counts changes of [`settle`], which the list of packages does not show.
const RECIPE: u32 = 1;

/// What is in it: a host's base, what k3s and pods lean on, what a person uses on a broken host, and what faults
/// are made with.
const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "iproute2",
    "iptables",
    "nftables",
    "procps",
    "ca-certificates",
    "curl",
    "sudo",
    "kmod",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "busybox-static",
    "jq",
    "openssl",
    "sqlite3",
    "iputils-ping",
    "less",
    "e2fsprogs",
    "btrfs-progs",
    "faketime",
    "netcat-openbsd",
    "qemu-guest-agent",
];

/// Units that have no purpose here: nodes reach no mirror, have no terminal, and containerd is k3s' child.
const MASKED: &[&str] = &[
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "containerd.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty.target",
];

/// The folder of the root file system, made if it is missing.
pub(crate) fn ready(tell: &mut dyn FnMut(&str)) -> Result<PathBuf, LabError> {
    let debian = Debian::here()?;
    let cache = cache::root()?;
    fs::create_dir_all(&cache).map_err(file("create", &cache))?;
    let target = cache.join(name(&debian.suite));
    if target.is_dir() {
        return Ok(target);
    }
    let lock = cache.join("rootfs.lock");
    let lock = File::create(&lock)
        .and_then(|held| held.lock().map(|()| held))
        .map_err(file("lock", &lock))?;
    // Another process may have made it while this one waited.
    if !target.is_dir() {
        let unfinished = target.with_extension("part");
        clear(&unfinished)?;
        make(&debian, PACKAGES, &unfinished, tell)?;
        settle(&unfinished)?;
        // After a crash a folder has its name only if it also has its bytes.
        run::text(Command::new("sync").arg("--file-system").arg(&unfinished))?;
        fs::rename(&unfinished, &target).map_err(file("rename", &unfinished))?;
    }
    drop(lock);
    Ok(target)
}

/// True if nothing would have to be fetched.
pub(crate) fn complete() -> bool {
    let known = || Some(cache::root().ok()?.join(name(&Debian::here().ok()?.suite)));
    known().is_some_and(|path| path.is_dir())
}

/// One folder per suite, list of packages and recipe.
fn name(suite: &str) -> String {
    let mut hash = Sha256::new();
    for word in PACKAGES.iter().chain(MASKED) {
        hash.update(word.as_bytes());
        hash.update(b"\n");
    }
    let digest = hash.finalize();
    let digest: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("rootfs-{suite}-{digest}-r{RECIPE}")
}

/// Makes a Debian with these packages.
pub(super) fn make(
    debian: &Debian,
    packages: &[&str],
    target: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<(), LabError> {
    tell(&format!(
        "making a {} root file system: about a minute",
        debian.suite
    ));
    let begun = std::time::Instant::now();
    // It mounts below its folder and starts what packages bring: in namespaces of its own, all of that ends with
    // it, and it ends with us.
    let mut command = process::mortal("unshare".as_ref());
    command
        .args(["--pid", "--fork", "--kill-child=KILL", "--mount-proc"])
        .args(["--mount", "--propagation=private", "--", "debootstrap"])
        .arg("--variant=minbase")
        .arg(format!("--include={}", packages.join(",")))
        .args([&debian.suite, &target.display().to_string(), &debian.mirror])
        .env("PATH", path::with_sbin());
    let made = run::mortal_text(command);
    if let Err(error) = made {
        // Its own log says which package failed; the folder is started anew next time.
        let log = fs::read_to_string(target.join("debootstrap/debootstrap.log"));
        return Err(match log {
            Ok(log) => LabError::Command {
                command: format!("debootstrap {}", debian.suite),
                status: error.to_string(),
                stderr: run::tail(&log, 20),
            },
            Err(_) => error,
        });
    }
    tell(&format!(
        "root file system: {:.0}s",
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// What is the same on all nodes and not a package's business.
fn settle(root: &Path) -> Result<(), LabError> {
    for folder in ["var/cache/apt/archives", "var/lib/apt/lists"] {
        let folder = root.join(folder);
        for entry in fs::read_dir(&folder)
            .map_err(file("list", &folder))?
            .flatten()
        {
            if entry.path().is_file() {
                fs::remove_file(entry.path()).map_err(file("remove", &entry.path()))?;
            }
        }
    }
    // Each node gets its own; equal ones would make several hosts look like one.
    write(root, "etc/machine-id", "")?;
    for key in ["ecdsa", "ed25519", "rsa"] {
        for suffix in ["", ".pub"] {
            let path = root.join(format!("etc/ssh/ssh_host_{key}_key{suffix}"));
            // Which of them a release makes differs.
            let _ = fs::remove_file(path);
        }
    }
    let units = root.join("etc/systemd/system");
    for unit in MASKED {
        let link = units.join(unit);
        let _ = fs::remove_file(&link);
        symlink("/dev/null", &link).map_err(file("link", &link))?;
    }
    write(
        root,
        "etc/systemd/journald.conf.d/lab.conf",
        "[Journal]\nStorage=persistent\nSyncIntervalSec=1s\nRateLimitIntervalSec=0\n",
    )?;
    write(
        root,
        "etc/ssh/sshd_config.d/lab.conf",
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\n",
    )
}

fn write(root: &Path, path: &str, content: &str) -> Result<(), LabError> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(file("create", folder))?;
    }
    fs::write(&path, content).map_err(file("write", &path))
}
