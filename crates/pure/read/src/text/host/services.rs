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
        };
        walk.fact(end..end + 1, value);
        end += 1;
    }
    (end > at).then_some(end)
}

/// `● k3s.service - …` with its `Active:` line, and the fields of `systemctl show`.
pub(super) fn unit(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    if let Some(end) = active(walk, at, text) {
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
        },
    );
    Some(line + 1)
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
        let got = values("$ systemctl is-active firewalld k3s\nactive\ninactive\n");
        assert!(
            matches!(&got[..], [Value::Unit { name: a, active: x, .. }, Value::Unit { name: b, active: y, .. }]
                if a == "firewalld" && x == "active" && b == "k3s" && y == "inactive"),
            "{got:?}"
        );
    }
}
