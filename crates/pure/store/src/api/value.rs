//! Fields of JSON, looked up leniently: what is missing or of another type is empty.
//!
//! Deliberately absent: errors; a hostile object costs itself its cells and nothing else.

use serde_json::Value;

/// What stands where nothing stands.
const NOTHING: &Value = &Value::Null;

/// The value at a path of fields (`spec.nodeName`).
pub(super) fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.')
        .try_fold(value, |value, field| value.get(field))
        .unwrap_or(NOTHING)
}

/// The text there.
pub(super) fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    at(value, path).as_str().unwrap_or_default()
}

/// The text there, or another.
pub(super) fn text_or<'v>(value: &'v Value, path: &str, other: &'v str) -> &'v str {
    match text(value, path) {
        "" => other,
        text => text,
    }
}

/// The whole number there.
pub(super) fn number(value: &Value, path: &str) -> i64 {
    at(value, path).as_i64().unwrap_or_default()
}

/// The truth there.
pub(super) fn truth(value: &Value, path: &str) -> bool {
    at(value, path).as_bool().unwrap_or_default()
}

/// The list there.
pub(super) fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// How many entries the list or the map there has.
pub(super) fn count(value: &Value, path: &str) -> usize {
    match at(value, path) {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    }
}

/// A text or number as people read it; empty for anything else.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => String::new(),
    }
}
