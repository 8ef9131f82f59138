//! # CRT003 The token is not the one of this cluster
//!
//! class: token-mismatch
//!
//! ## What it sees
//! `bootstrap data already found and encrypted with different token`, a bootstrap record that can't be
//! decrypted, `token CA hash does not match`, and `not authorized` or `401 Unauthorized` at the join.
//! On the server that is asked: `Failed to authenticate request from …: invalid username/password combination`.
//!
//! ## Why it matters
//! The token encrypts the cluster's keys and proves who may join. With another one a server can't read
//! its own datastore, and nobody can join.
//!
//! ## What to do
//! Read the right token on a server that works, or from where it was kept, and put exactly that into
//! config.yaml or the unit; look for a second place that gives another.
//!
//! ## What not to do
//! Do not wipe the server to get rid of the message: the data is well. Do not make new CAs.

use std::collections::BTreeMap;

use defib_model::fact::Value;

use crate::analysis::host::{self, TROUBLES, Told, called, facts_anywhere, quotes};
use crate::analysis::token;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT003",
    class: "token-mismatch",
    needs: &[],
    leads_to: &[K::JoinFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    out.extend(stored(cx));
    let before = out.len();
    for (host, lines) in host::by_host(host::lines(
        cx,
        token::WRONG,
        "the token is not the one that the cluster was made with",
    )) {
        // A start that falls back to its own copy says this too, and goes on; in a restore it is the
        // snapshot's token that is meant.
        let lines: Vec<Told<'_>> = lines
            .into_iter()
            .filter(|l| !l.evidence.text.contains("Unable to reconcile with"))
            .filter(|l| !token::RECORD.contains(&l.signal) || token::restored(cx, l).is_none())
            .collect();
        if lines.is_empty() {
            continue;
        }
        out.push(advise(
            RULE.on(host.clone())
                .title(format!(
                    "the token given on {} is not the one of this cluster",
                    called(&host)
                ))
                .why("Without it a server can't read the cluster's keys, and nobody can join.")
                .term(88, "k3s compares the token and says so")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host),
        ));
    }
    if out.len() > before {
        return;
    }
    // The other side alone: a server that was asked with a token that is not its own.
    let refused = host::lines(
        cx,
        &["k3s.authenticate"],
        "this server was asked with another token",
    );
    let mut callers: BTreeMap<String, Vec<Told<'_>>> = BTreeMap::new();
    for line in refused {
        if line.group(1).contains("invalid username/password") {
            let caller = line.group(0);
            let caller = caller.rsplit_once(':').map_or(caller, |(host, _)| host);
            callers.entry(caller.to_owned()).or_default().push(line);
        }
    }
    for (caller, lines) in callers {
        let host = host::entity(&caller);
        out.push(advise(
            RULE.on(host.clone())
                .title(format!("the token given on {caller} is not the one of this cluster"))
                .why("The server does not let it in; over there nothing but an error of the server is seen.")
                .term(80, "the server compares it and says so")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &EntityId::other("host", "-")),
        ));
    }
}

/// None of the bootstrap records in the datastore is sealed with the token that lies beside it.
fn stored(cx: &Context<'_>) -> Option<Finding> {
    let records: Vec<_> = facts_anywhere(cx, |v| match v {
        Value::Bootstrap(hash, Some(fits)) => Some((hash, *fits)),
        _ => None,
    })
    .collect();
    if records.is_empty() || records.iter().any(|(_, (_, fits))| *fits) {
        return None;
    }
    let cited = records
        .iter()
        .map(|(fact, (hash, _))| cx.fact(fact, format!("it wants a token whose hash is {hash}")));
    Some(advise(
        RULE.on(crate::analysis::etcd::entity())
            .title("the token on disk is not the one that the datastore's keys are sealed with")
            .why("Without it a server can't read the cluster's keys, and ends at its start.")
            .term(80, "the hash of the token is in no bootstrap record")
            .cite_all(cited),
    ))
}

fn advise(f: Finding) -> Finding {
    f.safe("The right one, on a server that works; and all places that give one here.", "cat /var/lib/rancher/k3s/server/token; grep -rn -i token /etc/rancher/k3s/config.yaml* /etc/systemd/system/k3s*")
                .advice("Put exactly that token where this host takes it from, and start again.")
                .dont("Don't wipe the server because of this: its data is well.")
                .dont("Don't rotate the CA or the token to make it fit: that locks the others out.")
}
