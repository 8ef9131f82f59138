//! # ADM002 The namespace's quota is used up
//!
//! class: quota-exceeded
//!
//! ## What it sees
//! `exceeded quota: NAME, requested: …, used: …, limited: …` on an owner whose pods are not made; or an
//! owner that lacks pods while the quota of its namespace has no room for one more.
//!
//! ## Why it matters
//! The refusal stands on the ReplicaSet, Job or StatefulSet only; there is no pod to describe. A
//! roll-out needs room for the old and the new pod at the same time.
//!
//! ## What to do
//! See who uses the quota; then free some of it, ask for less, or raise the quota.
//!
//! ## What not to do
//! Do not delete the quota to get one workload through: it is the only thing that protects the
//! neighbours.

use crate::analysis::quota;
use crate::analysis::said::{Said, claim, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM002",
    class: "quota-exceeded",
    needs: &["Event"],
    leads_to: &[K::PodRefused],
    check,
};

fn finding(ns: &str, name: &str) -> Finding {
    let place = command!(" -n {}", ns);
    RULE.on(EntityId::object("ResourceQuota", "", ns, name))
        .why("The API server refuses new pods; the refusal shows only on their owner.")
        .safe("See what the quota allows and what is used.", command!("kubectl describe resourcequota {}{}", name, place))
        .safe("See which pods use it.", command!("kubectl get pods{} -o custom-columns=NAME:.metadata.name,REQ:.spec.containers[*].resources.requests,LIM:.spec.containers[*].resources.limits", place))
        .check_first("Free room, ask for less, or raise the limit.", command!("kubectl edit resourcequota {}{}", name, place))
        .dont("Don't delete the quota to get one workload through: it protects the neighbours.")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let all = said(
        cx,
        "xceeded quota: ",
        "apiserver.quota-exceeded",
        "the API server names the quota, what was asked for, what is used and what is allowed",
    );
    for s in &all {
        let Some(name) = quota::named(&s.text) else {
            continue;
        };
        let ns = s
            .who
            .as_ref()
            .and_then(|w| w.namespace())
            .unwrap_or_default()
            .to_owned();
        let wanted = quota::requested(&s.text);
        let mut f = finding(&ns, name)
            .title(format!(
                "quota {name} is used up{}: {} does not fit any more",
                in_words(&ns),
                list(&wanted)
            ))
            .term(85, "the API server names the quota and the amounts");
        f = claim(cx, f, &[s]);
        if let Some(q) = quota::quota(cx, &ns, name) {
            let fits: Vec<bool> = wanted
                .iter()
                .filter_map(|(k, v)| quota::full(q, k, v))
                .collect();
            if !fits.is_empty() && fits.iter().all(|full| !full) {
                // There is room by now: the owner only has not tried again yet.
                continue;
            }
            for (k, _) in wanted
                .iter()
                .filter(|(k, v)| quota::full(q, k, v) == Some(true))
                .take(2)
            {
                f = f
                    .cite(cx.field(
                        q.obj,
                        &format!("/status/used/{}", k.replace('/', "~1")),
                        "what is used already",
                    ))
                    .term(5, format!("the quota's own status: {k} has no room for it"));
            }
        }
        out.push(f);
    }
    structural(cx, &all, out);
}

fn structural(cx: &Context<'_>, all: &[Said], out: &mut Vec<Finding>) {
    for w in quota::silent_owners(cx) {
        let (ns, id) = (&w.metadata.namespace, cx.cluster.id(w.obj));
        if all
            .iter()
            .any(|s| s.who.as_ref().and_then(|w| w.namespace()) == Some(ns))
        {
            continue;
        }
        for q in cx
            .cluster
            .quotas
            .iter()
            .filter(|q| q.metadata.namespace == *ns)
        {
            let none_left = q.status.hard.keys().find(|k| {
                quota::counts(&w.spec.template.spec, k)
                    .filter(|c| *c > 0)
                    .is_some_and(|c| quota::full(q, k, &format!("{c}m")) == Some(true))
            });
            let Some(resource) = none_left else { continue };
            let key = resource.replace('/', "~1");
            out.push(
                finding(ns, &q.metadata.name)
                    .title(format!("quota {} of namespace {ns} has no room for another pod of {} {} ({resource})", q.metadata.name, w.kind, w.metadata.name))
                    .term(50, format!("{resource}: what one more pod counts is more than what is left"))
                    .term(25, "the owner lacks pods, and none were made")
                    .cite(cx.field(q.obj, &format!("/status/used/{key}"), "what is used"))
                    .cite(cx.field(q.obj, &format!("/status/hard/{key}"), "what is allowed"))
                    .cite(cx.field(w.obj, "/spec/replicas", format!("{} of these exist", w.existing())))
                    .explains_if(cx, K::ReplicasMissing, &id)
                    .explains_if(cx, K::ReplicasMissing, &cx.top_owner(&id)),
            );
        }
    }
}

fn list(wanted: &[(String, String)]) -> String {
    if wanted.is_empty() {
        "what is asked for".to_owned()
    } else {
        wanted
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn in_words(ns: &str) -> String {
    if ns.is_empty() {
        String::new()
    } else {
        format!(" in namespace {ns}")
    }
}
