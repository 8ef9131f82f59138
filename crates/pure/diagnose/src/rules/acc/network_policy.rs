//! # ACC001 A NetworkPolicy drops the connection
//!
//! class: networkpolicy-blocks-traffic
//!
//! ## What it sees
//! A program whose connections to a Service or pod of the cluster time out, while a NetworkPolicy
//! selects one of the two ends and allows nothing in that direction.
//!
//! ## Why it matters
//! A dropped packet leaves no trace: the program times out, all pods are ready, and nothing is logged.
//!
//! ## What to do
//! Compare the policy's selectors with the labels of both ends; then allow exactly this connection.
//!
//! ## What not to do
//! Do not delete the policy: it may be all that keeps others out.

use defib_model::views::Pod;
use defib_model::views::network::NetworkPolicy;

use crate::analysis::gitops::value;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ACC001",
    class: "networkpolicy-blocks-traffic",
    needs: &["NetworkPolicy", "container logs"],
    leads_to: &[K::ContainerCrashLoop],
    check,
};

/// The policies that rule a pod in this direction, each with whether it allows nothing at all.
fn rules<'a>(cx: &Context<'a>, pod: &Pod, direction: &str) -> Vec<(&'a NetworkPolicy, bool)> {
    cx.cluster
        .policies
        .iter()
        .filter(|p| {
            p.metadata.namespace == pod.metadata.namespace
                && p.spec.pod_selector.matches(&pod.metadata.labels)
        })
        // Without policyTypes a policy rules ingress; egress only when it has rules for it.
        .filter(|p| {
            p.spec.policy_types.iter().any(|t| t == direction)
                || (p.spec.policy_types.is_empty() && direction == "Ingress")
        })
        .map(|p| {
            let list = if direction == "Ingress" {
                "/spec/ingress"
            } else {
                "/spec/egress"
            };
            let none = value(cx, p.obj)
                .pointer(list)
                .and_then(|l| l.as_array())
                .is_none_or(Vec::is_empty);
            (p, none)
        })
        .collect()
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for hit in cx.hits("app.connect-timeout") {
        let Some(from) = hit.entity.clone() else {
            continue;
        };
        let source = cx.cluster.pod(&from);
        let Some((i, ip)) = hit
            .lines
            .iter()
            .enumerate()
            .find_map(|(i, l)| Some((i, l.groups.first()?)))
        else {
            continue;
        };
        let service = cx
            .cluster
            .services
            .iter()
            .find(|s| s.spec.cluster_ip == *ip);
        let targets: Vec<&Pod> = match service {
            Some(s) if !s.spec.selector.is_empty() => cx
                .cluster
                .pods_with(&s.metadata.namespace, &s.spec.selector)
                .collect(),
            _ => cx
                .cluster
                .pods
                .iter()
                .filter(|p| p.status.pod_ip == *ip)
                .collect(),
        };
        // Where nothing ready is behind the address, a policy is not needed to explain the silence.
        let Some(target) = targets.iter().find(|p| p.is_ready()) else {
            continue;
        };
        let mut policies = rules(cx, target, "Ingress");
        // Policies add up: one that allows something may allow this.
        let closed = |list: &[(&NetworkPolicy, bool)]| {
            !list.is_empty() && list.iter().all(|(_, none)| *none)
        };
        let mut sure = closed(&policies);
        if !sure {
            let egress = source.map(|s| rules(cx, s, "Egress")).unwrap_or_default();
            sure = closed(&egress);
            if sure || policies.is_empty() {
                policies = egress;
            }
        }
        let Some((policy, _)) = policies.first() else {
            continue;
        };
        let (ns, name) = (&policy.metadata.namespace, &policy.metadata.name);
        let mut f = RULE
            .on(cx.cluster.id(policy.obj))
            .title(format!("NetworkPolicy {ns}/{name} drops what {} sends to {}", from.name(), target.metadata.name))
            .why("A dropped packet leaves no trace: the program times out and everything looks well.")
            .term(if sure { 70 } else { 45 }, if sure { "the policy selects one end and allows nothing in this direction" } else { "the policy selects one end" })
            .term(10, "connections to a ready pod of the cluster time out")
            .cite(cx.log(hit, i, "the connection times out"))
            .cite(cx.field(policy.obj, "/spec/podSelector", "the policy rules this end"))
            .cite_all(service.map(|s| cx.field(s.obj, "/spec/clusterIP", "the address that was called")))
            .cite(cx.field(target.obj, "/metadata/labels", "a ready pod behind that address"))
            .explains_if(cx, K::ContainerCrashLoop, &from)
            .explains_if(cx, K::PodNotReady, &from)
            .safe("Compare the selectors with the labels of both ends.", command!("kubectl describe networkpolicy -n {}; kubectl get pods -A --show-labels", ns))
            .check_first("Allow exactly this connection.", command!("kubectl edit networkpolicy {} -n {}", name, ns))
            .dont("Don't delete the policy: it may be all that keeps others out.");
        if !sure {
            f = f.undecided(
                "Does one of the policies allow this connection?",
                command!("kubectl get networkpolicy -n {} -o yaml", ns),
                &["networkpolicy-blocks-traffic"],
            );
        }
        out.push(f);
    }
}
