//! Takes secrets out of text, before anything else sees it. Lines stay where they are.
//!
//! The values of `Secret` objects go by structure (`objects`), and once more by their look where text
//! holds such objects (`manifests`); then everything that looks like a secret goes by shape (`shapes`)
//! or by its name (`names`), in every kind of text. What is taken out leaves its length, so that an empty
//! value can be told from a lost one. Deliberately absent: any memory of what was taken out.

mod base64;
mod exported;
mod manifests;
mod names;
mod nested;
mod objects;
mod packed;
mod shapes;
mod stream;
mod tokens;
mod words;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::{json, plain, sniff};

use tokens::Strings;

pub use stream::{Cleaner, in_pieces};

/// How the mark that is left begins. YAML reads the mark as plain text, in every place.
const MARK: &[u8] = b"<redacted:";

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

    /// Moves the ends out of the middle of `\"` and `\u0026`: half an escape would break the string.
    fn spare_escapes(&mut self, bytes: &[u8]) {
        let slashes = |end: usize, floor: usize| {
            let said = bytes.get(floor..end).unwrap_or_default();
            said.iter().rev().take_while(|b| **b == b'\\').count()
        };
        let Range { start, end } = self.range.clone();
        if self.quoted || start >= end {
            return;
        }
        if slashes(end, start) % 2 == 1 {
            self.range.end -= 1;
        }
        let before = slashes(start, start.saturating_sub(64));
        if before % 2 == 1 {
            self.range.start -= 1;
            return;
        }
        for back in 2..6 {
            if let Some(u) = start.checked_sub(back)
                && bytes.get(u..u + 2) == Some(b"\\u")
                && slashes(u + 1, u.saturating_sub(64)) % 2 == 1
                && bytes
                    .get(u + 2..start)
                    .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            {
                self.range.start = u;
            }
        }
    }
}

/// Everything to take out of the bytes: sorted, none overlapping. `level` counts strings in strings.
fn cuts(bytes: &[u8], level: u8) -> Vec<Cut> {
    cuts_in(bytes, level, None)
}

/// The same of a whole file or answer: one that is JSON is known to be it.
fn cuts_of_all(bytes: &[u8]) -> Vec<Cut> {
    let is_json = sniff::looks(bytes) == sniff::Looks::Json && json::is_whole(bytes);
    let strings = is_json.then(|| Strings::new(bytes));
    cuts_in(bytes, 0, strings.as_ref())
}

/// `strings` are those of bytes that are JSON from their first to their last.
fn cuts_in(bytes: &[u8], level: u8, strings: Option<&Strings<'_>>) -> Vec<Cut> {
    let marks = manifests::marks(bytes);
    let mut cuts = Vec::new();
    if !marks.is_empty() {
        cuts = objects::cuts(bytes, &marks, strings.is_some());
        manifests::cuts(bytes, &marks, strings, &mut cuts);
    }
    exported::cuts(bytes, &mut cuts);
    cuts.extend(shapes::cuts(bytes, strings));
    nested::cuts(bytes, level, &mut cuts);
    for cut in &mut cuts {
        cut.spare_escapes(bytes);
        if let Some(strings) = strings {
            strings.keep_inside(cut);
        }
    }
    cuts.sort_by_key(Cut::key);
    let mut at = 0;
    cuts.retain_mut(|cut| {
        // What reaches beyond the one before still goes, from there on.
        if cut.range.start < at {
            cut.range.start = at.min(cut.range.end);
            cut.quoted = false;
        }
        at = at.max(cut.range.end);
        let gone = bytes.get(cut.range.clone()).unwrap_or_default();
        !gone.is_empty() && !is_mark(gone)
    });
    let is_json = || strings.is_some() || sniff::looks(bytes) == sniff::Looks::Json;
    if level == 0 && !cuts.is_empty() && is_json() {
        cuts = tokens::within(bytes, cuts);
    }
    cuts
}

/// What stands in place of one cut: the mark, and as many lines as were taken out, with their
/// indentation. Line numbers are evidence, and YAML lives by indentation.
fn mark(cut: &Cut, gone: &[u8]) -> Vec<u8> {
    let quote = if cut.quoted { "\"" } else { "" };
    let mut out = format!("{quote}<redacted:{}:{}>{quote}", cut.what, gone.len()).into_bytes();
    for end in memchr::memchr_iter(b'\n', gone) {
        out.push(b'\n');
        let rest = gone.get(end + 1..).unwrap_or_default();
        let lead = rest.iter().take_while(|b| matches!(b, b' ' | b'\t'));
        out.extend(lead);
    }
    out
}

/// Is this what an earlier cleaning left? A bundle is cleaned again when it is read as a folder.
fn is_mark(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let text = text.strip_suffix(b"\"").unwrap_or(text).trim_ascii_end();
    text.strip_prefix(MARK)
        .and_then(|t| t.strip_suffix(b">"))
        .is_some_and(|t| {
            t.iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b':'))
        })
}

fn count(cuts: &[Cut]) -> BTreeMap<&'static str, u64> {
    let mut taken = BTreeMap::new();
    for cut in cuts {
        *taken.entry(cut.what).or_insert(0) += 1;
    }
    taken
}

/// Takes all secrets out.
pub fn redact(bytes: &[u8]) -> Redacted<'_> {
    if !plain::is_plain(bytes) {
        let (text, taken) = redact_vec(bytes.to_vec());
        return Redacted {
            text: Cow::Owned(text),
            taken,
        };
    }
    without(bytes, &cuts_of_all(bytes))
}

/// Takes all secrets out of one JSON value, whatever it is of: what is left is JSON still, and no cut reaches
/// out of the string in which it began. `None` for what is no JSON, or would be none any more.
pub fn redact_json(bytes: &[u8]) -> Option<Redacted<'_>> {
    if !json::is_whole(bytes) {
        return None;
    }
    let clean = without(bytes, &cuts_in(bytes, 0, Some(&Strings::new(bytes))));
    (clean.taken.is_empty() || json::is_whole(&clean.text)).then_some(clean)
}

/// The bytes with marks in place of the cuts.
fn without<'b>(bytes: &'b [u8], cuts: &[Cut]) -> Redacted<'b> {
    if cuts.is_empty() {
        return Redacted {
            text: Cow::Borrowed(bytes),
            taken: BTreeMap::new(),
        };
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for cut in cuts {
        out.extend_from_slice(bytes.get(at..cut.range.start).unwrap_or_default());
        out.extend(mark(cut, bytes.get(cut.range.clone()).unwrap_or_default()));
        at = cut.range.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    Redacted {
        text: Cow::Owned(out),
        taken: count(cuts),
    }
}

/// Takes all secrets out of a buffer in its own place: a large file is in memory once, not twice.
pub fn redact_vec(bytes: Vec<u8>) -> (Vec<u8>, BTreeMap<&'static str, u64>) {
    // Nothing could be found in UTF-16, and no word with a zero in it.
    let bytes = plain::plain(bytes);
    let cuts = cuts_of_all(&bytes);
    let taken = count(&cuts);
    (written(bytes, &cuts), taken)
}

/// The bytes with marks in place of the cuts, in their own buffer.
fn written(mut bytes: Vec<u8>, cuts: &[Cut]) -> Vec<u8> {
    // The text moves up by all that marks are longer than what they stand for, so that writing never
    // overtakes reading.
    let longer: usize = cuts
        .iter()
        .map(|c| {
            let gone = bytes.get(c.range.clone()).unwrap_or_default();
            mark(c, gone).len().saturating_sub(gone.len())
        })
        .sum();
    let old = bytes.len();
    if longer > 0 {
        bytes.reserve_exact(longer);
        bytes.resize(old + longer, 0);
        bytes.copy_within(..old, longer);
    }
    let (mut read, mut write) = (0, 0);
    for cut in cuts {
        let gone = longer + cut.range.start..longer + cut.range.end;
        let mark = mark(cut, bytes.get(gone).unwrap_or_default());
        let keep = cut.range.start - read;
        bytes.copy_within(longer + read..longer + cut.range.start, write);
        write += keep;
        if let Some(place) = bytes.get_mut(write..write + mark.len()) {
            place.copy_from_slice(&mark);
        }
        write += mark.len();
        read = cut.range.end;
    }
    bytes.copy_within(longer + read..longer + old, write);
    bytes.truncate(write + old - read);
    bytes
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
            got.contains("password: \"<redacted:secret-data:12>\""),
            "{got}"
        );
        assert!(got.contains("note: stays"));
        assert_eq!(got.lines().count(), yaml.lines().count());
        let json =
            r#"{"kind":"SecretList","items":[{"data":{"k":"c2VjcmV0"},"metadata":{"name":"a"}}]}"#;
        assert_eq!(
            clean(json),
            r#"{"kind":"SecretList","items":[{"data":{"k":"<redacted:secret-data:10>"},"metadata":{"name":"a"}}]}"#
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

    /// A quote that stays open in one string of a JSON value costs that string, and nothing behind it.
    #[test]
    fn no_cut_reaches_out_of_its_string() {
        for note in [
            "password: 'abc",
            "token=\\\"abc",
            "{kind: Secret, data: {a: b",
            "mysql --password='x",
            "API_KEY: [a, 'b",
        ] {
            let row = format!(
                r#"{{"cells":["a",5],"object":{{"metadata":{{"note":"{note}","name":"a","token":"hunter2"}}}}}}"#
            );
            let clean = redact_json(row.as_bytes()).unwrap();
            let text = std::str::from_utf8(&clean.text).unwrap();
            assert!(
                text.ends_with(r#"","name":"a","token":"<redacted:named-value:7>"}}}"#),
                "{text}"
            );
            // A file that is such an object is judged so without being told.
            let object = row.replace("object", "kind");
            assert!(
                clean_ends(
                    &object,
                    r#","name":"a","token":"<redacted:named-value:7>"}}}"#
                ),
                "{note}"
            );
        }
        assert_eq!(redact_json(b"{\"a\":"), None);
        assert_eq!(redact_json(b"{} {}"), None);
        assert_eq!(
            redact_json(b"[\"token: abc\"]").unwrap().text.as_ref(),
            b"[\"token: <redacted:named-value:3>\"]"
        );
    }

    fn clean_ends(text: &str, end: &str) -> bool {
        clean(text).ends_with(end)
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
