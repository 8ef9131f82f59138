//! The members of etcd, as lists, health checks and logs show them; and what they add up to.
//!
//! Members are told apart by id; k3s names them `NODE-xxxxxxxx`, with new letters at every reset.
//! Deliberately absent: which of the troubles of a cluster is the cause.

use std::collections::{BTreeMap, BTreeSet};

use defib_model::fact::{EtcdMember, Fact, Value};
use defib_model::id::EntityId;

use super::host::{self, Told};
use crate::context::Context;
use crate::rule::Finding;

/// The datastore as a whole: its troubles are no single host's.
pub fn entity() -> EntityId {
    EntityId::other("etcd", "cluster")
}

/// Claims what suffers on any host, and in the cluster's datastore as such.
pub fn explain_all(mut f: Finding, cx: &Context<'_>) -> Finding {
    for c in &cx.conditions {
        let on_host = c.entity.kind() == "host" && host::TROUBLES.contains(&c.kind);
        if on_host || c.entity == entity() {
            f = f.explains(c.kind, &c.entity.clone());
        }
    }
    f
}

/// The latest list of members that the evidence holds. A transcript may hold several; those of other
/// clusters or hosts say the same or are older.
pub fn members<'c>(cx: &'c Context<'_>) -> Vec<(&'c Fact, &'c EtcdMember)> {
    let mut lists: Vec<Vec<(&Fact, &EtcdMember)>> = Vec::new();
    let mut open = false;
    for fact in &cx.cluster.facts {
        let Value::EtcdMember(member) = &fact.value else {
            open = false;
            continue;
        };
        let again = lists
            .last()
            .and_then(|l| l.first())
            .is_some_and(|(f, _)| f.entry != fact.entry)
            || lists
                .last()
                .is_some_and(|l| l.iter().any(|(_, m)| m.id == member.id));
        match lists.last_mut().filter(|_| open && !again) {
            Some(list) => list.push((fact, member)),
            None => lists.push(vec![(fact, member)]),
        }
        open = true;
    }
    lists.pop().unwrap_or_default()
}

/// Voters of a list.
pub fn voters(list: &[(&Fact, &EtcdMember)]) -> usize {
    list.iter().filter(|(_, m)| !m.learner).count()
}

/// How many of so many voters must live.
pub fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// The node behind a member's name: `n3` of `n3-84101f9f`, and of `n3`.
pub fn node_of(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((node, tail)) if tail.len() == 8 && tail.chars().all(|c| c.is_ascii_hexdigit()) => {
            node
        }
        _ => name,
    }
}

/// The host part of `https://10.0.0.1:2380`, `10.0.0.1:2380`.
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, r)| r);
    let rest = rest.split('/').next().unwrap_or_default();
    match rest.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => rest.rsplit_once(':').map_or(rest, |(h, _)| h),
    }
}

/// `NAME=URL` pairs of a list that k3s prints.
pub fn pairs(text: &str) -> Vec<(&str, &str)> {
    text.split([' ', ','])
        .filter_map(|p| p.trim().trim_matches(['[', ']']).split_once('='))
        .collect()
}

/// Old and new address of a host that k3s refuses because the list of members has its name with another address
/// (`k3s.not-a-member`).
pub fn change(l: &Told<'_>) -> Option<(String, String)> {
    let found = l.line.groups.first()?;
    let (name, url) = l.line.groups.get(1)?.split_once('=')?;
    let list = pairs(found);
    if list.iter().any(|(_, u)| host_of(u) == host_of(url)) {
        return None;
    }
    let (_, old) = list
        .iter()
        .find(|(n, _)| *n == name)
        .or_else(|| list.iter().find(|(n, _)| node_of(n) == node_of(name)))?;
    Some((host_of(old).to_owned(), host_of(url).to_owned()))
}

/// Addresses under which members are registered, and which their own hosts, in the evidence, do not have.
pub fn gone(cx: &Context<'_>) -> Vec<String> {
    let own = |host: &str| -> Vec<&str> {
        let addresses = host::facts(cx, |v| match v {
            Value::Address(_, ip, _) => Some(ip.as_str()),
            _ => None,
        });
        let of = addresses.filter(|(f, ip)| f.host == host && !ip.starts_with("127."));
        of.map(|(_, ip)| ip).collect()
    };
    let mut out = Vec::new();
    for (_, member) in members(cx) {
        let have = own(node_of(&member.name));
        let registered = member.peers.iter().map(|p| host_of(p));
        let lost = registered.filter(|r| !have.is_empty() && !have.contains(r));
        out.extend(lost.map(str::to_owned));
    }
    out
}

/// What the endpoints said: by address, whether it is well, with the fact. What said nothing is absent.
pub fn endpoints<'c>(cx: &'c Context<'_>) -> BTreeMap<String, (bool, &'c Fact)> {
    let mut out: BTreeMap<String, (bool, &Fact)> = BTreeMap::new();
    for fact in &cx.cluster.facts {
        match &fact.value {
            Value::EtcdHealth(endpoint, well, _) => {
                out.insert(host_of(endpoint).to_owned(), (*well, fact));
            }
            Value::EtcdStatus(s) => {
                out.entry(host_of(&s.endpoint).to_owned())
                    .or_insert((true, fact));
            }
            _ => {}
        }
    }
    out
}

/// How many voters are known to live and how many are registered; nothing when the evidence shows only
/// one of the two.
pub struct Count {
    /// Registered voters.
    pub voters: usize,
    /// Known to live.
    pub alive: usize,
}

/// Counts voters and endpoints.
pub fn count(cx: &Context<'_>) -> Option<Count> {
    let list = members(cx);
    let ends = endpoints(cx);
    let alive = ends.values().filter(|(well, _)| *well).count();
    // 127.0.0.1 is one of the members, and no one else.
    let voters = match voters(&list) {
        0 => ends.len(),
        n => n,
    };
    (voters > 0 && !ends.is_empty()).then_some(Count { voters, alive })
}

/// Hosts whose own etcd speaks in the evidence.
pub fn speakers(cx: &Context<'_>) -> BTreeSet<String> {
    cx.heard()
        .filter(|h| h.signal.starts_with("etcd.") && !h.host.is_empty())
        .map(|h| h.host.clone())
        .collect()
}

/// Words of packets that nobody answers: nobody refuses them either, so the machine may be off, or its
/// port be filtered.
const SILENT: &[&str] = &["i/o timeout", "connection timed out"];

/// Peers of which one member alone says that dialling them got no answer of any kind: their addresses,
/// and the lines. Where that member has a leader or lost it, more is known.
pub fn unanswered<'c>(cx: &'c Context<'_>) -> BTreeMap<String, Vec<Told<'c>>> {
    let mut out: BTreeMap<String, Vec<Told<'c>>> = BTreeMap::new();
    let known = cx.heard().any(|h| TELLS.contains(&h.signal));
    if known || speakers(cx).len() > 1 || !endpoints(cx).is_empty() {
        return out;
    }
    for l in host::lines(
        cx,
        &[
            "etcd.peer-unhealthy",
            "etcd.peer-health-check",
            "etcd.peer-version",
        ],
        "dialling this peer gets no answer, not even a refusal",
    ) {
        let dialled = l.group(1).split_once("dial tcp ").map_or("", |(_, r)| r);
        if let Some((address, why)) = dialled.split_once(": ")
            && SILENT.iter().any(|w| why.contains(w))
        {
            let host = address.rsplit_once(':').map_or(address, |(h, _)| h);
            out.entry(host.to_owned()).or_default().push(l);
        }
    }
    out
}

/// What a member says of its leader, or a peer of its return; and a firewall that is at fault.
const TELLS: &[&str] = &[
    "firewall.drops-peer",
    "firewall.drops-peer-rule",
    "etcd.elected",
    "etcd.became-leader",
    "etcd.published",
    "etcd.election",
    "etcd.no-leader",
    "etcd.quorum-inactive",
    "etcd.lost-leader",
    "etcd.peer-active",
    "k3s.up",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_taken_apart() {
        assert_eq!(node_of("n3-84101f9f"), "n3");
        assert_eq!(node_of("etcd-one"), "etcd-one");
        assert_eq!(host_of("https://10.0.0.1:2380"), "10.0.0.1");
        assert_eq!(host_of("https://[fd00::1]:2380"), "fd00::1");
        assert_eq!(pairs("a=b, c=d"), [("a", "b"), ("c", "d")]);
        assert_eq!((majority(2), majority(3), majority(4)), (2, 2, 3));
    }
}
