//! # CRT009 The API server's certificate does not cover the address that clients use
//!
//! class: cert-san-missing
//!
//! ## What it sees
//! A client, an agent or a load balancer's user that is refused because the certificate is valid for other names
//! and addresses, where that certificate is the API server's: it holds `kubernetes.default` or the first address
//! of the services' range, or the call went to the API's port. Certificates of kubelets, etcd, webhooks, registries
//! and ingresses are left to others, and so is what answers on a port of its own, like a hypervisor's.
//!
//! ## Why it matters
//! The certificate is sound and of the right CA; only its list of names lacks the new balancer, virtual address or
//! public name. Every client on that way is locked out, others are not.
//!
//! ## What to do
//! Look whether the config of the servers has a `tls-san` already, and add the name to that list: of a key that stands
//! twice in a file only one counts. Then restart the servers one after the other; or go by an address that the
//! certificate has. RKE2 has its own config and its own unit.
//!
//! ## What not to do
//! Do not skip the verification in the kubeconfig: whoever sits between can then take the credentials.

use crate::analysis::host::{self, Told};
use crate::analysis::product;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT009",
    class: "cert-san-missing",
    needs: &[],
    leads_to: &[K::JoinFailing, K::ServiceFailing],
    check,
};

/// Calls to others than the API server.
const OTHERS: &[&str] = &[
    ":10250",
    ":2379",
    ":2380",
    "/metrics/resource",
    "calling webhook",
    "pull image",
    "pulling image",
    "/v2/",
    "registry",
    "acme",
    "etcd",
];

/// Ports that only the API and its supervisor have.
const PORTS: &[&str] = &[":6443", ":9345", ":16443"];

/// The port of a URL that names none.
const HTTPS: u16 = 443;

/// What its clients say in front.
const CLIENTS: &[&str] = &[
    "Unable to connect to the server",
    "/v1-k3s/",
    "/cacerts",
    "failed to get CA certs",
    "server API group list",
];

fn holds(text: &str, words: &[&str]) -> bool {
    words.iter().any(|w| text.contains(w))
}

/// Names that only an API server's certificate has: its service, or the first address of the services' range.
/// Source: k3s `pkg/daemons/control/deps`; kubeadm `app/util/pkiutil` (GetAPIServerAltNames).
fn is_api_list(list: &str, called: bool) -> bool {
    let names: Vec<&str> = list
        .split(',')
        .map(|n| n.trim().trim_matches(['"', '\\', '[', ']']))
        .collect();
    let first = |n: &&str| {
        let octets: Vec<&str> = n.split('.').collect();
        octets.len() == 4 && matches!(octets.first(), Some(&"10" | &"172")) && n.ends_with(".0.1")
    };
    // A bridge of containers may have such an address too.
    names.iter().any(|n| n.starts_with("kubernetes.default"))
        || (names.iter().any(first) && (called || names.contains(&"127.0.0.1")))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(
        cx,
        &["tls.wrong-name", "tls.no-ip-sans", "tls.no-names"],
        "the certificate does not have this name",
    );
    for line in lines {
        if holds(&line.text, OTHERS) {
            continue;
        }
        let (list, name) = match line.signal {
            "tls.wrong-name" => (line.group(0), line.group(1)),
            _ => ("", line.group(0)),
        };
        let name = bare(name);
        let port = holds(&line.text, PORTS);
        let client = holds(&line.text, CLIENTS);
        let elsewhere = port_of(&line.text, name)
            .is_some_and(|p| p != HTTPS && !PORTS.contains(&format!(":{p}").as_str()));
        let known = is_api_list(list, port || client)
            && (!elsewhere || list.contains("kubernetes.default"));
        if !known && !port && !client {
            continue;
        }
        out.push(found(cx, &line, name, known, port));
    }
}

/// The name without what closes the sentence or the quotation around it.
fn bare(name: &str) -> &str {
    let name = name.trim_matches(['"', '\\', '\'', ',', ';', '.']);
    match name.strip_suffix(')') {
        Some(rest) if !rest.contains('(') => bare(rest),
        _ => name,
    }
}

/// The port at which the client asked for this name, where the line says it.
fn port_of(text: &str, name: &str) -> Option<u16> {
    text.match_indices(name).find_map(|(at, _)| {
        let rest = text.get(at + name.len()..)?;
        let rest = rest.strip_prefix(']').unwrap_or(rest);
        let digits = rest.strip_prefix(':').map(|r| {
            let end = r.find(|c: char| !c.is_ascii_digit()).unwrap_or(r.len());
            r.get(..end).unwrap_or_default()
        });
        if let Some(port) = digits.and_then(|d| d.parse().ok()) {
            return Some(port);
        }
        let before = text.get(..at)?.trim_end_matches('[');
        (before.ends_with("https://") && !name.is_empty()).then_some(HTTPS)
    })
}

/// The port that the line names, or the one that this program of the cluster is asked at.
fn asked_port(text: &str, name: &str, rke2: bool) -> u16 {
    port_of(text, name).unwrap_or_else(|| {
        let named = PORTS.iter().find(|p| text.contains(**p));
        let named = named.and_then(|p| p.trim_start_matches(':').parse().ok());
        let supervisor = rke2 && text.contains("/cacerts");
        named.unwrap_or(if supervisor { 9345 } else { 6443 })
    })
}

fn found(cx: &Context<'_>, line: &Told<'_>, name: &str, known: bool, port: bool) -> Finding {
    let asked: Vec<_> = host::lines(cx, &["kubeconfig.server"], "where clients are told to go")
        .into_iter()
        .filter(|l| {
            l.group(0) == name || l.group(0).rsplit_once(':').is_some_and(|(h, _)| h == name)
        })
        .map(|l| l.evidence)
        .take(2)
        .collect();
    let product = product::of(cx, &line.host).server();
    let config = format!("{}/config.yaml", product.settings());
    let at = asked_port(&line.text, name, product.name() == "rke2");
    let peer = if name.contains(':') {
        format!("[{name}]:{at}")
    } else {
        format!("{name}:{at}")
    };
    let mut finding = RULE
        .on(EntityId::other("certificate", "kube-apiserver"))
        .key(name)
        .title(format!("the API server's certificate does not cover {name}, the address that clients use"))
        .why("The certificate is sound and of the right CA; who comes by that address is refused, others are not.")
        .term(
            if known { 88 } else if port { 72 } else { 40 },
            if known {
                "the list of names is an API server's, and lacks this one"
            } else if port {
                "what answers on the API's port shows a certificate without this name"
            } else {
                "what answers shows a certificate without this name"
            },
        )
        .cite(line.evidence.clone())
        .cite_all(asked)
        .explains_observed(cx, &[K::JoinFailing, K::ServiceFailing, K::TlsRejected], &line.host)
        .safe(
            "Which names does it have?",
            command!("openssl s_client -connect {} </dev/null 2>/dev/null | openssl x509 -noout -issuer -ext subjectAltName", peer),
        )
        .safe(
            "On every server: is there a list of names already?",
            command!("grep -n -A5 tls-san {} {}.d/*", config, config),
        )
        .advice(format!("Add {name} to the list tls-san of {config} on every server; make the list if there is none. A second key tls-san in the file would take the first one's place."))
        .check_first(
            "Then restart the servers, one after the other.",
            command!("systemctl restart {}", product.unit()),
        )
        .dont("Don't skip the verification in the kubeconfig: whoever sits between can then take the credentials.");
    if !known && !port {
        finding = finding.undecided(
            format!("Is it the API server that answers at {name}, or an ingress or another program?"),
            command!("openssl s_client -connect {} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -ext subjectAltName", peer),
            &["cert-san-missing", "access-path-down"],
        );
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::{asked_port, bare, port_of};

    #[test]
    fn names_keep_their_brackets() {
        assert_eq!(bare("lb.example.com)\"."), "lb.example.com");
        assert_eq!(bare("$(reboot)"), "$(reboot)");
        assert_eq!(bare("192.168.1.9\","), "192.168.1.9");
    }

    #[test]
    fn the_port_is_that_of_the_line() {
        let line = |url: &str| {
            format!("Get \"{url}\": x509: certificate is valid for localhost, not lb.test")
        };
        for (url, port) in [
            ("https://lb.test/cacerts", 443),
            ("https://lb.test:9345/cacerts", 9345),
            ("https://lb.test:6443/api", 6443),
        ] {
            assert_eq!(asked_port(&line(url), "lb.test", false), port, "{url}");
        }
        assert_eq!(port_of("valid for a, not lb.test", "lb.test"), None);
        assert_eq!(
            asked_port("/cacerts: valid for a, not lb.test", "lb.test", true),
            9345
        );
        assert_eq!(
            port_of("Get \"https://[fd00::1]:6443/\": not fd00::1", "fd00::1"),
            Some(6443)
        );
    }
}
