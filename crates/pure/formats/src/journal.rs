//! The export of systemd's journal (`journalctl -o export`) where fields hold more than a line of text.
//!
//! Such a field is its name, a newline, its length in eight bytes (little endian), its bytes, a newline. It
//! is turned into the plain form `NAME=text`, so that whatever reads text reads it: line ends inside become
//! `\n`, what is no UTF-8 becomes visible. Source: systemd, JOURNAL_EXPORT_FORMATS. Deliberately absent: the
//! journal's own files, which only journalctl should read.

/// Bytes of a field that are kept; journald itself stores lines of 48 KiB, and programs dumps of any length.
const FIELD: usize = 1 << 20;
/// Bytes of a field's name; journald takes 64.
const NAME: usize = 64;

/// Does an export begin here? Its first field is the entry's cursor.
pub fn is_export(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"__CURSOR=")
}

/// The export as text; nothing if it is none, or is text already.
pub fn plain(bytes: &[u8]) -> Option<Vec<u8>> {
    if !is_export(bytes) || memchr::memchr(0, bytes).is_none() {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        at += end + 1;
        match field(line, bytes, at) {
            Some((value, behind)) => {
                out.extend_from_slice(line);
                out.push(b'=');
                show(value, &mut out);
                at = behind;
            }
            None => show(line, &mut out),
        }
        out.push(b'\n');
    }
    Some(out)
}

/// The bytes of a field whose name stands alone on its line, and where the next line begins. Of one that is
/// cut the bytes that are there.
fn field<'b>(name: &[u8], bytes: &'b [u8], at: usize) -> Option<(&'b [u8], usize)> {
    let is_name = !name.is_empty()
        && name.len() <= NAME
        && name
            .iter()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
    if !is_name {
        return None;
    }
    let length = bytes.get(at..at.checked_add(8)?)?;
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let start = at + 8;
    let end = start.checked_add(length)?;
    // A field ends with a newline, or the file does.
    if end < bytes.len() && bytes.get(end) != Some(&b'\n') {
        return None;
    }
    let value = bytes.get(start..end.min(bytes.len()))?;
    Some((value, end.saturating_add(1).min(bytes.len())))
}

/// Writes bytes as text of one line.
fn show(value: &[u8], out: &mut Vec<u8>) {
    for c in
        String::from_utf8_lossy(value.get(..value.len().min(FIELD)).unwrap_or_default()).chars()
    {
        match c {
            '\n' => out.extend_from_slice(b"\\n"),
            '\t' | '\r' | '\u{1b}' => out.push(c as u8),
            c if c.is_control() => out.extend_from_slice("\u{fffd}".as_bytes()),
            c => {
                let mut room = [0; 4];
                out.extend_from_slice(c.encode_utf8(&mut room).as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(name: &str, value: &[u8]) -> Vec<u8> {
        let mut out = format!("{name}\n").into_bytes();
        out.extend((value.len() as u64).to_le_bytes());
        out.extend(value);
        out.push(b'\n');
        out
    }

    fn entry(message: &[u8]) -> Vec<u8> {
        let mut out =
            b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795247596000000\n_HOSTNAME=n1\n".to_vec();
        out.extend(binary("MESSAGE", message));
        out.extend(b"SYSLOG_IDENTIFIER=k3s\n\n");
        out
    }

    #[test]
    fn a_message_of_several_lines_becomes_one() {
        let mut bytes = entry(b"panic: x\ngoroutine 1\xff\0");
        bytes.extend(entry(b"second"));
        let text = String::from_utf8(plain(&bytes).unwrap()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[3], "MESSAGE=panic: x\\ngoroutine 1\u{fffd}\u{fffd}");
        assert_eq!(lines[4], "SYSLOG_IDENTIFIER=k3s");
        assert_eq!(lines[9], "MESSAGE=second");
        let at = text.find("second").unwrap();
        let (origin, time) = crate::log::exported(text.as_bytes(), at).unwrap();
        assert_eq!((origin.host, origin.unit), ("n1", "k3s"));
        assert_eq!(time.unwrap().to_string(), "2026-11-21T07:53:16Z");
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_costs_only_itself() {
        let whole = entry(b"a\nb");
        for cut in 0..whole.len() {
            if let Some(text) = plain(&whole[..cut]) {
                assert!(memchr::memchr(0, &text).is_none(), "{cut}");
            }
        }
        let mut liar = b"__CURSOR=s=1\nMESSAGE\n".to_vec();
        liar.extend(u64::MAX.to_le_bytes());
        liar.extend(b"x\n_HOSTNAME=n1\n\0\n");
        let text = String::from_utf8(plain(&liar).unwrap()).unwrap();
        assert!(text.contains("_HOSTNAME=n1"), "{text}");
        assert_eq!(plain(b"__CURSOR=s=1\nMESSAGE=x\n"), None, "text already");
        assert_eq!(plain(b"LPKSHHRH\0\0"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_become_text(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let mut bytes = b"__CURSOR=x\nMESSAGE\n".to_vec();
            bytes.extend(&body);
            bytes.push(0);
            let text = plain(&bytes).unwrap();
            proptest::prop_assert!(std::str::from_utf8(&text).is_ok());
            proptest::prop_assert!(!text.contains(&0));
        }

        #[test]
        fn a_field_comes_back(value in "[a-zA-Z0-9 ]{0,300}") {
            let mut bytes = b"__CURSOR=x\n".to_vec();
            bytes.extend(binary("MESSAGE", value.as_bytes()));
            let text = String::from_utf8(plain(&bytes).unwrap()).unwrap();
            let expected = format!("__CURSOR=x\nMESSAGE={value}\n");
            proptest::prop_assert_eq!(text, expected);
        }
    }
}
