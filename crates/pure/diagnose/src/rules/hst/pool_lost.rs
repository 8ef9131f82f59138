//! # HST029 The storage pool under the disks is degraded or gone
//!
//! class: storage-pool-lost
//!
//! ## What it sees
//! `zpool status` with a state that is not ONLINE, a pool that is suspended or can't be imported, a storage
//! of Proxmox VE that is not online, a volume group that lacks a device.
//!
//! ## Why it matters
//! The disks of VMs live there. Guests stand still or see I/O errors, whatever is done inside them.
//!
//! ## What to do
//! Find the missing device first (`zpool status -v`, cables, controller). A pool that can't be imported can
//! often be imported read-only, to copy the disks off.
//!
//! ## What not to do
//! Do not force an import or clear errors before you know why devices are missing. Do not create a pool of
//! the same name.

use crate::analysis::host;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST029",
    class: "storage-pool-lost",
    needs: &[],
    leads_to: &[K::HostStorageFailing],
    check,
};

const SIGNALS: &[&str] = &[
    "zfs.suspended",
    "zfs.io-failure",
    "zfs.import",
    "zfs.import-bare",
    "zfs.state",
    "lvm.missing",
    "lvm.thin",
    "lvm.pool-check",
    "lvm.no-group",
    "pve.not-online",
    "pve.not-active",
    "pve.inactive",
];

/// Refusals to import that say nothing about the pool.
fn is_harmless(line: &host::Told) -> bool {
    // Programs of all kinds import, and none of these is a pool's name.
    let thing = [
        "module",
        "modules",
        "package",
        "name",
        "file",
        "key",
        "keys",
        "certificate",
        "image",
    ];
    if line.signal == "zfs.import-bare" {
        return thing.contains(&line.group(0));
    }
    line.signal == "zfs.import"
        && [
            "already exists",
            "already imported",
            "no such pool",
            "permission denied",
        ]
        .iter()
        .any(|w| line.group(1).contains(w))
        && !line.text.contains("I/O error")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(cx, SIGNALS, "the storage says so itself");
    let lines = lines.into_iter().filter(|l| !is_harmless(l)).collect();
    for (id, lines) in host::by_host(lines) {
        // A network storage of the hypervisor that is off need not be the one under the VMs.
        let sure = lines.iter().any(|l| l.signal != "pve.inactive");
        let task = lines
            .iter()
            .all(|l| matches!(l.signal, "pve.not-online" | "pve.inactive"));
        let degraded = lines
            .iter()
            .all(|l| l.signal == "zfs.state" && l.group(0) == "DEGRADED");
        let mut finding = RULE
            .on(id.clone())
            .title(if degraded {
                format!("a storage pool of {} is degraded", host::called(&id))
            } else {
                format!("a storage pool of {} is lost or can't be used", host::called(&id))
            })
            .why("Disks of VMs live there; guests stand still or see I/O errors, whatever is done inside them.")
            .term(if degraded { 75 } else if !sure { 45 } else if task { 76 } else { 88 }, "the storage says so itself")
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .safe("Which device is missing, and what is readable?", "zpool status -v; zpool import; pvesm status; vgs; lsblk")
            .check_first("If it can't be imported, import it read-only and copy the disks off.", "zpool import -o readonly=on -N POOL")
            .dont("Don't force an import, clear errors or make a pool of the same name before you know why devices are missing.");
        if !sure {
            finding = finding.undecided(
                "Do disks of VMs lie on that storage, or only backups and images?",
                "pvesm status; grep -rl 'STORAGE:' /etc/pve/qemu-server /etc/pve/lxc",
                &["storage-pool-lost", "host-down"],
            );
        }
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::HostStorageFailing, K::ServiceFailing],
        ));
    }
}
