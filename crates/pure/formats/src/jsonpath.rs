//! The small JSON paths by which definitions and commands name fields: `.status.conditions[?(@.type=="Ready")].status`.
//!
//! Source: client-go `util/jsonpath`. Deliberately absent: paths that walk everything (`..`), loops, unions and
//! slices, which neither columns of definitions nor the fields that are read here have.

use serde_json::Value;

/// Steps of one path.
const STEPS: usize = 64;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A field of an object.
    Field(String),
    /// One of a list, from its end where it is negative.
    Nth(i64),
    /// Every one of a list, or of an object.
    Each,
    /// Those of a list whose field has, or has not, this value.
    Where(Vec<String>, bool, Value),
}

/// The first value at a path.
pub fn find<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
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
pub fn parse(text: &str) -> Option<Vec<Step>> {
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
    use serde_json::json;

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
}
