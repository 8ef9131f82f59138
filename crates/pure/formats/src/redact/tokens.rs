//! Cuts in a JSON file end where its strings and numbers end: what is left is JSON still.
//!
//! Deliberately absent: judgement about what is cut; punctuation alone is spared.

use super::Cut;

/// The same cuts (sorted, none overlapping), each within one token.
pub(super) fn within(bytes: &[u8], cuts: Vec<Cut>) -> Vec<Cut> {
    let mut out = Vec::with_capacity(cuts.len());
    let mut i = 0;
    for cut in cuts {
        if cut.quoted && matches!(bytes.get(cut.range.start), Some(b'{' | b'[')) {
            // A whole value of a Secret that is no string.
            i = cut.range.end;
            out.push(cut);
            continue;
        }
        // No string holds a line end, so a line begins outside of strings.
        let start = cut.range.start.min(bytes.len());
        let line = memchr::memrchr(b'\n', bytes.get(i.min(start)..start).unwrap_or_default());
        i = line.map_or(i, |n| i + n + 1);
        while i < cut.range.end {
            let end = match bytes.get(i) {
                None => break,
                Some(b'"') => string_end(bytes, i),
                Some(b) if structure(*b) => {
                    i += 1;
                    continue;
                }
                Some(_) => {
                    let rest = bytes.get(i..).unwrap_or_default();
                    i + rest
                        .iter()
                        .position(|b| structure(*b) || *b == b'"')
                        .unwrap_or(rest.len())
                }
            };
            if end > cut.range.start {
                if bytes.get(i) != Some(&b'"') {
                    out.push(Cut {
                        range: i..end,
                        what: cut.what,
                        quoted: true,
                    });
                } else if cut.quoted && cut.range == (i..end) {
                    out.push(cut.clone());
                } else {
                    let closed = end > i + 1 && bytes.get(end - 1) == Some(&b'"');
                    let inside = i + 1..if closed { end - 1 } else { end };
                    let start = cut.range.start.max(inside.start);
                    let stop = cut.range.end.min(inside.end);
                    if start < stop {
                        out.push(Cut {
                            range: start..stop,
                            what: cut.what,
                            quoted: false,
                        });
                    }
                }
                if end > cut.range.end {
                    // The next cut may lie in the same string.
                    break;
                }
            }
            i = end;
        }
    }
    out.dedup_by(|b, a| b.range.start < a.range.end);
    out
}

fn structure(b: u8) -> bool {
    b.is_ascii_whitespace() || matches!(b, b'{' | b'}' | b'[' | b']' | b',' | b':')
}

/// One past the string that opens at `at`; one that is not closed ends with its line.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while let Some(n) = memchr::memchr3(b'"', b'\\', b'\n', bytes.get(i..).unwrap_or_default()) {
        i += n;
        match bytes.get(i) {
            Some(b'"') => return i + 1,
            Some(b'\n') => return i,
            _ => i += 2,
        }
    }
    bytes.len()
}
