//! # GIT011 A sealed secret is used under another name or namespace than it was sealed for
//!
//! class: sealed-secret-scope-mismatch
//!
//! ## What it sees
//! `no key could decrypt secret` for one SealedSecret while others in the same cluster open.
//!
//! ## Why it matters
//! By default name and namespace are sealed in. A SealedSecret that was renamed, copied or moved does
//! not open, and the message is the same as for a lost key.
//!
//! ## What to do
//! Seal it again for the name and namespace where it is used, or seal it with a wider scope.
//!
//! ## What not to do
//! Do not touch the keys: they are in order, as the others show.

use crate::analysis::host;
use crate::analysis::said::claim;
use crate::analysis::sealed::{self, Verdict};
use crate::rules::prelude::*;
use defib_model::fact::{Fact, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT011",
    class: "sealed-secret-scope-mismatch",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some((verdict, all, opened)) = sealed::closed(cx) else {
        return;
    };
    if verdict == Verdict::KeyLost {
        return;
    }
    for one in &all {
        let (id, s) = one;
        let ns = id.namespace().unwrap_or_default();
        let mut f = RULE
            .on(id.clone())
            .title(format!("SealedSecret {} was sealed for another name or namespace than {ns}/{}", id.name(), id.name()))
            .why("Name and namespace are part of the seal; the message is the same as for a lost key.")
            .term(45, "the controller has no key that opens it under this name")
            .safe("Compare with where it was sealed.", command!("kubectl get sealedsecret {} -n {} -o yaml; git log --follow -- PATH", id.name(), ns))
            .check_first("Seal it again for this name and namespace.", command!("kubeseal --name {} --namespace {} --format yaml < SECRET.yaml", id.name(), ns))
            .dont("Don't touch the keys before you know that they are at fault.");
        f = claim(cx, f, &[s]);
        f = sealed::explain(cx, f, std::slice::from_ref(one));
        let sealed_as = sealed_as(cx, id);
        match &opened {
            Some(other) => {
                if let Some(o) = cx
                    .cluster
                    .others
                    .iter()
                    .find(|o| cx.cluster.id(o.obj) == *other)
                {
                    f = f.cite(cx.field(
                        o.obj,
                        "/status/conditions",
                        "this one opens with the same keys",
                    ));
                }
                f = f.term(
                    37,
                    format!("others open, {} for one: the keys are there", other.name()),
                );
            }
            None if sealed_as.is_some() => {
                if let Some((fact, name)) = &sealed_as {
                    f = f
                        .term(
                            33,
                            format!("what was sealed there was made under the name {name}"),
                        )
                        .cite(cx.fact(fact, "the Secret that was sealed has another name"));
                }
            }
            None if verdict == Verdict::Scope => {
                f = f
                    .term(
                        30,
                        "the keys of the old cluster were put into this one, and the controller started again",
                    )
                    .cite_all(
                        sealed::key_put_back(cx)
                            .map(|fact| cx.fact(fact, "the keys were put back")),
                    );
            }
            None => {
                f = f.undecided("Do other SealedSecrets open? If they do, this one is sealed for another name or namespace; if none does, the key is gone.", "kubectl get sealedsecrets -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SYNCED:.status.conditions[*].status,SAYS:.status.conditions[*].message", &["sealed-secret-key-lost", "sealed-secret-scope-mismatch"]);
            }
        }
        out.push(f);
    }
}

/// The Secrets that somebody made to be sealed, in that namespace, of which none has the name of this one: the last of
/// them. Where one has, or nothing was sealed, nothing is known.
fn sealed_as<'c>(cx: &'c Context<'_>, id: &EntityId) -> Option<(&'c Fact, String)> {
    let ran = || {
        host::facts_anywhere(cx, |v| match v {
            Value::Ran(words) => Some(words),
            _ => None,
        })
    };
    ran().find(|(_, w)| w.iter().any(|w| w.ends_with("kubeseal")))?;
    let mut last = None;
    for (fact, words) in ran() {
        let plain: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .take_while(|w| *w != "|")
            .collect();
        let Some(at) = plain.windows(2).position(|w| w == ["create", "secret"]) else {
            continue;
        };
        let Some(name) = plain.get(at + 3).filter(|n| !n.starts_with('-')) else {
            continue;
        };
        let mut options = plain.windows(2);
        let there = options
            .find_map(|w| matches!(w, ["-n" | "--namespace", _]).then(|| w.get(1).copied())?)
            .or_else(|| plain.iter().find_map(|w| w.strip_prefix("--namespace=")));
        if there.is_some_and(|ns| Some(ns) != id.namespace()) {
            continue;
        }
        if *name == id.name() {
            return None;
        }
        last = Some((fact, (*name).to_owned()));
    }
    last
}
