//! # CRT007 A node carries the CA of another or an earlier cluster
//!
//! class: foreign-cluster-ca
//!
//! ## What it sees
//! An agent or kubelet that calls its server and finds the certificate `signed by unknown authority`,
//! with a candidate of the same name whose signature does not fit; CA files of one name with different
//! fingerprints on different hosts; a host's own CA of k3s beside what the server shows, where it was made
//! at another time and nobody rotates CAs. What a server shows is its certificate, or the CA that it serves at
//! `/cacerts`. A kubelet to which the API server that calls it is unknown.
//!
//! ## Why it matters
//! A cluster that was made anew under the same name and address has new CAs. A node that kept the old
//! ones trusts nobody there, and nobody trusts it.
//!
//! ## What to do
//! Compare fingerprints of the CA on the node and on the server. Set the node's agent (or server)
//! directory aside and let it join again with the new token.
//!
//! ## What not to do
//! Do not switch verification off, and do not copy single CA files: keys and leaves of the old cluster
//! stay.

use std::collections::BTreeMap;

use defib_model::Evidence;
use defib_model::fact::{Certificate, Fact, Value};

use crate::analysis::host::{self, TROUBLES, called, entity, facts_anywhere, quotes};
use crate::analysis::{authorities, product};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT007",
    class: "foreign-cluster-ca",
    needs: &[],
    leads_to: &[K::TlsRejected, K::JoinFailing, K::ServiceFailing],
    check,
};

/// Who calls: the node's own programs, at the control plane.
const CALLS: &[&str] = &[
    "Failed to validate connection to cluster",
    "CA cert validation failed",
    "Waiting to retrieve agent configuration",
    "/v1-k3s/",
    "Unable to register node",
    "Failed to validate server token",
    "Remotedialer",
    "Failed to connect to proxy",
    "tls: bad certificate",
];

/// The kubelet, called by the API server (kubernetes `pkg/kubelet/server/server.go`); the API server has the same words
/// for its own callers, in another file.
const CALLED: (&str, &str) = ("server.go:", "Unable to authenticate the request");

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let strangers = strangers(cx);
    let mut said: BTreeMap<EntityId, Vec<Evidence>> = BTreeMap::new();
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["tls.unknown-authority", "k3s.ca-validation"],
        "the server's certificate is of a CA that this node does not have",
    )) {
        let lines: Vec<_> = lines
            .into_iter()
            .filter(|l| {
                let says = |w: &str| l.evidence.text.contains(w);
                CALLS.iter().any(|w| says(w)) || (says(CALLED.0) && says(CALLED.1))
            })
            .collect();
        if lines.is_empty() {
            continue;
        }
        let known = |id: &&EntityId| host::same_host(id.name(), host.name());
        if let Some(id) = strangers.keys().find(known) {
            said.entry(id.clone()).or_default().extend(quotes(&lines));
            continue;
        }
        // An authority of the same name, whose key does not fit: the name is the same, the cluster is not.
        let same_name = lines
            .iter()
            .any(|l| l.evidence.text.contains("candidate authority certificate"));
        let f = about(cx, &host)
            .term(
                if same_name { 75 } else { 50 },
                if same_name {
                    "it has a CA of that name, with another key"
                } else {
                    "it does not know the CA"
                },
            )
            .cite_all(quotes(&lines))
            .explains_observed(cx, TROUBLES, &host);
        out.push(if same_name {
            f
        } else {
            f.undecided("Has the cluster been made anew, or are components mixed?", "openssl x509 -noout -fingerprint -sha256 -in /var/lib/rancher/k3s/agent/server-ca.crt; curl -ks https://SERVER:6443/cacerts | openssl x509 -noout -fingerprint -sha256", &["foreign-cluster-ca", "mixed-ca", "token-mismatch"])
        });
    }
    for (host, evidence) in strangers {
        let words = said.remove(&host).unwrap_or_default();
        let nobody = entity("");
        out.push(
            about(cx, &host)
                .term(82, "its CA is not the one that signed what the server shows, and nobody rotates CAs")
                .cite_all(evidence)
                .cite_all(words)
                .explains_observed(cx, TROUBLES, &host)
                .explains_observed(cx, TROUBLES, &nobody),
        );
    }
    files(cx, out);
}

/// Hosts whose CA file is of another generation than what the servers show: what they kept is of a cluster
/// that was there before. Servers that differ among themselves are another matter, and so is a rotation.
fn strangers(cx: &Context<'_>) -> BTreeMap<EntityId, Vec<Evidence>> {
    let mut out: BTreeMap<EntityId, Vec<Evidence>> = BTreeMap::new();
    if authorities::rotates(cx) {
        return out;
    }
    let shown = authorities::shown(cx);
    let all = authorities::authorities(cx);
    for ca in &all {
        let same = |o: &authorities::Signed<'_>| o.kind == ca.kind && o.made == ca.made;
        let here = |o: &&authorities::Signed<'_>| o.fact.host == ca.fact.host;
        let Some(other) = shown
            .iter()
            .find(|l| l.kind == ca.kind && l.made != ca.made)
        else {
            continue;
        };
        // Somebody still shows it, or the host has the server's CA as well.
        let agrees = |o: &authorities::Signed<'_>| o.kind == other.kind && o.made == other.made;
        if shown.iter().any(same) || all.iter().filter(here).any(agrees) {
            continue;
        }
        let evidence = out.entry(entity(&ca.fact.host)).or_default();
        evidence.push(cx.fact(ca.fact, "the CA that this host has"));
        evidence.push(cx.fact(other.fact, "what the server shows is of another CA"));
    }
    out
}

/// CA files of one name whose fingerprints differ between hosts: the odd one out is the stranger.
fn files(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut by_file: BTreeMap<&str, Vec<(&Fact, &Certificate)>> = BTreeMap::new();
    for (fact, c) in facts_anywhere(cx, |v| match v {
        Value::Certificate(c)
            if !c.fingerprint.is_empty()
                && (c.path.contains("-ca.") || c.path.ends_with("/pki/ca.crt")) =>
        {
            Some(c.as_ref())
        }
        _ => None,
    }) {
        // etcd has a server-ca of its own, one folder below.
        let name = c.path.rsplit('/').next().unwrap_or_default();
        let name = match c.path.find("etcd/") {
            Some(at) => c.path.get(at..).unwrap_or(name),
            None => name,
        };
        by_file.entry(name).or_default().push((fact, c));
    }
    let mut odd: BTreeMap<EntityId, Vec<Evidence>> = BTreeMap::new();
    for list in by_file.values() {
        let votes = |print: &str| list.iter().filter(|(_, c)| c.fingerprint == print).count();
        let Some((_, most)) = list.iter().max_by_key(|(_, c)| votes(&c.fingerprint)) else {
            continue;
        };
        // One against one says that they differ, and not whose is the stranger's.
        let others = |c: &Certificate| c.fingerprint != most.fingerprint;
        if list
            .iter()
            .any(|(_, c)| others(c) && votes(&c.fingerprint) == votes(&most.fingerprint))
        {
            continue;
        }
        for (fact, c) in list.iter().filter(|(f, c)| !f.host.is_empty() && others(c)) {
            let all = odd.entry(entity(&fact.host)).or_default();
            all.push(cx.fact(fact, format!("its {} is another one", c.path)));
            all.extend(
                list.iter()
                    .filter(|(_, o)| o.fingerprint == most.fingerprint)
                    .map(|(f, _)| cx.fact(f, "that of the others")),
            );
        }
    }
    for (host, evidence) in odd {
        out.push(
            about(cx, &host)
                .term(80, "the fingerprints differ")
                .cite_all(evidence)
                .explains_observed(cx, TROUBLES, &host),
        );
    }
}

fn about(cx: &Context<'_>, host: &EntityId) -> Finding {
    let agent = product::of(cx, host).agent();
    let (name, unit) = (agent.name(), agent.unit());
    let folder = format!("/var/lib/rancher/{name}/agent");
    RULE.on(host.clone())
        .title(format!("{} carries the CA of another cluster", called(host)))
        .why("It trusts nobody in this cluster, and nobody trusts it, although names and addresses are the same.")
        .safe("Compare fingerprints; file times prove nothing.", command!("openssl x509 -noout -fingerprint -sha256 -in {}/server-ca.crt; curl -ks https://SERVER:6443/cacerts | openssl x509 -noout -fingerprint -sha256", folder))
        // Stopping the unit alone leaves pods running on mounts below the folder.
        .check_first("On an agent: end what runs on it, set its old identity aside and let it join with the present token. It pulls its images anew.", command!("{}-killall.sh && mv {} {}.old && systemctl start {}", name, folder, folder, unit))
        .advice("On a server move nothing yet: its datastore is of that other cluster too. Decide first which cluster's data is to be kept.")
        .dont("Don't switch the verification off.")
        .dont("Don't copy single CA files over: keys and certificates of the old cluster stay behind.")
}
