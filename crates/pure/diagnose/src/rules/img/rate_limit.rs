//! # IMG003 The registry throttles the pulls
//!
//! class: image-pull-rate-limit
//!
//! ## What it sees
//! A pull that the registry answers with 429, too many requests.
//!
//! ## Why it matters
//! Docker Hub counts pulls per address (per account when logged in): behind one router all nodes share
//! the count, and a rebuild of a whole cluster uses it up.
//!
//! ## What to do
//! Wait for the window to pass, or log in (`registries.yaml` or imagePullSecrets), or pull through a
//! mirror.
//!
//! ## What not to do
//! Do not restart the pods: each try counts, and running pods lose an image they have.

use crate::analysis::image::{self, Why};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG003",
    class: "image-pull-rate-limit",
    needs: &["Pod"],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for pull in image::pulls(cx)
        .into_iter()
        .filter(|p| p.why == Why::RateLimit)
    {
        let host = &pull.image.host;
        out.push(
            RULE.on(EntityId::other("registry", host))
                .title(format!(
                    "{host} throttles the pulls from this cluster (429)"
                ))
                .why("Everything behind one address shares the count; it is given back with time.")
                .term(pull.points, pull.because.clone())
                .cite_all(pull.evidence)
                .explains_observed(cx, &[K::ImagePullFailing], &pull.pod)
                .safe(
                    "Wait: the kubelet tries again by itself.",
                    "kubectl get pods -A --field-selector status.phase=Pending",
                )
                .check_first(
                    "Log in to the registry, or pull through a mirror, on every node.",
                    "vi /etc/rancher/k3s/registries.yaml && systemctl restart k3s",
                )
                .dont("Don't restart the pods: each try counts."),
        );
    }
}
