//! # IMG011 The mirror that is asked for images does not answer
//!
//! class: registry-mirror-unreachable
//!
//! ## What it sees
//! A pull that was asked of a mirror (containerd adds `?ns=` and the registry that is meant) and found
//! nobody there: refused, timed out, no such host. With the settings that name the mirror where they are shown.
//!
//! ## Why it matters
//! The settings send every pull of that registry to the mirror first. An image that the node does not have
//! can't be started, whatever the registry itself would answer.
//!
//! ## What to do
//! Bring the mirror back, or correct its endpoint in registries.yaml and restart k3s on that node.
//!
//! ## What not to do
//! Do not change the pods' image names: the settings apply to all of them.

use crate::analysis::image::{self, Why};
use crate::analysis::registry;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG011",
    class: "registry-mirror-unreachable",
    needs: &[],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for pull in image::pulls(cx)
        .into_iter()
        .filter(|p| p.why == Why::Mirror)
    {
        let host = pull.mirror.clone();
        let named = registry::endpoints(cx, &host);
        let mut finding = RULE
            .on(EntityId::other("registry", &host))
            .title(format!("the mirror {host}, which is asked for images of {}, does not answer", pull.image.host))
            .why("The settings send every pull of that registry to the mirror first.")
            .term(80, "the pull went to the mirror, and found nobody there")
            .cite_all(pull.evidence.iter().cloned())
            .explains_observed(cx, &[K::ImagePullFailing], &pull.pod)
            .safe("Does it answer from that node?", command!("curl -v https://{}/v2/", host))
            .advice("Bring the mirror back, or correct its endpoint in registries.yaml and restart k3s on that node.")
            .dont("Don't change the pods' image names: the settings apply to all of them.");
        if !named.is_empty() {
            finding = finding
                .term(10, "the settings name it")
                .cite_all(named.into_iter().take(2));
        }
        out.push(finding);
    }
}
