//! A text that comes in pieces loses the same secrets as one that comes whole.
//!
//! Deliberately absent: what is a secret (`canaries`).

#![expect(clippy::indexing_slicing, reason = "tests")]

mod canary;

use canary::escaped;
use defib_formats::redact::{in_pieces, redact};

fn journal(n: usize) -> String {
    format!(
        "Nov 21 10:00:{:02} n1 k3s[1]: time=\"2026-11-21T10:00:{:02}Z\" level=info msg=\"line {n}\"\n",
        n % 60,
        n % 60
    )
}

#[test]
fn pieces_lose_what_the_whole_loses() {
    for c in canary::all() {
        let mut text = String::new();
        for n in 0..6 {
            text.push_str(&journal(n));
        }
        text.push_str(&c.text);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        for n in 6..12 {
            text.push_str(&journal(n));
        }
        text.push_str(&format!(
            "{{\"level\":\"warn\",\"msg\":\"{}\"}}\n{}",
            escaped(&c.text),
            journal(12)
        ));
        let whole = redact(text.as_bytes());
        for needle in &c.needles {
            assert!(!String::from_utf8_lossy(&whole.text).contains(needle.as_str()));
        }
        for size in [1, 37, 64, 256, 777, 4096] {
            let pieces = in_pieces(text.as_bytes(), size);
            let said = String::from_utf8_lossy(&pieces.text);
            for needle in &c.needles {
                assert!(!said.contains(needle.as_str()), "{} in {size}", c.name);
            }
            assert_eq!(said.lines().count(), text.lines().count(), "{}", c.name);
            // An object without an end takes innocent lines along, the more of them the more there are.
            if !c.name.contains("cut") {
                assert_eq!(said, String::from_utf8_lossy(&whole.text), "{}", c.name);
                assert_eq!(pieces.taken, whole.taken, "{} in {size}", c.name);
            }
        }
    }
}

/// Between lines that no logger began a piece ends far from secrets; in one line without an end it ends
/// somewhere, and never inside of a secret.
#[test]
fn no_secret_is_cut_in_two() {
    let secret = "password=canary-9001-Pw ";
    let mut lines = String::new();
    let mut endless = String::new();
    for n in 0..40_000 {
        lines.push_str(&format!("row {n} of something that nobody dated\n"));
        endless.push_str(&format!("word{n} and again "));
        if n % 500 == 0 {
            lines.push_str(secret);
            lines.push('\n');
        }
        if n % 90 == 0 {
            endless.push_str(secret);
        }
    }
    while endless.len() < 20 << 20 {
        endless.extend_from_within(..endless.len().min(4 << 20));
    }
    for (text, size) in [(&lines, 10_000), (&endless, 8 << 20)] {
        let whole = redact(text.as_bytes());
        let pieces = in_pieces(text.as_bytes(), size);
        assert!(memchr::memmem::find(&pieces.text, b"canary-9001").is_none());
        assert!(whole.taken.values().sum::<u64>() >= 80);
        assert_eq!(pieces.taken, whole.taken);
        assert_eq!(pieces.text, whole.text);
    }
}

/// A secret without an end goes on to the end, however many pieces there are.
#[test]
fn a_key_over_many_pieces_goes_whole() {
    let mut text = journal(1);
    text.push_str("-----BEGIN RSA PRIVATE KEY-----\n");
    for n in 0..60 {
        text.push_str(&format!(
            "canaryKEYbody{n:04}QUJDREVGR0hJSktMTU5PUFFSU1RVVldY\n"
        ));
    }
    text.push_str("-----END RSA PRIVATE KEY-----\n");
    text.push_str(&journal(2));
    let pieces = in_pieces(text.as_bytes(), 100);
    let said = String::from_utf8_lossy(&pieces.text);
    assert!(!said.contains("canaryKEY"), "{said}");
    assert_eq!(said.lines().count(), text.lines().count());
}
