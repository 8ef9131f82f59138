//! What lines are worth a remark: noise, with the reason why it is, and news that nobody has to mend now.
//!
//! Deliberately absent: anything that a rule judges.

use std::collections::BTreeSet;

use defib_model::fact::Value;
use defib_model::report::Note;

use crate::analysis::host;
use crate::context::Context;

/// Signal, and what to make of it.
const REMARKS: &[(&str, &str)] = &[
    // Noise.
    (
        "noise.snapshot-busy",
        "noise: a snapshot was asked for while another was being saved; the first one is made",
    ),
    (
        "noise.snapshot-map",
        "noise: the list of snapshots is cut to its newest entries; the files are all there",
    ),
    ("noise.second-signal", "noise: k3s was told twice to stop"),
    (
        "noise.short-token",
        "noise: a short token does not pin the cluster's CA; it joins all the same",
    ),
    (
        "noise.cni-init",
        "noise: containerd starts before the network plugin has written its configuration",
    ),
    (
        "noise.pleg-young",
        "noise: the kubelet has just started and not yet looked at its pods",
    ),
    (
        "noise.runtime-young",
        "noise: the kubelet has just started and not yet asked the runtime",
    ),
    (
        "noise.image-capacity",
        "noise: the kubelet has just started and not yet measured the image file system",
    ),
    (
        "noise.nameservers",
        "noise: pods get the first three nameservers of the node's resolv.conf, as resolvers read no more",
    ),
    (
        "noise.object-modified",
        "noise: two writers met at one object; the later one reads it again and repeats",
    ),
    (
        "noise.master-endpoints",
        "noise: a server came or went, and the endpoints of the API are written anew",
    ),
    (
        "noise.kine-gap",
        "noise: kine fills a hole in the numbers of its rows, as a write that failed leaves one",
    ),
    (
        "k3s.node-auth-retried",
        "noise by itself: the client certificate was not accepted, the agent goes on with its token",
    ),
    // News.
    (
        "k3s.unknown-flag",
        "a setting has no effect: config.yaml names a flag that this version or role does not have",
    ),
    (
        "k3s.s3-upload",
        "the snapshot lies on this machine only: its upload failed",
    ),
    (
        "k3s.certificate-ends",
        "a certificate ends soon; k3s renews it when it is restarted",
    ),
    (
        "k3s.certificate-ended",
        "k3s itself says that a certificate has ended",
    ),
    (
        "k3s.resolv-loopback",
        "pods use a public resolver: the node's resolv.conf names only itself",
    ),
    (
        "k3s.manifest-failed",
        "a file in server/manifests is broken, or the kind that it uses is not there yet",
    ),
    ("kubelet.rebooted", "the machine was rebooted"),
    (
        "kcm.range-used-up",
        "the cluster's range has no part left for another node",
    ),
    (
        "host.inotify-limit",
        "the machine's limit of inotify watchers is reached: logs are not followed, watchers fail",
    ),
    (
        "host.inotify",
        "the machine's limit of inotify watchers is reached: logs are not followed, watchers fail",
    ),
];

/// Rows of `k3s check-config` that are not well: a part of the name, a part of what is said, and what to make
/// of it. Source: k3s `contrib/util/check-config.sh`.
const CHECKS: &[(&str, &str, &str)] = &[
    (
        "sha256sum",
        "does not match",
        "k3s' own programs on this machine are not those that it was shipped with",
    ),
    (
        "iptables v1.8.",
        "(fail)",
        "this release of iptables spoils rules in nf_tables mode; 1.8.4 and later do not",
    ),
    (
        "Port",
        "(fail)",
        "the machine's firewall blocks a port that servers or agents need",
    ),
    (
        "Port",
        "Required for",
        "the machine's firewall blocks the port of flannel's backend",
    ),
    (
        "routes",
        "already routed",
        "the default ranges of pods or services are routed elsewhere on this machine",
    ),
    (
        "root_maxkeys",
        "(fail)",
        "the kernel's limit of keys is low: with many containers the next one does not start",
    ),
    (
        "apparmor",
        "(fail)",
        "AppArmor is on and its parser is missing: no profile can be loaded",
    ),
];

/// Remarks that one report carries at most.
const MOST: usize = 8;

/// The remarks for what was heard, each once: several messages may mean the same.
pub fn remarks(cx: &Context<'_>) -> Vec<Note> {
    let mut made = BTreeSet::new();
    REMARKS
        .iter()
        .filter_map(|(signal, text)| {
            let hit = cx.hits(signal).next()?;
            if !made.insert(*text) {
                return None;
            }
            let name = host::entity(&hit.host);
            Some(Note {
                text: (*text).to_owned(),
                entity: Some(name).filter(|h| h.name() != "-"),
                evidence: vec![cx.log(hit, 0, "the line")],
            })
        })
        .chain(CHECKS.iter().filter_map(|(name, said, text)| {
            let mut rows = host::facts(cx, |v| match v {
                Value::Check(n, false, s) => (n.contains(name) && s.contains(said)).then_some(()),
                _ => None,
            });
            let (fact, ()) = rows.next()?;
            Some(Note {
                text: (*text).to_owned(),
                entity: Some(host::entity(&fact.host)).filter(|h| h.name() != "-"),
                evidence: vec![cx.fact(fact, "the row")],
            })
        }))
        .take(MOST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_about_known_lines_and_every_noise_has_one() {
        for (signal, _) in REMARKS {
            assert!(crate::signals::all().any(|s| s.id == *signal), "{signal}");
        }
        for s in crate::signals::all().filter(|s| s.id.starts_with("noise.")) {
            assert!(REMARKS.iter().any(|(id, _)| *id == s.id), "{}", s.id);
        }
    }
}
