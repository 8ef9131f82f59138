//! # ADM003 A quota demands requests or limits that the pods do not state
//!
//! class: quota-requires-requests-limits
//!
//! ## What it sees
//! `failed quota: NAME: must specify …` on an owner whose pods are not made; or an owner that lacks
//! pods, whose containers leave out a resource that a quota of the namespace limits, where no
//! LimitRange fills it in.
//!
//! ## Why it matters
//! Once a quota limits cpu or memory, every pod must say how much it wants. The refusal stands on the
//! ReplicaSet, Job or StatefulSet only. Pods from before the quota run on until they are re-made.
//!
//! ## What to do
//! State requests and limits in the pod template, or give the namespace a LimitRange with defaults.
//!
//! ## What not to do
//! Do not invent huge values to be on the safe side: they count against the same quota.

use crate::analysis::quota;
use crate::analysis::said::{Said, claim, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM003",
    class: "quota-requires-requests-limits",
    needs: &["Event"],
    leads_to: &[K::PodRefused],
    check,
};

fn finding(ns: &str, name: &str) -> Finding {
    let place = command!(" -n {}", ns);
    RULE.on(EntityId::object("ResourceQuota", "", ns, name))
        .why("A quota on cpu or memory makes requests or limits compulsory; the refusal shows only on the owner of the pods.")
        .safe("See what the quota limits, and whether a LimitRange gives defaults.", command!("kubectl describe resourcequota,limitrange{}", place))
        .check_first("State the resources in every container of the pod template, or add a LimitRange with defaults.", command!("kubectl edit deployment NAME{}", place))
        .dont("Don't invent huge values: they count against the same quota.")
        .dont("Don't delete the quota to get one workload through.")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let all = said(
        cx,
        "failed quota: ",
        "apiserver.quota-must-specify",
        "the API server names the quota and what the pod must state",
    );
    for s in &all {
        let (Some(name), Some((_, what))) =
            (quota::named(&s.text), s.text.split_once("must specify "))
        else {
            continue;
        };
        let ns = s
            .who
            .as_ref()
            .and_then(|w| w.namespace())
            .unwrap_or_default()
            .to_owned();
        let f = finding(&ns, name)
            .title(format!(
                "quota {name} demands that pods state {}; these do not",
                what.trim()
            ))
            .term(90, "the API server names the quota and what is missing");
        out.push(claim(cx, f, &[s]));
    }
    structural(cx, &all, out);
}

fn structural(cx: &Context<'_>, all: &[Said], out: &mut Vec<Finding>) {
    for w in quota::silent_owners(cx) {
        let (ns, id) = (&w.metadata.namespace, cx.cluster.id(w.obj));
        let defaults = cx
            .cluster
            .objects
            .iter()
            .any(|o| o.kind == "LimitRange" && o.namespace == *ns);
        if defaults
            || all
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
            let limits = if q.status.hard.is_empty() {
                &q.spec.hard
            } else {
                &q.status.hard
            };
            let missing: Vec<&str> = limits
                .keys()
                .map(String::as_str)
                .filter(|k| {
                    quota::must_state(k) && quota::counts(&w.spec.template.spec, k).is_none()
                })
                .collect();
            if missing.is_empty() {
                continue;
            }
            let mut f = finding(ns, &q.metadata.name)
                .title(format!("quota {} demands {}, which the containers of {} {} do not state", q.metadata.name, missing.join(", "), w.kind, w.metadata.name))
                .term(50, "the quota limits a resource that the containers leave out, and no LimitRange fills it in")
                .term(25, "the owner lacks pods, and none were made")
                .cite(cx.field(q.obj, if q.status.hard.is_empty() { "/spec/hard" } else { "/status/hard" }, "every pod must state these"))
                .cite(cx.field(w.obj, "/spec/template/spec/containers/0/resources", "what the first container states"))
                .cite(cx.field(w.obj, "/spec/replicas", format!("{} of these exist", w.existing())))
                .explains_if(cx, K::ReplicasMissing, &id)
                .explains_if(cx, K::ReplicasMissing, &cx.top_owner(&id));
            if !cx.cluster.is_listed("LimitRange", ns) {
                f = f.undecided(
                    "Does the namespace have a LimitRange that fills in defaults?",
                    command!(
                        "kubectl get limitrange -n {}; kubectl describe {} {} -n {}",
                        ns,
                        w.kind.to_ascii_lowercase(),
                        w.metadata.name,
                        ns
                    ),
                    &["quota-requires-requests-limits"],
                );
            }
            out.push(f);
        }
    }
}
