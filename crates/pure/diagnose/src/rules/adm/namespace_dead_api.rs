//! # ADM009 An API without backend keeps the namespace
//!
//! class: namespace-stuck-dead-apiservice
//!
//! ## What it sees
//! A namespace in deletion that says `Discovery failed for some groups …`, because an aggregated API
//! does not answer.
//!
//! ## Why it matters
//! The namespace controller must know every kind before it may say that nothing is left. One
//! APIService without a backend stops the deletion of every namespace, whatever is in it.
//!
//! ## What to do
//! Bring the backend of the APIService back; if the product is gone for good, delete the APIService.
//!
//! ## What not to do
//! Do not empty the namespace's `spec.finalizers`: the cause stays, and the next namespace hangs too.

use std::collections::BTreeSet;

use defib_model::views::Namespace;

use crate::analysis::aggregation::{discovery_failures, unavailable};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM009",
    class: "namespace-stuck-dead-apiservice",
    needs: &["Namespace"],
    leads_to: &[K::NamespaceTerminating],
    check,
};

/// `metrics.k8s.io/v1beta1` of `…: metrics.k8s.io/v1beta1: the server is currently unable …`, each once.
fn groups(message: &str) -> BTreeSet<&str> {
    let list = message.split_once("server APIs: ").map_or(message, |m| m.1);
    list.split([':', ',', ' '])
        .map(str::trim)
        .filter(|w| w.contains('.') && w.contains("/v"))
        .collect()
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let apis = unavailable(cx);
    let said = discovery_failures(cx);
    for (s, group) in said
        .iter()
        .flat_map(|s| groups(&s.text).into_iter().map(move |g| (s, g)))
    {
        let name = group
            .split_once('/')
            .map(|(g, v)| format!("{v}.{g}"))
            .unwrap_or_default();
        let ns = s
            .who
            .as_ref()
            .map_or("a namespace", |w| w.name())
            .to_owned();
        let mut f = RULE
            .on(EntityId::object("APIService", "apiregistration.k8s.io", "", &name))
            .title(format!("API {group} does not answer, so {ns} can't be emptied and stays in deletion"))
            .why("As long as one API can't be asked, no namespace can be deleted.")
            .term(80, "the namespace names the API that discovery fails for")
            .cite(s.evidence.clone())
            .weak()
            .safe("See which APIs do not answer, and who should serve them.", "kubectl get apiservices | grep -v True")
            .check_first("Bring the backend back.", command!("kubectl get apiservice {} -o jsonpath='{{.spec.service}}'; kubectl get pods -A", name))
            .destructive("If the product is gone for good: delete its APIService.", command!("kubectl delete apiservice {}", name))
            .dont("Don't empty the namespace's spec.finalizers: the cause stays, and the next namespace hangs too.");
        if let Some(who) = &s.who {
            f = f.explains_if(cx, K::NamespaceTerminating, who);
        }
        // Discovery is one for all: namespaces of which nobody shows more than that they wait, wait for it too.
        for other in cx.all(K::NamespaceTerminating) {
            let namespaces = &cx.cluster.namespaces;
            let shown = namespaces
                .iter()
                .find(|n| cx.cluster.id(n.obj) == other.entity);
            let waits =
                |n: &Namespace| n.status.conditions.is_empty() && n.metadata.finalizers.is_empty();
            if shown.is_none_or(waits) {
                f = f.explains(K::NamespaceTerminating, &other.entity);
            }
        }
        if let Some(u) = apis.iter().find(|u| u.name == name) {
            f = f
                .term(15, "the APIService is not available")
                .cite_all(u.evidence.clone())
                .explains_if(cx, K::ApiServiceUnavailable, &u.entity);
        }
        out.push(f);
    }
}
