//! # ADM016 The stored Helm release holds an API version that is gone
//!
//! class: helm-release-has-removed-api
//!
//! ## What it sees
//! `unable to build kubernetes objects from current release manifest: … no matches for kind`: Helm
//! fails on what it stored itself, before it looks at the new chart.
//!
//! ## Why it matters
//! A chart that was corrected long ago does not help: the old manifest stands in the release Secret.
//!
//! ## What to do
//! Rewrite the stored manifest to versions that are served (`helm mapkubeapis`), then upgrade.
//!
//! ## What not to do
//! Do not uninstall the release: it takes the workloads, and claims with them, along. Do not delete
//! its Secrets without a copy.

use crate::analysis::kinds::{self, Verdict};
use crate::analysis::said::claim;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM016",
    class: "helm-release-has-removed-api",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (one, (verdict, said)) in kinds::unknown(cx) {
        if verdict != Verdict::RemovedInRelease {
            continue;
        }
        let release = said
            .iter()
            .find_map(|s| s.who.clone())
            .unwrap_or_else(|| EntityId::other("helm-release", "unnamed"));
        let f = RULE
            .on(release)
            .title(format!("the stored Helm release holds {} in version {}, which the cluster does not serve any more", one.kind, one.version))
            .why("Helm compares with what it stored before it looks at the new chart; the new chart is not at fault.")
            .term(92, "Helm fails on the current release's own manifest")
            .safe("See what is stored.", "helm get manifest RELEASE -n NAMESPACE | grep -B1 -A3 apiVersion")
            .safe("Keep a copy of the release's Secrets.", "kubectl get secrets -n NAMESPACE -l owner=helm -o yaml > release-copy.yaml")
            .check_first("Rewrite the stored manifest, then upgrade.", "helm mapkubeapis RELEASE -n NAMESPACE")
            .dont("Don't uninstall the release: it takes the workloads along.")
            .dont("Don't delete the release's Secrets without a copy.");
        out.push(claim(cx, f, &said.iter().take(5).collect::<Vec<_>>()));
    }
}
