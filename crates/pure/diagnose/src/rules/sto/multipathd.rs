//! # STO017 multipathd on the node holds Longhorn's device
//!
//! class: longhorn-multipathd-claims-device
//!
//! ## What it sees
//! A mount of a Longhorn volume that fails because its device is busy (`already mounted or mount
//! point busy`, `apparently in use by the system`).
//! Or the node's own lists: multipathd in `lsof` with the device numbers of a volume of Longhorn. A map in
//! `lsblk` over a disk that may be Longhorn's is a question.
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

use defib_model::fact::{Fact, Value};

use crate::analysis::{host, longhorn, storage};
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
    held(cx, out);
    said(cx, out);
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
            found(entity)
                .title("Longhorn's device is held by somebody else on the node, most likely multipathd")
                .term(sure, "the device of a Longhorn volume is busy when it is mounted")
                .cite_all(words)
                .explains(K::VolumeMountFailing, &c.entity),
        );
    }
}

/// The kubelet's own words in a journal or a paste, where no pod shows them.
fn said(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.all(K::VolumeMountFailing).next().is_some() || !out.iter().all(|f| f.undecided) {
        return;
    }
    let lines = host::lines(
        cx,
        &["longhorn.device-busy"],
        "the device is held by somebody else",
    );
    let maps = host::facts(cx, |v| matches!(v, Value::Multipath { .. }).then_some(()));
    let maps: Vec<_> = maps
        .map(|(f, ())| cx.fact(f, "a map lies over a disk"))
        .collect();
    for (id, lines) in host::by_host(lines) {
        // What was asked of the map is answered by this.
        out.retain(|f| f.rule.code != RULE.code);
        out.push(
            found(id)
                .title("Longhorn's device is held by somebody else on the node, most likely multipathd")
                .term(78, "the device of a Longhorn volume is busy when it is mounted")
                .term(if maps.is_empty() { 0 } else { 12 }, "multipathd has made a map over a disk")
                .cite_all(host::quotes(&lines))
                .cite_all(maps.clone()),
        );
    }
}

/// The node itself shows who holds the device: the same numbers under Longhorn's name and in the list of
/// open files. A map over a disk that is not known to be Longhorn's is a question.
fn held(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let ours: Vec<_> = host::facts(cx, |v| match v {
        Value::BlockDevice { path, numbers }
            if path.contains("/longhorn/")
                || path
                    .rsplit('/')
                    .next()
                    .is_some_and(|n| n.starts_with("pvc-")) =>
        {
            Some(numbers)
        }
        _ => None,
    })
    .collect();
    let holder = host::facts(cx, |v| match v {
        Value::Holds {
            program, numbers, ..
        } if program.starts_with("multipath") => Some(numbers),
        _ => None,
    })
    .find_map(|(f, n)| {
        ours.iter()
            .find(|(_, own)| *own == n)
            .map(|(own, _)| (f, *own))
    });
    if let Some((holds, own)) = holder {
        out.push(
            found(host::entity(&holds.host))
                .title("multipathd holds the device of a Longhorn volume")
                .term(
                    90,
                    "the list of open files has the numbers of Longhorn's own device",
                )
                .cite(cx.fact(holds, "multipathd has it open"))
                .cite(cx.fact(own, "the same numbers, under Longhorn's name")),
        );
        return;
    }
    // A node that says its name, or a cluster that shows it.
    let used = longhorn::shown(cx);
    let named = cx.hits("longhorn.named").next().is_some()
        || cx
            .cluster
            .pods
            .iter()
            .any(|p| p.metadata.namespace == "longhorn-system");
    if used.is_none() && !named {
        return;
    }
    let maps: Vec<_> = host::facts(cx, |v| match v {
        Value::Multipath { name, over } => Some((name, over)),
        _ => None,
    })
    .collect();
    // Storage that is meant to be reached by several paths shows each of them.
    let single = maps.iter().find(|(fact, (name, _))| {
        let same = |(f, (n, _)): &&(&Fact, (&String, &String))| n == name && f.host == fact.host;
        maps.iter().filter(same).count() == 1
    });
    if let Some((fact, (name, over))) = single {
        out.push(
            found(host::entity(&fact.host))
                .title(format!(
                    "multipathd has made {name} over disk {over}, which may be Longhorn's"
                ))
                .term(55, "a map lies over a disk of a node that runs Longhorn")
                .cite(cx.fact(fact, "the map over the disk"))
                .cite_all(used)
                .undecided(
                    format!("Is {over} the device of a Longhorn volume?"),
                    command!("ls -l /dev/longhorn; ls -l /dev/{}; multipath -ll", over),
                    &["longhorn-multipathd-claims-device"],
                ),
        );
    }
}

fn found(entity: EntityId) -> Finding {
    RULE.on(entity)
        .why("multipathd takes every new SCSI device that it does not know.")
        .safe("Does multipathd hold it?", "systemctl is-active multipathd; multipath -ll; lsblk")
        .check_first("Tell multipathd to leave Longhorn's devices alone, then restart it.", "printf 'blacklist {\\n devnode \"^sd[a-z0-9]+\"\\n}\\n' >> /etc/multipath.conf; systemctl restart multipathd")
        .dont("Don't run mkfs by hand on the device: it may hold the volume's data.")
}
