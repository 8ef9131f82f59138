//! # GIT004 Flux has no key to decrypt with
//!
//! class: flux-sops-key-not-available
//!
//! ## What it sees
//! A Kustomization, or the kustomize-controller's log, with `cannot get sops data key`; or a
//! Kustomization that applies encrypted values because it has no `spec.decryption`.
//!
//! ## Why it matters
//! After a rebuild the age or PGP key is what no repository holds. Everything behind the encrypted
//! file waits: all of its Kustomization, and what depends on it.
//!
//! ## What to do
//! Put the private key into the Secret that `spec.decryption.secretRef` names, in the Kustomization's
//! own namespace, under a key that ends in `.agekey` (age) or `.asc` (PGP).
//!
//! ## What not to do
//! Do not commit the values in plain text to get on, and do not make a new key before you have looked
//! for the old one: what it encrypted is lost without it.

use crate::analysis::gitops;
use crate::analysis::said::{claim, said, subject};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT004",
    class: "flux-sops-key-not-available",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

/// Stands for the Kustomization where nobody says which.
const NOBODY: &str = "flux";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (words, signal) in [
        ("cannot get sops data key", "flux.sops-data-key"),
        ("Error getting data key: ", "sops.get-data-key"),
        ("data key required to decrypt", "flux.sops-user-error"),
        ("decryption secret error: ", "flux.sops-secret-missing"),
        ("cannot get decryption Secret", "flux.sops-secret-missing"),
        // Of a Kustomization's Secrets only its keys have such names. Source: Flux' guide to SOPS.
        ("secrets \"sops", "flux.sops-secret-named"),
    ] {
        let is_secret = signal.starts_with("flux.sops-secret");
        let meaning = match is_secret {
            true => "the Secret with the private key is not there",
            false => "sops finds no private key for the file",
        };
        for s in said(cx, words, signal, meaning) {
            let id = s.who.clone().or_else(|| {
                subject(&s.evidence.text).map(|(ns, n)| {
                    EntityId::object("Kustomization", "kustomize.toolkit.fluxcd.io", &ns, &n)
                })
            });
            let id = id.unwrap_or_else(|| EntityId::other(NOBODY, "decryption"));
            let ns = id.namespace().unwrap_or("flux-system").to_owned();
            let mut f = RULE
                .on(id.clone())
                .title(format!("Flux has no key that decrypts the files of {}", id.name()))
                .why("Nothing of it is applied, and what depends on it waits, until the private key is there.")
                .term(
                    85,
                    match is_secret {
                        true => "Flux does not find the Secret that holds the key",
                        false => "sops says that none of the file's keys can be used",
                    },
                )
                .safe("See which Secret is named, and what keys it holds.", command!("kubectl get kustomizations -n {} -o custom-columns=NAME:.metadata.name,DECRYPTION:.spec.decryption; kubectl get secrets -n {} -o custom-columns=NAME:.metadata.name,KEYS:.data", ns, ns))
                .check_first("Put the private key where Flux looks for it (the file name must end in .agekey).", command!("kubectl create secret generic sops-age -n {} --from-file=age.agekey=PRIVATE-KEY-FILE", ns))
                .dont("Don't commit the values in plain text to get on.")
                .dont("Don't make a new key before you have looked for the old one: what it encrypted is lost without it.");
            f = claim(cx, f, &[&s]);
            if s.who.is_none() {
                f = f.cite_all(
                    cx.hits("sops.age-identities")
                        .map(|h| cx.log(h, 0, "why no key could be used"))
                        .take(2),
                );
            }
            if let Some(object) = cx
                .cluster
                .others
                .iter()
                .find(|o| cx.cluster.id(o.obj) == id)
            {
                f = why(cx, f, object.obj, &ns);
            }
            out.push(f);
        }
    }
    // One failure is said with several of these words; whom it is about need not stand in all of them.
    let named = |f: &Finding| f.rule.code == RULE.code && f.entity.kind() != NOBODY;
    if out.iter().any(named) {
        out.retain(|f| f.rule.code != RULE.code || named(f));
    }
}

/// What of the three places is wrong, where the objects tell.
fn why(cx: &Context<'_>, f: Finding, obj: defib_model::cluster::ObjId, ns: &str) -> Finding {
    let v = gitops::value(cx, obj);
    let name = gitops::text(&v, "/spec/decryption/secretRef/name");
    if v.pointer("/spec/decryption").is_none() {
        return f
            .cite(cx.field(obj, "/spec", "it has no decryption block"))
            .term(10, "the Kustomization has no decryption block");
    }
    let f = f.cite(cx.field(obj, "/spec/decryption", "where Flux looks for the key"));
    match cx
        .cluster
        .secrets
        .iter()
        .find(|s| s.metadata.namespace == ns && s.metadata.name == name)
    {
        None if !name.is_empty() && cx.cluster.is_listed("Secret", ns) => {
            f.term(10, format!("Secret {name} is not in namespace {ns}"))
        }
        Some(s)
            if !s.data.iter().any(|k| {
                k.ends_with(".agekey") || k.ends_with(".asc") || k.starts_with("sops.")
            }) =>
        {
            f.term(
                10,
                "no key of the Secret ends in .agekey or .asc, so none is read",
            )
        }
        _ => f,
    }
}
