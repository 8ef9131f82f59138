//! # WRK003 The Secret lacks the key that the pod asks for
//!
//! class: secret-key-missing
//!
//! ## What it sees
//! The kubelet's refusal to start a container or mount a volume because a Secret has no such key.
//!
//! ## Why it matters
//! The Secret exists, so every list looks right; only its keys differ (`password` and `PASSWORD`,
//! a chart that renamed them, a Secret made by another operator).
//!
//! ## What to do
//! Compare the keys of the Secret with `secretKeyRef.key` or `items` of the pod; correct the side that is
//! wrong, at its source.
//!
//! ## What not to do
//! Do not mark the reference `optional`: the program then starts without the value.

use crate::analysis::called::{called, edit, within};
use crate::analysis::references;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK003",
    class: "secret-key-missing",
    needs: &["Pod"],
    leads_to: &[K::ContainerConfigError, K::VolumeMountFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for m in references::missing(cx, "Secret") {
        let Some(key) = &m.key else { continue };
        let (ns, name) = (
            m.what.namespace().unwrap_or_default().to_owned(),
            m.what.name().to_owned(),
        );
        let owner = cx.top_owner(&m.pod);
        let thing = if m.what == m.pod {
            format!("a Secret that {} mounts", called(&m.pod))
        } else {
            format!("Secret {name}")
        };
        let mut finding = RULE
            .on(m.what.clone())
            .key(key.clone())
            .title(format!(
                "{thing}{} has no key {key}; {} needs it",
                within(&ns),
                called(&owner)
            ))
            .why("The Secret is there, so everything looks right until one compares the keys.")
            .term(88, "the kubelet names the key that it did not find")
            .cite_all(m.evidence)
            .explains_observed(cx, &[m.condition], &m.pod)
            .safe(
                "See which keys there are.",
                command!("kubectl describe secret {} -n {}", name, ns),
            )
            .dont("Don't delete and re-make the Secret: other pods read its other keys.");
        finding = edit(
            finding,
            "Add the key where the Secret is made, or correct the name in the pod template.",
            &owner,
            &ns,
        );
        let there = cx
            .cluster
            .secrets
            .iter()
            .find(|s| cx.cluster.id(s.obj) == m.what);
        if let Some(there) = there {
            finding = finding.term(7, "the Secret is in the evidence, without that key");
            for at in ["/data", "/metadata/name"] {
                if at != "/data" || !there.data.is_empty() {
                    finding = finding.cite(cx.field(
                        there.obj,
                        at,
                        "the Secret that is meant, and what it has",
                    ));
                    break;
                }
            }
        }
        out.push(finding);
    }
}
