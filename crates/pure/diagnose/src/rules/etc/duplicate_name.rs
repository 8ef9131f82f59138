//! # ETC013 A server joins under a name that etcd still has
//!
//! class: duplicate-node-name
//!
//! ## What it sees
//! `duplicate node name found, please use a unique name for this node` of a server that wants to join.
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

use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC013",
    class: "duplicate-node-name",
    needs: &[],
    leads_to: &[K::JoinFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.duplicate-name"],
        "etcd still has a member of this node name",
    )) {
        let name = match host.name() {
            "-" => "NODE".to_owned(),
            n => n.to_owned(),
        };
        out.push(
            RULE.on(host.clone())
                .title(format!("{} joins under a node name that etcd still has", called(&host)))
                .why("The join is refused at every try until the old member is gone or the name is another one.")
                .term(92, "k3s says so before it joins")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host)
                .safe("Which member has the name, and does its machine live?", "etcdctl member list -w table; kubectl get nodes -o wide")
                .check_first("If it is this machine before it was wiped: delete its Node, which removes the old member.", command!("kubectl delete node {}", name))
                .dont("Don't delete the Node if another living server has that name: rename the new one instead (--node-name)."),
        );
    }
}
