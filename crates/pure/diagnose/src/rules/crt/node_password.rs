//! # CRT005 The server holds another node password for this host name
//!
//! class: node-password-rejected
//!
//! ## What it sees
//! `Node password rejected, duplicate hostname or contents of …` of an agent; `unable to verify
//! password for node` with `hash does not match` of the server. Not where a server verified that password itself at
//! the same start: its own agent is refused until the datastore is up.
//!
//! ## Why it matters
//! k3s binds a node name to a password at the first join. A machine that was made anew, a clone, or a
//! second machine of the same name is refused for ever.
//!
//! ## What to do
//! If the old machine is gone: delete the secret `NAME.node-password.k3s`, and the Node, then let it
//! join. If two machines share the name: rename one.
//!
//! ## What not to do
//! Do not copy the password file between machines: two nodes then fight for one name.

use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT005",
    class: "node-password-rejected",
    needs: &[],
    leads_to: &[K::JoinFailing, K::ServiceFailing],
    check,
};

/// The node of which a server says that its password does not fit. Several signals know the same line.
fn refused(line: &host::Told<'_>) -> Option<String> {
    let (_, rest) = line
        .evidence
        .text
        .split_once("unable to verify password for node ")?;
    let name = rest.split_ascii_whitespace().next()?;
    let name = name.trim_matches([':', ',', '"', '\'', '\\']);
    (!name.is_empty()).then(|| name.to_owned())
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let told = host::lines(
        cx,
        &[
            "k3s.password-rejected",
            "k3s.password-old",
            "k3s.password-verify",
            "k3s.password-forbidden",
            "k3s.password-local",
            "k3s.password-hash",
            "k3s.password-event",
        ],
        "the password of this node name is another one",
    );
    // A server says it of the node that asks, which is seldom itself.
    let all = host::by_host(
        told.into_iter()
            .map(|mut line| {
                if let Some(name) = refused(&line) {
                    line.host = host::entity(&name);
                }
                line
            })
            .collect(),
    );
    let verified = host::lines(cx, &["k3s.password-verified"], "");
    let starts = host::lines(cx, &["k3s.starting"], "");
    for (host, lines) in all {
        // A server whose datastore is not up yet refuses its own agent, of which it knows the password well.
        let of_one_start = |a: &host::Told<'_>, b: &host::Told<'_>| {
            a.entry == b.entry
                && !starts.iter().any(|s| {
                    s.entry == a.entry && a.line.line < s.line.line && s.line.line < b.line.line
                })
        };
        let fits = |l: &host::Told<'_>| {
            host::same_host(l.group(0), host.name()) && lines.iter().all(|r| of_one_start(l, r))
        };
        if verified.iter().any(fits) {
            continue;
        }
        let node = lines
            .iter()
            .find_map(refused)
            .or_else(|| (host.name() != "-").then(|| host.name().to_owned()))
            .unwrap_or_else(|| "NODE".to_owned());
        out.push(
            RULE.on(host.clone())
                .title(format!("{} is refused: the cluster holds another node password for its name", called(&host)))
                .why("k3s binds a name to a password at the first join; a machine made anew, or a second one of that name, is refused.")
                .term(90, "k3s compares the passwords and says so")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host)
                .safe("Is there another machine of this name, and is the node alive?", command!("kubectl get node {} -o wide; kubectl get secret -n kube-system {}", node, format!("{node}.node-password.k3s")))
                .check_first("If the old machine is gone: let the name be bound anew.", command!("kubectl delete secret -n kube-system {}", format!("{node}.node-password.k3s")))
                .dont("Don't copy /etc/rancher/node/password between machines.")
                .dont("Don't delete the Node of a server that lives: that removes its etcd member."),
        );
    }
}
