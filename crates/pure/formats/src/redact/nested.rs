//! Text inside escaped strings: a manifest in an annotation, a `.env` file in a ConfigMap, JSON in a log.
//!
//! Such a string is unescaped, searched like any other text, and what is found is taken out of the
//! string as it stands. Deliberately absent: more than three levels.

use super::Cut;

/// Levels of strings in strings.
const LEVELS: u8 = 3;
/// Bytes of a string that are looked at together.
const CHUNK: usize = 4 << 20;

/// Finds what stands in the strings of this text.
pub(super) fn cuts(bytes: &[u8], level: u8, out: &mut Vec<Cut>) {
    if level >= LEVELS {
        return;
    }
    let mut i = 0;
    // Sought once per line and not per string: what an API server answers is one line of megabytes.
    let mut line = 0..0;
    while let Some(n) = memchr::memchr(b'\\', bytes.get(i..).unwrap_or_default()) {
        let at = i + n;
        if !matches!(bytes.get(at + 1), Some(b'n' | b'"' | b'u')) {
            i = at + 2;
            continue;
        }
        if at >= line.end {
            line = crate::line_range(bytes, at);
        }
        let head = bytes.get(line.start..at).unwrap_or_default();
        let start = memchr::memrchr(b'"', head).map_or(line.start, |q| line.start + q + 1);
        let end = string_end(bytes, at, line.end);
        let mut from = start.max(i);
        while from < end {
            let mut to = (from + CHUNK).min(end);
            // Not between a backslash and what it escapes.
            while to < end && to > from + 1 && bytes.get(to - 1) == Some(&b'\\') {
                to -= 1;
            }
            inner(bytes, from, to, level, out);
            from = to;
        }
        i = end.max(at + 2);
    }
}

/// The quote that ends the string in which `at` stands, or the end of the line.
fn string_end(bytes: &[u8], mut at: usize, limit: usize) -> usize {
    while let Some(n) = memchr::memchr2(b'"', b'\\', bytes.get(at..limit).unwrap_or_default()) {
        at += n;
        if bytes.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    limit
}

fn inner(bytes: &[u8], from: usize, to: usize, level: u8, out: &mut Vec<Cut>) {
    let (text, places) = unescape(bytes, from, to);
    for cut in super::cuts(&text, level + 1) {
        let place = |i: usize| places.get(i).map_or(to, |p| from + *p as usize);
        out.push(Cut {
            range: place(cut.range.start)..place(cut.range.end),
            what: cut.what,
            quoted: false,
        });
    }
}

/// The text of a string, and for every byte of it where it stood.
fn unescape(bytes: &[u8], from: usize, to: usize) -> (Vec<u8>, Vec<u32>) {
    let said = bytes.get(from..to).unwrap_or_default();
    let mut text = Vec::with_capacity(said.len());
    let mut places = Vec::with_capacity(said.len());
    let mut i = 0;
    while let Some(b) = said.get(i) {
        let (byte, length) = match (b, said.get(i + 1)) {
            (b'\\', Some(b'n')) => (b'\n', 2),
            (b'\\', Some(b't')) => (b'\t', 2),
            (b'\\', Some(b'r')) => (b'\r', 2),
            (b'\\', Some(c @ (b'"' | b'\\' | b'/' | b'\''))) => (*c, 2),
            (b'\\', Some(b'u')) => match code(said, i + 2) {
                Some(c) => (c, 6),
                None => (b'\\', 1),
            },
            _ => (*b, 1),
        };
        text.push(byte);
        places.push(i as u32);
        i += length;
    }
    (text, places)
}

/// `\u0026` and its like: only those that stand for ASCII.
fn code(said: &[u8], at: usize) -> Option<u8> {
    let digits = std::str::from_utf8(said.get(at..at + 4)?).ok()?;
    u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)
}
