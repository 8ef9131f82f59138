//! # STO010 The claim waits for a pod, and no pod uses it
//!
//! class: pvc-waits-for-consumer
//!
//! ## What it sees
//! A claim that is not bound, of a class with `volumeBindingMode: WaitForFirstConsumer` (k3s' local-
//! path is one), and no living pod that mounts it.
//!
//! ## Why it matters
//! This is how the class works: the volume is made on the node where the first pod is placed. The
//! claim only looks broken. The question is why there is no pod.
//!
//! ## What to do
//! Look at the workload that should mount the claim: scaled to zero, refused, a wrong claim name, or
//! not deployed. If nobody needs the claim, it is a left-over.
//!
//! ## What not to do
//! Do not change the class to Immediate to see the claim Bound: local volumes then land on a node
//! that the pod may not run on.

use defib_model::fact::Value;

use crate::analysis::binding::{self, Verdict};
use crate::analysis::host;
use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO010",
    class: "pvc-waits-for-consumer",
    needs: &["PersistentVolumeClaim", "StorageClass", "Pod"],
    leads_to: &[],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ClaimPending) {
        let Some(claim) = cx.claim(&c.entity) else {
            by_word(cx, c, out);
            continue;
        };
        let Verdict::NoConsumer = binding::verdict(cx.cluster, claim) else {
            continue;
        };
        let class = binding::class_of(cx.cluster, claim);
        let (ns, name) = (&claim.metadata.namespace, &claim.metadata.name);
        let unused = host::facts_anywhere(cx, |v| {
            matches!(v, Value::Unused(n, c) if n == ns && c == name).then_some(())
        })
        .next();
        let listed = cx.cluster.is_listed("Pod", ns) || unused.is_some();
        // A claim that a Job's or a scaled-down owner's pods would mount waits in order; so does one
        // whose pods are refused at creation, which is the cause then.
        let refused = cx
            .all(K::PodRefused)
            .any(|p| p.entity.namespace() == Some(ns));
        if refused {
            continue;
        }
        let mut finding = RULE
            .on(c.entity.clone())
            .title(format!(
                "claim {name} waits for its first pod, and no pod uses it"
            ))
            .why("The class binds when a pod is placed; the claim is in order, the pod is missing.")
            .term(55, "the class waits for the first consumer")
            .term(
                if listed { 25 } else { 10 },
                "no living pod of the evidence mounts the claim",
            )
            .cite_all(
                storage::said(
                    cx,
                    &c.entity,
                    &["waiting for first consumer to be created before binding"],
                    "the binder waits for a pod",
                )
                .into_iter()
                .take(1),
            )
            .cite_all(unused.map(|(f, ())| cx.fact(f, "no pod uses it")))
            .cite_all(c.evidence.first().cloned());
        if let Some(class) = class {
            finding = finding.cite(cx.field(
                class.obj,
                "/volumeBindingMode",
                "the class binds when a pod is placed",
            ));
        }
        finding = finding.explains(K::ClaimPending, &c.entity);
        if !listed {
            finding = finding.undecided(
                format!("Is there a pod that mounts claim {name}?"),
                command!("kubectl get pods -n {} -o yaml | grep claimName", ns),
                &["pvc-waits-for-consumer"],
            );
        }
        out.push(
            finding
                .safe("Find who should mount it.", command!("kubectl get deployments,statefulsets,jobs,cronjobs -n {} -o yaml | grep -n {}", ns, format!("claimName: {name}")))
                .dont("Don't change the class to Immediate to see the claim Bound: local volumes then land on a node that the pod may not run on."),
        );
    }
}

/// The binder's word alone, without the claim: since Kubernetes 1.19 it says so only while no pod uses the
/// claim (otherwise `waiting for pod … to be scheduled`).
/// Source: kubernetes `pv_controller.go` (emitEventForUnboundDelayBindingClaim).
fn by_word(cx: &Context<'_>, c: &Condition, out: &mut Vec<Finding>) {
    let Some(event) = crate::context::last_event(cx.cluster, &c.entity, &["WaitForFirstConsumer"])
    else {
        return;
    };
    // With such a class all of this begins when a pod was placed.
    let begun = [
        "Provisioning",
        "ProvisioningFailed",
        "ProvisioningSucceeded",
        "ExternalProvisioning",
        "WaitForPodScheduled",
    ];
    if crate::context::last_event(cx.cluster, &c.entity, &begun).is_some() {
        return;
    }
    let name = c.entity.name();
    out.push(
        RULE.on(c.entity.clone())
            .title(format!("claim {name} waits for its first pod, and no pod uses it"))
            .why("The class binds when a pod is placed; the claim is in order, the pod is missing.")
            .term(70, "the binder waits for a consumer, again and again")
            .term(12, "it would name the pod if there were one that waits to be placed")
            .cite(cx.event(event, "the binder waits for a pod"))
            .explains(K::ClaimPending, &c.entity)
            .safe("Find who should mount it.", command!("kubectl get pods -A -o yaml | grep -n {}", format!("claimName: {name}")))
            .dont("Don't change the class to Immediate to see the claim Bound: local volumes then land on a node that the pod may not run on."),
    );
}
