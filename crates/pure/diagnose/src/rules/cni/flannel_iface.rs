//! # CNI011 The interface that flannel is told to use is not there
//!
//! class: flannel-iface-unusable
//!
//! ## What it sees
//! k3s or flannel that does not find the interface of its settings, or finds no address on it; and where it
//! is shown, `flannel-iface` and a whole list of the host's interfaces without that name.
//!
//! ## Why it matters
//! k3s takes the node's address from that interface and ends without it. Interfaces are renamed by updates of
//! the kernel or systemd and by a new network card; at boot k3s may come before the network.
//!
//! ## What to do
//! Correct the name in config.yaml or the unit, or mend the interface; where it comes late, have the unit
//! start after network-online.target.
//!
//! ## What not to do
//! Do not drop the setting on a host with several networks: the default route may lead through another one.

use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::fact::Fact;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI011",
    class: "flannel-iface-unusable",
    needs: &[],
    leads_to: &[K::ServiceFailing, K::HostNetworkFailing],
    check,
};

/// What of a host ends where this is so.
const LEADS: &[K] = &[K::HostNetworkFailing, K::ServiceFailing];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let asked: Vec<_> = host::asked(cx, "flannel-iface").collect();
    let lines = host::lines(
        cx,
        &["flannel.iface-missing", "flannel.iface-no-address"],
        "the interface can't be used",
    );
    let hosts = host::by_host(lines);
    for (id, lines) in &hosts {
        let name = lines.iter().map(|l| l.group(0)).find(|n| !n.is_empty());
        let mut own = asked
            .iter()
            .filter(|(f, _)| host::same_host(&f.host, id.name()));
        let name = name.or(own.next().map(|(_, n)| *n));
        let mut finding = found(id, name.unwrap_or_default())
            .term(88, "the program says so")
            .cite_all(lines.iter().map(|l| l.evidence.clone()));
        for (fact, value) in &asked {
            if host::same_host(&fact.host, id.name()) && name.is_none_or(|n| n == *value) {
                finding = finding.cite(cx.fact(fact, "it is told to use this one"));
            }
        }
        out.push(host::claim(cx, finding, id, lines, LEADS));
    }
    if !hosts.is_empty() {
        return;
    }
    let links = host::lines(cx, &["net.link"], "an interface that is there");
    for (fact, name) in &asked {
        if let Some(finding) = unlisted(cx, fact, name, &links) {
            out.push(finding);
        }
    }
}

/// The setting names what a whole list of interfaces does not have. It is a reason only where something of the
/// host fails for it.
fn unlisted(cx: &Context<'_>, fact: &Fact, name: &str, links: &[Told<'_>]) -> Option<Finding> {
    let own: Vec<&Told<'_>> = links
        .iter()
        .filter(|l| host::same_host(l.host.name(), &fact.host) && l.entry == fact.entry)
        .collect();
    // The loopback is in every whole list, and in no other. Of many lines only the first are known.
    let all = own.iter().all(|l| l.count <= own.len() as u64);
    let whole = all && own.iter().any(|l| l.group(0) == "lo") && own.len() > 1;
    if !whole || own.iter().any(|l| l.group(0) == name) {
        return None;
    }
    let id = host::entity(&fact.host);
    let mut finding = found(&id, name)
        .term(72, "the list of the host's interfaces does not have it")
        .cite(cx.fact(fact, "it is told to use this one"))
        .cite_all(own.iter().take(3).map(|l| l.evidence.clone()));
    for kind in LEADS {
        finding = finding.explains_if(cx, *kind, &id);
    }
    (!finding.explains.is_empty()).then_some(finding)
}

fn found(id: &EntityId, name: &str) -> Finding {
    let which = match name {
        "" => "the interface that it is told to use".to_owned(),
        name => format!("interface {name}"),
    };
    RULE.on(id.clone())
        .title(format!("flannel can't use {which} on {}: it is not there, or has no address", called(id)))
        .why("k3s takes the node's address from it, and ends without it.")
        .safe("Which interfaces are there, and which one is asked for?", "ip -br addr; grep -rn flannel-iface /etc/rancher/k3s /etc/systemd/system/k3s*; journalctl -b | grep -i renamed")
        .advice("Correct the name, or mend the interface; where it only comes late, let the unit start after network-online.target.")
        .dont("Don't drop the setting on a host with several networks.")
}
