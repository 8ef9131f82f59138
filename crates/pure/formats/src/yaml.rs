//! YAML documents as JSON, with the place of every document and list item in the source.
//!
//! Built on granit-parser's events (the parser under serde-saphyr), because evidence needs the byte
//! range of a field and a cut stream must give what came before the cut. Aliases are expanded under a
//! budget. A broken document is reported with its line, the whole items of its list are handed on, and
//! reading goes on behind what is broken.
//! Deliberately absent: YAML tags beyond the core schema, and merge keys, which Kubernetes ignores too.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle};

/// Depth at which a document is refused; Kubernetes objects stay under 30.
pub const MAX_DEPTH: usize = 200;
/// How often reading goes on in the middle of broken lists of one text.
const MAX_RESUMED: u32 = 20;
/// Longest text in which it does.
const MAX_BROKEN: usize = 4 << 20;
/// What makes a document of the rest of a list.
const ITEMS: &str = "items:\n";

/// One document of a stream.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The document as JSON.
    pub json: Vec<u8>,
    /// Its bytes in the source.
    pub source: Range<usize>,
    /// The line of the first of them, from 1.
    pub line: u64,
    /// The elements of its top-level `items`: place in `json`, place in the source.
    pub items: Vec<(Range<usize>, Range<usize>)>,
    /// True when these are only those items of a broken document's list that are whole.
    pub part: bool,
}

/// Why a document could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Broken {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong there.
    pub why: String,
}

enum Frame {
    Seq {
        first: bool,
        items: bool,
        start: usize,
    },
    Map {
        first: bool,
        key: bool,
        start: usize,
    },
}

/// Calls `each` for every document or break, in order, until it returns false.
pub fn documents(text: &str, mut each: impl FnMut(Result<Document, Broken>) -> bool) {
    let mut resumed = 0;
    walk(text, &mut resumed, &mut each);
}

/// The same; false when `each` has had enough.
fn walk(
    text: &str,
    resumed: &mut u32,
    each: &mut dyn FnMut(Result<Document, Broken>) -> bool,
) -> bool {
    let mut options = Options::default();
    options.block_nesting_limit = MAX_DEPTH;
    options.flow_nesting_limit = MAX_DEPTH;
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut build = Builder::new(text.len());
    loop {
        let broken = match parser.next_event() {
            None => return true,
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(0..0);
                match event {
                    Event::StreamStart | Event::StreamEnd => continue,
                    Event::DocumentStart(..) => {
                        build.reset();
                        continue;
                    }
                    Event::DocumentEnd => {
                        if let Some(doc) = build.take()
                            && !each(Ok(doc))
                        {
                            return false;
                        }
                        continue;
                    }
                    event => match build.event(event, range, span.start.line() as u64) {
                        Ok(()) => continue,
                        Err(why) => Broken {
                            line: span.start.line() as u64,
                            why,
                        },
                    },
                }
            }
            Some(Err(e)) => Broken {
                line: e.marker().line() as u64,
                why: e.info().to_owned(),
            },
        };
        if !each(Err(broken)) {
            return false;
        }
        let next = build.item_start.and_then(|(_, at)| next_item(text, at));
        if let Some(doc) = build.take_items()
            && !each(Ok(doc))
        {
            return false;
        }
        if let Some(rest) = next.filter(|_| *resumed < MAX_RESUMED && text.len() <= MAX_BROKEN) {
            *resumed += 1;
            if !items_again(text, rest, resumed, each) {
                return false;
            }
        }
        if !skip_document(&mut parser) {
            return true;
        }
        build.reset();
    }
}

/// Where the list goes on behind the item that begins here: from the next line that opens one like it to
/// the end of the document.
fn next_item(text: &str, at: usize) -> Option<Range<usize>> {
    let line = text.get(..at)?.rfind('\n')? + 1;
    let opens = text.get(line..at)?;
    let indent = opens.strip_suffix(' ')?.trim_end().strip_suffix('-')?;
    if !indent.trim().is_empty() {
        return None;
    }
    let behind = text.get(at..)?;
    let end = behind.find("\n---").map_or(text.len(), |i| at + i + 1);
    let next = text.get(at..end)?.find(&format!("\n{indent}- "))?;
    Some(at + next + 1..end)
}

/// Reads the rest of a list as a list of its own; places and lines are those of the whole text.
fn items_again(
    text: &str,
    rest: Range<usize>,
    resumed: &mut u32,
    each: &mut dyn FnMut(Result<Document, Broken>) -> bool,
) -> bool {
    let (Some(before), Some(list)) = (text.get(..rest.start), text.get(rest.clone())) else {
        return true;
    };
    let lines = memchr::memchr_iter(b'\n', before.as_bytes()).count() as u64;
    let moved = |range: &mut Range<usize>| {
        range.start = (range.start + rest.start).saturating_sub(ITEMS.len());
        range.end = (range.end + rest.start).saturating_sub(ITEMS.len());
    };
    walk(&format!("{ITEMS}{list}"), resumed, &mut |found| {
        each(match found {
            Ok(mut doc) => {
                doc.part = true;
                doc.line = (doc.line + lines).saturating_sub(1);
                moved(&mut doc.source);
                doc.items.iter_mut().for_each(|(_, source)| moved(source));
                Ok(doc)
            }
            Err(mut broken) => {
                broken.line = (broken.line + lines).saturating_sub(1);
                Err(broken)
            }
        })
    })
}

/// Goes on behind the next document mark; false when there is none.
fn skip_document<'a, T: granit_parser::BorrowedInput<'a>>(parser: &mut Parser<'a, T>) -> bool {
    matches!(parser.proceed_next_document(), Ok(true))
}

struct Builder {
    out: Vec<u8>,
    stack: Vec<Frame>,
    items: Vec<(Range<usize>, Range<usize>)>,
    item_start: Option<(usize, usize)>,
    items_key: bool,
    source: Option<Range<usize>>,
    line: u64,
    anchors: BTreeMap<usize, Range<usize>>,
    open_anchors: Vec<(usize, usize)>,
    /// Bytes that aliases may add to all documents together.
    pool: usize,
}

impl Builder {
    fn new(input: usize) -> Self {
        Self {
            out: Vec::new(),
            stack: Vec::new(),
            items: Vec::new(),
            item_start: None,
            items_key: false,
            source: None,
            line: 0,
            anchors: BTreeMap::new(),
            open_anchors: Vec::new(),
            pool: input.saturating_mul(4).saturating_add(1 << 20),
        }
    }

    fn reset(&mut self) {
        self.out.clear();
        self.stack.clear();
        self.items.clear();
        self.item_start = None;
        self.items_key = false;
        self.source = None;
        self.anchors.clear();
        self.open_anchors.clear();
    }

    fn take(&mut self) -> Option<Document> {
        let source = self.source.take()?;
        let doc = Document {
            json: std::mem::take(&mut self.out),
            source,
            line: self.line,
            items: std::mem::take(&mut self.items),
            part: false,
        };
        self.reset();
        Some(doc)
    }

    /// The items that were whole when the document broke, as a list.
    fn take_items(&mut self) -> Option<Document> {
        let (last, read) = self.items.last()?;
        let (last, read) = (last.end, read.end);
        self.out.truncate(last);
        self.out.extend_from_slice(b"]}");
        if let Some(source) = &mut self.source {
            source.end = read;
        }
        let mut doc = self.take()?;
        doc.part = true;
        Some(doc)
    }

    /// Writes the comma or colon before a node; says whether the node is a key.
    fn before(&mut self, at: usize) -> bool {
        let depth = self.stack.len();
        match self.stack.last_mut() {
            None => false,
            Some(Frame::Seq { first, items, .. }) => {
                if !*first {
                    self.out.push(b',');
                }
                *first = false;
                if *items && depth == 2 {
                    self.item_start = Some((self.out.len(), at));
                }
                false
            }
            Some(Frame::Map { first, key, .. }) => {
                if *key {
                    if !*first {
                        self.out.push(b',');
                    }
                    *first = false;
                } else {
                    self.out.push(b':');
                }
                *key
            }
        }
    }

    /// Book-keeping behind a node.
    fn after(&mut self, was_key: bool, end: usize) {
        if let Some(source) = &mut self.source {
            source.end = source.end.max(end);
        }
        let depth = self.stack.len();
        match self.stack.last_mut() {
            Some(Frame::Map { key, .. }) => *key = !was_key,
            Some(Frame::Seq { items: true, .. }) if depth == 2 => {
                if let Some((json, source)) = self.item_start.take() {
                    self.items
                        .push((json..self.out.len(), source..end.max(source)));
                }
            }
            _ => {}
        }
    }

    fn anchor(&mut self, id: usize, start: usize) {
        if id != 0 {
            self.open_anchors.push((id, start));
        }
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>, line: u64) -> Result<(), String> {
        match &mut self.source {
            None => {
                self.source = Some(range.clone());
                self.line = line;
            }
            Some(s) => s.end = s.end.max(range.end),
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let key = self.before(range.start);
                let start = self.out.len();
                let tagged = tag
                    .as_ref()
                    .is_some_and(|t| t.is_yaml_core_schema_tag("str"));
                if key || tagged || style != ScalarStyle::Plain {
                    self.string(&text);
                } else {
                    self.plain(&text);
                }
                if key && self.stack.len() == 1 {
                    self.items_key = text == "items";
                }
                if anchor != 0 {
                    self.anchors.insert(anchor, start..self.out.len());
                }
                self.after(key, range.end);
            }
            Event::SequenceStart(_, anchor, _) => {
                let key = self.before(range.start);
                let start = self.out.len();
                self.anchor(anchor, start);
                if key {
                    return Err("a list cannot be a key".to_owned());
                }
                let items = self.stack.len() == 1 && self.items_key;
                self.out.push(b'[');
                self.stack.push(Frame::Seq {
                    first: true,
                    items,
                    start,
                });
            }
            Event::MappingStart(_, anchor, _) => {
                let key = self.before(range.start);
                if key {
                    return Err("a map cannot be a key".to_owned());
                }
                let start = self.out.len();
                self.anchor(anchor, start);
                self.out.push(b'{');
                self.stack.push(Frame::Map {
                    first: true,
                    key: true,
                    start,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (close, opened) = match self.stack.pop() {
                    Some(Frame::Map { start, .. }) => (b'}', start),
                    Some(Frame::Seq { start, .. }) => (b']', start),
                    None => return Err("a list or map ends that never began".to_owned()),
                };
                self.out.push(close);
                if let Some((id, start)) = self.open_anchors.last().copied()
                    && start == opened
                {
                    self.open_anchors.pop();
                    self.anchors.insert(id, start..self.out.len());
                }
                // A block collection's end mark stands at the next token: its text ends before.
                self.after(false, range.start.max(range.end));
            }
            Event::Alias(id) => {
                let key = self.before(range.start);
                let Some(copy) = self.anchors.get(&id).cloned() else {
                    return Err("an alias of something that is not complete".to_owned());
                };
                self.pool = self
                    .pool
                    .checked_sub(copy.len())
                    .ok_or("aliases expand to too much")?;
                self.out.extend_from_within(copy);
                self.after(key, range.end);
            }
            _ => {}
        }
        Ok(())
    }

    fn string(&mut self, text: &str) {
        // Writing to a Vec cannot fail; an error would leave an empty string.
        if serde_json::to_writer(&mut self.out, text).is_err() {
            self.out.extend_from_slice(b"\"\"");
        }
    }

    /// A plain scalar by YAML's core schema, as Kubernetes' YAML library reads it.
    fn plain(&mut self, text: &str) {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => self.out.extend_from_slice(b"null"),
            "true" | "True" | "TRUE" => self.out.extend_from_slice(b"true"),
            "false" | "False" | "FALSE" => self.out.extend_from_slice(b"false"),
            _ if is_json_number(text) => self.out.extend_from_slice(text.as_bytes()),
            _ => self.string(text),
        }
    }
}

/// A plain number that JSON writes the same way.
fn is_json_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((w, f)) => (w, Some(f)),
        None => (digits, None),
    };
    let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && whole.len() <= 18
        && fraction.is_none_or(|f| all_digits(f) && f.len() <= 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Result<String, Broken>> {
        let mut out = Vec::new();
        documents(text, |d| {
            out.push(d.map(|d| String::from_utf8(d.json).unwrap()));
            true
        });
        out
    }

    #[test]
    fn scalars_keep_their_types() {
        assert_eq!(
            all("a: 1\nb: '1'\nc: true\nd: ~\ne: 1e3\nf: 0x1\ng: [x, {y: -2.50}]\nh: |\n  two\n  lines\n"),
            [Ok(r#"{"a":1,"b":"1","c":true,"d":null,"e":"1e3","f":"0x1","g":["x",{"y":-2.50}],"h":"two\nlines\n"}"#.to_owned())]
        );
    }

    #[test]
    fn items_know_their_place() {
        let text = "apiVersion: v1\nitems:\n- a: 1\n- b: 2\n  c:\n  - 3\nkind: List\n";
        let mut got = Vec::new();
        documents(text, |d| {
            let d = d.unwrap();
            for (j, s) in &d.items {
                got.push((
                    String::from_utf8(d.json[j.clone()].to_vec()).unwrap(),
                    text[s.clone()].trim_end().to_owned(),
                ));
            }
            true
        });
        assert_eq!(got[0], (r#"{"a":1}"#.to_owned(), "a: 1".to_owned()));
        assert_eq!(got[1].0, r#"{"b":2,"c":[3]}"#);
        assert!(got[1].1.starts_with("b: 2"), "{:?}", got[1]);
    }

    #[test]
    fn a_broken_document_costs_only_itself() {
        let got = all("a: 1\n---\nb: [1\nc: 2\n---\nd: 3\n");
        assert_eq!(got.first().unwrap().as_deref(), Ok("{\"a\":1}"));
        assert!(got.iter().any(Result::is_err));
        assert_eq!(got.last().unwrap().as_deref(), Ok("{\"d\":3}"), "{got:?}");
    }

    #[test]
    fn a_broken_item_costs_only_itself() {
        let text = "apiVersion: v1\nitems:\n- a: 1\n- b: 'two\n  <snip>\n- c: 3\n- d: [4\n- e: 5\nkind: List\n---\nf: 6\n";
        let (mut items, mut lines, mut rest) = (Vec::new(), Vec::new(), 0);
        documents(text, |found| {
            match found {
                Ok(doc) if doc.part => items.extend(doc.items.iter().map(|(json, source)| {
                    let source = text[source.clone()].trim_end();
                    (doc.json[json.clone()].to_vec(), source.to_owned())
                })),
                Ok(_) => rest += 1,
                Err(broken) => lines.push(broken.line),
            }
            true
        });
        let found: Vec<_> = items
            .iter()
            .map(|(json, source)| (std::str::from_utf8(json).unwrap(), source.as_str()))
            .collect();
        assert!(found.contains(&("{\"a\":1}", "a: 1")), "{found:?}");
        assert!(found.contains(&("{\"c\":3}", "c: 3")), "{found:?}");
        assert!(found.contains(&("{\"e\":5}", "e: 5")), "{found:?}");
        assert_eq!((lines.len(), rest), (2, 1), "{lines:?}");
        assert!(lines.iter().all(|l| (4..10).contains(l)), "{lines:?}");
    }

    #[test]
    fn aliases_expand_under_a_budget() {
        assert_eq!(
            all("a: &x {k: v}\nb: *x\n"),
            [Ok(r#"{"a":{"k":"v"},"b":{"k":"v"}}"#.to_owned())]
        );
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 9].join(",");
            bomb.push_str(&format!("a{i}: &a{i} {{k: [{refs}]}}\n"));
        }
        assert!(all(&bomb).iter().all(Result::is_err));
        // What one document took is not there for the next, and what aliases nothing is read all the same.
        let mut one = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for i in 1..4 {
            let refs = vec![format!("*a{}", i - 1); 9].join(",");
            one.push_str(&format!("a{i}: &a{i} {{k: [{refs}]}}\n"));
        }
        let many = format!("{one}---\n").repeat(400) + "a: 1\n";
        let got = all(&many);
        let read: usize = got.iter().flatten().map(String::len).sum();
        assert!(read < 9 * many.len() + (2 << 20), "{read}");
        assert!(got.first().unwrap().is_ok());
        assert_eq!(got.last().unwrap().as_deref(), Ok("{\"a\":1}"));
    }

    #[test]
    fn depth_is_refused_with_a_line() {
        let deep = format!("a: {}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(all(&deep).first(), Some(Err(b)) if b.line == 1));
    }
}
