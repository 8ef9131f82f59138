//! Conditions of Services, Ingresses and load balancers.
//!
//! Deliberately absent: Services whose pods were scaled to zero on purpose, and those that select
//! nothing, that nobody needs and that no workload is the namesake of: left-overs are no outage.

use defib_model::ConditionKind as K;
use defib_model::edge::EdgeKind;
use defib_model::views::network::Service;
use defib_model::views::workload::Workload;

use super::{GRACE, STUCK, one};
use crate::analysis::endpoints;
use crate::context::Context;

pub(super) fn observe(cx: &mut Context<'_>) {
    services(cx);
    ingresses(cx);
    load_balancers(cx);
}

fn services(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for service in &cluster.services {
        if service.spec.selector.is_empty() || service.spec.kind == "ExternalName" {
            continue;
        }
        let ns = &service.metadata.namespace;
        if !cluster.is_listed("Pod", ns)
            || !cx.older_than(service.metadata.creation_timestamp, GRACE)
        {
            continue;
        }
        let id = cluster.id(service.obj);
        if let Some((i, port, _)) = endpoints::unknown_port(cx, service) {
            let at = format!("/spec/ports/{i}/targetPort");
            let e = cx.field(
                service.obj,
                &at,
                format!("no pod behind it declares a port {port}"),
            );
            cx.observe(one(K::ServiceWithoutEndpoints, &id, "", e, None, 1));
            continue;
        }
        let key = (ns.clone(), service.metadata.name.clone());
        let pods: Vec<_> = cluster
            .pods_with(ns, &service.spec.selector)
            .filter(|p| !p.is_finished())
            .collect();
        let ready = match cluster.endpoints.get(&key) {
            Some(e) => e.ready > 0,
            None => pods.iter().any(|p| p.is_ready()),
        };
        if ready {
            continue;
        }
        if pods.is_empty() {
            if wanted(cx, service)
                || makers(cx, service).next().is_some()
                || missed_by_namesake(cx, service)
            {
                let e = cx.field(service.obj, "/spec/selector", "no pod has these labels");
                cx.observe(one(K::ServiceWithoutEndpoints, &id, "", e, None, 1));
            }
            continue;
        }
        let troubled = pods
            .iter()
            .any(|p| cx.conditions.iter().any(|c| c.entity == cluster.id(p.obj)));
        let stale = pods
            .iter()
            .all(|p| cx.older_than(p.metadata.creation_timestamp, STUCK));
        if troubled || stale {
            let e = cx.field(
                service.obj,
                "/spec/selector",
                format!("none of the {} pods with these labels is ready", pods.len()),
            );
            cx.observe(one(K::ServiceWithoutEndpoints, &id, "", e, None, 1));
        }
    }
}

/// Workloads that want pods with these labels (scaled to zero does not want any).
fn makers<'a>(cx: &'a Context<'_>, service: &'a Service) -> impl Iterator<Item = ()> + 'a {
    cx.cluster
        .workloads
        .iter()
        .filter(|w| {
            w.metadata.namespace == service.metadata.namespace
                && w.desired().is_some_and(|d| d > 0)
                && settled(cx, w)
                && service
                    .spec
                    .selector
                    .iter()
                    .all(|(k, v)| w.spec.template.metadata.labels.get(k) == Some(v))
        })
        .map(|_| ())
}

/// False while a workload was just made or changed: its pods need a moment to be there.
fn settled(cx: &Context<'_>, w: &Workload) -> bool {
    let conditions = w.status.conditions.iter().map(|c| c.last_transition_time);
    std::iter::once(w.metadata.creation_timestamp)
        .chain(conditions)
        .all(|since| cx.older_than(since, GRACE))
}

/// Pods run whose workload has the Service's name, and nothing selects them: they were meant.
fn missed_by_namesake(cx: &Context<'_>, service: &Service) -> bool {
    endpoints::selects_nobody(cx, service)
        && endpoints::nearest(cx, service).is_some_and(|n| {
            n.namesake && n.sure && cx.older_than(n.pod.metadata.creation_timestamp, GRACE)
        })
}

/// Somebody depends on this Service: an Ingress, a webhook, an API service.
fn wanted(cx: &Context<'_>, service: &Service) -> bool {
    let id = cx.cluster.id(service.obj);
    cx.cluster
        .edges
        .iter()
        .any(|e| e.to == id && matches!(e.kind, EdgeKind::RoutesTo | EdgeKind::ServedBy))
}

fn ingresses(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for ingress in &cluster.ingresses {
        let ns = &ingress.metadata.namespace;
        if !cluster.is_listed("Service", ns) {
            continue;
        }
        for (place, name) in ingress.backends() {
            if !cluster.has("Service", "", ns, name) {
                let e = cx.field(
                    ingress.obj,
                    &place,
                    format!("there is no Service {name} in namespace {ns}"),
                );
                cx.observe(one(
                    K::BackendMissing,
                    &cluster.id(ingress.obj),
                    name,
                    e,
                    None,
                    1,
                ));
            }
        }
    }
}

fn load_balancers(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for service in &cluster.services {
        if service.spec.kind == "LoadBalancer"
            && service.status.load_balancer.ingress.is_empty()
            && cx.older_than(service.metadata.creation_timestamp, 5 * GRACE)
        {
            let e = cx.field(
                service.obj,
                "/spec/type",
                "no address was given to this Service",
            );
            let since = service.metadata.creation_timestamp;
            cx.observe(one(
                K::LoadBalancerPending,
                &cluster.id(service.obj),
                "",
                e,
                since,
                1,
            ));
        }
    }
}
