//! Nodes that answer and nodes that don't, for the rules about dead hosts.
//!
//! Source: kubernetes `pkg/controller/nodelifecycle/node_lifecycle_controller.go` (NodeStatusUnknown).
//! Deliberately absent: why a node that answers is not ready; its own message says that.

use std::collections::{BTreeMap, BTreeSet};

use defib_model::Evidence;
use defib_model::fact::{Answer, Fact, Value};
use defib_model::views::Node;
use jiff::Timestamp;

use super::{etcd, host};
use crate::context::Context;

/// Is this the name of the node, or an address that it is known by?
pub fn belongs(node: &Node, target: &str) -> bool {
    node.metadata.name == target || node.status.addresses.iter().any(|a| a.address == target)
}

/// Is there a node of this name or address?
pub fn is_one(cx: &Context<'_>, target: &str) -> bool {
    cx.cluster.nodes.iter().any(|n| belongs(n, target))
}

/// Is this an address of that host, by its Node or by its member of etcd?
pub fn is_at(cx: &Context<'_>, host: &str, address: &str) -> bool {
    let node = |n: &Node| n.metadata.name == host && belongs(n, address);
    cx.cluster.nodes.iter().any(node)
        || etcd::members(cx).iter().any(|(_, member)| {
            etcd::node_of(&member.name) == host
                && member.peers.iter().any(|url| etcd::host_of(url) == address)
        })
}

/// Is at least one node ready?
pub fn someone_ready(cx: &Context<'_>) -> bool {
    cx.cluster.nodes.iter().any(|n| n.ready() == Some("True"))
}

/// Nodes that do not report: with the place of their Ready condition, and since when.
pub fn silent<'a>(cx: &Context<'a>) -> Vec<(&'a Node, usize, Option<Timestamp>)> {
    let mut out = Vec::new();
    for node in &cx.cluster.nodes {
        for (i, c) in node.status.conditions.iter().enumerate() {
            if c.kind == "Ready" && c.status == "Unknown" {
                out.push((node, i, c.last_transition_time));
            }
        }
    }
    out
}

/// Seconds between a host's last word and that of another one in which both live. The node controller waits longer (40
/// seconds and more) until it calls one that is silent unknown.
const TOGETHER: i64 = 30;
/// Seconds before the evidence's end in which a host that has spoken since it fell silent to the others lives.
const SINCE: i64 = 600;

/// Has this node's host said something itself that it can't have said if it were down? Then what is wrong is that the
/// others don't hear it.
pub fn speaks(cx: &Context<'_>, node: &Node, since: Option<Timestamp>) -> bool {
    let own = |host: &str| host == node.metadata.name;
    let lasts = |is: &dyn Fn(&str) -> bool| {
        let heard = cx.heard().filter(|h| !h.host.is_empty() && is(&h.host));
        heard.filter_map(|h| h.last).max().map(|t| t.as_second())
    };
    let (Some(last), Some(end)) = (lasts(&own), cx.cluster.as_of) else {
        return false;
    };
    match since {
        Some(since) => last > since.as_second() && end.as_second() - last < SINCE,
        None => lasts(&|host| !own(host)).is_some_and(|others| (others - last).abs() < TOGETHER),
    }
}

/// What shows of machines that they are on, and which of them did not answer when they were asked.
#[derive(Default)]
pub struct Signs<'c> {
    on: BTreeMap<&'c str, (&'c Fact, &'static str)>,
    silent: BTreeSet<&'c str>,
}

impl<'c> Signs<'c> {
    /// Pings, and commands that somebody types on a machine.
    pub fn of(cx: &'c Context<'_>) -> Self {
        let mut out = Self::default();
        for fact in &cx.cluster.facts {
            match &fact.value {
                Value::Reach(r) if r.port.is_none() && r.answer == Answer::Well => {
                    out.on
                        .entry(&r.target)
                        .or_insert((fact, "the machine answers"));
                }
                Value::Reach(r) if r.port.is_none() => {
                    out.silent.insert(&r.target);
                }
                Value::Ran(_) if !fact.host.is_empty() => {
                    out.on
                        .entry(&fact.host)
                        .or_insert((fact, "somebody is on the machine"));
                }
                _ => {}
            }
        }
        out
    }

    /// What shows that the machine of this node is on. Where it was silent once, nobody can tell which came last.
    pub fn is_on(&self, cx: &Context<'_>, node: &Node) -> Option<Evidence> {
        let addresses = node.status.addresses.iter().map(|a| a.address.as_str());
        let known: Vec<&str> = addresses.chain([node.metadata.name.as_str()]).collect();
        if known.iter().any(|name| self.silent.contains(name)) {
            return None;
        }
        let (fact, meaning) = known.iter().find_map(|name| self.on.get(name))?;
        Some(cx.fact(fact, *meaning))
    }
}

/// Does this node's own log say that its clock is behind? Then k3s runs there, although its times make the
/// log look old, and nothing can tell that it ended.
pub fn is_behind(cx: &Context<'_>, node: &Node) -> bool {
    let mut lines = host::lines(cx, &["tls.expired", "tls.not-yet"], "").into_iter();
    lines.any(|l| {
        let early = l.signal == "tls.not-yet" || l.text.contains(" is before ");
        let alone = || silent(cx).len() == 1;
        early && (l.host.name() == node.metadata.name || (l.host.name() == "-" && alone()))
    })
}
