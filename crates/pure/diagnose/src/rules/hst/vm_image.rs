//! # HST030 The VM's disk image or file system is damaged
//!
//! class: vm-disk-image-corrupt
//!
//! ## What it sees
//! QEMU that marks or finds a qcow2 image corrupt, `qemu-img check` that counts errors, a VM paused by an
//! I/O error, a guest whose file system check asks for a person. I/O errors in the guest that it names follow from it.
//! A backup job that can't read a machine's disk, while the file system below finds other bytes than were written, of that
//! disk or at that moment, and the disk itself gives no error; a scrub or a pool's list of permanent errors that names
//! one. The job alone is a question.
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

use defib_model::signal::{Form, Local};

use crate::analysis::host::{self, Told};
use crate::analysis::{enospc, order};
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
/// The file system finds other bytes than were written, and says that they are a machine's.
const NAMED: &[&str] = &["kernel.btrfs-image", "zfs.damaged-volume"];
/// The disk below the file system has failed by itself, some time.
const DISK: &[&str] = &[
    "kernel.btrfs-device",
    "btrfs.device-errors",
    "zfs.device-errors",
    "zfs.state",
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

/// Fewer lines of a signal than are kept of a log.
const KEPT: u64 = 5;

/// Seconds within which what the kernel says belongs to a job that fails.
const BESIDE: i64 = 180;

/// An image whose bytes are others than were written: a backup can't read it, for as long as the logs go, or its file
/// system names it. Which file `csum failed` speaks of nobody knows, but when.
fn changed(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // No start of k3s makes it whole.
    let all = |signals: &[&str], meaning: &str| host::all_lines(cx, signals, meaning);
    let done = all(&["vzdump.finished"], "");
    let over = |l: &Told<'_>, machine: &str| {
        let has_time = |l: &Told<'_>| l.line.time.is_some() || l.line.local.is_some();
        done.iter().any(|d| {
            let own = d.group(0) == machine && has_time(d) && has_time(l);
            own && order::is_behind(cx, &d.moment(), &l.moment())
        })
    };
    let mut jobs = all(
        &["vzdump.unreadable"],
        "the backup could not read a disk of the machine",
    );
    // Of many lines the first few are kept: nobody knows when the last one failed.
    let many = |l: &Told<'_>| l.count > KEPT;
    jobs.retain(|l| many(l) || !over(l, l.group(0)));
    let mut named = all(NAMED, "the file system finds other bytes than were written");
    named.retain(|l| !over(l, l.group(0)));
    let sums = all(
        &["kernel.btrfs-csum"],
        "the file system finds other bytes than were written",
    );
    let repaired = all(&["kernel.btrfs-repaired"], "");
    let mut disk = all(super::disk_errors::DEVICE, "");
    disk.extend(all(BELOW, ""));
    disk.retain(|l| !super::disk_errors::is_side_show(l));
    let doubts = all(DISK, "");
    let job_hosts = host::by_host(jobs.clone()).len();
    for (id, lines) in host::by_host(jobs.into_iter().chain(named).collect()) {
        // What nobody's prompt stands above is of the only host there is.
        let here = |l: &&Told<'_>| l.host == id || (l.host.name() == "-" && job_hosts < 2);
        let (own, named): (Vec<_>, Vec<_>) =
            (lines.iter()).partition(|l| l.signal == "vzdump.unreadable");
        let failed = Failed::of(cx, &own, &done);
        if failed.over {
            continue;
        }
        let whole = repaired.iter().any(|l| here(&l));
        let machines: BTreeSet<&str> = own.iter().map(|l| l.group(0)).collect();
        let its = |l: &&&Told<'_>| machines.is_empty() || machines.contains(l.group(0));
        let mut shown: Vec<&Told<'_>> = named.iter().filter(its).copied().collect();
        if shown.is_empty() {
            // A guest's own disk is not what lies below it.
            let guest = |l: &Told<'_>| ["vd", "xvd"].iter().any(|d| l.group(0).starts_with(d));
            let beside = |l: &&Told<'_>| here(l) && !guest(l) && failed.is_beside(l);
            shown.extend(sums.iter().find(beside));
        }
        if whole {
            shown.clear();
        }
        let fails = disk.iter().any(|l| here(&l));
        // A disk that fails, says its own rule; and what was repaired is whole.
        if shown.is_empty() && (fails || own.is_empty()) {
            continue;
        }
        let sure = !shown.is_empty() && !fails && !doubts.iter().any(|l| here(&l));
        let all: BTreeSet<&str> = machines
            .into_iter()
            .chain(
                shown
                    .iter()
                    .filter(|l| NAMED.contains(&l.signal))
                    .map(|l| l.group(0)),
            )
            .collect();
        let all: Vec<&str> = all.into_iter().collect();
        let mut finding = RULE
            .on(id.clone())
            .title(match own.is_empty() {
                true => format!("the image of a disk of VM {} holds other bytes than were written", all.join(", ")),
                false => format!("backups fail because a disk of VM {} can't be read{}", all.join(", "), failed.since()),
            })
            .why("The machine may run well for as long as it does not read there; its last good backup is from before the damage.")
            .cite_all(own.last().map(|l| l.evidence.clone()))
            .cite_all(failed.dates.first().map(|l| l.evidence.clone()))
            .cite_all(shown.iter().take(2).map(|l| l.evidence.clone()))
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
        out.push(finding);
    }
}

/// When backups of some machines failed.
struct Failed<'t, 'c> {
    jobs: &'t [&'t Told<'c>],
    /// The lines that say when, after the last backup that came to its end; the earliest first.
    dates: Vec<Told<'c>>,
    /// Every failure has its date, and a backup came to its end after the last of them.
    over: bool,
}

impl<'t, 'c> Failed<'t, 'c> {
    /// Of these jobs, where their logs are shown; `done` are all that came to their end.
    fn of(cx: &'c Context<'_>, jobs: &'t [&'t Told<'c>], done: &[Told<'_>]) -> Self {
        let below = |l: &Told<'_>, above: &Told<'_>| {
            l.entry == above.entry && l.line.line == above.line.line + 1
        };
        let mut dates = host::all_lines(cx, &["vzdump.failed-at"], "it failed then already");
        dates.retain(|l| jobs.iter().any(|job| below(l, job)));
        let ends = host::all_lines(cx, &["vzdump.finished-at"], "");
        let own = |l: &&Told<'_>| {
            let its = |d: &&Told<'_>| jobs.iter().any(|job| job.group(0) == d.group(0));
            done.iter().filter(its).any(|d| below(l, d))
        };
        let good = ends.iter().filter(own).map(|l| l.group(0)).max();
        let dated = dates.len() == jobs.len();
        dates.retain(|l| Some(l.group(0)) > good);
        dates.sort_by_key(|l| l.group(0));
        Self {
            jobs,
            over: dated
                && good.is_some()
                && dates.is_empty()
                && jobs.iter().all(|l| l.count <= KEPT),
            dates,
        }
    }

    /// For a title: since when, where it failed on more than one day.
    fn since(&self) -> String {
        let day = |l: &Told<'c>| l.group(0).split(' ').next().unwrap_or_default();
        match (self.dates.first().map(day), self.dates.last().map(day)) {
            (Some(first), Some(last)) if first != last => format!(", since {first}"),
            _ => String::new(),
        }
    }

    /// Was this said while one of them failed? Clocks without a zone are those of one host.
    fn is_beside(&self, line: &Told<'_>) -> bool {
        let near = |a: i64, b: i64| (a - b).abs() <= BESIDE;
        let local = |t: Local| {
            let days = i64::from(t.month) * 31 + i64::from(t.day);
            days * 86_400 + i64::from(t.second)
        };
        let said = line.line.local.map(local);
        let dated = self.dates.iter().filter_map(|l| stamp(l.group(0)));
        let by_local = dated
            .chain(self.jobs.iter().filter_map(|l| l.line.local))
            .any(|t| said.is_some_and(|said| near(said, local(t))));
        let mut jobs = self.jobs.iter();
        by_local
            || jobs.any(|job| {
                (job.line.time.zip(line.line.time))
                    .is_some_and(|(a, b)| near(a.as_second(), b.as_second()))
            })
    }
}

/// The month, day and time of `2026-11-02 17:33:17`.
fn stamp(text: &str) -> Option<Local> {
    let mut numbers = text.split(['-', ' ', ':']).map(str::parse::<u32>);
    let mut next = || numbers.next()?.ok();
    let (_, month, day) = (next()?, next()?, next()?);
    let second = next()? * 3600 + next()? * 60 + next()?;
    Some(Local {
        form: Form::Kernel,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
        second,
    })
}
