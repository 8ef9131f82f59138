//! Columns of a table, and the small JSON paths that definitions give them.
//!
//! Sources: apiextensions-apiserver `pkg/registry/customresource/tableconvertor`, client-go
//! `util/jsonpath`. Deliberately absent: paths that walk everything (`..`), which definitions can't have.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::table::since;

/// Columns of one definition.
const MOST: usize = 64;
/// Steps of one path.
const STEPS: usize = 64;

/// One column, as a definition says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) path: String,
    pub(super) priority: i64,
}

/// The columns of a custom kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    columns: Vec<(Column, Option<Vec<Step>>)>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Nth(i64),
    Each,
    /// Those whose field has, or has not, this text.
    Where(Vec<String>, bool, Value),
}

impl Columns {
    /// Kubernetes' own column where a definition says none.
    pub(super) fn new(said: impl Iterator<Item = Column>) -> Self {
        let mut columns: Vec<Column> = said.take(MOST).collect();
        if columns.is_empty() {
            columns.push(Column {
                name: "Age".into(),
                kind: "date".into(),
                path: ".metadata.creationTimestamp".into(),
                priority: 0,
            });
        }
        Self {
            columns: columns
                .into_iter()
                .map(|column| {
                    let path = parse(&column.path);
                    (column, path)
                })
                .collect(),
        }
    }

    /// As a table's head has them.
    pub(super) fn head(&self) -> Vec<Value> {
        let mut out = vec![super::table::head_of("Name", "string", "name", 0)];
        out.extend(self.columns.iter().map(|(column, _)| {
            super::table::head_of(&column.name, &column.kind, "", column.priority)
        }));
        out
    }

    /// An object's cells.
    pub(super) fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let mut out = vec![super::value::text(object, "metadata.name").into()];
        out.extend(self.columns.iter().map(|(column, path)| {
            let found = path.as_ref().and_then(|path| find(object, path));
            found.map_or(Value::Null, |value| cell(&column.kind, value, now))
        }));
        out
    }
}

fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        ("string", Value::String(_)) => value.clone(),
        ("string", Value::Null) => json!("<nil>"),
        ("string", other) => other.to_string().into(),
        ("date", Value::String(time)) => since(time, now)
            .unwrap_or_else(|| "<invalid>".to_owned())
            .into(),
        ("integer", Value::Number(number)) => {
            let whole = number.as_f64().map(|n| n.trunc() as i64);
            number.as_i64().or(whole).into()
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        _ => Value::Null,
    }
}

/// The first value at a path.
fn find<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    let Some((step, rest)) = path.split_first() else {
        return Some(value);
    };
    match step {
        Step::Field(name) => find(value.get(name)?, rest),
        Step::Nth(n) => {
            let list = value.as_array()?;
            let at = if *n < 0 {
                list.len()
                    .checked_sub(usize::try_from(n.unsigned_abs()).ok()?)?
            } else {
                usize::try_from(*n).ok()?
            };
            find(list.get(at)?, rest)
        }
        Step::Each => match value {
            Value::Array(list) => list.iter().find_map(|item| find(item, rest)),
            Value::Object(map) => map.values().find_map(|item| find(item, rest)),
            _ => None,
        },
        Step::Where(field, equal, wanted) => value.as_array()?.iter().find_map(|item| {
            let said = field.iter().try_fold(item, |item, name| item.get(name))?;
            ((said == wanted) == *equal).then(|| find(item, rest))?
        }),
    }
}

/// Reads a path: `.a.b`, `.a['b.c']`, `.a[0]`, `.a[*]`, `.a[?(@.b=="c")].d`; `None` for others.
fn parse(text: &str) -> Option<Vec<Step>> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    rest = rest
        .strip_prefix('{')
        .map_or(rest, |r| r.strip_suffix('}').unwrap_or(r));
    rest = rest.strip_prefix('$').unwrap_or(rest);
    while !rest.is_empty() {
        if out.len() == STEPS {
            return None;
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let (inner, behind) = bracket(inner)?;
            out.push(in_brackets(inner)?);
            rest = behind;
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            if name.starts_with('.') {
                return None;
            }
            let (name, behind) = field(name);
            if name == "*" {
                out.push(Step::Each);
            } else if !name.is_empty() {
                out.push(Step::Field(name));
            } else if !behind.starts_with('[') {
                return None;
            }
            rest = behind;
        }
    }
    Some(out)
}

/// A name up to the next step; a backslash keeps the character behind it.
fn field(text: &str) -> (String, &str) {
    let (mut name, mut kept) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            _ if kept => name.push(c),
            '\\' => {}
            '.' | '[' => return (name, text.get(at..).unwrap_or_default()),
            _ => name.push(c),
        }
        kept = c == '\\' && !kept;
    }
    (name, "")
}

/// What stands up to the closing bracket, and behind it; quotes keep brackets.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let (mut quote, mut depth, mut kept) = (None, 0u32, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if kept => {}
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth > 0 => depth -= 1,
            (None, ']') => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => {}
        }
        kept = c == '\\' && !kept;
    }
    None
}

fn in_brackets(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::Each);
    }
    if let Some(name) = quoted(text) {
        return Some(Step::Field(name));
    }
    if let Ok(n) = text.parse() {
        return Some(Step::Nth(n));
    }
    let filter = text.strip_prefix("?(")?.strip_suffix(')')?.trim();
    let filter = filter.strip_prefix('@')?;
    let (path, equal, wanted) = match filter.split_once("==") {
        Some((path, wanted)) => (path, true, wanted),
        None => {
            let (path, wanted) = filter.split_once("!=")?;
            (path, false, wanted)
        }
    };
    let wanted = wanted.trim();
    let wanted = match quoted(wanted) {
        Some(text) => Value::String(text),
        None => serde_json::from_str(wanted).ok()?,
    };
    let steps = parse(path.trim())?;
    let names = steps.into_iter().map(|step| match step {
        Step::Field(name) => Some(name),
        _ => None,
    });
    Some(Step::Where(names.collect::<Option<_>>()?, equal, wanted))
}

fn quoted(text: &str) -> Option<String> {
    let inner = ['"', '\'']
        .iter()
        .find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q))?;
    Some(
        inner
            .replace("\\.", ".")
            .replace("\\'", "'")
            .replace("\\\"", "\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_what_definitions_name() {
        let object = json!({
            "metadata": {"annotations": {"example.net/owner": "ann"}},
            "spec": {"plants": [{"name": "tulip", "n": 1}, {"name": "rose", "colour": "red"}], "a]b": 5},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}
        });
        for (path, want) in [
            (".metadata.annotations['example\\.net/owner']", json!("ann")),
            (".metadata.annotations.example\\.net/owner", json!("ann")),
            (".spec.plants[0].name", json!("tulip")),
            (".spec.plants[-1].name", json!("rose")),
            (".spec.plants[*].colour", json!("red")),
            (
                ".status.conditions[?(@.type==\"Ready\")].status",
                json!("True"),
            ),
            (
                ".status.conditions[?(@.type=='Ready')].status",
                json!("True"),
            ),
            (".spec.plants[?(@.n==1)].name", json!("tulip")),
            (".spec['a]b']", json!(5)),
            ("{.spec.plants[1].name}", json!("rose")),
        ] {
            let steps = parse(path).unwrap();
            assert_eq!(find(&object, &steps), Some(&want), "{path}");
        }
        for nothing in [
            ".spec.no",
            ".spec.plants[9]",
            ".status.conditions[?(@.type==\"x\")].status",
            ".spec.plants[-9]",
        ] {
            assert_eq!(find(&object, &parse(nothing).unwrap()), None, "{nothing}");
        }
        for bad in [
            "..a",
            ".a[",
            ".a[?(x)]",
            ".a[b]",
            &".a".repeat(100),
            "[?(@.a[0]==1)]",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_is_too_odd(path in "[.\\[\\]\\\\?(@='\"a-b0-9*)-]{0,30}") {
            let object = json!({"a": [{"b": 1}, "a"], "b": {"a": null}});
            if let Some(steps) = parse(&path) {
                let _ = find(&object, &steps);
            }
        }
    }

    #[test]
    fn cells_are_of_the_columns_type() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (kind, value, want) in [
            ("string", json!({"a": 1}), json!("{\"a\":1}")),
            ("string", json!(5), json!("5")),
            ("integer", json!(5.7), json!(5)),
            ("integer", json!("5"), Value::Null),
            ("boolean", json!(true), json!(true)),
            ("date", json!("2025-12-31T23:59:00Z"), json!("60s")),
            ("date", json!("soon"), json!("<invalid>")),
        ] {
            assert_eq!(cell(kind, &value, now), want, "{kind} {value}");
        }
    }
}
