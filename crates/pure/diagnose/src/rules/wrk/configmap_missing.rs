//! # WRK002 A ConfigMap that the pod reads does not exist
//!
//! class: configmap-missing
//!
//! ## What it sees
//! The kubelet's refusal to start a container or mount a volume because a ConfigMap is not found.
//!
//! ## Why it matters
//! The pod waits for ever; the kubelet starts it as soon as the ConfigMap is there. A ConfigMap is found
//! by name in the pod's own namespace only.
//!
//! ## What to do
//! Apply the manifest that makes it, in the pod's namespace; with generated names (kustomize's hash) apply
//! workload and ConfigMap together.
//!
//! ## What not to do
//! Do not make an empty ConfigMap to get the pod running: it starts, and fails somewhere harder to see.

use crate::analysis::called::{called, of_namespace, within};
use crate::analysis::references;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK002",
    class: "configmap-missing",
    needs: &["Pod"],
    leads_to: &[K::ContainerConfigError, K::VolumeMountFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for m in references::missing(cx, "ConfigMap")
        .into_iter()
        .filter(|m| m.key.is_none())
    {
        let (ns, name) = (
            m.what.namespace().unwrap_or_default().to_owned(),
            m.what.name().to_owned(),
        );
        let owner = cx.top_owner(&m.pod);
        let mut finding = RULE
            .on(m.what.clone())
            .title(format!(
                "ConfigMap {name} does not exist{}; {} needs it",
                within(&ns),
                called(&owner)
            ))
            .why("The kubelet starts the pod as soon as the ConfigMap is there.")
            .term(85, "the kubelet names the ConfigMap that it did not find")
            .cite_all(m.evidence)
            .explains_observed(cx, &[m.condition], &m.pod)
            .safe(
                "See whether it is there under another name or in another namespace.",
                command!(
                    "kubectl get configmaps -A | grep -i {}; kubectl get configmaps -n {}",
                    name,
                    ns
                ),
            )
            .check_first(
                "Apply the manifest that makes it.",
                command!("kubectl apply -n {} -f MANIFEST", ns),
            )
            .dont(
                "Don't make an empty ConfigMap: the pod starts and fails somewhere harder to see.",
            );
        if m.looked {
            finding = finding.term(
                10,
                format!(
                    "all ConfigMaps{} were listed, and it is not among them",
                    of_namespace(&ns)
                ),
            );
        }
        out.push(finding);
    }
}
