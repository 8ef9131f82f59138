//! Any JSON value as YAML, quoted so that it reads back as the same value.
//!
//! Every text is written in double quotes with JSON's escapes, which are YAML's too: no text can turn
//! into a number, a date or a document mark. Deliberately absent: block scalars and other prettiness.

use std::fmt::Write;

use serde_json::Value;

/// The value as a YAML document.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    node(value, 0, false, &mut out);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    crate::json::escape(&out, |c, out| {
        let _ = write!(out, "\\U{:08x}", u32::from(c));
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Object(m) if m.is_empty() => Some("{}".to_owned()),
        Value::Array(a) if a.is_empty() => Some("[]".to_owned()),
        Value::Object(_) | Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

fn key(text: &str) -> String {
    let plain = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
        );
    if plain {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

fn node(value: &Value, depth: usize, inline: bool, out: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (i, (k, v)) in map.iter().enumerate() {
                if !(inline && i == 0) {
                    out.push_str(&pad);
                }
                out.push_str(&key(k));
                out.push(':');
                child(v, depth + 1, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (i, v) in list.iter().enumerate() {
                if !(inline && i == 0) {
                    out.push_str(&pad);
                }
                out.push_str("- ");
                match scalar(v) {
                    Some(text) => {
                        out.push_str(&text);
                        out.push('\n');
                    }
                    None => node(v, depth + 1, true, out),
                }
            }
        }
        other => {
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

fn child(value: &Value, depth: usize, out: &mut String) {
    match scalar(value) {
        Some(text) => {
            out.push(' ');
            out.push_str(&text);
            out.push('\n');
        }
        None => {
            out.push('\n');
            node(value, depth, false, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        let v = serde_json::json!({"a": [1, {"b": "x: y", "c": []}, ["n"]], "no": null, "t": "2020-01-01"});
        assert_eq!(
            write(&v),
            "a:\n  - 1\n  - b: \"x: y\"\n    c: []\n  - - \"n\"\n\"no\": null\nt: \"2020-01-01\"\n"
        );
    }
}
