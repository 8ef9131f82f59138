//! # ACC002 The operator's way in is cut
//!
//! class: access-path-down
//!
//! ## What it sees
//! A tunnel or jump host that fails before the target is reached: cloudflared's `websocket: bad handshake`,
//! WireGuard without a handshake for long, ssh's proxy command that closes, a name of the way in that does not resolve
//! (unless the API answered under another one beside it, or the name was typed in: that is a question). Where the tunnel's own pod
//! dies in the cluster, the way is only its symptom; unless its far end refuses it: `ssh -R` in a pod or on a host that is denied
//! or whose port is taken, while nothing listens any more where the operator comes in.
//!
//! ## Why it matters
//! It says nothing about the cluster, which may be well. Measures against the cluster from here are blind.
//!
//! ## What to do
//! Try another way (console, hypervisor, second tunnel, a machine in the same network), and look at the
//! cluster from there before anything is changed.
//!
//! ## What not to do
//! Do not restart nodes because you can't reach them: you are what can't be reached.

use std::collections::BTreeSet;

use defib_model::fact::Value;
use defib_model::views::Pod;

use crate::analysis::host::{self, TROUBLES, Told};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ACC002",
    class: "access-path-down",
    needs: &[],
    leads_to: &[],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let sure = host::lines(
        cx,
        &[
            "tunnel.bad-handshake",
            "tunnel.gone",
            "ssh.proxy-closed",
            "ssh.unknown-host",
        ],
        "the way in fails before the target",
    );
    let mut sure = sure;
    // Below an ssh that goes through a tunnel, the tunnel's client says no more than this.
    if host::facts(cx, |v| {
        matches!(v, Value::Ran(w) if is_way(w)).then_some(())
    })
    .next()
    .is_some()
    {
        sure.extend(host::lines(
            cx,
            &["tunnel.bare-handshake"],
            "the way in fails before the target",
        ));
    }
    // A tunnel is silent while nobody uses it; who gets no answer through it did.
    let silent = host::lines(cx, &["kubectl.unable"], "the client gets no answer")
        .into_iter()
        .any(|l| {
            ["i/o timeout", "no route", "deadline"]
                .iter()
                .any(|w| l.text.contains(w))
        });
    if silent {
        sure.extend(host::lines(
            cx,
            &["tunnel.no-handshake"],
            "the tunnel's other end has not been heard since",
        ));
    }
    unnamed(cx, out);
    held_from_within(cx, out);
    let maybe = host::lines(cx, &["ssh.failed"], "no connection to that host");
    // Several hosts that do not answer at once share their way.
    let hosts: BTreeSet<&str> = maybe.iter().map(|l| l.group(0)).collect();
    let id = EntityId::other("operator", "way-in");
    let connector = cx.pods(K::ContainerCrashLoop).find(|(c, _)| {
        ["cloudflared", "tailscale"]
            .iter()
            .any(|w| c.entity.name().contains(w))
    });
    if !sure.is_empty() {
        let finding = found(&id, &sure).cite_all(maybe.iter().map(|l| l.evidence.clone()));
        out.push(match connector {
            // Its end in the cluster dies, of something that the way itself does not show.
            Some((c, _)) => finding
                .term(40, "it fails before the target is reached")
                .cite_all(c.evidence.iter().cloned())
                .undecided(
                    format!("What does the tunnel's pod {} die of?", c.entity.name()),
                    command!(
                        "kubectl logs {} -n {} --previous --tail=50",
                        c.entity.name(),
                        c.entity.namespace().unwrap_or_default()
                    ),
                    &[
                        "cloudflared-credentials-not-found",
                        "secret-missing",
                        "coredns-forward-loop",
                        "coredns-upstream-unreachable",
                    ],
                ),
            // That nobody serves a site by the tunnel says little of how its operator gets in.
            None if sure.iter().all(|l| l.signal == "tunnel.gone") => finding
                .term(40, "the tunnel has no end in the cluster")
                .undecided(
                    "Is that tunnel the operator's own way in, or does it only serve a site?",
                    "kubectl get pods -A | grep -i cloudflared; cloudflared tunnel info TUNNEL",
                    &["access-path-down", "cloudflared-credentials-not-found"],
                ),
            None => finding.term(78, "it fails before the target is reached"),
        });
    } else if !maybe.is_empty() {
        let finding = found(&id, &maybe).term(
            if hosts.len() > 1 { 55 } else { 35 },
            "no connection from where you are",
        );
        out.push(finding.undecided(
            "Do these hosts answer from another place (console, hypervisor, a neighbour)?",
            "kubectl get nodes; ping -c3 GATEWAY",
            &["access-path-down", "host-down"],
        ));
    }
}

/// The name by which a client knows the API server is known to nobody whom it asks: it never left this machine.
fn unnamed(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(
        cx,
        &["kubectl.no-such-host"],
        "the name of the API server is not known here",
    );
    let Some(line) = lines.first() else { return };
    // Another context works: the API is reached.
    if host::shown_beside(cx, line.entry) {
        return;
    }
    let typed = line.command(cx).is_some_and(|(_, words)| {
        words
            .iter()
            .any(|w| w.contains(line.group(0)) && !line.group(0).is_empty())
    });
    let mut finding = found(&EntityId::other("operator", "way-in"), &lines)
        .title(format!(
            "{}, by which the API server is called, is not known here",
            line.group(0)
        ))
        .term(
            76,
            "the client's resolver does not know the name; nothing was asked of the cluster",
        )
        .safe(
            "Who should know the name, and by which address does the server answer?",
            command!(
                "getent hosts {}; grep server: $KUBECONFIG ~/.kube/config",
                line.group(0)
            ),
        );
    if typed {
        finding = finding.undecided(
            "Is the name that was typed in right?",
            "kubectl config view --minify | grep server:",
            &["access-path-down"],
        );
    }
    out.push(finding);
}

/// Tunnels that a pod or a host holds open (`ssh -R`), and that their far end does not take.
fn held_from_within(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(
        cx,
        &["ssh.denied", "ssh.no-way", "ssh.forward-refused"],
        "the tunnel's far end does not take it",
    );
    let asked = host::lines(
        cx,
        &["kubectl.refused", "kubectl.unable", "kubectl.no-group-list"],
        "the operator is not let in there",
    );
    let mut seen = BTreeSet::new();
    for line in &lines {
        let pod = line.speaker.and_then(|id| cx.cluster.pod(id));
        // A host's own tunnel names its port itself; any other ssh of it may be anybody's.
        let port = match (pod, line.signal) {
            (Some(pod), _) => listens(pod),
            (None, "ssh.forward-refused") => Some(line.group(0).to_owned()),
            _ => None,
        };
        let Some(port) = port else { continue };
        let id = match (pod, line.speaker) {
            (Some(pod), _) => cx.cluster.id(pod.obj),
            (None, Some(speaker)) => speaker.clone(),
            (None, None) => line.host.clone(),
        };
        if !seen.insert(id.clone()) {
            continue;
        }
        // Of its own host and of the cluster's nodes an operator asks directly.
        let through = |a: &&Told<'_>| a.group(1) == port && !is_direct(cx, a.group(0));
        let by_it: Vec<&Told> = asked.iter().filter(through).collect();
        // Later it let the operator in.
        let over = by_it.iter().any(|a| host::shown_beside(cx, a.entry));
        let refuses = line.signal != "ssh.no-way";
        // A host whose k3s is in trouble refuses by itself.
        let over = over || cx.observed(TROUBLES, &line.host).next().is_some();
        let own: Vec<Told> = (lines.iter())
            .filter(|l| {
                l.speaker == line.speaker
                    && l.host == line.host
                    && (pod.is_some() || l.signal == line.signal)
            })
            .cloned()
            .collect();
        let mut finding = found(&EntityId::other("operator", "way-in"), &own)
            .title(format!(
                "the tunnel that {} holds open is not taken at its far end; that says nothing about the cluster",
                if id.name() == "-" { "a host" } else { id.name() }
            ))
            .why("The way in is held open from within, and where it ends nobody takes it: no restart in the cluster brings it back.")
            .cite_all(by_it.iter().map(|l| l.evidence.clone()))
            .safe(
                "What does the far end say, and does it still know the tunnel's key?",
                "journalctl -u ssh --since -1h; cat ~/.ssh/authorized_keys; ss -ltnp",
            )
            .explains_observed(cx, DYING, &id);
        // Nobody there may have heard of it: the way out of the cluster can be cut as well.
        if !refuses {
            finding = finding.safe(
                "Does anything get out of the cluster?",
                "ip route; sysctl net.ipv4.ip_forward; ping -c2 1.1.1.1",
            );
        }
        finding = if by_it.is_empty() || over || !refuses {
            finding.term(45, "its ssh says so").undecided(
                format!("Does the operator come in by port {port} of that host?"),
                "kubectl config view --minify | grep server:",
                &["access-path-down"],
            )
        } else {
            finding.term(
                84,
                "its ssh says so, and the operator does not get in at the port that it would hold open",
            )
        };
        out.push(finding);
    }
}

/// Is this an address of the host that asks, of its own network, or of a node of the cluster?
fn is_direct(cx: &Context<'_>, address: &str) -> bool {
    let ip = address.parse::<std::net::Ipv4Addr>();
    // 100.64.0.0/10 is what networks between machines take (RFC 6598).
    let shared = |ip: std::net::Ipv4Addr| ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
    ip.is_ok_and(|ip| ip.is_loopback() || ip.is_private() || shared(ip))
        || matches!(address, "localhost" | "[::1]" | "::1" | "0.0.0.0")
        || cx.cluster.nodes.iter().any(|n| {
            n.metadata.name == address || n.status.addresses.iter().any(|a| a.address == address)
        })
}

/// Troubles of a pod whose program ends again and again.
const DYING: &[K] = &[K::ContainerCrashLoop, K::PodNotReady, K::ProbeFailing];

/// The port that a pod's ssh has its far end listen on: `-R [BIND:]PORT:HOST:PORT`, `-R [BIND:]PORT` (ssh(1)).
fn listens(pod: &Pod) -> Option<String> {
    pod.spec.containers.iter().find_map(|c| {
        let words: Vec<&str> = (c.command.iter().chain(&c.args))
            .flat_map(|w| w.split_ascii_whitespace())
            .collect();
        let is_ssh = |w: &&str| matches!(w.rsplit('/').next(), Some("ssh" | "autossh"));
        if !words.iter().any(is_ssh) && !c.image.contains("ssh") {
            return None;
        }
        let at = words.iter().position(|w| w.starts_with("-R"))?;
        let own = words.get(at)?.trim_start_matches("-R");
        let forward = if own.is_empty() {
            *words.get(at + 1)?
        } else {
            own
        };
        let parts: Vec<&str> = forward.split(':').collect();
        let port = match parts.as_slice() {
            [port] | [_, port] | [port, _, _] | [_, port, _, _] => *port,
            _ => return None,
        };
        port.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| port.to_owned())
    })
}

/// A command that goes in by ssh or by a tunnel.
fn is_way(words: &[String]) -> bool {
    matches!(
        words
            .first()
            .map(|w| w.rsplit('/').next().unwrap_or_default()),
        Some("ssh" | "cloudflared" | "scp" | "sftp")
    )
}

fn found(id: &EntityId, lines: &[Told]) -> Finding {
    RULE.on(id.clone())
        .title("the operator's way in is cut; that says nothing about the cluster")
        .why("From here nobody can see whether the cluster is well.")
        .cite_all(lines.iter().map(|l| l.evidence.clone()))
        .safe(
            "Try the way step by step, and another one.",
            "ssh -v HOST; cloudflared tunnel info TUNNEL; tailscale status; wg show",
        )
        .dont("Don't restart nodes because you can't reach them: look from another place first.")
}
