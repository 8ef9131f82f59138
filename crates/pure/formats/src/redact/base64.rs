//! How far a run of base64 reaches, over line ends too.
//!
//! Deliberately absent: decoding.

use std::ops::Range;

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_')
}

/// Shortest line that counts as one of many: wrapped base64 has 60 to 76 columns.
const WRAPPED: usize = 40;

/// The run around `at`, with the wrapped lines before and behind it.
pub(super) fn run(bytes: &[u8], at: usize) -> Range<usize> {
    let mut start = at;
    while start > 0 && bytes.get(start - 1).copied().is_some_and(is_base64) {
        start -= 1;
    }
    // `\nLS0t…`: the letter of an escape is not part of it.
    if start < at && start > 0 && bytes.get(start - 1) == Some(&b'\\') {
        start += 1;
    }
    let mut end = at;
    while bytes.get(end).copied().is_some_and(is_base64) {
        end += 1;
    }
    // Wrapped lines before: each is base64 from its indentation to its end.
    loop {
        let line = crate::line_range(bytes, start);
        let lead = bytes.get(line.start..start).unwrap_or_default();
        if line.start == 0 || !lead.iter().all(|b| matches!(b, b' ' | b'\t')) {
            break;
        }
        let above = crate::line_range(bytes, line.start - 1);
        match whole(bytes, &above) {
            Some(text) if text.len() >= WRAPPED => start = text.start,
            _ => break,
        }
    }
    while end - crate::line_range(bytes, end).start >= WRAPPED {
        let line = crate::line_range(bytes, end);
        let tail = bytes.get(end..line.end).unwrap_or_default();
        if !tail.trim_ascii().is_empty() || line.end >= bytes.len() {
            break;
        }
        let below = crate::line_range(bytes, line.end + 1);
        match whole(bytes, &below) {
            Some(text) => {
                end = text.end;
                if text.len() < WRAPPED {
                    break;
                }
            }
            None => break,
        }
    }
    start..end
}

/// The line's text, if it is base64 and nothing else.
fn whole(bytes: &[u8], line: &Range<usize>) -> Option<Range<usize>> {
    let text = bytes.get(line.clone())?;
    let said = text.trim_ascii();
    let start = line.start + (text.len() - text.trim_ascii_start().len());
    (!said.is_empty() && said.iter().copied().all(is_base64)).then_some(start..start + said.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_belong_together() {
        let line = "A".repeat(64);
        let text = format!("key: |\n  {line}\n  {line}\n  AB==\nnext: x\n");
        let at = text.find(&line).unwrap() + 70;
        assert_eq!(
            &text[run(text.as_bytes(), at)].len(),
            &(64 + 3 + 64 + 3 + 4)
        );
        assert_eq!(run(b"x \"QUJD\" y", 4), 3..7);
    }
}
