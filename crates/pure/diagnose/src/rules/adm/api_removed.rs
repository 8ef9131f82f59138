//! # ADM015 A manifest uses an API version that is gone
//!
//! class: removed-api-version
//!
//! ## What it sees
//! `no matches for kind "K" in version "V"` where V is a built-in version that Kubernetes removed, or a
//! version that the CRD of the kind does not serve any more. One of Kubernetes' own that this server does not serve
//! for another reason is a candidate.
//!
//! ## Why it matters
//! After an upgrade the objects live on in a newer version; only manifests and charts still speak the
//! old one, and nothing of them can be applied.
//!
//! ## What to do
//! Upgrade the chart, or change `apiVersion` (and the fields that changed with it).
//!
//! ## What not to do
//! Do not downgrade the cluster: servers and their datastore do not go back a minor version.

use crate::analysis::kinds::{self, Verdict};
use crate::analysis::said::{Said, claim};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM015",
    class: "removed-api-version",
    needs: &["CustomResourceDefinition"],
    leads_to: &[K::ResourceNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (one, (verdict, said)) in kinds::unknown(cx) {
        if verdict == Verdict::NotServed {
            out.push(not_served(cx, &one, &said));
            continue;
        }
        if verdict != Verdict::Removed {
            continue;
        }
        let when = kinds::removed_in(&one.version, &one.kind)
            .map_or("its CRD does not serve it any more".to_owned(), |v| {
                format!("Kubernetes {v} is without it")
            });
        let f = RULE
            .on(EntityId::other("api-version", &format!("{}:{}", one.version.replace('/', ":"), one.kind)))
            .title(format!("a manifest asks for {} in version {}, which is gone ({when})", one.kind, one.version))
            .why("Nothing of the manifest or chart can be applied until it speaks a version that is served.")
            .term(88, when)
            .safe("See which versions are served.", command!("kubectl api-resources | grep -w {}; kubectl api-versions", one.kind))
            .check_first("Upgrade the chart, or convert the manifest.", "kubectl convert -f FILE --output-version GROUP/VERSION")
            .dont("Don't downgrade the cluster: a server and its datastore do not go back a minor version.");
        out.push(claim(cx, f, &said.iter().take(5).collect::<Vec<_>>()));
    }
}

/// A kind that Kubernetes itself has, or would have: no definition brings it, and it is not among those that are gone.
fn not_served(cx: &Context<'_>, one: &kinds::Unknown, said: &[Said]) -> Finding {
    let f = RULE
        .on(EntityId::other("api-version", &format!("{}:{}", one.version.replace('/', ":"), one.kind)))
        .title(format!("this API server does not serve kind {} in {}", one.kind, one.version))
        .why("The group is Kubernetes' own: the server is older than the manifest, the API is switched off, or kind or version are written wrongly.")
        .term(45, "the API server does not know the kind");
    claim(cx, f, &said.iter().take(5).collect::<Vec<_>>()).undecided(
        format!(
            "Which version has the API server, and which versions of {} does it serve?",
            one.kind
        ),
        "kubectl version; kubectl api-versions; kubectl api-resources",
        &["removed-api-version", "version-skew"],
    )
}
