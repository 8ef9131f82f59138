//! Secrets, hidden as `get` hides them, in a form that clients still can read.
//!
//! A client that knows the type of a Secret's values wants base64 there, so their marks become as many asterisks
//! as there were bytes. Deliberately absent: what looks like a secret (`formats::redact`).

use defib_formats::{json, redact};
use serde_json::Value;

/// Bytes of which asterisks are made at most; a datastore refuses values of more than a few megabytes.
const LONGEST: usize = 4 << 20;

/// What is said beside it.
pub(super) const HIDDEN: &str =
    "values that look like secrets are hidden; --show-secrets of defib shows them";

/// Why an item is left out: one such would cost a client its whole list.
const NO_JSON: &str = "it does not read as JSON";

/// JSON without its secrets; `is_secret` where it is a Secret.
///
/// # Errors
/// When it does not read as JSON.
pub(super) fn object(json: &[u8], is_secret: bool) -> Result<Vec<u8>, String> {
    let clean = redact::redact_json(json).ok_or(NO_JSON)?;
    let clean = clean.text;
    if !is_secret {
        return Ok(clean.into_owned());
    }
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).map_err(|e| e.to_string());
    let (was, mut is) = (read(json)?, read(&clean)?);
    if let Some(is) = is.get_mut("data").and_then(Value::as_object_mut) {
        for (name, value) in is {
            let was = was.get("data").and_then(|d| d.get(name));
            let was = was.and_then(Value::as_str).unwrap_or_default();
            *value = Value::String(asterisks(bytes_of(was)));
        }
    }
    Ok(is.to_string().into_bytes())
}

/// JSON with its secrets, if it reads as JSON.
pub(super) fn readable(json: Vec<u8>) -> Result<Vec<u8>, String> {
    match json::is_whole(&json) {
        true => Ok(json),
        false => Err(NO_JSON.to_owned()),
    }
}

/// How many bytes a text in base64 holds.
fn bytes_of(base64: &str) -> usize {
    let padding = base64.bytes().rev().take_while(|b| *b == b'=').count();
    (base64.len() / 4 * 3).saturating_sub(padding).min(LONGEST)
}

/// So many asterisks, in base64.
fn asterisks(count: usize) -> String {
    let mut out = "Kioq".repeat(count / 3);
    out.push_str(match count % 3 {
        1 => "Kg==",
        2 => "Kio=",
        _ => "",
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_keeps_its_names_and_lengths() {
        let secret = json!({
            "kind": "Secret", "apiVersion": "v1",
            "metadata": {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration":
                "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{\"password\":\"hunter2\"}}"}},
            "data": {"a": "aHVudGVyMg==", "b": "", "c": "aHVu", "d": 5}
        });
        let shown: Value =
            serde_json::from_slice(&object(secret.to_string().as_bytes(), true).unwrap()).unwrap();
        assert_eq!(
            shown["data"],
            json!({"a": "KioqKioqKg==", "b": "", "c": "Kioq", "d": ""})
        );
        assert!(!shown.to_string().contains("hunter2"), "{shown}");
        for is_secret in [true, false] {
            assert!(object(b"{\"kind\":\"Secret\"", is_secret).is_err());
        }
    }
}
