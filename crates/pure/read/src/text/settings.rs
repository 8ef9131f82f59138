//! Settings of programs: flags in commands and prose, single keys of k3s' configuration, variables.
//!
//! A configured file is not the running state; a fact says where the setting was given.
//! Deliberately absent: what needs more than one line to be read (`files`, `units`).

use defib_formats::text::Command;
use defib_model::fact::Value;

use super::Walk;

/// Flags of servers and agents: `--cluster-cidr=…`, `--token x` (whose value is not kept).
pub(super) fn flags(walk: &mut Walk<'_>, at: usize, command: &Command) {
    let program = command.program().to_owned();
    let is_server = command.words.iter().any(|w| {
        matches!(
            w.rsplit('/').next().unwrap_or_default(),
            "k3s"
                | "rke2"
                | "k3d"
                | "kubeadm"
                | "kubelet"
                | "kube-apiserver"
                | "etcd"
                | "sh"
                | "flanneld"
                | "kube-proxy"
        )
    });
    if !is_server {
        return;
    }
    for (_, name, value) in pairs(&command.words) {
        walk.fact(
            at..at + 1,
            Value::Setting {
                place: format!("flag of {program}"),
                name,
                value,
            },
        );
    }
}

/// `--name=value`, `--name value`, `--name`, each with the number of its word.
pub(super) fn pairs(words: &[String]) -> Vec<(usize, String, String)> {
    let mut out = Vec::new();
    let mut words = words.iter().enumerate().peekable();
    while let Some((at, word)) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            continue;
        };
        let (name, value) = match flag.split_once('=') {
            Some((n, v)) => (n, v.to_owned()),
            None => {
                let value = words
                    .next_if(|(_, w)| !w.starts_with('-'))
                    .map_or_else(|| "true".to_owned(), |(_, w)| w.clone());
                (flag, value)
            }
        };
        let name = name.trim_matches(['`', '\'']).to_owned();
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            let value = value.trim_matches(['`', '\'', '"', '.']).to_owned();
            out.push((at, name, value));
        }
    }
    out
}

/// Keys of `/etc/rancher/k3s/config.yaml` that are worth a fact.
pub(super) const KEYS: &[&str] = &[
    "advertise-address",
    "bind-address",
    "cluster-cidr",
    "cluster-dns",
    "cluster-domain",
    "container-runtime-endpoint",
    "disable-kube-proxy",
    "egress-selector-mode",
    "embedded-registry",
    "flannel-conf",
    "flannel-external-ip",
    "node-external-ip",
    "node-label",
    "node-taint",
    "pause-image",
    "protect-kernel-defaults",
    "secrets-encryption",
    "system-default-registry",
    "service-cidr",
    "flannel-backend",
    "flannel-iface",
    "node-ip",
    "node-name",
    "server",
    "cluster-init",
    "cluster-reset",
    "datastore-endpoint",
    "disable",
    "disable-network-policy",
    "tls-san",
    "resolv-conf",
    "snapshotter",
    "with-node-id",
    "selinux",
    "private-registry",
    "data-dir",
    "etcd-snapshot-dir",
    "kubelet-arg",
    "kube-apiserver-arg",
    "kube-controller-manager-arg",
    "etcd-arg",
];

/// Variables of k3s' environment files, and the flags that say the same. Tokens and datastores' addresses
/// with passwords are none of them.
const VARIABLES: &[(&str, &str)] = &[
    ("K3S_URL", "server"),
    ("K3S_NODE_NAME", "node-name"),
    ("K3S_DATA_DIR", "data-dir"),
    ("K3S_CONFIG_FILE", "config"),
];

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let text = walk.text(at).trim().to_owned();
    // A flag list in prose, a unit, a log or a continued command line.
    if text.contains("--")
        && (text.contains("server")
            || text.contains("agent")
            || text.starts_with("--")
            || text.starts_with("ExecStart=")
            || text.contains("Running kube"))
    {
        let words: Vec<String> = text
            .split_ascii_whitespace()
            .map(|w| w.trim_matches(['`', '\'', '"', '\\']).to_owned())
            .collect();
        let place = if text.contains("Running kube") {
            "running process"
        } else {
            "command line"
        };
        let found = pairs(&words);
        if found.is_empty() {
            return None;
        }
        for (_, name, value) in found {
            walk.fact(
                at..at + 1,
                Value::Setting {
                    place: place.to_owned(),
                    name,
                    value,
                },
            );
        }
        return Some(at + 1);
    }
    // `key: value` of k3s' own file, at the left edge.
    if let Some((key, value)) = text.split_once(": ")
        && KEYS.contains(&key)
        && walk.lines.get(at).is_some_and(|l| l.indent() <= 4)
    {
        walk.fact(
            at..at + 1,
            Value::Setting {
                place: "config.yaml".to_owned(),
                name: key.to_owned(),
                value: value.trim().trim_matches(['"', '\'']).to_owned(),
            },
        );
        return Some(at + 1);
    }
    let setting = variable(&text)?;
    walk.fact(at..at + 1, setting);
    Some(at + 1)
}

/// `HTTP_PROXY=…` and k3s' own variables, in an environment file or a unit.
pub(super) fn variable(text: &str) -> Option<Value> {
    let (key, value) = text
        .trim_start_matches("export ")
        .trim_start_matches("Environment=")
        .trim_matches('"')
        .split_once('=')?;
    let proxy = key.len() > 3
        && key.to_ascii_uppercase().ends_with("_PROXY")
        && key.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    let own = VARIABLES.iter().find(|(k, _)| *k == key).map(|(_, n)| *n);
    Some(Value::Setting {
        place: "environment".to_owned(),
        name: own.or(proxy.then_some(key))?.to_owned(),
        value: value.trim_matches(['"', '\'']).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    #[test]
    fn flags_are_read_in_all_places() {
        for text in [
            "$ curl -sfL https://get.k3s.io | sh -s - server --cluster-cidr=10.9.0.0/16\n",
            "I use this: `k3s server --cluster-cidr 10.9.0.0/16 --cluster-init`\n",
            "ExecStart=/usr/local/bin/k3s server --cluster-cidr=10.9.0.0/16\n",
            "cluster-cidr: 10.9.0.0/16\n",
        ] {
            let facts = super::super::read(text.as_bytes(), 0).facts;
            assert!(
                facts.iter().any(|f| matches!(&f.value, Value::Setting { name, value, .. } if name == "cluster-cidr" && value == "10.9.0.0/16")),
                "{text}: {facts:?}"
            );
        }
    }
}
