//! # CRT001 A certificate in use has run out
//!
//! class: cert-expired
//!
//! ## What it sees
//! `x509: certificate has expired or is not yet valid: current time A is after B` in a log, an event or
//! a status.
//!
//! ## Why it matters
//! Every client of that certificate is cut off at once. k3s renews its own at a restart when less than
//! 120 days (older versions: 90) are left; a server that ran for a year without one has none.
//!
//! ## What to do
//! Find out whose certificate it is by the address in the message; on k3s restart the service, or
//! `k3s certificate rotate` with the service stopped.
//!
//! ## What not to do
//! Do not set the clock back, and do not delete the server's `tls` folder: the CAs are in it too.

use crate::analysis::said::{claim, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT001",
    class: "cert-expired",
    needs: &[],
    leads_to: &[K::WebhookFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut all = said(
        cx,
        "certificate has expired or is not yet valid",
        "tls.expired",
        "the certificate's time and the clock do not agree",
    );
    // A registry's certificate is the registry's trouble, and has a word of its own.
    all.retain(|s| {
        ![
            "pull image",
            "pulling image",
            "pull and unpack",
            "failed to resolve reference",
            "/v2/",
        ]
        .iter()
        .any(|w| s.evidence.text.contains(w))
    });
    // "is before" means not yet valid: that is a clock, not a certificate.
    let (after, rest): (Vec<_>, Vec<_>) = all.iter().partition(|s| s.text.contains(" is after "));
    let before = rest.iter().any(|s| s.text.contains(" is before "));
    let whose = EntityId::other("certificate", "in-use");
    let base = || {
        RULE.on(whose.clone())
            .title("a certificate in use has run out")
            .why("Every client of that certificate is cut off until it is renewed.")
            .safe("See what runs out when.", "k3s certificate check --output table; openssl s_client -connect HOST:PORT </dev/null 2>/dev/null | openssl x509 -noout -subject -dates; date -u")
            .check_first("On k3s: renew at a restart.", "systemctl stop k3s && k3s certificate rotate && systemctl start k3s")
            .dont("Don't set the clock back.")
            .dont("Don't delete the server's tls folder: the CAs are in it too.")
    };
    if !after.is_empty() {
        let f = base().term(
            80,
            "the verifier names the time at which the certificate ran out",
        );
        let f = claim(cx, f, &after.iter().take(5).copied().collect::<Vec<_>>());
        let f = after
            .iter()
            .filter_map(|s| crate::analysis::webhook_in(&s.text))
            .fold(f, |f, name| {
                f.explains_if(
                    cx,
                    K::WebhookFailing,
                    &crate::analysis::webhook::entity_of(cx, name),
                )
            });
        out.push(if before {
            f.undecided(
                "Some certificates are not yet valid: is the clock right?",
                "date -u; timedatectl",
                &["cert-expired", "clock-skew"],
            )
        } else {
            f
        });
    } else if !rest.is_empty() && !before {
        let f = claim(
            cx,
            base().term(
                50,
                "the verifier says expired or not yet valid, without the times",
            ),
            &rest.iter().take(5).copied().collect::<Vec<_>>(),
        );
        out.push(f.undecided(
            "Has the certificate run out, or is the clock wrong?",
            "date -u; k3s certificate check --output table",
            &["cert-expired", "clock-skew"],
        ));
    }
}
