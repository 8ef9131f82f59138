//! # CRT008 A listing or the other side shows a certificate that has run out
//!
//! class: cert-expired
//!
//! ## What it sees
//! `certificate … expired at` of k3s, `remote error: tls: expired certificate` of whoever is called, a
//! kubeconfig's client certificate that kubelet finds expired, a certificate printed by openssl whose
//! end lies before the evidence's time.
//!
//! ## Why it matters
//! Every connection with that certificate is refused until it is renewed.
//!
//! ## What to do
//! Restart k3s (it renews what has less than 120 days, older versions 90), or `k3s certificate rotate`
//! with the service stopped.
//!
//! ## What not to do
//! Do not set the clock back; do not delete the server's `tls` folder.

use defib_model::fact::Value;

use crate::analysis::host::{self, TROUBLES, called, entity, facts_anywhere, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT008",
    class: "cert-expired",
    needs: &[],
    leads_to: &[K::TlsRejected, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut found: std::collections::BTreeMap<EntityId, Vec<defib_model::Evidence>> =
        Default::default();
    for (host, lines) in host::by_host(host::lines(
        cx,
        &[
            "k3s.cert-expired",
            "kubelet.client-cert-expired",
            "kubeadm.cert-invalid",
        ],
        "this certificate has run out",
    )) {
        found.entry(host).or_default().extend(quotes(&lines));
    }
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["tls.other-side"],
        "the other side finds the certificate expired",
    )) {
        let lines: Vec<_> = lines
            .into_iter()
            .filter(|l| {
                l.line
                    .groups
                    .first()
                    .is_some_and(|g| g == "expired certificate")
            })
            .collect();
        if !lines.is_empty() {
            found.entry(host).or_default().extend(quotes(&lines));
        }
    }
    // What the evidence's own time says of certificates that were printed.
    let now = facts_anywhere(cx, |v| match v {
        Value::Clock(t) => Some(*t),
        _ => None,
    })
    .map(|(_, t)| t)
    .max()
    .or(cx.cluster.as_of);
    for (fact, until) in facts_anywhere(cx, |v| match v {
        Value::Certificate(c) => c.until,
        _ => None,
    }) {
        if now.is_some_and(|now| until < now) {
            found
                .entry(entity(&fact.host))
                .or_default()
                .push(cx.fact(fact, format!("ended at {until}")));
        }
    }
    for (host, evidence) in found {
        out.push(
            RULE.on(host.clone())
                .title(format!("a certificate on {} has run out", called(&host)))
                .why("Every connection with it is refused until it is renewed.")
                .term(85, "its end has passed")
                .cite_all(evidence)
                .explains_observed(cx, TROUBLES, &host)
                .safe(
                    "See what runs out when, and what time it is.",
                    "k3s certificate check --output table; date -u",
                )
                .check_first(
                    "Renew at a restart.",
                    "systemctl stop k3s && k3s certificate rotate && systemctl start k3s",
                )
                .dont("Don't set the clock back.")
                .dont("Don't delete the server's tls folder: the CAs are in it too."),
        );
    }
}
