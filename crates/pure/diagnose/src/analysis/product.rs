//! Which product runs on a host, k3s or RKE2, as server or agent: its units, its files, its folder. Advice for one
//! does nothing on the other, or harm.
//!
//! Asked is what was said and shown of the host; where nothing names a product it is a server of k3s.
//! Deliberately absent: what either of them says (`signals`).

use std::collections::BTreeMap;

use defib_model::cluster::Cluster;
use defib_model::fact::Value;
use defib_model::id::EntityId;

use crate::context::Context;

/// A product, and its part in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Product {
    rke2: bool,
    agent: bool,
}

/// Words that only RKE2 writes, and its units. `k3s` is said by both: RKE2 is built from it.
const RKE2: &[&str] = &[
    "rke2[",
    "+rke2",
    "rke2-server",
    "rke2-agent",
    "/rke2/",
    "bin/rke2",
    "Starting rke2",
];

/// How the upstream of CoreDNS is set on k3s. Source: k3s `manifests/coredns.yaml` (`forward . /etc/resolv.conf`, the
/// kubelet's `--resolv-conf`), which is applied at every start.
pub const UPSTREAM: &str = "On k3s, which writes the ConfigMap coredns anew at every start: name a file with real upstreams by `resolv-conf` in /etc/rancher/k3s/config.yaml on every node, restart k3s there, and then CoreDNS.";

impl Product {
    /// The product that this text speaks of; none where it names none.
    pub fn named(text: &str) -> Option<Self> {
        let rke2 = RKE2.iter().any(|w| text.contains(w));
        let agent = ["k3s-agent", "rke2-agent"].iter().any(|w| text.contains(w));
        (rke2 || agent).then_some(Self { rke2, agent })
    }

    /// Both together: what one says counts.
    fn and(self, other: Self) -> Self {
        Self {
            rke2: self.rke2 || other.rke2,
            agent: self.agent || other.agent,
        }
    }

    /// The server of the same product: what is set there is set for all.
    pub fn server(self) -> Self {
        Self {
            agent: false,
            ..self
        }
    }

    /// The agent of the same product.
    pub fn agent(self) -> Self {
        Self {
            agent: true,
            ..self
        }
    }

    /// Its name, and that of its program.
    pub fn name(self) -> &'static str {
        if self.rke2 { "rke2" } else { "k3s" }
    }

    /// Its unit of systemd.
    pub fn unit(self) -> &'static str {
        match (self.rke2, self.agent) {
            (false, false) => "k3s",
            (false, true) => "k3s-agent",
            (true, false) => "rke2-server",
            (true, true) => "rke2-agent",
        }
    }

    /// The folder of its settings.
    pub fn settings(self) -> &'static str {
        if self.rke2 {
            "/etc/rancher/rke2"
        } else {
            "/etc/rancher/k3s"
        }
    }
}

/// The products of all hosts, by their names; under the empty name what no host is named for.
#[derive(Debug, Default)]
pub struct Products(BTreeMap<String, Product>);

impl Products {
    /// What was said and shown.
    pub fn of(cluster: &Cluster) -> Self {
        let mut out = Self::default();
        for hit in &cluster.hits {
            if matches!(hit.program.as_str(), "rke2" | "rke2-server" | "rke2-agent") {
                out.add(&hit.host, "rke2[");
            }
            for line in &hit.lines {
                out.add(&hit.host, &line.text);
            }
        }
        for fact in &cluster.facts {
            match &fact.value {
                // What is enabled or installed beside it says nothing: only what runs or tries to.
                Value::Unit { name, active, .. } if active != "inactive" => {
                    out.add(&fact.host, name);
                }
                Value::Setting { place, .. } => out.add(&fact.host, place),
                Value::Version(program, version) => {
                    out.add(&fact.host, program);
                    out.add(&fact.host, version);
                }
                _ => {}
            }
        }
        out
    }

    fn add(&mut self, host: &str, text: &str) {
        if let Some(product) = Product::named(text) {
            let known = self.0.entry(host.to_owned()).or_default();
            *known = known.and(product);
        }
    }
}

/// The product of this host; of one that nothing is known of, what is said without a host.
pub fn of(cx: &Context<'_>, host: &EntityId) -> Product {
    let all = &cx.products.0;
    let name = if host.name() == "-" { "" } else { host.name() };
    all.get(name)
        .or_else(|| all.get(""))
        .copied()
        .unwrap_or_else(|| {
            // Nobody named the host that was asked about: what all others are.
            let mut others = all.values();
            match (name.is_empty(), others.next()) {
                (true, Some(first)) if others.all(|o| o == first) => *first,
                _ => Product::default(),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::Product;

    #[test]
    fn units_and_paths_name_the_product() {
        let of = |text: &str| Product::named(text).unwrap_or_default();
        assert_eq!(of("n1 k3s[9]: level=info").unit(), "k3s");
        assert_eq!(
            of("systemd[1]: k3s-agent.service: Failed").unit(),
            "k3s-agent"
        );
        assert_eq!(of("n1 rke2[9]: level=info").unit(), "rke2-server");
        assert_eq!(of("rke2-agent.service: Failed").unit(), "rke2-agent");
        assert_eq!(of("rke2-agent.service").server().unit(), "rke2-server");
        assert_eq!(
            of("Starting rke2 v1.31.2+rke2r1").settings(),
            "/etc/rancher/rke2"
        );
    }
}
