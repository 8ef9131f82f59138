//! States of units, as systemctl prints them.
//! Deliberately absent: the units' files (`units`).

use defib_model::fact::Value;

use super::super::Walk;

/// What `systemctl is-active A B` prints: a word for each, in this order.
fn active(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let states = ["active", "inactive", "failed", "activating", "deactivating"];
    if !states.contains(&text) {
        return None;
    }
    let command = walk.ran("systemctl")?;
    let from = command.words.iter().position(|w| w == "is-active")? + 1;
    let names: Vec<String> = command
        .words
        .get(from..)?
        .iter()
        .take_while(|w| !w.starts_with(['|', ';', '&', '>']))
        .filter(|w| !w.starts_with('-'))
        .cloned()
        .collect();
    let mut end = at;
    for name in names {
        let state = walk.text(end).trim().to_owned();
        if !states.contains(&state.as_str()) {
            break;
        }
        let value = Value::Unit {
            name,
            active: state,
            sub: String::new(),
            result: String::new(),
            restarts: 0,
        };
        walk.fact(end..end + 1, value);
        end += 1;
    }
    (end > at).then_some(end)
}

/// `● k3s.service - …` with its `Active:` line, and the fields of `systemctl show`.
pub(super) fn unit(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    if let Some(end) = active(walk, at, text).or_else(|| shown(walk, at)) {
        return Some(end);
    }
    let (state, line) = if let Some(rest) = text.strip_prefix("Active: ") {
        (rest.to_owned(), at)
    } else {
        return None;
    };
    let name = (0..at)
        .rev()
        .take(12)
        .map(|i| walk.text(i).trim())
        .find_map(|t| {
            let t = t.trim_start_matches(['●', '○', '×', '*', ' ']);
            let first = t.split_ascii_whitespace().next()?;
            first.ends_with(".service").then(|| first.to_owned())
        })
        .or_else(|| {
            let c = walk.ran("systemctl")?;
            c.words.last().cloned()
        })
        .unwrap_or_default();
    let active = state
        .split([' ', '('])
        .next()
        .unwrap_or_default()
        .to_owned();
    let inner = state
        .split_once('(')
        .and_then(|(_, r)| r.split_once(')'))
        .map(|(s, _)| s.to_owned())
        .unwrap_or_default();
    let (sub, result) = match inner.split_once("Result: ") {
        Some((sub, result)) => (
            sub.trim().trim_end_matches(',').to_owned(),
            result.to_owned(),
        ),
        None => (inner, String::new()),
    };
    walk.fact(
        line..line + 1,
        Value::Unit {
            name,
            active,
            sub,
            result,
            restarts: 0,
        },
    );
    Some(line + 1)
}

/// What `systemctl show` prints: a property on each line, a blank one between units. A unit is known by its `Id`, or as
/// the command names it.
fn shown(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let property = |walk: &Walk<'_>, i: usize| {
        let (key, value) = walk.text(i).trim().split_once('=')?;
        let is_key = key.chars().all(|c| c.is_ascii_alphanumeric());
        (is_key && key.starts_with(|c: char| c.is_ascii_uppercase()))
            .then(|| (key.to_owned(), value.to_owned()))
    };
    // The properties of others are theirs: only what no other program prints tells that it is systemctl's.
    let (first, _) = property(walk, at)?;
    let command = walk.ran("systemctl");
    let asked: Vec<String> = command
        .filter(|c| c.words.iter().any(|w| w == "show"))
        .map(|c| units(&c.words))
        .unwrap_or_default();
    if asked.is_empty() && !OWN.contains(&first.as_str()) {
        return None;
    }
    let mut end = at;
    let mut named = asked.into_iter();
    loop {
        let (mut name, mut restarts) = (String::new(), 0);
        let (mut active, mut sub, mut result) = <(String, String, String)>::default();
        let begin = end;
        while let Some((key, value)) = property(walk, end) {
            match key.as_str() {
                "Id" => name = value,
                "ActiveState" => active = value,
                "SubState" => sub = value,
                "Result" => result = value,
                "NRestarts" => restarts = value.parse().unwrap_or(0),
                _ => {}
            }
            end += 1;
        }
        let asked = named.next().unwrap_or_default();
        if name.is_empty() {
            name = asked;
        }
        let tells = !active.is_empty() || restarts > 0;
        if tells && !name.is_empty() {
            let value = Value::Unit {
                name,
                active,
                sub,
                result,
                restarts,
            };
            walk.fact(begin..end, value);
        }
        let is_next = walk.text(end).trim().is_empty() && property(walk, end + 1).is_some();
        if !is_next {
            return Some(end);
        }
        end += 1;
    }
}

/// Properties that only systemd's units have.
const OWN: &[&str] = &[
    "ActiveState",
    "ExecMainStatus",
    "Id",
    "LoadState",
    "NRestarts",
    "Restart",
    "SubState",
    "Type",
];

/// The units that a call of `systemctl show` names, whether their ending is written or not.
fn units(words: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut words = words.iter().skip_while(|w| *w != "show").skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-p" | "--property" | "-P" => drop(words.next()),
            w if w.starts_with(['|', ';', '&', '>', '2']) => break,
            w if w.starts_with('-') => {}
            w => out.push(w.to_owned()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    use super::super::tests::values;

    #[test]
    fn states_of_units_are_read() {
        let got = values(
            "● k3s.service - Lightweight Kubernetes\n     Loaded: loaded\n     Active: activating (auto-restart) (Result: exit-code) since Tue\n",
        );
        assert!(
            matches!(&got[0], Value::Unit { name, active, .. } if name == "k3s.service" && active == "activating"),
            "{got:?}"
        );
        let got = values(
            "# systemctl show k3s -p NRestarts -p ActiveState -p SubState\nNRestarts=6812\nActiveState=activating\nSubState=auto-restart\n",
        );
        assert!(
            matches!(&got[..], [Value::Unit { name, active, sub, restarts: 6812, .. }]
                if name == "k3s" && active == "activating" && sub == "auto-restart"),
            "{got:?}"
        );
        // Nobody says whose they are.
        assert!(
            values("NRestarts=6812\nActiveState=active\n").is_empty()
                && values("Path=/bin\nActiveState=active\n").is_empty()
        );
        let got = values(
            "Id=k3s.service\nNRestarts=3\nActiveState=failed\n\nId=ssh.service\nActiveState=active\n",
        );
        assert!(
            matches!(&got[..], [Value::Unit { name: a, restarts: 3, .. }, Value::Unit { name: b, restarts: 0, .. }]
                if a == "k3s.service" && b == "ssh.service"),
            "{got:?}"
        );
        let got = values("$ systemctl is-active firewalld k3s\nactive\ninactive\n");
        assert!(
            matches!(&got[..], [Value::Unit { name: a, active: x, .. }, Value::Unit { name: b, active: y, .. }]
                if a == "firewalld" && x == "active" && b == "k3s" && y == "inactive"),
            "{got:?}"
        );
    }
}
