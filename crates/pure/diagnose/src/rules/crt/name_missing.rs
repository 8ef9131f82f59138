//! # CRT009 The API server's certificate does not cover the address that clients use
//!
//! class: cert-san-missing
//!
//! ## What it sees
//! A client, an agent or a load balancer's user that is refused because the certificate is valid for other names
//! and addresses, where that certificate is the API server's: it holds `kubernetes.default` or the first address
//! of the services' range, or the call went to the API's port. Certificates of kubelets, etcd, webhooks, registries
//! and ingresses are left to others.
//!
//! ## Why it matters
//! The certificate is sound and of the right CA; only its list of names lacks the new balancer, virtual address or
//! public name. Every client on that way is locked out, others are not.
//!
//! ## What to do
//! Add the name or address to `tls-san` in the config of every server and restart them one after the other; or go
//! by an address that the certificate has.
//!
//! ## What not to do
//! Do not skip the verification in the kubeconfig: whoever sits between can then take the credentials.

use crate::analysis::host::{self, Told};
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
        let name = name.trim_matches(['"', '\\', '\'', ',', ';', ')', '.']);
        let port = holds(&line.text, PORTS);
        let client = holds(&line.text, CLIENTS);
        let known = is_api_list(list, port || client);
        if !known && !port && !client {
            continue;
        }
        out.push(found(cx, &line, name, known, port));
    }
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
            command!("openssl s_client -connect {}:6443 </dev/null 2>/dev/null | openssl x509 -noout -issuer -ext subjectAltName", name),
        )
        .check_first(
            "Add the name on every server, and restart them one after the other.",
            command!("printf 'tls-san:\\n  - %s\\n' {} >> /etc/rancher/k3s/config.yaml && systemctl restart k3s   # merge with a tls-san that is there", name),
        )
        .dont("Don't skip the verification in the kubeconfig: whoever sits between can then take the credentials.");
    if !known && !port {
        finding = finding.undecided(
            format!("Is it the API server that answers at {name}, or an ingress or another program?"),
            command!("openssl s_client -connect {}:6443 </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -ext subjectAltName", name),
            &["cert-san-missing", "access-path-down"],
        );
    }
    finding
}
