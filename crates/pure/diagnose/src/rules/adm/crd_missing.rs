//! # ADM014 A custom resource comes without its definition
//!
//! class: crd-not-installed
//!
//! ## What it sees
//! `no matches for kind "K" in version "G/V"` for a group that is nobody's built-in, while no CRD of
//! that kind is in the evidence.
//!
//! ## Why it matters
//! A manifest, chart or controller needs a definition that is installed by another chart, or after it,
//! or never (Helm does not upgrade the folder `crds/`).
//!
//! ## What to do
//! Install the CRDs of the product that owns the group first, in the version that the manifests want.
//!
//! ## What not to do
//! Do not take the resource out of the manifest to get the rest through: what it configures is then
//! missing.

use crate::analysis::kinds::{self, Verdict};
use crate::analysis::said::{claim, said as messages};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM014",
    class: "crd-not-installed",
    needs: &["CustomResourceDefinition"],
    leads_to: &[K::ResourceNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let refused = messages(
        cx,
        "metadata.annotations: Too long",
        "apiserver.annotation-too-long",
        "the definition itself was refused",
    );
    for (one, (verdict, said)) in kinds::unknown(cx) {
        if verdict != Verdict::NoCrd {
            continue;
        }
        let group = one.version.split('/').next().unwrap_or_default().to_owned();
        // It was to be installed, and refused: whatever refuses it is the cause.
        let own = format!(".{group}");
        if refused.iter().any(|s| s.text.contains(&own)) {
            continue;
        }
        let listed = cx
            .cluster
            .listed
            .get("CustomResourceDefinition")
            .is_some_and(|l| l.whole);
        let mut f = RULE
            .on(EntityId::other("api-group", &group))
            .title(format!("kind {} ({}) is asked for, but its definition is not installed", one.kind, one.version))
            .why("Whatever needs the kind can't be applied or started until the CRD is there.")
            .term(82, "the API server does not know the kind, and it is not one of Kubernetes' own")
            .safe("See which definitions of the group there are.", command!("kubectl get crds | grep {}; kubectl api-resources --api-group={}", group, group))
            .check_first("Install the CRDs of the product that owns the group, in the version that the manifests want.", "kubectl apply --server-side -f CRDS.yaml")
            .dont("Don't take the resource out of the manifest to get the rest through.");
        f = claim(cx, f, &said.iter().take(5).collect::<Vec<_>>());
        for s in &said {
            if let Some(pod) = &s.speaker {
                f = f.explains_if(cx, K::ContainerCrashLoop, pod);
            }
        }
        // Flux asks about all of a Kustomization before it applies any: what brings the definition may be among it.
        if !listed
            && said.iter().all(|s| {
                s.text.contains("dry-run failed") || s.evidence.text.contains("dry-run failed")
            })
        {
            f = f.undecided(
                format!("What brings the definition of {}, and does this Kustomization depend on it (dependsOn)?", one.kind),
                "flux tree kustomization NAME; kubectl get kustomizations,helmreleases -A",
                &["gitops-dependency-order", "crd-not-installed"],
            );
        }
        if listed {
            f = f.term(10, "all CRDs were listed, and it is not among them");
        }
        out.push(f);
    }
}
