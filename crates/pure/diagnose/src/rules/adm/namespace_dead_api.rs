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

/// `metrics.k8s.io/v1beta1` of `…: metrics.k8s.io/v1beta1: the server is currently unable …`.
fn group(message: &str) -> Option<&str> {
    let list = message.split_once("server APIs: ").map_or(message, |m| m.1);
    list.split([':', ',', ' '])
        .map(str::trim)
        .find(|w| w.contains('.') && w.contains("/v"))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let apis = unavailable(cx);
    for s in discovery_failures(cx) {
        let Some(group) = group(&s.text) else {
            continue;
        };
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
            if shown.is_none_or(|n| n.status.conditions.is_empty()) {
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
