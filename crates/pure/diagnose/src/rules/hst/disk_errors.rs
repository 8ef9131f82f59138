//! # HST022 A disk of the host returns I/O errors
//!
//! class: disk-io-errors
//!
//! ## What it sees
//! The kernel's words about a device (`I/O error, dev …`, medium errors, resets of ATA or NVMe), SMART
//! that fails or counts unreadable sectors, and `input/output error` where a program reads or writes. A bus error in
//! a mapped file alone is a question: a file that was cut gives the same. So are errors beside an iSCSI session that
//! was lost: the disk is elsewhere.
//!
//! ## Why it matters
//! What reads from such a disk gets wrong or no data. Everything that follows (a damaged datastore, a
//! file system made read-only, slow leases) comes from here.
//!
//! ## What to do
//! Save what can be read, first the newest etcd snapshots and the token; then replace disk, cable or
//! controller, and bring the node back from the cluster or a backup.
//!
//! ## What not to do
//! Do not run fsck or restore onto a disk that still fails. Do not reset a cluster from the copy on it.

use crate::analysis::enospc;
use crate::analysis::host::{self, called};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST022",
    class: "disk-io-errors",
    needs: &[],
    leads_to: &[
        K::HostStorageFailing,
        K::DatastoreFailing,
        K::ServiceFailing,
    ],
    check,
};

/// The device itself fails.
pub(super) const DEVICE: &[&str] = &[
    "kernel.medium-error",
    "kernel.io-error",
    "kernel.sense-error",
    "kernel.ata-unc",
    "kernel.ata-failed",
    "kernel.nvme-down",
    "kernel.nvme-timeout",
    "kernel.mmc-error",
    "kernel.md-failed",
    "smart.failed",
    "smart.failing-now",
    "smart.pending",
    "smart.nvme-errors",
    "kernel.log-io",
];

/// A program was answered with an error of the device.
const ANSWERS: &[&str] = &[
    "disk.eio",
    "disk.sqlite-eio",
    "disk.sigbus",
    "kernel.buffer-error",
];

/// Devices whose errors say nothing about the host: removable, virtual, empty drives.
pub(super) fn is_side_show(line: &host::Told) -> bool {
    let device = line.group(0);
    [
        "fd0", "sr0", "loop", "nbd", "zram", "/dev/tty", "/dev/pts", "/dev/std", "/proc/", "/sys/",
    ]
    .iter()
    .any(|d| device.starts_with(d))
        || (line.signal == "disk.eio"
            && (line.text.contains("/dev/tty") || line.text.contains("stdout")))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let device = host::lines(cx, DEVICE, "the device fails");
    let answers = host::lines(cx, ANSWERS, "a program could not read or write");
    let full =
        !enospc::lines(cx, enospc::Means::Full, "").is_empty() || !enospc::full(cx).is_empty();
    let hosts = host::by_host(
        device
            .into_iter()
            .chain(answers)
            .filter(|l| !is_side_show(l))
            .collect(),
    );
    let sessions = host::lines(
        cx,
        &["iscsi.session-lost", "iscsi.connection-lost"],
        "the session with the target is lost",
    );
    for (host, lines) in hosts {
        let hard = lines.iter().any(|l| DEVICE.contains(&l.signal));
        let bus = lines.iter().all(|l| l.signal == "disk.sigbus");
        // A file that shrank under its mapping gives the same signal; a full disk does that.
        if bus && full {
            continue;
        }
        let which = lines
            .iter()
            .map(|l| l.group(0))
            .find(|d| !d.is_empty() && !d.starts_with('/'))
            .unwrap_or_default();
        let name = if which.is_empty() {
            "a disk".to_owned()
        } else {
            format!("disk {which}")
        };
        let finding = RULE
            .on(host.clone())
            .title(format!("{name} of {} returns I/O errors", called(&host)))
            .why("What reads from it gets wrong or no data; the damage elsewhere comes from here.")
            .term(
                if hard { 90 } else if bus { 62 } else { 75 },
                if hard { "the kernel or the disk itself says so" } else { "programs are answered with I/O errors" },
            )
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .safe("What do the kernel and the disk say?", "dmesg -T | grep -iE 'I/O error|ata[0-9]|nvme|EXT4-fs|XFS' | tail -50; smartctl -a /dev/sda")
            .safe("Copy what counts while it can be read.", "cp -a /var/lib/rancher/k3s/server/db/snapshots /var/lib/rancher/k3s/server/token /mnt/elsewhere/")
            .advice("Replace the disk, cable or controller; then bring the node back from its cluster or a backup.")
            .dont("Don't run fsck on a disk that still fails, and don't reset a cluster from the copy on it.");
        // Behind a disk that fails stand the kernel's own words; without them the file may just be too short.
        let finding = match bus {
            true => finding.undecided(
                "Does the kernel speak of the device, and how long are the files that are mapped?",
                "dmesg -T | grep -iE 'I/O error|medium error|ata[0-9]|nvme' | tail -20; ls -l /var/lib/rancher/k3s/server/db/etcd/member/snap /var/lib/rancher/k3s/agent/containerd/io.containerd.metadata.v1.bolt",
                &["disk-io-errors", "etcd-data-corrupt", "disk-full"],
            ),
            false => finding,
        };
        // A disk that is reached through the network fails with its target or its way.
        let far: Vec<_> = sessions.iter().filter(|s| s.host == host).collect();
        let finding = match far.is_empty() {
            true => finding,
            false => finding
                .cite_all(far.iter().map(|l| l.evidence.clone()))
                .undecided(
                    "Is that disk in the machine, or a volume of Longhorn or a NAS whose target or way is gone?",
                    "lsblk -S -o NAME,TRAN,VENDOR,MODEL,SERIAL; iscsiadm -m session -P1",
                    &["disk-io-errors", "host-down"],
                ),
        };
        out.push(host::claim(
            cx,
            finding,
            &host,
            &lines,
            &[
                K::HostStorageFailing,
                K::DatastoreFailing,
                K::DatastoreSlow,
                K::RuntimeFailing,
                K::ServiceFailing,
            ],
        ));
    }
}
