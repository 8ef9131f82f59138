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

/// What `systemctl show` prints: a property on each line, a blank one between units. It is read at the first line of a
/// unit that only systemctl prints; the others stay for those who read settings. A unit is known by its `Id`, or as the
/// command names it.
fn shown(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let own = |i: usize| property(walk, i).is_some_and(|(key, _)| OWN.contains(&key));
    if !own(at) {
        return None;
    }
    // Not further than to another one: all of them may stand in one heap.
    let mut begin = at;
    while let Some(above) = begin
        .checked_sub(1)
        .filter(|i| property(walk, *i).is_some())
    {
        if own(above) {
            return None;
        }
        begin = above;
    }
    let asked = walk.ran("systemctl").filter(|c| c.has("show"));
    let asked = asked.map(|c| units(&c.words)).unwrap_or_default();
    // As many units stand ahead of it as the command names before.
    let mut ahead = 0;
    let mut first = begin;
    while ahead + 1 < asked.len()
        && let Some(above) = first.checked_sub(2)
        && walk.text(above + 1).trim().is_empty()
        && property(walk, above).is_some()
    {
        first = begins(walk, above);
        ahead += 1;
    }
    let mut name = asked.get(ahead).cloned().unwrap_or_default();
    let (mut active, mut sub, mut result) = <(String, String, String)>::default();
    let mut restarts = 0;
    let mut end = begin;
    while let Some((key, value)) = property(walk, end) {
        match key {
            "Id" => value.clone_into(&mut name),
            "ActiveState" => value.clone_into(&mut active),
            "SubState" => value.clone_into(&mut sub),
            "Result" => value.clone_into(&mut result),
            "NRestarts" => restarts = value.parse().unwrap_or(0),
            _ => {}
        }
        end += 1;
    }
    if name.is_empty() {
        return None;
    }
    let value = Value::Unit {
        name,
        active,
        sub,
        result,
        restarts,
    };
    // A whole listing has hundreds of lines.
    walk.fact(at..at + 1, value);
    Some(at + 1)
}

/// Properties that stand in no unit file and that no other program prints.
const OWN: &[&str] = &["ActiveState", "NRestarts"];

/// The property that a line shows.
fn property<'w>(walk: &'w Walk<'_>, at: usize) -> Option<(&'w str, &'w str)> {
    let (key, value) = walk.text(at).trim().split_once('=')?;
    let is_key = key.starts_with(|c: char| c.is_ascii_uppercase())
        && key.chars().all(|c| c.is_ascii_alphanumeric());
    is_key.then_some((key, value))
}

/// Where the properties begin among which this line stands.
fn begins(walk: &Walk<'_>, at: usize) -> usize {
    let above = (0..at).rev().take_while(|i| property(walk, *i).is_some());
    above.last().unwrap_or(at)
}

/// Words of a call that are looked at; nobody types more.
const MOST_WORDS: usize = 64;

/// The units that a call of `systemctl show` names, whether their ending is written or not.
fn units(words: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let words = words.iter().take(MOST_WORDS);
    let mut words = words.skip_while(|w| *w != "show").skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-p" | "--property" | "-P" => drop(words.next()),
            w if w.starts_with(['|', ';', '&', '>']) || w.starts_with("2>") => break,
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
        // Two units, as the command names them, and what stands between their states.
        let got = values(
            "# systemctl show k3s ssh\nType=notify\nNRestarts=3\nEnvironment=A=b\nActiveState=failed\n\nType=notify\nActiveState=active\n",
        );
        let units: Vec<_> = got
            .iter()
            .filter_map(|v| match v {
                Value::Unit {
                    name,
                    active,
                    restarts,
                    ..
                } => Some((name.as_str(), active.as_str(), *restarts)),
                _ => None,
            })
            .collect();
        assert_eq!(units, [("k3s", "failed", 3), ("ssh", "active", 0)]);
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
