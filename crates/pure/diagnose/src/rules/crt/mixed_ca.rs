//! # CRT006 Components hold certificates of different cluster CAs
//!
//! class: mixed-ca
//!
//! ## What it sees
//! Certificates of one host whose issuer is not the CA file beside them; peers of etcd that reject each
//! other with `signed by unknown authority` while both name CAs of the same cluster.
//!
//! ## Why it matters
//! Part of the files was restored or rotated, part was not. Connections fail between some components
//! and work between others.
//!
//! ## What to do
//! Find which CA the datastore's bootstrap record has; bring all servers to it, one after the other.
//!
//! ## What not to do
//! Do not rotate once more on top of it.

use defib_model::fact::Value;

use crate::analysis::etcd::{entity as cluster, explain_all};
use crate::analysis::host::{self, TROUBLES, entity, facts_anywhere, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT006",
    class: "mixed-ca",
    needs: &[],
    leads_to: &[K::TlsRejected, K::DatastoreFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    issuers(cx, out);
    // Peers that reject each other: the verifying side knows why.
    let peers: Vec<_> = host::lines(
        cx,
        &["tls.unknown-authority"],
        "this side does not know the CA of the other",
    )
    .into_iter()
    .filter(|l| {
        [
            ":2380",
            "peer endpoint",
            "prober detected",
            "rafthttp",
            "remote-peer-id",
            ":2379",
            "client endpoint",
        ]
        .iter()
        .any(|w| l.evidence.text.contains(w))
    })
    .collect();
    if !peers.is_empty() {
        let f = advise(RULE.on(cluster()))
            .title("members of etcd hold certificates of different CAs")
            .term(
                70,
                "one side verifies the other's certificate and does not know its CA",
            )
            .cite_all(quotes(&peers));
        out.push(explain_all(f, cx));
        return;
    }
    // Only the other side's refusal: something is wrong with the certificate that is shown, nobody says what.
    let refused: Vec<_> = host::lines(
        cx,
        &["tls.other-side", "tls.no-certificate"],
        "the other side rejects the certificate",
    )
    .into_iter()
    .filter(|l| !l.evidence.text.contains("expired certificate"))
    .filter(|l| {
        [
            ":2380",
            ":2379",
            "peer endpoint",
            "client endpoint",
            "remote-peer-id",
            "etcd",
            ":6443",
            "k3s",
            "kubelet",
        ]
        .iter()
        .any(|w| l.evidence.text.contains(w))
    })
    .collect();
    if !refused.is_empty() {
        let f = advise(RULE.on(cluster()))
            .title("certificates are rejected between components")
            .term(40, "the other side rejects them, and its own log says why")
            .cite_all(quotes(&refused));
        out.push(explain_all(f, cx).undecided(
            "Which CA has each side? Compare fingerprints, not file times; the log of the side that rejects says why.",
            "for f in /var/lib/rancher/k3s/server/tls/etcd/*.crt /var/lib/rancher/k3s/server/tls/*-ca.crt; do openssl x509 -noout -subject -issuer -dates -fingerprint -in $f; done",
            &[
                "mixed-ca",
                "foreign-cluster-ca",
                "stale-data-dir",
                "clock-skew",
                "cert-expired",
            ],
        ));
    }
}

/// A leaf whose issuer is no CA of the same host.
fn issuers(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let all: Vec<_> = facts_anywhere(cx, |v| match v {
        Value::Certificate(c) => Some(c.as_ref()),
        _ => None,
    })
    .collect();
    for (fact, leaf) in &all {
        // k3s names its CAs with their time: k3s-server-ca@1600000000.
        let Some((kind, made)) = generation(&leaf.issuer) else {
            continue;
        };
        let other = all.iter().find(|(f, ca)| {
            f.host == fact.host
                && generation(&ca.subject).is_some_and(|(k, m)| k == kind && m != made)
        });
        let same = all
            .iter()
            .any(|(f, ca)| f.host == fact.host && generation(&ca.subject) == Some((kind, made)));
        let Some((ca, _)) = other.filter(|_| !same && leaf.subject != leaf.issuer) else {
            continue;
        };
        out.push(
            advise(RULE.on(entity(&fact.host)))
                .title(format!(
                    "certificates are of another {kind} than the one beside them"
                ))
                .term(85, "issuer and CA differ")
                .cite(cx.fact(fact, "issued by this CA"))
                .cite(cx.fact(ca, "and this is the CA that is there"))
                .explains_observed(cx, TROUBLES, &entity(&fact.host)),
        );
    }
}

/// Kind and time of a CA of k3s in a subject or issuer.
fn generation(name: &str) -> Option<(&str, &str)> {
    let cn = name.split("CN").last()?.trim_start_matches([' ', '=']);
    let (kind, made) = cn.split_once("-ca@")?;
    let end = made
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(made.len());
    Some((kind, made.get(..end)?))
}

fn advise(f: Finding) -> Finding {
    f.why("Part of the files was restored or rotated, part was not; connections fail between some and work between others.")
        .safe("Which CA has who?", "for f in /var/lib/rancher/k3s/server/tls/etcd/*.crt /var/lib/rancher/k3s/server/tls/*-ca.crt; do openssl x509 -noout -subject -issuer -fingerprint -in $f; done")
        .advice("Bring every server to the CAs of the bootstrap record: move the files that differ aside, start one server after the other.")
        .dont("Don't rotate once more on top of it.")
}
