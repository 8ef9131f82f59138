//! # GIT005 A chain of dependencies waits for its first item
//!
//! class: flux-dependency-blocked-upstream
//!
//! ## What it sees
//! Flux resources that wait (`dependency 'x' is not ready`), followed by `dependsOn` to the first one
//! that does not wait for another, where no other rule knows what that one lacks.
//!
//! ## Why it matters
//! A whole cluster of red resources has one fault; all the others only say that they wait.
//!
//! ## What to do
//! Look at the first item only; the rest follows by itself.
//!
//! ## What not to do
//! Do not remove `dependsOn` to get the others on: they are then applied without what they need.

use std::collections::BTreeSet;

use crate::analysis::gitops;
use crate::analysis::said::{past, said, subject};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT005",
    class: "flux-dependency-blocked-upstream",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

/// `dependency 'flux-system/olm' is not ready` → namespace and name.
fn named(message: &str, ns: &str) -> Option<(String, String)> {
    let full = crate::analysis::between(message, "dependency '", "'")?;
    Some(
        full.split_once('/')
            .map_or((ns.to_owned(), full.to_owned()), |(a, b)| {
                (a.to_owned(), b.to_owned())
            }),
    )
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // (who waits, for whom, the words)
    let mut waits = Vec::new();
    for s in said(
        cx,
        "dependency '",
        "flux.dependency",
        "it waits for another one",
    ) {
        let who = match &s.who {
            Some(w) => Some((
                w.namespace().unwrap_or_default().to_owned(),
                w.name().to_owned(),
            )),
            None => subject(&s.evidence.text),
        };
        let Some((ns, name)) = who else { continue };
        let kind = s.who.as_ref().map_or(
            "kustomization.kustomize.toolkit.fluxcd.io".to_owned(),
            |w| w.as_str().split('/').next().unwrap_or_default().to_owned(),
        );
        if let Some(needs) = named(&s.text, &ns) {
            waits.push(((kind, ns, name), needs, s.evidence.clone()));
        }
    }
    let waiting: BTreeSet<(&str, &str)> = waits
        .iter()
        .map(|w| (w.0.1.as_str(), w.0.2.as_str()))
        .collect();
    for ((kind, _, waiter), (ns, name), evidence) in &waits {
        if waiting.contains(&(ns.as_str(), name.as_str())) {
            continue;
        }
        let (base, group) = kind.split_once('.').unwrap_or((kind, ""));
        let mut head = EntityId::object(base, group, ns, name);
        if past(cx, &head) {
            continue;
        }
        let mut f_cites = vec![evidence.clone()];
        // The manifest may know a step further: the head itself depends on something.
        let mut steps = 0;
        while let Some((next, pointer)) = gitops::depends_on(cx, &head).into_iter().next() {
            let known_ready = cx.cluster.find(&next).is_some() && past(cx, &next);
            let own_reason = cx.has(K::ResourceNotReady, &head).is_some();
            steps += 1;
            if known_ready || own_reason || steps > 16 {
                break;
            }
            if let Some(o) = cx
                .cluster
                .others
                .iter()
                .find(|o| cx.cluster.id(o.obj) == head)
            {
                f_cites.push(cx.field(o.obj, &pointer, "which depends on this one in turn"));
            }
            head = next;
        }
        let mut f = RULE
            .on(head.clone())
            .title(format!(
                "{} waits for {} and everything behind it; only {} has the fault",
                waiter,
                head.name(),
                head.name()
            ))
            .why("The others only say that they wait; they go on by themselves.")
            .term(
                70,
                format!(
                    "{} does not wait for another one, and is not ready",
                    head.name()
                ),
            )
            .cite_all(f_cites)
            .weak();
        if let Some(c) = cx.has(K::ResourceNotReady, &head) {
            f = f
                .term(10, "it says itself that it is not ready")
                .cite_all(c.evidence.first().cloned())
                .explains(K::ResourceNotReady, &head);
        }
        for ((k, wns, wname), _, _) in &waits {
            let (b, g) = k.split_once('.').unwrap_or((k, ""));
            let w = EntityId::object(b, g, wns, wname);
            if cx.has(K::ResourceNotReady, &head).is_none() {
                f = f.explains_if(cx, K::ResourceNotReady, &w);
            }
        }
        out.push(
            f.safe("Look at the first item only.", command!("kubectl describe {} {} -n {}; flux logs --kind={} --name={}", head.kind(), head.name(), head.namespace().unwrap_or_default(), head.kind(), head.name()))
                .dont("Don't remove dependsOn to get the others on: they are then applied without what they need."),
        );
    }
}
