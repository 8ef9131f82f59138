//! # CRT002 The cluster can't reach its own public address
//!
//! class: acme-self-check-hairpin
//!
//! ## What it sees
//! cert-manager's Challenge (or log): `failed to perform self check GET request` with a timeout, a
//! refused or a closed connection.
//!
//! ## Why it matters
//! cert-manager asks its own challenge over the public name before it asks the authority. Behind a
//! router without hairpin NAT, or with a name that resolves to the public address inside, the answer
//! never comes, and no certificate is issued.
//!
//! ## What to do
//! Let the name resolve to the ingress' own address inside (split DNS), switch hairpin NAT on, or use
//! DNS-01.
//!
//! ## What not to do
//! Do not delete and re-make the Certificate again and again: the authority limits how often it is
//! asked.

use crate::analysis::gitops;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT002",
    class: "acme-self-check-hairpin",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

/// How a connection to an address that can't be reached ends; an HTTP answer is another trouble.
fn unreachable(message: &str) -> bool {
    [
        "i/o timeout",
        "timed out",
        "connection refused",
        "context deadline exceeded",
        "EOF",
        "no route to host",
        "connection reset",
        "Client.Timeout",
        "network is unreachable",
    ]
    .iter()
    .any(|w| message.contains(w))
}

fn finding(id: EntityId) -> Finding {
    RULE.on(id)
        .title("the cluster can't reach its own public address, so the ACME self check fails")
        .why("cert-manager asks its own challenge by the public name first; without an answer no certificate is ordered.")
        .safe("Ask from inside and from outside.", "kubectl run hairpin --rm -it --restart=Never --image=curlimages/curl -- -sv -m 10 http://HOST/.well-known/acme-challenge/test")
        .check_first("Let the name resolve to the ingress' address inside, switch hairpin NAT on, or use DNS-01.", "kubectl -n kube-system edit configmap coredns-custom")
        .dont("Don't re-make the Certificate again and again: the authority limits how often it is asked.")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut seen = false;
    for o in &cx.cluster.others {
        let Some(object) = cx.cluster.object(o.obj).filter(|x| x.kind == "Challenge") else {
            continue;
        };
        let v = gitops::value(cx, o.obj);
        let reason = gitops::text(&v, "/status/reason");
        if reason.contains("failed to perform self check")
            && unreachable(reason)
            && gitops::text(&v, "/status/state") != "valid"
        {
            seen = true;
            out.push(
                finding(object.id.clone())
                    .term(80, "the self check gets no answer")
                    .cite(cx.field(
                        o.obj,
                        "/status/reason",
                        "cert-manager's own request gets no answer",
                    ))
                    .explains_if(cx, K::ResourceNotReady, &object.id),
            );
        }
    }
    for hit in cx.hits("cert-manager.self-check").filter(|_| !seen) {
        if hit
            .lines
            .iter()
            .any(|l| l.groups.first().is_some_and(|t| unreachable(t)))
        {
            out.push(
                finding(EntityId::other("acme", "self-check"))
                    .term(78, "the self check gets no answer")
                    .cite(cx.log(hit, 0, "cert-manager's own request gets no answer")),
            );
        }
    }
}
