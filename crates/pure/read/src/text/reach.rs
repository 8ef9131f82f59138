//! What came of attempts to reach something: a port, a host, an API server.
//!
//! Sources: netcat-openbsd `netcat.c`, Nmap's ncat, iputils `ping` and `arping`, curl `lib/connect.c`, Kubernetes'
//! `/readyz`. Deliberately absent: what the outcome means, and clients that fail in their own logs
//! (`signals`).

use defib_model::fact::{Answer, Reach, Value};
use defib_model::id::EntityId;

use super::Walk;

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let text = walk.text(at).trim().to_owned();
    if let Some(sized) = sized(walk, &text) {
        walk.fact(at..at + 1, sized);
        return Some(at + 1);
    }
    if let Some(answer) = answered(walk, at, &text) {
        walk.fact(at..at + 1, answer);
    }
    if let Some(back) = points_back(walk, at, &text) {
        walk.fact(at..at + 1, back);
    }
    if let Some(asked) = resolve(walk, at, &text) {
        walk.fact(at..at + 1, asked);
        return Some(at + 1);
    }
    let found = netcat(walk, &text)
        .or_else(|| ping(walk, at, &text))
        .or_else(|| arping(walk, at, &text))
        .or_else(|| ready(walk, &text))?;
    walk.fact(at..at + 1, Value::Reach(found));
    // kubectl's words for it are an error too.
    let error = ["Error", "Unable"].iter().any(|w| text.starts_with(w));
    (!error).then_some(at + 1)
}

/// What `nslookup`, `dig` and `host` print in a pod where no server answers, and where one does.
/// Sources: bind9 `bin/dig/dighost.c` (connect_timeout, print_servers), busybox `networking/nslookup.c`.
fn resolve(walk: &Walk<'_>, at: usize, text: &str) -> Option<Value> {
    let silent = text.trim_start_matches(['*', ';', ' ']);
    let answered = match silent
        .strip_prefix("connection timed out; ")
        .unwrap_or(silent)
    {
        "no servers could be reached" => false,
        _ if text.starts_with("Name:") && walk.text(at + 1).trim_start().starts_with("Address") => {
            true
        }
        _ => return None,
    };
    let (_, words) = walk.kubectl()?;
    let ["exec", pod, ..] = words.as_slice() else {
        return None;
    };
    let pod = pod.trim_start_matches("pod/");
    // Of a workload nobody knows which of its pods it was.
    (!pod.contains('/')).then(|| {
        let pod = EntityId::object("Pod", "", walk.namespace(), pod);
        Value::Resolve(pod, answered)
    })
}

/// Programs that are asked for the address of a name.
const LOOKUPS: &[&str] = &["nslookup", "dig", "host", "getent", "ping"];

/// The name that the command above asks for, inside a pod or not.
fn name_asked(walk: &Walk<'_>) -> Option<String> {
    let words = &walk.command.as_ref()?.words;
    let at = words.iter().rposition(|w| {
        let program = w.rsplit('/').next().unwrap_or_default();
        LOOKUPS.contains(&program)
    })?;
    let name = words.get(at + 1..)?.iter().find(|w| {
        !w.starts_with(['-', '+', '@']) && w.contains('.') && w.parse::<std::net::IpAddr>().is_err()
    })?;
    // A dot at the end shuts search domains out.
    (!name.ends_with('.')).then(|| name.to_ascii_lowercase())
}

/// What a lookup says of a name: `Name: …` above `Address: …`, `NAME. 300 IN A ADDRESS`, `NAME has address
/// ADDRESS`, `ADDRESS NAME`, `PING NAME (ADDRESS)`.
/// Sources: bind9 `bin/dig/{nslookup,dighost,host}.c`, glibc `nss/getent.c`, busybox `networking/nslookup.c`,
/// iputils `ping`.
fn answered(walk: &Walk<'_>, at: usize, text: &str) -> Option<Value> {
    let asked = name_asked(walk)?;
    // The name that a CNAME leads to is another one by its owner's wish.
    let leads_on = |line: &str| {
        ["canonical name = ", "is an alias for ", " CNAME "]
            .iter()
            .any(|w| line.contains(w))
    };
    let mut above = (at.saturating_sub(8)..at).rev().map(|i| walk.text(i));
    if above
        .by_ref()
        .take_while(|line| !line.trim().is_empty())
        .any(leads_on)
    {
        return None;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_address = |w: &str| w.parse::<std::net::IpAddr>().is_ok();
    let (name, address) = match words.as_slice() {
        ["Name:", name] => {
            let below = walk.text(at + 1).trim().to_owned();
            let rest = below.strip_prefix("Address")?;
            let address = rest.split_ascii_whitespace().find(|w| is_address(w))?;
            (*name, address.to_owned())
        }
        [name, ttl, "IN", "A" | "AAAA", address] if ttl.parse::<u64>().is_ok() => {
            (*name, (*address).to_owned())
        }
        [name, "has", "address", address] => (*name, (*address).to_owned()),
        ["PING", name, address, ..] if address.starts_with('(') => {
            (*name, address.trim_matches(['(', ')', ':']).to_owned())
        }
        [address, name] | [address, "STREAM", name] if is_address(address) => {
            (*name, (*address).to_owned())
        }
        _ => return None,
    };
    is_address(&address).then(|| Value::Answered {
        asked,
        name: name.trim_end_matches('.').to_ascii_lowercase(),
        address,
    })
}

/// The name that somebody asked for at the prompt of busybox' shell in a container. That is no command elsewhere: what
/// it prints is not the host's.
fn asked_inside(walk: &Walk<'_>, at: usize) -> Option<String> {
    let mut above = (at.saturating_sub(8)..at)
        .rev()
        .map(|i| walk.text(i).trim());
    let name = above.find_map(|line| {
        let (folder, command) = line.split_once(" # ")?;
        let name = command.trim().strip_prefix("nslookup ")?;
        matches!(folder, "/" | "~").then(|| name.trim().to_ascii_lowercase())
    })?;
    (name.contains('.') && !name.ends_with('.') && !name.contains(' ')).then_some(name)
}

/// What busybox adds below `Name: …`: `Address 1: 192.0.2.7 host.site.test`, the name that the address has.
/// Source: busybox `networking/nslookup.c` (print_host).
fn points_back(walk: &Walk<'_>, at: usize, text: &str) -> Option<Value> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let ["Address", number, address, name] = words.as_slice() else {
        return None;
    };
    number.strip_suffix(':')?.parse::<u8>().ok()?;
    address.parse::<std::net::IpAddr>().ok()?;
    // Above the addresses stands whose they are; the server's stand below `Server:`.
    let mut above = (at.saturating_sub(8)..at)
        .rev()
        .map(|i| walk.text(i).trim());
    let head = above.find(|line| !line.starts_with("Address"))?;
    head.starts_with("Name:").then_some(())?;
    Some(Value::PointsBack {
        asked: name_asked(walk).or_else(|| asked_inside(walk, at))?,
        address: (*address).to_owned(),
        name: name.trim_end_matches('.').to_ascii_lowercase(),
    })
}

/// `Connection to 10.0.0.2 6443 port [tcp/*] succeeded!`, `nc: connect to 10.0.0.2 port 2380 (tcp) timed
/// out: …`, `10.0.0.2 [10.0.0.2] 2380 (?) open`, `Ncat: Connected to 10.0.0.2:6443.`
fn netcat(walk: &Walk<'_>, text: &str) -> Option<Reach> {
    let reach = |target: &str, port: &str, answer| {
        Some(Reach {
            target: target.to_owned(),
            port: Some(port.parse().ok()?),
            answer,
        })
    };
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let asked = || {
        let command = walk.ran("nc").or_else(|| walk.ran("ncat"))?;
        let [.., target, port] = command.words.as_slice() else {
            return None;
        };
        Some((target.clone(), port.clone()))
    };
    match words.as_slice() {
        ["Connection", "to", target, rest @ .., "succeeded!"] => {
            // A name is followed by its address in brackets.
            let port = rest.iter().find(|w| w.parse::<u16>().is_ok())?;
            reach(target, port, Answer::Well)
        }
        ["nc:", "connect", "to", target, rest @ ..] => {
            let at = rest.iter().position(|w| *w == "port")?;
            let answer = if text.contains("refused") {
                Answer::Sick
            } else {
                Answer::Silent
            };
            reach(target, rest.get(at + 1)?, answer)
        }
        // BusyBox: `nc: 10.42.1.8 (10.42.1.8:8080): Operation timed out`, `10.42.0.21 (10.42.0.21:8080) open`.
        ["nc:", target, place, rest @ ..] if place.starts_with('(') => {
            let answer = match rest {
                ["Operation", "timed", "out"] => Answer::Silent,
                ["Connection", "refused"] => Answer::Sick,
                _ => return None,
            };
            let port = place.trim_matches(['(', ')', ':']).rsplit_once(':')?.1;
            reach(target, port.trim_end_matches(')'), answer)
        }
        [target, place, "open"] if place.starts_with('(') && place.ends_with(')') => reach(
            target,
            place.trim_matches(['(', ')']).rsplit_once(':')?.1,
            Answer::Well,
        ),
        [target, address, port, _, "open"] if address.starts_with('[') => {
            reach(target, port, Answer::Well)
        }
        // `pg_isready`: `pg:5432 - no response`.
        [place, "-", rest @ ..] if place.contains(':') => {
            let answer = match rest {
                ["accepting", "connections"] => Answer::Well,
                ["rejecting", "connections"] => Answer::Sick,
                ["no", "response"] => Answer::Silent,
                _ => return None,
            };
            let (target, port) = place.rsplit_once(':')?;
            reach(target, port, answer)
        }
        ["Ncat:", "Connected", "to", target] => {
            let (host, port) = target.trim_end_matches('.').rsplit_once(':')?;
            reach(host, port, Answer::Well)
        }
        ["Ncat:", rest @ ..] => {
            let (target, port) = asked()?;
            let answer = match rest {
                ["Connection", "refused."] => Answer::Sick,
                ["TIMEOUT."] | ["Connection", "timed", "out."] | ["No", "route", "to", "host."] => {
                    Answer::Silent
                }
                _ => return None,
            };
            reach(&target, &port, answer)
        }
        _ => None,
    }
}

/// `3 packets transmitted, 0 received, 100% packet loss`, of the host that the line above or the command
/// names.
fn ping(walk: &Walk<'_>, at: usize, text: &str) -> Option<Reach> {
    // `From 10.0.0.1 icmp_seq=1 Destination Host Unreachable`: nobody says that the address is theirs.
    if text.starts_with("From ") && text.ends_with("Destination Host Unreachable") {
        return Some(Reach {
            target: operand(walk, "ping")?,
            port: None,
            answer: Answer::Silent,
        });
    }
    let (head, _) = text.split_once("% packet loss")?;
    if !head.contains(" packets transmitted, ") {
        return None;
    }
    let lost: f64 = head.rsplit([' ', ',']).next()?.parse().ok()?;
    let above = at.checked_sub(1).map(|i| walk.text(i).trim());
    let named = above
        .and_then(|t| t.strip_prefix("--- "))
        .and_then(|t| t.strip_suffix(" ping statistics ---"));
    let target = match named {
        Some(name) => name.to_owned(),
        None => operand(walk, "ping")?,
    };
    Some(Reach {
        target,
        port: None,
        answer: if lost >= 100.0 {
            Answer::Silent
        } else {
            Answer::Well
        },
    })
}

/// `Received 0 response(s)` of the address that `ARPING 192.168.99.220 from …` or the command names; source:
/// iputils `arping.c`.
fn arping(walk: &Walk<'_>, at: usize, text: &str) -> Option<Reach> {
    let (count, _) = text.strip_prefix("Received ")?.split_once(" response")?;
    let count: u64 = count.parse().ok()?;
    // A line for each answer stands between.
    let above = (at.saturating_sub(20)..at).rev();
    let named = above
        .filter_map(|i| walk.text(i).trim().strip_prefix("ARPING "))
        .next();
    let target = match named.and_then(|t| t.split_whitespace().next()) {
        Some(name) => name.to_owned(),
        None => operand(walk, "arping")?,
    };
    Some(Reach {
        target,
        port: None,
        answer: if count == 0 {
            Answer::Silent
        } else {
            Answer::Well
        },
    })
}

/// With a size it asks about the path: `1208 bytes from 10.42.1.14: …`, and the summary where all were lost.
fn sized(walk: &Walk<'_>, text: &str) -> Option<Value> {
    // Also from inside a pod: `kubectl exec POD -- ping -s 1400 ADDRESS`.
    let all = walk.command.as_ref()?.words.iter().map(String::as_str);
    let all: Vec<&str> = all.take_while(|w| *w != "|").collect();
    let at = all
        .iter()
        .position(|w| w.rsplit('/').next() == Some("ping"))?;
    if at > 0 && !all.iter().take(at).any(|w| *w == "exec" || *w == "--") {
        return None;
    }
    let words = all.get(at + 1..)?;
    let sizes = words.iter().position(|w| matches!(*w, "-s" | "--size"))?;
    let asked: u64 = words.get(sizes + 1)?.parse().ok()?;
    let target = first_operand(words)?.to_owned();
    // The answers, or their summary where only that was kept.
    if text.contains(" bytes from ") || text.contains(", 0% packet loss") {
        return Some(Value::Sized(target, asked, true));
    }
    let lost = text.contains(" 100% packet loss") || text.contains(", 100.0% packet loss");
    lost.then_some(Value::Sized(target, asked, false))
}

/// The endpoint whose certificate stands here: the one that `openssl s_client` was told to call, or the one
/// in the heading that a loop wrote above it.
pub(super) fn shown_by(walk: &Walk<'_>, at: usize) -> Option<String> {
    if let Some(command) = walk.ran("openssl") {
        return Some(command.option("-connect", "-connect")?.to_owned());
    }
    let above = walk.text(at.checked_sub(1)?);
    let words = above.split_ascii_whitespace().take(8);
    words
        .map(|w| {
            w.trim_matches(['=', '[', ']', '(', ')', '#'])
                .trim_end_matches(':')
        })
        .find(|w| {
            w.rsplit_once(':').is_some_and(|(host, port)| {
                port.parse::<u16>().is_ok()
                    && !host.is_empty()
                    && host
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
            })
        })
        .map(str::to_owned)
}

/// The first word of the command that is neither an option nor an option's number.
fn operand(walk: &Walk<'_>, program: &str) -> Option<String> {
    let command = walk.ran(program)?;
    let words = command.words.iter().map(String::as_str).skip(1);
    let words: Vec<&str> = words.take_while(|w| *w != "|").collect();
    first_operand(&words).map(str::to_owned)
}

/// The first word that is no option, nor the value of one of ping's.
fn first_operand<'w>(words: &[&'w str]) -> Option<&'w str> {
    let mut words = words.iter().copied();
    words.find(|w| {
        // Behind `-M` stands `do`, `want` or `dont`.
        !w.starts_with('-')
            && w.parse::<f64>().is_err()
            && !matches!(*w, "do" | "want" | "dont" | "probe")
    })
}

/// What an API server says of itself: `ok` to `/readyz`, or the status that curl prints.
fn ready(walk: &Walk<'_>, text: &str) -> Option<Reach> {
    let command = walk.command.as_ref()?;
    let asks = command.words.iter().find(|w| {
        ["/readyz", "/livez", "/healthz"]
            .iter()
            .any(|p| w.trim_end_matches("?verbose").ends_with(p))
    })?;
    let answer = if text == "ok" || text.ends_with(" check passed") {
        Answer::Well
    } else if let Some(rest) = text.strip_prefix("HTTP/") {
        match rest.split(' ').nth(1)? {
            "200" => Answer::Well,
            code if code.starts_with('5') => Answer::Sick,
            _ => return None,
        }
    } else if text.starts_with("Error from server (ServiceUnavailable)")
        || text.ends_with(" check failed")
    {
        Answer::Sick
    } else if text.starts_with("Unable to connect to the server") || text.starts_with("curl: (28)")
    {
        Answer::Silent
    } else {
        return None;
    };
    // kubectl is told where, curl is given the address; without one it is that of the kubeconfig.
    let url = if asks.contains("://") || !asks.starts_with('/') {
        asks.as_str()
    } else {
        command.option("-s", "--server").unwrap_or_default()
    };
    let place = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = place.split('/').next().unwrap_or_default();
    let (target, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (place, None),
    };
    Some(Reach {
        target: target.to_owned(),
        port,
        answer,
    })
}

#[cfg(test)]
mod tests {
    use defib_model::fact::{Answer, Value};

    fn reached(text: &str) -> Vec<(String, Option<u16>, Answer)> {
        super::super::read(text.as_bytes(), 0)
            .facts
            .into_iter()
            .filter_map(|f| match f.value {
                Value::Reach(r) => Some((r.target, r.port, r.answer)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn names_are_resolved_or_nobody_answers() {
        let asked = |text: &str| -> Vec<(String, bool)> {
            let facts = super::super::read(text.as_bytes(), 0).facts;
            let said = facts.into_iter().filter_map(|f| match f.value {
                Value::Resolve(pod, answered) => Some((pod.as_str().to_owned(), answered)),
                _ => None,
            });
            said.collect()
        };
        let silent = ";; connection timed out; no servers could be reached\n";
        let name = "Server:\t\t10.43.0.10\nAddress:\t10.43.0.10#53\n\nName:\tkubernetes.default\nAddress: 10.43.0.1\n";
        for (text, wanted) in [
            (
                format!("$ kubectl -n shop exec till-0 -- nslookup kubernetes.default\n{silent}"),
                vec![("pod/shop/till-0".to_owned(), false)],
            ),
            (
                format!(
                    "$ kubectl -n shop exec -it pod/till-0 -- nslookup kubernetes.default\n{name}"
                ),
                vec![("pod/shop/till-0".to_owned(), true)],
            ),
            (format!("$ nslookup shop.example\n{silent}"), vec![]),
            (
                format!("$ kubectl exec deploy/till -- nslookup a\n{silent}"),
                vec![],
            ),
        ] {
            assert_eq!(asked(&text), wanted, "{text}");
        }
    }

    #[test]
    fn outcomes_are_read() {
        let of = |t: &str, p, a| vec![(t.to_owned(), p, a)];
        for (text, wanted) in [
            (
                "$ nc -vz cp2 2380\nConnection to cp2 (10.0.0.2) 2380 port [tcp/*] succeeded!\n",
                of("cp2", Some(2380), Answer::Well),
            ),
            (
                "nc: connect to 10.0.0.2 port 2380 (tcp) timed out: Operation now in progress\n",
                of("10.0.0.2", Some(2380), Answer::Silent),
            ),
            (
                "nc: connect to 10.0.0.2 port 2380 (tcp) failed: Connection refused\n",
                of("10.0.0.2", Some(2380), Answer::Sick),
            ),
            (
                "$ kubectl exec a -- nc -vz 10.42.1.8 8080\nnc: 10.42.1.8 (10.42.1.8:8080): Operation timed out\n",
                of("10.42.1.8", Some(8080), Answer::Silent),
            ),
            (
                "10.42.0.21 (10.42.0.21:8080) open\n",
                of("10.42.0.21", Some(8080), Answer::Well),
            ),
            (
                "$ ncat -v 10.0.0.2 2380\nNcat: TIMEOUT.\n",
                of("10.0.0.2", Some(2380), Answer::Silent),
            ),
            (
                "--- n3 ping statistics ---\n3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2041ms\n",
                of("n3", None, Answer::Silent),
            ),
            (
                "ARPING 10.0.0.40 from 10.0.0.5 eth0\nSent 4 probes (4 broadcast(s))\nReceived 0 response(s)\n",
                of("10.0.0.40", None, Answer::Silent),
            ),
            (
                "$ ping -c 1 n4 | tail -2\n1 packets transmitted, 1 received, 0% packet loss, time 0ms\n",
                of("n4", None, Answer::Well),
            ),
            (
                "$ kubectl --server https://10.0.0.2:6443 get --raw /readyz\nok\n",
                of("10.0.0.2", Some(6443), Answer::Well),
            ),
            (
                "$ curl -sk https://10.0.0.2:6443/readyz\nok\n",
                of("10.0.0.2", Some(6443), Answer::Well),
            ),
            (
                "$ curl -sk 10.0.0.2:6443/readyz\nok\n",
                of("10.0.0.2", Some(6443), Answer::Well),
            ),
            (
                "$ kubectl get --raw /readyz\nError from server (ServiceUnavailable): apiserver not ready\n",
                of("", None, Answer::Sick),
            ),
        ] {
            assert_eq!(reached(text), wanted, "{text}");
        }
        for text in ["ok\n", "$ kubectl get pods\nok\n", "nc: getaddrinfo: x\n"] {
            assert!(reached(text).is_empty(), "{text}");
        }
    }
}
