//! What changed between two states of one object, field by field.
//!
//! Deliberately absent: the bookkeeping of the API server (`resourceVersion`, managed fields), which changes
//! with every write and says nothing.

use serde::Serialize;
use serde_json::Value;

/// One field that is not as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Where it stands: `spec.replicas`, `spec.containers[0].image`, `data["app.yaml"]`.
    pub path: String,
    /// What it was; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<Value>,
    /// What it is; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<Value>,
}

/// Fields that are told apart of one object at most; an object that was replaced differs in all.
const MOST: usize = 200;

/// What changed between two objects.
pub fn changes(was: &Value, is: &Value) -> Vec<Change> {
    let mut out = Vec::new();
    compare("", Some(was), Some(is), &mut out);
    out
}

fn compare(path: &str, was: Option<&Value>, is: Option<&Value>, out: &mut Vec<Change>) {
    if was == is || out.len() >= MOST || is_bookkeeping(path) {
        return;
    }
    match (was, is) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for (key, value) in a {
                compare(&below(path, key), Some(value), b.get(key), out);
            }
            for (key, value) in b.iter().filter(|(k, _)| !a.contains_key(*k)) {
                compare(&below(path, key), None, Some(value), out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for n in 0..a.len().max(b.len()) {
                compare(&format!("{path}[{n}]"), a.get(n), b.get(n), out);
            }
        }
        _ => out.push(Change {
            path: path.to_owned(),
            was: was.cloned(),
            is: is.cloned(),
        }),
    }
}

fn is_bookkeeping(path: &str) -> bool {
    matches!(
        path,
        "metadata.resourceVersion" | "metadata.managedFields" | "metadata.generation"
    )
}

fn below(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    match (path, plain) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_named_and_bookkeeping_is_not() {
        let was = json!({"metadata": {"resourceVersion": "1", "labels": {"a/b": "x"}}, "spec": {"c": [1, 2]}, "gone": 1});
        let is = json!({"metadata": {"resourceVersion": "2", "labels": {"a/b": "y"}}, "spec": {"c": [1, 3, 4]}});
        let got: Vec<String> = changes(&was, &is).into_iter().map(|c| c.path).collect();
        assert_eq!(
            got,
            ["gone", "metadata.labels[\"a/b\"]", "spec.c[1]", "spec.c[2]"]
        );
    }
}
