//! # ADM001 The namespace's Pod Security level refuses the pods
//!
//! class: podsecurity-rejects-pod
//!
//! ## What it sees
//! `violates PodSecurity "LEVEL:VERSION": …` in the events or status of an owner whose pods are not
//! there.
//!
//! ## Why it matters
//! The refusal stands on the ReplicaSet or StatefulSet only; the Deployment just shows fewer pods,
//! and there is no pod to describe. Pods that ran before the label was set go on running until they
//! are re-made: a time bomb.
//!
//! ## What to do
//! Set the fields that the message lists in the pod template. If the workload really needs the
//! rights, give it a namespace of its own with a lower level.
//!
//! ## What not to do
//! Do not lower the level of the whole namespace to get one pod through.

use std::collections::BTreeMap;

use defib_model::report::Evidence;

use crate::analysis::between;
use crate::analysis::called::called;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM001",
    class: "podsecurity-rejects-pod",
    needs: &["Event"],
    leads_to: &[K::PodRefused],
    check,
};

/// The YAML that answers one violation. Source: kubernetes
/// `staging/src/k8s.io/pod-security-admission/policy/check_*.go` (the text before the bracket).
fn cure(violation: &str) -> Option<&'static str> {
    Some(match violation {
        v if v.starts_with("allowPrivilegeEscalation != false") => {
            "allowPrivilegeEscalation: false"
        }
        v if v.starts_with("unrestricted capabilities") => "capabilities: {drop: [ALL]}",
        v if v.starts_with("runAsNonRoot != true") => "runAsNonRoot: true",
        v if v.starts_with("runAsUser=0") => "runAsUser: 1000",
        v if v.starts_with("seccompProfile") => "seccompProfile: {type: RuntimeDefault}",
        v if v.starts_with("privileged") => "privileged: false",
        _ => return None,
    })
}

/// The words of the refusal.
const WORDS: &str = "violates PodSecurity";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut by_namespace: BTreeMap<String, Vec<(&Condition, String, Evidence)>> = BTreeMap::new();
    for c in cx.all(K::PodRefused) {
        // Of many refusals the last that gives this reason; any other may have another, or none.
        let event = cx
            .cluster
            .events_of(&c.entity)
            .filter(|e| e.message.contains(WORDS));
        let said = match event.last() {
            Some(e) => Some((
                e.message.clone(),
                cx.event(e, "the API server refuses the pods of this owner")
                    .around(WORDS),
            )),
            None => c
                .evidence
                .iter()
                .find(|e| e.text.contains(WORDS))
                .map(|e| (e.text.clone(), e.clone())),
        };
        if let Some((message, evidence)) = said {
            by_namespace
                .entry(c.entity.namespace().unwrap_or("-").to_owned())
                .or_default()
                .push((c, message, evidence));
        }
    }
    for (ns, refused) in by_namespace {
        let Some((first, message, _)) = refused.first() else {
            continue;
        };
        // What a command is to name where nothing does.
        let space = if ns == "-" { "NAMESPACE" } else { &ns };
        let level = between(message, "violates PodSecurity \"", "\"")
            .unwrap_or("its level")
            .to_owned();
        let violations: Vec<&str> = message
            .split_once("\": ")
            .map_or("", |m| m.1)
            .split("), ")
            .collect();
        let cures: Vec<&str> = violations.iter().filter_map(|v| cure(v.trim())).collect();
        let mut owners: Vec<String> = refused
            .iter()
            .map(|(c, ..)| {
                let top = cx.top_owner(&c.entity);
                called(&top)
            })
            .collect();
        owners.sort();
        owners.dedup();
        let top = cx.top_owner(&first.entity);
        let level_name = level.split(':').next().unwrap_or_default().to_owned();
        let mut finding = RULE
            .on(EntityId::object("Namespace", "", "", &ns))
            .title(format!(
                "{} enforces Pod Security level {level} and refuses the pods of {}",
                match ns.as_str() {
                    "-" | "" => "a namespace".to_owned(),
                    ns => format!("namespace {ns}"),
                },
                owners.join(", ")
            ))
            .why("The refusal shows only on the owner: there is no pod to describe.")
            .term(
                85,
                "the API server names the level and the fields that violate it",
            )
            .term(10, "the owner has fewer pods than it wants");
        for (c, _, evidence) in &refused {
            finding = finding
                .cite(evidence.clone())
                .explains(K::PodRefused, &c.entity);
        }
        // The owner's status says it too, and outlives the events.
        let status = refused
            .iter()
            .flat_map(|(c, ..)| &c.evidence)
            .find(|e| e.text.contains(WORDS) && refused.iter().all(|(_, _, cited)| cited != *e));
        if let Some(evidence) = status {
            finding = finding.cite(evidence.clone().around(WORDS));
        }
        if let Some(namespace) = cx.cluster.namespace(&ns)
            && namespace
                .metadata
                .labels
                .contains_key("pod-security.kubernetes.io/enforce")
        {
            finding = finding.cite(
                cx.field(
                    namespace.obj,
                    "/metadata/labels/pod-security.kubernetes.io~1enforce",
                    "the level that the namespace enforces",
                )
                .shown_by(command!("kubectl get namespace {} --show-labels", space)),
            );
        }
        let yaml = if cures.is_empty() {
            String::new()
        } else {
            format!(" securityContext: {{{}}}", cures.join(", "))
        };
        out.push(
            finding
                .check_first(
                    format!("Set in every container of the template what the message lists.{yaml}"),
                    command!("kubectl edit {} {} -n {}", top.kind(), top.name(), space),
                )
                .safe("Ask which other pods of the namespace would be refused when they are re-made.", command!("kubectl label --dry-run=server --overwrite namespace {} pod-security.kubernetes.io/enforce={}", space, level_name))
                .dont("Don't lower the level of the whole namespace to get one pod through."),
        );
    }
}
