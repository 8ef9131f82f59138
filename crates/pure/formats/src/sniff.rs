//! What a file is, told by its content alone: names are hints that people change.
//!
//! Deliberately absent: archives, which are unpacked before anything is asked here, and what commands
//! printed: that is text, and its forms are told line by line (`text`).

/// What the bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// Nothing but white space.
    Empty,
    /// Not text.
    Binary,
    /// JSON objects.
    Json,
    /// YAML objects.
    Yaml,
    /// Lines of text.
    Text,
}

const HEAD: usize = 64 * 1024;

/// Tells what the bytes look like from their first 64 KiB.
pub fn looks(bytes: &[u8]) -> Looks {
    let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
    let trimmed = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    if trimmed.is_empty() {
        return Looks::Empty;
    }
    if form(bytes).is_some() {
        return Looks::Binary;
    }
    if memchr::memchr(0, trimmed).is_some() {
        let text = crate::plain::plain(head.to_vec());
        return if is_written(&text) {
            looks(&text)
        } else {
            Looks::Binary
        };
    }
    if matches!(trimmed.first(), Some(b'{' | b'[')) {
        return if json_object(trimmed) {
            Looks::Json
        } else {
            Looks::Text
        };
    }
    if yaml_object(trimmed) {
        Looks::Yaml
    } else {
        Looks::Text
    }
}

/// Is this what is left of a text, zeros aside? Lines that somebody wrote, with hardly a byte that no
/// terminal shows.
fn is_written(text: &[u8]) -> bool {
    let unseen = text
        .iter()
        .filter(|b| matches!(b, 0..=6 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f))
        .count();
    let wrong: usize = text.utf8_chunks().map(|c| c.invalid().len()).sum();
    let lines = memchr::memchr(b'\n', text).is_some() || json_object(text.trim_ascii_start());
    lines && unseen * 200 <= text.len() && wrong * 20 <= text.len()
}

/// Forms that are no text, or none that is read: where their mark stands, the mark, what they are, and
/// what makes text of them.
const FORMS: &[(usize, &[u8], &str, &str)] = &[
    (
        0,
        b"LPKSHHRH",
        "a journal of systemd",
        "`journalctl --file FILE -o export` makes text of it",
    ),
    (0, b"\xfd7zXZ\0", "packed with xz", "unpack it first"),
    (0, b"BZh", "packed with bzip2", "unpack it first"),
    (
        0,
        b"7z\xbc\xaf\x27\x1c",
        "packed with 7-Zip",
        "unpack it first",
    ),
    (0, b"Rar!\x1a\x07", "packed with RAR", "unpack it first"),
    (0, b"\x04\x22\x4d\x18", "packed with LZ4", "unpack it first"),
    (0, b"\x89PNG\r\n\x1a\n", "a picture", PICTURE),
    (0, b"\xff\xd8\xff", "a picture", PICTURE),
    (0, b"GIF8", "a picture", PICTURE),
    (4, b"ftyp", "a picture or a film", PICTURE),
    (0, b"%PDF-", "a PDF", PICTURE),
    (0, b"SQLite format 3\0", "an SQLite database", DATABASE),
    (16, b"\xed\xda\x0c\xed", "a database of etcd", DATABASE),
    (
        0,
        b"\x7fELF",
        "a program",
        "it says nothing about a cluster",
    ),
];

/// Read by places, which a stream or an archive does not have.
const DATABASE: &str = "give it as a file of its own";
const PICTURE: &str = "give the text itself";

/// What the bytes are, by how they begin, if that is known and no text; and what to do with them.
fn form(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    FORMS
        .iter()
        .find(|(at, mark, ..)| bytes.get(*at..).is_some_and(|b| b.starts_with(mark)))
        // A word may begin so too.
        .filter(|(_, mark, ..)| *mark != b"BZh" || bytes.get(4..10) == Some(b"1AY&SY"))
        .map(|(_, _, what, how)| (*what, *how))
}

/// Why something that is no text is a gap.
pub fn no_text(bytes: &[u8]) -> String {
    match form(bytes) {
        Some((what, how)) => format!("not text: {what}; {how}"),
        None => "not text, and no datastore that is known here".to_owned(),
    }
}

/// An object of the API starts with its kind, metadata or items; a JSON log line does not.
fn json_object(head: &[u8]) -> bool {
    let start = if head.first() == Some(&b'[') {
        crate::json::skip_space(head, 1)
    } else {
        0
    };
    crate::json::fields(head, start, head.len())
        .take(24)
        .any(|f| {
            matches!(
                f.key.as_str(),
                "kind" | "apiVersion" | "metadata" | "items" | "spec" | "status" | "involvedObject"
            )
        })
}

/// A line at the left edge that opens a field of an API object.
fn yaml_object(head: &[u8]) -> bool {
    head.split(|b| *b == b'\n').any(|line| {
        let line = line.strip_prefix(b"- ").unwrap_or(line);
        [
            &b"apiVersion:"[..],
            b"kind:",
            b"metadata:",
            b"items:",
            b"spec:",
            b"status:",
        ]
        .iter()
        .any(|key| {
            line.strip_prefix(*key).is_some_and(|rest| {
                let word = matches!(*key, b"apiVersion:" | b"kind:");
                rest.first().is_none_or(|b| matches!(b, b' ' | b'\r'))
                    && rest.len() < 120
                    && (word || opens(rest))
            })
        })
    })
}

/// Stands nothing here but what a list or a mapping begins with? `zpool status` has a `status:` too, with a sentence.
fn opens(rest: &[u8]) -> bool {
    let first = rest.trim_ascii().first();
    first.is_none_or(|b| {
        matches!(
            b,
            b'{' | b'[' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"'
        )
    }) || rest.trim_ascii() == b"null"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        assert_eq!(looks(b" \n"), Looks::Empty);
        assert_eq!(looks(b"SQLite format 3\0abc"), Looks::Binary);
        assert_eq!(looks(b"{\n \"kind\": \"PodList\""), Looks::Json);
        assert_eq!(looks(&[0; 600]), Looks::Binary);
        assert_eq!(looks(b"a\0b\x01\x02\x03\n\0c\x04"), Looks::Binary);
        assert_eq!(looks(b"BZh is a word\n"), Looks::Text);
        assert_eq!(looks(b"BZh91AY&SY..."), Looks::Binary);
        assert_eq!(
            looks(b"I1121 07:53 one\n\0\0\0\0\0\0I1121 07:54 two\n"),
            Looks::Text
        );
        assert_eq!(looks(b"kind: Pod\nmetadata:\n\0\0"), Looks::Yaml);
        assert_eq!(looks(b"{\"kind\":\"Pod\"}\0\0\0"), Looks::Json);
        assert_eq!(looks(b"[{\"apiVersion\":\"v1\"}]"), Looks::Json);
        assert_eq!(
            looks(b"{\"level\":\"warn\",\"ts\":\"x\",\"msg\":\"y\"}\n"),
            Looks::Text
        );
        assert_eq!(looks(b"# hello\napiVersion: v1\nkind: Pod\n"), Looks::Yaml);
        assert_eq!(looks(b"- kind: Pod\n  metadata:\n"), Looks::Yaml);
        assert_eq!(looks(b"E1121 07:53 kind: x\n"), Looks::Text);
        assert_eq!(
            looks(b"  pool: tank\n state: SUSPENDED\nstatus: One or more devices are faulted.\n"),
            Looks::Text
        );
        assert_eq!(looks(b"status:\n  phase: Failed\n"), Looks::Yaml);
        assert_eq!(looks(b"spec: {}\n"), Looks::Yaml);
    }
}
