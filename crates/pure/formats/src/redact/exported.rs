//! One value of a Secret as Troubleshoot's collector writes it: beside the words that the Secret exists.
//!
//! Source: troubleshoot `pkg/collect/secret.go`, `SecretOutput`. Neither its name nor its shape need look
//! like a secret. Deliberately absent: its collector of ConfigMaps, whose values are judged as all text.

use super::Cut;
use crate::json::{self, Value};

const BESIDE: &[u8] = b"\"secretExists\"";

pub(super) fn cuts(bytes: &[u8], out: &mut Vec<Cut>) {
    for at in memchr::memmem::find_iter(bytes, BESIDE) {
        let Some(open) = memchr::memrchr(b'{', bytes.get(..at).unwrap_or_default()) else {
            continue;
        };
        for field in json::fields(bytes, open, bytes.len()).take(16) {
            if field.key != "value" {
                continue;
            }
            let range = match field.value {
                Value::Whole(r) if r.len() > 2 => r,
                // The file was cut off in the middle of it.
                Value::Cut(start) => start..bytes.len(),
                _ => continue,
            };
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
    use crate::redact::redact;

    #[test]
    fn a_value_that_was_asked_for_goes() {
        let text = "{\n  \"namespace\": \"shop\",\n  \"name\": \"till\",\n  \"key\": \"motto\",\n  \"secretExists\": true,\n  \"keyExists\": true,\n  \"value\": \"correct horse\"\n}";
        for cut in [0, 1, 2, 8] {
            let got = redact(&text.as_bytes()[..text.len() - cut]);
            let got = String::from_utf8_lossy(&got.text);
            assert!(!got.contains("correct"), "{got}");
            assert!(got.contains("\"motto\""), "{got}");
        }
    }
}
