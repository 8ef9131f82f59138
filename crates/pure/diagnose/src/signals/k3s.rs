//! k3s and its supervisor, servers and agents.
//! Source: k3s `pkg/cluster`, `pkg/etcd`, `pkg/agent`, `pkg/server`, `pkg/clientaccess`; Go `crypto`, `net`.

use defib_model::signal::{Mark, Signal};

const fn signal(
    id: &'static str,
    anchor: &'static str,
    pattern: &'static str,
    mark: Mark,
    source: &'static str,
) -> Signal {
    super::signal(id, anchor, pattern, "k3s", mark, source)
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    signal(
        "k3s.up",
        "k3s is up and running",
        "",
        Mark::Progress,
        "k3s: pkg/cli/server/server.go",
    ),
    signal(
        "k3s.agent-up",
        "k3s agent is up and running",
        "",
        Mark::Progress,
        "k3s: pkg/cli/agent/agent.go",
    ),
    signal(
        "k3s.fatal",
        "level=fatal",
        r#"level=fatal msg="(.+)"#,
        Mark::Symptom,
        "k3s: cmd/server/main.go",
    ),
    signal(
        "k3s.shutdown",
        "Shutdown request received: ",
        r#"Shutdown request received: (.+)"#,
        Mark::Symptom,
        "k3s: pkg/signals/signals.go",
    ),
    signal(
        "k3s.port-taken",
        "bind: address already in use",
        r"listen (tcp|udp)\S* (\S*):(\d+): bind: address already in use",
        Mark::Cause,
        "Go net (EADDRINUSE)",
    ),
    // Its settings are read before anything else, so nothing wraps these.
    signal(
        "k3s.settings-yaml",
        "level=fatal msg=",
        r#"level=fatal msg="(yaml: (?:line \d+: |unmarshal errors|control characters|invalid ).+)"#,
        Mark::Cause,
        "k3s: pkg/configfilearg/parser.go; gopkg.in/yaml.v2",
    ),
    signal(
        "k3s.flag-unknown",
        "flag provided but not defined",
        r#"level=fatal msg="(?:Error: )?(flag provided but not defined: -\S+?)"?$"#,
        Mark::Cause,
        "Go flag; urfave/cli",
    ),
    signal(
        "k3s.flag-invalid",
        " for flag -",
        r#"level=fatal msg="(?:Error: )?(invalid value .+ for flag -.+)"#,
        Mark::Cause,
        "Go flag; urfave/cli",
    ),
    signal(
        "k3s.flag-use",
        "invalid flag use; ",
        r#"level=fatal msg="(?:Error: )?(invalid flag use; [^"]+)"#,
        Mark::Cause,
        "k3s: pkg/cli/server/server.go",
    ),
    signal(
        "k3s.kubelet-flag",
        "failed to parse kubelet flag: ",
        r#"(failed to parse kubelet flag: [^"\\]+)"#,
        Mark::Cause,
        "Kubernetes: cmd/kubelet/app/server.go",
    ),
    signal(
        "k3s.installer",
        "[INFO] ",
        r"\[INFO\] +(?:Downloading binary \S*/k3s\S*|Installing k3s to \S+)",
        Mark::Progress,
        "k3s: install.sh",
    ),
];
