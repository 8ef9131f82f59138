//! Calls that ran into a time-out: from the words in a program's log to the pods that were called.
//!
//! Refused connections are no part of it: there somebody answered. Neither are calls to a Service
//! that has no ready pod or does not offer the port: those are silent without anybody dropping them.
//! Deliberately absent: whether policies let the call pass; `policy` says that.

use std::collections::BTreeSet;
use std::net::IpAddr;

use defib_model::id::EntityId;
use defib_model::signal::Hit;
use defib_model::views::{Pod, Service};

use super::policy::{Call, End, named, or_tcp};
use crate::context::Context;

/// A call that timed out, as a log tells it.
pub struct Attempt<'a> {
    /// The log.
    pub hit: &'a Hit,
    /// Which of its lines.
    pub line: usize,
    /// Whose log it is.
    pub from: EntityId,
    /// The pod that called, where the evidence has it.
    pub source: Option<&'a Pod>,
    /// The Service that was called.
    pub service: Option<&'a Service>,
    /// The connections that it would have become, one for every ready pod behind the Service.
    pub calls: Vec<Call<'a>>,
    /// True for questions to the cluster's DNS.
    pub dns: bool,
    /// True when something outside of the cluster was called.
    pub outside: bool,
}

/// What a line says was called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Heard {
    host: String,
    port: Option<i64>,
    protocol: &'static str,
    dns: bool,
}

/// All calls that timed out, each once per log.
pub fn timed_out<'a>(cx: &'a Context<'_>) -> Vec<Attempt<'a>> {
    let mut out = Vec::new();
    for hit in &cx.cluster.hits {
        let Some(from) = &hit.entity else { continue };
        let source = cx.cluster.pod(from);
        let mut seen = BTreeSet::new();
        for (i, line) in hit.lines.iter().enumerate() {
            let Some(heard) = heard(hit.signal, &line.text, &line.groups) else {
                continue;
            };
            if !seen.insert(heard.clone()) {
                continue;
            }
            if let Some(attempt) = attempt(cx, hit, i, from, source, &heard) {
                out.push(attempt);
            }
        }
    }
    out
}

fn heard(signal: &str, text: &str, groups: &[String]) -> Option<Heard> {
    let group = |i: usize| groups.get(i).map(String::as_str).unwrap_or_default();
    if signal.starts_with("app.connect-timeout") {
        let port = match group(1) {
            "" if text.contains("https://") => Some(443),
            "" => Some(80),
            n => n.parse().ok(),
        };
        return Some(Heard {
            host: group(0).to_owned(),
            port,
            protocol: "TCP",
            dns: false,
        });
    }
    if !signal.starts_with("app.name-resolution") {
        return None;
    }
    // An answer, whichever, came from somewhere: nothing dropped the question.
    let answered = [
        "no such host",
        "ENOTFOUND",
        "Name or service not known",
        "Name does not resolve",
        "server misbehaving",
        "connection refused",
    ];
    if answered.iter().any(|a| text.contains(a)) {
        return None;
    }
    let server = match signal {
        "app.name-resolution.go" => group(1).rsplit_once(':').map_or("", |(ip, _)| ip),
        _ => "",
    };
    let tcp = text.contains("read tcp") || text.contains("dial tcp ");
    Some(Heard {
        host: server.trim_matches(['[', ']']).to_owned(),
        port: Some(53),
        protocol: if tcp { "TCP" } else { "UDP" },
        dns: true,
    })
}

fn attempt<'a>(
    cx: &'a Context<'_>,
    hit: &'a Hit,
    line: usize,
    from: &EntityId,
    source: Option<&'a Pod>,
    heard: &Heard,
) -> Option<Attempt<'a>> {
    let ip: Option<IpAddr> = heard.host.parse().ok();
    let service = match ip {
        Some(_) => by_address(cx, heard),
        None if heard.dns => None,
        None => by_name(cx, &heard.host, from.namespace()?),
    };
    let mut targets: Vec<(End<'a>, Option<i64>)> = Vec::new();
    let mut service = service;
    if let Some(s) = service {
        targets = behind(cx, s, heard, source)?;
    } else if heard.dns && ip.is_none_or(inside) {
        let (of, servers) = dns(cx, source)?;
        service = of;
        let port = of.and_then(|s| offered(s, 53, heard.protocol));
        targets.extend(servers.into_iter().map(|p| {
            let n = port.and_then(|p2| target(p2, p, heard.protocol));
            (End::Pod(p), n)
        }));
    } else {
        let ip = ip?;
        targets.push((at_address(cx, ip)?, heard.port));
    }
    let outside = targets.iter().all(|(t, _)| matches!(t, End::Outside(_)));
    let via = service.and_then(|s| s.spec.cluster_ip.parse().ok());
    let end = source.map_or(End::Unknown(None), End::Pod);
    let calls = targets
        .into_iter()
        .map(|(to, port)| Call {
            from: end,
            to,
            protocol: heard.protocol,
            port,
            via,
        })
        .collect();
    Some(Attempt {
        hit,
        line,
        from: from.clone(),
        source,
        service,
        calls,
        dns: heard.dns,
        outside,
    })
}

/// An address of a private range: of the cluster, or of a network beside it.
fn inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v) => {
            v.is_private()
                || v.is_loopback()
                || (v.octets()[0] == 100 && v.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v) => v.is_loopback() || v.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// The Service of an address; of several (a dump may be old and new in one) the one with the port.
fn by_address<'a>(cx: &'a Context<'_>, heard: &Heard) -> Option<&'a Service> {
    let mut all = cx
        .cluster
        .services
        .iter()
        .filter(|s| s.spec.cluster_ip == heard.host);
    let first = all.next()?;
    if heard.port.is_none_or(|n| offers(first, n)) {
        return Some(first);
    }
    all.find(|s| heard.port.is_some_and(|n| offers(s, n)))
        .or(Some(first))
}

fn offers(service: &Service, port: i64) -> bool {
    service.spec.ports.iter().any(|p| p.port == Some(port))
}

/// `NAME`, `NAME.NAMESPACE`, `NAME.NAMESPACE.svc`, with or without the cluster's domain.
fn by_name<'a>(cx: &'a Context<'_>, host: &str, own: &str) -> Option<&'a Service> {
    let mut parts = host.trim_end_matches('.').split('.');
    let name = parts.next()?;
    let (ns, rest) = (parts.next().unwrap_or(own), parts.next());
    if rest.is_some_and(|r| r != "svc") {
        return None;
    }
    cx.cluster
        .services
        .iter()
        .find(|s| s.metadata.name == name && s.metadata.namespace == ns)
}

fn offered<'a>(
    service: &'a Service,
    port: i64,
    protocol: &str,
) -> Option<&'a defib_model::views::network::ServicePort> {
    let mut same = service.spec.ports.iter().filter(|p| p.port == Some(port));
    let first = same.clone().next();
    same.find(|p| or_tcp(&p.protocol) == or_tcp(protocol))
        .or(first)
}

/// The port of the pod behind a port of the Service.
fn target(
    port: &defib_model::views::network::ServicePort,
    pod: &Pod,
    protocol: &str,
) -> Option<i64> {
    match port.target_port.as_str() {
        "" | "0" => port.port,
        text => text.parse().ok().or_else(|| named(pod, text, protocol)),
    }
}

/// The ends behind a Service; nothing where its silence needs no policy, or nobody knows who answers.
fn behind<'a>(
    cx: &'a Context<'_>,
    service: &'a Service,
    heard: &Heard,
    source: Option<&Pod>,
) -> Option<Vec<(End<'a>, Option<i64>)>> {
    if service.spec.kind == "ExternalName" {
        return None;
    }
    let known = !service.spec.ports.is_empty();
    let port = heard.port.and_then(|n| offered(service, n, heard.protocol));
    if known && heard.port.is_some() && port.is_none() {
        return None;
    }
    if service.spec.selector.is_empty() {
        // The API server answers on the servers themselves, and a pod always reaches its own node.
        let own = source.and_then(|p| cx.cluster.node(&p.spec.node_name));
        let api = service.metadata.name == "kubernetes" && service.metadata.namespace == "default";
        if api && own.is_none_or(serves_api) {
            return None;
        }
        let n = port.and_then(|p| match p.target_port.as_str() {
            "" => p.port,
            text => text.parse().ok(),
        });
        return Some(vec![(End::Unknown(None), n)]);
    }
    let ready: Vec<_> = cx
        .cluster
        .pods_with(&service.metadata.namespace, &service.spec.selector)
        .filter(|p| p.is_ready())
        .map(|p| {
            let n = port.and_then(|port| target(port, p, heard.protocol));
            (End::Pod(p), n)
        })
        .collect();
    (!ready.is_empty()).then_some(ready)
}

fn serves_api(node: &defib_model::views::Node) -> bool {
    let role = |r: &str| node.metadata.labels.contains_key(r);
    role("node-role.kubernetes.io/control-plane") || role("node-role.kubernetes.io/master")
}

/// The ready pods that serve the cluster's DNS, and the Service before them; nothing for a pod that
/// asks its node's resolver.
fn dns<'a>(
    cx: &'a Context<'_>,
    source: Option<&Pod>,
) -> Option<(Option<&'a Service>, Vec<&'a Pod>)> {
    if source.is_some_and(|p| {
        matches!(p.spec.dns_policy.as_str(), "Default" | "None")
            || (p.spec.host_network == Some(true) && p.spec.dns_policy != "ClusterFirstWithHostNet")
    }) {
        return None;
    }
    let servers: Vec<&Pod> = cx
        .cluster
        .pods
        .iter()
        .filter(|p| p.serves_dns() && p.is_ready())
        .collect();
    let first = servers.first()?;
    let service = cx.cluster.services.iter().find(|s| {
        s.metadata.namespace == first.metadata.namespace
            && !s.spec.selector.is_empty()
            && offers(s, 53)
            && s.spec
                .selector
                .iter()
                .all(|(k, v)| first.metadata.labels.get(k) == Some(v))
    });
    Some((service, servers))
}

/// Who has this address.
fn at_address<'a>(cx: &'a Context<'_>, ip: IpAddr) -> Option<End<'a>> {
    if ip.is_loopback() || ip.is_unspecified() {
        return None;
    }
    if let IpAddr::V4(v) = ip
        && v.is_link_local()
    {
        return None;
    }
    let text = ip.to_string();
    if let Some(node) = cx
        .cluster
        .nodes
        .iter()
        .find(|n| n.status.addresses.iter().any(|a| a.address == text))
    {
        return Some(End::Host(node, Some(ip)));
    }
    let here: Vec<&Pod> = cx
        .cluster
        .pods
        .iter()
        .filter(|p| p.status.pod_ip == text && !p.is_finished())
        .collect();
    match here.as_slice() {
        [one] if one.spec.host_network == Some(true) => Some(End::Unknown(Some(ip))),
        [one] => one.is_ready().then_some(End::Pod(one)),
        [] if !inside(ip) => Some(End::Outside(ip)),
        _ => Some(End::Unknown(Some(ip))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(signal: &str, text: &str, groups: &[&str]) -> Option<(String, Option<i64>, String)> {
        let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        let h = heard(signal, text, &groups)?;
        Some((h.host, h.port, h.protocol.to_owned()))
    }

    #[test]
    fn words_are_calls() {
        let url = "Get \"https://api.shop.svc/x\": context deadline exceeded";
        assert_eq!(
            said("app.connect-timeout.url", url, &["api.shop.svc", ""]),
            Some(("api.shop.svc".into(), Some(443), "TCP".into()))
        );
        let udp = "lookup a on 10.43.0.10:53: read udp 10.42.0.9:4->10.43.0.10:53: i/o timeout";
        assert_eq!(
            said("app.name-resolution.go", udp, &["a", "10.43.0.10:53"]),
            Some(("10.43.0.10".into(), Some(53), "UDP".into()))
        );
        // Somebody answered.
        let no = "lookup a on 10.43.0.10:53: no such host";
        assert_eq!(
            said("app.name-resolution.go", no, &["a", "10.43.0.10:53"]),
            None
        );
    }

    #[test]
    fn private_addresses_may_be_the_clusters() {
        for (ip, want) in [
            ("10.42.0.7", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("203.0.113.9", false),
            ("fd00::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(inside(ip.parse().unwrap()), want, "{ip}");
        }
    }
}
