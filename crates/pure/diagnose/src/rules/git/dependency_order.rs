//! # GIT008 Objects are applied before what defines or precedes them
//!
//! class: gitops-dependency-order
//!
//! ## What it sees
//! A Flux Kustomization or HelmRelease, or an Argo CD Application, that fails because a namespace or
//! kind is not there, while another part of the same repository brings it.
//!
//! ## Why it matters
//! It works on a cluster that has lived for long, and fails on a rebuild: the order was never written
//! down.
//!
//! ## What to do
//! Say the order: `dependsOn` (Flux), sync waves (Argo CD), or the namespace in the same part.
//!
//! ## What not to do
//! Do not make the namespace or CRD by hand and leave it at that: the next rebuild stops at the same
//! place.

use defib_model::fact::Value;

use crate::analysis::kinds::{self, Verdict};
use crate::analysis::said::{Said, claim, known_gone, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT008",
    class: "gitops-dependency-order",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

fn of_gitops(s: &Said) -> bool {
    s.who
        .as_ref()
        .is_some_and(|w| matches!(w.kind(), "kustomization" | "helmrelease" | "application"))
}

fn finding(id: EntityId, what: &str) -> Finding {
    RULE.on(id.clone())
        .title(format!("{} {} is applied before {what} is there", id.kind(), id.name()))
        .why("On a cluster that has lived for long the order does not matter; on a rebuild it does.")
        .safe("See what there is of an order.", "kubectl get kustomizations,helmreleases -A -o custom-columns=NAME:.metadata.name,DEPENDS:.spec.dependsOn[*].name")
        .check_first("Say the order in the repository (dependsOn, sync waves).", "flux tree kustomization NAME")
        .dont("Don't make it by hand and leave it at that: the next rebuild stops at the same place.")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for s in said(
        cx,
        "namespaces \"",
        "gitops.namespace-missing",
        "a namespace is not there yet",
    ) {
        let Some(name) = crate::analysis::between(&s.text, "namespaces \"", "\" not found") else {
            continue;
        };
        // Who asks for the namespace itself, or for what is in it, applies nothing.
        let asked = |f: &defib_model::fact::Fact| {
            matches!(&f.value, Value::Error(t) if *t == s.text)
                && [
                    " get ",
                    " describe ",
                    " delete ",
                    " logs ",
                    " exec ",
                    " edit ",
                ]
                .iter()
                .any(|verb| f.command.contains(verb))
        };
        let logged = s.who.is_none() && !cx.cluster.facts.iter().any(asked);
        if !(of_gitops(&s) || logged) {
            continue;
        }
        let ns = EntityId::object("Namespace", "", "", name);
        let id = s
            .who
            .clone()
            .unwrap_or_else(|| EntityId::other("gitops", "apply"));
        let mut f = claim(
            cx,
            finding(id, &format!("namespace {name}")).term(
                78,
                "the API server does not know the namespace that the objects go to",
            ),
            &[&s],
        );
        if known_gone(cx, &ns) {
            f = f.term(10, "all namespaces were listed, and it is not among them");
        }
        out.push(f);
    }
    for (one, (verdict, said)) in kinds::unknown(cx) {
        if verdict != Verdict::Order {
            continue;
        }
        for s in said.iter().filter(|s| of_gitops(s)) {
            let Some(id) = s.who.clone() else { continue };
            let mut f = claim(
                cx,
                finding(id, &format!("kind {}", one.kind))
                    .term(60, "the kind was not known when it was applied"),
                &[s],
            );
            if let Some(crd) = cx.cluster.crds.iter().find(|c| {
                c.spec.names.kind == one.kind
                    && one.version.starts_with(&format!("{}/", c.spec.group))
            }) {
                f = f
                    .cite(cx.field(crd.obj, "/metadata/name", "the definition is there by now"))
                    .term(22, "its definition is there by now");
            }
            out.push(f);
        }
    }
}
