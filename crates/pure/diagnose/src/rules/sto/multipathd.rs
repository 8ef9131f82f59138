//! # STO017 multipathd on the node holds Longhorn's device
//!
//! class: longhorn-multipathd-claims-device
//!
//! ## What it sees
//! A mount of a Longhorn volume that fails because its device is busy (`already mounted or mount
//! point busy`, `apparently in use by the system`). On the host: multipathd among the open files of a
//! volume's device (`lsof`), or a multipath device with one disk below (`lsblk`).
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

use crate::analysis::host::{self, Told, called};
use crate::analysis::{longhorn, storage};
use crate::rules::prelude::*;
use defib_model::Evidence;
use defib_model::fact::Value;

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

/// Something that shows devices in multipathd's hands.
struct Held {
    /// The host.
    host: EntityId,
    /// It is a volume's device for certain.
    sure: bool,
    /// What shows it.
    proof: Vec<Evidence>,
}

/// Processes of multipathd that have a volume's device open: the same number as the volume's own node.
fn open_files(cx: &Context<'_>) -> Vec<Held> {
    let devices = host::lines(cx, &["longhorn.device"], "the device of a volume");
    let files = host::lines(cx, &["multipath.holds"], "multipathd has it open");
    let number = |l: &Told<'_>| (l.group(0).to_owned(), l.group(1).to_owned());
    devices
        .iter()
        .filter_map(|d| {
            let file = files.iter().find(|f| {
                number(f) == number(d) && host::same_host(f.host.name(), d.host.name())
            })?;
            Some(Held {
                host: d.host.clone(),
                sure: true,
                proof: vec![file.evidence.clone(), d.evidence.clone()],
            })
        })
        .collect()
}

/// Multipath devices over one disk, with nothing on them. Storage that is meant to have several paths
/// shows each of them; a local disk that multipathd took has partitions.
fn single_paths(cx: &Context<'_>) -> Vec<Held> {
    let rows: Vec<_> = host::facts(cx, |v| match v {
        Value::Device {
            name, kind, target, ..
        } => Some((name, kind.as_str(), target)),
        _ => None,
    })
    .collect();
    rows.iter()
        .filter(|(_, (_, kind, target))| *kind == "mpath" && target.is_empty())
        .filter(|(fact, (name, _, _))| {
            rows.iter()
                .filter(|(f, (n, _, _))| f.entry == fact.entry && n.starts_with(name.as_str()))
                .count()
                == 1
        })
        .map(|(fact, _)| Held {
            host: host::entity(&fact.host),
            sure: false,
            proof: vec![cx.fact(fact, "a multipath device over a single disk")],
        })
        .collect()
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut held = open_files(cx);
    held.extend(single_paths(cx));
    let before = out.len();
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
        let here: Vec<&Held> = held
            .iter()
            .filter(|h| host::same_host(h.host.name(), node))
            .collect();
        let sure = if text.contains("multipath") || !here.is_empty() {
            92
        } else {
            78
        };
        out.push(
            found(entity)
                .title("Longhorn's device is held by somebody else on the node, most likely multipathd")
                .term(sure, "the device of a Longhorn volume is busy when it is mounted")
                .cite_all(words)
                .cite_all(here.iter().flat_map(|h| h.proof.clone()))
                .explains(K::VolumeMountFailing, &c.entity),
        );
    }
    if out.len() > before {
        return;
    }
    let used = longhorn::shown(cx);
    // Of one host one finding, the surest.
    let mut hosts: Vec<EntityId> = Vec::new();
    for h in held.into_iter().filter(|h| h.sure || used.is_some()) {
        if hosts.contains(&h.host) {
            continue;
        }
        hosts.push(h.host.clone());
        let finding = found(h.host.clone())
            .title(format!(
                "multipathd on {} holds a disk that is most likely Longhorn's",
                called(&h.host)
            ))
            .cite_all(h.proof);
        out.push(if h.sure {
            finding
                .title(format!(
                    "multipathd on {} holds the device of a Longhorn volume",
                    called(&h.host)
                ))
                .term(86, "multipathd has the volume's device open")
        } else {
            finding
                .term(
                    45,
                    "the cluster uses Longhorn, and multipathd took a disk with one path",
                )
                .cite_all(used.clone())
                .undecided(
                    "Is the disk below a volume of Longhorn's?",
                    "lsblk -o NAME,MAJ:MIN,TYPE,VENDOR,SIZE; ls -l /dev/longhorn; multipath -ll",
                    &["longhorn-multipathd-claims-device"],
                )
        });
    }
}

fn found(entity: EntityId) -> Finding {
    RULE.on(entity)
        .why("multipathd takes every new SCSI device that it does not know.")
        .safe("Does multipathd hold it?", "systemctl is-active multipathd; multipath -ll; lsblk")
        .check_first("Tell multipathd to leave Longhorn's devices alone, then restart it.", "printf 'blacklist {\\n devnode \"^sd[a-z0-9]+\"\\n}\\n' >> /etc/multipath.conf; systemctl restart multipathd")
        .dont("Don't run mkfs by hand on the device: it may hold the volume's data.")
}
