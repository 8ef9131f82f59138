//! # WRK011 A Service selects labels that its pods do not carry
//!
//! class: service-selector-mismatch
//!
//! ## What it sees
//! A Service whose selector matches no pod and no workload's template, beside pods that it comes near
//! to: pods of a workload of its own name, pods that carry all but one of several labels, or whose value
//! is like the one that is selected. Where the pods declare other ports, or another Service serves them,
//! they are a candidate only. Of a paste: a Service without addresses, beside ready pods that were listed by
//! another label than the one it selects.
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
use defib_model::Evidence;
use defib_model::fact::Value;
use defib_model::selector::Labels;
use defib_model::views::Pod;
use defib_model::views::network::Service;

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
    apart(cx, out);
}

/// What a paste shows: somebody looked at the Service's addresses, which are none, and at ready pods that
/// another label finds. No list is whole, but the command proves that label, and ready pods that the Service
/// selects would be among its addresses.
fn apart(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for ((ns, name), endpoints) in &cx.cluster.endpoints {
        if endpoints.ready + endpoints.not_ready > 0 || cx.cluster.is_listed("Pod", ns) {
            continue;
        }
        let here = |other: &str| {
            other == ns
                || [other, ns.as_str()]
                    .iter()
                    .all(|n| matches!(*n, "" | "default"))
        };
        let found: Vec<&Pod> = cx
            .cluster
            .pods
            .iter()
            .filter(|p| {
                here(&p.metadata.namespace) && p.is_ready() && !p.metadata.labels.is_empty()
            })
            .collect();
        let service = cx.cluster.services.iter().find(|s| {
            s.metadata.name == *name && here(&s.metadata.namespace) && !s.spec.selector.is_empty()
        });
        let Some((want, shown, written)) = selected(cx, service) else {
            continue;
        };
        let pod = found.into_iter().find(|p| {
            let labels = &p.metadata.labels;
            let meets = want.iter().all(|(k, v)| labels.get(k) == Some(v));
            let near = want.iter().any(|(k, v)| {
                labels.contains_key(k) || labels.values().any(|have| endpoints::alike(have, v))
            });
            !meets && near
        });
        let Some(pod) = pod else { continue };
        // Nobody is to run behind it: that is no fault of its selector.
        if scaled_down(cx, ns, name) {
            continue;
        }
        let pairs = |labels: &Labels| {
            let all: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            all.join(",")
        };
        let (wants, carries) = (pairs(&want), pairs(&pod.metadata.labels));
        let asked = cx.cluster.facts.iter().find(|f| {
            matches!(f.value, Value::Ran(_))
                && pod
                    .metadata
                    .labels
                    .iter()
                    .any(|(k, v)| f.text.contains(&format!("{k}={v}")))
        });
        let told = asked.is_some();
        // A port by its name that no pod declares leaves the Service without addresses too.
        let named = service.is_some_and(|s| {
            s.spec
                .ports
                .iter()
                .any(|p| !p.target_port.is_empty() && p.target_port.parse::<u32>().is_err())
        });
        let look = command!(
            "kubectl get service {} -n {} -o wide; kubectl get pods -n {} --show-labels",
            name,
            ns,
            ns
        );
        let mut finding = RULE
            .on(EntityId::object("Service", "", ns, name))
            .title(match told {
                true => format!(
                    "Service {name} selects {wants}, and the pods that run were found by {carries}"
                ),
                false => {
                    format!("Service {name} selects {wants}, and pods that run carry {carries}")
                }
            })
            .why("The Service has no endpoints; nothing reports it.")
            .term(
                if named {
                    45
                } else if written {
                    84
                } else {
                    76
                },
                "ready pods that it selects would be among its addresses, and it has none",
            )
            .cite(cx.field(endpoints.obj, "/subsets", "no address"))
            .cite(shown)
            .cite_all(asked.map(|f| cx.fact(f, format!("what this lists carries {carries}"))))
            .cite(cx.field(pod.obj, "/metadata/name", "a pod that is ready"))
            .safe("See both sides.", look.clone())
            .check_first(
                "Correct the selector (or the template's label).",
                command!("kubectl edit service {} -n {}", name, ns),
            )
            .dont("Don't relabel running pods by hand: their owner makes new ones.");
        if named {
            finding = finding.undecided(
                "Do the pods carry what the Service selects, and do they declare the port that it names?",
                look,
                &["service-selector-mismatch"],
            );
        }
        out.push(finding);
    }
}

/// Is there a workload of the Service's name that is to have no pods?
fn scaled_down(cx: &Context<'_>, ns: &str, name: &str) -> bool {
    let same = |n: &str| n == ns || [n, ns].iter().all(|n| matches!(*n, "" | "default"));
    cx.cluster.workloads.iter().any(|w| {
        w.metadata.name == name && same(&w.metadata.namespace) && w.spec.replicas == Some(0)
    })
}

/// What the Service selects: by its object, or as somebody wrote it down beside its empty addresses.
fn selected(cx: &Context<'_>, service: Option<&Service>) -> Option<(Labels, Evidence, bool)> {
    if let Some(s) = service {
        let shown = cx.field(s.obj, "/spec/selector", "what the Service selects");
        return Some((s.spec.selector.clone(), shown, true));
    }
    let mut services = cx.cluster.endpoints.iter();
    // Of several Services nobody knows which was meant.
    if services.len() != 1 || services.next().is_none() {
        return None;
    }
    let hit = cx.hits("service.selector-words").next()?;
    let groups = &hit.lines.first()?.groups;
    let (key, value) = (groups.first()?, groups.get(1)?);
    let labels = Labels::from([(key.clone(), value.trim_end_matches('.').to_owned())]);
    Some((
        labels,
        cx.log(hit, 0, "what the Service selects, as it was written down"),
        false,
    ))
}
