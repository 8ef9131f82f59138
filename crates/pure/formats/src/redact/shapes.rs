//! Secrets by their shape: tokens with a known prefix, keys in PEM, credentials in addresses,
//! values behind names that say what they are.
//!
//! One automaton over short literals finds places worth a look; a regular expression decides on the
//! few lines around. Deliberately absent: entropy guesses, which take hashes and ids with them.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use regex::bytes::Regex;

use super::Cut;

struct Shape {
    what: &'static str,
    /// Any of these must stand near.
    anchors: &'static [&'static str],
    /// Group 1 is what goes.
    pattern: &'static str,
    /// How many bytes before the anchor the pattern may begin.
    before: usize,
    /// How many bytes after the anchor it may end.
    after: usize,
}

/// Names whose value is a secret: whole words or ends of words.
const NAMES: &str = r"(?:[a-z0-9_.\-]*(?:passw(?:or)?d|passphrase|passwd|api[_\-]?key|access[_\-]?key|secret[_\-]?key|private[_\-]?key|encryption[_\-]?key|client[_\-]?secret|auth[_\-]?token|access[_\-]?token|refresh[_\-]?token|bearer[_\-]?token|credentials?)|(?:[a-z0-9.]*[_\-])?(?:token|secret|pwd|psk))";

static SHAPES: LazyLock<Vec<(Shape, Regex)>> = LazyLock::new(|| {
    table()
        .into_iter()
        .filter_map(|s| Some((Regex::new(s.pattern).ok()?, s)))
        .map(|(r, s)| (s, r))
        .collect()
});

fn table() -> Vec<Shape> {
    vec![
        Shape {
            what: "private-key",
            anchors: &["PRIVATE KEY-----"],
            pattern: r"(?s)-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(.+?)(?:-----END|\z)",
            before: 48,
            after: 16_100,
        },
        Shape {
            what: "private-key",
            anchors: &["ls0tls1crudjti"],
            pattern: r"(LS0tLS1CRUdJTi[A-Za-z0-9+/=]{12,})",
            before: 0,
            after: 24_000,
        },
        Shape {
            what: "k3s-token",
            anchors: &["k10"],
            pattern: r"(K10[0-9a-f]{64}(?:::[A-Za-z0-9_.\-]+(?::[^\s\x22\x27\\,;]+)?)?)",
            before: 0,
            after: 400,
        },
        Shape {
            what: "jwt",
            anchors: &["eyj"],
            pattern: r"(eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?)",
            before: 0,
            after: 8_000,
        },
        Shape {
            what: "age-key",
            anchors: &["age-secret-key-"],
            pattern: r"(AGE-SECRET-KEY-[A-Z0-9\-]{10,})",
            before: 0,
            after: 300,
        },
        Shape {
            what: "provider-token",
            anchors: &[
                "ghp_",
                "gho_",
                "ghs_",
                "ghu_",
                "github_pat_",
                "glpat-",
                "xoxb-",
                "xoxp-",
                "xoxa-",
                "npm_",
                "dckr_pat_",
                "hvs.",
                "sk_live_",
                "shpat_",
            ],
            pattern: r"\b((?:gh[posu]_|github_pat_|glpat-|xox[bpa]-|npm_|dckr_pat_|hvs\.|sk_live_|shpat_)[A-Za-z0-9_\-]{16,})",
            before: 1,
            after: 300,
        },
        Shape {
            what: "aws-key",
            anchors: &["akia", "asia"],
            pattern: r"\b((?:AKIA|ASIA)[A-Z0-9]{16})\b",
            before: 1,
            after: 40,
        },
        Shape {
            what: "url-credentials",
            anchors: &["://"],
            pattern: r"://[^\s/@:\x22\x27<>]{0,80}:([^\s/@\x22\x27<>]{1,200})@",
            before: 0,
            after: 400,
        },
        Shape {
            what: "authorization",
            anchors: &["authorization", "bearer "],
            pattern: r"(?i)(?:authorization\\?[\x22\x27]?\s*[:=]\s*\\?[\x22\x27]?\s*(?:basic|bearer|token)|\bbearer)\s+([A-Za-z0-9._~+/=\-]{12,})",
            before: 1,
            after: 8_000,
        },
        Shape {
            what: "docker-auth",
            anchors: &["\"auth\"", "\\\"auth\\\""],
            pattern: r"auth\\*\x22\s*:\s*\\*\x22([A-Za-z0-9+/=]{8,})",
            before: 0,
            after: 600,
        },
        // `--token VALUE`, `--password=VALUE`
        Shape {
            what: "argument",
            anchors: &["--"],
            pattern: r"(?i)--(?:[a-z0-9]+-)*(?:token|password|passwd|secret|api-key|secret-key|access-key|private-key)[= ]\x22?([^\s\x22\x27,\]\[]{4,})",
            before: 0,
            after: 600,
        },
        // `[ "--token", "VALUE" ]` as lists of arguments are written.
        Shape {
            what: "argument",
            anchors: &["--"],
            pattern: r"(?i)--(?:[a-z0-9]+-)*(?:token|password|passwd|secret|api-key|secret-key|access-key|private-key)[\x22\x27]?\s*,?\s*(?:-\s+|[\x22\x27])([^\s\x22\x27,\]\[]{4,})",
            before: 0,
            after: 600,
        },
    ]
}

/// Parts of names that make a value a secret.
const WORDS: &[&str] = &[
    "passw",
    "passphrase",
    "token",
    "secret",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "accesskey",
    "access-key",
    "private_key",
    "privatekey",
    "private-key",
    "encryption_key",
    "encryption-key",
    "encryptionkey",
    "credential",
    "pwd",
    "psk",
];

static ENV_AFTER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // name before value, in YAML or JSON, plain or escaped.
    Regex::new(&format!(
        r#"(?i)\bname\\*["']?\s*:\s*\\*["']?{NAMES}(?:[_\-][a-z0-9]+)?\\*["']?\s*,?\s*\\*["']?value\\*["']?\s*:[ \t]*([^\r\n]+)"#
    ))
    .ok()
});

static ENV_BEFORE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r#"(?i)\bvalue\\*["']?\s*:[ \t]*([^\r\n]+?),?\s*\\*["']?name\\*["']?\s*:\s*\\*["']?{NAMES}\b"#
    ))
    .ok()
});

static PAIR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // `password: x`, `"dbPassword":"x"`, `DB_PASSWORD=x`; not `secretName: x`, `key: password`.
    Regex::new(&format!(
        r#"(?i)(?:^|[^a-z0-9_.\-]){NAMES}(?:\\*["'])?[ \t]*(?::[ \t]*|=)(\S[^\r\n]*)"#
    ))
    .ok()
});

static ANCHORS: LazyLock<Option<(AhoCorasick, Vec<Source>)>> = LazyLock::new(|| {
    let mut literals = Vec::new();
    let mut sources = Vec::new();
    for (i, (shape, _)) in SHAPES.iter().enumerate() {
        for anchor in shape.anchors {
            literals.push((*anchor).to_owned());
            sources.push(Source::Shape(i));
        }
    }
    for word in WORDS {
        literals.push((*word).to_owned());
        sources.push(Source::Name);
    }
    let automaton = AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .build(literals)
        .ok()?;
    Some((automaton, sources))
});

#[derive(Clone, Copy)]
enum Source {
    Shape(usize),
    Name,
}

pub(super) fn cuts(bytes: &[u8]) -> Vec<Cut> {
    let Some((automaton, sources)) = &*ANCHORS else {
        return Vec::new();
    };
    let mut out: Vec<Cut> = Vec::new();
    for hit in automaton.find_overlapping_iter(bytes) {
        match sources.get(hit.pattern().as_usize()) {
            Some(Source::Shape(i)) => {
                if let Some((shape, regex)) = SHAPES.get(*i) {
                    let from = hit.start().saturating_sub(shape.before);
                    let to = (hit.end() + shape.after).min(bytes.len());
                    let window = bytes.get(from..to).unwrap_or_default();
                    if let Some(found) = regex.captures(window)
                        && found
                            .get(0)
                            .is_some_and(|m| from + m.start() <= hit.start())
                        && let Some(group) = found.get(1)
                        && !harmless(group.as_bytes())
                    {
                        out.push(Cut {
                            range: from + group.start()..from + group.end(),
                            what: shape.what,
                            quoted: false,
                        });
                    }
                }
            }
            Some(Source::Name) => named(bytes, hit.start(), &mut out),
            None => {}
        }
    }
    out
}

/// A name that says "secret" stands at `at`: the value beside it, if there is one.
fn named(bytes: &[u8], at: usize, out: &mut Vec<Cut>) {
    let line = crate::line_range(bytes, at);
    let from = line.start.max(at.saturating_sub(512));
    let to = line.end.min(at + 2048);
    let window = bytes.get(from..to).unwrap_or_default();
    if let Some(found) = PAIR.as_ref().and_then(|r| {
        r.captures(
            bytes
                .get(from.max(at.saturating_sub(80))..to)
                .unwrap_or_default(),
        )
    }) && let Some(group) = found.get(1)
    {
        let base = from.max(at.saturating_sub(80));
        push_value(bytes, base + group.start()..base + group.end(), out);
    }
    // An environment variable spreads over two fields, often on two lines.
    if !contains_name_field(window) {
        return;
    }
    let next = crate::line_range(bytes, (line.end + 1).min(bytes.len()));
    let both = bytes.get(from..next.end.min(at + 8192)).unwrap_or_default();
    if let Some(found) = ENV_AFTER.as_ref().and_then(|r| r.captures(both))
        && let Some(group) = found.get(1)
    {
        push_value(bytes, from + group.start()..from + group.end(), out);
    }
    let before = crate::line_range(bytes, line.start.saturating_sub(1));
    let start = if before.end < line.start {
        before.start.max(at.saturating_sub(8192))
    } else {
        from
    };
    let both = bytes.get(start..to).unwrap_or_default();
    if let Some(found) = ENV_BEFORE.as_ref().and_then(|r| r.captures(both))
        && let Some(group) = found.get(1)
    {
        push_value(bytes, start + group.start()..start + group.end(), out);
    }
}

fn contains_name_field(window: &[u8]) -> bool {
    memchr::memmem::find(window, b"name").is_some()
}

/// Takes out one value: the inside of quotes, or the plain rest of the line.
fn push_value(bytes: &[u8], range: std::ops::Range<usize>, out: &mut Vec<Cut>) {
    let text = bytes.get(range.clone()).unwrap_or_default();
    let slashes = text.iter().take_while(|b| **b == b'\\').count();
    let inside = match text.get(slashes) {
        Some(quote @ (b'"' | b'\'')) => {
            let start = slashes + 1;
            let rest = text.get(start..).unwrap_or_default();
            // The closing quote carries as many backslashes as the opening one.
            let mut end = rest.len();
            let mut run = 0;
            for (i, b) in rest.iter().enumerate() {
                if b == quote && run <= slashes {
                    end = i - run;
                    break;
                }
                run = if *b == b'\\' { run + 1 } else { 0 };
            }
            start..start + end
        }
        Some(_) => {
            // The first word only, unless the whole line is one plain YAML scalar.
            let end = text
                .iter()
                .position(|b| {
                    matches!(
                        b,
                        b' ' | b'\t' | b',' | b'"' | b'\'' | b'&' | b';' | b'}' | b']' | b')'
                    )
                })
                .unwrap_or(text.len());
            0..end
        }
        None => return,
    };
    let value = text.get(inside.clone()).unwrap_or_default();
    if harmless(value) {
        return;
    }
    out.push(Cut {
        range: range.start + inside.start..range.start + inside.end,
        what: "named-value",
        quoted: false,
    });
}

/// Values that are no secrets: references, flags, numbers of seconds, block marks, what is already gone.
fn harmless(value: &[u8]) -> bool {
    if value.len() < 3
        || value.starts_with(b"[redacted")
        || value.starts_with(b"$(")
        || value.starts_with(b"${")
    {
        return true;
    }
    if matches!(
        value.first(),
        Some(b'{' | b'[' | b'|' | b'>' | b'*' | b'&' | b'<' | b'/' | b'%')
    ) {
        return true;
    }
    matches!(
        value,
        b"true"
            | b"false"
            | b"null"
            | b"nil"
            | b"none"
            | b"None"
            | b"not"
            | b"the"
            | b"must"
            | b"mismatch"
            | b"invalid"
            | b"expired"
            | b"missing"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pattern that does not compile would be left out in silence, and secrets with it.
    #[test]
    fn every_pattern_compiles() {
        assert_eq!(SHAPES.len(), table().len());
        assert!(ENV_AFTER.is_some() && ENV_BEFORE.is_some() && PAIR.is_some() && ANCHORS.is_some());
    }
}
