//! How far the value beside a name reaches, and which values are no secrets.
//! Deliberately absent: where the value begins (`names`).

use std::ops::Range;

use super::bytes::{
    NEAR, Place, at, close_quote, indent, is_name, line_end, line_of, open_quote, skip_between,
    skip_quote,
};
use crate::redact::{Cut, is_mark};

/// How the value follows its name.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    pub(super) place: Place,
    /// The name stands in quotes without backslashes, as JSON's do.
    pub(super) json_key: bool,
    pub(super) colon: bool,
    /// Prose is possible: `cannot read token: permission denied`.
    pub(super) prose: bool,
}

/// Takes one value out; says where it ends.
pub(super) fn value(bytes: &[u8], start: usize, how: Beside, out: &mut Vec<Cut>) -> usize {
    let mut i = start;
    while matches!(at(bytes, i), Some(b' ' | b'\t')) {
        i += 1;
    }
    // YAML's tags and anchors.
    while how.colon && matches!(at(bytes, i), Some(b'!' | b'&')) {
        let mut j = i;
        while at(bytes, j).is_some_and(|b| !b.is_ascii_whitespace()) && j < i + 64 {
            j += 1;
        }
        let mut k = j;
        while matches!(at(bytes, k), Some(b' ' | b'\t')) {
            k += 1;
        }
        if k == j || matches!(at(bytes, k), None | Some(b'\n' | b'\r')) {
            break;
        }
        i = k;
    }
    if let Some((inside, quote, slashes)) = open_quote(bytes, i) {
        // Most quotes end soon, and the line of an API server's answer does not.
        let window = bytes.get(..inside + NEAR).unwrap_or(bytes);
        let soon = line_end(window, inside.min(window.len()));
        if let Some(end) = close_quote(bytes, inside, quote, slashes, soon) {
            push(inside..end, false, bytes, out);
            return end;
        }
        let end_of_line = line_end(bytes, i);
        let block = matches!(how.place, Place::Line) && slashes == 0;
        let near = close_quote(bytes, inside, quote, slashes, end_of_line);
        let end = near
            .or_else(|| {
                let far = (inside + 65_536).min(bytes.len());
                block
                    .then(|| close_quote(bytes, inside, quote, slashes, far))
                    .flatten()
            })
            .unwrap_or(end_of_line);
        push(inside..end, false, bytes, out);
        return end;
    }
    match at(bytes, i) {
        None => i,
        Some(b'|' | b'>') if how.colon && block_header(bytes, i).is_some() => {
            block(bytes, start, block_header(bytes, i).unwrap_or(i), how, out)
        }
        Some(b'\n' | b'\r') => match how.place {
            Place::Line if how.colon => below(bytes, i, out),
            _ => i,
        },
        Some(b'[') => list(bytes, i + 1, how, out),
        Some(b'{' | b'*') if how.colon => i,
        Some(_) => {
            let end = plain_end(bytes, i, how);
            let said = bytes.get(i..end).unwrap_or_default();
            if how.prose && how.place == Place::Running && prose(said, at(bytes, end)) {
                return end;
            }
            push(i..end, how.json_key, bytes, out);
            end
        }
    }
}

/// The end of a value without quotes.
fn plain_end(bytes: &[u8], i: usize, how: Beside) -> usize {
    let until = |limit: usize| {
        let text = bytes.get(i..limit).unwrap_or_default();
        i + match how.place {
            Place::Line if !how.json_key => {
                let comment = memchr::memmem::find(text, b" #").unwrap_or(text.len());
                let said = text.get(..comment).unwrap_or_default();
                said.trim_ascii_end().len()
            }
            Place::Inside if !how.json_key => inside_end(text),
            _ => word_end(text),
        }
    };
    // Most values end soon; a line may be as long as its file, and hold values without number.
    let window = bytes.get(..i + NEAR).unwrap_or(bytes);
    let soon = line_end(window, i.min(window.len()));
    let cut = soon == window.len() && window.len() < bytes.len();
    let end = until(soon);
    if cut && (end == soon || how.place == Place::Line) {
        return until(line_end(bytes, i));
    }
    end
}

/// The end of a plain value in an escaped string: the string's own quote, or an escaped line end.
pub(super) fn inside_end(text: &[u8]) -> usize {
    let mut i = 0;
    while let Some(b) = text.get(i) {
        match b {
            b'"' => return i,
            b'\'' if i > 0 && matches!(text.get(i + 1), None | Some(b',' | b']' | b' ')) => {
                return i;
            }
            b'\\' if matches!(text.get(i + 1), Some(b'n' | b'r' | b'"' | b'\\')) => return i,
            _ => i += 1,
        }
    }
    i
}

/// The end of a plain word in running text.
fn word_end(text: &[u8]) -> usize {
    let mut i = 0;
    while let Some(b) = text.get(i) {
        match b {
            b' ' | b'\t' | b',' | b'"' | b'\'' | b'&' | b';' | b'}' | b']' | b')' | b'<' | b'`' => {
                return i;
            }
            b'\\'
                if matches!(
                    text.get(i + 1),
                    Some(b'n' | b'r' | b't' | b'"' | b'\\' | b'\'')
                ) =>
            {
                return i;
            }
            _ => i += 1,
        }
    }
    i
}

/// A sentence goes on where a value could stand: `token: failed to read`, `token: x509: unknown`.
fn prose(word: &[u8], next: Option<u8>) -> bool {
    if word.ends_with(b":") || word.starts_with(b"(") {
        return true;
    }
    let letters = word.iter().all(u8::is_ascii_alphabetic);
    // The answer of a server: `GET https://ghcr.io/token: 403 Forbidden`.
    let status = matches!(word, [b'1'..=b'5', a, b] if a.is_ascii_digit() && b.is_ascii_digit());
    ((letters && word.len() <= 16 || status) && next == Some(b' '))
        || matches!(
            word.to_ascii_lowercase().as_slice(),
            b"unauthorized"
                | b"forbidden"
                | b"invalid"
                | b"expired"
                | b"missing"
                | b"eof"
                | b"denied"
                | b"refused"
                | b"timeout"
                | b"required"
                | b"mismatch"
                | b"empty"
        )
}

/// Behind `|` or `>`: where the lines of the block begin.
fn block_header(bytes: &[u8], i: usize) -> Option<usize> {
    let mut j = i + 1;
    while matches!(at(bytes, j), Some(b'+' | b'-' | b'0'..=b'9')) && j < i + 4 {
        j += 1;
    }
    while matches!(at(bytes, j), Some(b' ' | b'\t' | b'\r')) {
        j += 1;
    }
    (at(bytes, j) == Some(b'\n')).then_some(j + 1)
}

/// The lines of a block scalar: all that are deeper than the line of their key.
fn block(bytes: &[u8], key: usize, content: usize, how: Beside, out: &mut Vec<Cut>) -> usize {
    let depth = match how.place {
        Place::Line => indent(line_of(bytes, key)),
        _ => return content,
    };
    let (from, end) = deeper(bytes, content, depth);
    push(from..end, false, bytes, out);
    end
}

/// The contents of the lines from `i` on that are deeper than `depth`.
fn deeper(bytes: &[u8], mut i: usize, depth: usize) -> (usize, usize) {
    let (mut from, mut end) = (None, i);
    while i < bytes.len() {
        let stop = line_end(bytes, i);
        let line = bytes.get(i..stop).unwrap_or_default();
        if !line.trim_ascii().is_empty() {
            let lead = indent(line);
            if lead <= depth {
                break;
            }
            from.get_or_insert(i + lead);
            end = i + line.trim_ascii_end().len();
        }
        i = memchr::memchr(b'\n', bytes.get(stop..).unwrap_or_default())
            .map_or(bytes.len(), |n| stop + n + 1);
    }
    (from.unwrap_or(end), end)
}

/// A value on the lines below its key, as YAML allows.
fn below(bytes: &[u8], i: usize, out: &mut Vec<Cut>) -> usize {
    let Some(next) = memchr::memchr(b'\n', bytes.get(i..).unwrap_or_default()).map(|n| i + n + 1)
    else {
        return i;
    };
    let line = bytes.get(next..line_end(bytes, next)).unwrap_or_default();
    let lead = indent(line);
    let said = line.get(lead..).unwrap_or_default().trim_ascii_end();
    let own = line_of(bytes, i.saturating_sub(1));
    let structure = said.is_empty()
        || said.starts_with(b"- ")
        || said.starts_with(b"{")
        || said.starts_with(b"#")
        || said.ends_with(b":")
        || (!said.starts_with(b"\"")
            && !said.starts_with(b"'")
            && memchr::memmem::find(said, b": ").is_some())
        || memchr::memmem::find(said, b"\": ").is_some();
    if lead <= indent(own) || structure {
        return i;
    }
    let (from, end) = deeper(bytes, next, indent(own));
    if let Some((inside, quote, slashes)) = open_quote(bytes, from)
        && let Some(close) = close_quote(
            bytes,
            inside,
            quote,
            slashes,
            bytes.len().min(inside + 65_536),
        )
    {
        push(inside..close, false, bytes, out);
        return close;
    }
    push(from..end, false, bytes, out);
    end
}

/// `[a, "b"]`: every element.
fn list(bytes: &[u8], mut i: usize, how: Beside, out: &mut Vec<Cut>) -> usize {
    let how = Beside {
        place: Place::Running,
        prose: false,
        ..how
    };
    for _ in 0..64 {
        i = skip_between(bytes, i);
        match at(bytes, i) {
            None | Some(b']' | b'{' | b'[') => return i,
            Some(_) => {
                let before = i;
                i = value(bytes, i, how, out);
                i = skip_quote(bytes, i);
                if i <= before {
                    return i;
                }
            }
        }
    }
    i
}

pub(super) fn push(range: Range<usize>, quoted: bool, bytes: &[u8], out: &mut Vec<Cut>) {
    let said = bytes.get(range.clone()).unwrap_or_default();
    if range.start >= range.end || harmless(said) {
        return;
    }
    out.push(Cut {
        range,
        what: "named-value",
        quoted,
    });
}

/// Values that are no secrets: references, flags, paths, what kubectl says in place of a secret.
fn harmless(value: &[u8]) -> bool {
    if value.len() < 3 || is_mark(value) {
        return true;
    }
    // Other words in brackets are kubectl's: `<set to the key 'x' in secret 'y'>`, `<none>`.
    if value.starts_with(b"<set to the key") || (value.starts_with(b"<") && value.ends_with(b">")) {
        return true;
    }
    let reference = |open: &[u8], close: u8| {
        value.starts_with(open)
            && value.ends_with(&[close])
            && value
                .get(open.len()..value.len() - 1)
                .is_some_and(|v| !v.is_empty() && v.iter().all(|b| is_name(*b) || *b == b':'))
    };
    if reference(b"$(", b')') || reference(b"${", b'}') {
        return true;
    }
    if value.starts_with(b"/") {
        let parts: Vec<&[u8]> = value.split(|b| *b == b'/').skip(1).collect();
        if parts.len() > 1
            && parts
                .iter()
                .all(|p| !p.is_empty() && p.iter().all(|b| is_name(*b)))
        {
            return true;
        }
    }
    matches!(
        value,
        b"true" | b"false" | b"null" | b"nil" | b"none" | b"None" | b"~~~"
    )
}
