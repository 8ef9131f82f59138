//! # IMG002 The registry wants credentials
//!
//! class: image-pull-auth
//!
//! ## What it sees
//! A pull that the registry refuses with 401, 403 or denied, where the name is not the reason.
//!
//! ## Why it matters
//! The image exists and nobody may see it without the right credentials. Tokens run out; Secrets are
//! made per namespace and forgotten after a rebuild.
//!
//! ## What to do
//! Make a docker-registry Secret in the pod's namespace and name it in `imagePullSecrets` of the pod
//! template or of its ServiceAccount; or set `auth` in k3s' `registries.yaml` on every node.
//!
//! ## What not to do
//! Do not make the repository public to get one pod through.

use crate::analysis::image::{self, Why};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG002",
    class: "image-pull-auth",
    needs: &["Pod"],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for pull in image::pulls(cx)
        .into_iter()
        .filter(|p| matches!(p.why, Why::Auth | Why::NameOrAuth))
    {
        let ns = pull.pod.namespace().unwrap_or_default().to_owned();
        let (host, name) = (&pull.image.host, &pull.image.written);
        let mut finding = RULE
            .on(EntityId::other("registry", host))
            .title(format!("{host} refuses {name} for want of valid credentials"))
            .why("The registry answered, and said no: network, name resolution and node are in order.")
            .term(pull.points, pull.because.clone())
            .cite_all(pull.evidence)
            .explains_observed(cx, &[K::ImagePullFailing], &pull.pod);
        if let Some(pod) = cx.cluster.pod(&pull.pod)
            && !pod.spec.image_pull_secrets.is_empty()
        {
            finding = finding.cite(cx.field(
                pod.obj,
                "/spec/imagePullSecrets",
                "the credentials that the pod brings",
            ));
        }
        if pull.why == Why::NameOrAuth {
            finding = finding.undecided(
                format!(
                    "Is {name} private, or misspelt? Docker Hub gives the same answer for both."
                ),
                command!("docker login && docker manifest inspect {}", name),
                &["image-name-wrong", "image-pull-auth"],
            );
        }
        out.push(
            finding
                .safe("See which credentials the pod brings.", command!("kubectl get pod {} -n {} -o jsonpath='{{.spec.imagePullSecrets}}'; kubectl get secrets -n {} --field-selector type=kubernetes.io/dockerconfigjson", pull.pod.name(), ns, ns))
                .check_first("Make the Secret, and name it in the pod template's imagePullSecrets.", command!("kubectl create secret docker-registry pull -n {} --docker-server={} --docker-username=USER --docker-password=TOKEN", ns, host))
                .dont("Don't make the repository public to get one pod through."),
        );
    }
}
