//! # HST030 The VM's disk image or file system is damaged
//!
//! class: vm-disk-image-corrupt
//!
//! ## What it sees
//! QEMU that marks or finds a qcow2 image corrupt, `qemu-img check` that counts errors, a VM paused by an
//! I/O error, a guest whose file system check asks for a person. I/O errors in the guest that it names follow from it.
//!
//! ## Why it matters
//! The guest's programs are sound; the ground below them is not. Restarting the VM or the node repairs
//! nothing, and further writes make it worse.
//!
//! ## What to do
//! Stop the VM, copy the image, check the copy (`qemu-img check`), repair the copy or restore the VM from a
//! backup; a node can also be made anew and join its cluster.
//!
//! ## What not to do
//! Do not run `qemu-img check -r` on the only copy, nor while the VM runs.

use crate::analysis::enospc;
use crate::analysis::host;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST030",
    class: "vm-disk-image-corrupt",
    needs: &[],
    leads_to: &[K::HostStorageFailing],
    check,
};

/// Damage that a kernel finds in a file system; the device is the first group.
const FILE_SYSTEM: &[&str] = &[
    "kernel.xfs-metadata",
    "kernel.ext4-error",
    "kernel.btrfs-corrupt",
];
/// Errors of the disk below a file system, and what the kernel does of its own accord.
const BELOW: &[&str] = &[
    "kernel.io-error",
    "kernel.medium-error",
    "kernel.sense-error",
    "kernel.buffer-error",
    "kernel.remounted-ro",
    "kernel.forced-ro",
    "kernel.aborted-journal",
    "kernel.journal-aborted",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let sure = &["qcow2.corrupt", "qcow2.is-corrupt", "qcow2.errors"];
    let sure = host::lines(cx, sure, "QEMU finds the image damaged");
    let maybe = host::lines(
        cx,
        &["vm.io-error", "fsck.manually"],
        "what lies below the guest fails",
    );
    // A disk that only a guest has (virtio, Xen), and no word of an error below it.
    let guest = host::lines(cx, FILE_SYSTEM, "the guest's file system is damaged");
    // A journal that is aborted is a fault of its own, and its rule's.
    let errors = !host::lines(cx, BELOW, "").is_empty();
    let guest: Vec<_> = (guest.into_iter())
        .filter(|l| !errors && ["vd", "xvd"].iter().any(|d| l.group(0).starts_with(d)))
        .collect();
    let hosts = host::by_host(sure.iter().cloned().chain(maybe).chain(guest).collect());
    for (id, lines) in hosts {
        let certain = lines.iter().any(|l| l.signal.starts_with("qcow2."));
        let inside = !certain && lines.iter().any(|l| FILE_SYSTEM.contains(&l.signal));
        let full = !enospc::lines(cx, enospc::Means::Full, "").is_empty();
        let mut finding = RULE
            .on(id.clone())
            .title(match (certain, inside) {
                (true, _) => "the disk image of a VM is damaged",
                (_, true) => "the file system on a VM's disk is damaged",
                _ => "a VM stands still because what lies below its disk fails",
            })
            .why("The guest's programs are sound; restarting them or the VM repairs nothing.")
            .term(
                match (certain, inside) {
                    (true, _) => 90,
                    (_, true) => 70,
                    _ => 45,
                },
                match (certain, inside) {
                    (true, _) => "QEMU says so",
                    (_, true) => "the guest's kernel says so, and no disk error was heard",
                    _ => "the guest's disk fails",
                },
            )
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .safe("What does the hypervisor say of it?", "qm list; qm status VMID --verbose; journalctl -b | grep -iE 'qcow2|io-error|I/O error'; df -h; lvs; zpool status")
            .check_first("With the VM off: copy the image, and check the copy.", "qemu-img check /path/to/copy.qcow2")
            .dont("Don't repair the only copy, nor while the VM runs.");
        if !certain && !inside {
            finding = finding.undecided(
                "Is the image or its file system damaged, or is the storage below it full or gone?",
                "df -h; lvs -a; zpool status; qemu-img check /path/to/disk.qcow2",
                &[
                    "vm-disk-image-corrupt",
                    "storage-pool-lost",
                    "disk-full",
                    "disk-io-errors",
                ],
            );
        }
        if certain || !full {
            out.push(host::claim(
                cx,
                finding,
                &id,
                &lines,
                &[K::HostStorageFailing],
            ));
        }
    }
}
