//! JSON as ranges of bytes: values, list items and fields are found by structure, without a tree.
//!
//! A dump that was cut in the middle still gives all items that are whole. Nothing here recurses, so
//! depth costs nothing. Deliberately absent: values as types; `serde_json` does that, one item at a time.

use std::ops::Range;

/// What stands at one place of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole value.
    Whole(Range<usize>),
    /// A value that starts here and is cut by the end of the text.
    Cut(usize),
    /// Something that is no value.
    Broken(usize),
    /// Nothing but white space up to the end.
    End,
}

fn byte(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).copied()
}

/// Is this one value, and nothing else behind it? What is found by structure need not hold.
pub fn is_whole(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// The next byte that is no white space.
pub fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(byte(text, at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// One past the closing quote of the string that opens at `at`.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut i = at + 1;
    loop {
        i += memchr::memchr2(b'"', b'\\', text.get(i..)?)?;
        if byte(text, i) == Some(b'"') {
            return Some(i + 1);
        }
        i += 2;
    }
}

/// The value at or after `at`.
pub fn value(text: &[u8], at: usize) -> Value {
    let start = skip_space(text, at);
    match byte(text, start) {
        None => Value::End,
        Some(b'"') => string_end(text, start).map_or(Value::Cut(start), |e| Value::Whole(start..e)),
        Some(b'{' | b'[') => {
            let mut depth = 0usize;
            let mut i = start;
            while let Some(b) = byte(text, i) {
                match b {
                    b'"' => match string_end(text, i) {
                        Some(e) => {
                            i = e;
                            continue;
                        }
                        None => return Value::Cut(start),
                    },
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Value::Whole(start..i + 1);
                        }
                    }
                    _ => {}
                }
                i += 1;
            }
            Value::Cut(start)
        }
        Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
            let mut end = start;
            while matches!(
                byte(text, end),
                Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
            ) {
                end += 1;
            }
            Value::Whole(start..end)
        }
        Some(_) => Value::Broken(start),
    }
}

/// The text of a string value without quotes; escapes are resolved.
pub fn string_at(text: &[u8], range: &Range<usize>) -> Option<String> {
    let raw = text.get(range.clone())?;
    serde_json::from_slice(raw).ok()
}

/// The fields of the object at `range`: key, key's range, value's range. Stops where it breaks.
pub struct Fields<'a> {
    text: &'a [u8],
    at: usize,
    end: usize,
    broken: bool,
}

/// Walks the fields of an object that may be cut.
pub fn fields(text: &[u8], start: usize, end: usize) -> Fields<'_> {
    let at = if byte(text, start) == Some(b'{') {
        start + 1
    } else {
        end
    };
    Fields {
        text,
        at,
        end: end.min(text.len()),
        broken: false,
    }
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The key, escapes resolved.
    pub key: String,
    /// Where the key stands, with its quotes.
    pub key_at: Range<usize>,
    /// The value; `Cut` for the last one of a cut text.
    pub value: Value,
}

impl Fields<'_> {
    /// Asked at the end of the walk: where the object breaks, if it does.
    pub fn broken_at(&self) -> Option<usize> {
        let at = skip_space(self.text, self.at);
        (byte(self.text, at) != Some(b'}') && self.at < self.end).then_some(at)
    }
}

impl Iterator for Fields<'_> {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        let mut at = skip_space(self.text, self.at);
        if byte(self.text, at) == Some(b',') {
            at = skip_space(self.text, at + 1);
        }
        if self.broken || at >= self.end || byte(self.text, at) != Some(b'"') {
            return None;
        }
        let Value::Whole(key_at) = value(self.text, at) else {
            return None;
        };
        let colon = skip_space(self.text, key_at.end);
        if byte(self.text, colon) != Some(b':') {
            return None;
        }
        let key = string_at(self.text, &key_at)?;
        let value = value(self.text, colon + 1);
        self.at = match &value {
            Value::Whole(r) => r.end,
            // Nothing behind it can be trusted; the place itself is remembered.
            Value::Broken(at) => {
                self.broken = true;
                *at
            }
            _ => self.end,
        };
        Some(Field { key, key_at, value })
    }
}

/// The elements of an array that may be cut.
pub struct Elements<'a> {
    text: &'a [u8],
    at: usize,
}

/// Walks the elements of the array that opens at `start`.
pub fn elements(text: &[u8], start: usize) -> Elements<'_> {
    let at = if byte(text, start) == Some(b'[') {
        start + 1
    } else {
        text.len()
    };
    Elements { text, at }
}

impl Iterator for Elements<'_> {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let mut at = skip_space(self.text, self.at);
        if byte(self.text, at) == Some(b',') {
            at = skip_space(self.text, at + 1);
        }
        if matches!(byte(self.text, at), None | Some(b']')) {
            return None;
        }
        let got = value(self.text, at);
        self.at = match &got {
            Value::Whole(r) => r.end,
            _ => self.text.len(),
        };
        (got != Value::End).then_some(got)
    }
}

/// The same JSON without white space, and without the contents of managed fields (`fieldsV1`),
/// which are the larger half of many objects and say nothing that a rule reads.
pub fn compact(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2 / 3);
    let mut i = 0;
    while let Some(b) = byte(text, i) {
        match b {
            b' ' | b'\t' | b'\r' | b'\n' => i += 1,
            b'"' => {
                let end = string_end(text, i).unwrap_or(text.len());
                let string = text.get(i..end).unwrap_or_default();
                out.extend_from_slice(string);
                i = end;
                if string == b"\"fieldsV1\"" {
                    let colon = skip_space(text, i);
                    if byte(text, colon) == Some(b':')
                        && let Value::Whole(r) = value(text, colon + 1)
                    {
                        out.extend_from_slice(b":{}");
                        i = r.end;
                    }
                }
            }
            _ => {
                out.push(b);
                i += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_list_gives_its_whole_items() {
        let text = br#"{"kind":"PodList","items":[{"a":1},{"b":[2,"]}"]},{"c":"#;
        let field = fields(text, 0, text.len()).nth(1).unwrap();
        assert_eq!(
            (field.key.as_str(), &field.value),
            ("items", &Value::Cut(26))
        );
        let got: Vec<_> = elements(text, 26).collect();
        assert_eq!(got.len(), 3);
        assert!(matches!(&got[1], Value::Whole(r) if &text[r.clone()] == br#"{"b":[2,"]}"]}"#));
        assert!(matches!(got[2], Value::Cut(_)));
    }

    #[test]
    fn depth_costs_nothing() {
        let text = "[".repeat(200_000);
        assert_eq!(value(text.as_bytes(), 0), Value::Cut(0));
        let whole = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(value(whole.as_bytes(), 0), Value::Whole(0..200_000));
    }

    #[test]
    fn compact_drops_space_and_managed_fields() {
        let text = br#"{ "a" : "x y", "managedFields":[{"manager":"m","fieldsV1":{"f:a":{}} }] }"#;
        assert_eq!(
            std::str::from_utf8(&compact(text)).unwrap(),
            r#"{"a":"x y","managedFields":[{"manager":"m","fieldsV1":{}}]}"#
        );
    }
}
