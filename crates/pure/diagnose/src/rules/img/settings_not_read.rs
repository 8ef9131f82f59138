//! # IMG008 The registry settings stand in a file that is never read
//!
//! class: registry-config-file-not-read
//!
//! ## What it sees
//! A pull that fails for want of settings (unknown CA, HTTP where HTTPS is expected), and settings in a file
//! whose name or place k3s does not read: `registries.yml`, another folder, `/etc/containerd`.
//! Such a file is a fault by itself where nothing runs from its registries.
//!
//! ## Why it matters
//! k3s reads `/etc/rancher/k3s/registries.yaml` and nothing else, and says nothing about other files.
//!
//! ## What to do
//! Rename or move the file, and restart k3s or k3s-agent on that node.
//!
//! ## What not to do
//! Do not edit agent/etc/containerd/config.toml: it is written anew at every start.

use crate::analysis::host;
use crate::analysis::image::{self, Why};
use crate::analysis::{product, registry};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG008",
    class: "registry-config-file-not-read",
    needs: &[],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // k3s takes what lies among its manifests for objects, and says that this is none.
    let among = host::lines(
        cx,
        &["k3s.registries-among-manifests"],
        "k3s reads it as an object, and it is none",
    );
    if let Some(line) = among.first() {
        out.push(
            found(cx, "-", line.group(0), true)
                .title("the settings for registries lie among k3s' manifests, where they are not read as such")
                .term(88, "k3s says that it is no object")
                .cite(line.evidence.clone()),
        );
        return;
    }
    let s = registry::settings(cx);
    let own = s.is_k3s && !s.foreign.is_empty() && s.docker.is_empty();
    if (s.unread.is_empty() && !own) || !s.read.is_empty() {
        return;
    }
    // A file that is never read is a fault by itself, where nothing runs from those registries.
    if cx.all(K::ImagePullFailing).next().is_none()
        && !s.keys.is_empty()
        && !s.keys.iter().any(|(k, _)| image::works(cx, k))
        && let Some((path, e)) = s.unread.first()
    {
        out.push(
            found(
                cx,
                s.keys.first().map_or("-", |(k, _)| k.as_str()),
                path,
                true,
            )
            .term(
                75,
                "the file holds settings for registries, and has a name that is not read",
            )
            .cite(e.clone())
            .cite_all(s.keys.first().map(|(_, e)| e.clone())),
        );
        return;
    }
    let wanted = |w: &Why| matches!(w, Why::Settings | Why::NodeSettings);
    for pull in image::pulls(cx).into_iter().filter(|p| wanted(&p.why)) {
        let file = s
            .unread
            .first()
            .map_or("/etc/containerd", |(path, _)| path.as_str());
        out.push(
            found(cx, &pull.image.host, file, !s.unread.is_empty())
                .key(pull.pod.as_str())
                .term(
                    95,
                    "the pull lacks settings, and they stand in a file that is not read",
                )
                .cite_all(s.unread.iter().take(2).map(|(_, e)| e.clone()))
                .cite_all(
                    s.foreign
                        .iter()
                        .take(usize::from(s.unread.is_empty()))
                        .cloned(),
                )
                .cite_all(pull.evidence)
                .explains_observed(cx, &[K::ImagePullFailing], &pull.pod),
        );
    }
}

/// `is_meant`: the file is meant for k3s, and not another program's own.
fn found(cx: &Context<'_>, host: &str, file: &str, is_meant: bool) -> Finding {
    let product = product::of(cx, &host::entity(""));
    let read = format!("{}/registries.yaml", product.settings());
    let finding = RULE
        .on(EntityId::other("registry", host))
        .title(format!(
            "the settings for {host} stand in {file}, which {} does not read",
            product.name()
        ))
        .why(format!(
            "{} reads {read} and nothing else, and says nothing about other files.",
            product.name()
        ))
        .safe(
            "Which files are there, and what was made of them?",
            command!(
                "ls -l {}/ /var/lib/rancher/{}/agent/etc/containerd/certs.d/",
                product.settings(),
                product.name()
            ),
        );
    let finding = match is_meant {
        true => finding.check_first(
            "Give it the name and place that are read, and restart the service there.",
            command!(
                "mv {} {} && systemctl restart {}",
                file,
                read,
                product.unit()
            ),
        ),
        // It may be what another containerd on the host lives by.
        false => finding.advice(format!(
            "Write {read} on that node with the same settings, and restart {} there; leave {file} to the program that it belongs to.",
            product.unit()
        )),
    };
    finding
        .advice("Every node reads its own file; on agents the unit's name ends with -agent.")
        .dont("Don't edit agent/etc/containerd/config.toml: it is written anew at every start.")
}
