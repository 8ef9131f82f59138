//! # WRK011 A Service selects labels that its pods do not carry
//!
//! class: service-selector-mismatch
//!
//! ## What it sees
//! A Service whose selector matches no pod and no workload's template, beside pods that miss it by one
//! label and that no other Service selects.
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

use crate::rules::prelude::*;
use defib_model::selector::Labels;
use defib_model::views::{Pod, Service};

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK011",
    class: "service-selector-mismatch",
    needs: &["Service", "Pod"],
    leads_to: &[K::ServiceWithoutEndpoints],
    check,
};

fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(k, v)| labels.get(k) == Some(v))
}

/// The one label in which the pod differs from what is selected, if it comes near at all.
fn differs<'s>(service: &'s Service, pod: &Pod) -> Option<(&'s String, &'s String)> {
    let mut unmet = service
        .spec
        .selector
        .iter()
        .filter(|(k, v)| pod.metadata.labels.get(*k) != Some(*v));
    let (key, want) = unmet.next()?;
    if unmet.next().is_some() {
        return None;
    }
    if service.spec.selector.len() > 1 {
        return Some((key, want));
    }
    // With one label only, the values must look like one another, or the pod like the Service.
    let have = pod.metadata.labels.get(key).map_or("", String::as_str);
    let near = |a: &str, b: &str| a.len() >= 3 && b.len() >= 3 && (a.contains(b) || b.contains(a));
    let name = &service.metadata.name;
    (near(have, want)
        || near(have, name)
        || pod.metadata.labels.values().any(|v| v == want || v == name))
    .then_some((key, want))
}

/// Does the pod declare a port to which the Service sends?
fn serves(service: &Service, pod: &Pod) -> bool {
    let targets: Vec<String> = service
        .spec
        .ports
        .iter()
        .map(|p| {
            if p.target_port.is_empty() {
                p.port.unwrap_or(0).to_string()
            } else {
                p.target_port.clone()
            }
        })
        .collect();
    pod.spec.containers.iter().flat_map(|c| &c.ports).any(|p| {
        targets
            .iter()
            .any(|t| *t == p.name || p.container_port.is_some_and(|n| n.to_string() == *t))
    })
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for service in &cx.cluster.services {
        let (ns, name) = (&service.metadata.namespace, &service.metadata.name);
        let selector = &service.spec.selector;
        if selector.is_empty()
            || service.spec.kind == "ExternalName"
            || !cx.cluster.is_listed("Pod", ns)
        {
            continue;
        }
        if cx
            .cluster
            .endpoints
            .get(&(ns.clone(), name.clone()))
            .is_some_and(|e| e.ready + e.not_ready > 0)
        {
            continue;
        }
        let here = |other: &str| other == ns;
        let made = cx.cluster.workloads.iter().any(|w| {
            here(&w.metadata.namespace) && selects(selector, &w.spec.template.metadata.labels)
        });
        let matched = cx
            .cluster
            .pods
            .iter()
            .any(|p| here(&p.metadata.namespace) && selects(selector, &p.metadata.labels));
        if made || matched {
            continue;
        }
        let served = |p: &Pod| {
            cx.cluster.services.iter().any(|s| {
                s.metadata.namespace == *ns
                    && !s.spec.selector.is_empty()
                    && selects(&s.spec.selector, &p.metadata.labels)
            })
        };
        let near: Vec<(&Pod, &String, &String)> = cx
            .cluster
            .pods
            .iter()
            .filter(|p| here(&p.metadata.namespace) && !p.is_finished() && !served(p))
            .filter_map(|p| differs(service, p).map(|(k, v)| (p, k, v)))
            .collect();
        let Some((pod, key, want)) = near
            .iter()
            .find(|(p, _, _)| serves(service, p))
            .or_else(|| near.first())
        else {
            continue;
        };
        let have = pod
            .metadata
            .labels
            .get(*key)
            .map_or("no such label".to_owned(), |v| format!("{key}={v}"));
        let id = cx.cluster.id(service.obj);
        let owner = cx.top_owner(&cx.cluster.id(pod.obj));
        let fits = serves(service, pod);
        // Components of one chart differ by one label as well: the pods must offer the port, or the two
        // values look like one another.
        let alike = pod
            .metadata
            .labels
            .get(*key)
            .is_some_and(|v| v.contains(want.as_str()) || want.contains(v.as_str()));
        if !fits && !alike {
            continue;
        }
        let mut finding = RULE
            .on(id.clone())
            .title(format!(
                "Service {name} selects {key}={want}, and the pods of {} {} carry {have}",
                owner.kind(),
                owner.name()
            ))
            .why("The Service has no endpoints; nothing reports it.")
            .term(
                65,
                "no pod and no template carries the labels, and these pods miss them by one",
            )
            .term(10, "no other Service selects these pods")
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
        if fits {
            finding = finding.term(12, "they serve the port that the Service sends to");
        }
        if cx.has(K::ServiceWithoutEndpoints, &id).is_some() {
            finding = finding.term(5, "somebody needs the Service");
        }
        out.push(finding);
    }
}
