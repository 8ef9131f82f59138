//! metrics-server 0.3–0.8. Source: kubernetes-sigs/metrics-server `pkg/scraper`.

use defib_model::signal::{Mark, Signal};

/// The table.
pub static SIGNALS: &[Signal] = &[
    Signal {
        id: "metrics-server.certificate",
        anchor: "validate certificate for",
        pattern: r"((?:[Ff]ailed to scrape|unable to (?:fully )?(?:scrape|fetch|collect)).*(?:10250|/metrics/resource|/stats/summary).*x509: cannot validate certificate for \S+ because it doesn't contain any IP SANs)",
        unit: "metrics-server",
        mark: Mark::Cause,
        versions: "",
        source: "metrics-server: pkg/scraper/scraper.go; Go crypto/x509/verify.go",
    },
    Signal {
        id: "metrics-server.certificate-unknown",
        anchor: "certificate signed by unknown authority",
        pattern: r"((?:[Ff]ailed to scrape|unable to (?:fully )?(?:scrape|fetch|collect)).*(?:10250|/metrics/resource|/stats/summary).*x509: certificate signed by unknown authority)",
        unit: "metrics-server",
        mark: Mark::Cause,
        versions: "",
        source: "metrics-server: pkg/scraper/scraper.go; Go crypto/x509/verify.go",
    },
    Signal {
        id: "metrics-server.name",
        anchor: "dial tcp: lookup ",
        pattern: r"((?:[Ff]ailed to scrape|unable to (?:fully )?(?:scrape|fetch|collect)).*(?:10250|/metrics/resource|/stats/summary).*dial tcp: lookup \S+(?: on \S+)?: (?:no such host|server misbehaving))",
        unit: "metrics-server",
        mark: Mark::Cause,
        versions: "",
        source: "metrics-server: pkg/scraper/scraper.go; Go net/dnsclient_unix.go",
    },
];
