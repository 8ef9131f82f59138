//! # IMG009 The registry settings are keyed by another name than the one contacted
//!
//! class: registry-config-key-mismatch
//!
//! ## What it sees
//! A pull that fails for want of settings or credentials, and a `registries.yaml` that names the same host in
//! another form: with a scheme, without the port, with a path.
//!
//! ## Why it matters
//! containerd looks the settings up by the registry exactly as the image (or the mirror's endpoint) names it,
//! with its port and without a scheme. Any other key is never found.
//!
//! ## What to do
//! Write the key as the image writes its registry (`"reg.lan:5000":`), restart k3s on that node.
//!
//! ## What not to do
//! Do not repeat the settings under many spellings: the next one drifts.

use crate::analysis::image::{self, Why};
use crate::analysis::registry;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG009",
    class: "registry-config-key-mismatch",
    needs: &[],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let s = registry::settings(cx);
    if s.keys.is_empty() || !s.unread.is_empty() {
        return;
    }
    let wanted = |w: &Why| {
        matches!(
            w,
            Why::Settings | Why::NodeSettings | Why::Auth | Why::NameOrAuth
        )
    };
    for pull in image::pulls(cx).into_iter().filter(|p| wanted(&p.why)) {
        let host = &pull.image.host;
        if s.keys.iter().any(|(k, _)| k == host || k == "*") {
            continue;
        }
        let Some((key, e)) = s
            .keys
            .iter()
            .find(|(k, _)| registry::bare(k) == registry::bare(host))
        else {
            continue;
        };
        out.push(
            RULE.on(EntityId::other("registry", host))
                .key(pull.pod.as_str())
                .title(format!("the settings are keyed by {key}, but the registry that is asked is {host}"))
                .why("containerd looks settings up by the registry exactly as the image names it.")
                .term(95, "the same host stands there in another form")
                .cite(e.clone())
                .cite_all(pull.evidence)
                .explains_observed(cx, &[K::ImagePullFailing], &pull.pod)
                .safe("What did k3s make of the settings?", "cat /etc/rancher/k3s/registries.yaml; ls /var/lib/rancher/k3s/agent/etc/containerd/certs.d/")
                .check_first("Write the key as the image writes its registry, and restart k3s there.", "systemctl restart k3s-agent || systemctl restart k3s")
                .dont("Don't repeat the settings under many spellings: the next one drifts."),
        );
    }
}
