//! # HST023 The kernel has made a file system read-only
//!
//! class: filesystem-read-only
//!
//! ## What it sees
//! The kernel's `Remounting filesystem read-only`, an aborted journal, a file system that was shut down;
//! `read-only file system` where a program of the host writes; a data file system mounted `ro`.
//!
//! ## Why it matters
//! The kernel stops all writing when it finds the file system damaged. etcd, containerd and the kubelet
//! end; what runs may go on until it writes.
//!
//! ## What to do
//! Look at what the kernel said before it. Save what can be read, check the disk, then repair the file
//! system while it is not mounted, and reboot.
//!
//! ## What not to do
//! Do not remount it writable by force: the damage grows.

use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST023",
    class: "filesystem-read-only",
    needs: &[],
    leads_to: &[
        K::HostStorageFailing,
        K::DatastoreFailing,
        K::ServiceFailing,
    ],
    check,
};

/// The kernel's own words.
const KERNEL: &[&str] = &[
    "kernel.remounted-ro",
    "kernel.forced-ro",
    "kernel.aborted-journal",
    "kernel.journal-aborted",
];

/// Damage that the kernel found; it acts on some of it.
const DAMAGE: &[&str] = &[
    "kernel.ext4-error",
    "kernel.xfs-corrupt",
    "kernel.xfs-metadata",
    "kernel.xfs-shutdown",
    "kernel.btrfs-corrupt",
];

/// Where a host's programs keep what they write, whatever lies below it; nothing mounts these read-only by design.
const HOMES: &[&str] = &[
    "/var/lib/rancher",
    "/var/lib/rancher/k3s",
    "/var/lib/rancher/k3s/server",
    "/var/lib/rancher/k3s/server/db",
    "/var/lib/rancher/k3s/agent",
    "/var/lib/rancher/rke2",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/var/lib/longhorn",
];

/// A file system of a disk, where a host writes. What the kubelet mounts for a pod is as the pod asks for it.
fn holds_data(target: &str, fstype: &str) -> bool {
    matches!(fstype, "ext4" | "ext3" | "xfs" | "btrfs" | "zfs")
        && (target == "/" || target.starts_with("/var") || target.starts_with("/data"))
        && !target.starts_with("/var/lib/kubelet/")
}

/// Places that are read-only by design: images, immutable systems, what containers see.
fn is_meant(line: &Told) -> bool {
    let path = line.group(1);
    [
        "/usr", "/opt", "/boot", "/sys", "/proc", "/lib", "/bin", "/sbin", "/snap", "/nix",
        "/cdrom", "/media",
    ]
    .iter()
    .any(|p| path.starts_with(p))
        || [
            "rootfs",
            "OCI runtime",
            "runc",
            "/sys/",
            "/proc/",
            "container init",
            "local-path",
        ]
        .iter()
        .any(|w| line.text.contains(w))
        || line.about.is_some()
}

/// Where media are mounted that may be there to be read only.
const MEDIA: &[&str] = &["/mnt", "/run/media"];

/// Is it a host that can't be written to, and not a container's root or a medium that is meant to be read? The journal
/// is a host's, and so is what somebody tries by hand outside of containers.
fn is_of_host(cx: &Context<'_>, line: &Told<'_>) -> bool {
    let path = line.group(1);
    let of_container = line.command(cx).is_some_and(|(fact, words)| {
        host::is_inside(&fact.command) || words.iter().any(|w| w == "logs")
    });
    let by_hand = !path.is_empty() && !MEDIA.iter().any(|m| path.starts_with(m));
    !line.program.is_empty() || (by_hand && !of_container)
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let kernel = host::lines(cx, KERNEL, "the kernel stops all writing");
    let damage = host::lines(cx, DAMAGE, "the kernel finds the file system damaged");
    let words: Vec<Told> = host::lines(cx, &["disk.erofs"], "nothing can be written there")
        .into_iter()
        .filter(|l| !is_meant(l) && l.speaker.is_none())
        .collect();
    let mounts: Vec<_> = host::facts(cx, |v| match v {
        Value::Mount {
            target,
            fstype,
            options,
            ..
        } if (HOMES.contains(&target.trim_end_matches('/')) || holds_data(target, fstype))
            && options
                .split(',')
                .any(|o| matches!(o, "ro" | "emergency_ro")) =>
        {
            Some(target.clone())
        }
        _ => None,
    })
    .collect();
    let said = kernel.len();
    let hosts = host::by_host(kernel.into_iter().chain(words).chain(damage).collect());
    for (host, lines) in &hosts {
        let told_by_kernel = lines.iter().any(|l| KERNEL.contains(&l.signal));
        let refused = lines
            .iter()
            .any(|l| l.signal == "disk.erofs" && is_of_host(cx, l));
        let mut finding = found(cx, host, lines).term(
            if told_by_kernel {
                92
            } else if refused {
                80
            } else {
                45
            },
            if told_by_kernel {
                "the kernel says so"
            } else if refused {
                "programs of the host can't write"
            } else if lines.iter().any(|l| l.signal == "disk.erofs") {
                "somebody can't write somewhere"
            } else {
                "the kernel finds damage"
            },
        );
        for (fact, target) in mounts
            .iter()
            .filter(|(f, _)| host::same_host(&f.host, host.name()))
        {
            finding = finding.cite(cx.fact(fact, format!("{target} is mounted read-only")));
        }
        if !told_by_kernel && !refused && mounts.is_empty() {
            finding = finding.undecided(
                "Has the kernel made the file system read-only, and does the disk return errors?",
                "dmesg -T | grep -iE 'I/O error|read-only|EXT4-fs|XFS|BTRFS'; findmnt -O ro",
                &[
                    "filesystem-read-only",
                    "disk-io-errors",
                    "vm-disk-image-corrupt",
                ],
            );
        }
        out.push(finding);
    }
    if said == 0 && hosts.is_empty() {
        for (fact, target) in mounts {
            let host = host::entity(&fact.host);
            out.push(
                found(cx, &host, &[])
                    .key(target.clone())
                    .term(72, "it is mounted read-only")
                    .cite(cx.fact(fact, "its options begin with ro")),
            );
        }
    }
}

fn found(cx: &Context<'_>, host: &EntityId, lines: &[Told<'_>]) -> Finding {
    let device = lines
        .iter()
        .filter(|l| l.signal != "disk.erofs")
        .map(|l| l.group(0))
        .find(|d| !d.is_empty())
        .map(|d| format!(" on {d}"))
        .unwrap_or_default();
    let finding = RULE
        .on(host.clone())
        .title(format!("a file system of {}{device} has become read-only", called(host)))
        .why("The kernel stops all writing when it finds a file system damaged; whatever writes there ends.")
        .cite_all(lines.iter().map(|l| l.evidence.clone()))
        .safe("What did the kernel say before it?", "dmesg -T | grep -iE 'I/O error|read-only|abort|EXT4-fs|XFS|BTRFS' | tail -50; findmnt -O ro")
        .safe("Copy what counts while it can be read.", "cp -a /var/lib/rancher/k3s/server/db/snapshots /var/lib/rancher/k3s/server/token /mnt/elsewhere/")
        .advice("Check the disk; then repair the file system while it is not mounted, and reboot.")
        .dont("Don't remount it writable by force: the damage grows.");
    host::claim(
        cx,
        finding,
        host,
        lines,
        &[
            K::HostStorageFailing,
            K::DatastoreFailing,
            K::RuntimeFailing,
            K::ServiceFailing,
        ],
    )
}
