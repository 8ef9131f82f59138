//! # IMG007 The pull policy forbids to pull, and the node lacks the image
//!
//! class: image-not-present
//!
//! ## What it sees
//! `ErrImageNeverPull`: `imagePullPolicy: Never`, and the image is not in the node's own store.
//!
//! ## Why it matters
//! Such images are loaded by hand (`k3s ctr images import`), node by node. A rebuilt node, a pod that
//! lands elsewhere or the kubelet's own clean-up leaves the node without it.
//!
//! ## What to do
//! Import the image on every node where the pod may run, or put the archive into
//! `/var/lib/rancher/k3s/agent/images/`, where k3s imports it at each start; or use a registry.
//!
//! ## What not to do
//! Do not import it with plain `ctr` into the default namespace: the kubelet looks in `k8s.io`.

use crate::analysis::called::called;
use crate::analysis::image::{self, Why};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG007",
    class: "image-not-present",
    needs: &["Pod"],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for pull in image::pulls(cx)
        .into_iter()
        .filter(|p| p.why == Why::NotPresent)
    {
        let (owner, name) = (cx.top_owner(&pull.pod), &pull.image.written);
        out.push(
            RULE.on(owner.clone())
                .key(name.clone())
                .title(format!("the image {name} of {} is not on its node, and must not be pulled", called(&owner)))
                .why("imagePullPolicy Never means that somebody brings the image to the node by hand.")
                .term(pull.points, pull.because.clone())
                .cite_all(pull.evidence)
                .explains_observed(cx, &[K::ImagePullFailing], &pull.pod)
                .safe("See what the node has.", "k3s ctr images ls -q")
                .check_first("Import it on every node where the pod may run.", "k3s ctr -n k8s.io images import IMAGE.tar")
                .dont("Don't import it into ctr's default namespace: the kubelet looks in k8s.io."),
        );
    }
}
