//! `Secret` objects inside other text: in a log, in a ConfigMap, in an annotation, in a file that does
//! not parse.
//!
//! Found by the words `kind: Secret`; the object around them is bounded by braces or by indentation.
//! It is the net below `objects`, so it is content with less than a parser. Deliberately absent: objects
//! with a prefix on every line.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Cut;
use super::tokens::Strings;

/// How far back the object of a mark may begin.
const BACK: usize = 256 << 10;

fn at(bytes: &[u8], i: usize) -> Option<u8> {
    bytes.get(i).copied()
}

fn behind(bytes: &[u8], i: usize) -> Option<u8> {
    i.checked_sub(1).and_then(|i| at(bytes, i))
}

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

/// A place that says `kind: Secret`.
pub(super) struct Mark {
    /// Where `kind` stands.
    pub(super) key: usize,
    /// Behind the word.
    end: usize,
    /// `SecretList`.
    list: bool,
}

/// All such places.
pub(super) fn marks(bytes: &[u8]) -> Vec<Mark> {
    memchr::memmem::find_iter(bytes, b"Secret")
        .filter_map(|pos| mark(bytes, pos))
        .collect()
}

fn mark(bytes: &[u8], pos: usize) -> Option<Mark> {
    let mut end = pos + 6;
    let list = bytes.get(end..end + 4) == Some(b"List");
    if list {
        end += 4;
    }
    if at(bytes, end).is_some_and(is_name) {
        return None;
    }
    let quote = |mut i: usize| {
        if matches!(behind(bytes, i), Some(b'"' | b'\'')) {
            i -= 1;
            while behind(bytes, i) == Some(b'\\') {
                i -= 1;
            }
        }
        i
    };
    let space = |mut i: usize| {
        while behind(bytes, i).is_some_and(|b| b.is_ascii_whitespace()) && pos - i < 256 {
            i -= 1;
        }
        i
    };
    let mut i = space(quote(pos));
    // YAML's tags and anchors: `kind: !!str Secret`.
    if i < pos && behind(bytes, i) != Some(b':') {
        let mut j = i;
        while behind(bytes, j).is_some_and(|b| !b.is_ascii_whitespace()) && i - j < 40 {
            j -= 1;
        }
        if matches!(at(bytes, j), Some(b'!' | b'&')) {
            i = space(j);
        }
    }
    if behind(bytes, i) != Some(b':') {
        return None;
    }
    let word = quote(space(i - 1));
    let key = word.checked_sub(4)?;
    // In an escaped string it is `nested`'s.
    let escaped = at(bytes, word) == Some(b'\\');
    (bytes.get(key..word)?.eq_ignore_ascii_case(b"kind")
        && !escaped
        && !behind(bytes, key).is_some_and(is_name))
    .then_some(Mark { key, end, list })
}

/// `strings` are those of bytes that are JSON: what is written in one ends with it.
pub(super) fn cuts(
    bytes: &[u8],
    marks: &[Mark],
    strings: Option<&Strings<'_>>,
    out: &mut Vec<Cut>,
) {
    let (mut last, mut done) = (0, 0);
    // By column, and whether a list is taken apart: how far the object reaches whose fields stand there. It may
    // say more than once what it is.
    let mut objects = BTreeMap::new();
    let mut string = 0;
    for mark in marks {
        if mark.key >= done {
            if mark.key >= string {
                string = strings.map_or(0, |s| s.end(mark.key..bytes.len()));
            }
            // A string that is `kind` itself is the key of an object around it.
            let bytes = if string >= mark.end {
                bytes.get(..string).unwrap_or(bytes)
            } else {
                bytes
            };
            let floor = last.max(mark.key.saturating_sub(BACK));
            done = if flow(bytes, mark.key) {
                braces(bytes, mark, floor, out)
            } else {
                lines(bytes, mark, floor, &mut objects, out);
                mark.end
            };
        }
        last = mark.end;
    }
}

/// Does the key stand in braces?
fn flow(bytes: &[u8], key: usize) -> bool {
    let mut i = key;
    while let Some(b) = behind(bytes, i) {
        match b {
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' => i -= 1,
            b'{' | b',' => return true,
            _ => return false,
        }
        if key - i > 256 {
            return false;
        }
    }
    false
}

/// An object in braces. Says where it ends.
fn braces(bytes: &[u8], mark: &Mark, floor: usize, out: &mut Vec<Cut>) -> usize {
    let mut depth = 0usize;
    let mut start = floor;
    let mut i = mark.key;
    while i > floor {
        i -= 1;
        match at(bytes, i) {
            Some(b'}' | b']') => depth += 1,
            Some(b'{' | b'[') => match depth.checked_sub(1) {
                Some(d) => depth = d,
                None => {
                    start = i;
                    break;
                }
            },
            _ => {}
        }
    }
    let end = closing(bytes, start);
    let text = bytes.get(start..end).unwrap_or_default();
    for word in [&b"data"[..], b"stringData"] {
        let mut covered = 0;
        for found in memchr::memmem::find_iter(text, word) {
            let pos = start + found;
            let before = behind(bytes, pos);
            // What lies in one that was searched has gone with it.
            if pos < covered || before.is_some_and(is_name) {
                continue;
            }
            let mut i = pos + word.len();
            while matches!(at(bytes, i), Some(b'"' | b'\'' | b'\\' | b' ')) {
                i += 1;
            }
            if at(bytes, i) != Some(b':') {
                continue;
            }
            i += 1;
            while at(bytes, i).is_some_and(|b| b.is_ascii_whitespace()) {
                i += 1;
            }
            if at(bytes, i) == Some(b'{') {
                covered = closing(bytes, i);
                values(bytes, i + 1..covered.saturating_sub(1), out);
            }
        }
    }
    end
}

/// One past the brace that closes the one at `start`; braces in strings do not count.
fn closing(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut i = start;
    while let Some(b) = at(bytes, i) {
        match b {
            b'"' => {
                if let crate::json::Value::Whole(r) = crate::json::value(bytes, i) {
                    i = r.end;
                    continue;
                }
            }
            // What is escaped here is the text of a string; it opens none.
            b'\\' => i += 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
        i += 1;
    }
    bytes.len()
}

/// All values of `key: value, …`.
fn values(bytes: &[u8], range: Range<usize>, out: &mut Vec<Cut>) {
    let mut i = range.start;
    while i < range.end {
        // To the colon behind the key; a quoted key may hold anything.
        let Some(colon) = bytes
            .get(i..range.end)
            .and_then(|t| memchr::memchr(b':', t))
            .map(|n| i + n)
        else {
            return;
        };
        let mut from = colon + 1;
        while at(bytes, from).is_some_and(|b| b.is_ascii_whitespace()) {
            from += 1;
        }
        let end = match at(bytes, from) {
            Some(quote @ (b'"' | b'\'')) => {
                from += 1;
                let mut escape = false;
                bytes
                    .get(from..range.end)
                    .unwrap_or_default()
                    .iter()
                    .position(|b| {
                        let ends = *b == quote && !escape;
                        escape = *b == b'\\' && !escape;
                        ends
                    })
                    .map_or(range.end, |n| from + n)
            }
            _ => bytes
                .get(from..range.end)
                .and_then(|t| memchr::memchr2(b',', b'}', t))
                .map_or(range.end, |n| from + n),
        };
        push(bytes, from..end, out);
        // Behind the value: the next comma.
        i = bytes
            .get(end..range.end)
            .and_then(|t| memchr::memchr(b',', t))
            .map_or(range.end, |n| end + n + 1);
    }
}

fn push(bytes: &[u8], range: Range<usize>, out: &mut Vec<Cut>) {
    let said = bytes.get(range.clone()).unwrap_or_default();
    let lead = said.len() - said.trim_ascii_start().len();
    let said = said.trim_ascii();
    if said.is_empty() || super::is_mark(said) {
        return;
    }
    let start = range.start + lead;
    out.push(Cut {
        range: start..start + said.len(),
        what: "secret-data",
        quoted: false,
    });
}

fn lead(line: &[u8]) -> usize {
    line.iter().take_while(|b| **b == b' ').count()
}

/// An object written as YAML's lines: everything around the mark that is not less indented.
fn lines(
    bytes: &[u8],
    mark: &Mark,
    floor: usize,
    objects: &mut BTreeMap<(usize, bool), usize>,
    out: &mut Vec<Cut>,
) {
    let own = crate::line_range(bytes, mark.key);
    let said = |r: &Range<usize>| bytes.get(r.clone()).unwrap_or_default();
    let quote = usize::from(matches!(behind(bytes, mark.key), Some(b'"' | b'\'')));
    let Some(column) = (mark.key - own.start).checked_sub(quote) else {
        return;
    };
    let head = said(&own).get(..column).unwrap_or_default();
    if !head.iter().all(|b| matches!(b, b' ' | b'-' | b'?')) {
        return;
    }
    let starts_item = head.contains(&b'-');
    let object = (column, mark.list);
    if !starts_item && objects.get(&object).is_some_and(|end| mark.key < *end) {
        return;
    }
    // Back to the object's first line.
    let mut first = own.clone();
    while !starts_item && first.start > floor {
        let line = crate::line_range(bytes, first.start - 1);
        let t = said(&line);
        if !t.trim_ascii().is_empty() && (t.starts_with(b"---") || !belongs(t, column)) {
            let item = lead(t) < column
                && t.get(lead(t)) == Some(&b'-')
                && t.get(lead(t) + 1..column)
                    .is_some_and(|s| s.iter().all(|b| *b == b' '));
            if item {
                first = line;
            }
            break;
        }
        first = line;
    }
    // Forward over its lines.
    let mut next = Some(first);
    let mut under: Option<usize> = None;
    let mut child: Option<usize> = None;
    while let Some(line) = next {
        next = (line.end < bytes.len()).then(|| crate::line_range(bytes, line.end + 1));
        let t = said(&line);
        if t.trim_ascii().is_empty() {
            continue;
        }
        if line.start > own.start && (t.starts_with(b"---") || !belongs(t, column)) {
            return;
        }
        objects.insert(object, line.end);
        let dashes = t.iter().take_while(|b| matches!(b, b' ' | b'-')).count();
        let indent = dashes.max(lead(t));
        if let Some(depth) = under {
            if indent > depth {
                let first_child = *child.get_or_insert(indent);
                let from = if indent == first_child {
                    key_end(t, indent).unwrap_or(indent)
                } else {
                    indent
                };
                let value = t.get(from..).unwrap_or_default().trim_ascii();
                let header = matches!(value, [b'|' | b'>', rest @ ..] if rest.len() < 4);
                if !header {
                    push(bytes, line.start + from..line.end, out);
                }
                continue;
            }
            (under, child) = (None, None);
        }
        if indent == column || (mark.list && indent > column) {
            let body = t.get(indent..).unwrap_or_default();
            let name = body.strip_prefix(b"\"").unwrap_or(body);
            let rest = name
                .strip_prefix(b"data")
                .or_else(|| name.strip_prefix(b"stringData"))
                .map(|r| r.strip_prefix(b"\"").unwrap_or(r))
                .and_then(|r| r.trim_ascii_start().strip_prefix(b":"));
            if let Some(rest) = rest {
                let flow = rest.trim_ascii_start();
                if flow.starts_with(b"{") {
                    let open = line.end - flow.len();
                    values(bytes, open + 1..closing(bytes, open).saturating_sub(1), out);
                } else {
                    under = Some(indent);
                }
            }
        }
    }
}

/// May this line be one of an object whose fields stand at `column`?
fn belongs(line: &[u8], column: usize) -> bool {
    let indent = lead(line);
    if indent != column {
        return indent > column;
    }
    let body = line.get(indent..).unwrap_or_default();
    body.starts_with(b"- ") || body.starts_with(b"#") || key_end(line, indent).is_some()
}

/// Behind the colon of the key that begins at `indent`.
fn key_end(line: &[u8], indent: usize) -> Option<usize> {
    let body = line.get(indent..)?;
    let quoted = matches!(body.first(), Some(b'"' | b'\''));
    let mut i = usize::from(quoted);
    while body
        .get(i)
        .copied()
        .is_some_and(|b| is_name(b) || b == b'/')
    {
        i += 1;
    }
    while matches!(body.get(i), Some(b'"' | b'\'' | b'\\' | b' ')) {
        i += 1;
    }
    (i > 0
        && body.get(i) == Some(&b':')
        && matches!(body.get(i + 1), None | Some(b' ' | b'\r' | b'\t')))
    .then_some(indent + i + 1)
}
