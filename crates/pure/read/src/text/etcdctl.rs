//! What etcdctl prints: members, status, health, alarms; simple, table and JSON forms of v3, and v2.
//!
//! Source: etcd `etcdctl/ctlv3/command/printer*.go`, `etcdctl/ctlv2/command/member_commands.go`,
//! `cluster_health.go`. Deliberately absent: what a list of members means.

use defib_model::fact::{EtcdMember, EtcdStatus, Value};

use super::Walk;

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let text = walk.text(at).trim().to_owned();
    if text.starts_with('+') && text.ends_with('+') && text.contains("--") {
        return boxed(walk, at);
    }
    if text.starts_with(['{', '[']) {
        return json(walk, at, &text);
    }
    if let Some(value) = simple(&text)
        .or_else(|| v2(&text))
        .or_else(|| health(&text))
        .or_else(|| alarm(&text))
    {
        walk.fact(at..at + 1, value);
        return Some(at + 1);
    }
    None
}

fn is_id(word: &str) -> bool {
    (8..=16).contains(&word.len()) && word.chars().all(|c| c.is_ascii_hexdigit())
}

fn urls(list: &str) -> Vec<String> {
    list.split(',')
        .map(str::trim)
        .filter(|u| !u.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `ID, started, name, peers, clients, false` and `endpoint, ID, version, size, leader, learner, term, …`.
fn simple(text: &str) -> Option<Value> {
    let parts: Vec<&str> = text
        .split(", ")
        .map(|p| p.trim().trim_end_matches(','))
        .collect();
    let id = parts.first()?;
    if is_id(id) && matches!(parts.get(1), Some(&"started" | &"unstarted")) {
        return Some(Value::EtcdMember(EtcdMember {
            id: (*id).to_owned(),
            status: (*parts.get(1)?).to_owned(),
            name: (*parts.get(2)?).to_owned(),
            peers: urls(parts.get(3)?),
            clients: urls(parts.get(4).copied().unwrap_or_default()),
            learner: parts.get(5).is_some_and(|l| *l == "true"),
        }));
    }
    if parts.len() >= 8
        && is_id(parts.get(1)?)
        && parts.get(2)?.starts_with(|c: char| c.is_ascii_digit())
    {
        return status(&parts);
    }
    None
}

/// Endpoint, id, version, (storage version,) size, (in use, percentage, quota,) leader, learner, term,
/// index, applied, errors: 3.6 adds columns, so the two truths and what follows are found by their form.
fn status(parts: &[&str]) -> Option<Value> {
    let truth = |p: &str| matches!(p, "true" | "false");
    let leader = parts.iter().position(|p| truth(p))?;
    let learner = parts.get(leader + 1).filter(|p| truth(p));
    let numbers = leader + 1 + usize::from(learner.is_some());
    let number = |i: usize| parts.get(i).and_then(|p| p.parse::<u64>().ok());
    let size = parts
        .get(3..leader)?
        .iter()
        .find_map(|p| bytes(p))
        .unwrap_or(0);
    Some(Value::EtcdStatus(EtcdStatus {
        endpoint: (*parts.first()?).to_owned(),
        id: (*parts.get(1)?).to_owned(),
        version: (*parts.get(2)?).to_owned(),
        size,
        leader: parts.get(leader).is_some_and(|p| *p == "true"),
        learner: learner.is_some_and(|p| *p == "true"),
        term: number(numbers).unwrap_or(0),
        index: number(numbers + 1).unwrap_or(0),
        errors: parts
            .get(numbers + 3..)
            .map(|r| r.join(", "))
            .unwrap_or_default()
            .trim()
            .to_owned(),
        cluster: String::new(),
    }))
}

/// `20 kB`, `2.1 GB`: etcdctl prints decimal units.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ')?;
    let number: f64 = number.parse().ok()?;
    let factor = match unit {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    Some((number * factor) as u64)
}

/// `ID: name=infra0 peerURLs=http://… clientURLs=http://… isLeader=true`, `ID[unstarted]: peerURLs=…`.
fn v2(text: &str) -> Option<Value> {
    let (head, rest) = text.split_once(": ")?;
    let (id, unstarted) = match head.strip_suffix("[unstarted]") {
        Some(id) => (id, true),
        None => (head, false),
    };
    if !is_id(id) || !rest.contains("peerURLs=") {
        return None;
    }
    let field = |name: &str| {
        rest.split_ascii_whitespace()
            .find_map(|w| w.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_default()
    };
    let name = field("name");
    Some(Value::EtcdMember(EtcdMember {
        id: id.to_owned(),
        status: if unstarted || name.is_empty() {
            "unstarted"
        } else {
            "started"
        }
        .to_owned(),
        name: name.to_owned(),
        peers: urls(field("peerURLs")),
        clients: urls(field("clientURLs")),
        learner: false,
    }))
}

/// `https://…:2379 is healthy: …`, `… is unhealthy: …`; v2: `member ID is unreachable: …`.
fn health(text: &str) -> Option<Value> {
    let who = |t: &str| {
        let t = t.strip_prefix("member ").unwrap_or(t);
        (t.starts_with("http") || t.contains(":23") || t.contains(":40") || is_id(t))
            .then(|| t.to_owned())
    };
    for (mark, well) in [
        (" is healthy", true),
        (" is unhealthy", false),
        (" is unreachable", false),
    ] {
        if let Some((head, rest)) = text.split_once(mark)
            && (!head.contains(' ') || head.starts_with("member "))
        {
            return Some(Value::EtcdHealth(
                who(head)?,
                well,
                rest.trim_start_matches([':', ' ']).to_owned(),
            ));
        }
    }
    None
}

/// `memberID:8630161756594109333 alarm:NOSPACE`: the id is decimal there.
fn alarm(text: &str) -> Option<Value> {
    let rest = text.strip_prefix("memberID:")?;
    let (id, kind) = rest.split_once(" alarm:")?;
    let id: u64 = id.trim().parse().ok()?;
    Some(Value::EtcdAlarm(format!("{id:x}"), kind.trim().to_owned()))
}

/// `+---+---+` boxes: members, status, health.
fn boxed(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let cells = |text: &str| -> Option<Vec<String>> {
        let inner = text.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(|c| c.trim().to_owned()).collect())
    };
    let header = cells(walk.text(at + 1))?;
    let mut end = at + 2;
    let mut rows = Vec::new();
    while walk.is_output(end) {
        let text = walk.text(end);
        if let Some(row) = cells(text) {
            rows.push((end, row));
        } else if !text.trim_start().starts_with('+') {
            break;
        }
        end += 1;
    }
    let column = |name: &str| header.iter().position(|h| h.eq_ignore_ascii_case(name));
    for (line, row) in rows {
        let get = |name: &str| {
            column(name)
                .and_then(|i| row.get(i))
                .map(String::as_str)
                .unwrap_or_default()
        };
        let value = if column("PEER ADDRS").is_some() {
            Value::EtcdMember(EtcdMember {
                id: get("ID").to_owned(),
                status: get("STATUS").to_owned(),
                name: get("NAME").to_owned(),
                peers: urls(get("PEER ADDRS")),
                clients: urls(get("CLIENT ADDRS")),
                learner: get("IS LEARNER") == "true",
            })
        } else if column("DB SIZE").is_some() {
            Value::EtcdStatus(EtcdStatus {
                endpoint: get("ENDPOINT").to_owned(),
                id: get("ID").to_owned(),
                version: get("VERSION").to_owned(),
                size: bytes(get("DB SIZE")).unwrap_or(0),
                leader: get("IS LEADER") == "true",
                learner: get("IS LEARNER") == "true",
                term: get("RAFT TERM").parse().unwrap_or(0),
                index: get("RAFT INDEX").parse().unwrap_or(0),
                errors: get("ERRORS").to_owned(),
                cluster: String::new(),
            })
        } else if column("HEALTH").is_some() && column("ENDPOINT").is_some() {
            Value::EtcdHealth(
                get("ENDPOINT").to_owned(),
                get("HEALTH") == "true",
                get("ERROR").to_owned(),
            )
        } else {
            return None;
        };
        walk.fact(line..line + 1, value);
    }
    Some(end)
}

/// `-w json`: one line. Ids are decimal there.
fn json(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let hex = |v: Option<&serde_json::Value>| {
        v.and_then(serde_json::Value::as_u64)
            .map(|n| format!("{n:x}"))
            .unwrap_or_default()
    };
    let string =
        |v: Option<&serde_json::Value>| v.and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let list = |v: Option<&serde_json::Value>| -> Vec<String> {
        v.and_then(|v| v.as_array())
            .map(|a| {
                a.iter()
                    .filter_map(|u| u.as_str().map(str::to_owned))
                    .collect()
            })
            .unwrap_or_default()
    };
    if let Some(members) = value.get("members").and_then(|m| m.as_array()) {
        if !members.iter().any(|m| m.get("peerURLs").is_some()) {
            return None;
        }
        for m in members {
            let name = string(m.get("name"));
            let member = EtcdMember {
                id: hex(m.get("ID")),
                status: if name.is_empty() {
                    "unstarted"
                } else {
                    "started"
                }
                .to_owned(),
                name,
                peers: list(m.get("peerURLs")),
                clients: list(m.get("clientURLs")),
                learner: m
                    .get("isLearner")
                    .and_then(|l| l.as_bool())
                    .unwrap_or(false),
            };
            walk.fact(at..at + 1, Value::EtcdMember(member));
        }
        return Some(at + 1);
    }
    let endpoints = value.as_array()?;
    let mut any = false;
    for e in endpoints {
        let Some(status) = e.get("Status") else {
            continue;
        };
        any = true;
        let header = status.get("header");
        let id = hex(header.and_then(|h| h.get("member_id")));
        let leader = hex(status.get("leader"));
        let errors = list(status.get("errors")).join(", ");
        let value = EtcdStatus {
            endpoint: string(e.get("Endpoint")),
            cluster: hex(header.and_then(|h| h.get("cluster_id"))),
            version: string(status.get("version")),
            size: status.get("dbSize").and_then(|n| n.as_u64()).unwrap_or(0),
            leader: !id.is_empty() && id == leader,
            learner: status
                .get("isLearner")
                .and_then(|l| l.as_bool())
                .unwrap_or(false),
            term: status.get("raftTerm").and_then(|n| n.as_u64()).unwrap_or(0),
            index: status
                .get("raftIndex")
                .and_then(|n| n.as_u64())
                .unwrap_or(0),
            errors,
            id,
        };
        walk.fact(at..at + 1, Value::EtcdStatus(value));
    }
    any.then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Vec<EtcdMember> {
        super::super::read(text.as_bytes(), 0)
            .facts
            .into_iter()
            .filter_map(|f| match f.value {
                Value::EtcdMember(m) => Some(m),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn all_forms_of_a_list_of_members_say_the_same() {
        for text in [
            "8e9e05c52164694d, started, n1, https://10.0.0.1:2380, https://10.0.0.1:2379, false\n91bc3c398fb3c146, unstarted, , https://10.0.0.2:2380, , true\n",
            "+------------------+-----------+------+-----------------------+-----------------------+------------+\n|        ID        |  STATUS   | NAME |      PEER ADDRS       |     CLIENT ADDRS      | IS LEARNER |\n+------------------+-----------+------+-----------------------+-----------------------+------------+\n| 8e9e05c52164694d |   started |   n1 | https://10.0.0.1:2380 | https://10.0.0.1:2379 |      false |\n| 91bc3c398fb3c146 | unstarted |      | https://10.0.0.2:2380 |                       |       true |\n+------------------+-----------+------+-----------------------+-----------------------+------------+\n",
            "{\"header\":{\"cluster_id\":1},\"members\":[{\"ID\":10276657743932975437,\"name\":\"n1\",\"peerURLs\":[\"https://10.0.0.1:2380\"],\"clientURLs\":[\"https://10.0.0.1:2379\"]},{\"ID\":10501334649042878790,\"peerURLs\":[\"https://10.0.0.2:2380\"],\"isLearner\":true}]}\n",
        ] {
            let got = members(text);
            assert_eq!(got.len(), 2, "{text}");
            assert_eq!(
                (got[0].id.as_str(), got[0].name.as_str(), got[0].learner),
                ("8e9e05c52164694d", "n1", false)
            );
            assert_eq!(
                (got[1].id.as_str(), got[1].status.as_str(), got[1].learner),
                ("91bc3c398fb3c146", "unstarted", true)
            );
            assert!(got[1].clients.is_empty());
        }
        let old = members(
            "91bc3c398fb3c146[unstarted]: peerURLs=http://10.0.0.2:2380\n8e9e05c52164694d: name=n1 peerURLs=http://10.0.0.1:2380 clientURLs=http://10.0.0.1:4001 isLeader=true\n",
        );
        assert_eq!(
            (old[0].status.as_str(), old[1].name.as_str()),
            ("unstarted", "n1")
        );
    }

    #[test]
    fn health_alarms_and_status_are_read() {
        let got = super::super::read(b"https://10.0.0.1:2379 is unhealthy: failed to commit proposal: context deadline exceeded\nmemberID:10276657743932975437 alarm:NOSPACE\n10.0.0.1:2379, 8e9e05c52164694d, 3.5.13, 2.1 GB, true, false, 7, 120, 120, NOSPACE\n", 0);
        let values: Vec<_> = got.facts.into_iter().map(|f| f.value).collect();
        assert!(
            matches!(&values[0], Value::EtcdHealth(e, false, w) if e.ends_with(":2379") && w.starts_with("failed"))
        );
        assert_eq!(
            values[1],
            Value::EtcdAlarm("8e9e05c52164694d".into(), "NOSPACE".into())
        );
        assert!(
            matches!(&values[2], Value::EtcdStatus(s) if s.size == 2_100_000_000 && s.leader && s.term == 7 && s.errors == "NOSPACE"),
            "{:?}",
            values[2]
        );
    }
}
