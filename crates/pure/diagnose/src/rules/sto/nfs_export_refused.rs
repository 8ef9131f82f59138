//! # STO016 The NFS server does not export the path to this client
//!
//! class: nfs-export-refused
//!
//! ## What it sees
//! A mount of type nfs that the server answers with `access denied by server`, or with `No such file
//! or directory` as its own reason.
//!
//! ## Why it matters
//! The server was reached and said no: the path is not exported, or not to this node's address. New
//! nodes, and nodes with a new address, are often missing in /etc/exports.
//!
//! ## What to do
//! On the server, compare the exports with the node's address and the path; then reload them.
//!
//! ## What not to do
//! Do not open the export to everybody to try: with `no_root_squash` any machine then writes as
//! root.

use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO016",
    class: "nfs-export-refused",
    needs: &["Event"],
    leads_to: &[K::VolumeMountFailing],
    check,
};

/// Source: nfs-utils `utils/mount/error.c`.
const WORDS: &[&str] = &[
    "access denied by server while mounting",
    "reason given by server: No such file or directory",
    "reason given by server: Permission denied",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::VolumeMountFailing) {
        let words: Vec<_> = storage::said(cx, &c.entity, WORDS, "the server's answer")
            .into_iter()
            .filter(|e| !e.text.is_empty())
            .collect();
        let Some(first) = words.first() else { continue };
        let text = first.text.clone();
        let after = text
            .split_once("while mounting ")
            .or_else(|| text.split_once("mounting "))
            .map_or("", |r| r.1);
        let export = after
            .split([' ', '\n', ','])
            .next()
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_owned();
        let server = export.split(':').next().unwrap_or_default().to_owned();
        let entity = if server.is_empty() {
            c.entity.clone()
        } else {
            EntityId::other("nfs-server", &server)
        };
        out.push(
            RULE.on(entity)
                .title(format!("the NFS server refuses {export} to the node"))
                .why("The server was reached and said no: the path is not exported, or not to this node.")
                .term(90, "the server's own answer")
                .cite_all(words)
                .explains(K::VolumeMountFailing, &c.entity)
                .safe("What does the server export, and to whom?", command!("showmount -e {}", server))
                .check_first("On the server: correct /etc/exports and reload.", "exportfs -ra && exportfs -v")
                .dont("Don't open the export to everybody to try: any machine could then write as root."),
        );
    }
    if !out.iter().any(|f| f.rule.code == RULE.code) {
        for hit in cx.hits("kubelet.nfs-refused").take(1) {
            let export = hit
                .lines
                .first()
                .and_then(|l| l.groups.first())
                .cloned()
                .unwrap_or_default();
            let server = export.split(':').next().unwrap_or_default();
            out.push(
                RULE.on(EntityId::other("nfs-server", server))
                    .title(format!("the NFS server refuses {export} to the node"))
                    .why("The server was reached and said no: the path is not exported, or not to this node.")
                    .term(88, "the server's own answer, in the log")
                    .cite(cx.log(hit, 0, "the server's answer"))
                    .safe("What does the server export, and to whom?", command!("showmount -e {}", server))
                    .dont("Don't open the export to everybody to try: any machine could then write as root."),
            );
        }
    }
}
