//! How pods are reached: services, endpoints, ingresses, policies, addresses.
//!
//! Deliberately absent: nodes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::value::{at, list, number, plain, text, text_or};
use super::words::{few, labels, or_none, selector};
use super::{Object, Printer, Row};

pub(super) fn printer(group: &str, kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Object<'_>, &mut Row)) = match (group, kind) {
        ("", "Service") => (
            "Name|Type|Cluster-IP|External-IP|Port(s)|Age|Selector+",
            service,
        ),
        ("", "Endpoints") => ("Name|Endpoints|Age", |o, row| {
            row.text(endpoints(list(o, "subsets"))).text(o.age());
        }),
        ("discovery.k8s.io", "EndpointSlice") => ("Name|AddressType|Ports|Endpoints|Age", slice),
        ("networking.k8s.io" | "extensions", "Ingress") => {
            ("Name|Class|Hosts|Address|Ports|Age", ingress)
        }
        ("networking.k8s.io", "IngressClass") => ("Name|Controller|Parameters|Age", class),
        ("networking.k8s.io" | "extensions", "NetworkPolicy") => {
            ("Name|Pod-Selector|Age", |o, row| {
                row.text(selector(at(o, "spec.podSelector"))).text(o.age());
            })
        }
        ("networking.k8s.io", "ServiceCIDR") => ("Name|CIDRs|Age", |o, row| {
            let ranges: Vec<String> = list(o, "spec.cidrs").iter().map(plain).collect();
            row.text(ranges.join(",")).text(o.age());
        }),
        ("networking.k8s.io", "IPAddress") => ("Name|ParentRef", address),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

fn service(o: &Object<'_>, row: &mut Row) {
    let kind = text(o, "spec.type");
    row.text(kind);
    let first = list(o, "spec.clusterIPs").first().and_then(Value::as_str);
    // Servers before 1.20 knew one address alone.
    row.text(first.unwrap_or(text_or(o, "spec.clusterIP", "<none>")));
    let own: Vec<String> = list(o, "spec.externalIPs").iter().map(plain).collect();
    row.text(match kind {
        "ClusterIP" | "NodePort" => or_none(own.join(",")),
        "LoadBalancer" => {
            let mut all = balanced(o);
            all.extend(own);
            match all.is_empty() {
                true => "<pending>".to_owned(),
                false => all.join(","),
            }
        }
        "ExternalName" => text(o, "spec.externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    });
    let ports: Vec<String> = list(o, "spec.ports")
        .iter()
        .map(|port| {
            let (own, protocol) = (number(port, "port"), text(port, "protocol"));
            match number(port, "nodePort") {
                node @ 1.. => format!("{own}:{node}/{protocol}"),
                _ => format!("{own}/{protocol}"),
            }
        })
        .collect();
    row.text(or_none(ports.join(","))).text(o.age());
    row.text(labels(at(o, "spec.selector")));
}

/// Where a balancer outside answers.
fn balanced(o: &Object<'_>) -> Vec<String> {
    let ingress = list(o, "status.loadBalancer.ingress").iter();
    let all: BTreeSet<&str> = ingress
        .map(|i| text_or(i, "ip", text(i, "hostname")))
        .filter(|i| !i.is_empty())
        .collect();
    all.into_iter().map(str::to_owned).collect()
}

fn with_port(address: &str, port: i64) -> String {
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

/// Addresses of endpoints that are shown.
const SHOWN: usize = 3;

fn endpoints(subsets: &[Value]) -> String {
    if subsets.is_empty() {
        return "<none>".to_owned();
    }
    let (mut all, mut count) = (Vec::new(), 0usize);
    for subset in subsets {
        let (ports, addresses) = (list(subset, "ports"), list(subset, "addresses"));
        // Each address with each port, of which there may be as many: only what is shown is made.
        count += addresses.len() * ports.len().max(1);
        let of = |port: Option<&Value>| {
            let port = port.map(|p| number(p, "port"));
            addresses.iter().take(SHOWN).map(move |a| match port {
                Some(port) => with_port(text(a, "ip"), port),
                None => text(a, "ip").to_owned(),
            })
        };
        let room = SHOWN - all.len();
        if ports.is_empty() {
            all.extend(of(None).take(room));
        } else if !addresses.is_empty() {
            let ports = ports.iter().take(SHOWN);
            all.extend(ports.flat_map(|port| of(Some(port))).take(room));
        }
    }
    let shown = all.join(",");
    match count - all.len() {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

fn slice(o: &Object<'_>, row: &mut Row) {
    let unset = |text: String| {
        if text.is_empty() {
            "<unset>".to_owned()
        } else {
            text
        }
    };
    row.text(text(o, "addressType"));
    let ports: Vec<String> = list(o, "ports")
        .iter()
        .map(|p| match (at(p, "port"), at(p, "name")) {
            (Value::Null, Value::Null) => "*".to_owned(),
            (Value::Null, name) => plain(name),
            (port, _) => plain(port),
        })
        .collect();
    row.text(unset(few(&ports, 3)));
    let addresses: Vec<String> = list(o, "endpoints")
        .iter()
        .flat_map(|e| list(e, "addresses").iter().map(plain))
        .collect();
    row.text(unset(few(&addresses, 3))).text(o.age());
}

fn ingress(o: &Object<'_>, row: &mut Row) {
    row.text(text_or(o, "spec.ingressClassName", "<none>"));
    let rules = list(o, "spec.rules");
    let hosts: Vec<&str> = rules
        .iter()
        .map(|r| text(r, "host"))
        .filter(|h| !h.is_empty())
        .take(3)
        .collect();
    let shown = hosts.join(",");
    row.text(if hosts.is_empty() {
        "*".to_owned()
    } else if hosts.len() == 3 && rules.len() > 3 {
        format!("{shown} + {} more...", rules.len() - 3)
    } else {
        shown
    });
    row.text(balanced(o).join(","));
    row.text(match list(o, "spec.tls") {
        [] => "80",
        _ => "80, 443",
    });
    row.text(o.age());
}

fn class(o: &Object<'_>, row: &mut Row) {
    row.text(text(o, "spec.controller"));
    let parameters = at(o, "spec.parameters");
    row.text(if parameters.is_object() {
        let (kind, name) = (text(parameters, "kind"), text(parameters, "name"));
        match at(parameters, "apiGroup") {
            Value::String(group) => format!("{kind}.{group}/{name}"),
            _ => format!("{kind}/{name}"),
        }
    } else {
        "<none>".to_owned()
    });
    row.text(o.age());
}

fn address(o: &Object<'_>, row: &mut Row) {
    let parent = at(o, "spec.parentRef");
    row.text(if parent.is_object() {
        let resource = text(parent, "resource").to_lowercase();
        let group = text(parent, "group").to_lowercase();
        let mut words = vec![if group.is_empty() {
            resource
        } else {
            format!("{resource}.{group}")
        }];
        words.extend(Some(text(parent, "namespace").to_owned()).filter(|n| !n.is_empty()));
        words.push(text(parent, "name").to_owned());
        words.join("/")
    } else {
        "<none>".to_owned()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn endpoints_are_counted_and_not_written() {
        let address = |n: &str| json!({"ip": n});
        let small = json!([
            {"addresses": [address("a"), address("b")], "ports": [{"port": 1}, {"port": 2}]},
            {"addresses": [address("c")]}
        ]);
        let shown = |subsets: &Value| endpoints(subsets.as_array().unwrap());
        assert_eq!(shown(&small), "a:1,b:1,a:2 + 2 more...");
        assert_eq!(shown(&json!([{"ports": [{"port": 1}]}])), "");
        assert_eq!(shown(&json!([{"addresses": [address("::1")]}])), "::1");
        // As many ports as addresses: each with each would take minutes, and gigabytes.
        let many: Vec<Value> = (0..100_000)
            .map(|_| json!({"ip": "a", "port": 1}))
            .collect();
        let many = json!([{"addresses": many, "ports": many}]);
        assert_eq!(shown(&many), "a:1,a:1,a:1 + 9999999997 more...");
    }
}
