//! The one machine that is a real one: a Debian with a kernel of its own on a disk image, to be run by QEMU. Made once
//! and only read from then on; who wants to write to it imports a copy.
//! Deliberately absent: running it, which what stands below the machines does (lab/shapes); KVM, which not every machine
//! has, so software emulates its processor.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::packages::{self, Debian};
use super::{rootfs, run};
use crate::lab::error::file;
use crate::lab::files::clear;
use crate::lab::{LabError, cache};

/// Counts changes of [`make`], which the list of packages does not show.
const RECIPE: u32 = 1;

/// What is in it: enough to boot, to be asked by the agent, and to look at its disks.
const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "qemu-guest-agent",
    "iproute2",
    "procps",
    "kmod",
    "e2fsprogs",
    "lvm2",
    "less",
];

/// What this machine needs to make and to run it.
const NEEDED: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("mke2fs", "e2fsprogs"),
];

/// How large its disk is.
const SIZE: &str = "3G";

/// What a virtual machine is started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
    pub(super) disk: PathBuf,
}

impl Image {
    fn in_folder(folder: &Path) -> Self {
        Self {
            kernel: folder.join("vmlinuz"),
            initrd: folder.join("initrd.img"),
            disk: folder.join("disk.raw"),
        }
    }
}

/// The image, made if it is missing.
pub(super) fn ready(tell: &mut dyn FnMut(&str)) -> Result<Image, LabError> {
    packages::ensure_also(NEEDED, tell)?;
    let debian = Debian::here()?;
    let cache = cache::root()?;
    fs::create_dir_all(&cache).map_err(file("create", &cache))?;
    let target = cache.join(name(&debian.suite));
    if target.is_dir() {
        return Ok(Image::in_folder(&target));
    }
    let lock = cache.join("machine.lock");
    let lock = File::create(&lock)
        .and_then(|held| held.lock().map(|()| held))
        .map_err(file("lock", &lock))?;
    // Another process may have made it while this one waited.
    if !target.is_dir() {
        let unfinished = target.with_extension("part");
        clear(&unfinished)?;
        fs::create_dir(&unfinished).map_err(file("create", &unfinished))?;
        make(&debian, &unfinished, tell)?;
        run::text(Command::new("sync").arg("--file-system").arg(&unfinished))?;
        fs::rename(&unfinished, &target).map_err(file("rename", &unfinished))?;
    }
    drop(lock);
    Ok(Image::in_folder(&target))
}

/// One folder per suite, list of packages and recipe.
fn name(suite: &str) -> String {
    let mut hash = Sha256::new();
    for word in PACKAGES.iter().chain([&SIZE]) {
        hash.update(word.as_bytes());
        hash.update(b"\n");
    }
    let digest = hash.finalize();
    let digest: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("machine-{suite}-{digest}-r{RECIPE}")
}

fn make(debian: &Debian, folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    let image = Image::in_folder(folder);
    let root = folder.join("root");
    rootfs::make(debian, PACKAGES, &root, tell)?;
    for (link, target) in [("vmlinuz", &image.kernel), ("initrd.img", &image.initrd)] {
        // Links that Debian keeps at the newest kernel.
        let from = root.join(link);
        let from = fs::canonicalize(&from).map_err(file("follow", &from))?;
        fs::copy(&from, target).map_err(file("copy to", target))?;
    }
    for (path, text) in [
        ("etc/hostname", "vm1\n"),
        ("etc/machine-id", ""),
        ("etc/fstab", "/dev/sda / ext4 errors=remount-ro 0 1\n"),
    ] {
        let path = root.join(path);
        fs::write(&path, text).map_err(file("write", &path))?;
    }
    run::text(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .args([&root, &image.disk])
            .arg(SIZE)
            .env("PATH", crate::lab::path::with_sbin()),
    )?;
    clear(&root)
}
