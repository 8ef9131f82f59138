//! # WRK001 A Secret that the pod reads does not exist
//!
//! class: secret-missing
//!
//! ## What it sees
//! The kubelet's refusal to start a container or mount a volume because a Secret is not found.
//!
//! ## Why it matters
//! The pod waits for ever; the kubelet tries again and starts it as soon as the Secret is there.
//! After a rebuild this is often a Secret that was made by hand and is in no repository.
//!
//! ## What to do
//! Find out who makes the Secret (sealed-secrets, external-secrets, sops, a person) and let it be
//! made in the pod's namespace, with the keys that the pod asks for.
//!
//! ## What not to do
//! Do not make an empty Secret to get the pod running: it starts, and fails somewhere harder to see.

use crate::analysis::called::{called, of_namespace, within};
use crate::analysis::{links, references, sealed};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK001",
    class: "secret-missing",
    needs: &["Pod"],
    leads_to: &[K::ContainerConfigError, K::VolumeMountFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let sealed = sealed::closed(cx)
        .map(|(_, all, _)| all)
        .unwrap_or_default();
    for m in references::missing(cx, "Secret") {
        // What would make it says why it does not.
        if sealed::makes(&sealed, &m.what) {
            continue;
        }
        if m.key.is_some() {
            continue;
        }
        let (ns, name) = (
            m.what.namespace().unwrap_or_default().to_owned(),
            m.what.name().to_owned(),
        );
        let owner = cx.top_owner(&m.pod);
        // Who makes it has to be asked first; a Secret made by hand would only be in its way.
        let maker = links::maker(cx, &m.what);
        if maker
            .as_ref()
            .is_some_and(|k| cx.has(K::ResourceNotReady, k).is_some())
        {
            continue;
        }
        let mut finding = RULE
            .on(m.what.clone())
            .title(format!(
                "Secret {name} does not exist{}; {} needs it",
                within(&ns),
                called(&owner)
            ))
            .why("The kubelet starts the pod as soon as the Secret is there.")
            .term(85, "the kubelet names the Secret that it did not find")
            .cite_all(m.evidence)
            .explains_observed(cx, &[m.condition], &m.pod)
            .safe(
                "See what is there, and who might make it.",
                command!(
                    "kubectl get secrets,sealedsecrets,externalsecrets -n {}",
                    ns
                ),
            )
            .dont("Don't make an empty Secret: the pod starts and fails somewhere harder to see.");
        finding = match &maker {
            Some(maker) => finding.safe(
                format!(
                    "{} {} makes it: see what that says.",
                    maker.kind(),
                    maker.name()
                ),
                command!(
                    "kubectl describe {} {} -n {}",
                    maker.kind(),
                    maker.name(),
                    ns
                ),
            ),
            None => finding.check_first(
                "Make the Secret from its real source, with the keys that the pod asks for.",
                command!(
                    "kubectl create secret generic {} -n {} --from-file=KEY=FILE",
                    name,
                    ns
                ),
            ),
        };
        if m.looked {
            finding = finding.term(
                10,
                format!(
                    "all Secrets{} were listed, and it is not among them",
                    of_namespace(&ns)
                ),
            );
        }
        out.push(finding);
    }
}
