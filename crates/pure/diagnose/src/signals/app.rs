//! What ordinary programs say through their libraries: resolvers, the kernel's loader, runtimes.

use defib_model::signal::{Mark, Signal};

const RESOLVER: &str = "glibc gai_strerror, musl gai_strerror, Go net.DNSError, libuv getaddrinfo";

/// The table.
pub static SIGNALS: &[Signal] = &[
    Signal {
        id: "app.name-resolution.eai-again",
        anchor: "emporary failure in name resolution",
        pattern: "",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: RESOLVER,
    },
    Signal {
        id: "app.name-resolution.unknown-host",
        anchor: "Name or service not known",
        pattern: "",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: RESOLVER,
    },
    Signal {
        id: "app.name-resolution.musl",
        anchor: "Name does not resolve",
        pattern: "",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: RESOLVER,
    },
    Signal {
        id: "app.name-resolution.go",
        anchor: "lookup ",
        pattern: r"lookup (\S+?)(?: on (\S+))?: (?:no such host|i/o timeout|server misbehaving|read udp .*(?:i/o timeout|connection refused)|dial udp .*)",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: RESOLVER,
    },
    Signal {
        id: "app.name-resolution.node",
        anchor: "getaddrinfo ",
        pattern: r"getaddrinfo (?:EAI_AGAIN|ENOTFOUND) ?(\S*)",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: RESOLVER,
    },
    Signal {
        id: "app.name-resolution.could-not-resolve",
        anchor: "ould not resolve host",
        pattern: "",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: "curl lib/hostip.c",
    },
    Signal {
        id: "app.name-resolution.java",
        anchor: "UnknownHostException",
        pattern: "",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: "java.net.UnknownHostException",
    },
    Signal {
        id: "app.connect-timeout",
        anchor: "i/o timeout",
        pattern: r"dial tcp (\d+\.\d+\.\d+\.\d+):\d+: (?:connect: )?i/o timeout",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: "Go net.OpError",
    },
    Signal {
        id: "app.exec-format-error",
        anchor: "exec format error",
        pattern: "",
        unit: "any program",
        mark: Mark::Cause,
        versions: "",
        source: "Linux ENOEXEC by way of runc and shells",
    },
];
