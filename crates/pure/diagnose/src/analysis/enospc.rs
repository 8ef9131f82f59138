//! What "no space left on device" means in a line: the kernel has one errno for a full disk, a full mount
//! table, a spent number of inotify watches and a full control group.
//!
//! The operation that stands last before the words decides; and `df` shows which file systems are full.
//! Deliberately absent: etcd's quota, which has words of its own.

use defib_model::fact::{Fact, FileSystem, Value};

use super::host::{self, Told};
use crate::context::Context;

/// What has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Blocks or inodes of a file system.
    Full,
    /// Entries of the mount table.
    Mounts,
    /// Something else that the kernel counts.
    Other,
}

/// Signals whose lines say that there is no space.
const SIGNALS: &[&str] = &[
    "disk.enospc",
    "disk.sqlite-full",
    "disk.no-room",
    "disk.no-room-words",
    "disk.is-full",
];

/// Operations that fail for want of blocks or inodes.
const WRITES: &[&str] = &[
    "write",
    "pwrite",
    "writev",
    "open",
    "openat",
    "mkdir",
    "mkdirat",
    "create",
    "creat",
    "mknod",
    "symlink",
    "link",
    "rename",
    "fallocate",
    "truncate",
    "ftruncate",
    "fsync",
    "sync",
    "close",
    "copy_file_range",
    "msync",
    "writing",
    "copying",
    "extracting",
    "saving",
];

/// Operations of mount(2) and its callers.
const MOUNTS: &[&str] = &[
    "mount",
    "mounting",
    "mount(2)",
    "remount",
    "bind-mount",
    "move_mount",
    "fsmount",
];

/// Lines that mean this.
pub fn lines<'c>(cx: &'c Context<'_>, wanted: Means, meaning: &str) -> Vec<Told<'c>> {
    host::lines(cx, SIGNALS, meaning)
        .into_iter()
        .filter(|l| of(l.signal, &l.text) == wanted)
        .collect()
}

/// What this line of this signal means.
fn of(signal: &str, text: &str) -> Means {
    if signal != "disk.enospc" {
        return Means::Full;
    }
    let low = text.to_ascii_lowercase();
    let end = low.find("no space left on device").unwrap_or(low.len());
    let head = low.get(..end).unwrap_or_default();
    let other = [
        "inotify",
        "fsnotify",
        "watcher",
        "user watches",
        "directory watch",
        "file watch",
        "/sys/fs/cgroup",
        "cgroup.procs",
        "bpf",
        "semget",
        "shmget",
        "perf_event",
        "keyctl",
    ];
    if other.iter().any(|w| head.contains(w)) || low.contains("inotify") {
        return Means::Other;
    }
    let last = head
        .split(|c: char| c.is_whitespace() || matches!(c, ':' | '"' | '\'' | ',' | '['))
        .rfind(|w| WRITES.contains(w) || MOUNTS.contains(w));
    match last {
        Some(w) if MOUNTS.contains(&w) => Means::Mounts,
        _ => Means::Full,
    }
}

/// Where the kubelet and containerd mount what belongs to pods: one that is full is that volume's own matter.
const VOLUMES: &[&str] = &[
    "/var/lib/kubelet/pods/",
    "/var/lib/kubelet/plugins/",
    "/run/k3s/containerd/",
    "/run/containerd/",
];

/// File systems of which `df` can say that they are full without meaning it.
pub fn can_fill(fs: &FileSystem) -> bool {
    let read_only = fs.target.starts_with("/snap")
        || fs.target.starts_with("/boot")
        || fs.target.starts_with("/media")
        || VOLUMES.iter().any(|v| fs.target.starts_with(v))
        || fs.source.starts_with("/dev/longhorn/")
        || fs.source.starts_with("/dev/loop")
        || fs.source.starts_with("/dev/sr")
        || matches!(
            fs.source.as_str(),
            "efivarfs" | "squashfs" | "overlay" | "shm" | "devtmpfs" | "udev" | "none"
        );
    !read_only && fs.size > 0
}

/// Rows of `df` that show a full file system: no share left, or no inode.
pub fn full<'c>(cx: &'c Context<'_>) -> Vec<(&'c Fact, String)> {
    let blocks = host::facts(cx, |v| match v {
        Value::FileSystem(f) if can_fill(f) && (f.used >= 100 || f.available == 0) => {
            Some(f.target.clone())
        }
        _ => None,
    });
    let inodes = host::facts(cx, |v| match v {
        Value::Inodes(target, used) if *used >= 100 && !target.starts_with("/boot") => {
            Some(target.clone())
        }
        _ => None,
    });
    blocks.chain(inodes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_operation_decides() {
        for (text, want) in [
            (
                "write /var/lib/rancher/k3s/server/db/state.db: no space left on device",
                Means::Full,
            ),
            (
                "failed to extract layer: mount callback failed on /tmp/containerd-mount1: write /tmp/containerd-mount1/a: no space left on device",
                Means::Full,
            ),
            (
                "failed to mount /tmp/containerd-mount12: no space left on device",
                Means::Mounts,
            ),
            (
                "error mounting \"/x\" to rootfs at \"/y\": mount /x:/y (via /proc/self/fd/6), flags: 0x5000: no space left on device",
                Means::Mounts,
            ),
            (
                "mount: /mnt: mount(2) system call failed: No space left on device.",
                Means::Mounts,
            ),
            (
                "Failed to add /run to inotify watch: No space left on device",
                Means::Other,
            ),
            (
                "Failed to allocate directory watch: No space left on device",
                Means::Other,
            ),
            (
                "mkdir /sys/fs/cgroup/memory/kubepods/x: no space left on device",
                Means::Other,
            ),
            ("no space left on device", Means::Full),
        ] {
            assert_eq!(of("disk.enospc", text), want, "{text}");
        }
    }
}
