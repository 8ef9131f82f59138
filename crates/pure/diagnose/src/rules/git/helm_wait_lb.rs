//! # GIT002 Helm waits for a load balancer address that never comes
//!
//! class: helm-wait-loadbalancer-pending
//!
//! ## What it sees
//! A Helm release that ran into its timeout while a Service of type LoadBalancer that it made has no
//! address; or Helm's own `Service does not have load balancer ingress IP address`.
//!
//! ## Why it matters
//! With `--wait` a release counts as failed although all its pods run. GitOps then retries, rolls back
//! or gives up.
//!
//! ## What to do
//! Find out who should give the address (k3s servicelb, MetalLB, a cloud controller) and why not; or do
//! not make the Service a LoadBalancer.
//!
//! ## What not to do
//! Do not raise the timeout: the address does not come later either.

use crate::analysis::gitops;
use crate::analysis::said::{claim, is_ended, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT002",
    class: "helm-wait-loadbalancer-pending",
    needs: &["Service"],
    leads_to: &[K::ResourceNotReady],
    check,
};

fn finding(entity: EntityId, service: &str) -> Finding {
    RULE.on(entity)
        .title(format!("Helm waits for a load balancer address of Service {service}, which nobody gives"))
        .why("The pods may all run; the release still counts as failed, because Helm waits for the address.")
        .safe("See who should give it, and what they say.", "kubectl get services -A | grep LoadBalancer; kubectl get pods -A | grep -E 'svclb|metallb|cloud-controller'")
        .check_first("Give the address, or make the Service a ClusterIP.", "kubectl edit service NAME -n NAMESPACE")
        .dont("Don't raise the timeout: the address does not come later either.")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for s in &said(
        cx,
        "does not have load balancer ingress IP address",
        "helm.wait-load-balancer",
        "Helm names the Service that it waits for",
    ) {
        // It says so as long as it waits; what counts is how that ended.
        if is_ended(cx, &s.evidence, &["helm.done"]) {
            continue;
        }
        let service = s
            .text
            .rsplit(": ")
            .next()
            .unwrap_or_default()
            .trim()
            .trim_matches('"')
            .to_owned();
        let (ns, name) = service.split_once('/').unwrap_or(("", &service));
        out.push(claim(
            cx,
            finding(EntityId::object("Service", "", ns, name), &service)
                .term(85, "Helm names the Service and what it waits for"),
            &[s],
        ));
    }
    for r in gitops::not_ready(cx, "helm.toolkit.fluxcd.io")
        .into_iter()
        .filter(|r| r.kind == "HelmRelease")
    {
        let (i, c) = r.condition;
        let all: Vec<&str> = cx
            .cluster
            .others
            .iter()
            .filter(|o| o.obj == r.obj)
            .flat_map(|o| o.status.conditions.iter().map(|c| c.message.as_str()))
            .collect();
        let timed_out = all.iter().any(|m| {
            m.contains("timed out waiting for the condition")
                || m.contains("context deadline exceeded")
        });
        if !timed_out {
            continue;
        }
        let v = gitops::value(cx, r.obj);
        let pick = |at: &str, or: &str| {
            Some(gitops::text(&v, at))
                .filter(|t| !t.is_empty())
                .unwrap_or(or)
                .to_owned()
        };
        let (ns, release) = (
            pick(
                "/spec/targetNamespace",
                r.id.namespace().unwrap_or_default(),
            ),
            pick("/spec/releaseName", r.id.name()),
        );
        for service in cx
            .cluster
            .services
            .iter()
            .filter(|s| s.metadata.namespace == ns)
        {
            let sid = cx.cluster.id(service.obj);
            let its = service
                .metadata
                .annotations
                .get("meta.helm.sh/release-name")
                .or_else(|| service.metadata.labels.get("app.kubernetes.io/instance"));
            if its != Some(&release)
                || service.spec.kind != "LoadBalancer"
                || cx.has(K::LoadBalancerPending, &sid).is_none()
            {
                continue;
            }
            out.push(
                finding(sid, &format!("{ns}/{}", service.metadata.name))
                    .term(55, "the release ran into its timeout while it waited")
                    .term(30, "a LoadBalancer Service of the release has no address")
                    .cite(cx.field(
                        r.obj,
                        &format!("/status/conditions/{i}/message"),
                        format!("{}: Helm gave up waiting", c.kind),
                    ))
                    .cite(cx.field(service.obj, "/spec/type", "the Service that has no address"))
                    .weak()
                    .explains(K::ResourceNotReady, &r.id),
            );
        }
    }
}
