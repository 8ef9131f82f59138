//! # ADM005 A fail-closed webhook has nothing ready behind it
//!
//! class: webhook-backend-down-fail-closed
//!
//! ## What it sees
//! `failed calling webhook "NAME": …` with no endpoints, a refused connection or no answer, for a
//! webhook whose failure policy is Fail, while no pod behind its Service is ready. Where nobody shows its pods and nodes
//! are not ready, it is a question.
//!
//! ## Why it matters
//! Whatever the webhook looks at is refused, often the pods that would bring the webhook itself back:
//! then nothing heals by itself.
//!
//! ## What to do
//! Bring its pods back; if the webhook refuses them, let it fail open (or exempt its namespace) until
//! they are ready, then put it back.
//!
//! ## What not to do
//! Do not delete the webhook configuration without keeping a copy: the operator may not make it
//! again, and the checks are gone without a word.

use crate::analysis::said::claim;
use crate::analysis::webhook::{Failing, Verdict, failing};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM005",
    class: "webhook-backend-down-fail-closed",
    needs: &["Event"],
    leads_to: &[K::WebhookFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for w in failing(cx) {
        if matches!(w.verdict, Verdict::Down | Verdict::DownOrNotYet) {
            out.push(finding(cx, &w));
        }
    }
}

/// Is this a node that was in use and went away? One without its network is there, and one that was cordoned was empty.
fn is_gone(cx: &Context<'_>, id: &EntityId) -> bool {
    let mut nodes = cx.cluster.nodes.iter();
    let node = nodes.find(|n| cx.cluster.id(n.obj) == *id);
    node.is_none_or(|n| {
        let mut conditions = n.status.conditions.iter();
        let there = conditions.any(|c| c.kind == "Ready" && c.reason == "KubeletNotReady");
        !n.spec.unschedulable.unwrap_or_default() && !there
    })
}

/// Are pods of this namespace in the evidence, or what makes them?
fn is_shown(cx: &Context<'_>, namespace: &str) -> bool {
    let cluster = cx.cluster;
    [
        "Pod",
        "Deployment",
        "ReplicaSet",
        "DaemonSet",
        "StatefulSet",
    ]
    .iter()
    .any(|kind| cluster.is_listed(kind, namespace))
        || cluster
            .pods
            .iter()
            .any(|p| p.metadata.namespace == namespace)
        || cluster
            .workloads
            .iter()
            .any(|w| w.metadata.namespace == namespace)
}

fn finding(cx: &Context<'_>, w: &Failing<'_>) -> Finding {
    let name = &w.name;
    let service = w
        .service
        .as_ref()
        .map_or("its Service".to_owned(), |(ns, s)| {
            format!("Service {ns}/{s}")
        });
    let kind = w.config.map_or(
        "validatingwebhookconfigurations,mutatingwebhookconfigurations",
        |(c, _)| {
            if c.kind.starts_with("Mut") {
                "mutatingwebhookconfiguration"
            } else {
                "validatingwebhookconfiguration"
            }
        },
    );
    let config = w.config.map_or("", |(c, _)| c.metadata.name.as_str());
    let mut f = RULE
        .on(w.entity.clone())
        .title(format!(
            "webhook {name} fails closed and nothing ready serves it behind {service}"
        ))
        .why("Everything that this webhook looks at is refused until it answers again.")
        .term(
            70,
            "the API server names the webhook and why the call failed",
        )
        .explains_if(cx, K::WebhookFailing, &w.entity);
    let said: Vec<_> = w.said.iter().collect();
    // What it refuses is explained by the graph; here only the call itself is claimed.
    for s in &said {
        f = f.cite(s.evidence.clone());
    }
    if said.iter().all(|s| s.who.is_none()) {
        f = claim(cx, f, &[]);
    }
    if let Some((c, i)) = w.config
        && c.webhooks
            .get(i)
            .is_some_and(|h| !h.failure_policy.is_empty())
    {
        f = f
            .cite(cx.field(
                c.obj,
                &format!("/webhooks/{i}/failurePolicy"),
                "it refuses when it can't be asked",
            ))
            .term(5, "its failure policy is Fail");
    }
    match &w.pods {
        Some(pods) => {
            f = f.term(
                15,
                format!("{} pods stand behind {service}, none ready", pods.len()),
            );
        }
        None if w.verdict == Verdict::Down => {
            f = f.term(
                10,
                "the message says that nothing is behind it, or it has failed for long",
            )
        }
        None => {}
    }
    match &w.blocks_itself {
        Some(owner) => {
            f = f.term(
                5,
                format!(
                    "it refuses the pods of {} {} in its own namespace",
                    owner.kind(),
                    owner.name()
                ),
            );
        }
        None => f = f.weak(),
    }
    f = f
        .safe("See what is behind it.", w.service.as_ref().map_or("kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations".into(), |(ns, s)| command!("kubectl get service,endpointslices,deployments,pods -n {}; kubectl describe service {} -n {}", ns, s, ns)))
        .safe("Keep a copy of the configuration.", command!("kubectl get {} {} -o yaml > webhook-copy.yaml", kind, config))
        .check_first("If it blocks its own pods: let it fail open until they are ready, then put it back.", command!("kubectl edit {} {}  # failurePolicy: Ignore", kind, config))
        .dont("Don't delete the configuration without a copy: the checks are gone without a word, and nobody may make it again.");
    // Nobody shows its pods, and nodes are down on which they may well have been.
    let down = cx.all(K::NodeNotReady).find(|c| is_gone(cx, &c.entity));
    let unseen = w.pods.is_none() && w.service.as_ref().is_none_or(|(ns, _)| !is_shown(cx, ns));
    // A server that ends for want of it is down for that.
    let ends = said.iter().any(|s| s.evidence.text.contains("level=fatal"));
    if let (true, Some(node)) = (unseen && !ends, down) {
        return f.cite_all(node.evidence.first().cloned()).undecided(
            "Did the webhook's pods run on the nodes that are not ready?",
            w.service
                .as_ref()
                .map_or("kubectl get pods -A -o wide".into(), |(ns, _)| {
                    command!("kubectl get pods -n {} -o wide", ns)
                }),
            &["webhook-backend-down-fail-closed", "host-down"],
        );
    }
    if w.verdict == Verdict::DownOrNotYet {
        f = f.undecided(
            "Is a pod behind the webhook's Service ready by now?",
            w.service
                .as_ref()
                .map_or("kubectl get pods -A".into(), |(ns, _)| {
                    command!("kubectl get pods,endpointslices -n {}", ns)
                }),
            &["webhook-backend-down-fail-closed", "webhook-not-ready-yet"],
        );
    }
    f
}
