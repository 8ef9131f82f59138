//! # ADM008 A finalizer that nobody serves keeps the namespace
//!
//! class: namespace-stuck-finalizer
//!
//! ## What it sees
//! A namespace in deletion that says `Some content in the namespace has finalizers remaining: F in N
//! resource instances`, or that still holds a custom resource in deletion with a finalizer, while no
//! pod of the controller that owns the finalizer runs.
//! Or all content was deleted and instances of a custom kind remain; or the reason `SomeFinalizersRemain` alone.
//!
//! ## Why it matters
//! The controller was deleted before its resources. Nobody does the clean-up that the finalizer stands
//! for, so neither the resource nor the namespace ever goes.
//!
//! ## What to do
//! Bring the controller back (same version) and let it clean up; only if that is impossible, clean up
//! by hand what it would have, and take the finalizer off that one resource.
//!
//! ## What not to do
//! Do not empty the namespace's own `spec.finalizers`: its content stays in the datastore, unreachable,
//! and comes back with the next namespace of that name.

use crate::analysis::said::said;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM008",
    class: "namespace-stuck-finalizer",
    needs: &["Namespace"],
    leads_to: &[K::NamespaceTerminating],
    check,
};

/// Finalizers that Kubernetes serves itself. Source: kubernetes `pkg/util/finalizers` and the controllers.
fn built_in(finalizer: &str) -> bool {
    !finalizer.contains('.')
        || finalizer.starts_with("kubernetes.io/")
        || (finalizer.contains(".kubernetes.io/") && !finalizer.contains("x-k8s"))
}

/// `a.io/x in 1 resource instances, b.io/y in 2 resource instances` names the finalizers.
fn remaining(message: &str) -> Vec<&str> {
    let Some((_, list)) = message.split_once("finalizers remaining: ") else {
        return Vec::new();
    };
    list.split(", ")
        .filter_map(|p| p.split_once(" in ").map(|x| x.0.trim()))
        .filter(|f| !built_in(f))
        .collect()
}

/// A living pod that looks like the controller of a finalizer: its name, namespace or image carries
/// the finalizer's domain name.
fn controller<'a>(cx: &Context<'a>, finalizer: &str) -> Option<&'a defib_model::views::Pod> {
    let domain = finalizer.split('/').next().unwrap_or_default();
    let words: Vec<&str> = domain
        .split(['.', '-'])
        .filter(|w| {
            w.len() > 3
                && !matches!(
                    *w,
                    "finalizer"
                        | "finalizers"
                        | "k8s"
                        | "kubernetes"
                        | "operator"
                        | "controller"
                        | "cluster"
                )
        })
        .collect();
    cx.cluster.pods.iter().find(|p| {
        let text = format!(
            "{} {} {}",
            p.metadata.namespace,
            p.metadata.name,
            p.spec
                .containers
                .iter()
                .map(|c| c.image.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        );
        p.is_ready() && words.iter().any(|w| text.contains(w))
    })
}

fn finding(ns: &str, finalizer: &str) -> Finding {
    RULE.on(EntityId::object("Namespace", "", "", ns))
        .key(finalizer)
        .title(format!("namespace {ns} waits for finalizer {finalizer}, which nobody takes off"))
        .why("Its controller would clean up and let go: it is gone, or it can't finish. Until then the namespace waits.")
        .safe("See what is left in the namespace.", command!("kubectl api-resources --verbs=list --namespaced -o name | xargs -n1 kubectl get -n {} --ignore-not-found --show-kind", ns))
        .check_first("Bring the controller of the finalizer back and let it clean up.", "kubectl get deployments,pods -A | grep -i CONTROLLER")
        .destructive("Only if that is impossible: clean up by hand, then take the finalizer off that one resource.", command!("kubectl patch KIND NAME -n {} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'", ns))
        .dont("Don't empty the namespace's own spec.finalizers (the /finalize trick): its content stays behind, unseen, and comes back with the next namespace of that name.")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let messages = said(
        cx,
        "finalizers remaining: ",
        "apiserver.namespace-finalizers",
        "the namespace names the finalizers that it waits for",
    );
    for ns in cx
        .cluster
        .namespaces
        .iter()
        .filter(|n| n.metadata.deletion_timestamp.is_some() || n.status.phase == "Terminating")
    {
        let name = &ns.metadata.name;
        let id = cx.cluster.id(ns.obj);
        if cx.has(K::NamespaceTerminating, &id).is_none() {
            continue;
        }
        let mut f: Option<Finding> = None;
        let mut finalizers: Vec<String> = Vec::new();
        for s in messages.iter().filter(|s| s.who.as_ref() == Some(&id)) {
            for finalizer in remaining(&s.text) {
                finalizers.push(finalizer.to_owned());
                f = Some(
                    f.take()
                        .unwrap_or_else(|| finding(name, finalizer))
                        .term(
                            70,
                            "the namespace itself names the finalizer that it waits for",
                        )
                        .cite(s.evidence.clone()),
                );
            }
        }
        for o in
            cx.cluster.others.iter().filter(|o| {
                o.metadata.namespace == *name && o.metadata.deletion_timestamp.is_some()
            })
        {
            let Some(own) = o.metadata.finalizers.iter().find(|x| !built_in(x)) else {
                continue;
            };
            finalizers.push(own.clone());
            let held = cx.cluster.id(o.obj);
            let fresh = f.is_none();
            let mut next = f.take().unwrap_or_else(|| finding(name, own));
            next = next
                .cite(cx.field(
                    o.obj,
                    "/metadata/finalizers",
                    "this resource is in deletion and still has the finalizer",
                ))
                .explains_if(cx, K::ObjectTerminating, &held);
            f = Some(if fresh {
                next.term(
                    70,
                    "a custom resource in it is in deletion and still has a finalizer",
                )
            } else {
                next.term(5, "the resource that has it is in the evidence")
            });
        }
        // A namespace may itself carry a finalizer of somebody's.
        if let Some(own) = ns.metadata.finalizers.iter().find(|x| !built_in(x)) {
            finalizers.push(own.clone());
            f = Some(
                f.take()
                    .unwrap_or_else(|| {
                        finding(name, own).term(65, "the namespace carries the finalizer itself")
                    })
                    .cite(cx.field(
                        ns.obj,
                        "/metadata/finalizers",
                        "the namespace's own finalizer",
                    )),
            );
        }
        let (Some(mut f), Some(finalizer)) = (f, finalizers.first()) else {
            out.extend(left_over(cx, ns));
            continue;
        };
        f = f.explains(K::NamespaceTerminating, &id);
        match controller(cx, finalizer) {
            Some(pod) => {
                f = f
                    .against(cx.field(pod.obj, "/metadata/name", "this pod looks like its controller, and is ready"))
                    .undecided("A pod that looks like the finalizer's controller is ready: what does its log say about the resource?", command!("kubectl logs {} -n {} --tail=100", pod.metadata.name, pod.metadata.namespace), &["namespace-stuck-finalizer"]);
            }
            None if cx.cluster.pods.is_empty() => {}
            None => f = f.term(15, "no ready pod looks like its controller"),
        }
        out.push(f);
    }
    let reason: Vec<_> = cx
        .hits("apiserver.namespace-finalizers-reason")
        .map(|hit| cx.log(hit, 0, "finalizers hold what is left in it"))
        .collect();
    // A pasted description: the words alone.
    for s in messages.iter().filter(|s| s.who.is_none()) {
        for finalizer in remaining(&s.text) {
            out.push(
                finding("", finalizer)
                    .title(format!(
                        "a namespace waits for finalizer {finalizer}, which nobody takes off"
                    ))
                    .term(
                        75,
                        "the namespace itself names the finalizer that it waits for",
                    )
                    .cite(s.evidence.clone()),
            );
        }
    }
    if !messages.is_empty() {
        return;
    }
    // The words broken over lines, as YAML folds them.
    for hit in cx.hits("apiserver.namespace-finalizer-row") {
        let left = |i: usize| hit.lines.get(i)?.groups.first();
        let rows = (0..hit.lines.len()).filter(|i| left(*i).is_some_and(|f| !built_in(f)));
        let Some(finalizer) = rows.clone().next().and_then(left) else {
            continue;
        };
        out.push(
            finding("", finalizer)
                .title(format!(
                    "a namespace waits for finalizer {finalizer}, and no controller takes it off"
                ))
                .term(
                    75,
                    "the namespace itself names the finalizer that it waits for",
                )
                .cite_all(rows.map(|i| cx.log(hit, i, "a finalizer that is left")))
                .cite_all(reason.clone()),
        );
    }
    if out.iter().any(|f| f.rule.code == RULE.code) {
        return;
    }
    // The reason alone: the namespace controller gives it where finalizers hold what is left.
    if !reason.is_empty() {
        out.push(
            finding("", "of what is left in it")
                .title("a namespace waits for finalizers of what is left in it, which nobody takes off")
                .term(70, "the namespace itself says that finalizers remain")
                .cite_all(reason),
        );
    }
}

/// All content was deleted, and instances of a custom kind are still there: they wait for a finalizer,
/// though the part of the description that names it is not shown.
/// Source: kubernetes `pkg/controller/namespace/deletion/status_condition_utils.go`.
fn left_over(cx: &Context<'_>, ns: &defib_model::views::Namespace) -> Option<Finding> {
    let condition = |kind: &str| {
        let all = &ns.status.conditions;
        let i = all.iter().position(|c| c.kind == kind)?;
        Some((i, all.get(i)?))
    };
    // A kind that discovery does not find may hold it up just as well.
    if condition("NamespaceDeletionDiscoveryFailure").is_some_and(|(_, c)| c.status == "True") {
        return None;
    }
    let (_, deleted) = condition("NamespaceDeletionContentFailure")?;
    let (at, remain) =
        condition("NamespaceContentRemaining").filter(|(_, c)| c.status == "True")?;
    if deleted.status != "False" {
        return None;
    }
    let (_, list) = remain.message.split_once("resources are remaining: ")?;
    let kind = list.split(", ").find_map(|part| {
        let (kind, _) = part.split_once(" has ")?;
        let (_, group) = kind.split_once('.')?;
        let custom = group.contains('.') && !group.ends_with(".k8s.io");
        custom.then_some(kind)
    })?;
    let name = &ns.metadata.name;
    let id = cx.cluster.id(ns.obj);
    Some(
        finding(name, kind)
            .title(format!(
                "namespace {name} waits for {kind}: a finalizer that nobody takes off keeps them"
            ))
            .term(
                76,
                "all of its content was deleted, and instances of a custom kind are still there",
            )
            .cite(cx.field(
                ns.obj,
                &format!("/status/conditions/{at}/message"),
                "what is left in it",
            ))
            .safe(
                "Which finalizer do they carry?",
                command!(
                    "kubectl get {} -n {} -o jsonpath='{{.items[*].metadata.finalizers}}'",
                    kind,
                    name
                ),
            )
            .explains(K::NamespaceTerminating, &id),
    )
}
