//! # STO019 A rebuilt node's disk is not the one that Longhorn has on record
//!
//! class: longhorn-disk-uuid-changed
//!
//! ## What it sees
//! A disk in the status of a Longhorn node that is not ready because the UUID on the disk is not the
//! recorded one.
//!
//! ## Why it matters
//! Longhorn writes a UUID on each disk. When a node is rebuilt or the disk replaced under the same
//! path, the UUID differs, and Longhorn refuses the disk rather than mix data.
//!
//! ## What to do
//! If the old disk is lost: remove the disk from the Longhorn node and add it again; replicas are
//! rebuilt from other nodes. If the old disk exists: mount it again.
//!
//! ## What not to do
//! Do not edit the UUID file on the disk to match: Longhorn then believes that replicas are there
//! which are not.

use crate::analysis::longhorn;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO019",
    class: "longhorn-disk-uuid-changed",
    needs: &["Longhorn nodes"],
    leads_to: &[K::VolumeMountFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for disk in longhorn::disks(cx, "Ready") {
        if !(disk.reason == "DiskFilesystemChanged"
            || (disk.message.contains("diskUUID") && disk.message.contains("match")))
        {
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
        for hit in cx.hits("longhorn.disk-uuid").take(1) {
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
        .title(format!("the disk of {which} is not the one that Longhorn has on record"))
        .why("Longhorn refuses a disk with another UUID rather than mix data.")
        .safe("Which disks does Longhorn know, and what is mounted?", "kubectl get nodes.longhorn.io -n longhorn-system -o yaml | grep -A14 diskStatus; cat /var/lib/longhorn/longhorn-disk.cfg; lsblk -f")
        .check_first("If the old disk is lost, remove it from the Longhorn node and add it again.", command!("kubectl edit nodes.longhorn.io {} -n longhorn-system", node))
        .dont("Don't edit the UUID on the disk to match: Longhorn would believe in replicas that are not there.")
}
