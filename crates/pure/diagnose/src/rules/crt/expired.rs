//! # CRT001 A certificate in use has run out
//!
//! class: cert-expired
//!
//! ## What it sees
//! `x509: certificate has expired or is not yet valid: current time A is after B` in a log, an event or
//! a status, and the address that was called: it says whose certificate it is.
//!
//! ## Why it matters
//! Every client of that certificate is cut off at once. k3s renews its own at a restart when less than
//! 120 days (older versions: 90) are left; a server that ran for a year without one has none. The
//! certificates of Services, Ingresses and other hosts are none of k3s' and not touched by that.
//!
//! ## What to do
//! If the address is the cluster's own (the Service `kubernetes`, ports 6443, 10250, 2379 and the like):
//! on k3s restart the service, or `k3s certificate rotate` with the service stopped. Of all others,
//! renew that one certificate where it was made.
//!
//! ## What not to do
//! Do not set the clock back, and do not delete the server's `tls` folder: the CAs are in it too. Do not
//! rotate the cluster's certificates for a certificate that is not one of them.

use std::collections::BTreeMap;

use crate::analysis::peer::{Peer, called};
use crate::analysis::said::{Said, claim, is_ended, said};
use crate::command::Command;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT001",
    class: "cert-expired",
    needs: &[],
    leads_to: &[K::WebhookFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut all = said(
        cx,
        "certificate has expired or is not yet valid",
        "tls.expired",
        "the certificate's time and the clock do not agree",
    );
    // A registry's certificate is the registry's trouble, and has a word of its own.
    all.retain(|s| {
        ![
            "pull image",
            "pulling image",
            "pull and unpack",
            "failed to resolve reference",
            "/v2/",
        ]
        .iter()
        .any(|w| s.text.contains(w) || s.evidence.text.contains(w))
    });
    // A start that came to its good end has new certificates of its own, or none that ran out.
    let own = |s: &Said| OWN.iter().any(|port| s.evidence.text.contains(port));
    all.retain(|s| !(own(s) && is_ended(cx, &s.evidence, &["k3s.up", "k3s.agent-up"])));
    // "is before" means not yet valid: that is a clock, not a certificate.
    let before = all.iter().any(|s| s.text.contains(" is before "));
    let mut by_peer: BTreeMap<Peer, Vec<&Said>> = BTreeMap::new();
    for s in all.iter().filter(|s| !s.text.contains(" is before ")) {
        by_peer.entry(peer(cx, s)).or_default().push(s);
    }
    for (peer, said) in by_peer {
        judge(cx, &peer, &said, before, out);
    }
}

/// Ports behind which k3s itself shows certificates.
const OWN: &[&str] = &[
    ":6443", ":6444", ":2379", ":2380", ":10250", ":10257", ":10259",
];

fn peer(cx: &Context<'_>, s: &Said) -> Peer {
    let caller = s.who.as_ref().or(s.speaker.as_ref());
    // Of a log the text begins with the failure; the address stands ahead of it in the line.
    let message = if s.who.is_some() {
        &s.text
    } else {
        &s.evidence.text
    };
    called(
        cx,
        message,
        "certificate has expired",
        caller.and_then(EntityId::namespace),
    )
}

fn judge(cx: &Context<'_>, peer: &Peer, said: &[&Said], before: bool, out: &mut Vec<Finding>) {
    let (after, vague): (Vec<&Said>, Vec<&Said>) =
        said.iter().partition(|s| s.text.contains(" is after "));
    if after.is_empty() && before {
        return;
    }
    let (words, list) = if after.is_empty() {
        (
            (
                50,
                "the verifier says expired or not yet valid, without the times",
            ),
            &vague,
        )
    } else {
        (
            (
                80,
                "the verifier names the time at which the certificate ran out",
            ),
            &after,
        )
    };
    let of_workload = list.iter().all(|s| s.speaker.is_some());
    let mut f = about(peer, of_workload).term(words.0, words.1);
    f = claim(cx, f, &list.iter().take(5).copied().collect::<Vec<_>>());
    for s in list {
        if let Some(name) = crate::analysis::webhook_in(&s.text) {
            let hook = crate::analysis::webhook::entity_of(cx, name);
            f = f.explains_if(cx, K::WebhookFailing, &hook);
        }
        if let Some(pod) = &s.speaker {
            f = last_words(cx, f, pod);
        }
    }
    out.push(if after.is_empty() {
        f.undecided(
            "Has the certificate run out, or is the clock wrong?",
            look(peer),
            &["cert-expired", "clock-skew"],
        )
    } else if before {
        f.undecided(
            "Some certificates are not yet valid: is the clock right?",
            "date -u; timedatectl",
            &["cert-expired", "clock-skew"],
        )
    } else {
        f
    });
}

/// A pod whose last words these are can't work for that reason.
fn last_words(cx: &Context<'_>, f: Finding, pod: &EntityId) -> Finding {
    let last = cx.cluster.tails.iter().any(|t| {
        t.entity == *pod
            && t.lines
                .iter()
                .any(|l| l.text.contains("certificate has expired"))
    });
    if !last {
        return f;
    }
    let troubles = [K::ContainerCrashLoop, K::ProbeFailing, K::PodNotReady];
    let f = match cx.observed(&troubles, pod).next() {
        Some(kind) => f.explains(kind, pod),
        None => f,
    };
    match cx.owner(pod) {
        Some(job) => f.explains_if(cx, K::JobFailed, job),
        None => f,
    }
}

/// What the certificate says, asked of whoever shows it.
fn look(peer: &Peer) -> Command {
    match peer {
        Peer::Host(host, port) => dates(host, &format!("{host}:{port}")),
        Peer::Ingress(_, _, host) => dates(host, &format!("{host}:443")),
        Peer::Service(ns, name, _) => command!(
            "kubectl get service {} -n {} -o wide; kubectl get secrets -n {} --field-selector type=kubernetes.io/tls; date -u",
            name,
            ns,
            ns
        ),
        Peer::ControlPlane => "k3s certificate check --output table; date -u".into(),
        Peer::Unknown => "k3s certificate check --output table; openssl s_client -connect HOST:PORT </dev/null 2>/dev/null | openssl x509 -noout -subject -dates; date -u".into(),
    }
}

fn dates(host: &str, address: &str) -> Command {
    command!(
        "openssl s_client -connect {} -servername {} </dev/null 2>/dev/null | openssl x509 -noout -subject -dates; date -u",
        address,
        host
    )
}

/// The finding about this peer's certificate, with what to do about it.
fn about(peer: &Peer, of_workload: bool) -> Finding {
    let whose = peer
        .entity()
        .unwrap_or_else(|| EntityId::other("certificate", "in-use"));
    let f = RULE
        .on(whose)
        .why("Every client of that certificate is cut off until it is renewed.");
    let f = match peer {
        Peer::Host(host, _) => f
            .title(format!("the certificate of {host} has run out"))
            .safe("See what it shows, and what time it is here.", look(peer))
            .advice(format!("Have it renewed by whoever runs {host}; it is no certificate of this cluster.")),
        Peer::Service(ns, name, address) => f
            .title(format!(
                "the serving certificate of Service {ns}/{name} has run out"
            ))
            .safe("Find the Secret that holds it.", look(peer))
            .safe(
                "See whether cert-manager renews it, and why it did not.",
                command!("kubectl get certificates,certificaterequests -n {}", ns),
            )
            .advice(format!("Have it renewed by what made it (cert-manager, the program's own job, or a new Secret), then restart the pods that show it at {address}.")),
        Peer::Ingress(ns, name, host) => f
            .title(format!("the certificate of {host} (Ingress {ns}/{name}) has run out"))
            .safe("See what it shows.", look(peer))
            .safe(
                "See who renews it, and why that did not happen.",
                command!("kubectl get ingress {} -n {} -o yaml; kubectl get certificates,certificaterequests -n {}", name, ns, ns),
            )
            .advice("Have it renewed: by cert-manager, or with a new Secret."),
        Peer::Unknown if of_workload => f
            .title("a certificate in use has run out")
            .advice("Find out whom the program called: its message does not say whose certificate it is."),
        Peer::ControlPlane | Peer::Unknown => f
            .title("a certificate in use has run out")
            .safe("See what runs out when.", look(peer))
            .check_first("On k3s: renew at a restart.", "systemctl stop k3s && k3s certificate rotate && systemctl start k3s"),
    };
    let f = f.dont("Don't set the clock back.");
    match peer {
        Peer::ControlPlane | Peer::Unknown => {
            f.dont("Don't delete the server's tls folder: the CAs are in it too.")
        }
        _ => f
            .dont("Don't rotate the cluster's own certificates: this is not one of them.")
            .dont("Don't switch the verification off: the certificate stays wrong, and nobody sees who answers."),
    }
}
