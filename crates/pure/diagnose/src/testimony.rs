//! Whose word counts: a line in a container's log is testimony about a program only where that program
//! speaks. Log shippers, dashboards, exporters and CI jobs write the words of others all day.
//!
//! Who a container is, its image, its names, its labels and its owner's name say together. Of a log
//! whose owner nobody knows (a loose file, a paste) every line is believed. What the objects contradict
//! is history: a program that runs and is well did not just stop.
//! Deliberately absent: what the words mean (`signals`), and whether a cause explains enough to be named
//! (`causal`).

use std::borrow::Cow;

use defib_model::cluster::Cluster;
use defib_model::id::EntityId;
use defib_model::signal::{Hit, LogLine};
use defib_model::views::Pod;

use crate::conditions::STUCK;

/// Who may say a signal, as its table names the emitting unit.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Voice {
    /// Every program, about itself.
    Anyone,
    /// Whoever calls the API: it quotes the API server's answer to itself.
    Client,
    /// These programs, by the names that they go by.
    Programs(Vec<&'static str>),
    /// Programs of the host, which are no containers; and containers of these names, made to hand on
    /// their words.
    Host(Vec<&'static str>),
}

/// Units that are programs of the host.
const HOST: &[&str] = &[
    "kernel",
    "kubelet",
    "containerd",
    "k3s",
    "etcd",
    "kine",
    "flannel",
    "systemd",
    "apiserver",
];

/// Units that have other names in a cluster than in the tables of signals.
const NAMES: &[(&str, &[&str])] = &[
    ("coredns", &["coredns", "kube-dns"]),
    ("nvidia-device-plugin", &["device-plugin"]),
    (
        "local-path helper pod",
        &[
            "helper-pod",
            "create-pvc",
            "delete-pvc",
            "local-path-provisioner",
        ],
    ),
    ("csi-driver-nfs", &["csi-nfs", "csi-driver-nfs"]),
    ("kernel", &["node-problem-detector"]),
    ("kubelet", &[]),
    ("containerd", &[]),
    (
        "GitOps controllers and clients",
        &[
            "argo-cd",
            "argocd",
            "cert-manager",
            "crossplane",
            "fleet",
            "flux",
            "fluxcd",
            "git-sync",
            "helm",
            "image-automation-controller",
            "image-reflector-controller",
            "kapp-controller",
            "kustomize-controller",
            "notification-controller",
            "sealed-secrets",
            "sops",
            "source-controller",
            "tf-controller",
        ],
    ),
];

/// Programs whose work is to carry, keep, show or watch what others say, and those that run other
/// people's jobs.
const RELAYS: &[&str] = &[
    "actions",
    "alertmanager",
    "alloy",
    "blackbox",
    "botkube",
    "buildkite",
    "ci",
    "collector",
    "dashboard",
    "datadog",
    "drone",
    "eventrouter",
    "exporter",
    "filebeat",
    "fluent",
    "fluentbit",
    "fluentd",
    "forwarder",
    "gatus",
    "grafana",
    "graylog",
    "headlamp",
    "jenkins",
    "kibana",
    "kubewatch",
    "logging",
    "logspout",
    "logstash",
    "loki",
    "opentelemetry",
    "otel",
    "prometheus",
    "promtail",
    "robusta",
    "rsyslog",
    "runner",
    "shipper",
    "splunk",
    "syslog",
    "tekton",
    "telegraf",
    "uptime-kuma",
    "vector",
    "victorialogs",
    "woodpecker",
];

/// Signals of programs that many clients embed.
const CLIENTS: &[&str] = &["helm.", "flux.", "git.", "gitops.", "sops."];

/// Signals after which the program that writes them stops.
const STOPS: &[&str] = &[
    "coredns.loop",
    "coredns.corefile-broken",
    "cloudflared.credentials",
];

fn voice(unit: &'static str) -> Voice {
    match unit {
        "any program" => return Voice::Anyone,
        "any client of the API" => return Voice::Client,
        _ => {}
    }
    let names = unit
        .split(", ")
        .flat_map(|u| match NAMES.iter().find(|(name, _)| *name == u) {
            Some((_, names)) => names.to_vec(),
            None => vec![u],
        })
        .collect();
    if unit.split(", ").all(|u| HOST.contains(&u)) {
        Voice::Host(names)
    } else {
        Voice::Programs(names)
    }
}

/// The names that a container goes by.
struct Speaker {
    names: Vec<String>,
}

impl Speaker {
    fn of(entity: &EntityId, container: &str, pod: Option<&Pod>) -> Self {
        let mut names = vec![
            entity.name().to_ascii_lowercase(),
            container.to_ascii_lowercase(),
        ];
        if let Some(pod) = pod {
            names.extend(pod.metadata.labels.iter().filter_map(|(key, value)| {
                let key = key.rsplit('/').next().unwrap_or_default();
                matches!(key, "app" | "k8s-app" | "name" | "component")
                    .then(|| value.to_ascii_lowercase())
            }));
            names.extend(
                pod.spec
                    .all_containers()
                    .filter(|(_, c)| container.is_empty() || c.name == container)
                    .map(|(_, c)| repository(&c.image)),
            );
        }
        Self { names }
    }

    fn is(&self, programs: &[&str]) -> bool {
        self.names
            .iter()
            .any(|name| programs.iter().any(|p| holds_word(name, p)))
    }

    fn relays(&self) -> bool {
        self.is(RELAYS)
    }
}

/// `rancher/mirrored-coredns-coredns` of `docker.io/rancher/mirrored-coredns-coredns:1.12.0`: the host
/// of a registry says nothing about the program.
fn repository(image: &str) -> String {
    let path = match image.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => path,
        _ => image,
    };
    let path = path.split('@').next().unwrap_or_default();
    let end = path
        .rfind(':')
        .filter(|c| path.rfind('/').is_none_or(|slash| slash < *c));
    path.get(..end.unwrap_or(path.len()))
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Does the name hold this program as whole words? `coredns` is in `mirrored-coredns-coredns`, `ci` is
/// not in `cilium`.
fn holds_word(name: &str, program: &str) -> bool {
    name.match_indices(program).any(|(at, found)| {
        let before = name.get(..at).and_then(|s| s.chars().next_back());
        let after = name.get(at + found.len()..).and_then(|s| s.chars().next());
        [before, after]
            .iter()
            .all(|c| c.is_none_or(|c| !c.is_ascii_alphanumeric()))
    })
}

/// Serves, or has done its work.
fn is_well(pod: &Pod) -> bool {
    pod.is_ready() || pod.status.phase == "Succeeded"
}

/// The line's own level, of loggers that write one as a word, is below a warning. klog's `I` is not
/// taken: controllers write the events of failures with it.
fn is_talk(line: &str) -> bool {
    let low = |word: &str| {
        ["trace", "debug", "info", "notice"]
            .iter()
            .any(|l| word.eq_ignore_ascii_case(l))
    };
    let until = |rest: &str| {
        rest.chars()
            .take_while(char::is_ascii_alphabetic)
            .collect::<String>()
    };
    // Of a JSON line the fields, of any other what stands before the first quotation.
    if line.trim_start().starts_with('{') {
        let plain = line.replace("\": \"", "\":\"");
        return ["\"level\":\"", "\"severity\":\"", "\"lvl\":\""]
            .iter()
            .find_map(|mark| plain.split_once(mark))
            .is_some_and(|(_, rest)| low(&until(rest)));
    }
    let head = line.split(['"', '\'']).next().unwrap_or_default();
    head.split_ascii_whitespace()
        .take(4)
        .map(|w| w.trim_start_matches("level=").trim_matches(['[', ']', ':']))
        .any(low)
}

/// May this line of this hit be believed?
fn testifies(
    hit: &Hit,
    line: &LogLine,
    voice: &Voice,
    speaker: &Speaker,
    pod: Option<&Pod>,
) -> bool {
    let trouble = pod.is_some_and(|p| !is_well(p));
    match voice {
        // A relay in trouble may well speak of itself.
        Voice::Anyone => !speaker.relays() || (trouble && !is_talk(&line.text)),
        Voice::Client if speaker.relays() => trouble && !is_talk(&line.text),
        Voice::Client => !(pod.is_some_and(is_well) && is_talk(&line.text)),
        Voice::Host(names) => speaker.is(names),
        Voice::Programs(names) => {
            let itself = speaker.is(names) && !is_relay(&hit.container);
            let unseen = pod.is_none() && !speaker.relays();
            // Clients of Git and Helm are many; of those that can't do their work the word counts.
            let client =
                trouble && CLIENTS.iter().any(|c| hit.signal.starts_with(c)) && !speaker.relays();
            itself || unseen || client
        }
    }
}

/// A sidecar that carries its neighbour's log goes by its own name.
fn is_relay(container: &str) -> bool {
    let container = container.to_ascii_lowercase();
    RELAYS.iter().any(|r| holds_word(&container, r))
}

/// What the objects contradict: the program stops after such words, and it runs.
fn is_past(cluster: &Cluster, hit: &Hit, voice: &Voice) -> bool {
    let (true, Voice::Programs(names)) = (STOPS.contains(&hit.signal), voice) else {
        return false;
    };
    if let Some(pod) = hit.entity.as_ref().and_then(|e| cluster.pod(e)) {
        return settled(cluster, pod);
    }
    hit.entity.is_none() && all_own(cluster, names, |p| settled(cluster, p))
}

/// Are there pods of these programs, and is this true of all?
fn all_own(cluster: &Cluster, names: &[&str], is_so: impl Fn(&Pod) -> bool) -> bool {
    let mut own = cluster
        .pods
        .iter()
        .filter(|p| !p.is_finished())
        .filter(|p| Speaker::of(&cluster.id(p.obj), "", Some(p)).is(names))
        .peekable();
    own.peek().is_some() && own.all(is_so)
}

/// Who says this serves, or has done its work. Of a log without an owner that is whoever may say such
/// words; programs of the host are no pods, and nothing says how they are.
pub(crate) fn said_by_the_well(cluster: &Cluster, hit: &Hit) -> bool {
    if let Some(entity) = &hit.entity {
        return cluster.pod(entity).is_some_and(is_well);
    }
    let unit = crate::signals::all()
        .find(|s| s.id == hit.signal)
        .map_or("", |s| s.unit);
    match voice(unit) {
        Voice::Programs(names) if !unit.split(", ").any(|u| HOST.contains(&u)) => {
            all_own(cluster, &names, is_well)
        }
        _ => false,
    }
}

/// Ready, and not because it was just started once more.
fn settled(cluster: &Cluster, pod: &Pod) -> bool {
    pod.is_ready()
        && pod.status.container_statuses.iter().all(|s| {
            let since = s.state.running.as_ref().and_then(|r| r.started_at);
            s.restart_count.unwrap_or(0) == 0
                || cluster.age_seconds(since).is_some_and(|age| age >= STUCK)
        })
}

/// The hits that are testimony, with only the lines that are.
pub(crate) fn heard(cluster: &Cluster) -> Vec<Cow<'_, Hit>> {
    let units: std::collections::BTreeMap<&str, &'static str> =
        crate::signals::all().map(|s| (s.id, s.unit)).collect();
    cluster
        .hits
        .iter()
        .filter_map(|hit| {
            let voice = voice(units.get(hit.signal).copied().unwrap_or("any program"));
            if is_past(cluster, hit, &voice) {
                return None;
            }
            // In an event the cluster's own components speak, about the entity.
            let pod = hit
                .entity
                .as_ref()
                .filter(|e| e.kind() == "pod" && !hit.event);
            let Some(entity) = pod else {
                // In a journal, too, a shipper of logs speaks with other people's words.
                if !hit.program.is_empty() && RELAYS.iter().any(|r| holds_word(&hit.program, r)) {
                    return None;
                }
                return Some(Cow::Borrowed(hit));
            };
            let pod = cluster.pod(entity);
            let speaker = Speaker::of(entity, &hit.container, pod);
            let own: Vec<LogLine> = hit
                .lines
                .iter()
                .filter(|l| testifies(hit, l, &voice, &speaker, pod))
                .cloned()
                .collect();
            if own.is_empty() {
                return None;
            }
            if own.len() == hit.lines.len() {
                return Some(Cow::Borrowed(hit));
            }
            Some(Cow::Owned(Hit {
                count: own.len() as u64,
                first: own.iter().filter_map(|l| l.time).min(),
                last: own.iter().filter_map(|l| l.time).max(),
                last_local: own.iter().rev().find_map(|l| l.local),
                lines: own,
                ..hit.clone()
            }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_whole_words() {
        assert!(holds_word("mirrored-coredns-coredns", "coredns"));
        assert!(holds_word("k8s-device-plugin", "device-plugin"));
        assert!(!holds_word("cilium-x", "ci"));
        assert!(!holds_word("pgvector", "vector"));
        assert_eq!(
            repository("registry.grafana.com:5000/shop/app:1.0@sha256:ab"),
            "shop/app"
        );
        assert_eq!(repository("grafana/loki"), "grafana/loki");
        assert_eq!(repository("coredns:1.12"), "coredns");
    }

    #[test]
    fn talk_is_told_from_trouble_by_the_lines_own_level() {
        for talk in [
            "level=info msg=push entry=\"level=error x509\"",
            "{\"level\":\"info\",\"message\":\"{\\\"level\\\":\\\"error\\\"}\"}",
            "2026-03-10T11:00:01Z  INFO sinks: forwarded message=\"[ERROR] plugin\"",
            "[ info] [output:stdout] x",
        ] {
            assert!(is_talk(talk), "{talk}");
        }
        for trouble in [
            "level=warn msg=\"level=info\"",
            "{\"ts\":\"x\",\"level\": \"error\",\"msg\":\"info\"}",
            "E0310 11:00:00.1 1 a.go:1] failed",
            "failed calling webhook: for more info see the log",
        ] {
            assert!(!is_talk(trouble), "{trouble}");
        }
    }

    #[test]
    fn every_unit_has_a_voice() {
        assert_eq!(voice("kubelet, containerd"), Voice::Host(vec![]));
        assert_eq!(
            voice("kubelet, csi-driver-nfs"),
            Voice::Programs(vec!["csi-nfs", "csi-driver-nfs"])
        );
        assert_eq!(
            voice("metrics-server"),
            Voice::Programs(vec!["metrics-server"])
        );
        for signal in crate::signals::all() {
            if let Voice::Programs(names) = voice(signal.unit) {
                assert!(!names.is_empty(), "{}: nobody may say it", signal.id);
                assert!(
                    names.iter().all(|n| !n.contains(' ')),
                    "{}: {names:?} is no name of a container",
                    signal.id
                );
            }
        }
    }
}
