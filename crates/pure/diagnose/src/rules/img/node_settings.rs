//! # IMG006 The node lacks the settings for this registry
//!
//! class: registry-config-missing-on-node
//!
//! ## What it sees
//! A registry that this node can't use (unknown CA, HTTP where it expects HTTPS, no such host, no
//! answer), while images of the same registry run on another node, or while its own folder of settings has no
//! registries.yaml and another node's names the registry.
//!
//! ## Why it matters
//! k3s reads `/etc/rancher/k3s/registries.yaml` on each node by itself, at start; a node that was added
//! or made again later lacks it, and only pods that land there fail.
//!
//! ## What to do
//! Copy `registries.yaml` (and the CA file it names) from a node that works, and restart k3s or
//! k3s-agent on this one.
//!
//! ## What not to do
//! Do not pin the pods to the nodes that work: the next new node fails again.

use defib_model::Evidence;

use defib_model::fact::Value;

use crate::analysis::image::{self, Why};
use crate::analysis::{host, registry};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG006",
    class: "registry-config-missing-on-node",
    needs: &["Pod"],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let told_not_to_look = told_not_to_look(cx);
    for pull in image::pulls(cx)
        .into_iter()
        .filter(|p| p.why == Why::Certificate)
    {
        let host = &pull.image.host;
        // A node that is told not to look takes any certificate: this one has not been told.
        let Some(e) = told_not_to_look
            .iter()
            .find(|(key, _)| registry::bare(key) == registry::bare(host))
            .map(|(_, e)| e)
        else {
            continue;
        };
        out.push(
            RULE.on(EntityId::other("registry", host))
                .key(host.clone())
                .title(format!("settings let nodes use registry {host} as it is; the node that pulls seems to lack them"))
                .term(60, "with those settings in effect nobody looks at the certificate")
                .cite_all(pull.evidence)
                .cite(e.clone())
                .explains_observed(cx, &[K::ImagePullFailing], &pull.pod)
                .undecided(
                    format!("Which node pulls, and does its own registries.yaml name {host}?"),
                    "cat /etc/rancher/k3s/registries.yaml; ls /var/lib/rancher/k3s/agent/etc/containerd/certs.d/",
                    &["registry-config-missing-on-node", "registry-config-key-mismatch", "registry-cert-invalid"],
                ),
        );
    }
    let wanted = |w: &Why| matches!(w, Why::NodeSettings | Why::Settings | Why::Unreachable);
    for pull in image::pulls(cx).into_iter().filter(|p| wanted(&p.why)) {
        let host = &pull.image.host;
        let node = cx
            .cluster
            .pod(&pull.pod)
            .map(|p| p.spec.node_name.clone())
            .unwrap_or_default();
        let on = if node.is_empty() {
            "the node".to_owned()
        } else {
            format!("node {node}")
        };
        let mut finding = RULE
            .on(if node.is_empty() { EntityId::other("registry", host) } else { EntityId::object("Node", "", "", &node) })
            .key(host.clone())
            .title(format!("{on} can't use registry {host}: {}", pull.because))
            .why("Each node has registry settings of its own, read when k3s starts.")
            .term(pull.points, pull.because.clone())
            .cite_all(pull.evidence)
            .explains_observed(cx, &[K::ImagePullFailing], &pull.pod)
            .safe("Compare the settings of this node with those of one that works.", "cat /etc/rancher/k3s/registries.yaml; ls /var/lib/rancher/k3s/agent/etc/containerd/certs.d/")
            .check_first("Copy them over, with the CA file that they name, and restart k3s there.", "systemctl restart k3s-agent || systemctl restart k3s")
            .dont("Don't pin the pods to nodes that work: the next new node fails again.");
        if let Some(pod) = cx.cluster.pod(&pull.pod) {
            finding = finding.cite(cx.field(pod.obj, "/spec/nodeName", "the node that tries"));
        }
        // Somebody looked: this node has no such file, and another has settings for this registry.
        let looked = host::facts(cx, |v| {
            matches!(v, Value::NoFile(path) if registry::READ.contains(&path.as_str()))
                .then_some(())
        })
        .find(|(f, ())| !node.is_empty() && host::same_host(&f.host, &node));
        let elsewhere = registry::settings(cx)
            .keys
            .into_iter()
            .find(|(key, _)| registry::bare(key) == registry::bare(host));
        if let (Some((fact, ())), Some((_, settings))) = (looked, elsewhere) {
            out.push(
                finding
                    .term(
                        30,
                        "this node has no settings file, and another node's names the registry",
                    )
                    .cite(cx.fact(fact, "this node has no such file"))
                    .cite(settings),
            );
            continue;
        }
        match pull.why {
            Why::Settings => {
                finding = finding.undecided(
                    format!("Do other nodes pull from {host}, and does registries.yaml on this one name it?"),
                    "cat /etc/rancher/k3s/registries.yaml",
                    &["registry-config-missing-on-node", "registry-config-key-mismatch", "registry-config-file-not-read", "registry-config-wrong-runtime", "registry-cert-invalid"],
                );
            }
            Why::Unreachable => {
                finding = finding.undecided(
                    format!("Does the node reach {host} at all, and is the name right?"),
                    command!("getent hosts {}; curl -v https://{}/v2/", host, host),
                    &[
                        "registry-config-missing-on-node",
                        "image-name-wrong",
                        "no-default-route",
                    ],
                );
            }
            _ => {}
        }
        out.push(finding);
    }
}

/// Registries for which the settings that are shown switch the check of certificates off.
fn told_not_to_look(cx: &Context<'_>) -> Vec<(String, Evidence)> {
    let off = host::lines(cx, &["registry.skip-verify"], "");
    registry::settings(cx)
        .keys
        .into_iter()
        .filter(|(_, e)| {
            off.iter()
                .any(|l| l.evidence.file == e.file && l.evidence.line > e.line)
        })
        .collect()
}
