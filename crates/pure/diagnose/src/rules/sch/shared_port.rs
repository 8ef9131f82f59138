//! # SCH009 Two LoadBalancer Services have the same port, and k3s' load balancer serves both
//!
//! class: servicelb-hostport-conflict
//!
//! ## What it sees
//! Two Services of type LoadBalancer with a port in common, of which one gets no address, where pods of k3s'
//! service load balancer (svclb-…) are; or the scheduler's refusal of such a pod in a text that shows no pod.
//! Such a pod that waits while nobody says why is a question.
//!
//! ## Why it matters
//! k3s opens every port of a LoadBalancer Service as a host port on every node: the second one finds none.
//! Another load balancer (MetalLB) beside it does not help, both work on every Service.
//!
//! ## What to do
//! Give one Service another port, put it behind the Ingress, or switch off what is not used
//! (`--disable traefik`, `--disable servicelb`).
//!
//! ## What not to do
//! Do not delete the svclb pods: the controller makes them again.

use crate::analysis::host;
use crate::analysis::placement;
use crate::analysis::scheduling::Reason;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "SCH009",
    class: "servicelb-hostport-conflict",
    needs: &[],
    leads_to: &[K::PodPending, K::LoadBalancerPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let cluster = cx.cluster;
    let refused = placement::all(cx)
        .iter()
        .any(|p| p.reason == Reason::HostPorts && p.id.name().starts_with("svclb-"));
    if refused {
        return;
    }
    let pods: Vec<_> = cluster
        .pods
        .iter()
        .filter(|p| p.metadata.name.starts_with("svclb-"))
        .collect();
    let stuck: Vec<EntityId> = pods
        .iter()
        .map(|p| cluster.id(p.obj))
        .filter(|id| {
            cx.observed(&[K::PodPending, K::PodNotStarted, K::PodNotReady], id)
                .next()
                .is_some()
        })
        .collect();
    let balanced: Vec<_> = cluster
        .services
        .iter()
        .filter(|s| s.spec.kind == "LoadBalancer")
        .collect();
    for (i, mine) in balanced.iter().enumerate() {
        let id = cluster.id(mine.obj);
        if cx.has(K::LoadBalancerPending, &id).is_none() || pods.is_empty() {
            continue;
        }
        let shared = balanced
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .find_map(|(_, other)| {
                mine.spec.ports.iter().find_map(|p| {
                    let same =
                        other.spec.ports.iter().any(|o| {
                            o.port == p.port && o.port.is_some() && o.protocol == p.protocol
                        });
                    same.then_some((*other, p.port?))
                })
            });
        let Some((other, port)) = shared else {
            continue;
        };
        let mut finding = found(&id, port, &other.metadata.name)
            .term(
                82,
                "both are LoadBalancers with that port, and one has no address",
            )
            .cite(cx.field(mine.obj, "/spec/ports", "the port that it wants"))
            .cite(cx.field(other.obj, "/spec/ports", "the same port, taken"))
            .cite_all(
                pods.iter()
                    .take(1)
                    .map(|p| cx.field(p.obj, "/metadata/name", "a pod of k3s' load balancer")),
            )
            .explains(K::LoadBalancerPending, &id);
        for pod in &stuck {
            finding = finding.explains_observed(
                cx,
                &[K::PodPending, K::PodNotStarted, K::PodNotReady],
                pod,
            );
        }
        out.push(finding);
    }
    if !out.iter().any(|f| f.rule.code == RULE.code) {
        out.extend(stuck.first().and_then(|id| waiting(cx, id)));
    }
    // A text that shows the refusal, and whose it is, but no pod.
    let words = host::lines(cx, &["scheduler.no-free-port"], "no node has the port free");
    let whose = host::lines(cx, &["lb.svclb"], "a pod of k3s' load balancer");
    if !out.iter().any(|f| f.rule.code == RULE.code)
        && let Some(line) = words.first()
        && let Some(pod) = whose.iter().find(|l| l.entry == line.entry)
        && !placement::all(cx)
            .iter()
            .any(|p| p.reason == Reason::HostPorts)
    {
        out.push(
            RULE.on(EntityId::other("service", "-"))
                .title("a LoadBalancer Service wants a host port that another has on the nodes")
                .why("k3s' service load balancer opens every port of a LoadBalancer Service on the nodes themselves.")
                .term(78, "the scheduler finds no node whose port is free")
                .cite(line.evidence.clone())
                .cite(pod.evidence.clone())
                .safe("See which Services are LoadBalancers, and their ports.", "kubectl get services -A | grep LoadBalancer")
                .dont("Don't delete the svclb pods: the controller makes them again."),
        );
    }
}

/// A pod of k3s' load balancer that no node takes: every node has one, so a port of it is taken there. What
/// the scheduler says of it is not shown.
fn waiting(cx: &Context<'_>, pod: &EntityId) -> Option<Finding> {
    let pending = cx.has(K::PodPending, pod)?;
    if crate::context::last_event(cx.cluster, pod, &["FailedScheduling"]).is_some()
        || cx
            .cluster
            .pod(pod)
            .is_some_and(|p| !p.spec.node_name.is_empty())
    {
        return None;
    }
    Some(
        RULE.on(pod.clone())
            .title(format!(
                "pod {} of k3s' load balancer waits; another Service may have its host port",
                pod.name()
            ))
            .why("k3s' service load balancer opens every port of a LoadBalancer Service on the nodes themselves.")
            .term(55, "such a pod goes to every node, and only a taken port keeps it off all of them")
            .cite_all(pending.evidence.iter().cloned())
            .explains(K::PodPending, pod)
            .safe("See which Services are LoadBalancers, and their ports.", "kubectl get services -A | grep LoadBalancer")
            .dont("Don't delete the svclb pods: the controller makes them again.")
            .undecided(
                "Has another LoadBalancer Service (k3s brings Traefik with 80 and 443) the same port?",
                command!(
                    "kubectl get services -A | grep LoadBalancer; kubectl describe pod {} -n {}",
                    pod.name(),
                    pod.namespace().unwrap_or_default()
                ),
                &["servicelb-hostport-conflict", "untolerated-taint", "nodes-cordoned"],
            ),
    )
}

fn found(id: &EntityId, port: i64, other: &str) -> Finding {
    RULE.on(id.clone())
        .title(format!("Service {} wants host port {port}, which Service {other} has on the nodes", id.name()))
        .why("k3s' service load balancer opens every port of a LoadBalancer Service on the nodes themselves.")
        .safe("See which Services are LoadBalancers, and their ports.", "kubectl get services -A | grep LoadBalancer")
        .check_first("Give one of them another port, or make it ClusterIP behind the Ingress.", "kubectl edit service NAME -n NAMESPACE")
        .dont("Don't delete the svclb pods: the controller makes them again.")
}
