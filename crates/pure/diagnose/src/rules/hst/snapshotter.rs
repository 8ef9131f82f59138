//! # HST032 The file system can't carry the overlayfs snapshotter
//!
//! class: snapshotter-unsupported-fs
//!
//! ## What it sees
//! k3s that can't enable its snapshotter, or the kernel that refuses the upper directory of an overlay.
//!
//! ## Why it matters
//! containerd keeps layers on overlayfs by default. ZFS (older than 2.2), NFS, eCryptfs, XFS without ftype
//! and an overlay below (a container's own disk, a live system) can't carry it; no container starts.
//!
//! ## What to do
//! Put the data directory on ext4 or XFS (a zvol, a volume, a disk of its own), or choose another snapshotter
//! (`--snapshotter native`, `fuse-overlayfs`, `zfs`).
//!
//! ## What not to do
//! Do not change the snapshotter of a node in use without emptying agent/containerd: layers of the other
//! one are not found.

use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST032",
    class: "snapshotter-unsupported-fs",
    needs: &[],
    leads_to: &[K::RuntimeFailing, K::ServiceFailing],
    check,
};

const SIGNALS: &[&str] = &[
    "snapshotter.cannot",
    "snapshotter.upperdir",
    "snapshotter.upper",
    "snapshotter.d-type",
    "snapshotter.plugin",
];

/// The reason is another: no such module, no room, nothing may be written.
fn is_other(line: &Told) -> bool {
    [
        "no such device",
        "no space left",
        "read-only file system",
        "input/output error",
        "operation not permitted",
        "skip plugin",
    ]
    .iter()
    .any(|w| line.text.contains(w))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(cx, SIGNALS, "the file system below can't carry an overlay");
    let lines: Vec<Told> = lines.into_iter().filter(|l| !is_other(l)).collect();
    // The kernel warns at every mount of a file system that is merely limited (d_type or whiteouts).
    let refused = lines.iter().any(|l| l.signal != "snapshotter.upper");
    for (id, lines) in host::by_host(lines) {
        let finding = RULE
            .on(id.clone())
            .title(format!("the file system below k3s' data on {} can't carry the overlayfs snapshotter", called(&id)))
            .why("Without a snapshotter no image is unpacked and no container starts.")
            .term(if refused { 90 } else { 70 }, if refused { "the snapshotter is refused" } else { "the kernel says what the file system lacks" })
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .safe("Which file system is it?", "findmnt -T /var/lib/rancher/k3s; xfs_info /var/lib/rancher 2>/dev/null | grep ftype; uname -r")
            .check_first("Put the data directory on ext4 or XFS, or choose another snapshotter.", "echo 'snapshotter: native' >> /etc/rancher/k3s/config.yaml; systemctl restart k3s")
            .dont("Don't change the snapshotter of a node in use without emptying agent/containerd: layers of the other one are not found.");
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::RuntimeFailing, K::ServiceFailing],
        ));
    }
}
