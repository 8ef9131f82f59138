//! Sealed secrets that do not open: the key is gone, or the seal is for another name or namespace.
//!
//! Source: bitnami-labs/sealed-secrets `pkg/crypto/crypto.go` (HybridDecrypt says "no key could decrypt
//! secret" in both cases: the label is part of what is authenticated). So the words decide nothing;
//! what decides is whether others open. Deliberately absent: looking into the sealed values.

use std::collections::BTreeSet;

use defib_model::fact::{Fact, Value};
use defib_model::id::EntityId;

use super::references;
use super::said::{Said, said};
use crate::context::Context;
use crate::rule::Finding;

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// None opens.
    KeyLost,
    /// Others open.
    Scope,
    /// Nothing tells.
    Open,
}

/// The verdict, SealedSecrets that do not open with what they say, and one that opens (if any).
pub type Closed = (Verdict, Vec<(EntityId, Said)>, Option<EntityId>);

/// What does not open, if anything.
pub fn closed(cx: &Context<'_>) -> Option<Closed> {
    let mut all: Vec<(EntityId, Said)> = Vec::new();
    for s in said(
        cx,
        "no key could decrypt secret",
        "sealed-secrets.no-key",
        "the controller has no key that opens it",
    ) {
        let id = match &s.who {
            Some(who) => who.clone(),
            None => named(&s.evidence.text)
                .unwrap_or_else(|| EntityId::object("SealedSecret", "bitnami.com", "", "unnamed")),
        };
        if !super::said::past(cx, &id) {
            all.push((id, s));
        }
    }
    if all.is_empty() {
        return None;
    }
    // A line that names nothing, such as the row of a table, repeats what named ones say.
    if all.iter().any(|(id, _)| id.name() != "unnamed") {
        all.retain(|(id, _)| id.name() != "unnamed");
    }
    let failing: BTreeSet<&EntityId> = all
        .iter()
        .map(|(id, _)| id)
        .filter(|id| id.name() != "unnamed")
        .collect();
    let others: Vec<EntityId> = cx
        .cluster
        .others
        .iter()
        .filter_map(|o| Some((o, cx.cluster.object(o.obj)?)))
        .filter(|(_, object)| object.kind == "SealedSecret" && !failing.contains(&object.id))
        .map(|(_, object)| object.id.clone())
        .collect();
    let opened = others.iter().find(|id| super::said::past(cx, id)).cloned();
    let verdict = match (&opened, failing.len()) {
        (Some(_), _) => Verdict::Scope,
        _ if key_put_back(cx).is_some() => Verdict::Scope,
        (None, n) if n >= 2 && only_a_new_key(cx) => Verdict::KeyLost,
        (None, n) if n >= 3 && others.is_empty() => Verdict::KeyLost,
        (None, n)
            if n >= 2
                && others.is_empty()
                && cx
                    .cluster
                    .listed
                    .get("SealedSecret")
                    .is_some_and(|l| l.whole) =>
        {
            Verdict::KeyLost
        }
        _ => Verdict::Open,
    };
    Some((verdict, all, opened))
}

/// The controller found no key as it started, and made one: whatever was sealed before stays closed.
/// Source: sealed-secrets `pkg/controller/main.go` (initKeyRegistry), `keyregistry.go`.
fn only_a_new_key(cx: &Context<'_>) -> bool {
    cx.hits("sealed-secrets.new-key").next().is_some()
        && cx.hits("sealed-secrets.key-known").next().is_none()
}

/// The commands show that the old cluster's keys were saved and put into this one, and the controller
/// started again after that: the keys are there. The answer is the command that put them back.
pub fn key_put_back<'c>(cx: &'c Context<'_>) -> Option<&'c Fact> {
    let ran: Vec<(&Fact, &Vec<String>)> = cx
        .cluster
        .facts
        .iter()
        .filter_map(|f| match &f.value {
            Value::Ran(words) => Some((f, words)),
            _ => None,
        })
        .collect();
    let has = |words: &[String], w: &str| words.iter().any(|x| x == w);
    // `kubectl get secret -l …sealed-secrets-key -o yaml > FILE`
    let (saved, file) = ran.iter().find_map(|(f, words)| {
        let keys = words
            .iter()
            .any(|w| w.contains("sealedsecrets.bitnami.com/sealed-secrets-key"));
        let redirect = words.iter().position(|w| w.starts_with('>'))?;
        let file = match words.get(redirect)?.trim_start_matches('>') {
            "" => words.get(redirect + 1)?.clone(),
            name => name.to_owned(),
        };
        (keys && has(words, "get")).then_some((*f, file))
    })?;
    let (applied, _) = ran.iter().find(|(f, words)| {
        f.entry == saved.entry
            && f.line > saved.line
            && (has(words, "apply") || has(words, "create"))
            && has(words, &file)
    })?;
    ran.iter()
        .any(|(f, words)| {
            f.entry == applied.entry
                && f.line > applied.line
                && (has(words, "delete") || has(words, "restart"))
                && words.iter().any(|w| w.contains("sealed-secrets"))
        })
        .then_some(*applied)
}

/// `Error updating NS/NAME, giving up: …`, the older `Updating NS/NAME`, and `key=NS/NAME` of today.
fn named(line: &str) -> Option<EntityId> {
    let rest = line
        .split_once("updating ")
        .or_else(|| line.split_once("Updating "))
        .filter(|(_, rest)| !rest.starts_with("key="))
        .or_else(|| line.split_once(" key="))
        .map(|r| r.1)?;
    let (ns, name) = rest.split([',', ' ', '"']).next()?.split_once('/')?;
    Some(EntityId::object("SealedSecret", "bitnami.com", ns, name))
}

/// Does one of these SealedSecrets make this Secret? Where a row names no namespace, by its name.
pub fn makes(sealed: &[(EntityId, Said)], secret: &EntityId) -> bool {
    let same = |a: Option<&str>, b: Option<&str>| match (a.unwrap_or(""), b.unwrap_or("")) {
        ("", _) | (_, "") => true,
        (a, b) => a == b,
    };
    sealed
        .iter()
        .any(|(id, _)| id.name() == secret.name() && same(id.namespace(), secret.namespace()))
}

/// Claims what waits for Secrets that these do not make.
pub fn explain(cx: &Context<'_>, mut f: Finding, sealed: &[(EntityId, Said)]) -> Finding {
    for m in references::missing(cx, "Secret") {
        if makes(sealed, &m.what) {
            f = f.explains_observed(cx, &[m.condition], &m.pod);
        }
    }
    f
}
