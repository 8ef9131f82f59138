//! # HST020 A file system of the host has no space left
//!
//! class: disk-full
//!
//! ## What it sees
//! `no space left on device` (and other words for it) where a program writes, or a file system at 100 %
//! of its blocks or inodes in `df`.
//!
//! ## Why it matters
//! The datastore, containerd and the kubelet all stop when they can't write, each with an error of its
//! own. etcd may leave a torn WAL, containerd half a layer.
//!
//! ## What to do
//! Find which file system it is (the data directory, /var/lib/kubelet, /run, /tmp) and make room with
//! something that is safe to lose: journals, old snapshots copied elsewhere, unused images.
//!
//! ## What not to do
//! Do not delete under /var/lib/rancher/k3s/server/db or containerd's directories by hand. The same
//! errno also means: no inotify watch, no mount, no control group; those are not this.

use crate::analysis::enospc::{self, Means};
use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::fact::{Fact, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST020",
    class: "disk-full",
    needs: &[],
    leads_to: &[K::ServiceFailing, K::RuntimeFailing, K::DatastoreFailing],
    check,
};

/// Mount points that a host needs in order to work.
const MATTERS: &[&str] = &[
    "/var", "/run", "/tmp", "/home", "/etc", "/data", "/opt", "/usr",
];

fn matters(target: &str) -> bool {
    target == "/"
        || MATTERS
            .iter()
            .any(|m| target == *m || target.starts_with(&format!("{m}/")))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let words = enospc::lines(cx, Means::Full, "nothing could be written: no space left");
    let full = enospc::full(cx);
    // Was somewhere looked, and nothing found full?
    let looked = host::facts(cx, |v| match v {
        Value::FileSystem(f) if enospc::can_fill(f) && matters(&f.target) => Some(f.used),
        _ => None,
    })
    .filter(|(_, used)| *used < 97)
    .map(|(fact, _)| fact)
    .collect::<Vec<_>>();
    let hosts = host::by_host(words);
    for (host, lines) in &hosts {
        let mut finding = found(cx, host, lines).term(
            if full.is_empty() { 85 } else { 95 },
            "a program was refused for want of space",
        );
        for (fact, target) in full
            .iter()
            .filter(|(f, _)| host::same_host(&f.host, host.name()))
        {
            finding = finding.cite(cx.fact(fact, format!("{target} is full")));
        }
        let written = written_to(cx, lines);
        if full.is_empty()
            && let Some(fact) = written
        {
            finding =
                finding.cite(cx.fact(fact, "where it was to be written, next to nothing is left"));
        } else if full.is_empty() && !looked.is_empty() {
            for fact in looked.iter().take(2) {
                finding = finding.against(cx.fact(fact, "this file system has room"));
            }
            finding = finding.undecided(
                "`df` shows room: is it another file system, its inodes, or a limit of the kernel?",
                "df -h; df -i; wc -l /proc/mounts; sysctl fs.mount-max fs.inotify",
                &["disk-full", "mount-limit-reached"],
            );
        }
        out.push(finding);
    }
    if !hosts.is_empty() {
        return;
    }
    for (fact, target) in full.iter().filter(|(_, t)| matters(t)) {
        let host = host::entity(&fact.host);
        out.push(
            found(cx, &host, &[])
                .key(target.clone())
                .title(format!("{target} of {} is full", called(&host)))
                .term(82, "df shows it")
                .cite(cx.fact(fact, "nothing can be written there")),
        );
    }
}

/// Percent from which a file system can refuse a file, although `df` shows some room: blocks are reserved, and
/// what is written is larger than what is left.
const NEARLY: u64 = 95;

/// The file system of the path that could not be written, where it is nearly full.
fn written_to<'c>(cx: &'c Context<'_>, lines: &[Told<'_>]) -> Option<&'c Fact> {
    let path = lines.iter().find_map(|l| {
        let low = l.text.to_ascii_lowercase();
        let before = l.text.get(..low.find("no space left")?)?;
        let word = before
            .split_whitespace()
            .rfind(|w| w.trim_start_matches(['"', '\'']).starts_with('/'))?;
        Some(
            word.trim_matches(|c: char| matches!(c, '"' | '\'' | ':'))
                .to_owned(),
        )
    })?;
    let holds = |target: &str| {
        path.strip_prefix(target)
            .is_some_and(|rest| target == "/" || rest.is_empty() || rest.starts_with('/'))
    };
    host::facts(cx, |v| match v {
        Value::FileSystem(f) => Some(f),
        _ => None,
    })
    .filter(|(_, f)| holds(&f.target))
    .max_by_key(|(_, f)| f.target.len())
    .filter(|(_, f)| f.used >= NEARLY)
    .map(|(fact, _)| fact)
}

fn found(cx: &Context<'_>, host: &EntityId, lines: &[Told<'_>]) -> Finding {
    let finding = RULE
        .on(host.clone())
        .title(format!("a file system of {} has no space left", called(host)))
        .why("Whatever writes there fails: datastore, container runtime, kubelet, logs.")
        .cite_all(lines.iter().map(|l| l.evidence.clone()))
        .safe(
            "Which file system is it, and what fills it?",
            "df -h; df -i; du -xh --max-depth=2 /var | sort -h | tail -20",
        )
        .check_first(
            "Make room with what may be lost: old journals, images that nothing uses.",
            "journalctl --vacuum-size=200M; k3s crictl rmi --prune",
        )
        .dont("Don't delete under /var/lib/rancher/k3s/server/db or in containerd's directories by hand.")
        .dont("Don't restart the server again and again while it can't write: etcd may tear its log.");
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
