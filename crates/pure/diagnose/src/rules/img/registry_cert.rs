//! # IMG005 The registry's certificate is not acceptable
//!
//! class: registry-cert-invalid
//!
//! ## What it sees
//! A pull that fails because the registry's certificate has expired, or does not carry the name or
//! address by which the registry is called.
//!
//! ## Why it matters
//! No setting of the cluster makes such a certificate right: every client refuses it.
//!
//! ## What to do
//! Renew the certificate, with a subjectAltName for every name and address that clients use.
//!
//! ## What not to do
//! Do not set `insecure_skip_verify` on the nodes: whoever sits between can then hand out images.

use crate::analysis::host;
use crate::analysis::image::{self, Why};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG005",
    class: "registry-cert-invalid",
    needs: &["Pod"],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for pull in image::pulls(cx)
        .into_iter()
        .filter(|p| matches!(p.why, Why::Certificate | Why::NotYetValid))
    {
        let host = &pull.image.host;
        let (name, address) = match host.split_once(':') {
            Some((name, _)) => (name, host.to_owned()),
            None => (host.as_str(), format!("{host}:443")),
        };
        let mut finding = RULE
            .on(EntityId::other("registry", host))
            .title(format!("the certificate of registry {host} is not acceptable: {}", pull.because))
            .why("Every client refuses such a certificate, whatever CA it trusts.")
            .term(pull.points, pull.because.clone())
            .cite_all(pull.evidence)
            .explains_observed(cx, &[K::ImagePullFailing], &pull.pod)
            .safe("Look at the certificate.", command!("openssl s_client -connect {} -servername {} </dev/null | openssl x509 -noout -dates -ext subjectAltName", address, name))
            .advice("Renew it, with a subjectAltName for every name and address that clients use.")
            .dont("Don't set insecure_skip_verify: whoever sits between can then hand out images.");
        if pull.why == Why::NotYetValid {
            finding = finding.undecided(
                "Is the clock of the node behind, or was the certificate issued for later?",
                "date -u; timedatectl; chronyc tracking",
                &["clock-skew", "registry-cert-invalid"],
            );
        }
        // A CA does not mend a wrong name, but a node that is told not to look accepts any: here that
        // setting is not in effect.
        let set = !host::lines(cx, &["registry.skip-verify"], "").is_empty();
        if set && pull.why == Why::Certificate {
            finding = finding.undecided(
                format!("Are the settings that let nodes use {host} in effect on this node?"),
                "cat /etc/rancher/k3s/registries.yaml; ls /var/lib/rancher/k3s/agent/etc/containerd/certs.d/",
                &[
                    "registry-config-missing-on-node",
                    "registry-config-key-mismatch",
                    "registry-config-file-not-read",
                    "registry-cert-invalid",
                ],
            );
        }
        out.push(finding);
    }
}
