//! # CRT006 Components hold certificates of different cluster CAs
//!
//! class: mixed-ca
//!
//! ## What it sees
//! Certificates of one host whose issuer is not the CA file beside them; servers that show certificates of
//! different CAs; peers of etcd that reject each other with `signed by unknown authority` while both name CAs of the
//! same cluster; a part of kubeadm's control plane that knows another `kubernetes` authority than the API server has.
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

use crate::analysis::authorities;
use crate::analysis::etcd::{entity as cluster, explain_all};
use crate::analysis::host::{self, TROUBLES, entity, quotes};
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
    endpoints(cx, out);
    // Peers that reject each other: the verifying side knows why.
    let (peers, clients): (Vec<_>, Vec<_>) = host::lines(
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
    .partition(|l| BETWEEN_PEERS.iter().any(|w| l.evidence.text.contains(w)));
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
    // kubeadm's parts at the API server: an authority of the same name, with another key. On k3s they are one program.
    let parts: Vec<_> = host::lines(
        cx,
        &["tls.unknown-authority"],
        "it has a CA of that name, with another key",
    )
    .into_iter()
    .filter(|l| {
        l.text
            .contains("candidate authority certificate \"kubernetes\"")
            && l.text.contains(":6443/")
    })
    .collect();
    if !parts.is_empty() {
        let f = advise(RULE.on(cluster()))
            .title("a part of the control plane and the API server hold certificates of different CAs of one name")
            .term(76, "it has a CA of that name, with another key")
            .cite_all(quotes(&parts));
        out.push(explain_all(f, cx));
        return;
    }
    // A client may have been given another CA, or none.
    if !clients.is_empty() {
        let f = advise(RULE.on(cluster()))
            .title("a client of etcd and the member that it called do not know the same CA")
            .term(
                45,
                "one side verifies the other's certificate and does not know its CA",
            )
            .cite_all(quotes(&clients));
        out.push(explain_all(f, cx).undecided(
            "Was this client given the CA that signed the member's certificate (--cacert, --datastore-cafile)? Compare fingerprints.",
            "for f in /var/lib/rancher/k3s/server/tls/etcd/*-ca.crt; do openssl x509 -noout -subject -fingerprint -in $f; done; openssl s_client -connect 127.0.0.1:2379 </dev/null 2>/dev/null | openssl x509 -noout -issuer",
            &["mixed-ca", "foreign-cluster-ca"],
        ));
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

/// Words of a connection between two members.
const BETWEEN_PEERS: &[&str] = &[
    ":2380",
    "peer endpoint",
    "prober detected",
    "rafthttp",
    "remote-peer-id",
];

/// A leaf whose issuer is no CA of the same host.
fn issuers(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let authorities = authorities::authorities(cx);
    for leaf in authorities::leaves(cx) {
        // What another machine shows is not beside the files of this one: that is another question, unless
        // it is known that the CAs are being changed.
        if leaf.is_remote() && !authorities::rotates(cx) {
            continue;
        }
        let near = || {
            authorities
                .iter()
                .filter(|ca| ca.fact.host == leaf.fact.host && ca.kind == leaf.kind)
        };
        let Some(ca) = near().find(|ca| ca.made != leaf.made) else {
            continue;
        };
        if near().any(|ca| ca.made == leaf.made) {
            continue;
        }
        let host = entity(&leaf.fact.host);
        out.push(
            advise(RULE.on(host.clone()))
                .title(format!(
                    "certificates are of another {} than the one beside them",
                    leaf.kind
                ))
                .term(85, "issuer and CA differ")
                .cite(cx.fact(leaf.fact, "issued by this CA"))
                .cite(cx.fact(ca.fact, "and this is the CA that is there"))
                .explains_observed(cx, TROUBLES, &host),
        );
    }
}

/// Endpoints of one cluster that show certificates of different CAs of one kind.
fn endpoints(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let shown: Vec<_> = authorities::leaves(cx)
        .into_iter()
        .filter(|l| !l.certificate.peer.is_empty())
        .collect();
    let Some((one, other)) = shown.iter().find_map(|a| {
        let differs = |b: &&authorities::Signed<'_>| {
            b.kind == a.kind && b.made != a.made && b.certificate.peer != a.certificate.peer
        };
        Some((a, shown.iter().find(differs)?))
    }) else {
        return;
    };
    let mut f = advise(RULE.on(EntityId::other("api-server", "cluster")))
        .title(format!(
            "servers show certificates of different CAs: {} of {}-ca@{}, {} of {}-ca@{}",
            one.certificate.peer,
            one.kind,
            one.made,
            other.certificate.peer,
            other.kind,
            other.made
        ))
        .term(88, "their issuers differ")
        .cite(cx.fact(one.fact, format!("shown by {}", one.certificate.peer)))
        .cite(cx.fact(other.fact, format!("shown by {}", other.certificate.peer)))
        .cite_all(quotes(&host::lines(
            cx,
            &["tls.unknown-authority"],
            "whoever meets the wrong one rejects it",
        )));
    for c in cx.all(K::TlsRejected) {
        f = f.explains(K::TlsRejected, &c.entity);
    }
    out.push(f);
}

fn advise(f: Finding) -> Finding {
    f.why("Part of the files was restored or rotated, part was not; connections fail between some and work between others.")
        .safe("Which CA has who?", "for f in /var/lib/rancher/k3s/server/tls/etcd/*.crt /var/lib/rancher/k3s/server/tls/*-ca.crt; do openssl x509 -noout -subject -issuer -fingerprint -in $f; done")
        .advice("Bring every server to the CAs of the bootstrap record: move the files that differ aside, start one server after the other.")
        .dont("Don't rotate once more on top of it.")
}
