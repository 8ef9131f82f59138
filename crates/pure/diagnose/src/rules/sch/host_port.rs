//! # SCH006 Two LoadBalancer Services want the same host port
//!
//! class: servicelb-hostport-conflict
//!
//! ## What it sees
//! A pod of k3s' service load balancer (svclb-…) that is not placed because its host port is taken,
//! or any pod whose host port such a pod holds.
//!
//! ## Why it matters
//! k3s opens every port of a LoadBalancer Service as a host port, on every node. The second Service
//! with the same port (Traefik has 80 and 443) stays pending, without an address.
//!
//! ## What to do
//! Give one of the Services another port, make it ClusterIP behind the Ingress, or switch off what
//! you do not use (`--disable traefik`).
//!
//! ## What not to do
//! Do not delete the svclb pods: the controller makes them again. Do not disable servicelb while
//! other Services have their address from it.

use defib_model::views::Pod;

use crate::analysis::called::called;
use crate::analysis::placement;
use crate::analysis::scheduling::Reason;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "SCH006",
    class: "servicelb-hostport-conflict",
    needs: &["Pod"],
    leads_to: &[K::PodPending, K::LoadBalancerPending],
    check,
};

const LABEL: &str = "svccontroller.k3s.cattle.io/svcname";

fn is_lb(pod: &Pod) -> bool {
    pod.metadata.labels.contains_key(LABEL) || pod.metadata.name.starts_with("svclb-")
}

fn ports(pod: &Pod) -> Vec<(String, i64)> {
    pod.spec
        .all_containers()
        .flat_map(|(path, c)| {
            c.ports
                .iter()
                .enumerate()
                .filter_map(move |(i, p)| {
                    Some((format!("/spec/{path}/ports/{i}/hostPort"), p.host_port?))
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for p in placement::all(cx) {
        if p.reason != Reason::HostPorts {
            continue;
        }
        let wants = p.pod.map(ports).unwrap_or_default();
        let holder = cx.cluster.pods.iter().find_map(|other| {
            if other.spec.node_name.is_empty()
                || other.is_finished()
                || cx.cluster.id(other.obj) == p.id
            {
                return None;
            }
            ports(other)
                .into_iter()
                .find(|(_, port)| wants.iter().any(|(_, w)| w == port))
                .map(|(path, port)| (other, path, port))
        });
        let ours = p
            .pod
            .map_or_else(|| p.id.name().starts_with("svclb-"), is_lb);
        if !ours && !holder.as_ref().is_some_and(|(other, _, _)| is_lb(other)) {
            continue;
        }
        let port = holder.as_ref().map(|(_, _, port)| *port);
        let who = holder.as_ref().map_or_else(
            || "another pod".to_owned(),
            |(other, _, _)| {
                other.metadata.labels.get(LABEL).map_or_else(
                    || format!("pod {}", other.metadata.name),
                    |s| format!("Service {s}"),
                )
            },
        );
        let service = p
            .pod
            .and_then(|pod| pod.metadata.labels.get(LABEL))
            .cloned();
        let owner = cx.top_owner(&p.id);
        let me = service
            .as_ref()
            .map_or_else(|| called(&owner), |s| format!("Service {s}"));
        let number = port.map_or_else(|| "a host port".to_owned(), |n| format!("host port {n}"));
        let mut finding = RULE
            .on(owner)
            .title(format!("{me} wants {number}, which {who} has on the nodes"))
            .why("k3s' service load balancer opens every port of a LoadBalancer Service on the nodes themselves.")
            .term(80, "the scheduler finds no node whose port is free")
            .cite(p.said.clone()).cite_all(p.background.clone())
            .explains(K::PodPending, &p.id);
        if let Some((path, _)) = wants.iter().find(|(_, w)| port.is_none_or(|n| n == *w))
            && let Some(pod) = p.pod
        {
            finding = finding.cite(cx.field(pod.obj, path, "the host port that the pod wants"));
        }
        if let Some((other, path, _)) = &holder {
            finding = finding
                .term(15, "the holder of the port is in the evidence")
                .cite(cx.field(other.obj, path, "the same host port, taken"));
        }
        for s in &cx.cluster.services {
            if service.as_ref() == Some(&s.metadata.name) && s.spec.kind == "LoadBalancer" {
                finding = finding.explains(K::LoadBalancerPending, &cx.cluster.id(s.obj));
            }
        }
        out.push(
            p.settle(
                cx,
                finding
                    .safe(
                        "See which Services are LoadBalancers, and their ports.",
                        "kubectl get services -A | grep LoadBalancer",
                    )
                    .check_first(
                        "Give one of them another port, or make it ClusterIP behind the Ingress.",
                        "kubectl edit service NAME -n NAMESPACE",
                    )
                    .dont("Don't delete the svclb pods: the controller makes them again."),
            ),
        );
    }
}
