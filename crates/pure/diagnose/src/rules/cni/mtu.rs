//! # CNI009 Large packets do not fit through the overlay
//!
//! class: mtu-mismatch
//!
//! ## What it sees
//! ICMP that says `frag needed`; `message too long` with an MTU below the overlay's own (the interface alone refuses
//! what is larger than itself, which is in order); pings of one size that come through and of a larger one
//! that do not; interfaces of pods that let more through than the overlay; or an overlay interface whose MTU leaves no
//! room for its own header on the interface or the path (`tracepath`) below.
//!
//! ## Why it matters
//! Small packets pass and large ones vanish: ping and DNS work, TLS handshakes, image pulls and database
//! answers hang. A VPN or a second tunnel below the overlay takes the room.
//!
//! ## What to do
//! Set the overlay's MTU to that of the path minus 50 bytes (VXLAN) or 60 to 80 (WireGuard), on all nodes.
//!
//! ## What not to do
//! Do not raise the MTU of the physical interface alone: every switch on the way must carry it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use defib_model::fact::{Fact, Value};

use crate::analysis::host::{self, called};
use crate::analysis::nodes;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI009",
    class: "mtu-mismatch",
    needs: &[],
    leads_to: &[K::HostNetworkFailing],
    check,
};

/// What VXLAN adds to every packet over IPv4.
const HEADER: u32 = 50;
/// What a frame of Ethernet carries, unless somebody allowed more.
const ETHERNET: u32 = 1500;
/// Interfaces of pods on the host's side, where the plugin sets their MTU to that of its overlay (flannel, Calico). Not
/// Cilium's: there the route has it.
const OF_PODS: &[&str] = &["veth", "cali"];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let too_long = host::lines(
        cx,
        &["net.frag-needed", "net.need-frag", "net.too-long"],
        "a packet is too large for the path",
    );
    let mut too_long = too_long;
    let links = host::lines(cx, &["net.link"], "the interface and its MTU");
    let mtu = |l: &host::Told| l.group(2).parse::<u32>().unwrap_or(0);
    let overlay = links
        .iter()
        .find(|l| l.group(0).starts_with("flannel") || l.group(0).starts_with("vxlan"));
    // What does not fit into the interface that it leaves by says nothing of the path.
    let own = overlay.map_or(ETHERNET - HEADER, mtu);
    too_long.retain(|l| !is_outside(cx, l));
    too_long
        .retain(|l| l.signal != "net.too-long" || l.group(0).parse().is_ok_and(|n: u32| n < own));
    // `ip -d link` names the one that it leaves by: a VPN's, for one.
    let leaves = host::lines(cx, &["net.vxlan-dev"], "it leaves by this interface");
    let leaves = leaves
        .iter()
        .find(|l| overlay.is_some_and(|o| o.entry == l.entry && o.host == l.host));
    let is_below = |l: &host::Told<'_>| match leaves {
        Some(named) => named.group(0) == l.group(0),
        None => !crate::analysis::addr::is_virtual(l.group(0)),
    };
    let below: Vec<_> = links
        .iter()
        .filter(|l| is_below(l) && l.group(1).contains("UP"))
        .filter(|l| overlay.is_some_and(|o| o.entry == l.entry && o.host == l.host))
        .collect();
    let widest = below.iter().max_by_key(|l| mtu(l));
    let no_room = overlay
        .zip(widest)
        .filter(|(o, b)| mtu(o) + HEADER > mtu(b) && mtu(b) > 0);
    // The path to another machine carries less than the overlay's packets with their header.
    let mut path = host::lines(cx, &["net.path-mtu"], "what the path carries");
    path.retain(|l| !is_outside(cx, l));
    if let Some((overlay, path)) = overlay.and_then(|o| {
        let carries_less = |p: &&host::Told| {
            p.group(0)
                .parse()
                .is_ok_and(|n: u32| n < mtu(o) + HEADER && n > 0)
        };
        Some((o, path.iter().find(carries_less)?))
    }) {
        let why = format!(
            "{} bytes on {}, and the path carries {}",
            mtu(overlay),
            overlay.group(0),
            path.group(0)
        );
        out.push(narrow(cx, overlay, path, 82, why));
        return;
    }
    // What a pod's interface lets through must fit into the overlay as it is.
    let wide = overlay.and_then(|o| {
        let beside = |l: &&host::Told| l.entry == o.entry && l.host == o.host;
        let of_pod = |l: &&host::Told| OF_PODS.iter().any(|p| l.group(0).starts_with(p));
        let pods: Vec<_> = links.iter().filter(beside).filter(of_pod).collect();
        let widest = pods.into_iter().max_by_key(|l| mtu(l))?;
        (mtu(widest) > mtu(o) && mtu(o) > 0).then_some((o, widest))
    });
    if let Some((o, pod)) = wide {
        let why = format!(
            "{} bytes on a pod's {}, and {} carries {}",
            mtu(pod),
            pod.group(0),
            o.group(0),
            mtu(o)
        );
        out.push(narrow(cx, o, pod, 78, why));
        return;
    }
    if vanishing(cx, overlay, out) {
        return;
    }
    let hosts = host::by_host(too_long);
    for (id, lines) in &hosts {
        let mut finding = found(id)
            .term(80, "the path says that packets are too large")
            .cite_all(lines.iter().map(|l| l.evidence.clone()));
        if let Some((o, b)) = no_room {
            finding = finding.cite(o.evidence.clone()).cite(b.evidence.clone());
        }
        out.push(host::claim(
            cx,
            finding,
            id,
            lines,
            &[K::HostNetworkFailing],
        ));
    }
    if hosts.is_empty()
        && let Some((o, b)) = no_room
    {
        let why = format!(
            "{} bytes on {}, {} on {} below it",
            mtu(o),
            o.group(0),
            mtu(b),
            b.group(0)
        );
        out.push(narrow(cx, o, b, 78, why));
    }
}

/// The overlay and what does not fit with it.
fn narrow(
    cx: &Context<'_>,
    overlay: &host::Told<'_>,
    other: &host::Told<'_>,
    points: i32,
    why: String,
) -> Finding {
    let id = host::entity(overlay.host.name());
    found(&id)
        .term(points, why)
        .cite(overlay.evidence.clone())
        .cite(other.evidence.clone())
        .explains_if(cx, K::HostNetworkFailing, &id)
}

/// Was the path to a machine outside tried? Nodes talk on their own path, whatever the way out carries (1492 bytes on
/// many lines at home).
fn is_outside(cx: &Context<'_>, line: &host::Told<'_>) -> bool {
    let Some((_, words)) = line.command(cx) else {
        return false;
    };
    words.iter().any(|w| {
        w.parse::<Ipv4Addr>().is_ok_and(|a| {
            let shared = a.octets()[0] == 100 && (64..128).contains(&a.octets()[1]);
            !(a.is_private()
                || a.is_loopback()
                || a.is_link_local()
                || shared
                || nodes::is_one(cx, w))
        })
    })
}

/// Somebody tried sizes: small packets came through to a machine or a pod, and larger ones that fit the
/// interface did not.
fn vanishing(cx: &Context<'_>, overlay: Option<&host::Told<'_>>, out: &mut Vec<Finding>) -> bool {
    let tries: Vec<_> = host::facts_anywhere(cx, |v| match v {
        Value::Sized(target, bytes, through) => Some((target.as_str(), *bytes, *through)),
        _ => None,
    })
    .collect();
    let mut through: BTreeMap<&str, BTreeMap<u64, &Fact>> = BTreeMap::new();
    for (fact, (target, size, _)) in tries.iter().filter(|(_, (.., through))| *through) {
        let sizes = through.entry(target).or_default();
        sizes.entry(*size).or_insert(fact);
    }
    // An Ethernet frame carries no more; what is larger may be lost in order.
    let lost = tries
        .iter()
        .filter(|(_, (_, n, through))| !through && *n + 28 <= 1500);
    for (fact, (target, size, _)) in lost {
        let passed = through
            .get(target)
            .and_then(|s| s.range(..size).next_back());
        let Some((small, passes)) = passed else {
            continue;
        };
        let id = host::entity(&fact.host);
        out.push(
            found(&id)
                .term(
                    80,
                    format!("{small} bytes come through to {target}, {size} do not"),
                )
                .cite(cx.fact(fact, "larger packets vanish"))
                .cite(cx.fact(passes, "smaller ones come through"))
                .cite_all(overlay.map(|o| o.evidence.clone()))
                .explains_if(cx, K::HostNetworkFailing, &id),
        );
        return true;
    }
    false
}

fn found(id: &EntityId) -> Finding {
    RULE.on(id.clone())
        .title(format!("large packets do not fit through the overlay of {}", called(id)))
        .why("Small packets pass and large ones vanish: ping and DNS work, TLS and pulls hang.")
        .safe("Which size passes?", "ip -br link; ping -M do -s 1472 -c3 OTHER-NODE; ping -M do -s 1372 -c3 OTHER-NODE")
        .advice("Set the overlay's MTU to that of the path minus 50 bytes (VXLAN) or 80 (WireGuard), on all nodes.")
        .dont("Don't raise the MTU of the physical interface alone: every switch on the way must carry it.")
}
