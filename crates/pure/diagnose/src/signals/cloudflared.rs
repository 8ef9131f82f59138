//! cloudflared. Source: cloudflare/cloudflared `cmd/cloudflared/tunnel`.

use defib_model::signal::{Mark, Signal};

/// The table.
pub static SIGNALS: &[Signal] = &[
    Signal {
        id: "cloudflared.origin-cert",
        anchor: "locating origin cert",
        pattern: r"[Ee]rror locating origin cert: client didn't specify origincert path",
        unit: "cloudflared",
        mark: Mark::Cause,
        versions: "",
        source: "cloudflared: credentials/origin_cert.go",
    },
    Signal {
        id: "cloudflared.credentials",
        anchor: "unnel credentials file",
        pattern: r"unnel credentials file (?:'([^']*)' doesn't exist or is not a file|not found)",
        unit: "cloudflared",
        mark: Mark::Cause,
        versions: "",
        source: "cloudflared: cmd/cloudflared/tunnel/credential_finder.go",
    },
];
