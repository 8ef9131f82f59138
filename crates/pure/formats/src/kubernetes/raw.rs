//! JSON that a value carries as bytes, checked and without white space.
//!
//! Go passes such bytes through its own `Compact`, which refuses what is no JSON and escapes HTML's
//! characters; the same is done here. Deliberately absent: values; nothing is parsed into anything.

use super::scalars::{escape, plain};

/// How deep arrays and objects may lie in one another: Go's own bound.
const DEEPEST: usize = 10_000;

/// Appends the JSON without its white space; otherwise nothing, and the offset at which it is wrong.
pub(super) fn compact(raw: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    let begin = out.len();
    // What is no UTF-8 becomes so: readers of JSON insist on it.
    let text = String::from_utf8_lossy(raw);
    let mut scan = Scan {
        all: text.len(),
        rest: text.as_bytes(),
        out,
        open: Vec::new(),
    };
    let done = scan.run();
    let at = scan.all - scan.rest.len();
    done.ok_or(at).inspect_err(|_| out.truncate(begin))
}

struct Scan<'a, 'o> {
    all: usize,
    rest: &'a [u8],
    out: &'o mut Vec<u8>,
    /// The closing brackets that are owed.
    open: Vec<u8>,
}

impl Scan<'_, '_> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Takes this byte, if it is next.
    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((next, rest)) if *next == byte => {
                self.rest = rest;
                self.out.push(byte);
                true
            }
            _ => false,
        }
    }

    fn run(&mut self) -> Option<()> {
        loop {
            self.space();
            // A value begins here.
            let opened = if self.take(b'{') {
                Some(b'}')
            } else if self.take(b'[') {
                Some(b']')
            } else {
                self.scalar()?;
                None
            };
            if let Some(close) = opened {
                if self.open.len() == DEEPEST {
                    return None;
                }
                self.open.push(close);
                self.space();
                if self.rest.first() != Some(&close) {
                    if close == b'}' {
                        self.key()?;
                    }
                    continue;
                }
            }
            // A value has ended; so may what is around it.
            loop {
                self.space();
                let Some(&close) = self.open.last() else {
                    return self.rest.is_empty().then_some(());
                };
                if self.take(close) {
                    self.open.pop();
                } else if self.take(b',') {
                    if close == b'}' {
                        self.key()?;
                    }
                    break;
                } else {
                    return None;
                }
            }
        }
    }

    fn key(&mut self) -> Option<()> {
        self.space();
        self.string()?;
        self.space();
        self.take(b':').then_some(())
    }

    fn scalar(&mut self) -> Option<()> {
        if self.rest.first() == Some(&b'"') {
            return self.string();
        }
        for word in [&b"null"[..], b"true", b"false"] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                self.out.extend_from_slice(word);
                return Some(());
            }
        }
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.out.extend_from_slice(digits);
        self.rest = rest;
        (count > 0).then_some(())
    }

    fn string(&mut self) -> Option<()> {
        if !self.take(b'"') {
            return None;
        }
        loop {
            let (clean, dirty) = self.rest.split_at_checked(plain(self.rest))?;
            self.out.extend_from_slice(clean);
            self.rest = dirty;
            match dirty {
                [b'"', ..] => {
                    self.take(b'"');
                    return Some(());
                }
                [b'\\', b'u', a, b, c, d, ..]
                    if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
                {
                    self.copy(6)?;
                }
                [
                    b'\\',
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    ..,
                ] => {
                    self.copy(2)?;
                }
                [] | [b'\\' | 0..0x20, ..] => return None,
                [byte, behind @ ..] => self.rest = escape(self.out, *byte, behind),
            }
        }
    }

    fn copy(&mut self, count: usize) -> Option<()> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.out.extend_from_slice(head);
        self.rest = rest;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compacted(text: &str) -> Result<String, usize> {
        let mut out = b"before".to_vec();
        let done = compact(text.as_bytes(), &mut out);
        let text = String::from_utf8(out).unwrap();
        let text = text.strip_prefix("before").unwrap().to_owned();
        assert!(done.is_ok() || text.is_empty());
        done.map(|()| text)
    }

    #[test]
    fn json_loses_its_space_and_nothing_else() {
        assert_eq!(
            compacted(" { \"a b\" : [ 1 , -2.5e+3 , true ] ,\n\"c\":{ } }\n").as_deref(),
            Ok(r#"{"a b":[1,-2.5e+3,true],"c":{}}"#)
        );
        assert_eq!(
            compacted(r#""<\u00e9\"&""#).as_deref(),
            Ok(r#""\u003c\u00e9\"\u0026""#)
        );
        for wrong in [
            "",
            "{",
            "{]",
            "[1,]",
            "{\"a\"}",
            "01",
            "1.",
            "nul",
            "\"\u{1}\"",
            "\"\\x\"",
            "1 2",
            "\"",
            "{,}",
        ] {
            assert!(compacted(wrong).is_err(), "{wrong}");
        }
        assert_eq!(compacted(&"[".repeat(20_000)), Err(10_001));
    }

    proptest! {
        #[test]
        fn what_serde_refuses_is_refused(text in "[\\[\\]{}\",:0-9a-f\\\\ .eE+-]{0,24}|\\PC{0,16}") {
            let mine = compacted(&text);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match (mine, theirs) {
                (Ok(mine), Ok(theirs)) => prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&mine).unwrap(), theirs),
                (Err(_), Err(_)) => {}
                // Numbers too large for a double and halves of surrogates are well-formed all the same.
                (Ok(_), Err(theirs)) => {
                    let theirs = theirs.to_string();
                    prop_assert!(theirs.contains("number out of range") || theirs.contains("surrogate") || theirs.contains("hex escape"), "{}", theirs);
                }
                (Err(at), Ok(_)) => prop_assert!(false, "refused at {}", at),
            }
        }
    }
}
