//! CoreDNS 1.10–1.14. Source: coredns/coredns `plugin/`, `core/`.

use defib_model::signal::{Mark, Signal};

/// The table.
pub static SIGNALS: &[Signal] = &[
    Signal {
        id: "coredns.loop",
        anchor: "plugin/loop: ",
        pattern: r#"plugin/loop: (?:Loop \((\S+) -> (\S+)\) detected for zone "([^"]*)"|Seen ".*" more than twice, loop detected)"#,
        unit: "coredns",
        mark: Mark::Cause,
        versions: "",
        source: "coredns: plugin/loop/loop.go",
    },
    Signal {
        id: "coredns.upstream-timeout",
        anchor: "plugin/errors: ",
        pattern: r"plugin/errors: \d+ (\S+) .*(?:read|write|dial) (?:udp|tcp)[46]? (?:\S*?->)?(\S+:\d+): (?:(?:read|write|connect): )?(?:i/o timeout|connection refused|no route to host|network is unreachable|host is unreachable)",
        unit: "coredns",
        mark: Mark::Symptom,
        versions: "",
        source: "coredns: plugin/errors/errors.go",
    },
    Signal {
        id: "coredns.api-unreachable",
        anchor: "plugin/kubernetes: ",
        pattern: r"plugin/kubernetes: .*(connection refused|no route to host|i/o timeout|network is unreachable)",
        unit: "coredns",
        mark: Mark::Symptom,
        versions: "",
        source: "coredns: plugin/kubernetes (client-go)",
    },
    Signal {
        id: "coredns.not-ready",
        anchor: "plugin/ready: ",
        pattern: r#"plugin/ready: (?:Plugins not ready|Still waiting on): "?[\w,]*kubernetes"#,
        unit: "coredns",
        mark: Mark::Symptom,
        versions: "",
        source: "coredns: plugin/ready/ready.go",
    },
    Signal {
        id: "coredns.waiting-for-api",
        anchor: "waiting for Kubernetes API before starting server",
        pattern: "",
        unit: "coredns",
        mark: Mark::Progress,
        versions: "",
        source: "coredns: plugin/kubernetes/setup.go",
    },
    Signal {
        id: "coredns.corefile-broken",
        anchor: "Error during parsing",
        pattern: r"Corefile:\d+ - Error during parsing: (.+)",
        unit: "coredns",
        mark: Mark::Cause,
        versions: "",
        source: "coredns: caddyfile parser",
    },
];
