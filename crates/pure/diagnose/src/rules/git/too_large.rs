//! # GIT009 An object is too large for client-side apply
//!
//! class: gitops-object-too-large-for-client-apply
//!
//! ## What it sees
//! `metadata.annotations: Too long: must have at most 262144 bytes` (or characters).
//!
//! ## Why it matters
//! `kubectl apply` keeps the whole object in an annotation, and large CRDs and ConfigMaps do not fit.
//! The old version stays in the cluster, and newer controllers fail on it.
//!
//! ## What to do
//! Apply on the server's side (`--server-side`; Argo CD: `ServerSideApply=true`), or `kubectl replace`.
//!
//! ## What not to do
//! Do not delete the CRD to make it again: all resources of its kind are deleted with it.

use crate::analysis::said::{claim, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT009",
    class: "gitops-object-too-large-for-client-apply",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for s in said(
        cx,
        "metadata.annotations: Too long",
        "apiserver.annotation-too-long",
        "the annotation that client-side apply keeps is over its limit",
    ) {
        let object = crate::analysis::between(&s.text, "\"", "\" is invalid")
            .map(|t| t.rsplit('"').next().unwrap_or(t).to_owned());
        let id = s
            .who
            .clone()
            .unwrap_or_else(|| EntityId::other("object", object.as_deref().unwrap_or("unnamed")));
        let f = RULE
            .on(id)
            .title(format!("{} is too large for client-side apply", object.as_deref().unwrap_or("an object")))
            .why("kubectl apply keeps the whole object in an annotation of at most 256 KiB.")
            .term(92, "the API server names the annotation and its limit")
            .check_first("Apply on the server's side.", "kubectl apply --server-side --force-conflicts -f FILE")
            .dont("Don't delete a CRD to make it again: all resources of its kind are deleted with it.");
        out.push(claim(cx, f, &[&s]));
    }
}
