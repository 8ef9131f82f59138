//! The values of `Secret` objects, found by structure in JSON and YAML.
//!
//! Deliberately absent: Secrets inside other text (a manifest in a ConfigMap): their values go by shape.

use std::ops::Range;

use granit_parser::{Event, Parser};

use super::Cut;
use super::manifests::Mark;
use super::packed::APPLIED;
use crate::json::{self, Value};

pub(super) fn cuts(bytes: &[u8], marks: &[Mark], is_json: bool) -> Vec<Cut> {
    if is_json {
        return in_json(bytes, marks);
    }
    match crate::sniff::looks(bytes) {
        crate::sniff::Looks::Json => in_json(bytes, marks),
        crate::sniff::Looks::Yaml => in_yaml(bytes),
        _ => Vec::new(),
    }
}

/// Objects that lie in one another and are each taken apart; those that lie deeper are `manifests`'.
const DEEPEST: usize = 16;

/// One walk over the text tells in which objects the marks stand; only those are taken apart, each once: an
/// object may say any number of times what it is.
fn in_json(bytes: &[u8], marks: &[Mark]) -> Vec<Cut> {
    let mut out = Vec::new();
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut taken = 0;
    let mut marks = marks.iter().peekable();
    let mut i = 0;
    while let (Some(b), Some(mark)) = (bytes.get(i), marks.peek()) {
        match b {
            b'"' => {
                if mark.key <= i + 1 {
                    if mark.key == i + 1
                        && let Some((object, is_taken @ false)) = open.last_mut()
                        && taken < DEEPEST
                    {
                        *is_taken = true;
                        taken += 1;
                        json_node(bytes, *object, false, 0, &mut out);
                    }
                    marks.next();
                }
                match json::value(bytes, i) {
                    Value::Whole(r) => {
                        i = r.end;
                        continue;
                    }
                    _ => break,
                }
            }
            b'{' | b'[' => open.push((i, false)),
            b'}' | b']' => taken -= open.pop().map_or(0, |(_, taken)| usize::from(taken)),
            _ => {}
        }
        i += 1;
    }
    out
}

/// One object, list of objects or array of them; `secret` when the list says what its items are.
fn json_node(bytes: &[u8], start: usize, secret: bool, depth: u8, out: &mut Vec<Cut>) {
    if depth > 3 {
        return;
    }
    let whole_or_cut = |v: &Value| match v {
        Value::Whole(r) => Some(r.start),
        Value::Cut(s) => Some(*s),
        _ => None,
    };
    match bytes.get(start) {
        Some(b'[') => {
            for element in json::elements(bytes, start) {
                if let Some(s) = whole_or_cut(&element) {
                    json_node(bytes, s, secret, depth + 1, out);
                }
            }
        }
        Some(b'{') => {
            let fields: Vec<json::Field> =
                json::fields(bytes, start, bytes.len()).take(64).collect();
            let kind = fields
                .iter()
                .find(|f| f.key == "kind")
                .and_then(|f| match &f.value {
                    Value::Whole(r) => json::string_at(bytes, r),
                    _ => None,
                });
            let is_secret = match kind.as_deref() {
                Some("Secret") => true,
                Some(_) => false,
                None => secret,
            };
            for field in &fields {
                let Some(value) = whole_or_cut(&field.value) else {
                    continue;
                };
                match field.key.as_str() {
                    "items" => {
                        let listed = kind.as_deref() == Some("SecretList");
                        json_node(bytes, value, listed, depth + 1, out);
                    }
                    "data" | "stringData" if is_secret => {
                        for entry in json::fields(bytes, value, bytes.len()) {
                            if let Value::Whole(r) = &entry.value
                                && r.len() > 2
                            {
                                out.push(Cut {
                                    range: r.clone(),
                                    what: "secret-data",
                                    quoted: true,
                                });
                            }
                        }
                    }
                    "metadata" if is_secret => {
                        let notes = json::fields(bytes, value, bytes.len())
                            .find(|f| f.key == "annotations")
                            .and_then(|f| whole_or_cut(&f.value));
                        for note in notes
                            .into_iter()
                            .flat_map(|n| json::fields(bytes, n, bytes.len()))
                        {
                            if APPLIED.contains(&note.key.as_str())
                                && let Value::Whole(r) = note.value
                            {
                                out.push(Cut {
                                    range: r,
                                    what: "last-applied",
                                    quoted: true,
                                });
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// One open mapping or list of the YAML walk.
struct Frame {
    map: bool,
    key: Option<String>,
    /// Cuts to make if the object that this mapping is turns out to be a Secret.
    waiting: Vec<Cut>,
    kind: Option<String>,
}

fn in_yaml(bytes: &[u8]) -> Vec<Cut> {
    // Parsing is by text: bytes that are no UTF-8 are masked, at the same offsets.
    let masked: String;
    let text = match std::str::from_utf8(bytes) {
        Ok(t) => t,
        Err(_) => {
            masked = crate::ascii(bytes);
            &masked
        }
    };
    let mut out = Vec::new();
    let mut stack: Vec<Frame> = Vec::new();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let Ok((event, span)) = event else {
            // Whatever was being read may be a Secret whose kind comes later: take it out.
            out.extend(stack.drain(..).flat_map(|f| f.waiting));
            if !matches!(parser.proceed_next_document(), Ok(true)) {
                break;
            }
            continue;
        };
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::MappingStart(..) => stack.push(Frame {
                map: true,
                key: None,
                waiting: Vec::new(),
                kind: None,
            }),
            Event::SequenceStart(..) => stack.push(Frame {
                map: false,
                key: None,
                waiting: Vec::new(),
                kind: None,
            }),
            Event::MappingEnd | Event::SequenceEnd => {
                if let Some(frame) = stack.pop() {
                    close(frame, &mut stack, &mut out);
                }
            }
            Event::Scalar(value, ..) => {
                if let Some(Frame {
                    map: true,
                    key: key @ None,
                    ..
                }) = stack.last_mut()
                {
                    *key = Some(value.into_owned());
                } else {
                    scalar(&value, range, bytes, &mut stack);
                }
            }
            Event::Alias(_) => {
                if let Some(frame) = stack.last_mut() {
                    frame.key = None;
                }
            }
            Event::DocumentEnd => stack.clear(),
            _ => {}
        }
    }
    out
}

fn key_of(stack: &[Frame], from_top: usize) -> Option<&str> {
    stack
        .len()
        .checked_sub(from_top)
        .and_then(|i| stack.get(i))
        .and_then(|f| f.key.as_deref())
}

fn scalar(value: &str, range: Range<usize>, bytes: &[u8], stack: &mut [Frame]) {
    let depth = stack.len();
    if key_of(stack, 1) == Some("kind")
        && let Some(frame) = stack.last_mut()
    {
        frame.kind = Some(value.to_owned());
    }
    // `data: {k: v}`: the object is one mapping up; `metadata: {annotations: {k: v}}`: two up.
    let data = (2..=depth).find(|up| matches!(key_of(stack, *up), Some("data" | "stringData")));
    let applied = depth >= 3
        && key_of(stack, 1).is_some_and(|key| APPLIED.contains(&key))
        && key_of(stack, 2) == Some("annotations")
        && key_of(stack, 3) == Some("metadata");
    let up = data.unwrap_or(3);
    if (data.is_some() || applied) && !value.is_empty() {
        let said = bytes.get(range.clone()).unwrap_or_default();
        let range = range.start..range.start + said.trim_ascii_end().len();
        let what = if data.is_some() {
            "secret-data"
        } else {
            "last-applied"
        };
        if let Some(frame) = depth.checked_sub(up).and_then(|i| stack.get_mut(i)) {
            frame.waiting.push(Cut {
                range,
                what,
                quoted: true,
            });
        }
    }
    if let Some(frame) = stack.last_mut() {
        frame.key = None;
    }
}

/// An object ends: its waiting cuts are made if it is a Secret, and dropped if it is something else.
/// One without a kind may be an item of a `SecretList`: the decision moves up.
fn close(frame: Frame, stack: &mut [Frame], out: &mut Vec<Cut>) {
    if let Some(parent) = stack.last_mut() {
        parent.key = None;
    }
    match frame.kind.as_deref() {
        Some("Secret" | "SecretList") => out.extend(frame.waiting),
        Some(_) => {}
        None => match stack.last_mut() {
            Some(parent) => parent.waiting.extend(frame.waiting),
            None => out.extend(frame.waiting),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifests::{self, marks};
    use super::*;

    /// How many cuts are made of a text, before those that say the same are put together.
    fn made(text: &str) -> usize {
        let marks = marks(text.as_bytes());
        let mut out = cuts(text.as_bytes(), &marks, false);
        manifests::cuts(text.as_bytes(), &marks, None, &mut out);
        out.len()
    }

    /// Taken apart once for every time that they say what they are, these would make millions of cuts.
    #[test]
    fn an_object_that_repeats_itself_is_taken_apart_once() {
        let data = |n: usize| format!(r#""k{n}":"v{n}""#);
        let data: Vec<String> = (0..3_000).map(data).collect();
        let json = format!(
            r#"{{"data":{{{}}}{}}}"#,
            data.join(","),
            r#","kind":"Secret""#.repeat(3_000),
        );
        assert!((3_000..20_000).contains(&made(&json)), "{}", made(&json));
        let nested = format!(
            r#"{}{{}}{}"#,
            r#"{"kind":"Secret","data":"#.repeat(3_000),
            "}".repeat(3_000)
        );
        assert!(made(&nested) < 60_000, "{}", made(&nested));
        let lines: String = (0..3_000).map(|n| format!("  k{n}: v{n}\n")).collect();
        let yaml = format!("a: b\n{}data:\n{lines}", "kind: Secret\n".repeat(3_000));
        assert!((3_000..20_000).contains(&made(&yaml)), "{}", made(&yaml));
    }
}
