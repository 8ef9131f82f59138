//! # ADM018 The autoscaler counts pods that are not of its workload
//!
//! class: hpa-selector-matches-foreign-pod
//!
//! ## What it sees
//! A HorizontalPodAutoscaler that can't compute its metric (`missing request for … of Pod x`), where a
//! pod with the labels of the workload's selector belongs to another owner.
//!
//! ## Why it matters
//! The autoscaler asks for pods by the selector's labels, not by owner. One Job or sibling with the
//! same labels and without requests stops all scaling.
//!
//! ## What to do
//! Give the other pods labels of their own, or make the workload's labels and selector narrower (a
//! selector can't be changed in place).
//!
//! ## What not to do
//! Do not delete the autoscaler, and do not raise its limits: the numbers that it misses are not its own.

use crate::analysis::gitops::{text, value};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM018",
    class: "hpa-selector-matches-foreign-pod",
    needs: &["HorizontalPodAutoscaler", "Pod"],
    leads_to: &[],
    check,
};

const WHY: &str = "It asks for pods by the selector's labels, not by their owner; one without requests stops all scaling.";
const DONT: &str =
    "Don't raise the autoscaler's limits: the numbers that it misses are not its own.";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    of_objects(cx, out);
    if out.is_empty() {
        of_words(cx, out);
    }
}

/// The autoscaler names a pod without requests, and the rows of that pod and of its neighbours show that it
/// is a Job's, which carries the labels that the neighbours are found by.
/// Source: kubernetes `pkg/controller/podautoscaler/replica_calculator.go` (calculatePodRequests).
fn of_words(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let words = cx.cluster.events.iter().filter(|e| {
        e.about.kind().starts_with("horizontalpodautoscaler")
            && e.message.contains("missing request for ")
    });
    let mut named = std::collections::BTreeSet::new();
    for event in words {
        let Some((_, name)) = event.message.split_once(" of Pod ") else {
            continue;
        };
        let name = name.split([' ', ',', ';']).next().unwrap_or_default();
        let Some(pod) = cx.cluster.pods.iter().find(|p| p.metadata.name == name) else {
            continue;
        };
        let labels = &pod.metadata.labels;
        let of_job =
            labels.contains_key("job-name") || labels.contains_key("batch.kubernetes.io/job-name");
        // A pod of the Deployment itself, whose ReplicaSet marks it, that shares a label with the stranger.
        let own = cx.cluster.pods.iter().find(|p| {
            p.metadata.name != name
                && p.metadata.labels.contains_key("pod-template-hash")
                && p.metadata
                    .labels
                    .iter()
                    .any(|(k, v)| labels.get(k) == Some(v))
        });
        let Some(own) = own.filter(|_| of_job && named.insert((event.about.clone(), name))) else {
            continue;
        };
        let hpa = event.about.name();
        out.push(
            RULE.on(event.about.clone())
                .title(format!(
                    "autoscaler {hpa} counts pod {name}, which is a Job's"
                ))
                .why(WHY)
                .term(
                    82,
                    "its message names a Job's pod that carries the labels of its own pods",
                )
                .cite(cx.event(event, "what it can't compute"))
                .cite(cx.field(
                    pod.obj,
                    "/metadata/labels",
                    "a Job's pod with the same labels",
                ))
                .cite(cx.field(own.obj, "/metadata/labels", "a pod that it is to count"))
                .advice("Give the other pods labels of their own.")
                .dont(DONT),
        );
    }
}

fn of_objects(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for hpa in &cx.cluster.others {
        let Some(object) = cx
            .cluster
            .object(hpa.obj)
            .filter(|o| o.kind == "HorizontalPodAutoscaler")
        else {
            continue;
        };
        // Source: kubernetes `pkg/controller/podautoscaler/replica_calculator.go` (calculatePodRequests).
        let said = hpa.status.conditions.iter().enumerate().find(|(_, c)| {
            c.kind == "ScalingActive"
                && c.status == "False"
                && c.message.contains("missing request for ")
        });
        let Some((i, c)) = said else { continue };
        let v = value(cx, hpa.obj);
        let (kind, name) = (
            text(&v, "/spec/scaleTargetRef/kind"),
            text(&v, "/spec/scaleTargetRef/name"),
        );
        let Some(w) = cx.cluster.workloads.iter().find(|w| {
            w.kind == kind && w.metadata.name == name && w.metadata.namespace == object.namespace
        }) else {
            continue;
        };
        let target = cx.cluster.id(w.obj);
        let foreign = cx.cluster.pods.iter().find(|p| {
            let id = cx.cluster.id(p.obj);
            p.metadata.namespace == object.namespace
                && w.spec.selector.unmet(&p.metadata.labels).is_empty()
                && cx.top_owner(&id) != target
                && (c.message.contains(&format!("Pod {}", p.metadata.name))
                    || p.spec
                        .containers
                        .iter()
                        .any(|c| c.resources.requests.is_empty() && c.resources.limits.is_empty()))
        });
        let Some(pod) = foreign else { continue };
        let named = c.message.contains(&pod.metadata.name);
        out.push(
            RULE.on(object.id.clone())
                .title(format!("autoscaler {} counts pod {}, which is not of {kind} {name}", object.name, pod.metadata.name))
                .why(WHY)
                .term(if named { 85 } else { 65 }, if named { "its message names a pod of another owner" } else { "a pod of another owner carries the selector's labels and states no requests" })
                .cite(cx.field(hpa.obj, &format!("/status/conditions/{i}/message"), "what it can't compute"))
                .cite(cx.field(pod.obj, "/metadata/labels", "the other owner's pod carries the same labels"))
                .safe("See which pods the selector finds.", command!("kubectl get pods -n {} -l {} -o custom-columns=NAME:.metadata.name,OWNER:.metadata.ownerReferences[*].name", object.namespace, w.spec.selector.match_labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")))
                .advice("Give the other pods labels of their own.")
                .dont(DONT),
        );
    }
}
