//! IPv4 networks, and which of a cluster's are which: what pods get, what hosts have.
//!
//! Deliberately absent: IPv6, whose ranges nobody overlaps by accident.

use std::net::Ipv4Addr;

use defib_model::Evidence;
use defib_model::fact::Value;

use super::host;
use crate::context::Context;

/// A network: address and prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Net {
    base: u32,
    /// Prefix length.
    pub length: u8,
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.length)
    }
}

impl Net {
    fn mask(length: u8) -> u32 {
        u32::MAX
            .checked_shl(32 - u32::from(length.min(32)))
            .unwrap_or(0)
    }

    /// `10.42.0.0/16`, or an address alone.
    pub fn parse(text: &str) -> Option<Self> {
        let (ip, length) = text.trim().split_once('/').unwrap_or((text.trim(), "32"));
        let length: u8 = length.parse().ok().filter(|l| *l <= 32)?;
        let base = u32::from(ip.parse::<Ipv4Addr>().ok()?) & Self::mask(length);
        Some(Self { base, length })
    }

    /// Do they share an address?
    pub fn overlaps(self, other: Self) -> bool {
        let mask = Self::mask(self.length.min(other.length));
        self.base & mask == other.base & mask
    }
}

/// A network with what shows it.
pub type Shown = (Net, Evidence);

/// Names under which the range of pods is configured.
const POD_RANGE: &[&str] = &["cluster-cidr", "pod-network-cidr"];

/// Names under which a host is given its own address.
const HOST_ADDRESS: &[&str] = &["control-plane-endpoint", "advertise-address", "node-ip"];

/// The ranges that the cluster is told to take pods' addresses from.
pub fn configured(cx: &Context<'_>) -> Vec<Shown> {
    let mut out = Vec::new();
    for (fact, value) in host::facts(cx, |v| match v {
        Value::Setting { name, value, .. } if POD_RANGE.contains(&name.as_str()) => Some(value),
        _ => None,
    }) {
        for part in value.split(',') {
            if let Some(net) = Net::parse(part).filter(|n| n.length < 32) {
                out.push((
                    net,
                    cx.fact(fact, "the range that the cluster is given for pods"),
                ));
            }
        }
    }
    out
}

/// The ranges that nodes have been given, which are parts of the cluster's.
pub fn of_nodes(cx: &Context<'_>) -> Vec<Shown> {
    cx.cluster
        .nodes
        .iter()
        .filter_map(|n| {
            let net = Net::parse(&n.spec.pod_cidr).filter(|n| n.length < 32)?;
            Some((
                net,
                cx.field(n.obj, "/spec/podCIDR", "the node's part of the pods' range"),
            ))
        })
        .collect()
}

/// The pools of the network plugin.
pub fn pools(cx: &Context<'_>) -> Vec<Shown> {
    let mut out: Vec<Shown> = host::lines(
        cx,
        &["cni.network", "cni.flannel-network", "cni.pool"],
        "the network plugin's own range",
    )
    .into_iter()
    .filter_map(|l| Some((Net::parse(l.group(0))?, l.evidence)))
    .collect();
    for o in &cx.cluster.others {
        if cx.cluster.object(o.obj).is_some_and(|x| x.kind == "IPPool") {
            let v = super::gitops::value(cx, o.obj);
            if let Some(net) = Net::parse(super::gitops::text(&v, "/spec/cidr")) {
                out.push((
                    net,
                    cx.field(o.obj, "/spec/cidr", "the network plugin's own range"),
                ));
            }
        }
    }
    out
}

/// Interfaces that belong to pods and containers.
pub fn is_virtual(interface: &str) -> bool {
    [
        "cni",
        "flannel",
        "veth",
        "cali",
        "cilium",
        "lxc",
        "tunl",
        "vxlan",
        "docker",
        "br-",
        "kube-",
        "nodelocaldns",
        "lo",
        "cbr",
        "weave",
        "antrea-",
        "genev_sys",
        "ovn-k8s-",
        "tun-",
    ]
    .iter()
    .any(|p| interface.starts_with(p))
}

/// Networks that hosts are in, by their own addresses and routes.
pub fn of_hosts(cx: &Context<'_>) -> Vec<Shown> {
    let mut out = Vec::new();
    for n in &cx.cluster.nodes {
        for (i, a) in n.status.addresses.iter().enumerate() {
            if let Some(net) = Net::parse(&a.address).filter(|_| a.kind == "InternalIP") {
                out.push((
                    net,
                    cx.field(
                        n.obj,
                        &format!("/status/addresses/{i}/address"),
                        "the node's own address",
                    ),
                ));
            }
        }
    }
    for (fact, net) in host::facts(cx, |v| match v {
        Value::Address(interface, ip, length) if !is_virtual(interface) => {
            Net::parse(&format!("{ip}/{length}")).filter(|n| n.length >= 8)
        }
        Value::Route(r) if !is_virtual(&r.dev) && !r.dev.is_empty() && r.via.is_empty() => {
            Net::parse(&r.to).filter(|n| (8..32).contains(&n.length))
        }
        _ => None,
    }) {
        out.push((net, cx.fact(fact, "a network that the host itself is in")));
    }
    // Addresses that hosts are told to be known by.
    for (fact, net) in host::facts(cx, |v| match v {
        Value::Setting { name, value, .. } if HOST_ADDRESS.contains(&name.as_str()) => {
            let ip = value.split([',', ':']).next()?;
            Net::parse(ip).filter(|n| n.length == 32)
        }
        _ => None,
    }) {
        out.push((net, cx.fact(fact, "an address of a host, as it is told")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_overlap() {
        let net = |s| Net::parse(s).unwrap();
        assert!(net("10.42.0.0/16").overlaps(net("10.42.3.0/24")));
        assert!(!net("10.42.0.0/16").overlaps(net("10.43.0.0/16")));
        assert!(net("192.168.0.0/16").overlaps(net("192.168.1.7")));
        assert_eq!(net("10.42.3.7/16").to_string(), "10.42.0.0/16");
        assert!(net("0.0.0.0/0").overlaps(net("1.2.3.4")));
        assert_eq!(Net::parse("10.42.0.0/33"), None);
    }
}
