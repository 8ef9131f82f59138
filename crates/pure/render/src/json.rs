//! JSON that is safe to look at: what a terminal would obey is written as an escape, which
//! reads back as the same text.
//!
//! Deliberately absent: any change of values.

use std::fmt::Write;

use defib_model::text::is_unsafe;

/// The same JSON text, with what a terminal would obey as escapes.
pub fn safe(json: &str) -> String {
    escape(json, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// In JSON and YAML text, such characters stand in quoted strings only; line ends are the notation's.
pub(crate) fn escape(text: &str, with: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_unsafe(c) {
            with(c, &mut out);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_reads_back_as_it_was() {
        let value = serde_json::json!({"a": "x\u{1b}[2J\u{202e}\u{9b}\u{e0001}\u{2028}\n"});
        let text = safe(&format!("{value:#}"));
        assert!(
            !text.trim_end().contains(|c| c != '\n' && is_unsafe(c)),
            "{text:?}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
