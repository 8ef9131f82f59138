//! # CNI013 A proxy answers where a member of the cluster was called
//!
//! class: proxy-env-catches-cluster-traffic
//!
//! ## What it sees
//! A call of k3s, etcd or the kubelet to a node's port or to an address of the cluster that ends with a proxy's
//! answer: a refused CONNECT (`failed to do connect handshake`, or an HTTP status in bare words behind the
//! address), or `proxyconnect` in front of the error. Calls to aggregated APIs and webhooks are another cause
//! (`apiserver-proxy-env`).
//!
//! ## Why it matters
//! The service has `HTTP_PROXY` in its environment, and `NO_PROXY` lacks the nodes' addresses. The installer of
//! k3s takes both over from the shell. It looks like a blocked port or a dead first server, and the port is open.
//!
//! ## What to do
//! Put the nodes' addresses or network, the ranges of pods and Services, `.svc` and `.cluster.local` into `NO_PROXY`
//! in k3s' environment file on every node, and restart k3s.
//!
//! ## What not to do
//! Do not open the proxy for these calls: members of a cluster must reach each other without it.

use crate::analysis::addr::Net;
use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI013",
    class: "proxy-env-catches-cluster-traffic",
    needs: &[],
    leads_to: &[K::JoinFailing, K::DatastoreFailing, K::ServiceFailing],
    check,
};

/// Calls that the API server makes to others' backends.
const BACKENDS: &[&str] = &[
    "calling webhook",
    "failing or missing response",
    "AvailableConditionController",
    "available_controller",
    "APIService",
];

/// Ports of nodes.
const PORTS: &[&str] = &["6443", "9345", "2379", "2380", "10250", "16443"];

/// Is this a part of the cluster: a node's port, or a Service by its address or name? A private address with an
/// ordinary port may be a registry of the site.
fn is_member(host: &str, port: &str) -> bool {
    let ranges = ["10.43.0.0/16", "10.96.0.0/12"];
    let service = Net::parse(host).is_some_and(|ip| {
        ranges
            .iter()
            .filter_map(|r| Net::parse(r))
            .any(|r| r.overlaps(ip))
    });
    PORTS.contains(&port) || service || host.ends_with(".svc") || host.ends_with(".cluster.local")
}

fn is_ours(line: &Told<'_>) -> bool {
    if BACKENDS.iter().any(|w| line.text.contains(w)) {
        return false;
    }
    line.signal == "proxy.handshake" || is_member(line.group(0), line.group(1))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines: Vec<Told<'_>> = host::lines(
        cx,
        &[
            "proxy.handshake",
            "proxy.forbidden",
            "proxy.unavailable",
            "proxy.gateway",
            "proxy.authentication",
            "proxy.dial",
        ],
        "a proxy answers a call to a member of the cluster",
    )
    .into_iter()
    .filter(is_ours)
    .collect();
    let set: Vec<_> = host::facts(cx, |v| match v {
        Value::Setting { name, value, .. } if name.to_ascii_lowercase().ends_with("_proxy") => {
            Some(format!("{name} is {value}"))
        }
        _ => None,
    })
    .collect();
    for (id, lines) in host::by_host(lines) {
        let mut finding = RULE
            .on(id.clone())
            .title(format!("calls of {} to members of the cluster go through an HTTP proxy", called(&id)))
            .why("NO_PROXY of the service lacks their addresses; it looks like a blocked port, and the port is open.")
            .term(
                88,
                "the answer is one that only a proxy gives to a client that was told to use it",
            )
            .cite_all(host::quotes(&lines))
            .safe(
                "What is the service's environment?",
                "grep -i proxy /etc/systemd/system/k3s*.env /etc/default/k3s* /etc/default/rke2*; systemctl show k3s k3s-agent -p Environment | grep -i proxy",
            )
            .check_first(
                "Add the nodes' network, the ranges of pods and Services, .svc and .cluster.local to NO_PROXY on every node, then restart.",
                "systemctl restart k3s || systemctl restart k3s-agent",
            )
            .dont("Don't open the proxy for these calls: members must reach each other without it.");
        for (fact, said) in set.iter().take(3) {
            finding = finding.cite(cx.fact(fact, said.clone()));
        }
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::JoinFailing, K::DatastoreFailing, K::ServiceFailing],
        ));
    }
}
