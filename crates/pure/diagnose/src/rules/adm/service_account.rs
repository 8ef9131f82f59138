//! # ADM004 The pods' service account does not exist
//!
//! class: serviceaccount-missing
//!
//! ## What it sees
//! `error looking up service account NS/NAME: serviceaccount "NAME" not found` on an owner whose pods
//! are not made; or an owner that lacks pods and names an account that is not among all accounts of
//! its namespace.
//!
//! ## Why it matters
//! No pod is made at all, so there is none to describe. Often the account was made in another
//! namespace, or under the release's name, or its manifest was left out of a rebuild.
//!
//! ## What to do
//! Make the account in the pods' namespace from the chart or manifest that owns it (with its role
//! bindings), or name the account that is there.
//!
//! ## What not to do
//! Do not make an empty account only: without its role bindings the pods start and are forbidden
//! everything.

use crate::analysis::between;
use crate::analysis::quota::silent_owners;
use crate::analysis::said::{claim, known_gone, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM004",
    class: "serviceaccount-missing",
    needs: &["Event"],
    leads_to: &[K::PodRefused],
    check,
};

fn finding(ns: &str, name: &str) -> Finding {
    RULE.on(EntityId::object("ServiceAccount", "", ns, name))
        .title(format!("service account {name} does not exist in namespace {ns}, so no pod that names it is made"))
        .why("The API server refuses the pods; the refusal shows only on their owner.")
        .safe("See which accounts there are, here and elsewhere.", command!("kubectl get serviceaccounts -n {}; kubectl get serviceaccounts -A | grep {}", ns, name))
        .check_first("Make the account from the chart or manifest that owns it, with its role bindings; or name the one that is there.", command!("kubectl create serviceaccount {} -n {}", name, ns))
        .dont("Don't stop at an empty account: without its role bindings the pods are forbidden everything.")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for s in &said(
        cx,
        "error looking up service account ",
        "apiserver.no-service-account",
        "the API server names the account that it did not find",
    ) {
        let Some((ns, name)) = between(&s.text, "error looking up service account ", ": ")
            .and_then(|f| f.split_once('/'))
        else {
            continue;
        };
        let id = EntityId::object("ServiceAccount", "", ns, name);
        if cx.cluster.find(&id).is_some() {
            // It is there by now: the owner only has not tried again yet.
            continue;
        }
        let mut f = claim(
            cx,
            finding(ns, name).term(85, "the API server names the account that it did not find"),
            &[s],
        );
        // A dry run asks before anything of the same set is made, the account perhaps among it.
        if s.text.contains("dry-run failed") || s.evidence.text.contains("dry-run failed") {
            f = f.undecided(
                format!("Is service account {ns}/{name} made by the same Kustomization as what names it?"),
                command!("kubectl get serviceaccounts -n {}; flux tree kustomization NAME", ns),
                &["gitops-dependency-order", "serviceaccount-missing"],
            );
        }
        if known_gone(cx, &id) {
            f = f.term(
                10,
                format!("all accounts of namespace {ns} were listed, and it is not among them"),
            );
        }
        if let Some(w) = s.who.as_ref().and_then(|who| {
            cx.cluster
                .workloads
                .iter()
                .find(|w| cx.cluster.id(w.obj) == *who)
        }) {
            f = f.cite(cx.field(
                w.obj,
                "/spec/template/spec/serviceAccountName",
                "the template names it here",
            ));
        }
        out.push(f);
    }
    for w in silent_owners(cx) {
        let (ns, name, id) = (
            &w.metadata.namespace,
            &w.spec.template.spec.service_account_name,
            cx.cluster.id(w.obj),
        );
        if name.is_empty() || !known_gone(cx, &EntityId::object("ServiceAccount", "", ns, name)) {
            continue;
        }
        out.push(
            finding(ns, name)
                .term(
                    60,
                    format!("all accounts of namespace {ns} were listed, and it is not among them"),
                )
                .term(25, "the owner lacks pods, and none were made")
                .cite(cx.field(
                    w.obj,
                    "/spec/template/spec/serviceAccountName",
                    "the template names it here",
                ))
                .cite(cx.field(
                    w.obj,
                    "/spec/replicas",
                    format!("{} of these exist", w.existing()),
                ))
                .explains_if(cx, K::ReplicasMissing, &id)
                .explains_if(cx, K::ReplicasMissing, &cx.top_owner(&id)),
        );
    }
}
