//! # CRT008 A listing or the other side shows a certificate that has run out
//!
//! class: cert-expired
//!
//! ## What it sees
//! `certificate … expired at` of k3s, `remote error: tls: expired certificate` of whoever is called, a
//! kubeconfig's client certificate that kubelet finds expired, a certificate printed by openssl whose
//! end lies before the evidence's time, where its file, its names or who showed it are the cluster's. One of which
//! nothing tells whose it is, is a candidate; one of a site, or of a backup, is left alone. An event of k3s' monitor
//! that calls a server's certificates expired is a candidate, too: a node that works with such ones writes no events.
//!
//! ## Why it matters
//! Every connection with that certificate is refused until it is renewed.
//!
//! ## What to do
//! Restart k3s (it renews what has less than 120 days, older versions 90), or `k3s certificate rotate`
//! with the service stopped.
//!
//! ## What not to do
//! Do not set the clock back; do not delete the server's `tls` folder.

use defib_model::fact::{Certificate, Value};
use defib_model::{Clocks, Evidence};

use crate::analysis::clocks::is_rejected_by_a_wrong_one;
use crate::analysis::host::{self, TROUBLES, called, entity, facts_anywhere, quotes};
use crate::analysis::product;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT008",
    class: "cert-expired",
    needs: &[],
    leads_to: &[K::TlsRejected, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut found: std::collections::BTreeMap<EntityId, Vec<Evidence>> = Default::default();
    let mut leftover = Vec::new();
    for (host, lines) in host::by_host(host::lines(
        cx,
        &[
            "k3s.cert-expired",
            "kubelet.client-cert-expired",
            "kubeadm.cert-invalid",
        ],
        "this certificate has run out",
    )) {
        let (left, lines): (Vec<_>, Vec<_>) = lines.into_iter().partition(|l| is_left(cx, l));
        if !left.is_empty() {
            leftover.extend(quotes(&left));
        }
        if !lines.is_empty() {
            found.entry(host).or_default().extend(quotes(&lines));
        }
    }
    let mut unknown = Vec::new();
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["tls.other-side"],
        "the other side finds the certificate expired",
    )) {
        let lines: Vec<_> = lines
            .into_iter()
            .filter(|l| {
                l.line
                    .groups
                    .first()
                    .is_some_and(|g| g == "expired certificate")
                    && !is_rejected_by_a_wrong_one(cx, l)
            })
            .collect();
        // Any server that asks for certificates says this of whoever called it.
        let (own, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_own);
        if !own.is_empty() {
            found.entry(host.clone()).or_default().extend(quotes(&own));
        }
        unknown.extend(quotes(&others).into_iter().map(|e| (host.clone(), e)));
    }
    // What the evidence's own time says of certificates that were printed.
    let now = Clocks::of(&cx.cluster.facts).now().or(cx.cluster.as_of);
    for (fact, certificate) in facts_anywhere(cx, |v| match v {
        Value::Certificate(c) => Some(c),
        _ => None,
    }) {
        let Some(until) = certificate.until else {
            continue;
        };
        if now.is_some_and(|now| until < now) {
            match whose(certificate, &fact.command) {
                Whose::Cluster => {}
                Whose::Unknown => {
                    unknown.push((
                        entity(&fact.host),
                        cx.fact(fact, format!("ended at {until}")),
                    ));
                    continue;
                }
                Whose::Other => continue,
            }
            found
                .entry(entity(&fact.host))
                .or_default()
                .push(cx.fact(fact, format!("ended at {until}")));
        }
    }
    let sure = !found.is_empty();
    if !leftover.is_empty() && !sure {
        out.push(
            about(cx, &entity(""), leftover)
                .term(45, "a node reports certificates of a server that ended, and yet it writes events")
                .undecided(
                    "Is that node a server? On an agent these files are left from a time in which it was one.",
                    "kubectl get nodes -o wide; ls -l /var/lib/rancher/k3s/server; systemctl status k3s k3s-agent",
                    &["stale-data-dir", "cert-expired"],
                ),
        );
    }
    for (host, evidence) in found {
        out.push(about(cx, &host, evidence).term(85, "its end has passed"));
    }
    if let Some((host, evidence)) = unknown.into_iter().next().filter(|_| !sure) {
        out.push(
            about(cx, &host, vec![evidence])
                .term(40, "its end has passed, and nothing tells whose it is")
                .undecided(
                    "Is it a certificate of the cluster?",
                    "k3s certificate check --output table; date -u",
                    &["cert-expired"],
                ),
        );
    }
}

/// Does k3s' monitor call certificates of a server expired, in an event? Whoever works with such ones can't write
/// events: they lie on a node that does not use them.
fn is_left(cx: &Context<'_>, line: &host::Told<'_>) -> bool {
    let of_server = ["etcd/", "api-server/", "scheduler/"];
    let mut monitor = cx.hits("k3s.cert-monitor");
    monitor.any(|h| h.entry == line.entry) && of_server.iter().any(|f| line.text.contains(f))
}

/// Is this said by a part of the cluster, or of a port of one?
fn is_own(line: &host::Told<'_>) -> bool {
    const PARTS: &[&str] = &["k3s", "rke2", "kube", "etcd"];
    const WORDS: &[&str] = &[
        ":2379", ":2380", ":6443", ":9345", ":10250", "etcd", "kube", "k3s", "rke2",
    ];
    PARTS.iter().any(|p| line.program.starts_with(p))
        || line
            .speaker
            .is_some_and(|p| p.name().starts_with("kube-") || p.name().starts_with("etcd-"))
        || WORDS.iter().any(|w| line.text.contains(w))
}

/// Whose a certificate is.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    Cluster,
    Unknown,
    Other,
}

/// Folders of the cluster's own certificates, and words of commands that read them.
const PLACES: &[&str] = &[
    "rancher",
    "kubernetes",
    "kubelet",
    "etcd",
    "k3s",
    "rke2",
    "kubeconfig",
    ".kube/",
];
/// Beginnings of the names in them. Source: k3s `pkg/daemons/control/deps`, kubeadm `app/phases/certs`.
const NAMES: &[&str] = &["k3s", "rke2", "kube", "system:", "etcd", "cloud-controller"];

fn whose(certificate: &Certificate, command: &str) -> Whose {
    let copy = |text: &str| ["backup", "old", ".bak"].iter().any(|w| text.contains(w));
    if copy(&certificate.path) || copy(command) {
        return Whose::Other;
    }
    let named = |name: &str| {
        let common = name.rsplit("CN").next().unwrap_or(name);
        let common = common.trim_start_matches([' ', '=']);
        NAMES.iter().any(|n| common.starts_with(n))
    };
    let at = |text: &str| PLACES.iter().any(|p| text.contains(p));
    // Whoever shows it to a caller has it in use.
    let shown = !certificate.peer.is_empty();
    if shown
        || at(&certificate.path)
        || at(command)
        || named(&certificate.subject)
        || named(&certificate.issuer)
    {
        return Whose::Cluster;
    }
    match certificate.subject.is_empty() && !certificate.path.starts_with('/') {
        true => Whose::Unknown,
        false => Whose::Other,
    }
}

/// Is the cluster one that kubeadm made, as far as anything says?
fn is_kubeadm(cx: &Context<'_>) -> bool {
    let folder = |v: &Value| match v {
        Value::Certificate(c) => c.path.starts_with("/etc/kubernetes/"),
        _ => false,
    };
    let said = cx.heard().any(|h| {
        h.signal == "kubeadm.cert-invalid"
            || h.lines.iter().any(|l| l.text.contains("/etc/kubernetes/"))
    });
    let ours = cx
        .heard()
        .any(|h| h.program.starts_with("k3s") || h.signal.starts_with("k3s."));
    (said
        || facts_anywhere(cx, |v| folder(v).then_some(()))
            .next()
            .is_some())
        && !ours
}

fn about(cx: &Context<'_>, host: &EntityId, evidence: Vec<Evidence>) -> Finding {
    let product = product::of(cx, host);
    let (name, unit) = (product.name(), product.unit());
    let finding = RULE
        .on(host.clone())
        .title(format!("a certificate on {} has run out", called(host)))
        .why("Every connection with it is refused until it is renewed.")
        .cite_all(evidence)
        .explains_observed(cx, TROUBLES, host);
    let finding = match is_kubeadm(cx) {
        true => finding
            .safe(
                "See what runs out when, and what time it is.",
                "kubeadm certs check-expiration; date -u",
            )
            .check_first(
                "Renew, then restart the control plane's static pods and the kubelet.",
                "kubeadm certs renew all",
            ),
        false => finding
            .safe(
                "See what runs out when, and what time it is.",
                command!("{} certificate check --output table; date -u", name),
            )
            .check_first(
                "Renew at a restart.",
                command!(
                    "systemctl stop {} && {} certificate rotate && systemctl start {}",
                    unit,
                    name,
                    unit
                ),
            ),
    };
    finding
        .dont("Don't set the clock back.")
        .dont("Don't delete the server's tls folder: the CAs are in it too.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_not_the_cluster() {
        let with = |path: &str, subject: &str| Certificate {
            path: path.to_owned(),
            subject: subject.to_owned(),
            ..Certificate::default()
        };
        let of = |path: &str, subject: &str, command: &str| whose(&with(path, subject), command);
        assert_eq!(
            of("/var/lib/rancher/k3s/server/tls/x.crt", "", ""),
            Whose::Cluster
        );
        assert_eq!(of("", "CN = kube-apiserver", ""), Whose::Cluster);
        assert_eq!(
            of("", "O = system:masters, CN = system:admin", ""),
            Whose::Cluster
        );
        assert_eq!(of("", "", "openssl x509 -noout -enddate"), Whose::Unknown);
        assert_eq!(
            of("/etc/ssl/certs/site.crt", "CN = blog.test", ""),
            Whose::Other
        );
        assert_eq!(
            of("", "", "for f in /root/old-backup/*.crt; do openssl x509"),
            Whose::Other
        );
    }
}
