//! Whom a program called when a connection failed, read from its message: an address in a URL, or the
//! one that was dialled. And whose that address is: the cluster's own control plane, a Service, an
//! Ingress, or a host that is none of the cluster's.
//!
//! Deliberately absent: what the failure means.

use defib_model::id::EntityId;

use super::nodes;
use crate::context::Context;

/// Ports on which Kubernetes, k3s and etcd themselves serve: API server, k3s' load balancer for agents,
/// kubelet, controllers, etcd. Source: k3s docs "Requirements: Networking", kubernetes "Ports and Protocols".
const OWN_PORTS: &[u16] = &[6443, 6444, 10250, 10257, 10259, 2379, 2380, 2381];
/// The first address of the usual ranges of Services, where the Service `kubernetes` is not in the
/// evidence: k3s, kubeadm.
const API_ADDRESSES: &[&str] = &["10.43.0.1", "10.96.0.1"];

/// Who was called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// The cluster's own control plane, kubelet or datastore.
    ControlPlane,
    /// A Service: namespace, name, and its address as the program called it.
    Service(String, String, String),
    /// An Ingress: namespace, name, and host.
    Ingress(String, String, String),
    /// A host that nothing in the cluster serves, with its port.
    Host(String, u16),
    /// The message does not say.
    Unknown,
}

impl Peer {
    /// Its entity, if it has one.
    pub fn entity(&self) -> Option<EntityId> {
        match self {
            Self::Service(ns, name, _) => Some(EntityId::object("Service", "", ns, name)),
            Self::Ingress(ns, name, _) => {
                Some(EntityId::object("Ingress", "networking.k8s.io", ns, name))
            }
            Self::Host(host, _) => Some(EntityId::other("external", host)),
            Self::ControlPlane | Self::Unknown => None,
        }
    }
}

/// Who was called when this failed. `before` are the words of the failure: the call is the last address
/// ahead of them, and only without one the first behind. `from` is the namespace of the caller.
pub fn called(cx: &Context<'_>, message: &str, before: &str, from: Option<&str>) -> Peer {
    let plain = message.replace('\\', "");
    let (head, tail) = plain.split_once(before).unwrap_or((plain.as_str(), ""));
    let Some((host, port)) = last_address(head).or_else(|| first_address(tail)) else {
        return Peer::Unknown;
    };
    whose(cx, &host, port, from)
}

fn last_address(text: &str) -> Option<(String, u16)> {
    let url = text
        .rfind("://")
        .and_then(|at| address(text.get(at + 3..)?, scheme_port(text.get(..at)?)));
    url.or_else(|| dialled(text))
}

/// The address behind the last `dial tcp`: where Go's programs wanted to go.
pub fn dialled(text: &str) -> Option<(String, u16)> {
    let at = text.rfind("dial tcp ")?;
    address(text.get(at + 9..)?, 0).filter(|(_, port)| *port != 0)
}

/// The address of the first URL.
pub fn first_address(text: &str) -> Option<(String, u16)> {
    let at = text.find("://")?;
    address(text.get(at + 3..)?, scheme_port(text.get(..at)?))
}

fn scheme_port(before: &str) -> u16 {
    if before.ends_with("http") { 80 } else { 443 }
}

/// `host:port` at the start of a text, without a user.
fn address(text: &str, default: u16) -> Option<(String, u16)> {
    let end = text
        .find(|c: char| {
            c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | ',' | ')' | '}')
        })
        .unwrap_or(text.len());
    let authority = text.get(..end)?;
    let authority = authority.rsplit('@').next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, rest) = v6.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Some(default), |p| {
        p.trim_end_matches([':', '.', ';']).parse().ok()
    })?;
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.chars().all(plain)).then_some((host, port))
}

fn whose(cx: &Context<'_>, host: &str, port: u16, from: Option<&str>) -> Peer {
    let cluster = cx.cluster;
    let service = |ns: &str, name: &str| {
        Peer::Service(ns.to_owned(), name.to_owned(), format!("{host}:{port}"))
    };
    let by_address = cluster
        .services
        .iter()
        .find(|s| s.spec.cluster_ip == host && !host.is_empty());
    let parts: Vec<&str> = host.split('.').collect();
    let named = match parts.as_slice() {
        [name, ns, "svc", ..] => Some(((*ns).to_owned(), (*name).to_owned())),
        [name, ns] if cluster.has("Service", "", ns, name) => {
            Some(((*ns).to_owned(), (*name).to_owned()))
        }
        [name] => from
            .filter(|ns| cluster.has("Service", "", ns, name))
            .map(|ns| (ns.to_owned(), (*name).to_owned())),
        _ => None,
    }
    .or_else(|| by_address.map(|s| (s.metadata.namespace.clone(), s.metadata.name.clone())));
    if let Some((ns, name)) = named {
        return if ns == "default" && name == "kubernetes" {
            Peer::ControlPlane
        } else {
            service(&ns, &name)
        };
    }
    // A pod calls its own cluster by the Service, and another one by that cluster's name.
    let elsewhere = from.is_some()
        && host.contains('.')
        && host.parse::<std::net::IpAddr>().is_err()
        && !host.ends_with(".local")
        && !nodes::is_one(cx, host);
    if OWN_PORTS.contains(&port) && !elsewhere
        || (port == 443 && API_ADDRESSES.contains(&host))
        || host == "kubernetes"
    {
        return Peer::ControlPlane;
    }
    let ingress = cluster.ingresses.iter().find(|i| {
        i.spec.rules.iter().any(|r| r.host == host)
            || i.spec.tls.iter().any(|t| t.hosts.iter().any(|h| h == host))
    });
    match ingress {
        Some(i) => Peer::Ingress(
            i.metadata.namespace.clone(),
            i.metadata.name.clone(),
            host.to_owned(),
        ),
        None => Peer::Host(host.to_owned(), port),
    }
}

#[cfg(test)]
mod tests {
    use defib_model::cluster::Cluster;

    use super::*;

    #[test]
    fn the_address_before_the_failure_counts() {
        let cluster = Cluster::default();
        let cx = Context::new(&cluster);
        let of = |m: &str| called(&cx, m, "x509: ", Some("shop"));
        assert_eq!(
            of("Get \"https://api.example.org/v1\": tls: failed: x509: expired"),
            Peer::Host("api.example.org".into(), 443)
        );
        assert_eq!(
            of("Post \\\"https://guard.g.svc:8443/m?t=1\\\": x509: expired https://else.example"),
            Peer::Service("g".into(), "guard".into(), "guard.g.svc:8443".into())
        );
        for own in [
            "Get \"https://127.0.0.1:6444/v1-k3s/readyz\": x509: expired",
            "Get \"https://10.43.0.1:443/api\": x509: expired",
            "Get \"https://kubernetes.default.svc/api\": x509: expired",
            "dial tcp 192.168.7.2:2379: x509: expired",
        ] {
            assert_eq!(of(own), Peer::ControlPlane, "{own}");
        }
        assert_eq!(
            of("redis dial tcp [fd00::7]:6380: x509: expired"),
            Peer::Host("fd00::7".into(), 6380)
        );
        assert_eq!(of("Unable to authenticate: x509: expired"), Peer::Unknown);
    }
}
