//! The text around a name, byte by byte: what stands before it, quotes with their escapes, ends of lines.
//! Deliberately absent: which names tell, and what is a value.

pub(super) fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

pub(super) fn at(bytes: &[u8], i: usize) -> Option<u8> {
    bytes.get(i).copied()
}

/// The byte before `i`.
pub(super) fn behind(bytes: &[u8], i: usize) -> Option<u8> {
    i.checked_sub(1).and_then(|i| at(bytes, i))
}

/// Where a name stands in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// First in a line of the file.
    Line,
    /// First in a line of an escaped string, or in the string itself.
    Inside,
    /// Somewhere in running text.
    Running,
}

/// What stands before a key decides how far its value may reach.
pub(super) fn place(bytes: &[u8], key: usize, quoted: bool) -> Place {
    let mut i = key;
    let floor = key.saturating_sub(512);
    // The key's own opening quote.
    if quoted && matches!(behind(bytes, i), Some(b'"' | b'\'')) {
        i -= 1;
        while behind(bytes, i) == Some(b'\\') {
            i -= 1;
        }
    }
    loop {
        while i > floor && matches!(behind(bytes, i), Some(b' ' | b'\t')) {
            i -= 1;
        }
        // List marks, `export`, `set`, `ENV` in front do not make it running text.
        let head = bytes.get(floor.min(i)..i).unwrap_or_default();
        if head.ends_with(b"-") && !head.ends_with(b"--") {
            i -= 1;
        } else if head.ends_with(b"export") {
            i -= 6;
        } else {
            break;
        }
    }
    match behind(bytes, i) {
        None | Some(b'\n') => Place::Line,
        // A byte order mark.
        Some(0xbf) if i == 3 => Place::Line,
        Some(b'n') if i >= 2 && at(bytes, i - 2) == Some(b'\\') => Place::Inside,
        Some(b'"' | b'\'') => Place::Inside,
        _ => Place::Running,
    }
}

/// One past an opening quote with its backslashes: how many backslashes, which quote.
pub(super) fn open_quote(bytes: &[u8], i: usize) -> Option<(usize, u8, usize)> {
    let mut j = i;
    while at(bytes, j) == Some(b'\\') && j < i + 16 {
        j += 1;
    }
    match at(bytes, j) {
        Some(q @ (b'"' | b'\'')) => Some((j + 1, q, j - i)),
        _ => None,
    }
}

pub(super) fn skip_quote(bytes: &[u8], i: usize) -> usize {
    open_quote(bytes, i).map_or(i, |(next, ..)| next)
}

/// Spaces, line ends and commas, plain or as escapes of a string.
pub(super) fn skip_between(bytes: &[u8], mut i: usize) -> usize {
    let limit = i + 512;
    while i < limit {
        match at(bytes, i) {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b',') => i += 1,
            Some(b'\\') => {
                let mut j = i;
                while at(bytes, j) == Some(b'\\') {
                    j += 1;
                }
                match at(bytes, j) {
                    Some(b'n' | b't' | b'r') => i = j + 1,
                    _ => break,
                }
            }
            _ => break,
        }
    }
    i
}

/// How far the end of a value is sought before the end of its line.
pub(super) const NEAR: usize = 4_096;

pub(super) fn line_end(bytes: &[u8], i: usize) -> usize {
    let rest = bytes.get(i..).unwrap_or_default();
    let end = memchr::memchr(b'\n', rest).map_or(bytes.len(), |n| i + n);
    if end > i && behind(bytes, end) == Some(b'\r') {
        end - 1
    } else {
        end
    }
}

/// The end of a quoted text that opens before `start`: its quote with as many backslashes.
pub(super) fn close_quote(
    bytes: &[u8],
    start: usize,
    quote: u8,
    slashes: usize,
    limit: usize,
) -> Option<usize> {
    let mut i = start;
    loop {
        let rest = bytes.get(i..limit)?;
        let q = i + memchr::memchr(quote, rest)?;
        let mut run = 0;
        while q > start + run && at(bytes, q - run - 1) == Some(b'\\') {
            run += 1;
        }
        if quote == b'\'' && slashes == 0 {
            // YAML doubles a quote inside single quotes.
            if at(bytes, q + 1) == Some(b'\'') {
                i = q + 2;
                continue;
            }
            return Some(q);
        }
        // `\\"` closes, `\"` does not; one level down both carry the level's backslashes.
        let own = run.saturating_sub(slashes);
        if run == slashes || (slashes == 0 && own % 2 == 0) || run < slashes {
            return Some(q - run.min(slashes));
        }
        i = q + 1;
    }
}

pub(super) fn line_of(bytes: &[u8], i: usize) -> &[u8] {
    bytes.get(crate::line_range(bytes, i)).unwrap_or_default()
}

pub(super) fn indent(line: &[u8]) -> usize {
    line.iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count()
}
