//! # ETC003 etcd counts a member that does not exist
//!
//! class: etcd-ghost-member
//!
//! ## What it sees
//! A list of members with one that never started (no name, no client address), with several at one
//! address, with several of one node or name, or with one whose node the cluster does not have; and in logs a
//! server that finds its own address under another name, or is refused for it (`Peer URLs already exists`). A
//! join that is refused because the cluster is unhealthy makes it a candidate.
//!
//! ## Why it matters
//! Every registered voter counts for the quorum, whether it lives or not. With one ghost among three a
//! single failure stops all writes, and further joins are refused.
//!
//! ## What to do
//! Prove that the member's machine is gone for good, then remove exactly that id on a server that
//! works.
//!
//! ## What not to do
//! Do not remove by name or by guess; do not reset the cluster while a majority answers.

use defib_model::fact::{EtcdMember, Fact, Value};

use crate::analysis::etcd::{self, entity, explain_all, host_of, members, node_of, pairs};
use crate::analysis::host::{self, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC003",
    class: "etcd-ghost-member",
    needs: &[],
    leads_to: &[K::DatastoreFailing, K::JoinFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let list = members(cx);
    let mut ghosts: Vec<(&Fact, &EtcdMember, String)> = Vec::new();
    for (i, (fact, member)) in list.iter().enumerate() {
        if let Some(why) = ghost(cx, &list, i) {
            ghosts.push((fact, member, why));
        }
    }
    if !ghosts.is_empty() {
        let total = etcd::voters(&list);
        let mut f = RULE
            .on(entity())
            .title(match ghosts.as_slice() {
                [(_, m, why)] => format!("etcd counts member {}, {why}", m.id),
                more => format!("etcd counts {} members that do not exist", more.len()),
            })
            .why(format!(
                "{total} voters are registered, so {} must live; one that does not exist counts all the same.",
                etcd::majority(total)
            ))
            .term(85, "the list of members shows it");
        for (fact, member, why) in &ghosts {
            f = f.cite(cx.fact(fact, format!("member {}: {why}", member.id)));
        }
        if let Some((_, m, _)) = ghosts.first() {
            f = f.check_first("On a server that works, when the machine behind it is gone for good: remove that id.", command!("etcdctl member remove {}", m.id));
        }
        out.push(advise(explain_all(f, cx)));
    }
    if ghosts.is_empty() {
        refused(cx, out);
    }
    renamed(cx, out);
}

/// etcd takes nobody in while one of those that it counts does not answer
/// (`server/etcdserver/server.go`, the strict check of reconfigurations). Which one that is, the refusal does not say.
fn refused(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let signals = ["k3s.join-unhealthy", "etcd.add-refused"];
    let lines = host::lines(cx, &signals, "etcd takes no new member");
    let list = host::lines(cx, &["k3s.adding-member"], "the members that etcd counts");
    if lines.is_empty() {
        return;
    }
    let f = RULE
        .on(entity())
        .title("etcd takes no new member, for one that it counts does not answer")
        .why("Every registered voter has to be connected before another one joins, also one that is off or gone for good.")
        .term(50, "the refusal says so")
        .cite_all(quotes(&lines))
        .cite_all(list.iter().take(1).map(|l| l.evidence.clone()))
        .undecided(
            "Which of the members answers, and whose machine is gone for good?",
            "etcdctl member list -w table; etcdctl endpoint health --cluster; kubectl get nodes -o wide",
            &[RULE.class, "etcd-member-down"],
        );
    out.push(advise(explain_all(f, cx)));
}

/// Why this member of the list can't be a living one.
fn ghost(cx: &Context<'_>, list: &[(&Fact, &EtcdMember)], at: usize) -> Option<String> {
    let (_, m) = list.get(at)?;
    if joins(cx, m) {
        return None;
    }
    if m.status == "unstarted" || (m.name.is_empty() && m.clients.is_empty()) {
        return Some("which never started".to_owned());
    }
    let twins = |same: &dyn Fn(&EtcdMember) -> bool| {
        list.iter()
            .enumerate()
            .any(|(i, (_, o))| i != at && same(o))
    };
    let address = |m: &EtcdMember| m.peers.first().map(|p| p.to_owned());
    if address(m).is_some() && twins(&|o| address(o) == address(m)) {
        return Some(format!("which shares {} with another", m.peers.join(", ")));
    }
    if m.name != node_of(&m.name) && twins(&|o| node_of(&o.name) == node_of(&m.name)) {
        return Some(format!("one of several of node {}", node_of(&m.name)));
    }
    // Whoever names no member has `default` for all of them.
    if !m.name.is_empty() && m.name != "default" && twins(&|o| o.name == m.name) {
        return Some(format!("one of several called {}", m.name));
    }
    // Its node is not in a whole list of nodes that holds the nodes of others.
    let is_node = |m: &EtcdMember| cx.cluster.node(node_of(&m.name)).is_some();
    let listed = cx.cluster.is_listed("Node", "");
    (listed && !is_node(m) && list.iter().any(|(_, o)| is_node(o)))
        .then(|| format!("whose node {} the cluster does not have", node_of(&m.name)))
}

/// Is it a learner whose host is in the evidence with that very address? It is about to join.
fn joins(cx: &Context<'_>, m: &EtcdMember) -> bool {
    let mut own = host::facts(cx, |v| match v {
        Value::Address(_, ip, _) => Some(ip),
        _ => None,
    });
    m.learner && own.any(|(_, ip)| m.peers.iter().any(|p| host_of(p) == ip))
}

/// A server that finds its own address in the list, under another name.
fn renamed(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(
        cx,
        &["k3s.not-a-member"],
        "its address is registered under another name",
    );
    let mine: Vec<_> = lines
        .into_iter()
        .filter(|l| {
            let (Some(found), Some((name, url))) = (
                l.line.groups.first(),
                l.line.groups.get(1).and_then(|e| e.split_once('=')),
            ) else {
                return false;
            };
            pairs(found)
                .iter()
                .any(|(n, u)| host_of(u) == host_of(url) && *n != name)
        })
        .collect();
    let taken = host::lines(
        cx,
        &["etcd.peer-url-exists"],
        "a member has the address of the server that joins",
    );
    if mine.is_empty() && taken.is_empty() {
        return;
    }
    let f = RULE
        .on(entity())
        .title("etcd has this server's address under another member name")
        .why("The member that is registered there no longer exists; the server has new data, or a new name.")
        .term(75, "k3s compares the list with itself, or etcd refuses to have the address twice")
        .cite_all(quotes(&mine))
        .cite_all(quotes(&taken));
    out.push(advise(explain_all(f, cx)));
}

fn advise(f: Finding) -> Finding {
    f.safe("List members and ask each whether it lives.", "etcdctl member list -w table; etcdctl endpoint status --cluster -w table; etcdctl endpoint health --cluster")
        .dont("Don't remove by guess: compare id, name and peer address right before, and count what is left.")
        .dont("Don't reset the cluster while a majority answers.")
}
