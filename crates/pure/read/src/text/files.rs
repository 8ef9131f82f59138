//! Configuration files of a host, as `cat` shows them or as they lie in a bundle: containerd's TOML, k3s'
//! `registries.yaml` and `config.yaml`, netplan. What a file is, its keys say.
//!
//! Sources: containerd `docs/cri/config.md`, `docs/hosts.md`; k3s `pkg/agent/templates`, `pkg/agent/containerd`,
//! `pkg/configfilearg`; netplan's reference. A configured file is not the running state: a fact says which
//! file it stands in. Deliberately absent: secrets. That there are credentials is a fact, they are not.

use defib_formats::leaves::{self, Leaf};
use defib_formats::text;
use defib_model::fact::Value;

use super::{Walk, settings};

/// Lines in which the head of a TOML file may stand before its first table.
const HEAD: usize = 80;
/// Lines of one file.
const MOST: usize = 5_000;

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    broken(walk, at);
    let text = walk.text(at).trim().to_owned();
    // Most lines are none of these, and this is asked of every line.
    let (key, rest) = text.split_once([':', '=', ']'])?;
    match key.trim_end() {
        "mirrors" | "configs" if rest.trim().is_empty() => registries(walk, at),
        "network" if rest.trim().is_empty() => netplan(walk, at),
        "version" | "imports" | "root" | "state" | "server" | "oom_score" => toml(walk, at),
        k if k.starts_with("[plugins") || k.starts_with("[host.") => toml(walk, at),
        k => list(walk, at, k.trim_end_matches('+'), rest),
    }
}

/// Says of a settings file of k3s that a command printed as a whole where it is no YAML.
fn broken(walk: &mut Walk<'_>, at: usize) {
    let is_first = at
        .checked_sub(1)
        .and_then(|above| walk.lines.get(above))
        .is_some_and(|above| text::command(above).is_some());
    if !is_first {
        return;
    }
    let Some(path) = printed(walk).filter(|p| is_own(p)).map(str::to_owned) else {
        return;
    };
    let block = Block::take(walk, at, |_, _| true);
    // A line that says why there is nothing to print is no line of the file.
    if block.end > at + MOST || no_such_file(walk.text(at)) {
        return;
    }
    if let Some((line, why)) = leaves::yaml_breaks(&unhidden(&block.text)) {
        let line = (at + line).min(block.end.saturating_sub(1));
        walk.fact(line..line + 1, Value::Malformed(path, why));
    }
}

fn no_such_file(text: &str) -> bool {
    ["No such file", "Permission denied", "Is a directory"]
        .iter()
        .any(|why| text.contains(why))
}

/// The one file that the command prints from its first line to its last.
fn printed<'w>(walk: &'w Walk<'_>) -> Option<&'w str> {
    let command = walk.command.as_ref()?;
    let whole = matches!(command.program(), "cat" | "sed" | "more" | "less");
    let is_cut = command
        .words
        .iter()
        .any(|w| matches!(w.as_str(), "|" | "-n" | "-A"));
    let mut paths = command.words.iter().filter(|w| w.starts_with('/'));
    let path = paths.next()?;
    (whole && !is_cut && paths.next().is_none() && !path.contains('*')).then_some(path)
}

fn is_own(path: &str) -> bool {
    let home = [
        "/etc/rancher/k3s/config.yaml",
        "/etc/rancher/rke2/config.yaml",
    ];
    home.iter().any(|home| {
        path.strip_prefix(home)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(".d/"))
    })
}

/// The file with plain words in place of what people write over secrets (`token: ****`): that is not what stands in it.
fn unhidden(file: &str) -> String {
    let mut out = String::with_capacity(file.len());
    for line in file.split_inclusive('\n') {
        match line.split_once(": ") {
            Some((key, value)) if value.trim_start().starts_with(HIDES) => {
                out.push_str(key);
                out.push_str(": hidden\n");
            }
            _ => out.push_str(line),
        }
    }
    out
}

/// How a value that somebody wrote over begins.
const HIDES: [char; 8] = ['*', '<', '[', '{', '%', '@', '`', '.'];

/// Text of several lines, and which line each of its bytes stands in.
struct Block {
    text: String,
    starts: Vec<usize>,
    first: usize,
    end: usize,
}

impl Block {
    fn take(walk: &Walk<'_>, at: usize, is_in: impl Fn(&str, usize) -> bool) -> Self {
        let own = walk.lines.get(at).map_or(0, text::Line::indent);
        let (mut text, mut starts, mut end) = (String::new(), Vec::new(), at);
        // Blank lines count where more follows.
        let mut whole = 0;
        while let Some(line) = walk.lines.get(end).filter(|_| end < at + MOST) {
            let inside = end == at || line.is_blank() || is_in(&line.text, own);
            if !inside || (end > at && text::command(line).is_some()) {
                break;
            }
            starts.push(text.len());
            text.push_str(line.text.get(own..).unwrap_or_default());
            text.push('\n');
            end += 1;
            if !line.is_blank() {
                whole = end;
            }
        }
        Self {
            text,
            starts,
            first: at,
            end: whole,
        }
    }

    /// The body of one YAML key: what stands deeper, and the elements of its list.
    fn yaml(walk: &Walk<'_>, at: usize) -> Self {
        Self::take(walk, at, |line, own| {
            let indent = line.len() - line.trim_start().len();
            indent > own || (indent == own && line.trim_start().starts_with("- "))
        })
    }

    fn line(&self, byte: usize) -> usize {
        self.first
            + self
                .starts
                .partition_point(|s| *s <= byte)
                .saturating_sub(1)
    }
}

/// Takes a fact for the line in which the leaf stands.
fn note(walk: &mut Walk<'_>, block: &Block, leaf: &Leaf, place: &str, name: &str, value: &str) {
    let line = block.line(leaf.at);
    let setting = Value::Setting {
        place: place.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
    };
    walk.fact(line..line + 1, setting);
}

/// `registries.yaml`: the registries as they are named there, and what is below each.
fn registries(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    const PLACE: &str = "registries.yaml";
    let block = Block::yaml(walk, at);
    let found = leaves::yaml(&block.text);
    let mut last = String::new();
    for leaf in &found {
        let (part, key, below) = (leaf.key(0), leaf.key(1), leaf.key(2));
        if key.is_empty() || key.parse::<usize>().is_ok() {
            continue;
        }
        if last != key {
            last = key.to_owned();
            let line = (at + 1..=block.line(leaf.at))
                .rev()
                .find(|i| names(walk.text(*i), key))
                .unwrap_or(block.line(leaf.at));
            let setting = Value::Setting {
                place: PLACE.to_owned(),
                name: part.to_owned(),
                value: key.to_owned(),
            };
            walk.fact(line..line + 1, setting);
        }
        let place = format!("{PLACE} {key}");
        match (part, below) {
            ("mirrors", "endpoint") => note(walk, &block, leaf, &place, "endpoint", &leaf.value),
            ("mirrors", "rewrite") => {
                let rewrite = format!("{} to {}", leaf.key(3), leaf.value);
                note(walk, &block, leaf, &place, "rewrite", &rewrite);
            }
            ("configs", "tls") => {
                note(walk, &block, leaf, &place, "tls", "true");
                note(walk, &block, leaf, &place, leaf.key(3), &leaf.value);
            }
            ("configs", "auth") => note(walk, &block, leaf, &place, "auth", leaf.key(3)),
            _ => {}
        }
    }
    // A key may have nothing below it yet.
    (block.end > at + 1 && !found.is_empty()).then_some(block.end)
}

/// Does this line open this key?
fn names(line: &str, key: &str) -> bool {
    line.trim().split_once(key).is_some_and(|(before, after)| {
        before.trim_matches(['"', '\'']).is_empty()
            && after.trim_start_matches(['"', '\'']).starts_with(':')
    })
}

/// A list of `config.yaml`: `tls-san:` with its elements, `kubelet-arg+:` with the flags that it hands on.
fn list(walk: &mut Walk<'_>, at: usize, key: &str, rest: &str) -> Option<usize> {
    let rest = rest.trim();
    let flow = rest.starts_with('[');
    if !settings::KEYS.contains(&key) || !(rest.is_empty() || flow) {
        return None;
    }
    let block = Block::yaml(walk, at);
    let found = leaves::yaml(&block.text);
    let elements: Vec<&Leaf> = found.iter().filter(|l| l.path.len() == 2).collect();
    if elements.is_empty() || elements.len() != found.len() {
        return None;
    }
    for leaf in elements {
        let (place, name, value) = match key.strip_suffix("-arg") {
            Some(program) => {
                let (name, value) = leaf.value.split_once('=').unwrap_or((&leaf.value, "true"));
                (
                    format!("config.yaml, for {program}"),
                    name.trim_start_matches('-'),
                    value,
                )
            }
            None => ("config.yaml".to_owned(), key, leaf.value.as_str()),
        };
        note(walk, &block, leaf, &place, name, value);
    }
    Some(block.end)
}

/// netplan: what each interface is given.
fn netplan(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    const KINDS: &[&str] = &["ethernets", "bonds", "bridges", "vlans", "wifis", "tunnels"];
    let block = Block::yaml(walk, at);
    let found = leaves::yaml(&block.text);
    if !found.iter().any(|l| KINDS.contains(&l.key(1))) {
        return None;
    }
    for leaf in found.iter().filter(|l| KINDS.contains(&l.key(1))) {
        let place = format!("netplan {}", leaf.key(2));
        match (leaf.key(3), leaf.key(5)) {
            (name @ ("dhcp4" | "dhcp6" | "gateway4" | "gateway6" | "mtu"), _)
            | (name @ "addresses", "") => {
                note(walk, &block, leaf, &place, name, &leaf.value);
            }
            ("routes", "to") => {
                let via = found
                    .iter()
                    .find(|l| l.key(5) == "via" && l.path.get(..5) == leaf.path.get(..5));
                let route = match via {
                    Some(via) => format!("{} via {}", leaf.value, via.value),
                    None => leaf.value.clone(),
                };
                note(walk, &block, leaf, &place, "route", &route);
            }
            _ => {}
        }
    }
    Some(block.end)
}

/// Keys of containerd's configuration that are worth a fact, by the last part of their path.
const CONTAINERD: &[&str] = &[
    "SystemdCgroup",
    "systemd_cgroup",
    "config_path",
    "sandbox_image",
    "sandbox",
    "snapshotter",
    "default_runtime_name",
    "bin_dir",
    "conf_dir",
    "endpoint",
    "insecure_skip_verify",
    "ca_file",
    "runtime_type",
    "BinaryName",
    "root",
    "version",
];

/// containerd's `config.toml`, a template of it, and the `hosts.toml` of a registry.
fn toml(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let is_table = |l: &str| l.starts_with("[plugins") || l.starts_with("[host.");
    // Asked before any block is made: `server = ` may begin every line of a text.
    if !(at..at + HEAD).any(|i| is_table(walk.text(i).trim())) {
        return None;
    }
    let block = Block::take(walk, at, |line, _| {
        let line = line.trim();
        line.starts_with(['[', ']', '#', '{', '}', '"', '\''])
            || line.split_once('=').is_some_and(|(k, _)| {
                let k = k.trim();
                !k.is_empty() && k.chars().all(|c| c.is_ascii_graphic()) && !k.starts_with('-')
            })
    });
    if !block.text.lines().take(HEAD).any(|l| is_table(l.trim())) {
        return None;
    }
    let template = block.text.contains("{{");
    for leaf in leaves::toml(&block.text) {
        // A template's own value is nobody's.
        if leaf.value.contains("{{") {
            continue;
        }
        let name = leaf.name();
        if leaf.key(0) == "host" {
            let place = format!("hosts.toml {}", leaf.key(1));
            note(walk, &block, &leaf, &place, name, &leaf.value);
        } else if leaf.key(0) == "server" && leaf.path.len() == 1 {
            note(walk, &block, &leaf, "hosts.toml", "server", &leaf.value);
        } else if CONTAINERD.contains(&name) {
            let of = leaf
                .path
                .iter()
                .position(|k| k == "runtimes" || k == "mirrors" || k == "configs")
                .and_then(|i| leaf.path.get(i + 1));
            let mut place = match template {
                true => "containerd's template".to_owned(),
                false => "containerd's configuration".to_owned(),
            };
            if let Some(of) = of {
                place.push_str(", ");
                place.push_str(of);
            }
            note(walk, &block, &leaf, &place, name, &leaf.value);
        }
    }
    Some(block.end)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use defib_model::fact::Value;

    fn settings(text: &str) -> Vec<(u64, String)> {
        read(text.as_bytes(), 0)
            .facts
            .into_iter()
            .filter_map(|f| match f.value {
                Value::Setting { place, name, value } => {
                    Some((f.line, format!("{place}: {name}={value}")))
                }
                _ => None,
            })
            .collect()
    }

    fn shown(text: &str) -> Vec<String> {
        settings(text)
            .into_iter()
            .map(|(n, s)| format!("{n} {s}"))
            .collect()
    }

    #[test]
    fn settings_that_are_no_yaml_are_told() {
        let broken = |text: &str| -> Vec<String> {
            let read = read(text.as_bytes(), 0);
            let told = read.facts.into_iter().filter_map(|f| match f.value {
                Value::Malformed(path, _) => Some(path),
                _ => None,
            });
            told.collect()
        };
        let file = "server: https://10.0.0.1:6443\ntoken: ****\ntls-san:\n  - n1\n";
        let cat = "$ cat /etc/rancher/k3s/config.yaml\n";
        assert!(broken(&format!("{cat}{file}")).is_empty());
        let bad = format!("{cat}{file} - n2\n$ date\n");
        assert_eq!(broken(&bad), ["/etc/rancher/k3s/config.yaml"]);
        let other = "$ cat /etc/rancher/k3s/config.yaml | grep -v token\n - a\nb: c\n";
        assert!(broken(other).is_empty());
        let none = "$ cat /etc/rancher/k3s/config.yaml\ncat: /etc/rancher/k3s/config.yaml: No such file or directory\n";
        assert!(broken(none).is_empty());
    }

    #[test]
    fn registries_are_read_with_all_that_is_below() {
        let text = "$ cat /etc/rancher/k3s/registries.yaml\nmirrors:\n  docker.io:\n    endpoint:\n      - \"https://mirror.example:5000\"\n    rewrite:\n      \"^library/(.*)\": \"hub/$1\"\nconfigs:\n  \"mirror.example:5000\":\n    auth:\n      username: u\n      password: [REDACTED]\n    tls:\n      ca_file: /etc/ca.crt\n      insecure_skip_verify: true\n";
        assert_eq!(
            shown(text),
            [
                "3 registries.yaml: mirrors=docker.io",
                "5 registries.yaml docker.io: endpoint=https://mirror.example:5000",
                "7 registries.yaml docker.io: rewrite=^library/(.*) to hub/$1",
                "9 registries.yaml: configs=mirror.example:5000",
                "11 registries.yaml mirror.example:5000: auth=username",
                "12 registries.yaml mirror.example:5000: auth=password",
                "14 registries.yaml mirror.example:5000: tls=true",
                "14 registries.yaml mirror.example:5000: ca_file=/etc/ca.crt",
                "15 registries.yaml mirror.example:5000: tls=true",
                "15 registries.yaml mirror.example:5000: insecure_skip_verify=true",
            ]
        );
    }

    #[test]
    fn lists_of_config_yaml_are_read() {
        assert_eq!(
            shown(
                "tls-san:\n- a.example\n- b.example\nkubelet-arg+:\n  - \"cgroup-driver=systemd\"\n  - --v=4\nnode-ip: 10.0.0.1\n"
            ),
            [
                "2 config.yaml: tls-san=a.example",
                "3 config.yaml: tls-san=b.example",
                "5 config.yaml, for kubelet: cgroup-driver=systemd",
                "6 config.yaml, for kubelet: v=4",
                "7 config.yaml: node-ip=10.0.0.1",
            ]
        );
    }

    #[test]
    fn netplan_is_read() {
        let text = "$ cat /etc/netplan/01.yaml\nnetwork:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: false\n      addresses: [10.0.0.5/24]\n      mtu: 1450\n      nameservers:\n        addresses: [10.0.0.1]\n      routes:\n        - to: default\n          via: 10.0.0.1\n    eth1:\n      dhcp4: true\n$ ip route\n";
        assert_eq!(
            shown(text),
            [
                "6 netplan eth0: dhcp4=false",
                "7 netplan eth0: addresses=10.0.0.5/24",
                "8 netplan eth0: mtu=1450",
                "12 netplan eth0: route=default via 10.0.0.1",
                "15 netplan eth1: dhcp4=true",
            ]
        );
        assert_eq!(shown("network:\n  name: x\n"), Vec::<String>::new());
    }

    #[test]
    fn containerd_is_read_in_both_versions_and_as_a_template() {
        let v2 = "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"rancher/pause:3.6\"\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  snapshotter = \"overlayfs\"\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n  SystemdCgroup = true\n";
        assert_eq!(
            shown(v2),
            [
                "1 containerd's configuration: version=2",
                "4 containerd's configuration: sandbox_image=rancher/pause:3.6",
                "6 containerd's configuration: snapshotter=overlayfs",
                "8 containerd's configuration, runc: SystemdCgroup=true",
            ]
        );
        let template = "{{ template \"base\" . }}\n\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia'.options]\n  BinaryName = \"/usr/bin/nvidia-container-runtime\"\n  SystemdCgroup = {{ .SystemdCgroup }}\n";
        assert_eq!(
            shown(template)[0],
            "4 containerd's template, nvidia: BinaryName=/usr/bin/nvidia-container-runtime"
        );
        assert_eq!(
            shown(
                "server = \"https://registry.example\"\n[host.\"https://mirror.example:5000\"]\n  skip_verify = true\n"
            ),
            [
                "1 hosts.toml: server=https://registry.example",
                "3 hosts.toml https://mirror.example:5000: skip_verify=true",
            ]
        );
        // What stands behind it is read for itself.
        let more = format!("{v2}\nAnd then it failed.\ncluster-cidr: 10.9.0.0/16\n");
        assert!(shown(&more).contains(&"11 config.yaml: cluster-cidr=10.9.0.0/16".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn broken_files_are_read_without_panic(
            head in "(network|mirrors|configs|tls-san|version = 2\n\\[plugins.x\\]|\\[plugins.x\\])",
            body in "[-a-z0-9:=\\[\\]{}\"'. \n]{0,200}",
        ) {
            let text = format!("{head}:\n{body}");
            let lines = text.lines().count() as u64;
            for (line, _) in settings(&text) {
                proptest::prop_assert!(line >= 1 && line <= lines);
            }
        }
    }
}
