//! # HST043 The file system with k3s' data is not mounted
//!
//! class: data-dir-not-mounted
//!
//! ## What it sees
//! systemd that could not mount something at or above the data of k3s or RKE2 (`Failed to mount`,
//! `Dependency failed for`), on a host where it then started: their own folders, or the one that `data-dir` names.
//! A mount unit may be printed by its description; its name says the place. Without systemd's words: a server that
//! began a cluster of its own although it had one, which is a question only.
//!
//! ## Why it matters
//! k3s finds an empty folder and takes itself for a new server. The only server makes a new, empty
//! cluster, and is well; one of several wants to join under a name that etcd still has. The data is
//! still there, on the file system that is missing. Where only the agent's folder lies there, it pulls all images
//! again, onto the disk below.
//!
//! ## What to do
//! Stop it, find out why the mount failed, mount it, start: then all is as it was. Nothing has to be moved: what was
//! written at the place lies hidden below the mount. Only what lies there may be set aside; what lies beside or above
//! the place is on file systems that did come, and may be the good data.
//!
//! ## What not to do
//! Do not remove the member, delete the Node, restore a snapshot or let it join anew before the mount is
//! looked at. Do not mount over a k3s that runs.

use std::collections::BTreeMap;

use defib_model::fact::Value;
use defib_model::signal::Hit;

use crate::analysis::host::{self, TROUBLES, Told, called, quotes, same_host};
use crate::analysis::order::{self, Moment};
use crate::analysis::product::{self, Product};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST043",
    class: "data-dir-not-mounted",
    needs: &[],
    leads_to: &[K::ServiceFailing, K::JoinFailing, K::DatastoreFailing],
    check,
};

/// Folders of k3s and RKE2, unless they are told otherwise.
const HOMES: &[&str] = &["/var/lib/rancher/k3s", "/var/lib/rancher/rke2"];
/// What of it a cluster is made of.
const DATASTORE: &str = "/server/db/etcd";
/// What of it can be had again.
const IMAGES: &str = "/agent/containerd";
/// A server of k3s starts.
const STARTS: &[&str] = &[
    "systemd.k3s-starts",
    "systemd.rke2-starts",
    "k3s.starting",
    "k3s.rke2-starting",
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
        let Some(place) = lines.first().and_then(place) else {
            continue;
        };
        let product = product::of(cx, host);
        let data = homes(cx, host)
            .iter()
            .any(|h| holds(&place, &format!("{h}{DATASTORE}")));
        let what = if data {
            "the data"
        } else {
            "the images and containers"
        };
        let finding = about(host)
            .title(format!(
                "{place}, which holds {what} of {}, is not mounted on {}",
                product.name(),
                called(host)
            ))
            .term(
                90,
                "systemd could not mount it, and the service started all the same",
            )
            .cite_all(quotes(lines))
            .explains_observed(cx, TROUBLES, host);
        let finding = if data {
            finding.why(EMPTY)
        } else {
            finding.why("It goes on with an empty folder: all images are pulled again, onto the disk below.")
        };
        out.push(mount(finding, product, &place));
    }
    // A cluster of its own, on a host that had one.
    for (host, lines) in host::by_host(anew(cx)) {
        if failed.contains_key(&host) {
            continue;
        }
        out.push(
            about(&host)
                .why(EMPTY)
                .advice("If a file system is missing: stop k3s, mount it, start k3s. Move nothing before you know where the data is.")
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
        let Some(place) = place(&line) else { continue };
        let homes = homes(cx, &line.host);
        let within = homes.iter().any(|h| {
            holds(&place, &format!("{h}{DATASTORE}")) || holds(&place, &format!("{h}{IMAGES}"))
        });
        if within && !is_there(cx, &line, &place) {
            out.entry(line.host.clone()).or_default().push(line);
        }
    }
    out
}

/// Does what is mounted at this place hold this folder?
fn holds(place: &str, folder: &str) -> bool {
    folder
        .strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The folders that may hold the data of this host.
fn homes<'c>(cx: &'c Context<'_>, host: &EntityId) -> Vec<&'c str> {
    let asked = host::asked(cx, "data-dir")
        .filter(|(f, path)| same_host(&f.host, host.name()) && path.starts_with('/'))
        .map(|(_, path)| path.trim_end_matches('/'));
    HOMES.iter().copied().chain(asked).collect()
}

/// Where the unit is mounted: as its description says, or as its name does.
fn place(line: &Told<'_>) -> Option<String> {
    mounted_at(line.line.groups.iter().map(String::as_str))
}

fn mounted_at<'g>(mut groups: impl Iterator<Item = &'g str>) -> Option<String> {
    let path = groups.next().unwrap_or_default().trim_end_matches('/');
    match groups.next().filter(|_| path.is_empty()) {
        Some(unit) if !unit.is_empty() => Some(unescaped(unit)),
        _ => Some(path.to_owned()).filter(|p| !p.is_empty()),
    }
}

/// A path as systemd writes it in the name of a unit: `-` between folders, `\x2d` for a `-` of a name.
/// Source: systemd.unit(5), "String Escaping for Inclusion in Unit Names".
fn unescaped(unit: &str) -> String {
    let mut out = String::from("/");
    let mut rest = unit;
    while let Some(c) = rest.chars().next() {
        let hex = rest
            .strip_prefix("\\x")
            .and_then(|r| u8::from_str_radix(r.get(..2)?, 16).ok())
            .filter(u8::is_ascii);
        let taken = match hex {
            Some(byte) => {
                out.push(char::from(byte));
                4
            }
            None => {
                out.push(if c == '-' { '/' } else { c });
                c.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
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
                mounted_at(l.groups.iter().map(String::as_str)).is_some_and(|p| p == place)
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

const EMPTY: &str = "k3s takes an empty folder for a new server: alone it makes an empty cluster, beside others it can't join under its old name. The data is still on the file system that is missing.";

fn about(host: &EntityId) -> Finding {
    RULE.on(host.clone())
        .safe("What should be mounted, and what is?", "cat /etc/fstab; findmnt; systemctl --failed; lsblk -f")
        .dont("Don't remove the member, restore a snapshot or let it join anew before you have looked for the mount: nothing is lost yet.")
        .dont("Don't mount over a k3s that runs.")
}

/// Mounts what did not come. Nothing is moved: `PLACE` may be all of `/var`, and what is above it is not empty.
fn mount(finding: Finding, product: Product, place: &str) -> Finding {
    finding
        .check_first(
            "Stop it, and see that nothing is mounted there.",
            command!("systemctl stop {}; findmnt {}; ls -la {}", product.unit(), place, place),
        )
        .check_first(
            "Mount it there, and see that the data is back.",
            command!("mount {} && ls -la {}", place, place),
        )
        .check_first(
            "Start it.",
            command!("systemctl start {}", product.unit()),
        )
        .dont(format!("Don't move anything but what lies at {place} itself while it is not mounted: the rest is on file systems that did come."))
}

#[cfg(test)]
mod tests {
    use super::{holds, mounted_at};

    #[test]
    fn a_unit_says_its_place() {
        let at = |groups: [&str; 2]| mounted_at(groups.into_iter()).unwrap_or_default();
        assert_eq!(at(["/var", ""]), "/var");
        assert_eq!(at(["", "var-lib-rancher"]), "/var/lib/rancher");
        assert_eq!(at(["", r"mnt-k3s\x2ddata"]), "/mnt/k3s-data");
        assert_eq!(at(["", ""]), "");
        assert!(holds("/var", "/var/lib/rancher/k3s/server/db/etcd"));
        assert!(!holds("/var/lib/ran", "/var/lib/rancher/k3s"));
    }
}
