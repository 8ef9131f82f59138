//! # STO017 multipathd on the node holds Longhorn's device
//!
//! class: longhorn-multipathd-claims-device
//!
//! ## What it sees
//! A mount of a Longhorn volume that fails because its device is busy (`already mounted or mount
//! point busy`, `apparently in use by the system`).
//!
//! ## Why it matters
//! multipathd takes every new SCSI device that it does not know, Longhorn's among them. The device
//! is then held by the device mapper, and neither mkfs nor mount gets it.
//!
//! ## What to do
//! Tell multipathd to leave these devices alone: a blacklist for the devices that Longhorn makes, in
//! /etc/multipath.conf, and restart multipathd.
//!
//! ## What not to do
//! Do not run mkfs by hand on the device: it may hold the volume's data.

use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO017",
    class: "longhorn-multipathd-claims-device",
    needs: &["Event"],
    leads_to: &[K::VolumeMountFailing],
    check,
};

/// Source: util-linux and e2fsprogs texts, quoted by Longhorn's CSI driver.
const WORDS: &[&str] = &[
    "already mounted or mount point busy",
    "apparently in use by the system",
    "is apparently in use",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::VolumeMountFailing) {
        let words: Vec<_> =
            storage::said(cx, &c.entity, WORDS, "the device is held by somebody else")
                .into_iter()
                .filter(|e| e.text.contains("longhorn"))
                .collect();
        let Some(first) = words.first() else { continue };
        let text = first.text.clone();
        let node = cx
            .cluster
            .pod(&c.entity)
            .map_or("", |p| p.spec.node_name.as_str());
        let entity = if node.is_empty() {
            c.entity.clone()
        } else {
            EntityId::object("Node", "", "", node)
        };
        let sure = if text.contains("multipath") { 92 } else { 78 };
        out.push(
            RULE.on(entity)
                .title("Longhorn's device is held by somebody else on the node, most likely multipathd")
                .why("multipathd takes every new SCSI device that it does not know.")
                .term(sure, "the device of a Longhorn volume is busy when it is mounted")
                .cite_all(words)
                .explains(K::VolumeMountFailing, &c.entity)
                .safe("Does multipathd hold it?", "systemctl is-active multipathd; multipath -ll; lsblk")
                .check_first("Tell multipathd to leave Longhorn's devices alone, then restart it.", "printf 'blacklist {\\n devnode \"^sd[a-z0-9]+\"\\n}\\n' >> /etc/multipath.conf; systemctl restart multipathd")
                .dont("Don't run mkfs by hand on the device: it may hold the volume's data."),
        );
    }
}
