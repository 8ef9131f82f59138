//! What is known of the registry settings of nodes: files by name, the registries that they are keyed by,
//! and for which runtime they were made.
//!
//! Deliberately absent: what a registry answers (`image`).

use defib_model::Evidence;
use defib_model::fact::Value;

use super::host;
use crate::context::Context;

/// Names of files that are read, each by its folder. Source: k3s `pkg/cli/cmds/agent.go`, rke2 docs.
pub const READ: &[&str] = &[
    "/etc/rancher/k3s/registries.yaml",
    "/etc/rancher/rke2/registries.yaml",
];

/// What was seen.
#[derive(Default)]
pub struct Settings {
    /// Settings files of names or places that are never read, with the file.
    pub unread: Vec<(String, Evidence)>,
    /// The file that is read was seen.
    pub read: Vec<Evidence>,
    /// Registries that the settings are keyed by.
    pub keys: Vec<(String, Evidence)>,
    /// Settings for TLS under the name of a registry that is mirrored, while the mirrors that are asked
    /// instead have none: the registry's name, and what shows it.
    pub beside: Vec<(String, Vec<Evidence>)>,
    /// Settings for Docker.
    pub docker: Vec<Evidence>,
    /// Settings of a containerd that is not k3s' own.
    pub foreign: Vec<Evidence>,
    /// The runtime is containerd, and k3s' own.
    pub is_k3s: bool,
}

/// Settings files in the text of a log, by whatever name.
const FILES: &[&str] = &[
    "registry.file",
    "registry.file.yaml",
    "registry.file.json",
    "registry.file.misspelt",
];

/// Collects them.
pub fn settings(cx: &Context<'_>) -> Settings {
    let mut out = Settings::default();
    for line in host::lines(cx, FILES, "a settings file for registries") {
        let path = format!("{}{}", line.group(0), line.group(1));
        note(&mut out, &path, line.evidence);
    }
    for (fact, path) in host::facts(cx, |v| match v {
        Value::File { path, .. } if path.contains("regist") => Some(path.clone()),
        _ => None,
    }) {
        note(
            &mut out,
            &path,
            cx.fact(fact, "a settings file for registries"),
        );
    }
    for (fact, key) in host::facts(cx, |v| match v {
        Value::Setting { place, value, .. } if place == "registries.yaml" => Some(value.clone()),
        _ => None,
    }) {
        out.keys
            .push((key, cx.fact(fact, "the registry as the settings name it")));
    }
    out.beside = beside(cx, &out.keys);
    // Named on the command line, any file is read.
    if host::facts(cx, |v| {
        matches!(v, Value::Setting { name, .. } if name == "private-registry").then_some(())
    })
    .next()
    .is_some()
    {
        out.unread.clear();
    }
    let cited = |signals: &[&str], meaning: &str| {
        host::lines(cx, signals, meaning)
            .into_iter()
            .map(|l| l.evidence)
            .collect::<Vec<_>>()
    };
    out.docker = cited(
        &["registry.docker-insecure", "registry.docker"],
        "settings that only Docker reads",
    );
    out.foreign = cited(
        &["registry.containerd-own"],
        "settings that k3s' own containerd does not read",
    );
    let version = cx.cluster.nodes.iter().any(|n| {
        ["+k3s", "+rke2"]
            .iter()
            .any(|w| n.status.node_info.kubelet_version.contains(w))
    });
    let k3s = host::facts(cx, |v| match v {
        Value::Version(name, version) if name == "k3s" || version.contains("+k3s") => Some(()),
        Value::Unit { name, .. } if name.starts_with("k3s") => Some(()),
        Value::Ran(words)
            if words
                .iter()
                .any(|w| w.ends_with("k3s") || w.starts_with("k3s")) =>
        {
            Some(())
        }
        _ => None,
    })
    .next()
    .is_some();
    out.is_k3s =
        version || k3s || cx.heard().any(|h| h.program.starts_with("k3s")) || !out.read.is_empty();
    out
}

/// Source: k3s `pkg/agent/containerd`, containerd `core/remotes/docker/config`: settings are taken for the
/// host that is asked, which is the endpoint's.
fn beside(cx: &Context<'_>, keys: &[(String, Evidence)]) -> Vec<(String, Vec<Evidence>)> {
    let of = |part: &'static str| {
        host::facts(cx, move |v| match v {
            Value::Setting { place, name, value } if name == part => {
                Some((place.strip_prefix("registries.yaml ")?, value.as_str()))
            }
            _ => None,
        })
    };
    let mut out = Vec::new();
    for (fact, (key, _)) in of("tls") {
        let ends: Vec<_> = of("endpoint").filter(|(_, (k, _))| *k == key).collect();
        let asked = |(_, (_, url)): &(_, (&str, &str))| {
            let host = url.split_once("://").map_or(*url, |(_, rest)| rest);
            let host = host.split('/').next().unwrap_or_default();
            bare(host) == bare(key) || keys.iter().any(|(k, _)| k == host || k == "*")
        };
        if ends.is_empty() || ends.iter().any(asked) {
            continue;
        }
        // The lines above say whose settings these are; the settings' own line says nothing by itself.
        let named = cx.cluster.facts.iter().rev().find(|f| {
            f.entry == fact.entry
                && f.line < fact.line
                && matches!(&f.value, Value::Setting { place, name, value }
                    if place == "registries.yaml" && name == "configs" && value == key)
        });
        let mut evidence: Vec<Evidence> = named
            .map(|f| cx.fact(f, "the settings are for this name"))
            .into_iter()
            .collect();
        evidence.extend(
            ends.iter()
                .take(2)
                .map(|(f, _)| cx.fact(f, "and this host is asked instead")),
        );
        out.push((key.to_owned(), evidence));
    }
    out
}

/// Settings that send pulls to this host.
pub fn endpoints(cx: &Context<'_>, host: &str) -> Vec<Evidence> {
    host::facts(cx, |v| match v {
        Value::Setting { place, name, value }
            if name == "endpoint" || place.starts_with("hosts.toml ") =>
        {
            let url = place.strip_prefix("hosts.toml ").unwrap_or(value);
            let url = url.split_once("://").map_or(url, |(_, rest)| rest);
            url.split('/').next()
        }
        _ => None,
    })
    .filter(|(_, asked)| *asked == host)
    .map(|(fact, _)| cx.fact(fact, "pulls are sent there"))
    .collect()
}

fn note(out: &mut Settings, path: &str, evidence: Evidence) {
    if READ.contains(&path) {
        out.read.push(evidence);
        return;
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let misnamed = matches!(
        name,
        "registries.yml"
            | "registry.yaml"
            | "registry.yml"
            | "registeries.yaml"
            | "registeries.yml"
            | "registries.json"
    ) && (folder.is_empty() || folder.contains("/rancher"));
    let misplaced = name == "registries.yaml"
        && (folder.contains("/rancher") || folder == "/etc/containerd" || folder == "/etc/k3s");
    if misnamed || misplaced {
        out.unread.push((path.to_owned(), evidence));
    }
}

/// The name of a registry without scheme, path and port.
pub fn bare(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let key = key.split('/').next().unwrap_or_default();
    key.rsplit_once(':')
        .filter(|(_, p)| p.parse::<u16>().is_ok())
        .map_or(key, |(host, _)| host)
}
