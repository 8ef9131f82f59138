//! # HST031 containerd's own store is damaged
//!
//! class: containerd-store-corrupt
//!
//! ## What it sees
//! containerd that can't open `meta.db`, a panic of its database in a log of containerd (or with containerd's
//! own frames), missing buckets, or content that is shorter than it should be.
//!
//! ## Why it matters
//! No container starts on this node. The store holds images and containers only, and all of it can be made
//! again: the cluster's datastore is another file and is not touched.
//!
//! ## What to do
//! Stop k3s and its containers on this node, move `/var/lib/rancher/k3s/agent/containerd` aside, start k3s
//! again: images are pulled anew (for airgap: put them into agent/images first).
//!
//! ## What not to do
//! Do not touch server/db: who panics decides what may be removed. Do not delete the directory before the
//! shims are stopped.

use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST031",
    class: "containerd-store-corrupt",
    needs: &[],
    leads_to: &[K::RuntimeFailing, K::ServiceFailing],
    check,
};

/// containerd names its own store.
const OWN: &[&str] = &[
    "containerd.meta-plugin",
    "containerd.meta-bad",
    "containerd.bucket",
];

/// A failed plugin whose reason is another: locked, refused, no room.
fn is_other(line: &Told) -> bool {
    [
        "timeout",
        "permission denied",
        "no space left",
        "read-only file system",
        "input/output error",
        "boltdb open",
        "skip plugin",
    ]
    .iter()
    .any(|w| line.text.to_ascii_lowercase().contains(w))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let own = host::lines(cx, OWN, "containerd can't use its store");
    let panics = host::lines(
        cx,
        &["containerd.bolt-panic"],
        "the database's own check fails",
    );
    let frames = host::lines(cx, &["containerd.frames"], "it is containerd that panics");
    let short = host::lines(
        cx,
        &["containerd.short-read"],
        "content is shorter than it should be",
    );
    // A unit of containerd that is shown failing is as good as a name on the line.
    let unit = host::facts(cx, |v| match v {
        Value::Unit { name, active, .. }
            if name.starts_with("containerd") && active != "active" =>
        {
            Some(())
        }
        _ => None,
    })
    .next()
    .is_some();
    let panics: Vec<Told> = panics
        .into_iter()
        .filter(|p| {
            let file = cx
                .cluster
                .entries
                .get(p.entry as usize)
                .map_or("", |e| e.id.as_str());
            let same = frames.iter().any(|f| f.entry == p.entry);
            p.program == "containerd"
                || same
                || (unit && p.program.is_empty())
                || file.contains("containerd")
        })
        .collect();
    let decisive: Vec<Told> = own
        .into_iter()
        .filter(|l| !is_other(l))
        .chain(panics)
        .collect();
    let sure = !decisive.is_empty();
    let mut hosts = host::by_host(decisive);
    if !sure {
        hosts = host::by_host(short.clone());
    }
    for (id, lines) in hosts {
        let mut finding = RULE
            .on(id.clone())
            .title(format!("containerd's own store on {} is damaged; the cluster's datastore is another file", called(&id)))
            .why("No container starts on this node until the store is made again; everything in it can be.")
            .term(if sure { 88 } else { 70 }, if sure { "containerd can't open it" } else { "what it stored is cut short" })
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .cite_all(frames.iter().take(2).map(|l| l.evidence.clone()))
            .safe("What does containerd itself say?", "tail -50 /var/lib/rancher/k3s/agent/containerd/containerd.log; journalctl -u containerd -n 50")
            .check_first("Stop k3s and its containers here, move the store aside, start again.", "k3s-killall.sh; mv /var/lib/rancher/k3s/agent/containerd /var/lib/rancher/k3s/agent/containerd.broken; systemctl start k3s")
            .dont("Don't touch server/db: it is not what panics here.")
            .dont("Don't remove the store while shims run: their mounts hold it.");
        if sure {
            finding = finding.cite_all(short.iter().take(2).map(|l| l.evidence.clone()));
        }
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::RuntimeFailing, K::ServiceFailing],
        ));
    }
}
