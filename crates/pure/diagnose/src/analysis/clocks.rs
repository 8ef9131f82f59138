//! Hosts whose clock is wrong, and what that does to those who meet them.
//!
//! Deliberately absent: what a clock that is known to be wrong means; that is `clock-skew`'s rule.

use std::collections::BTreeMap;

use defib_model::{Clocks, Evidence};

use super::host::{self, Told, entity};
use super::peer::first_address;
use super::{etcd, nodes};
use crate::rules::prelude::*;

/// Hosts that reject or are rejected, and whose clock several others contradict: with what they show, and one line of it.
pub fn outvoted(cx: &Context<'_>, clocks: &Clocks<'_>) -> Vec<(EntityId, Vec<Evidence>)> {
    let mut out = Vec::new();
    if !clocks.has_outvoted() {
        return out;
    }
    let refused = host::lines_by_any_clock(
        cx,
        &["tls.expired", "tls.other-side"],
        "rejected by this clock, or because of it",
    );
    for (fact, time) in &clocks.odd {
        let host = entity(&fact.host);
        // A host that is well was only asked on another day.
        let Some(line) = refused.iter().find(|l| l.host == host) else {
            continue;
        };
        let mut evidence = vec![cx.fact(fact, format!("this clock shows {time}"))];
        for (right, time) in clocks.right.iter().take(2) {
            evidence.push(cx.fact(right, format!("most clocks agree with this one: {time}")));
        }
        evidence.push(line.evidence.clone());
        out.push((host, evidence));
    }
    out
}

/// Other hosts that reject nobody but this one, or are rejected by nobody else.
pub fn cut_off(cx: &Context<'_>, host: &EntityId) -> Vec<EntityId> {
    let mut out: BTreeMap<EntityId, bool> = BTreeMap::new();
    for (other, lines) in host::by_host(host::lines(cx, &["tls.other-side"], "")) {
        let its = |l: &Told<'_>| {
            remote(&l.text).is_some_and(|address| nodes::is_at(cx, host.name(), &address))
        };
        let known = out.entry(other).or_insert(true);
        *known &= lines.iter().all(its);
    }
    out.retain(|other, all| *all && other != host && cx.has(K::TlsRejected, other).is_some());
    out.into_keys().collect()
}

/// The other side of a connection, as etcd's log names it, or as it was called.
fn remote(text: &str) -> Option<String> {
    let told = text.split_once("\"remote-addr\":\"");
    match told.and_then(|(_, rest)| rest.split('"').next()) {
        Some(address) => Some(etcd::host_of(address).to_owned()),
        None => first_address(text).map(|(host, _)| host),
    }
}

/// Does this line tell of a connection to a host that finds certificates wrong because its own clock is?
pub fn is_rejected_by_a_wrong_one(cx: &Context<'_>, line: &Told<'_>) -> bool {
    let Some(address) = remote(&line.text) else {
        return false;
    };
    let clocks = Clocks::of(&cx.cluster.facts);
    let outvoted = outvoted(cx, &clocks).into_iter().map(|(host, _)| host);
    let early = early(cx, "").into_iter();
    outvoted
        .chain(early.map(|l| l.host))
        .any(|host| host != line.host && nodes::is_at(cx, host.name(), &address))
}

/// Lines that call a certificate not yet valid, with the times that say so: whoever said them has a clock that is
/// behind, or met a certificate that was made by one ahead. A start does not end them that came before.
pub fn early<'c>(cx: &'c Context<'_>, meaning: &str) -> Vec<Told<'c>> {
    let mut lines = host::lines_by_any_clock(cx, &["tls.expired", "tls.not-yet"], meaning);
    lines.retain(|l| l.signal == "tls.not-yet" || l.text.contains(" is before "));
    // Who printed what another host had said is named there.
    if lines.iter().any(|l| l.host.name() != "-") {
        lines.retain(|l| l.host.name() != "-");
    }
    lines
}
