//! From a JSON pointer to the text that says it: evidence is quoted from the source, not from a tree.
//!
//! Deliberately absent: any reading of files; the caller hands in the entry's bytes.

use std::ops::Range;

use granit_parser::{Event, Parser};

use crate::json;

/// How the entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// The notation of the object that starts here.
pub fn notation(bytes: &[u8], start: usize) -> Notation {
    match bytes.get(start) {
        Some(b'{') => Notation::Json,
        _ => Notation::Yaml,
    }
}

/// The bytes that say the field: key and value. Nothing if the field is not there.
///
/// `object` is the object's range in `bytes`; `pointer` is a JSON pointer below it (`/spec/nodeName`).
pub fn field(bytes: &[u8], object: Range<usize>, pointer: &str) -> Option<Range<usize>> {
    let path: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|p| p.replace("~1", "/").replace("~0", "~"))
        .collect();
    if path.is_empty() {
        return Some(object);
    }
    match notation(bytes, object.start) {
        Notation::Json => in_json(bytes, object, &path),
        Notation::Yaml => in_yaml(bytes, object, &path),
    }
}

fn in_json(bytes: &[u8], object: Range<usize>, path: &[String]) -> Option<Range<usize>> {
    let mut at = object.start;
    let mut end = object.end;
    let mut found = object.clone();
    for step in path {
        match bytes.get(at) {
            Some(b'{') => {
                // The last of duplicate keys wins, as in every reader of objects.
                let field = json::fields(bytes, at, end)
                    .filter(|f| f.key == *step)
                    .last()?;
                let json::Value::Whole(value) = field.value else {
                    return None;
                };
                found = field.key_at.start..value.end;
                (at, end) = (value.start, value.end);
            }
            Some(b'[') => {
                let index: usize = step.parse().ok()?;
                let json::Value::Whole(value) = json::elements(bytes, at).nth(index)? else {
                    return None;
                };
                found = value.clone();
                (at, end) = (value.start, value.end);
            }
            _ => return None,
        }
    }
    Some(found)
}

enum Frame {
    Map {
        key: Option<(String, usize)>,
        on_path: bool,
    },
    Seq {
        next: usize,
        on_path: bool,
    },
}

fn in_yaml(bytes: &[u8], object: Range<usize>, path: &[String]) -> Option<Range<usize>> {
    // The object may start in the middle of a line (`- apiVersion: v1`): the columns before it are
    // blanked so that its lines stand below each other again.
    let line = crate::line_range(bytes, object.start);
    let lead = object.start.checked_sub(line.start)?;
    let repaired;
    let body = match std::str::from_utf8(bytes.get(object.clone())?) {
        Ok(text) => text,
        Err(_) => {
            repaired = crate::ascii(bytes.get(object.clone())?);
            &repaired
        }
    };
    let text = format!("{}{}", " ".repeat(lead), body);
    let back = |pos: usize| (line.start + pos).clamp(object.start, object.end);

    let mut stack: Vec<Frame> = Vec::new();
    // Depth of the node that was found, and where its key began.
    let mut open: Option<(usize, usize)> = None;
    for event in Parser::new_from_str(&text) {
        let (event, span) = event.ok()?;
        let range = span.byte_range()?;
        match event {
            Event::Scalar(ref value, ..) => {
                if let Some(Frame::Map {
                    key: key @ None, ..
                }) = stack.last_mut()
                {
                    *key = Some((value.clone().into_owned(), range.start));
                    continue;
                }
                if let Some(start) = arrive(&stack, path, range.start)
                    && open.is_none()
                {
                    return Some(back(start)..back(range.end));
                }
                step(&mut stack);
            }
            Event::Alias(_) => {
                if let Some(start) = arrive(&stack, path, range.start)
                    && open.is_none()
                {
                    return Some(back(start)..back(range.end));
                }
                step(&mut stack);
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                let start = arrive(&stack, path, range.start);
                if let (Some(start), None) = (start, open) {
                    open = Some((stack.len(), start));
                }
                let on_path = stack_on_path(&stack, path);
                stack.push(if matches!(event, Event::MappingStart(..)) {
                    Frame::Map { key: None, on_path }
                } else {
                    Frame::Seq { next: 0, on_path }
                });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                stack.pop();
                if let Some((depth, start)) = open
                    && stack.len() == depth
                {
                    let end = back(range.start.max(range.end));
                    let said = bytes.get(back(start)..end)?;
                    let trimmed = said.trim_ascii_end().len();
                    return Some(back(start)..back(start) + trimmed);
                }
                step(&mut stack);
            }
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    None
}

/// True when the innermost open frame's present child lies on the path.
fn stack_on_path(stack: &[Frame], path: &[String]) -> bool {
    let Some(frame) = stack.last() else {
        return true;
    };
    let want = path.get(stack.len() - 1);
    match frame {
        Frame::Map { key, on_path } => {
            *on_path && key.as_ref().is_some_and(|(k, _)| Some(k) == want)
        }
        Frame::Seq { next, on_path } => *on_path && want.is_some_and(|w| w.parse() == Ok(*next)),
    }
}

/// A node begins: where its key began, if it is the one that the path names.
fn arrive(stack: &[Frame], path: &[String], at: usize) -> Option<usize> {
    let hit = stack.len() == path.len() && stack_on_path(stack, path);
    let start = match stack.last() {
        Some(Frame::Map {
            key: Some((_, start)),
            ..
        }) => *start,
        _ => at,
    };
    hit.then_some(start)
}

/// A node is complete: the frame around it turns to the next key or index.
fn step(stack: &mut [Frame]) {
    match stack.last_mut() {
        Some(Frame::Map { key, .. }) => *key = None,
        Some(Frame::Seq { next, .. }) => *next += 1,
        None => {}
    }
}

/// The bytes of a range as one quotable line: white space folded, control characters replaced,
/// cut at `limit` characters.
pub fn quote(bytes: &[u8], limit: usize) -> String {
    let head = bytes.get(..bytes.len().min(limit * 8)).unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    let mut out = String::with_capacity(text.len().min(limit));
    let mut count = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = !out.is_empty();
            continue;
        }
        if count >= limit {
            break;
        }
        if space {
            out.push(' ');
            count += 1;
            space = false;
            if count >= limit {
                break;
            }
        }
        out.push(if is_unsafe(c) { '\u{fffd}' } else { c });
        count += 1;
    }
    out
}

/// Characters that must not reach a terminal or a page: controls, and those that reorder or hide text.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, object: Range<usize>, pointer: &str) -> Option<String> {
        field(text.as_bytes(), object, pointer).map(|r| quote(&text.as_bytes()[r], 400))
    }

    const YAML: &str = "items:\n- kind: Pod\n  metadata:\n    name: a\n  spec:\n    list:\n    - x: 1\n    - y: 2\n      z: three\n    sel:\n      matchLabels:\n        environment: prod\n- kind: B\n";

    #[test]
    fn fields_are_found_in_yaml_list_items() {
        let start = YAML.find("kind: Pod").unwrap();
        let end = YAML.find("- kind: B").unwrap();
        let at = |p: &str| said(YAML, start..end, p);
        assert_eq!(at("/metadata/name").as_deref(), Some("name: a"));
        assert_eq!(at("/spec/list/1/z").as_deref(), Some("z: three"));
        assert_eq!(
            at("/spec/sel").as_deref(),
            Some("sel: matchLabels: environment: prod")
        );
        assert_eq!(
            at("/spec/sel/matchLabels").as_deref(),
            Some("matchLabels: environment: prod")
        );
        assert_eq!(at("/spec/none"), None);
        assert_eq!(at("/spec/list/7"), None);
    }

    #[test]
    fn fields_are_found_in_json() {
        let text = r#"{"items":[{"a":{"b c":[1,{"d/e":"x"}]}}]}"#;
        let at = |p: &str| said(text, 10..text.len() - 2, p);
        assert_eq!(at("/a/b c/1/d~1e").as_deref(), Some(r#""d/e":"x""#));
        assert_eq!(at("/a/b c/0").as_deref(), Some("1"));
    }

    #[test]
    fn quotes_are_one_safe_line() {
        assert_eq!(
            quote("a\x1b[31m\n  b\u{202e}c".as_bytes(), 400),
            "a\u{fffd}[31m b\u{fffd}c"
        );
        assert_eq!(quote("abcdef".as_bytes(), 3), "abc");
    }
}
