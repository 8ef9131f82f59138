//! # WRK004 The ConfigMap lacks the key that the pod asks for
//!
//! class: configmap-key-missing
//!
//! ## What it sees
//! The kubelet's refusal to start a container or mount a volume because a ConfigMap has no such key.
//!
//! ## Why it matters
//! The ConfigMap exists, so every list looks right; only its keys differ.
//!
//! ## What to do
//! Compare the keys of the ConfigMap with `configMapKeyRef.key` or `items` of the pod; correct the side
//! that is wrong, at its source.
//!
//! ## What not to do
//! Do not mark the reference `optional`: the program then starts without the value.

use crate::analysis::called::{called, edit, within};
use crate::analysis::references;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK004",
    class: "configmap-key-missing",
    needs: &["Pod"],
    leads_to: &[K::ContainerConfigError, K::VolumeMountFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for m in references::missing(cx, "ConfigMap") {
        let Some(key) = &m.key else { continue };
        let (ns, name) = (
            m.what.namespace().unwrap_or_default().to_owned(),
            m.what.name().to_owned(),
        );
        let owner = cx.top_owner(&m.pod);
        let thing = if m.what == m.pod {
            format!("a ConfigMap that {} mounts", called(&m.pod))
        } else {
            format!("ConfigMap {name}")
        };
        let mut finding = RULE
            .on(m.what.clone())
            .key(key.clone())
            .title(format!(
                "{thing}{} has no key {key}; {} needs it",
                within(&ns),
                called(&owner)
            ))
            .why("The ConfigMap is there, so everything looks right until one compares the keys.")
            .term(88, "the kubelet names the key that it did not find")
            .cite_all(m.evidence)
            .explains_observed(cx, &[m.condition], &m.pod)
            .safe(
                "See which keys there are.",
                command!("kubectl describe configmap {} -n {}", name, ns),
            )
            .dont("Don't delete and re-make the ConfigMap: other pods read its other keys.");
        finding = edit(
            finding,
            "Add the key where the ConfigMap is made, or correct the name in the pod template.",
            &owner,
            &ns,
        );
        let there = cx
            .cluster
            .config_maps
            .iter()
            .find(|s| cx.cluster.id(s.obj) == m.what);
        if let Some(there) = there {
            finding = finding.term(7, "the ConfigMap is in the evidence, without that key");
            for at in ["/data", "/metadata/name"] {
                if at != "/data" || !there.data.is_empty() {
                    finding = finding.cite(cx.field(
                        there.obj,
                        at,
                        "the ConfigMap that is meant, and what it has",
                    ));
                    break;
                }
            }
        }
        out.push(finding);
    }
}

/// A key that may be missing for the kubelet, and that the program can't do without.
pub(super) fn optional(
    cx: &Context<'_>,
    pod: &defib_model::views::Pod,
    map: defib_model::cluster::ObjId,
    key: &str,
    said: defib_model::Evidence,
) -> Finding {
    let what = cx.cluster.id(map);
    let id = cx.cluster.id(pod.obj);
    let owner = cx.top_owner(&id);
    let ns = id.namespace().unwrap_or_default().to_owned();
    RULE.on(what.clone())
        .key(key.to_owned())
        .title(format!(
            "ConfigMap {}{} has no key {key}; {} takes it as optional and stops without it",
            what.name(),
            within(&ns),
            called(&owner)
        ))
        .why("The reference is marked optional, so the kubelet starts the container without the variable.")
        .term(80, "the pod wires the variable to a key that the ConfigMap lacks, and the program demands it")
        .cite(said)
        .cite(cx.field(map, "/data", "what the ConfigMap has"))
        .explains_observed(cx, &[K::ContainerCrashLoop], &id)
        .safe(
            "See which keys there are.",
            command!("kubectl describe configmap {} -n {}", what.name(), ns),
        )
        .check_first(
            "Add the key where the ConfigMap is made, or correct the name in the pod template.",
            command!("kubectl edit {} {} -n {}", owner.kind(), owner.name(), ns),
        )
        .dont("Don't set the variable beside the reference: the next reader believes the ConfigMap.")
}
