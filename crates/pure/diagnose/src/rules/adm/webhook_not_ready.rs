//! # ADM007 A webhook is called before its server listens
//!
//! class: webhook-not-ready-yet
//!
//! ## What it sees
//! `failed calling webhook "NAME": … connection refused` while the pods behind it have only just been
//! made, or became ready after the last failure; or once, in the output of the client that installs.
//!
//! ## Why it matters
//! Helm, scripts and GitOps apply the product and the objects that its webhook checks in one go. The
//! webhook answers some seconds later, but whoever was refused may have given up by then.
//!
//! ## What to do
//! Wait for the webhook's Deployment, then apply again; in GitOps, let the second part depend on the
//! first.
//!
//! ## What not to do
//! Do not delete the webhook configuration: nothing is wrong with it.

use crate::analysis::said::claim;
use crate::analysis::webhook::{Verdict, failing};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM007",
    class: "webhook-not-ready-yet",
    needs: &["Event"],
    leads_to: &[K::WebhookFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for w in failing(cx)
        .into_iter()
        .filter(|w| matches!(w.verdict, Verdict::NotYet | Verdict::DownOrNotYet))
    {
        let place = w
            .service
            .as_ref()
            .map_or("-A".into(), |(ns, _)| command!("-n {}", ns));
        let mut f = RULE
            .on(w.entity.clone())
            .title(format!("webhook {} is called before its server listens", w.name))
            .why("The objects that it checks were applied together with it; the first calls come too early.")
            .term(60, "the connection is refused, and nothing shows that it was ever served")
            .explains_if(cx, K::WebhookFailing, &w.entity);
        let said: Vec<_> = w.said.iter().collect();
        f = claim(cx, f, &said);
        if let Some(pod) = w.pods.as_ref().and_then(|p| p.first()) {
            let at = if pod.is_ready() {
                "/status/conditions"
            } else {
                "/metadata/creationTimestamp"
            };
            f = f
                .cite(cx.field(
                    pod.obj,
                    at,
                    "the pod behind it is newer than the calls, or starting",
                ))
                .term(
                    25,
                    "the pods behind it are starting, or became ready after the calls",
                );
        }
        f = f
            .safe(
                "Wait until it serves.",
                command!(
                    "kubectl wait --for=condition=Ready pods --all {} --timeout=5m",
                    place
                ),
            )
            .check_first(
                "Then apply again what was refused.",
                "kubectl apply -f FILE",
            )
            .dont("Don't delete the webhook configuration: nothing is wrong with it.");
        if w.verdict == Verdict::DownOrNotYet {
            f = f.undecided(
                "Is a pod behind the webhook's Service ready by now?",
                command!("kubectl get pods,endpointslices {}", place),
                &["webhook-backend-down-fail-closed", "webhook-not-ready-yet"],
            );
        }
        out.push(f);
    }
}
