//! # WRK012 An Ingress sends to a Service that does not exist
//!
//! class: ingress-backend-missing
//!
//! ## What it sees
//! An Ingress whose backend names a Service that is not in its namespace, where all Services were listed.
//!
//! ## Why it matters
//! The ingress controller answers 404 or 503 and says so only in its own log.
//!
//! ## What to do
//! Correct the name, or apply the Service. An Ingress can't send to another namespace.
//!
//! ## What not to do
//! Do not restart the ingress controller: it follows by itself.

use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK012",
    class: "ingress-backend-missing",
    needs: &["Ingress", "Service"],
    leads_to: &[K::BackendMissing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for ingress in &cx.cluster.ingresses {
        let id = cx.cluster.id(ingress.obj);
        let Some(_) = cx.has(K::BackendMissing, &id) else {
            continue;
        };
        let ns = &ingress.metadata.namespace;
        let missing: Vec<(String, &str)> = ingress
            .backends()
            .into_iter()
            .filter(|(_, name)| !cx.cluster.has("Service", "", ns, name))
            .collect();
        let mut names: Vec<&str> = missing.iter().map(|(_, n)| *n).collect();
        names.sort_unstable();
        names.dedup();
        let names = names.join(", ");
        let mut finding = RULE
            .on(id.clone())
            .title(format!(
                "Ingress {} sends to Service {names}, which does not exist in namespace {ns}",
                ingress.metadata.name
            ))
            .why("The ingress controller answers 404 or 503 and says so only in its own log.")
            .term(
                88,
                format!(
                    "all Services of namespace {ns} were listed, and {names} is not among them"
                ),
            )
            .explains(K::BackendMissing, &id)
            .safe(
                "See which Services there are.",
                command!("kubectl get services -n {}", ns),
            )
            .check_first(
                "Correct the backend, or apply the Service.",
                command!("kubectl edit ingress {} -n {}", ingress.metadata.name, ns),
            )
            .dont("Don't restart the ingress controller: it follows by itself.");
        for (at, name) in &missing {
            finding =
                finding.cite(cx.field(ingress.obj, at, format!("there is no Service {name}")));
        }
        if let Some(elsewhere) = cx
            .cluster
            .services
            .iter()
            .find(|s| missing.iter().any(|(_, n)| *n == s.metadata.name))
        {
            finding = finding.term(
                7,
                format!(
                    "a Service of that name is in namespace {}",
                    elsewhere.metadata.namespace
                ),
            );
        }
        out.push(finding);
    }
}
