//! # WRK016 A Service sends to a port name that its pods do not declare
//!
//! class: service-port-mismatch
//!
//! ## What it sees
//! A Service whose `targetPort` is a name, while no container of the pods that it selects declares a
//! port of that name and protocol; and no other port of the Service that leads anywhere.
//!
//! ## Why it matters
//! The pods are well, the selector fits, and addresses are listed; but a name without a number is no
//! port, so the endpoints have none and nothing is forwarded. No event says so.
//!
//! ## What to do
//! Give the container's port the name, or put the number (or the right name) into the Service.
//!
//! ## What not to do
//! Do not restart the pods: they run, and the new ones declare the same ports.

use crate::analysis::endpoints;
use crate::conditions::GRACE;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK016",
    class: "service-port-mismatch",
    needs: &["Service", "Pod"],
    leads_to: &[K::ServiceWithoutEndpoints],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for service in &cx.cluster.services {
        if !cx.older_than(service.metadata.creation_timestamp, GRACE) {
            continue;
        }
        let Some((i, port, pod)) = endpoints::unknown_port(cx, service) else {
            continue;
        };
        let (ns, name) = (&service.metadata.namespace, &service.metadata.name);
        let id = cx.cluster.id(service.obj);
        let owner = cx.top_owner(&cx.cluster.id(pod.obj));
        let place = pod
            .spec
            .containers
            .iter()
            .position(|c| !c.ports.is_empty())
            .map(|c| format!("/spec/containers/{c}/ports"));
        let declares = match &place {
            Some(_) => "the ports that the pod declares, under other names",
            None => "the Service selects this pod, which declares no port",
        };
        let place = place.unwrap_or_else(|| "/metadata/labels".to_owned());
        out.push(
            RULE.on(id.clone())
                .title(format!(
                    "Service {name} sends to port {port}, and no container of {} {} declares a port of that name",
                    owner.kind(),
                    owner.name()
                ))
                .why("A name that no container declares has no number: nothing is forwarded, and nothing reports it.")
                .term(85, "no pod that the Service selects declares this name")
                .cite(cx.field(
                    service.obj,
                    &format!("/spec/ports/{i}/targetPort"),
                    "the name to which the Service sends",
                ))
                .cite(cx.field(pod.obj, &place, declares))
                .explains_observed(cx, &[K::ServiceWithoutEndpoints], &id)
                .safe(
                    "See both sides.",
                    command!(
                        "kubectl get service {} -n {} -o yaml; kubectl get endpointslices -n {} -l kubernetes.io/service-name={} -o yaml",
                        name,
                        ns,
                        ns,
                        name
                    ),
                )
                .check_first(
                    "Give the container's port this name, or put the port's number into the Service.",
                    command!("kubectl edit service {} -n {}", name, ns),
                )
                .dont("Don't restart the pods: new ones declare the same ports."),
        );
    }
}
