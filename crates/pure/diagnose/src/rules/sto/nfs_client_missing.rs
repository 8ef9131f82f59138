//! # STO015 The node has no NFS client
//!
//! class: nfs-client-missing-on-node
//!
//! ## What it sees
//! A mount of type nfs that fails because mount(8) finds no helper for it on the node.
//!
//! ## Why it matters
//! The kubelet mounts NFS with the node's own tools. A fresh node image has none; pods that happen
//! to land on an older node work, which makes it look random.
//!
//! ## What to do
//! Install the client on every node that may run such pods (`nfs-common`, `nfs-utils`), and put it
//! into what builds the nodes.
//!
//! ## What not to do
//! Do not look for the fault in the NFS server or its exports: the request never left the node.

use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO015",
    class: "nfs-client-missing-on-node",
    needs: &["Event"],
    leads_to: &[K::VolumeMountFailing],
    check,
};

/// Source: util-linux `libmount/src/context_mount.c`; the kubelet quotes its output.
const WORDS: &[&str] = &[
    "helper program",
    "unknown filesystem type 'nfs",
    "mount.nfs: not found",
    "mount.nfs: command not found",
    "\"mount.nfs\": executable file not found",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::VolumeMountFailing) {
        let words: Vec<_> = storage::said(cx, &c.entity, WORDS, "mount finds no helper for nfs")
            .into_iter()
            .filter(|e| e.text.contains("nfs"))
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
        let which = if node.is_empty() {
            "the pod's node".to_owned()
        } else {
            format!("node {node}")
        };
        let sure = if text.contains("unknown filesystem") || text.contains("not found") {
            92
        } else {
            85
        };
        out.push(
            RULE.on(entity)
                .title(format!("{which} has no NFS client: the share can't be mounted there"))
                .why("The kubelet mounts NFS with the node's own tools.")
                .term(sure, "mount says that it finds no helper for nfs")
                .cite_all(words)
                .explains(K::VolumeMountFailing, &c.entity)
                .safe("Is it there, on that node?", "command -v mount.nfs; ls /sbin/mount.nfs*")
                .check_first("Install it on every node that may run such pods.", "apt-get install nfs-common   # or: dnf install nfs-utils, apk add nfs-utils")
                .dont("Don't look for the fault in the server's exports: the request never left the node."),
        );
    }
    if !out.iter().any(|f| f.rule.code == RULE.code) {
        for hit in cx.hits("kubelet.nfs-helper-missing").take(1) {
            out.push(
                RULE.on(EntityId::other("nodes", "cluster"))
                    .title("the node has no NFS client: a share can't be mounted there")
                    .why("The kubelet mounts NFS with the node's own tools.")
                    .term(82, "mount says, in the log, that it finds no helper for nfs")
                    .cite(cx.log(hit, 0, "mount finds no helper for nfs"))
                    .check_first("Install it on every node that may run such pods.", "apt-get install nfs-common   # or: dnf install nfs-utils, apk add nfs-utils")
                    .dont("Don't look for the fault in the server's exports: the request never left the node."),
            );
        }
    }
}
