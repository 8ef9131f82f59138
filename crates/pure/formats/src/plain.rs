//! Bytes as the text that they are: UTF-16, zeros where text should be, line ends of old systems and
//! spaces of web pages.
//!
//! A crash leaves holes of zeros in a log, a copy pads its end with them, and PowerShell writes UTF-16,
//! marked or behind somebody else's lines. Without this the whole file would be no text, and a secret with
//! a zero in it none. Deliberately absent: other encodings; a byte that is no UTF-8 costs itself only.

/// Bytes that tell whether a text is UTF-16 without its mark.
const HEAD: usize = 4096;

/// A hard space, in UTF-8.
const HARD: &[u8] = b"\xc2\xa0";

/// The zeros in a text that is not UTF-16: something stood there, or was written by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zeros {
    /// How many.
    pub count: u64,
    /// The line of the first.
    pub line: u64,
    /// True when many stand, but none beside another: UTF-16 in the middle of other text.
    pub between: bool,
}

impl Zeros {
    /// Why this is a gap.
    pub fn why(&self) -> String {
        let Self {
            count,
            line,
            between,
        } = *self;
        if between {
            return format!(
                "a zero behind every character from line {line} on: UTF-16 behind other text; only its \
                 ASCII characters were read"
            );
        }
        let zeros = if count == 1 { "zero" } else { "zeros" };
        format!(
            "{count} {zeros} from line {line} on, as a crash or a broken copy leaves them; what stood \
             there is lost"
        )
    }
}

/// The zeros of a text, if it has any.
pub fn zeros(bytes: &[u8]) -> Option<Zeros> {
    let first = memchr::memchr(0, bytes)?;
    // Of a journal's export they are lengths of what follows.
    if wide(bytes).is_some() || crate::journal::is_export(bytes) {
        return None;
    }
    Some(counted(bytes, first))
}

fn counted(bytes: &[u8], first: usize) -> Zeros {
    let count = memchr::memchr_iter(0, bytes).count();
    Zeros {
        count: count as u64,
        line: crate::line_at(bytes, first),
        between: count > 16 && memchr::memmem::find(bytes, b"\0\0").is_none(),
    }
}

/// Takes the zeros out of what stands from `start` on: for a text that comes in pieces.
pub fn without_zeros(bytes: &mut Vec<u8>, start: usize) -> Option<Zeros> {
    let new = bytes.get(start..)?;
    let zeros = counted(new, memchr::memchr(0, new)?);
    let new = bytes.split_off(start);
    bytes.extend(new.into_iter().filter(|b| *b != 0));
    Some(zeros)
}

/// Does the text stand there as it is to be read?
pub fn is_plain(bytes: &[u8]) -> bool {
    wide(bytes).is_none()
        && memchr::memchr(0, bytes).is_none()
        && !is_without_lines(bytes)
        && !memchr::memmem::find_iter(bytes, HARD).any(|at| is_indent(bytes, at))
}

/// The text: UTF-8 as far as it can be, without zeros, in lines.
pub fn plain(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(text) = crate::journal::plain(&bytes) {
        return text;
    }
    if let Some((little, mark)) = wide(&bytes) {
        bytes = narrowed(bytes.get(mark..).unwrap_or_default(), little);
    }
    if memchr::memchr(0, &bytes).is_some() {
        bytes.retain(|b| *b != 0);
    }
    if is_without_lines(&bytes) {
        for byte in bytes.iter_mut().filter(|b| **b == b'\r') {
            *byte = b'\n';
        }
    }
    if memchr::memmem::find(&bytes, HARD).is_some() {
        bytes = soft(&bytes);
    }
    bytes
}

/// Spaces for the hard ones that a web page or a word processor indents with: YAML knows only the former.
fn soft(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let mut rest = line;
        loop {
            if let Some(behind) = rest.strip_prefix(HARD) {
                out.push(b' ');
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix(b" ") {
                out.push(b' ');
                rest = behind;
            } else {
                break;
            }
        }
        out.extend_from_slice(rest);
    }
    out
}

/// Is there nothing but indentation in front of this, on its line?
fn is_indent(bytes: &[u8], at: usize) -> bool {
    let head = bytes.get(at.saturating_sub(HEAD)..at).unwrap_or_default();
    let line = memchr::memrchr(b'\n', head).map_or(head, |i| head.get(i + 1..).unwrap_or_default());
    line.iter().all(|b| b" \xc2\xa0".contains(b))
}

/// Ends of lines are `\r` alone, as old systems and some serial consoles write them.
fn is_without_lines(bytes: &[u8]) -> bool {
    memchr::memchr(b'\n', bytes).is_none() && memchr::memchr(b'\r', bytes).is_some()
}

/// Is this UTF-16? Whether its small end comes first, and how long its mark is. Without a mark, it is where
/// nearly all characters have a zero on the same side.
fn wide(bytes: &[u8]) -> Option<(bool, usize)> {
    match bytes {
        [0xff, 0xfe, ..] => return Some((true, 2)),
        [0xfe, 0xff, ..] => return Some((false, 2)),
        _ => {}
    }
    let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
    let units = head.len() / 2;
    // Somebody else's lines may stand in front: those are bytes.
    if head
        .get(..16)
        .is_none_or(|h| h.iter().filter(|b| **b == 0).count() < 5)
    {
        return None;
    }
    let (mut first, mut second) = (0, 0);
    for unit in head.chunks_exact(2) {
        first += usize::from(unit.first() == Some(&0));
        second += usize::from(unit.get(1) == Some(&0));
    }
    let most = |zeros: usize| zeros * 5 >= units * 4;
    let few = |zeros: usize| zeros * 20 <= units;
    if most(second) && few(first) {
        Some((true, 0))
    } else if most(first) && few(second) {
        Some((false, 0))
    } else {
        None
    }
}

/// Bytes of UTF-8 in front of a line's end that are surely no UTF-16: eight characters of which each half
/// is a letter do not come by chance.
const SURELY: usize = 16;

/// UTF-16 as UTF-8, line by line: other programs may have appended lines of their own. Half a character at
/// a torn end is left out.
fn narrowed(bytes: &[u8], little: bool) -> Vec<u8> {
    let end: &[u8] = if little { b"\n\0" } else { b"\0\n" };
    let mut out = Vec::with_capacity(bytes.len() / 2);
    let mut rest = bytes;
    while !rest.is_empty() {
        if let Some(length) = narrow_line(rest, little) {
            let (line, behind) = rest.split_at(length);
            out.extend_from_slice(line);
            rest = behind;
            continue;
        }
        let length = memchr::memmem::find(rest, end).map_or(rest.len(), |i| i + 2);
        let (line, behind) = rest.split_at(length);
        decoded(line, little, &mut out);
        rest = behind;
    }
    out
}

/// How long the line of UTF-8 is that stands here, if one does.
fn narrow_line(text: &[u8], little: bool) -> Option<usize> {
    let length = memchr::memchr(b'\n', text).map_or(text.len(), |i| i + 1);
    let line = text.get(..length)?;
    // `\n` may be the half of an end of UTF-16.
    let wide_end = little && text.get(length) == Some(&0);
    let shown = line
        .iter()
        .all(|b| *b >= b' ' || matches!(b, b'\t' | b'\r' | b'\n' | 0x1b));
    (length >= SURELY && !wide_end && shown && std::str::from_utf8(line).is_ok()).then_some(length)
}

fn decoded(line: &[u8], little: bool, out: &mut Vec<u8>) {
    let units = line.chunks_exact(2).map(|c| {
        let pair = [
            c.first().copied().unwrap_or(0),
            c.get(1).copied().unwrap_or(0),
        ];
        if little {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        }
    });
    let mut room = [0; 4];
    for c in char::decode_utf16(units) {
        let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(c.encode_utf8(&mut room).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn utf16_with_and_without_its_mark() {
        let text = "E1121 größer als „zuvor“\r\nnext line\r\n";
        for bytes in [utf16(text), [&[0xff, 0xfe][..], &utf16(text)].concat()] {
            assert!(!is_plain(&bytes));
            assert_eq!(zeros(&bytes), None);
            assert_eq!(plain(bytes), text.as_bytes());
        }
        let torn = utf16(text);
        let torn = torn[..torn.len() - 1].to_vec();
        assert_eq!(plain(torn), text.trim_end_matches('\n').as_bytes());
    }

    #[test]
    fn lines_of_utf8_behind_utf16_are_read() {
        let (wide, narrow) = (
            "über Nacht stand es\r\n上上\r\n",
            "K3S_TOKEN=größer als zuvor\n",
        );
        let big = |t: &str| -> Vec<u8> { t.encode_utf16().flat_map(u16::to_be_bytes).collect() };
        for (mark, of) in [
            (&[0xff, 0xfe], &utf16 as &dyn Fn(&str) -> Vec<u8>),
            (&[0xfe, 0xff], &big),
        ] {
            let bytes = [
                &mark[..],
                &of(wide),
                narrow.as_bytes(),
                &of(wide),
                b"torn off, no end",
            ]
            .concat();
            let text = String::from_utf8(plain(bytes)).unwrap();
            assert_eq!(text, [wide, narrow, wide, "torn off, no end"].concat());
        }
    }

    #[test]
    fn zeros_are_left_out_and_told() {
        let holed = b"one\ntw\0\0\0\0o\nthree\n".to_vec();
        let found = zeros(&holed).unwrap();
        assert_eq!((found.count, found.line, found.between), (4, 2, false));
        assert_eq!(plain(holed), b"one\ntwo\nthree\n");
        let mixed = [
            b"written by cmd\n".to_vec(),
            utf16(&"much written by PowerShell, more than by cmd\n".repeat(9)),
        ]
        .concat();
        assert!(zeros(&mixed).unwrap().between);
        assert!(plain(mixed).starts_with(b"written by cmd\nmuch written by PowerShell"));
    }

    #[test]
    fn indentation_is_made_of_spaces() {
        let hard = "a:\n\u{a0} b: c\u{a0}d\n";
        assert!(!is_plain(hard.as_bytes()));
        let text = plain(hard.into());
        assert_eq!(text, "a:\n  b: c\u{a0}d\n".as_bytes());
        assert!(is_plain(&text));
    }

    #[test]
    fn a_return_ends_a_line_where_nothing_else_does() {
        assert_eq!(plain(b"a\rb\r".to_vec()), b"a\nb\n");
        assert!(is_plain(b"a\r\nb\r"));
    }
}
