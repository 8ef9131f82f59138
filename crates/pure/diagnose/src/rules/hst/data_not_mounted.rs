//! # HST043 The file system with k3s' data is not mounted
//!
//! class: data-dir-not-mounted
//!
//! ## What it sees
//! systemd that could not mount something at or above k3s' data directory (`Failed to mount`,
//! `Dependency failed for`), on a host where k3s then started. Without systemd's words: a server that
//! began a cluster of its own although it had one, which is a question only.
//!
//! ## Why it matters
//! k3s finds an empty folder and takes itself for a new server. The only server makes a new, empty
//! cluster, and is well; one of several wants to join under a name that etcd still has. The data is
//! still there, on the file system that is missing.
//!
//! ## What to do
//! Stop k3s, find out why the mount failed, mount it, start k3s: then all is as it was.
//!
//! ## What not to do
//! Do not remove the member, delete the Node, restore a snapshot or let it join anew before the mount is
//! looked at. Do not mount over a k3s that runs.

use std::collections::BTreeMap;

use defib_model::fact::Value;
use defib_model::signal::Hit;

use crate::analysis::host::{self, TROUBLES, Told, called, quotes, same_host};
use crate::analysis::order::{self, Moment};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST043",
    class: "data-dir-not-mounted",
    needs: &[],
    leads_to: &[K::ServiceFailing, K::JoinFailing, K::DatastoreFailing],
    check,
};

/// Where k3s and RKE2 keep their data, unless they are told otherwise.
const HOMES: &[&str] = &[
    "/var/lib/rancher/k3s/server/db/etcd",
    "/var/lib/rancher/rke2/server/db/etcd",
];
/// A server of k3s starts.
const STARTS: &[&str] = &[
    "systemd.k3s-starts",
    "k3s.starting",
    "k3s.etcd-new",
    "k3s.etcd-joining",
    "k3s.duplicate-name",
    "k3s.up",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let failed = failed(cx);
    for (host, lines) in &failed {
        let starts = |h: &&Hit| STARTS.contains(&h.signal) && same_host(&h.host, host.name());
        if !cx.heard().any(|h| starts(&h)) {
            continue;
        }
        let place = lines.first().map_or("", |l| l.group(0));
        out.push(
            about(host)
                .title(format!(
                    "{place}, which holds k3s' data, is not mounted on {}",
                    called(host)
                ))
                .term(
                    90,
                    "systemd could not mount it, and k3s started all the same",
                )
                .cite_all(quotes(lines))
                .explains_observed(cx, TROUBLES, host),
        );
    }
    // A cluster of its own, on a host that had one.
    for (host, lines) in host::by_host(anew(cx)) {
        if failed.contains_key(&host) {
            continue;
        }
        out.push(
            about(&host)
                .title(format!("k3s on {} began a new cluster although it had one", called(&host)))
                .term(45, "the data of its earlier starts was not there any more")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host)
                .undecided(
                    "Where is the data of before: on a file system that is not mounted, moved, or deleted?",
                    "findmnt --verify; systemctl --failed; ls -la /var/lib/rancher/k3s/server/db; lsblk -f",
                    &["data-dir-not-mounted", "stale-data-dir"],
                ),
        );
    }
}

/// What systemd could not mount, where k3s' data lies at or below it.
fn failed<'c>(cx: &'c Context<'_>) -> BTreeMap<EntityId, Vec<Told<'c>>> {
    // A good start of k3s does not make this history: on the wrong folder it is the harm.
    let mut out: BTreeMap<EntityId, Vec<Told<'c>>> = BTreeMap::new();
    let lines = host::all_lines(
        cx,
        &["systemd.mount-failed", "systemd.mount-waits"],
        "the file system that holds k3s' data did not come",
    );
    for line in lines {
        let place = line.group(0).trim_end_matches('/');
        let holds = |home: &str| {
            home.strip_prefix(place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !place.is_empty() && HOMES.iter().any(|home| holds(home)) && !is_there(cx, &line, place)
        {
            out.entry(line.host.clone()).or_default().push(line);
        }
    }
    out
}

/// Was it mounted later, or is it among what is mounted?
fn is_there(cx: &Context<'_>, line: &Told<'_>, place: &str) -> bool {
    let later = cx
        .heard()
        .filter(|h| h.signal == "systemd.mounted")
        .any(|h| {
            h.lines.iter().any(|l| {
                l.groups
                    .first()
                    .is_some_and(|g| g.trim_end_matches('/') == place)
                    && same_host(&h.host, line.host.name())
                    && order::is_behind(cx, &Moment::last(h), &line.moment())
            })
        });
    let mounted = host::facts(cx, |v| match v {
        Value::Mount { target, .. } => Some(target.as_str()),
        _ => None,
    });
    later
        || mounted
            .into_iter()
            .any(|(f, t)| t == place && same_host(&f.host, line.host.name()))
}

/// Starts that begin a cluster, behind one that found it there.
fn anew<'c>(cx: &'c Context<'_>) -> Vec<Told<'c>> {
    let mut lines = host::all_lines(
        cx,
        &["k3s.etcd-new"],
        "here k3s finds no data and begins a cluster",
    );
    lines.retain(|l| l.last_heard(cx, "k3s.etcd-existing").is_some());
    lines
}

fn about(host: &EntityId) -> Finding {
    RULE.on(host.clone())
        .why("k3s takes an empty folder for a new server: alone it makes an empty cluster, beside others it can't join under its old name. The data is still on the file system that is missing.")
        .safe("What should be mounted, and what is?", "cat /etc/fstab; findmnt; systemctl --failed; lsblk -f")
        .check_first("With k3s stopped: set the new, empty data aside, mount, and start.", "systemctl stop k3s && mv /var/lib/rancher /var/lib/rancher.empty && mkdir /var/lib/rancher && mount -a && findmnt -T /var/lib/rancher && systemctl start k3s")
        .dont("Don't remove the member, restore a snapshot or let it join anew before you have looked for the mount: nothing is lost yet.")
        .dont("Don't mount over a k3s that runs.")
}
