//! # WRK011 A Service selects labels that its pods do not carry
//!
//! class: service-selector-mismatch
//!
//! ## What it sees
//! A Service whose selector matches no pod and no workload's template, beside pods that it comes near
//! to: pods of a workload of its own name, pods that carry all but one of several labels, or whose value
//! is like the one that is selected. Where the pods declare other ports, or another Service serves them,
//! they are a candidate only.
//!
//! ## Why it matters
//! The pods are well and the Service is there, but it has no endpoints; callers get refused connections or
//! 503, and no event says so.
//!
//! ## What to do
//! Correct the label that differs: in the Service's selector, or in the pod template.
//!
//! ## What not to do
//! Do not change labels on the running pods by hand: their owner makes new ones. A Deployment's own
//! selector can't be changed.

use crate::analysis::endpoints;
use crate::conditions::GRACE;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK011",
    class: "service-selector-mismatch",
    needs: &["Service", "Pod"],
    leads_to: &[K::ServiceWithoutEndpoints],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for service in &cx.cluster.services {
        if !cx.older_than(service.metadata.creation_timestamp, GRACE)
            || !endpoints::selects_nobody(cx, service)
        {
            continue;
        }
        let Some(near) = endpoints::nearest(cx, service) else {
            continue;
        };
        let pod = near.pod;
        if !cx.older_than(pod.metadata.creation_timestamp, GRACE) {
            continue;
        }
        let (ns, name) = (&service.metadata.namespace, &service.metadata.name);
        let (key, want) = (near.key, near.want);
        let have = pod
            .metadata
            .labels
            .get(key)
            .map_or("no such label".to_owned(), |v| format!("{key}={v}"));
        let id = cx.cluster.id(service.obj);
        let owner = cx.top_owner(&cx.cluster.id(pod.obj));
        let mut finding = RULE
            .on(id.clone())
            .title(format!(
                "Service {name} selects {key}={want}, and the pods of {} {} carry {have}",
                owner.kind(),
                owner.name()
            ))
            .why("The Service has no endpoints; nothing reports it.")
            .term(
                if near.sure { 60 } else { 35 },
                "no pod and no template carries the labels that it selects",
            )
            .cite(cx.field(service.obj, "/spec/selector", "what the Service selects"))
            .cite(cx.field(pod.obj, "/metadata/labels", "what the pods carry"))
            .explains_observed(cx, &[K::ServiceWithoutEndpoints], &id)
            .safe(
                "See both sides.",
                command!(
                    "kubectl get service {} -n {} -o wide; kubectl get pods -n {} --show-labels",
                    name,
                    ns,
                    ns
                ),
            )
            .check_first(
                "Correct the selector (or the template's label).",
                command!("kubectl edit service {} -n {}", name, ns),
            )
            .dont("Don't relabel running pods by hand: their owner makes new ones.");
        if near.namesake {
            finding = finding.term(15, "what makes these pods has the Service's name");
        }
        if near.all_but_one {
            finding = finding.term(10, "these pods carry all of its labels but one");
        }
        if near.serves {
            finding = finding.term(12, "they declare the port that the Service sends to");
        }
        if cx.has(K::ServiceWithoutEndpoints, &id).is_some() {
            finding = finding.term(5, "it should have endpoints, and has none");
        }
        if !near.sure {
            finding = finding.undecided(
                format!(
                    "Service {ns}/{name} selects nobody. Is it meant for the pods of {} {}, or a left-over?",
                    owner.kind(),
                    owner.name()
                ),
                command!(
                    "kubectl get service {} -n {} -o wide; kubectl get pods -n {} --show-labels",
                    name,
                    ns,
                    ns
                ),
                &["service-selector-mismatch"],
            );
        }
        out.push(finding);
    }
}
