//! # HST014 Another process holds the port
//!
//! class: port-in-use
//!
//! ## What it sees
//! `listen tcp …: bind: address already in use` of a program that then ends; and who holds the port, where
//! `ss` or `netstat` lists it. Also without k3s' own words: another program listens on a port that k3s wants, and
//! its unit does not stay up.
//!
//! Programs that have nothing to do with the cluster (docker's proxies, a port that `kubectl port-forward` wants) are
//! not meant.
//!
//! ## Why it matters
//! The service can't start, and systemd starts it again every few seconds. On 6443, 6444, 2379, 2380 and
//! 10250 the holder is mostly a second k3s: an agent beside a server, or a process that outlived its stop.
//!
//! ## What to do
//! See who listens there, and stop the one that should not.
//!
//! ## What not to do
//! Do not run k3s-uninstall.sh to get rid of the holder: it deletes the data too.

use crate::analysis::host::{self, called};
use crate::analysis::product;
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST014",
    class: "port-in-use",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

/// Ports that k3s wants for itself. Source: k3s documentation, "Requirements".
const WANTED: &[u16] = &[6443, 2379, 2380];
/// Who may have them beside k3s: what k3s is made of, and what stands in front of several servers.
const KNOWN: &[&str] = &[
    "k3s",
    "rke2",
    "kube",
    "etcd",
    "haproxy",
    "nginx",
    "envoy",
    "traefik",
    "keepalived",
    "docker",
    "containerd",
    "rootlessport",
    "systemd",
    "ssh-",
    "kubectl",
];

/// Whose list of listeners shows somebody else on a port of k3s, while the unit of k3s does not stay up.
fn squatters(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let units = host::unstable(cx);
    let listeners = host::facts(cx, |v| match v {
        Value::Listens { port, program, .. } if WANTED.contains(port) && !program.is_empty() => {
            Some((*port, program.as_str()))
        }
        _ => None,
    });
    for (fact, (port, program)) in listeners {
        let host = host::entity(&fact.host);
        let told = out
            .iter()
            .any(|f| f.rule.code == RULE.code && f.entity == host);
        if told || KNOWN.iter().any(|k| program.starts_with(k)) {
            continue;
        }
        let number = port.to_string();
        let Some(unit) = units.iter().find(|u| u.host == fact.host) else {
            continue;
        };
        out.push(
            RULE.on(host.clone())
                .key(number.as_str())
                .title(format!(
                    "on {} {program} holds port {port}, which k3s wants",
                    called(&host)
                ))
                .why("The program ends at once, and systemd starts it again and again.")
                .term(
                    80,
                    "the list of listeners shows it, and k3s does not stay up",
                )
                .cite(cx.fact(fact, format!("{program} listens there")))
                .cite(cx.fact(unit, "k3s does not stay up"))
                .explains_if(cx, K::ServiceFailing, &host)
                .safe(
                    "See who has it, and what k3s says.",
                    command!(
                        "ss -ltnp 'sport = :{}'; journalctl -u 'k3s*' -n 50 --no-pager",
                        number
                    ),
                )
                .advice(format!(
                    "Stop {program} there, or have it listen elsewhere."
                ))
                .dont("Don't run k3s-uninstall.sh for this: it deletes the data too."),
        );
    }
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    taken(cx, out);
    squatters(cx, out);
}

/// Programs that open ports for people and for containers of their own, whatever else they are.
const FOREIGN: &[&str] = &["docker", "dockerd", "podman", "rootlessport", "slirp4netns"];

/// Does a program say this that is no part of the cluster: by its name in the journal, or because somebody ran it?
fn is_foreign(cx: &Context<'_>, line: &host::Told<'_>) -> bool {
    FOREIGN.contains(&line.program)
        || ["port-forward", "Unable to listen on port", "userland proxy"]
            .iter()
            .any(|w| line.text.contains(w))
        || line.is_foreign(cx)
}

/// Are a server's unit and an agent's shown of this host?
fn both_units(cx: &Context<'_>, id: &EntityId) -> bool {
    let units: Vec<&str> = host::facts(cx, |v| match v {
        Value::Unit { name, active, .. } if active != "inactive" => Some(name.as_str()),
        _ => None,
    })
    .filter(|(f, _)| host::same_host(&f.host, id.name()))
    .map(|(_, name)| name.trim_end_matches(".service"))
    .collect();
    let is_agent = |name: &&str| name.ends_with("-agent");
    let has = |agent: bool| {
        units
            .iter()
            .any(|u| is_agent(u) == agent && host::is_ours(u))
    };
    has(true) && has(false)
}

fn taken(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut lines = host::lines(
        cx,
        &["k3s.port-taken"],
        "the kernel refuses the port: somebody has it",
    );
    lines.retain(|l| !is_foreign(cx, l));
    for (id, lines) in host::by_host(lines) {
        let Some(first) = lines.first() else { continue };
        let port = first.group(2);
        let holders: Vec<_> = host::facts(cx, |v| match v {
            Value::Listens {
                port: p, program, ..
            } if p.to_string() == port => Some(program.as_str()),
            _ => None,
        })
        .filter(|(f, _)| host::same_host(&f.host, id.name()))
        .collect();
        // Only root sees the names of other people's processes.
        let holder = holders.iter().map(|(_, p)| *p).find(|p| !p.is_empty());
        let own = holder.is_none_or(|p| p.starts_with("k3s"));
        let who = match holder {
            Some(p) if own => format!("another process of {p}"),
            Some(p) => p.to_owned(),
            None => "another process".to_owned(),
        };
        let mut finding = RULE
            .on(id.clone())
            .key(port)
            .title(format!("on {} {who} holds port {port}", called(&id)))
            .why("The program ends at once, and systemd starts it again and again.")
            .term(90, "the kernel says so to the program that wants the port")
            .cite_all(lines.iter().map(|l| l.evidence.clone()));
        if !holders.is_empty() {
            finding = finding.term(5, "the list of listeners shows it");
        }
        for (fact, _) in &holders {
            finding = finding.cite(cx.fact(fact, format!("{who} listens there")));
        }
        finding = finding.explains_if(cx, K::ServiceFailing, &id).safe(
            "See who has it.",
            command!("ss -ltnp 'sport = :{}'; systemctl list-units 'k3s*'", port),
        );
        finding = match holder {
            // A server has all that an agent has: of the two it is the agent that goes.
            Some(_) if own && both_units(cx, &id) => finding.check_first(
                "A server needs no agent beside it: stop the agent's unit.",
                command!(
                    "systemctl disable --now {}",
                    product::of(cx, &id).agent().unit()
                ),
            ),
            None => finding.advice("First see who has it: what is stopped here depends on that."),
            Some(_) => finding.advice(format!("Stop {who} there, or have it listen elsewhere.")),
        };
        out.push(finding.dont("Don't run k3s-uninstall.sh for this: it deletes the data too."));
    }
}
