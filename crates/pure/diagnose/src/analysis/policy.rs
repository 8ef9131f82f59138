//! NetworkPolicies, evaluated: may this connection pass?
//!
//! A pod that policies select in a direction gets only what the union of their rules allows in it; a
//! pod that none selects gets everything. Policies see the pod's port and address, after a Service's
//! translation. Source: kubernetes `staging/src/k8s.io/api/networking/v1/types.go` and
//! <https://kubernetes.io/docs/concepts/services-networking/network-policies/>. Where that leaves the
//! answer to the network plugin (addresses of Services in an ipBlock, pods on the host's network), or
//! where labels are not in the evidence, the answer is `Unknown`.
//! Deliberately absent: who calls whom (`calls`), and policies of other API groups.

use std::net::IpAddr;

use defib_model::selector::{LabelSelector, Labels, Requirement};
use defib_model::views::network::{IpBlock, NetworkPolicy, PolicyPeer, PolicyPort, PolicyRule};
use defib_model::views::policy::Namespace;
use defib_model::views::{Node, Pod};

/// What a namespace always carries; the API server sets it.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Which side of the connection a policy rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Into the pod that is called.
    Ingress,
    /// Out of the pod that calls.
    Egress,
}

impl Direction {
    /// As `policyTypes` has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    /// The place of its rules.
    pub fn pointer(self) -> &'static str {
        match self {
            Self::Ingress => "/spec/ingress",
            Self::Egress => "/spec/egress",
        }
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// A pod.
    Pod(&'a Pod),
    /// A machine of the cluster.
    Host(&'a Node, Option<IpAddr>),
    /// Something outside of the cluster.
    Outside(IpAddr),
    /// Nobody knows who this is; with its address, if that is known.
    Unknown(Option<IpAddr>),
}

/// A connection.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who calls.
    pub from: End<'a>,
    /// Who is called, behind the Service.
    pub to: End<'a>,
    /// TCP, UDP or SCTP.
    pub protocol: &'a str,
    /// The port of the one who is called, behind the Service.
    pub port: Option<i64>,
    /// The Service's address, where one was called.
    pub via: Option<IpAddr>,
}

/// What the policies say to a connection.
#[derive(Clone, Debug)]
pub enum Answer<'a> {
    /// It passes.
    Allowed,
    /// These select the pod, and none of them allows it.
    Blocked(Vec<&'a NetworkPolicy>),
    /// These select the pod; whether one allows it can't be told.
    Unknown(Vec<&'a NetworkPolicy>),
}

/// Yes, no, or not to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    No,
    Maybe,
    Yes,
}

impl From<bool> for Holds {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// The policies, and what their selectors are held against.
pub struct Rules<'a> {
    /// Those that were there at the time of the call.
    pub policies: Vec<&'a NetworkPolicy>,
    /// For the labels of namespaces.
    pub namespaces: &'a [Namespace],
}

/// Does the policy rule this direction? Without policyTypes it rules ingress, and egress only when it
/// has rules for it.
fn rules_direction(policy: &NetworkPolicy, direction: Direction) -> bool {
    let types = &policy.spec.policy_types;
    match direction {
        _ if !types.is_empty() => types.iter().any(|t| t == direction.word()),
        Direction::Ingress => true,
        Direction::Egress => !policy.spec.egress.is_empty(),
    }
}

impl<'a> Rules<'a> {
    /// The policies that rule a pod in this direction.
    pub fn select(&self, pod: &Pod, direction: Direction) -> Vec<&'a NetworkPolicy> {
        let on_host = pod.spec.host_network == Some(true);
        self.policies
            .iter()
            .copied()
            .filter(|p| {
                !on_host
                    && p.metadata.namespace == pod.metadata.namespace
                    && p.spec.pod_selector.matches(&pod.metadata.labels)
                    && rules_direction(p, direction)
            })
            .collect()
    }

    /// May the connection pass in this direction?
    pub fn judge(&self, call: &Call<'_>, direction: Direction) -> Answer<'a> {
        let (subject, peer) = match direction {
            Direction::Ingress => (call.to, call.from),
            Direction::Egress => (call.from, call.to),
        };
        let End::Pod(subject) = subject else {
            return Answer::Allowed;
        };
        let selected = self.select(subject, direction);
        if selected.is_empty() || always(subject, peer) {
            return Answer::Allowed;
        }
        let rules = |p: &'a NetworkPolicy| match direction {
            Direction::Ingress => &p.spec.ingress,
            Direction::Egress => &p.spec.egress,
        };
        let best = selected
            .iter()
            .flat_map(|p| rules(p).iter().map(move |r| (*p, r)))
            .map(|(p, r)| {
                self.peers(p, r, direction, peer, call.via)
                    .min(ports(r, call))
            })
            .max();
        match best {
            Some(Holds::Yes) => Answer::Allowed,
            Some(Holds::Maybe) => Answer::Unknown(selected),
            // As whom a machine appears inside the pods' network is the plugin's matter.
            _ if direction == Direction::Ingress && on_host(peer) => Answer::Unknown(selected),
            _ => Answer::Blocked(selected),
        }
    }

    fn peers(
        &self,
        policy: &NetworkPolicy,
        rule: &PolicyRule,
        direction: Direction,
        peer: End<'_>,
        via: Option<IpAddr>,
    ) -> Holds {
        let list = match direction {
            Direction::Ingress => &rule.from,
            Direction::Egress => &rule.to,
        };
        if list.is_empty() {
            return Holds::Yes;
        }
        let each = list.iter().map(|p| self.peer(policy, p, peer, via));
        each.max().unwrap_or(Holds::Yes)
    }

    fn peer(
        &self,
        policy: &NetworkPolicy,
        wanted: &PolicyPeer,
        peer: End<'_>,
        via: Option<IpAddr>,
    ) -> Holds {
        if let Some(block) = &wanted.ip_block {
            let held = match address(peer) {
                Some(ip) => within(block, ip),
                None => Holds::Maybe,
            };
            // Plugins differ in whether they see the Service's address or the pod's.
            let service = via.map_or(Holds::No, |ip| within(block, ip).min(Holds::Maybe));
            return held.max(service);
        }
        if wanted.pod_selector.is_none() && wanted.namespace_selector.is_none() {
            return Holds::Maybe;
        }
        match peer {
            End::Outside(_) | End::Host(..) => Holds::No,
            End::Unknown(_) => Holds::Maybe,
            End::Pod(pod) => {
                let place = match &wanted.namespace_selector {
                    None => Holds::from(policy.metadata.namespace == pod.metadata.namespace),
                    Some(selector) => self.namespace(selector, &pod.metadata.namespace),
                };
                let labels = wanted
                    .pod_selector
                    .as_ref()
                    .is_none_or(|s| s.matches(&pod.metadata.labels));
                let held = place.min(Holds::from(labels));
                if pod.spec.host_network == Some(true) {
                    // Most plugins see the machine's address only.
                    held.min(Holds::Maybe)
                } else {
                    held
                }
            }
        }
    }

    fn namespace(&self, selector: &LabelSelector, name: &str) -> Holds {
        if let Some(ns) = self.namespaces.iter().find(|n| n.metadata.name == name) {
            let mut labels = ns.metadata.labels.clone();
            labels
                .entry(NAME_LABEL.to_owned())
                .or_insert_with(|| name.to_owned());
            return selector.matches(&labels).into();
        }
        let known = Labels::from([(NAME_LABEL.to_owned(), name.to_owned())]);
        let one = |key: &str, held: bool| {
            if key == NAME_LABEL {
                held.into()
            } else {
                Holds::Maybe
            }
        };
        let labels = selector
            .match_labels
            .iter()
            .map(|(k, v)| one(k, known.get(k) == Some(v)));
        let demands = selector
            .match_expressions
            .iter()
            .map(|r: &Requirement| one(&r.key, r.matches(&known)));
        labels.chain(demands).min().unwrap_or(Holds::Yes)
    }
}

/// What no policy can keep apart: a pod and itself, a pod and the machine that it runs on.
fn always(subject: &Pod, peer: End<'_>) -> bool {
    let node = &subject.spec.node_name;
    match peer {
        End::Pod(p) => {
            p.obj == subject.obj
                || (p.spec.host_network == Some(true)
                    && !node.is_empty()
                    && p.spec.node_name == *node)
        }
        End::Host(n, _) => n.metadata.name == *node,
        End::Outside(_) | End::Unknown(_) => false,
    }
}

fn on_host(end: End<'_>) -> bool {
    match end {
        End::Pod(pod) => pod.spec.host_network == Some(true),
        End::Host(..) => true,
        End::Outside(_) | End::Unknown(_) => false,
    }
}

fn address(end: End<'_>) -> Option<IpAddr> {
    match end {
        End::Pod(pod) => pod.status.pod_ip.parse().ok(),
        End::Host(_, ip) | End::Unknown(ip) => ip,
        End::Outside(ip) => Some(ip),
    }
}

/// Do the ports of a rule hold the call's?
fn ports(rule: &PolicyRule, call: &Call<'_>) -> Holds {
    if rule.ports.is_empty() {
        return Holds::Yes;
    }
    let each = rule.ports.iter().map(|p| port(p, call));
    each.max().unwrap_or(Holds::Yes)
}

fn port(wanted: &PolicyPort, call: &Call<'_>) -> Holds {
    let protocol = or_tcp(&wanted.protocol);
    if protocol != or_tcp(call.protocol) {
        return Holds::No;
    }
    if wanted.port.is_empty() {
        return Holds::Yes;
    }
    let (first, last) = match wanted.port.parse::<i64>() {
        Ok(n) => (n, wanted.end_port.unwrap_or(n)),
        Err(_) => match call.to {
            End::Pod(pod) => match named(pod, &wanted.port, protocol) {
                Some(n) => (n, n),
                None => return Holds::No,
            },
            End::Unknown(_) => return Holds::Maybe,
            End::Host(..) | End::Outside(_) => return Holds::No,
        },
    };
    match call.port {
        Some(n) => (first..=last).contains(&n).into(),
        None => Holds::Maybe,
    }
}

/// The protocol as it is meant: TCP where none is written.
pub fn or_tcp(protocol: &str) -> &str {
    if protocol.is_empty() { "TCP" } else { protocol }
}

/// The number behind a port's name on this pod.
pub fn named(pod: &Pod, name: &str, protocol: &str) -> Option<i64> {
    pod.spec
        .all_containers()
        .flat_map(|(_, c)| &c.ports)
        .find(|p| p.name == name && or_tcp(&p.protocol) == or_tcp(protocol))
        .and_then(|p| p.container_port)
}

fn within(block: &IpBlock, ip: IpAddr) -> Holds {
    match contains(&block.cidr, ip) {
        None => Holds::Maybe,
        Some(false) => Holds::No,
        Some(true) => {
            let out = block.except.iter().any(|e| contains(e, ip) == Some(true));
            (!out).into()
        }
    }
}

/// Is the address in the range? Nothing for what is no range.
pub fn contains(cidr: &str, ip: IpAddr) -> Option<bool> {
    let (base, bits) = cidr.trim().split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    let (base, width) = number(base.parse().ok()?);
    let (ip, other) = number(ip);
    if bits > width {
        return None;
    }
    if width != other {
        return Some(false);
    }
    // A shift by all bits is no shift.
    let drop = width - bits;
    Some(base.checked_shr(drop).unwrap_or(0) == ip.checked_shr(drop).unwrap_or(0))
}

fn number(ip: IpAddr) -> (u128, u32) {
    match ip {
        IpAddr::V4(v) => (u128::from(u32::from(v)), 32),
        IpAddr::V6(v) => (u128::from(v), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use defib_model::cluster::ObjId;

    fn policy(spec: &str) -> NetworkPolicy {
        let text = format!(r#"{{"metadata":{{"name":"p","namespace":"shop"}},"spec":{spec}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn pod(obj: u32, ns: &str, app: &str, ip: &str, host: bool, node: &str) -> Pod {
        let text = format!(
            r#"{{"metadata":{{"name":"{app}","namespace":"{ns}","labels":{{"app":"{app}"}}}},"spec":{{"nodeName":"{node}","hostNetwork":{host},"containers":[{{"name":"c","ports":[{{"name":"pg","containerPort":5432}},{{"name":"dns","containerPort":53,"protocol":"UDP"}}]}}]}},"status":{{"podIP":"{ip}"}}}}"#
        );
        let mut pod: Pod = serde_json::from_str(&text).unwrap();
        pod.obj = ObjId(obj);
        pod
    }

    fn word(answer: Answer<'_>) -> &'static str {
        match answer {
            Answer::Allowed => "allowed",
            Answer::Blocked(_) => "blocked",
            Answer::Unknown(_) => "unknown",
        }
    }

    /// What policies in namespace shop say to `cart -> to:port`, going out.
    fn egress(specs: &[&str], to: End<'_>, protocol: &str, port: Option<i64>) -> &'static str {
        let cart = pod(1, "shop", "cart", "10.42.0.7", false, "n1");
        let policies: Vec<NetworkPolicy> = specs.iter().map(|s| policy(s)).collect();
        let rules = Rules {
            policies: policies.iter().collect(),
            namespaces: &[],
        };
        let call = Call {
            from: End::Pod(&cart),
            to,
            protocol,
            port,
            via: Some("10.43.55.5".parse().unwrap()),
        };
        word(rules.judge(&call, Direction::Egress))
    }

    const CLOSED: &str = r#"{"podSelector":{},"policyTypes":["Egress"]}"#;

    #[test]
    fn rules_of_all_policies_add_up() {
        let pg = pod(2, "shop", "postgres", "10.42.0.9", false, "n2");
        let other = r#"{"podSelector":{"matchLabels":{"app":"else"}},"policyTypes":["Egress"]}"#;
        let ingress = r#"{"podSelector":{}}"#;
        let allow = r#"{"podSelector":{"matchLabels":{"app":"cart"}},"policyTypes":["Egress"],"egress":[{"to":[{"podSelector":{"matchLabels":{"app":"postgres"}}}]}]}"#;
        let untyped = r#"{"podSelector":{},"egress":[{"ports":[{"port":53,"protocol":"UDP"}]}]}"#;
        let to = End::Pod(&pg);
        for (specs, want) in [
            (vec![], "allowed"),
            (vec![other, ingress], "allowed"),
            (vec![CLOSED], "blocked"),
            (vec![CLOSED, allow], "allowed"),
            (vec![untyped], "blocked"),
        ] {
            assert_eq!(egress(&specs, to, "TCP", Some(5432)), want, "{specs:?}");
        }
    }

    #[test]
    fn ports_have_protocols_ranges_and_names() {
        let pg = pod(2, "shop", "postgres", "10.42.0.9", false, "n2");
        for (ports, protocol, port, want) in [
            (
                r#"[{"port":53,"protocol":"UDP"}]"#,
                "TCP",
                Some(5432),
                "blocked",
            ),
            (
                r#"[{"port":53,"protocol":"UDP"}]"#,
                "UDP",
                Some(53),
                "allowed",
            ),
            (
                r#"[{"port":53,"protocol":"UDP"}]"#,
                "TCP",
                Some(53),
                "blocked",
            ),
            (r#"[{"protocol":"TCP"}]"#, "TCP", Some(5432), "allowed"),
            (
                r#"[{"port":5000,"endPort":9000}]"#,
                "TCP",
                Some(8080),
                "allowed",
            ),
            (
                r#"[{"port":5000,"endPort":9000}]"#,
                "TCP",
                Some(9001),
                "blocked",
            ),
            (r#"[{"port":"pg"}]"#, "TCP", Some(5432), "allowed"),
            (r#"[{"port":"pg"}]"#, "TCP", Some(8080), "blocked"),
            (r#"[{"port":"dns"}]"#, "TCP", Some(53), "blocked"),
            (r#"[{"port":5432}]"#, "TCP", None, "unknown"),
            ("[]", "TCP", None, "allowed"),
        ] {
            let spec = format!(
                r#"{{"podSelector":{{}},"policyTypes":["Egress"],"egress":[{{"ports":{ports}}}]}}"#
            );
            let got = egress(&[spec.as_str()], End::Pod(&pg), protocol, port);
            assert_eq!(got, want, "{ports} {protocol} {port:?}");
        }
    }

    #[test]
    fn partners_are_pods_namespaces_or_addresses() {
        let pg = pod(2, "data", "postgres", "10.42.0.9", false, "n2");
        let out: IpAddr = "203.0.113.9".parse().unwrap();
        let mine = r#"{"podSelector":{"matchLabels":{"app":"postgres"}}}"#;
        let by_name = r#"{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"data"}},"podSelector":{"matchLabels":{"app":"postgres"}}}"#;
        let by_team = r#"{"namespaceSelector":{"matchLabels":{"team":"a"}}}"#;
        let (pod, outside, nobody) = (End::Pod(&pg), End::Outside(out), End::Unknown(None));
        for (peer, to, want) in [
            // A podSelector alone stays in the policy's namespace.
            (mine, pod, "blocked"),
            (by_name, pod, "allowed"),
            (by_team, pod, "unknown"),
            (r#"{"namespaceSelector":{}}"#, pod, "allowed"),
            (r#"{"namespaceSelector":{}}"#, outside, "blocked"),
            (r#"{"namespaceSelector":{}}"#, nobody, "unknown"),
            (r#"{"ipBlock":{"cidr":"10.42.0.0/16"}}"#, pod, "allowed"),
            (
                r#"{"ipBlock":{"cidr":"10.42.0.0/16","except":["10.42.0.0/24"]}}"#,
                pod,
                "blocked",
            ),
            // The Service's address alone: plugins differ.
            (r#"{"ipBlock":{"cidr":"10.43.0.0/16"}}"#, pod, "unknown"),
            (r#"{"ipBlock":{"cidr":"0.0.0.0/0"}}"#, outside, "allowed"),
            (r#"{"ipBlock":{"cidr":"fd00::/8"}}"#, outside, "blocked"),
        ] {
            let spec = format!(
                r#"{{"podSelector":{{}},"policyTypes":["Egress"],"egress":[{{"to":[{peer}]}}]}}"#
            );
            assert_eq!(
                egress(&[spec.as_str()], to, "TCP", Some(5432)),
                want,
                "{peer}"
            );
        }
    }

    #[test]
    fn the_hosts_network_is_exempt() {
        let near = pod(3, "shop", "agent", "192.168.7.11", true, "n1");
        let far = pod(4, "shop", "agent", "192.168.7.12", true, "n2");
        let agents = r#"{"podSelector":{},"policyTypes":["Egress"],"egress":[{"to":[{"podSelector":{"matchLabels":{"app":"agent"}}}]}]}"#;
        assert_eq!(egress(&[CLOSED], End::Pod(&near), "TCP", None), "allowed");
        assert_eq!(egress(&[CLOSED], End::Pod(&far), "TCP", None), "blocked");
        assert_eq!(egress(&[agents], End::Pod(&far), "TCP", None), "unknown");
        let closed = policy(CLOSED);
        let rules = Rules {
            policies: vec![&closed],
            namespaces: &[],
        };
        assert!(rules.select(&near, Direction::Egress).is_empty());
    }

    #[test]
    fn ranges_hold_their_addresses() {
        let ip = |s: &str| s.parse::<IpAddr>().unwrap();
        assert_eq!(contains("10.0.0.0/8", ip("10.255.0.1")), Some(true));
        assert_eq!(contains("10.0.0.0/8", ip("11.0.0.1")), Some(false));
        assert_eq!(contains("0.0.0.0/0", ip("11.0.0.1")), Some(true));
        assert_eq!(contains("::/0", ip("fd00::1")), Some(true));
        assert_eq!(contains("::/0", ip("11.0.0.1")), Some(false));
        assert_eq!(contains("10.0.0.0", ip("10.0.0.1")), None);
        assert_eq!(contains("10.0.0.0/33", ip("10.0.0.1")), None);
    }
}
