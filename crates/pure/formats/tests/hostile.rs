//! Whatever bytes come: no panic, no lost line, no invalid JSON out of valid JSON.
//!
//! Deliberately absent: the shapes of secrets; `canaries` has them.

use defib_formats::redact::{redact, redact_json, redact_vec};
use defib_formats::{json, locate, log, sniff, yaml};
use proptest::prelude::*;

/// Text made of the pieces that readers and redactors stumble over.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "kind: Secret\n",
            "\"kind\":\"Secret\"",
            "data:",
            "stringData:\n  ",
            "{",
            "}",
            "[",
            "]",
            "\"",
            "'",
            "\\",
            "\\n",
            "\\\"",
            ":",
            ": ",
            ",",
            "\n",
            "\r\n",
            "- ",
            "|\n  ",
            ">-\n",
            "---\n",
            "&a ",
            "*a",
            "!!str ",
            "password",
            "token: ",
            "DB_PASSWORD=",
            "name: API_KEY",
            "value: ",
            "--token",
            "://u:p@h/",
            "@tcp(",
            "-----BEGIN PRIVATE KEY-----",
            "-----END",
            "UFJJVkFURSBLRV",
            "K10",
            "eyJhbGciOi",
            "Bearer ",
            "\u{feff}",
            "\0",
            "\u{202e}",
            "é",
            "<redacted:x:3>",
            "apiVersion: v1\n",
            "items:\n",
            "metadata: {name: a}\n",
            "==== START logs for container c of pod n/p ====\n",
            "auth\":\"",
            "cookie: ",
            "  ",
            "\t",
            "? ",
            "#",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,12}",
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|p| p.concat())
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        soup().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "kind",
            "data",
            "stringData",
            "metadata",
            "password",
            "name",
            "value",
            "token",
            "items",
            "auth"
        ])
        .prop_map(str::to_owned),
        soup(),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_lines_stay(text in soup()) {
        let got = redact(text.as_bytes()).text.into_owned();
        prop_assert_eq!(
            memchr::memchr_iter(b'\n', &got).count(),
            text.matches('\n').count(),
            "{}", String::from_utf8_lossy(&got)
        );
        prop_assert_eq!(&redact_vec(text.clone().into_bytes()).0, &got);
        let _ = sniff::looks(&got);
        let _ = json::compact(&got);
        yaml::documents(&text, |d| {
            if let Ok(d) = &d {
                let parsed = serde_json::from_slice::<serde_json::Value>(&d.json);
                assert!(parsed.is_ok(), "{text:?} -> {}", String::from_utf8_lossy(&d.json));
                let _ = locate::field(text.as_bytes(), d.source.clone(), "/metadata/name");
            }
            true
        });
        log::lines(text.as_bytes(), |_, _, line| {
            if let Ok(line) = std::str::from_utf8(line) {
                let _ = (log::time_of(line), log::dump_mark(line), log::unescape(line));
            }
        });
    }

    #[test]
    fn bytes_that_are_no_text(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let got = redact(&bytes).text.into_owned();
        prop_assert_eq!(&redact_vec(bytes.clone()).0, &got);
        let _ = (sniff::looks(&bytes), json::value(&bytes, 0), json::compact(&bytes));
        let _ = locate::field(&bytes, 0..bytes.len(), "/a/0/b");
    }

    #[test]
    fn json_stays_json(value in tree(), pretty in any::<bool>()) {
        let value = serde_json::json!({"apiVersion": "v1", "items": [value], "kind": "List"});
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let got = redact(text.as_bytes()).text.into_owned();
        let still = serde_json::from_slice::<serde_json::Value>(&got);
        prop_assert!(still.is_ok(), "{}\n{}", text, String::from_utf8_lossy(&got));
        // Of no kind that is known, and cut all the same.
        let row = serde_json::json!({"cells": value["items"], "object": value}).to_string();
        prop_assert!(redact_json(row.as_bytes()).is_some(), "{}", row);
    }

    #[test]
    fn cut_anywhere(value in tree(), at in 0usize..4000) {
        let text = value.to_string();
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) { at -= 1; }
        let head = &text[..at];
        let _ = redact(head.as_bytes());
        let _ = json::value(head.as_bytes(), 0);
        let _: Vec<_> = json::fields(head.as_bytes(), 0, head.len()).collect();
        let _: Vec<_> = json::elements(head.as_bytes(), 0).take(10_000).collect();
        yaml::documents(head, |_| true);
    }

    /// Whatever value a Secret's key has, nothing of it is left.
    #[test]
    fn secret_values_never_survive(value in "[a-zA-Z0-9 #:,{}'\"|>-]{8,40}", key in "[a-z][a-z0-9.-]{0,8}", form in 0usize..5) {
        let quoted = serde_json::to_string(&value).unwrap();
        let inner = &quoted[1..quoted.len() - 1];
        let manifest = format!("{{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"s\"}},\"stringData\":{{\"{key}\":{quoted}}}}}");
        let text = match form {
            0 => manifest.clone(),
            1 => format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  {key}: {quoted}\n"),
            2 => format!("{{\"kind\":\"ConfigMap\",\"data\":{{\"x\":{}}}}}", serde_json::to_string(&manifest).unwrap()),
            3 => format!("2026 applying {manifest}\n"),
            _ => format!("stringData:\n  {key}: |2\n      {value}\nkind: Secret\n"),
        };
        let got = String::from_utf8_lossy(&redact(text.as_bytes()).text).into_owned();
        if form == 4 || form == 1 || form == 0 {
            prop_assert!(!got.contains(inner) || key.contains(inner), "{text}\n{got}");
            prop_assert!(!got.contains(value.trim()), "{text}\n{got}");
        } else {
            prop_assert!(!got.contains(value.trim()), "{text}\n{got}");
        }
    }
}
