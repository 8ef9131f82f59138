//! # IMG010 The registry settings were made for Docker
//!
//! class: registry-config-wrong-runtime
//!
//! ## What it sees
//! A pull by containerd that fails for want of settings, and settings of Docker (`daemon.json`,
//! `insecure-registries`, `/etc/docker/certs.d`).
//!
//! ## Why it matters
//! The kubelet of k3s uses k3s' own containerd. Docker on the same machine pulls the image well, and pods
//! can't.
//!
//! ## What to do
//! Make the same settings in `/etc/rancher/k3s/registries.yaml` on every node (elsewhere: in containerd's
//! `certs.d`), and restart k3s.
//!
//! ## What not to do
//! Do not switch the cluster to Docker for it.

use crate::analysis::image::{self, Why};
use crate::analysis::registry;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG010",
    class: "registry-config-wrong-runtime",
    needs: &[],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let s = registry::settings(cx);
    if s.docker.is_empty() || !s.read.is_empty() || !s.keys.is_empty() || !s.unread.is_empty() {
        return;
    }
    let containerd = s.is_k3s
        || cx.cluster.nodes.iter().any(|n| {
            n.status
                .node_info
                .container_runtime_version
                .starts_with("containerd")
        })
        || cx.hits("registry.runtime").next().is_some();
    let pulls = image::pulls(cx);
    // No pull is shown, but Docker's settings are, of a node that does not use Docker.
    if containerd && pulls.is_empty() && cx.all(K::ImagePullFailing).next().is_none() {
        out.push(
            found("-")
                .title("the settings for a registry were made for Docker, but the pods' runtime is containerd")
                .term(60, "the settings are Docker's, and the node's runtime is containerd")
                .cite_all(s.docker.iter().take(2).cloned())
                .undecided(
                    "Do pods fail to pull from that registry, and does registries.yaml on the node name it?",
                    "cat /etc/rancher/k3s/registries.yaml; kubectl get events -A | grep -i pull",
                    &["registry-config-wrong-runtime", "registry-cert-invalid", "image-pull-auth"],
                ),
        );
        return;
    }
    let wanted = |w: &Why| matches!(w, Why::Settings | Why::NodeSettings);
    for pull in pulls.into_iter().filter(|p| wanted(&p.why)) {
        // These are containerd's words; Docker does not unpack.
        let unpacks = pull
            .evidence
            .iter()
            .any(|e| e.text.contains("pull and unpack image"));
        if !containerd && !unpacks {
            continue;
        }
        let host = pull.image.host.clone();
        out.push(
            found(&host)
                .key(pull.pod.as_str())
                .title(format!("the settings for {host} were made for Docker, but the pods' runtime is containerd"))
                .term(95, "the settings are Docker's, the pull is containerd's")
                .cite_all(s.docker.iter().take(2).cloned())
                .cite_all(pull.evidence)
                .explains_observed(cx, &[K::ImagePullFailing], &pull.pod),
        );
    }
}

fn found(host: &str) -> Finding {
    RULE.on(EntityId::other("registry", host))
        .why("Docker on the same machine pulls the image well; the kubelet does not use Docker.")
        .safe("Which runtime do the nodes use?", "kubectl get nodes -o wide; cat /etc/rancher/k3s/registries.yaml")
        .advice("Make the same settings in /etc/rancher/k3s/registries.yaml on every node, and restart k3s there.")
        .dont("Don't switch the cluster to Docker for it.")
}
