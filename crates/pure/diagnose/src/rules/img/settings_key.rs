//! # IMG009 The registry settings are keyed by another name than the one contacted
//!
//! class: registry-config-key-mismatch
//!
//! ## What it sees
//! A pull that fails for want of settings or credentials, and a `registries.yaml` that names the same host in
//! another form: with a scheme, without the port, with a path.
//! So is a host that stands there as the mirror of another registry only, while images name it themselves.
//! Docker Hub's images are looked up under `docker.io`, whatever they ask in the end: its other names fit none.
//! A key that is an address (`https://…`) is a fault by itself. So are TLS settings under the name of a
//! mirrored registry while its mirrors have none, where a pull of that registry is put off.
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

use std::collections::BTreeSet;

use defib_model::fact::Value;

use crate::analysis::image::{self, Pull, Why};
use crate::analysis::{self, host, registry};
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
    let pulls = image::pulls(cx);
    by_address(cx, &s, &pulls, out);
    by_other_name(cx, &pulls, out);
    beside(cx, &s, &pulls, out);
    let wanted = |w: &Why| {
        matches!(
            w,
            Why::Settings | Why::NodeSettings | Why::Auth | Why::NameOrAuth
        )
    };
    for pull in pulls.into_iter().filter(|p| wanted(&p.why)) {
        let host = &pull.image.host;
        if s.keys.iter().any(|(k, _)| k == host || k == "*") {
            continue;
        }
        let Some((key, e)) = s
            .keys
            .iter()
            .find(|(k, _)| registry::bare(k) == registry::bare(host))
        else {
            out.extend(another(cx, &pull));
            continue;
        };
        if key.contains("://") {
            continue;
        }
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

/// A registry that the settings know as the mirror of another one only: images that name it themselves are looked up
/// under its own name, where nothing stands.
fn another(cx: &Context<'_>, pull: &Pull) -> Option<Finding> {
    let host = &pull.image.host;
    let ends = registry::endpoints(cx, host);
    let is_settings = matches!(pull.why, Why::Settings | Why::NodeSettings);
    (is_settings && !ends.is_empty()).then(|| {
        found(host)
            .key(pull.pod.as_str())
            .title(format!(
                "the settings know {host} as a mirror of others only, and the image names it itself"
            ))
            .term(88, "under its own name nothing stands")
            .cite_all(ends.into_iter().take(2))
            .cite_all(pull.evidence.iter().cloned())
            .explains_observed(cx, &[K::ImagePullFailing], &pull.pod)
    })
}

/// Names of Docker Hub that no image is looked up by: references are normalised to `docker.io` first. Source:
/// distribution/reference `normalize.go`.
const HUB: &[&str] = &[
    "hub.docker.com",
    "index.docker.io",
    "registry.hub.docker.com",
    "registry-1.docker.io",
];

/// Mirrors of Docker Hub under a name that fits no image, while pulls go to Docker Hub itself and fail. Credentials may
/// well stand under the host that is asked.
fn by_other_name(cx: &Context<'_>, pulls: &[Pull], out: &mut Vec<Finding>) {
    let mirrors = || {
        host::facts(cx, |v| match v {
            Value::Setting { place, name, value }
                if place == "registries.yaml" && name == "mirrors" =>
            {
                Some(registry::bare(value))
            }
            _ => None,
        })
    };
    if mirrors().any(|(_, k)| matches!(k, "docker.io" | "*")) {
        return;
    }
    let Some((fact, key)) = mirrors().find(|(_, k)| HUB.contains(k)) else {
        return;
    };
    // The files of several nodes were looked at.
    let looked = host::facts(cx, |v| match v {
        Value::Ran(words) => words
            .iter()
            .any(|w| w.ends_with("registries.yaml"))
            .then_some(()),
        _ => None,
    });
    let looked: BTreeSet<&str> = looked.map(|(f, ())| f.host.as_str()).collect();
    for pull in pulls {
        let node = cx.cluster.pod(&pull.pod).map_or("", |p| &p.spec.node_name);
        let past_it = matches!(pull.why, Why::Unreachable | Why::RateLimit);
        let elsewhere = !host::same_host(node, &fact.host) || node.is_empty() && looked.len() > 1;
        // Where names are not known or other registries don't answer either, the way out is cut.
        let cut = pull.why == Why::Unreachable
            && (pull.evidence.iter().any(|e| e.text.contains("lookup "))
                || pulls
                    .iter()
                    .any(|p| p.why == Why::Unreachable && p.image.host != "docker.io"));
        if pull.image.host != "docker.io" || !past_it || elsewhere || cut {
            continue;
        }
        out.push(
            found(&pull.image.host)
                .key(pull.pod.as_str())
                .title(format!(
                    "the mirrors are for {key}, and images of Docker Hub are looked up under docker.io"
                ))
                .term(86, "no image is named so, and the pull went to Docker Hub itself")
                .cite(cx.fact(fact, "the registry as the settings name it"))
                .cite_all(pull.evidence.iter().cloned())
                .explains_observed(cx, &[K::ImagePullFailing], &pull.pod),
        );
    }
}

/// Keys that are addresses (`https://host:5000`): containerd never looks one up.
fn by_address(cx: &Context<'_>, s: &registry::Settings, pulls: &[Pull], out: &mut Vec<Finding>) {
    for (key, e) in s.keys.iter().filter(|(k, _)| k.contains("://")) {
        let host = registry::bare(key);
        let of_it: Vec<&Pull> = pulls
            .iter()
            .filter(|p| registry::bare(&p.image.host) == host)
            .collect();
        // Where images are pulled well, or fail for another reason, the fault is without effect.
        let other = of_it.iter().any(|p| {
            matches!(
                p.why,
                Why::RateLimit | Why::Platform | Why::Name | Why::NotPresent
            )
        });
        if other || image::works(cx, host) {
            continue;
        }
        let mut finding = found(host)
            .title(format!(
                "the settings are keyed by {key}, an address; the name of a registry has no scheme"
            ))
            .term(
                if of_it.is_empty() { 76 } else { 92 },
                "no image is named so, and nothing is looked up by it",
            )
            .cite(e.clone());
        for pull in of_it {
            finding = finding
                .cite_all(pull.evidence.iter().cloned())
                .explains_observed(cx, &[K::ImagePullFailing], &pull.pod);
        }
        out.push(finding);
    }
}

/// TLS settings for mirrored registries, and none for the mirrors that are asked.
fn beside(cx: &Context<'_>, s: &registry::Settings, pulls: &[Pull], out: &mut Vec<Finding>) {
    let Some((first, _)) = s.beside.first() else {
        return;
    };
    let is_ours = |host: &str| s.beside.iter().any(|(k, _)| k == host);
    let stuck: Vec<&EntityId> = cx
        .all(K::ImagePullFailing)
        .filter(|c| {
            let known = pulls.iter().any(|p| p.pod == c.entity);
            let of_it = cx.cluster.events_of(&c.entity).any(|e| {
                analysis::between(&e.message, "image \"", "\"")
                    .is_some_and(|i| is_ours(&image::parse(i).host))
            });
            of_it && !known
        })
        .map(|c| &c.entity)
        .collect();
    let tls: Vec<&Pull> = pulls
        .iter()
        .filter(|p| {
            is_ours(&p.image.host)
                && matches!(p.why, Why::Settings | Why::NodeSettings | Why::Certificate)
        })
        .collect();
    let names: Vec<&str> = s.beside.iter().map(|(k, _)| k.as_str()).collect();
    let names = names.join(", ");
    let mut finding = found(first)
        .title(format!(
            "the TLS settings are for {names}, but mirrors are asked instead, and have none"
        ))
        .term(
            if tls.is_empty() { 74 } else { 90 },
            "settings count for the host that is asked, the endpoint's",
        )
        .cite_all(s.beside.iter().take(1).flat_map(|(_, e)| e.iter().cloned()));
    for pull in &tls {
        finding = finding
            .cite_all(pull.evidence.iter().cloned())
            .explains_observed(cx, &[K::ImagePullFailing], &pull.pod);
    }
    for pod in &stuck {
        let seen = cx.has(K::ImagePullFailing, pod);
        finding = finding
            .cite_all(seen.and_then(|c| c.evidence.first().cloned()))
            .explains(K::ImagePullFailing, pod);
    }
    if tls.is_empty() && stuck.is_empty() {
        finding = finding.undecided(
            format!("Does a pull of an image of {first} fail at the mirror's certificate?"),
            "crictl pull IMAGE; cat /var/lib/rancher/k3s/agent/etc/containerd/certs.d/*/hosts.toml",
            &["registry-config-key-mismatch", "registry-cert-invalid"],
        );
    }
    out.push(finding);
}

fn found(host: &str) -> Finding {
    RULE.on(EntityId::other("registry", host))
        .why("containerd looks settings up by the host that it asks, written as host and port.")
        .safe("What did k3s make of the settings?", "cat /etc/rancher/k3s/registries.yaml; ls /var/lib/rancher/k3s/agent/etc/containerd/certs.d/")
        .check_first("Write the key as the host that is asked, without scheme and path, and restart k3s there.", "systemctl restart k3s-agent || systemctl restart k3s")
        .dont("Don't repeat the settings under many spellings: the next one drifts.")
}
