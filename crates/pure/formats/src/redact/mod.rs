//! Takes secrets out of text, before anything else sees it. Lines stay where they are.
//!
//! Two passes: the values of `Secret` objects go by structure (`objects`), then everything that
//! looks like a secret goes by shape (`shapes`), in every kind of text. What is taken out leaves its
//! length, so that an empty value can be told from a lost one. Deliberately absent: any memory of
//! what was taken out.

mod objects;
mod shapes;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// Text without its secrets, and how many of which class were taken out.
#[derive(Debug, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// The text.
    pub text: Cow<'a, [u8]>,
    /// Class of secret → how many.
    pub taken: BTreeMap<&'static str, u64>,
}

/// One thing to take out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    range: Range<usize>,
    what: &'static str,
    quoted: bool,
}

impl Cut {
    fn key(&self) -> (usize, usize) {
        (self.range.start, usize::MAX - self.range.end)
    }
}

/// Takes all secrets out.
pub fn redact(bytes: &[u8]) -> Redacted<'_> {
    let mut cuts = objects::cuts(bytes);
    cuts.extend(shapes::cuts(bytes));
    if cuts.is_empty() {
        return Redacted {
            text: Cow::Borrowed(bytes),
            taken: BTreeMap::new(),
        };
    }
    cuts.sort_by_key(Cut::key);
    let mut out = Vec::with_capacity(bytes.len());
    let mut taken = BTreeMap::new();
    let mut at = 0;
    for cut in cuts {
        if cut.range.start < at {
            continue;
        }
        out.extend_from_slice(bytes.get(at..cut.range.start).unwrap_or_default());
        let gone = bytes.get(cut.range.clone()).unwrap_or_default();
        let mark = format!("[redacted:{}:{}]", cut.what, gone.len());
        if cut.quoted {
            out.push(b'"');
        }
        out.extend_from_slice(mark.as_bytes());
        if cut.quoted {
            out.push(b'"');
        }
        // Line numbers are evidence: as many lines as were taken out are put back empty.
        out.extend(memchr::memchr_iter(b'\n', gone).map(|_| b'\n'));
        *taken.entry(cut.what).or_insert(0) += 1;
        at = cut.range.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    Redacted {
        text: Cow::Owned(out),
        taken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        String::from_utf8(redact(text.as_bytes()).text.into_owned()).unwrap()
    }

    #[test]
    fn secret_values_go_and_keys_stay() {
        let yaml = "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    password: aHVudGVyMg==\n    empty: \"\"\n  kind: Secret\n  metadata:\n    annotations:\n      kubectl.kubernetes.io/last-applied-configuration: |\n        {\"data\":{\"password\":\"aHVudGVyMg==\"}}\n    name: db\n  type: Opaque\n- kind: ConfigMap\n  data:\n    note: stays\nkind: List\n";
        let got = clean(yaml);
        assert!(!got.contains("aHVudGVyMg"), "{got}");
        assert!(
            got.contains("password: \"[redacted:secret-data:12]\""),
            "{got}"
        );
        assert!(got.contains("note: stays"));
        assert_eq!(got.lines().count(), yaml.lines().count());
        let json =
            r#"{"kind":"SecretList","items":[{"data":{"k":"c2VjcmV0"},"metadata":{"name":"a"}}]}"#;
        assert_eq!(
            clean(json),
            r#"{"kind":"SecretList","items":[{"data":{"k":"[redacted:secret-data:10]"},"metadata":{"name":"a"}}]}"#
        );
    }

    #[test]
    fn shapes_go_wherever_they_stand() {
        for (text, secret) in [
            ("url: https://bob:hunter2@git.example/x", "hunter2"),
            ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"),
            (
                "token=K10aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa::server:hunter2",
                "hunter2",
            ),
            ("--token hunter2hunter2", "hunter2hunter2"),
            (
                "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ",
                "QQQQQ",
            ),
            (
                "x ghp_abcdefghijklmnopqrstuvwxyz0123456789 y",
                "abcdefghijkl",
            ),
            ("key AKIAABCDEFGHIJKLMNOP end", "ABCDEFGHIJKLMNOP"),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz",
                "c2lnbmF0dXJl",
            ),
            (
                "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabc\n-----END EC PRIVATE KEY-----",
                "MHcCAQEEIabc",
            ),
            (
                "\"-----BEGIN PRIVATE KEY-----\\nMHcCAQEEIabc\\n-----END PRIVATE KEY-----\\n\"",
                "MHcCAQEEIabc",
            ),
            (
                "client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo=",
                "BSU0EgUFJJ",
            ),
            (
                "{\"name\": \"DB_PASSWORD\",\n \"value\": \"hunter2\"}",
                "hunter2",
            ),
            ("- name: API_TOKEN\n  value: hunter2\n", "hunter2"),
            ("  - value: 'hunter2'\n    name: API_KEY\n", "hunter2"),
            ("password: hunter2", "hunter2"),
            ("\"{\\\"dbPassword\\\":\\\"hunter2\\\"}\"", "hunter2"),
            ("postgres://app:hunter2@db:5432/app", "hunter2"),
        ] {
            let got = clean(text);
            assert!(!got.contains(secret), "{text} -> {got}");
            assert_eq!(got.matches('\n').count(), text.matches('\n').count());
        }
    }

    #[test]
    fn what_rules_need_stays() {
        for text in [
            "secret \"gitlab-agent-token\" not found",
            "secretKeyRef:\n  key: password\n  name: db\n",
            "\"secretName\": \"tls-cert\"",
            "automountServiceAccountToken: false",
            "tokenExpirationSeconds: 3607",
            "\"key\": \"ca.crt\",\n\"path\": \"ca.crt\"",
            "volumes:\n- name: token\n  projected: {}\n",
            "imagePullSecrets:\n- name: regcred\n",
            "key: kubernetes.io/hostname",
            "topologyKey: zone",
            "msg=\"token hash mismatch\"",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "bootstrap data already found and encrypted with different token",
            "runAsNonRoot: true",
        ] {
            assert_eq!(clean(text), text);
        }
    }
}
