//! # ADM006 A webhook configuration outlived its Service
//!
//! class: webhook-config-orphaned
//!
//! ## What it sees
//! `failed calling webhook "NAME": … service "x" not found`, or a failing webhook whose Service is not
//! among all Services of its namespace. The API server's call alone counts, too.
//!
//! ## Why it matters
//! Webhook configurations belong to no namespace: they stay when the namespace or the release that
//! served them is deleted, and go on refusing.
//!
//! ## What to do
//! Make sure that nothing of the product is left or wanted, keep a copy, and delete the configuration;
//! or install the product again.
//!
//! ## What not to do
//! Do not delete every configuration that looks alike: one of them may belong to the copy that lives.

use crate::analysis::webhook::{Verdict, failing};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM006",
    class: "webhook-config-orphaned",
    needs: &["Event"],
    leads_to: &[K::WebhookFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for w in failing(cx)
        .into_iter()
        .filter(|w| w.verdict == Verdict::Orphaned)
    {
        let (ns, service) = w.service.clone().unwrap_or_default();
        let kind = w.config.map_or(
            "validatingwebhookconfigurations,mutatingwebhookconfigurations",
            |(c, _)| {
                if c.kind.starts_with("Mut") {
                    "mutatingwebhookconfiguration"
                } else {
                    "validatingwebhookconfiguration"
                }
            },
        );
        let config = w.config.map_or("", |(c, _)| c.metadata.name.as_str());
        let mut f = RULE
            .on(w.entity.clone())
            .title(format!("webhook {} calls Service {ns}/{service}, which does not exist", w.name))
            .why("The configuration outlived what served it, and refuses everything that it looks at.")
            .term(88, "the Service that the webhook names is not there")
            .cite_all(w.said.iter().map(|s| s.evidence.clone()))
            .explains_if(cx, K::WebhookFailing, &w.entity);
        if let Some((c, i)) = w.config {
            f = f
                .cite(cx.field(
                    c.obj,
                    &format!("/webhooks/{i}/clientConfig/service/name"),
                    "the Service that it calls",
                ))
                .term(5, "its configuration is in the evidence");
        }
        out.push(
            f.safe("See whether anything of the product is left.", command!("kubectl get all -n {}; kubectl get {} {} -o yaml | grep -A4 service:", ns, kind, config))
                .safe("Keep a copy.", command!("kubectl get {} {} -o yaml > webhook-copy.yaml", kind, config))
                .destructive("Delete the configuration that nothing serves (or install the product again).", command!("kubectl delete {} {}", if w.config.is_some() { kind } else { "validatingwebhookconfiguration" }, if config.is_empty() { "NAME" } else { config }))
                .dont("Don't delete every configuration that looks alike: one of them may belong to the copy that lives."),
        );
    }
}
