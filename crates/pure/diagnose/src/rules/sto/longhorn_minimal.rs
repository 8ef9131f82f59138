//! # STO018 The disk's free space is under Longhorn's minimal share
//!
//! class: longhorn-disk-below-minimal-available
//!
//! ## What it sees
//! A disk in the status of a Longhorn node that is not schedulable because what is available is less
//! than what is reserved or the minimal share.
//!
//! ## Why it matters
//! Longhorn places no replica on a disk whose free share is under `storage-minimal-available-
//! percentage` (25 % unless set), however many gigabytes that may be. Volumes stay degraded or can
//! not be attached.
//!
//! ## What to do
//! Make room on the disk (old snapshots, orphaned replicas, other data on the same file system), add
//! a disk, or lower the share knowingly.
//!
//! ## What not to do
//! Do not delete replica directories by hand to make room: the last good copy may be among them.

use crate::analysis::longhorn;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO018",
    class: "longhorn-disk-below-minimal-available",
    needs: &["Longhorn nodes"],
    leads_to: &[K::VolumeMountFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for disk in longhorn::disks(cx, "Schedulable") {
        if !(disk.reason == "DiskPressure" || disk.message.contains("to schedule more replicas")) {
            continue;
        }
        let mut finding = found(&disk.node)
            .term(88, "Longhorn says so in the disk's condition")
            .cite(cx.field(disk.obj, &disk.message_at, "Longhorn's words"))
            .cite(cx.field(disk.obj, &disk.status_at, "the disk's condition"));
        for id in longhorn::hurt(cx) {
            finding = finding.explains(K::VolumeMountFailing, &id);
        }
        out.push(finding);
    }
    if out.is_empty() {
        for hit in cx.hits("longhorn.disk-below-minimal").take(1) {
            out.push(
                found("")
                    .term(85, "Longhorn says so in its log")
                    .cite(cx.log(hit, 0, "Longhorn's words")),
            );
        }
    }
}

fn found(node: &str) -> Finding {
    let which = if node.is_empty() {
        "a node".to_owned()
    } else {
        format!("node {node}")
    };
    RULE.on(EntityId::object("node", "longhorn.io", "longhorn-system", if node.is_empty() { "cluster" } else { node }))
        .title(format!("a disk of {which} has less free space than Longhorn's minimal share: no replica is placed there"))
        .why("Longhorn keeps a share of each disk free, and counts in percent.")
        .safe("What do the disks have?", "kubectl get nodes.longhorn.io -n longhorn-system -o yaml | grep -B3 -A12 diskStatus; df -h /var/lib/longhorn")
        .check_first("Make room, add a disk, or lower the share knowingly.", "kubectl get settings.longhorn.io storage-minimal-available-percentage -n longhorn-system")
        .dont("Don't delete replica directories by hand: the last good copy may be among them.")
}
