//! # ETC013 A server joins under a name that etcd still has
//!
//! class: duplicate-node-name
//!
//! ## What it sees
//! `duplicate node name found, please use a unique name for this node` of a server that wants to join.
//! Without k3s' words: two hosts, agents too, whose settings give them one name, and one of them does not come
//! up; an empty folder of etcd on a host whose k3s does not stay up, while another server's list has a member of
//! that host.
//!
//! ## Why it matters
//! etcd still lists a member of that node name: the same machine before it was wiped, or another
//! machine with the same host name. The join is refused at every try.
//!
//! ## What to do
//! If it is the wiped machine itself: delete the Node object, so that its old member is removed, then
//! let it join. If another machine has the name: rename the new one.
//!
//! ## What not to do
//! Do not delete the Node of a server that still lives: that removes its member.

use crate::analysis::etcd;
use crate::analysis::host::{self, TROUBLES, called, quotes, same_host};
use crate::rules::prelude::*;
use defib_model::Evidence;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC013",
    class: "duplicate-node-name",
    needs: &[],
    leads_to: &[K::JoinFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let said = host::by_host(host::lines(
        cx,
        &["k3s.duplicate-name"],
        "etcd still has a member of this node name",
    ));
    for (host, lines) in &said {
        out.push(
            about(host)
                .term(92, "k3s says so before it joins")
                .cite_all(quotes(lines))
                .explains_observed(cx, TROUBLES, host),
        );
    }
    for (host, term, evidence) in [twice(cx), wiped(cx)].into_iter().flatten() {
        if said.keys().any(|told| same_host(told.name(), host.name())) {
            continue;
        }
        let finding = about(&host)
            .term(80, term)
            .cite_all(evidence)
            .explains_observed(cx, TROUBLES, &host);
        out.push(match term {
            TWICE => finding.title(format!(
                "{} is told the name of another host",
                called(&host)
            )),
            _ => finding,
        });
    }
}

const TWICE: &str = "two hosts are told one name";

fn about(host: &EntityId) -> Finding {
    let name = match host.name() {
        "-" => "NODE".to_owned(),
        n => n.to_owned(),
    };
    RULE.on(host.clone())
        .title(format!("{} joins under a node name that etcd still has", called(host)))
        .why("The join is refused at every try until the old member is gone or the name is another one.")
        .safe("Which member has the name, and does its machine live?", "etcdctl member list -w table; kubectl get nodes -o wide")
        .check_first("If it is this machine before it was wiped: delete its Node, which removes the old member.", command!("kubectl delete node {}", name))
        .dont("Don't delete the Node if another living server has that name: rename the new one instead (--node-name).")
}

/// A host, what is known of it, and where that stands.
type Found = (EntityId, &'static str, Vec<Evidence>);

/// Two hosts that are told one name, and which of them does not stay up.
fn twice(cx: &Context<'_>) -> Option<Found> {
    let told = |name: &'static str| {
        host::facts(cx, move |v| match v {
            Value::Setting {
                place,
                name: n,
                value,
            } if place == "config.yaml" && n == name => Some(value.as_str()),
            _ => None,
        })
    };
    // k3s then adds a number of its own.
    if told("with-node-id").any(|(_, value)| value != "false") {
        return None;
    }
    let mut names: Vec<_> = told("node-name")
        .filter(|(f, _)| !f.host.is_empty())
        .collect();
    // Whose own name it is was there first.
    names.sort_by_key(|(f, name)| same_host(&f.host, name));
    let unready = host::unready(cx);
    names.iter().find_map(|(fact, name)| {
        let (other, _) = names
            .iter()
            .find(|(f, n)| n == name && !same_host(&f.host, &fact.host))?;
        let unit = unready.iter().find(|u| u.host == fact.host)?;
        let evidence = vec![
            cx.fact(fact, format!("{} is to be {name}", fact.host)),
            cx.fact(other, format!("{} is to be {name} too", other.host)),
            cx.fact(unit, "k3s does not come up"),
        ];
        Some((host::entity(&fact.host), TWICE, evidence))
    })
}

/// A host without etcd's data that the others' list of members still has.
fn wiped(cx: &Context<'_>) -> Option<Found> {
    let empty = host::facts(cx, |v| match v {
        Value::Folder(path, 0) if path.ends_with("/server/db/etcd") => Some(()),
        _ => None,
    });
    let unstable = host::unstable(cx);
    let members = etcd::members(cx);
    let mut empty = empty.filter(|(f, ())| !f.host.is_empty());
    empty.find_map(|(folder, ())| {
        let unit = unstable.iter().find(|u| u.host == folder.host)?;
        let (list, member) = members
            .iter()
            .find(|(list, m)| etcd::node_of(&m.name) == folder.host && list.host != folder.host)?;
        // An empty folder below a mount that did not come says nothing of the data.
        let lost = host::heard_on(
            cx,
            &["systemd.mount-failed", "systemd.mount-waits"],
            &host::entity(&folder.host),
        );
        let evidence = vec![
            cx.fact(folder, "there is no data of etcd"),
            cx.fact(list, format!("the others still have {}", member.name)),
            cx.fact(unit, "k3s does not stay up"),
        ];
        let term = "its data is gone, and the others still have its member";
        (!lost).then(|| (host::entity(&folder.host), term, evidence))
    })
}
