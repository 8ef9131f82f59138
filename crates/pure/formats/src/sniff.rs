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
    if memchr::memchr(0, trimmed).is_some() {
        return Looks::Binary;
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
                rest.first().is_none_or(|b| matches!(b, b' ' | b'\r')) && rest.len() < 120
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        assert_eq!(looks(b" \n"), Looks::Empty);
        assert_eq!(looks(b"SQLite format 3\0abc"), Looks::Binary);
        assert_eq!(looks(b"{\n \"kind\": \"PodList\""), Looks::Json);
        assert_eq!(looks(b"[{\"apiVersion\":\"v1\"}]"), Looks::Json);
        assert_eq!(
            looks(b"{\"level\":\"warn\",\"ts\":\"x\",\"msg\":\"y\"}\n"),
            Looks::Text
        );
        assert_eq!(looks(b"# hello\napiVersion: v1\nkind: Pod\n"), Looks::Yaml);
        assert_eq!(looks(b"- kind: Pod\n  metadata:\n"), Looks::Yaml);
        assert_eq!(looks(b"E1121 07:53 kind: x\n"), Looks::Text);
    }
}
