//! Settings of programs: flags in commands and units, and the small YAML and environment files of k3s.
//!
//! A configured file is not the running state; a fact says where the setting was given.
//! Deliberately absent: containerd's TOML beyond its plain keys.

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
    for (name, value) in pairs(&command.words) {
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

/// `--name=value`, `--name value`, `--name`.
fn pairs(words: &[String]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            continue;
        };
        let (name, value) = match flag.split_once('=') {
            Some((n, v)) => (n, v.to_owned()),
            None => {
                let value = words
                    .next_if(|w| !w.starts_with('-'))
                    .cloned()
                    .unwrap_or_else(|| "true".to_owned());
                (flag, value)
            }
        };
        let name = name.trim_matches(['`', '\'']).to_owned();
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            out.push((name, value.trim_matches(['`', '\'', '"', '.']).to_owned()));
        }
    }
    out
}

/// Keys of `/etc/rancher/k3s/config.yaml` that are worth a fact.
const KEYS: &[&str] = &[
    "cluster-cidr",
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
        for (name, value) in found {
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
    if let Some(end) = registries(walk, at, &text) {
        return Some(end);
    }
    // `HTTP_PROXY=…` in an environment file.
    if let Some((key, value)) = text
        .trim_start_matches("export ")
        .trim_start_matches("Environment=")
        .trim_matches('"')
        .split_once('=')
        && key.len() > 3
        && key.to_ascii_uppercase().ends_with("_PROXY")
        && key.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
    {
        walk.fact(
            at..at + 1,
            Value::Setting {
                place: "environment".to_owned(),
                name: key.to_owned(),
                value: value.trim_matches(['"', '\'']).to_owned(),
            },
        );
        return Some(at + 1);
    }
    None
}

/// The keys below `mirrors:` and `configs:` of `registries.yaml`: the registries as they are named there.
fn registries(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let part = text
        .strip_suffix(':')
        .filter(|p| matches!(*p, "mirrors" | "configs"))?
        .to_owned();
    let own = walk.lines.get(at)?.indent();
    let mut inner = None;
    let mut key_now = String::new();
    let mut end = at + 1;
    while walk.is_output(end) {
        let indent = walk.lines.get(end)?.indent();
        if indent <= own {
            break;
        }
        let line = walk.text(end).trim().to_owned();
        // What stands below the key: the addresses that are asked instead, and that TLS is spoken of.
        let below = line
            .strip_prefix("- ")
            .filter(|_| part == "mirrors")
            .map(|url| ("endpoint", url.trim_matches(['"', '\'']).to_owned()))
            .or_else(|| (line == "tls:").then(|| ("tls", "true".to_owned())));
        if let Some((name, value)) = below.filter(|_| !key_now.is_empty()) {
            let setting = Value::Setting {
                place: format!("registries.yaml {key_now}"),
                name: name.to_owned(),
                value,
            };
            walk.fact(end..end + 1, setting);
        }
        if *inner.get_or_insert(indent) == indent
            && let Some(key) = line.strip_suffix(':')
        {
            let value = key.trim_matches(['"', '\'']).to_owned();
            key_now.clone_from(&value);
            let setting = Value::Setting {
                place: "registries.yaml".to_owned(),
                name: part.clone(),
                value,
            };
            walk.fact(end..end + 1, setting);
        }
        end += 1;
    }
    (end > at + 1).then_some(end)
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    #[test]
    fn registries_are_read_by_their_keys() {
        let text = "$ cat /etc/rancher/k3s/registries.yaml\nmirrors:\n  docker.io:\n    endpoint:\n      - \"https://mirror.example:5000\"\nconfigs:\n  \"mirror.example:5000\":\n    tls:\n      ca_file: /etc/ca.crt\n";
        let facts = super::super::read(text.as_bytes(), 0).facts;
        let keys: Vec<_> = facts
            .iter()
            .filter_map(|f| match &f.value {
                Value::Setting { place, name, value } if place == "registries.yaml" => {
                    Some((name.as_str(), value.as_str()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(
            keys,
            [("mirrors", "docker.io"), ("configs", "mirror.example:5000")]
        );
    }

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
