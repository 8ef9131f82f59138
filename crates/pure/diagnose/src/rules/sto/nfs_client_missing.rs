//! # STO015 The node has no NFS client
//!
//! class: nfs-client-missing-on-node
//!
//! ## What it sees
//! A mount of type nfs that fails because mount(8) finds no helper for it on the node; or because the kernel, asked
//! without the helper, does not get the server's address. mount(8) names nfs and cifs as examples whatever type it
//! was: mounts of other types are not meant.
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
use defib_model::signal::Hit;

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
    // Linux fs/nfs/fs_context.c, where mount(8) of util-linux from 2.39 on asks the kernel itself.
    "NFS: mount program didn't pass remote address",
];

/// Is this about a mount of NFS? The type that was asked for decides; what is named as an example does not.
fn is_nfs(text: &str) -> bool {
    let asked = text.split_once(" -t ").map(|(_, rest)| rest.trim_start());
    match asked {
        Some(kind) => kind.starts_with("nfs"),
        None => text
            .replace("(e.g. nfs, cifs)", "")
            .to_ascii_lowercase()
            .contains("nfs"),
    }
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::VolumeMountFailing) {
        let words: Vec<_> = storage::said(cx, &c.entity, WORDS, "mount finds no helper for nfs")
            .into_iter()
            .filter(|e| is_nfs(&e.text))
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
        let sure = if ["unknown filesystem", "not found", "NFS: "]
            .iter()
            .any(|w| text.contains(w))
        {
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
        // What events say of mounts was judged above, with the type that was asked for.
        let events = cx.all(K::VolumeMountFailing).next().is_some();
        let says = |h: &&Hit| !events || h.lines.iter().any(|l| is_nfs(&l.text));
        let hits = cx.hits("kubelet.nfs-helper-missing").filter(says);
        for hit in hits.chain(cx.hits("kubelet.nfs-no-address")).take(1) {
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

#[cfg(test)]
mod tests {
    use super::is_nfs;

    #[test]
    fn the_type_that_was_asked_for_decides() {
        let advice = "for several filesystems (e.g. nfs, cifs) you might need a /sbin/mount.<type> helper program.";
        let with = |kind: &str| format!("Mounting arguments: -t {kind} a:/b /x Output: {advice}");
        assert!(is_nfs(&with("nfs")) && is_nfs(&with("nfs4")));
        assert!(!is_nfs(&with("cifs")) && !is_nfs(&with("ceph")));
        assert!(!is_nfs(advice));
        assert!(is_nfs(
            "fsconfig() failed: NFS: mount program didn't pass remote address."
        ));
    }
}
