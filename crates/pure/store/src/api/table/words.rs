//! Words that many kinds share: ages, labels, selectors, lists that are cut.
//!
//! Sources: apimachinery `pkg/util/duration`, `pkg/labels`, `pkg/apis/meta/v1/helpers.go`.
//! Deliberately absent: anything of one kind alone.

use jiff::Timestamp;
use serde_json::Value;

use super::super::value::{list, plain, text};

/// How long ago a time was, in few letters; nothing for what is no time.
pub(in super::super) fn since(time: &str, now: Timestamp) -> Option<String> {
    let then: Timestamp = time.parse().ok()?;
    Some(human(now.duration_since(then).as_millis()))
}

/// How long after one time another was.
pub(super) fn between(begin: &str, end: &str) -> Option<String> {
    let (begin, end): (Timestamp, Timestamp) = (begin.parse().ok()?, end.parse().ok()?);
    Some(human(end.duration_since(begin).as_millis()))
}

/// A length of time, in few letters.
pub(super) fn human(milliseconds: i128) -> String {
    // As in Go, what is left of a second is cut off towards nothing.
    let seconds = milliseconds / 1_000;
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    if seconds < 0 {
        return "0s".to_owned();
    }
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let two = |whole: i128, big: char, rest: i128, small: char| {
        if rest == 0 {
            format!("{whole}{big}")
        } else {
            format!("{whole}{big}{rest}{small}")
        }
    };
    match (seconds, minutes, hours) {
        (..120, _, _) => format!("{seconds}s"),
        (_, ..10, _) => two(minutes, 'm', seconds % 60, 's'),
        (_, ..180, _) => format!("{minutes}m"),
        (_, _, ..8) => two(hours, 'h', minutes % 60, 'm'),
        (_, _, ..48) => format!("{hours}h"),
        (_, _, ..192) => two(hours / 24, 'd', hours % 24, 'h'),
        (_, _, ..17_520) => format!("{}d", hours / 24),
        (_, _, ..70_080) => two(hours / 24 / 365, 'y', hours / 24 % 365, 'd'),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// `a=b,c=d`.
pub(super) fn labels(map: &Value) -> String {
    let mut pairs: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", plain(value)))
        .collect();
    pairs.sort();
    or_none(pairs.join(","))
}

/// A label selector as people type it; `<none>` where it asks for nothing.
pub(super) fn selector(said: &Value) -> String {
    or_none(bare_selector(said))
}

/// The same, and empty where it asks for nothing.
pub(super) fn bare_selector(said: &Value) -> String {
    let mut demands: Vec<(String, String)> = Vec::new();
    let labels = said.get("matchLabels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        demands.push((key.clone(), format!("{key}={}", plain(value))));
    }
    for demand in list(said, "matchExpressions") {
        let key = text(demand, "key");
        let mut values: Vec<String> = list(demand, "values").iter().map(plain).collect();
        values.sort();
        let values = values.join(",");
        let shown = match text(demand, "operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => continue,
        };
        demands.push((key.to_owned(), shown));
    }
    demands.sort_by(|a, b| a.0.cmp(&b.0));
    let demands: Vec<String> = demands.into_iter().map(|(_, shown)| shown).collect();
    demands.join(",")
}

pub(super) fn or_none(text: String) -> String {
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text
    }
}

/// The first few, and how many more there are.
pub(super) fn few(all: &[String], most: usize) -> String {
    let shown: Vec<&str> = all.iter().take(most).map(String::as_str).collect();
    let shown = shown.join(",");
    match all.len().checked_sub(most) {
        Some(more @ 1..) => format!("{shown} + {more} more..."),
        _ => shown,
    }
}

/// Names and images of containers.
pub(super) fn containers(said: &[Value]) -> (String, String) {
    let all = |field: &str| -> String {
        let texts: Vec<&str> = said.iter().map(|c| text(c, field)).collect();
        texts.join(",")
    };
    (all("name"), all("image"))
}

/// The status of a condition; empty where there is none of this type.
pub(super) fn condition<'v>(conditions: &'v [Value], kind: &str) -> &'v str {
    let found = conditions.iter().find(|c| text(c, "type") == kind);
    found.map_or("", |c| text(c, "status"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lengths_of_time_are_cut_as_kubectl_cuts_them() {
        let (minute, hour, day) = (60, 3_600, 86_400);
        for (seconds, want) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (2 * minute, "2m"),
            (9 * minute + 59, "9m59s"),
            (10 * minute + 59, "10m"),
            (179 * minute, "179m"),
            (3 * hour, "3h"),
            (7 * hour + 59 * minute, "7h59m"),
            (47 * hour, "47h"),
            (2 * day, "2d"),
            (7 * day + 23 * hour, "7d23h"),
            (8 * day + hour, "8d"),
            (729 * day, "729d"),
            (730 * day, "2y"),
            (800 * day, "2y70d"),
            (9 * 365 * day, "9y"),
        ] {
            assert_eq!(human(seconds * 1_000), want, "{seconds}");
        }
        assert_eq!(since("tomorrow", Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn selectors_are_sorted() {
        let said = json!({"matchLabels": {"z": "1", "a": "2"}, "matchExpressions": [
            {"key": "m", "operator": "In", "values": ["y", "x"]}, {"key": "b", "operator": "Exists"}
        ]});
        assert_eq!(selector(&said), "a=2,b,m in (x,y),z=1");
        assert_eq!(selector(&json!({})), "<none>");
        assert_eq!(
            few(&["a".into(), "b".into(), "c".into()], 2),
            "a,b + 1 more..."
        );
    }
}
