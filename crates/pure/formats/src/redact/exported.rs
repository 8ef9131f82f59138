//! One value of a Secret as Troubleshoot's collector writes it: beside the words that the Secret exists.
//!
//! Source: troubleshoot `pkg/collect/secret.go`, `SecretOutput`. Neither its name nor its shape need look
//! like a secret. Deliberately absent: its collector of ConfigMaps, whose values are judged as all text.

use super::Cut;
use crate::json::{self, Value};

const BESIDE: &[u8] = b"\"secretExists\"";

/// How far from these words their object begins, and how far from there its value: names stand between.
const NEAR: usize = 4096;

pub(super) fn cuts(bytes: &[u8], out: &mut Vec<Cut>) {
    let mut done = 0;
    for at in memchr::memmem::find_iter(bytes, BESIDE) {
        // No text is looked at twice: of these objects none holds another.
        let from = done.max(at.saturating_sub(NEAR));
        let head = bytes.get(from..at).unwrap_or_default();
        let Some(open) = memchr::memrchr(b'{', head).map(|i| from + i) else {
            continue;
        };
        done = at;
        let near = bytes.get(..open + NEAR).unwrap_or(bytes);
        for field in json::fields(near, open, near.len()).take(16) {
            if field.key != "value" {
                continue;
            }
            let range = match field.value {
                Value::Whole(r) if r.len() > 2 => r,
                Value::Cut(start) => match json::value(bytes, start) {
                    Value::Whole(r) => r,
                    // The file was cut off in the middle of it.
                    _ => start..bytes.len(),
                },
                _ => continue,
            };
            done = range.end;
            out.push(Cut {
                range,
                what: "secret-data",
                quoted: true,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::redact;

    #[test]
    fn many_words_are_looked_at_once() {
        let lone = br#""secretExists" "#.repeat(200_000);
        let nested = br#"{"a":1,"secretExists":"#.repeat(200_000);
        // Looked at once for each of them, these would take minutes.
        for text in [lone, nested] {
            let mut out = Vec::new();
            cuts(&text, &mut out);
            assert!(out.is_empty());
        }
    }

    #[test]
    fn a_value_that_was_asked_for_goes() {
        let text = "{\n  \"namespace\": \"shop\",\n  \"name\": \"till\",\n  \"key\": \"motto\",\n  \"secretExists\": true,\n  \"keyExists\": true,\n  \"value\": \"correct horse\"\n}";
        let long = text.replace("horse", &"horse ".repeat(2000));
        let got = redact(long.as_bytes());
        assert!(!String::from_utf8_lossy(&got.text).contains("horse"));
        for cut in [0, 1, 2, 8] {
            let got = redact(&text.as_bytes()[..text.len() - cut]);
            let got = String::from_utf8_lossy(&got.text);
            assert!(!got.contains("correct"), "{got}");
            assert!(got.contains("\"motto\""), "{got}");
        }
    }
}
