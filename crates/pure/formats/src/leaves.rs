//! The scalars of a configuration file, each with its path and its place: YAML and TOML alike.
//!
//! A file that breaks gives what stands before the break (YAML) or around it (TOML). Deliberately absent:
//! aliases and types. Who asks for a setting knows what it should be, and a citation needs its line.

use std::ops::Range;

use granit_parser::{Event, Options, Parser};
use toml::de::{DeTable, DeValue};

/// Scalars of one file; configuration of more is none of a host's.
const MOST: usize = 10_000;
/// Nesting at which reading ends.
const DEPTH: usize = 40;

/// One scalar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The keys that lead to it; an element of a list by its number.
    pub path: Vec<String>,
    /// Its text, without quotation marks.
    pub value: String,
    /// Its first byte.
    pub at: usize,
}

impl Leaf {
    /// The key of this depth; empty where there is none.
    pub fn key(&self, depth: usize) -> &str {
        self.path.get(depth).map_or("", String::as_str)
    }

    /// The innermost key that is no number of a list.
    pub fn name(&self) -> &str {
        self.path
            .iter()
            .rev()
            .find(|k| k.parse::<usize>().is_err())
            .map_or("", String::as_str)
    }
}

enum Frame {
    List(usize),
    Map(Option<String>),
}

/// Where YAML can't be read any further: the line, from 0, and why.
pub fn yaml_breaks(text: &str) -> Option<(usize, String)> {
    let mut options = Options::default();
    options.block_nesting_limit = DEPTH;
    options.flow_nesting_limit = DEPTH;
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(event) = parser.next_event() {
        if let Err(e) = event {
            return Some((e.marker().line().saturating_sub(1), e.info()));
        }
    }
    None
}

/// The scalars of the first YAML document.
pub fn yaml(text: &str) -> Vec<Leaf> {
    let mut options = Options::default();
    options.block_nesting_limit = DEPTH;
    options.flow_nesting_limit = DEPTH;
    let mut parser = Parser::new_from_str_with_options(text, options);
    let (mut out, mut stack): (Vec<Leaf>, Vec<Frame>) = (Vec::new(), Vec::new());
    while let Some(Ok((event, span))) = parser.next_event() {
        let at = span.byte_range().unwrap_or(0..0).start;
        match event {
            Event::Scalar(value, ..) => match stack.last_mut() {
                Some(Frame::Map(key @ None)) => *key = Some(value.into_owned()),
                Some(_) if out.len() < MOST => {
                    out.push(Leaf {
                        path: path(&stack),
                        value: value.into_owned(),
                        at,
                    });
                    done(&mut stack);
                }
                _ => break,
            },
            Event::SequenceStart(..) => stack.push(Frame::List(0)),
            Event::MappingStart(..) => stack.push(Frame::Map(None)),
            Event::SequenceEnd | Event::MappingEnd => {
                stack.pop();
                done(&mut stack);
            }
            Event::Alias(_) => done(&mut stack),
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    out
}

fn path(stack: &[Frame]) -> Vec<String> {
    stack
        .iter()
        .map(|f| match f {
            Frame::List(n) => n.to_string(),
            Frame::Map(key) => key.clone().unwrap_or_default(),
        })
        .collect()
}

/// A node came to its end: the next key, or the next element. One that is a key itself has no name.
fn done(stack: &mut [Frame]) {
    match stack.last_mut() {
        Some(Frame::List(n)) => *n += 1,
        Some(Frame::Map(key @ None)) => *key = Some(String::new()),
        Some(Frame::Map(key)) => *key = None,
        None => {}
    }
}

/// The scalars of a TOML file. Lines of a template (`{{ … }}`) are passed over.
pub fn toml(text: &str) -> Vec<Leaf> {
    let plain = untemplated(text);
    let (table, _) = DeTable::parse_recoverable(&plain);
    let mut out = Vec::new();
    let mut path = Vec::new();
    walk_table(table.get_ref(), &mut path, &mut out);
    out.sort_by_key(|l| l.at);
    out
}

/// As long as the text, with spaces for lines that are a template's own.
fn untemplated(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.trim_start().starts_with("{{") {
            true => line
                .bytes()
                .map(|b| if b == b'\n' { '\n' } else { ' ' })
                .collect(),
            false => line.to_owned(),
        })
        .collect()
}

fn walk_table(table: &DeTable<'_>, path: &mut Vec<String>, out: &mut Vec<Leaf>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        walk(value.get_ref(), value.span(), path, out);
        path.pop();
    }
}

fn walk(value: &DeValue<'_>, span: Range<usize>, path: &mut Vec<String>, out: &mut Vec<Leaf>) {
    if out.len() >= MOST || path.len() > DEPTH {
        return;
    }
    let text = match value {
        DeValue::Table(table) => return walk_table(table, path, out),
        DeValue::Array(list) => {
            for (n, one) in list.iter().enumerate() {
                path.push(n.to_string());
                walk(one.get_ref(), one.span(), path, out);
                path.pop();
            }
            return;
        }
        DeValue::String(s) => s.to_string(),
        DeValue::Integer(n) => n.as_str().to_owned(),
        DeValue::Float(n) => n.as_str().to_owned(),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Datetime(d) => d.to_string(),
    };
    out.push(Leaf {
        path: path.clone(),
        value: text,
        at: span.start,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(leaves: &[Leaf]) -> Vec<String> {
        leaves
            .iter()
            .map(|l| format!("{}={} @{}", l.path.join("/"), l.value, l.at))
            .collect()
    }

    #[test]
    fn yaml_that_breaks_is_told_with_its_line() {
        assert_eq!(yaml_breaks("a: b\nc:\n  - d\n"), None);
        let (line, why) = yaml_breaks("a: b\nc:\n  - d\n - e\n").unwrap();
        assert!(line >= 2 && !why.is_empty(), "{line} {why}");
        let (line, _) = yaml_breaks("server:https://a:6443\ntoken: b\n").unwrap();
        assert!(line <= 1, "{line}");
    }

    #[test]
    fn yaml_scalars_know_their_path_and_place() {
        let got = yaml("a:\n  \"b:5\":\n    - x\n    - {k: v, n: 1}\nc: 'd'\n");
        assert_eq!(
            shown(&got),
            [
                "a/b:5/0=x @18",
                "a/b:5/1/k=v @30",
                "a/b:5/1/n=1 @36",
                "c=d @42"
            ]
        );
        assert_eq!(got[0].name(), "b:5");
        assert_eq!(got[3].key(7), "");
        let got = yaml("? [a]\n: b\nc: d\n");
        assert_eq!(shown(&got)[1..], ["=b @8", "c=d @13"]);
        let got = yaml("a: &x {b: 1}\nc: *x\nd: 2\ne: [\n");
        assert_eq!(
            shown(&got),
            ["a/b=1 @10", "d=2 @22"],
            "what is whole counts"
        );
    }

    #[test]
    fn toml_scalars_know_their_path_and_place() {
        let text = "{{ template \"base\" . }}\nversion = 2\n[plugins.\"a.b\"]\n  x = [\"p\", 'q']\n  bad = = 3\n  ok = true\n";
        let got: Vec<_> = toml(text)
            .iter()
            .filter(|l| l.key(2) != "bad")
            .map(|l| {
                format!(
                    "{}: {}",
                    l.path.join("/"),
                    text[l.at..].lines().next().unwrap()
                )
            })
            .collect();
        assert_eq!(
            got,
            [
                "version: 2",
                "plugins/a.b/x/0: \"p\", 'q']",
                "plugins/a.b/x/1: 'q']",
                "plugins/a.b/ok: true"
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_without_panic(text in "[-a-z0-9:=\\[\\]{}\"'.#&*|>, \n\té]{0,200}") {
            for leaf in yaml(&text).iter().chain(&toml(&text)) {
                proptest::prop_assert!(leaf.at <= text.len());
                proptest::prop_assert!(leaf.path.len() <= DEPTH + 2);
            }
        }

        #[test]
        fn what_is_written_is_read(pairs in proptest::collection::btree_map("[a-z]{1,8}", "[a-zA-Z0-9/._-]{1,12}", 1..8)) {
            let toml_text: String = pairs.iter().map(|(k, v)| format!("{k} = \"{v}\"\n")).collect();
            let yaml_text: String = pairs.iter().map(|(k, v)| format!("{k}: \"{v}\"\n")).collect();
            for (text, leaves) in [(&toml_text, toml(&toml_text)), (&yaml_text, yaml(&yaml_text))] {
                proptest::prop_assert_eq!(leaves.len(), pairs.len());
                for leaf in leaves {
                    proptest::prop_assert_eq!(Some(&leaf.value), pairs.get(leaf.name()));
                    proptest::prop_assert!(text[leaf.at..].starts_with('"'));
                }
            }
        }
    }
}
