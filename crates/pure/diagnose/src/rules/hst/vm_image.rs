//! # HST030 The VM's disk image or file system is damaged
//!
//! class: vm-disk-image-corrupt
//!
//! ## What it sees
//! QEMU that marks or finds a qcow2 image corrupt, `qemu-img check` that counts errors, a VM paused by an
//! I/O error, a guest whose file system check asks for a person. I/O errors in the guest that it names follow from it.
//! A backup job that can't read a machine's disk, or a scrub that names one, while the file system below finds other bytes
//! than were written and the disk itself gives no error; the job alone is a question.
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
//! Do not run `qemu-img check -r` on the only copy, nor while the VM runs. Do not let the backups from before the first
//! failure be pruned.

use std::collections::BTreeSet;

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
/// The file system finds that the bytes of a file, or of its disk, are others than were written.
const CHANGED: &[&str] = &[
    "kernel.btrfs-csum",
    "btrfs.corruption",
    "zfs.damaged-volume",
];
/// The disk below btrfs fails by itself.
const DISK: &[&str] = &["kernel.btrfs-device", "btrfs.device-errors"];
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
    changed(cx, out);
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

/// An image whose bytes are others than were written: a backup can't read it, for as long as the logs go, or a scrub
/// names it.
fn changed(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let jobs = host::lines(
        cx,
        &["vzdump.unreadable"],
        "the backup could not read a disk of the machine",
    );
    let dates = host::lines(cx, &["vzdump.failed-at"], "it failed then already");
    let changed = host::lines(
        cx,
        CHANGED,
        "the file system finds other bytes than were written",
    );
    let disk: Vec<_> = [super::disk_errors::DEVICE, BELOW, DISK]
        .iter()
        .flat_map(|signals| host::lines(cx, signals, ""))
        .collect();
    let lost = host::lines(cx, &["zfs.state"], "");
    let named = changed.iter().filter(|l| is_image(l)).cloned();
    for (id, lines) in host::by_host(jobs.into_iter().chain(named).collect()) {
        let here = |l: &&host::Told<'_>| host::same_host(l.host.name(), id.name());
        // An image on a disk that fails, or in a pool that lost one: their rules say so.
        let failing = |l: &&host::Told<'_>| here(l) && !DISK.contains(&l.signal);
        if lost.iter().any(|l| here(&l)) || disk.iter().any(|l| failing(&l)) {
            continue;
        }
        let jobs: Vec<_> = (lines.iter())
            .filter(|l| l.signal == "vzdump.unreadable")
            .collect();
        let changed: Vec<_> = changed.iter().filter(here).collect();
        let sure = !changed.is_empty() && !disk.iter().any(|l| here(&l));
        // btrfs says the same of every read; once it is enough, best of the image itself.
        let shown = CHANGED.iter().filter_map(|signal| {
            let mut own = changed.iter().filter(|l| l.signal == *signal);
            own.clone().find(|l| is_image(l)).or_else(|| own.next())
        });
        let own = |l: &&host::Told<'_>| {
            jobs.iter().any(|job| {
                job.entry == l.entry && (1..=2).contains(&l.line.line.saturating_sub(job.line.line))
            })
        };
        let days: BTreeSet<&str> = dates.iter().filter(own).map(|l| l.group(0)).collect();
        let since = match (days.first(), days.len()) {
            (Some(first), 2..) => format!(", since {first}"),
            _ => String::new(),
        };
        let first = dates.iter().filter(own).min_by_key(|l| l.group(0));
        let machines: BTreeSet<&str> = jobs.iter().map(|l| l.group(0)).collect();
        let machines: Vec<&str> = machines.into_iter().collect();
        let mut finding = RULE
            .on(id.clone())
            .title(match machines.as_slice() {
                [] => "the image of a VM's disk holds other bytes than were written".to_owned(),
                some => format!("backups fail because a disk of VM {} can't be read{since}", some.join(", ")),
            })
            .why("The machine may run well for as long as it does not read there; its last good backup is from before the damage.")
            .cite_all(jobs.last().map(|l| l.evidence.clone()))
            .cite_all(first.map(|l| l.evidence.clone()))
            .cite_all(shown.map(|l| l.evidence.clone()))
            .safe("Which archives are left, and what does the storage below say?", "ls -l /var/lib/vz/dump; dmesg -T | grep -iE 'BTRFS|I/O error'; btrfs device stats /PATH; zpool status -v")
            .check_first("With the VM off: copy the image, and see which parts can't be read.", "qemu-img convert -O raw --salvage /path/to/disk /path/to/copy")
            .dont("Don't let the old backups be pruned: the last good one is from before the damage.");
        finding = match sure {
            true => finding.term(84, "the file system finds other bytes than were written, and the disk itself gives no error"),
            false => finding.term(45, "it can't be read").undecided(
                "Is the image damaged, does the disk below it fail, or is its storage gone?",
                "dmesg -T | grep -iE 'BTRFS|I/O error|medium error' | tail -20; zpool status -v; pvesm status",
                &["vm-disk-image-corrupt", "disk-io-errors", "storage-pool-lost"],
            ),
        };
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::HostStorageFailing],
        ));
    }
}

/// Is it a machine's disk that btrfs speaks of? By its name, as hypervisors give them.
fn is_image(line: &host::Told<'_>) -> bool {
    let path = line.group(1);
    line.signal == "kernel.btrfs-csum"
        && [".qcow2", ".raw", ".img", ".vmdk"]
            .iter()
            .any(|ending| path.ends_with(ending))
        && !path.contains("template/")
}
