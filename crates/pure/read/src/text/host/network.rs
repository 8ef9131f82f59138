//! Routes, addresses and sockets.
//! Sources: iproute2, net-tools.
//! Deliberately absent: what was reached over them (`reach`).

use defib_model::fact::{Route, Value};

use super::super::Walk;

/// Lines of one interface's paragraph; each of its addresses looks for the head of it.
const PARAGRAPH: usize = 400;

/// `default via 10.0.0.1 dev eth0`, `nexthop via …`, `10.0.0.0/24 dev eth0`; also the table of `route -n`.
pub(super) fn route(walk: &Walk<'_>, at: usize, text: &str) -> Option<Value> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let after = |w: &str| {
        words
            .iter()
            .position(|x| *x == w)
            .and_then(|i| words.get(i + 1))
            .map(|s| (*s).to_owned())
            .unwrap_or_default()
    };
    let first = *words.first()?;
    let asked = walk
        .command
        .as_ref()
        .is_some_and(|c| matches!(c.program(), "ip" | "route" | "netstat"));
    if first == "nexthop" && words.contains(&"dev") {
        return Some(Value::Route(Route {
            to: "default".to_owned(),
            via: after("via"),
            dev: after("dev"),
            multipath: true,
        }));
    }
    let network = first == "default"
        || (first.contains('/') && first.starts_with(|c: char| c.is_ascii_digit()));
    if network && (words.contains(&"dev") || (first == "default" && words.len() == 1 && asked)) {
        // `default` alone heads a list of next hops.
        if words.len() == 1 && !walk.text(at + 1).trim_start().starts_with("nexthop") {
            return None;
        }
        return Some(Value::Route(Route {
            to: first.to_owned(),
            via: after("via"),
            dev: after("dev"),
            multipath: false,
        }));
    }
    // `0.0.0.0  10.0.0.1  0.0.0.0  UG  100 0 0 eth0`
    if words.len() == 8 && words.get(3).is_some_and(|f| f.starts_with('U')) && first.contains('.') {
        let to = if first == "0.0.0.0" { "default" } else { first };
        return Some(Value::Route(Route {
            to: to.to_owned(),
            via: (*words.get(1)?).to_owned(),
            dev: (*words.get(7)?).to_owned(),
            multipath: false,
        }));
    }
    None
}

/// `inet 10.0.0.1/24 brd … scope global eth0`.
pub(super) fn address(walk: &Walk<'_>, at: usize, text: &str) -> Option<Value> {
    // `ip -br addr`: `eno1  UP  10.0.0.5/24 fe80::1/64`.
    let cells: Vec<&str> = text.split_ascii_whitespace().collect();
    if let [interface, "UP" | "DOWN" | "UNKNOWN", first, ..] = cells.as_slice()
        && walk.ran("ip").is_some()
    {
        let (ip, length) = first.split_once('/')?;
        let interface = interface.split('@').next().unwrap_or_default();
        return Some(Value::Address(
            interface.to_owned(),
            ip.to_owned(),
            length.parse().ok()?,
        ));
    }
    let rest = text
        .strip_prefix("inet ")
        .or_else(|| text.strip_prefix("inet6 "))?;
    let mut words = rest.split_ascii_whitespace();
    let (ip, length) = words.next()?.split_once('/')?;
    // The interface ends the line of an IPv4 address in `ip addr`; else it heads the paragraph.
    let last = rest.split_ascii_whitespace().last()?;
    let wide = text.starts_with("inet6 ");
    let interface = if wide || last.contains(['.', ':', '/']) || last == "forever" {
        (0..at)
            .rev()
            .take(PARAGRAPH)
            .map(|i| walk.text(i))
            .find(|t| t.starts_with(|c: char| c.is_ascii_digit()))
            .and_then(|t| t.split(": ").nth(1))
            .unwrap_or_default()
            .to_owned()
    } else {
        last.to_owned()
    };
    Some(Value::Address(
        interface,
        ip.to_owned(),
        length.parse().ok()?,
    ))
}

/// A row of `ss -ltnp` or `netstat -tulpn`.
pub(super) fn listens(text: &str) -> Option<Value> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let first = *words.first()?;
    let is_socket = matches!(first, "tcp" | "tcp6" | "udp" | "udp6" | "LISTEN") && words.len() >= 5;
    if !is_socket || !(words.contains(&"LISTEN") || first.starts_with("udp")) {
        return None;
    }
    let local = words.iter().skip(1).find(|w| {
        w.rsplit_once(':')
            .is_some_and(|(_, p)| p.parse::<u16>().is_ok())
    })?;
    let port = local.rsplit_once(':')?.1.parse().ok()?;
    let program = match text.split_once("users:((\"") {
        Some((_, rest)) => rest.split('"').next().unwrap_or_default().to_owned(),
        None => words
            .iter()
            .find_map(|w| {
                let (pid, name) = w.split_once('/')?;
                pid.parse::<u32>()
                    .ok()
                    .map(|_| name.trim_end_matches(':').to_owned())
            })
            .unwrap_or_default(),
    };
    Some(Value::Listens {
        local: (*local).to_owned(),
        port,
        program,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    #[test]
    fn routes_and_addresses_are_read() {
        let got = values(
            "# ip ro\ndefault \n\tnexthop via 192.0.2.1 dev eth1 weight 1 \n\tnexthop via 192.0.2.2 dev eth1 weight 1 \n",
        );
        assert!(
            matches!(&got[0], Value::Route(r) if r.to == "default" && r.dev.is_empty()),
            "{got:?}"
        );
        assert!(matches!(&got[1], Value::Route(r) if r.multipath && r.dev == "eth1"));
        assert_eq!(
            values("# ip -4 -br a\neno1             UP             10.9.1.5/16\n"),
            [Value::Address("eno1".into(), "10.9.1.5".into(), 16)]
        );
    }

    #[test]
    fn an_address_belongs_to_the_head_of_its_paragraph() {
        let text = "2: eth0: <UP> mtu 1500\n    inet6 fe80::1/64 scope link\n";
        assert_eq!(
            values(text),
            [Value::Address("eth0".into(), "fe80::1".into(), 64)]
        );
        // Not to one that was printed long before: each address would look through all lines.
        let far = text.replace("1500\n", &format!("1500\n{}", "    x\n".repeat(PARAGRAPH)));
        assert_eq!(
            values(&far),
            [Value::Address(String::new(), "fe80::1".into(), 64)]
        );
    }

    #[test]
    fn sockets_are_read() {
        let got = values("tcp6  0  0 :::6443  :::*  LISTEN  812/k3s server\n");
        assert!(
            matches!(&got[0], Value::Listens { port: 6443, program, .. } if program == "k3s"),
            "{got:?}"
        );
    }
}
