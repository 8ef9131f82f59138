//! What `kubectl get -o jsonpath=…`, `-o go-template=…` and `-o custom-columns=…` print: the command says
//! which field each value is. And the part of an object's YAML that somebody cut out behind a pipe: the
//! command says whose it is.
//!
//! Source: kubectl `pkg/cmd/get/customcolumn.go`. Deliberately absent: how paths are written
//! (`formats::jsonpath`), filters but that of a condition's type, and whatever a pipe made of the output.

use defib_formats::jsonpath;
use defib_formats::text::Table;
use serde_json::{Map, Value, json};

use super::Walk;
use super::events;
use crate::kinds::{self, Kind};

/// Lines of one value: a ConfigMap's text, JSON that jq wrote on many lines.
const MAX_LINES: usize = 200;

/// One step into an object.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// A field.
    Field(String),
    /// One of a list.
    Index(usize),
    /// Every one of a list.
    Each,
    /// The one of a list whose `type` is this.
    Type(String),
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(String),
    Path(Vec<Step>),
}

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    // Only what stands right below the command is its output from the beginning.
    let above = walk.lines.get(at.checked_sub(1)?)?;
    defib_formats::text::command(above)?;
    let (command, words) = walk.kubectl()?;
    let verb = words.iter().position(|w| *w == "get")?;
    let (kind, name) = match words.get(verb + 1)?.split_once('/') {
        Some((kind, name)) => (kind, Some(name)),
        None => (*words.get(verb + 1)?, words.get(verb + 2).copied()),
    };
    let kind = kinds::named(kind);
    let form = form(&command.words)?;
    let piped = command.words.iter().position(|w| w.starts_with('|'));
    let only_jq = piped.is_none_or(|i| {
        command.words.get(i + 1..).is_some_and(|rest| {
            matches!(rest, [jq] if jq == "jq")
                || matches!(rest, [jq, dot] if jq == "jq" && dot == ".")
        })
    });
    let namespace = walk.namespace().to_owned();
    if let Some(columns) = form.strip_prefix("custom-columns=") {
        let columns = columns.to_owned();
        return table(walk, at, kind, &columns, &namespace);
    }
    if matches!(form.as_str(), "yaml" | "yml") {
        let (kind, name) = (kind?, name?.to_owned());
        return part(walk, at, kind, &name, &namespace);
    }
    if !only_jq {
        return None;
    }
    let pieces = match (
        form.strip_prefix("jsonpath="),
        form.strip_prefix("go-template="),
    ) {
        (Some(template), _) => jsonpath(template)?,
        (None, Some(template)) => go_template(template)?,
        _ => return None,
    };
    let (kind, name) = (kind?, name?.to_owned());
    values(walk, at, kind, &name, &namespace, &pieces)
}

/// The output form that the command asks for.
fn form(words: &[String]) -> Option<String> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = match word.as_str() {
            "-o" | "--output" => words.next()?.as_str(),
            w => match w
                .strip_prefix("--output=")
                .or_else(|| w.strip_prefix("-o="))
                .or_else(|| w.strip_prefix("-o"))
            {
                Some(value) => value,
                None => continue,
            },
        };
        return Some(value.to_owned());
    }
    None
}

/// A path whose quotes the shell took: `[?(@.type==Ready)]`.
fn with_quotes(text: &str) -> String {
    let mut parts = text.split("@.type==");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("@.type==");
        match part.split_once(')') {
            Some((word, rest)) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                out.push_str(&format!("\"{word}\"){rest}"));
            }
            _ => out.push_str(part),
        }
    }
    out
}

/// The steps of a path, as far as they lead to a field of an object.
fn path(text: &str) -> Option<Vec<Step>> {
    // Words of a template (`range .items`) are no names.
    let is_name = |name: &str| {
        let mut letters = name.chars();
        letters.all(|c| c.is_ascii_alphanumeric() || "-_/.".contains(c))
    };
    let steps: Vec<Step> = jsonpath::parse(&with_quotes(text))?
        .into_iter()
        .map(|step| match step {
            jsonpath::Step::Field(name) => is_name(&name).then_some(Step::Field(name)),
            jsonpath::Step::Each => Some(Step::Each),
            jsonpath::Step::Nth(n) => {
                let n = usize::try_from(n).ok().filter(|n| *n < 64)?;
                Some(Step::Index(n))
            }
            jsonpath::Step::Where(field, true, Value::String(kind)) if field == ["type"] => {
                Some(Step::Type(kind))
            }
            jsonpath::Step::Where(..) => None,
        })
        .collect::<Option<_>>()?;
    // An object of the API has fields at its top.
    let object = matches!(steps.first(), Some(Step::Field(_)));
    (object && steps.len() < 16).then_some(steps)
}

/// `sc={.spec.storageClassName}{"\n"}`.
fn jsonpath(template: &str) -> Option<Vec<Piece>> {
    if !template.contains('{') {
        return Some(vec![Piece::Path(path(template)?)]);
    }
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((literal, inner)) = rest.split_once('{') {
        push(&mut out, literal);
        let (inside, behind) = inner.split_once('}')?;
        match inside.trim() {
            quoted if quoted.starts_with('"') => {
                push(&mut out, &unescaped(quoted.trim_matches('"')));
            }
            inside => out.push(Piece::Path(path(inside)?)),
        }
        rest = behind;
    }
    push(&mut out, rest);
    Some(out)
}

/// `{{.spec.x}}`, `{{printf "%q" .spec.x}}`, `{{or .spec.x "none"}}`, `{{"\n"}}`.
fn go_template(template: &str) -> Option<Vec<Piece>> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((literal, inner)) = rest.split_once("{{") {
        push(&mut out, literal);
        let (inside, behind) = inner.split_once("}}")?;
        let inside = inside.trim();
        if inside.starts_with('"') {
            push(&mut out, &unescaped(inside.trim_matches('"')));
        } else {
            let words = inside.split_ascii_whitespace();
            let mut named = words.filter(|w| w.starts_with('.'));
            let one = named.next()?;
            if named.next().is_some() {
                return None;
            }
            out.push(Piece::Path(path(one)?));
        }
        rest = behind;
    }
    push(&mut out, rest);
    Some(out)
}

fn push(out: &mut Vec<Piece>, literal: &str) {
    match out.last_mut() {
        _ if literal.is_empty() => {}
        Some(Piece::Literal(known)) => known.push_str(literal),
        _ => out.push(Piece::Literal(literal.to_owned())),
    }
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}

/// A part of an object's YAML, cut out at its left edge: `spec:` or `status:` and what follows. A whole one
/// is a manifest.
fn part(walk: &mut Walk<'_>, at: usize, kind: Kind, name: &str, namespace: &str) -> Option<usize> {
    let heads = ["spec:", "status:", "data:", "metadata:"];
    let edge = walk.lines.get(at)?.indent();
    if !heads.contains(&walk.text(at).trim()) {
        return None;
    }
    let mut end = at;
    while end < at + MAX_LINES && walk.is_output(end) {
        let line = walk.lines.get(end)?;
        let text = line.text.trim_start();
        if line.indent() < edge || matches!(text, "---" | "--") || text.starts_with("apiVersion:") {
            break;
        }
        end += 1;
    }
    let text: String = (at..end)
        .map(|i| format!("{}\n", walk.text(i).get(edge..).unwrap_or_default()))
        .collect();
    let mut found = None;
    defib_formats::yaml::documents(&text, |doc| {
        found = doc
            .ok()
            .and_then(|d| serde_json::from_slice::<Value>(&d.json).ok());
        false
    });
    let mut object = found.filter(Value::is_object)?;
    named(&mut object, kind, name, namespace);
    walk.object(at..end, &object);
    Some(end)
}

/// The values of a template of one object.
fn values(
    walk: &mut Walk<'_>,
    at: usize,
    kind: Kind,
    name: &str,
    namespace: &str,
    pieces: &[Piece],
) -> Option<usize> {
    let mut end = at;
    while end < at + MAX_LINES && walk.is_output(end) && !super::bare::is_error(walk.text(end)) {
        end += 1;
    }
    let text = (at..end)
        .map(|i| walk.text(i))
        .collect::<Vec<_>>()
        .join("\n");
    let mut rest = text.trim_start();
    let mut object = json!({});
    let mut found = false;
    for (i, piece) in pieces.iter().enumerate() {
        match piece {
            // What the template has and the output has not: it is no output of it.
            Piece::Literal(literal) => rest = rest.trim_start().strip_prefix(literal.trim())?,
            Piece::Path(steps) => {
                let next = match pieces.get(i + 1) {
                    Some(Piece::Literal(l)) => Some(l.as_str()),
                    // Nothing parts two values but JSON's own brackets.
                    Some(Piece::Path(_)) if !rest.starts_with(['{', '[']) => return None,
                    _ => None,
                };
                let (value, behind) = value(rest, next)?;
                rest = behind;
                if let Some(value) = value {
                    put(&mut object, steps, typed(steps, value));
                    found = true;
                }
            }
        }
    }
    if !found {
        return None;
    }
    named(&mut object, kind, name, namespace);
    walk.object(at..end, &object);
    Some(end)
}

/// The value that the text begins with, up to what follows it in the template, and the rest.
fn value<'t>(text: &'t str, next: Option<&str>) -> Option<(Option<Value>, &'t str)> {
    if text.starts_with(['{', '[']) {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        if let Some(Ok(value)) = stream.next() {
            return Some((Some(value), text.get(stream.byte_offset()..)?));
        }
    }
    let end = match next {
        None => text.len(),
        Some(l) if l.trim().is_empty() && l.contains('\n') => text.find('\n').unwrap_or(text.len()),
        Some(l) => text.find(l.trim_end_matches('\n')).unwrap_or(text.len()),
    };
    let (value, rest) = (text.get(..end)?, text.get(end..)?);
    let plain = value.trim_matches('"');
    let none = matches!(
        value,
        "" | "<none>" | "<no value>" | "<nil>" | "null" | "<unset>"
    );
    // `""` is a value: `printf "%q"` writes it.
    Some(((!none).then(|| json!(plain)), rest))
}

/// Numbers and truth where the API has them; everything below `metadata` is text.
fn typed(steps: &[Step], value: Value) -> Value {
    let field = |s: &Step| match s {
        Step::Field(f) => f.clone(),
        _ => String::new(),
    };
    let (first, last) = (steps.first().map(field), steps.last().map(field));
    let (Some(text), Some(last)) = (value.as_str(), last) else {
        return value;
    };
    if first.as_deref() == Some("metadata") {
        return value;
    }
    let counts = ["eplicas", "ount", "ort", "econds", "eneration", "Limit"];
    if counts.iter().any(|c| last.ends_with(c))
        && let Ok(n) = text.parse::<i64>()
    {
        return json!(n);
    }
    match text {
        "true" if last != "status" => json!(true),
        "false" if last != "status" => json!(false),
        _ => value,
    }
}

/// Puts a value where the steps lead.
fn put(into: &mut Value, steps: &[Step], value: Value) {
    let Some((step, rest)) = steps.split_first() else {
        *into = value;
        return;
    };
    match step {
        Step::Field(name) => {
            if !into.is_object() {
                *into = json!({});
            }
            if let Some(map) = into.as_object_mut() {
                put(map.entry(name.clone()).or_insert(Value::Null), rest, value);
            }
        }
        Step::Type(kind) => {
            if !into.is_array() {
                *into = json!([]);
            }
            let Some(list) = into.as_array_mut() else {
                return;
            };
            // Two fields of one condition are one condition's.
            match list.iter_mut().find(|o| o["type"] == kind.as_str()) {
                Some(one) => put(one, rest, value),
                None => {
                    let mut one = json!({});
                    put(&mut one, rest, value);
                    if let Some(map) = one.as_object_mut() {
                        map.insert("type".into(), json!(kind));
                    }
                    list.push(one);
                }
            }
        }
        Step::Each | Step::Index(_) => {
            let values: Vec<Value> = match (&value, step) {
                (Value::String(text), Step::Each) => {
                    text.split([',', ' ']).map(|t| json!(t)).collect()
                }
                _ => vec![value],
            };
            if !into.is_array() {
                *into = json!([]);
            }
            let Some(list) = into.as_array_mut() else {
                return;
            };
            let first = match step {
                Step::Index(n) => *n,
                _ => 0,
            };
            for (i, value) in values.into_iter().enumerate() {
                while list.len() <= first + i {
                    list.push(Value::Null);
                }
                if let Some(place) = list.get_mut(first + i) {
                    put(place, rest, value);
                }
            }
        }
    }
}

/// Says whose values these are.
fn named(object: &mut Value, kind: Kind, name: &str, namespace: &str) {
    object["kind"] = json!(kind.kind);
    object["apiVersion"] = json!(kind.api_version);
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"]["name"] = json!(name);
    if !kind.cluster && !namespace.is_empty() && object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = json!(namespace);
    }
}

/// A table whose columns the command names.
fn table(
    walk: &mut Walk<'_>,
    at: usize,
    kind: Option<Kind>,
    columns: &str,
    namespace: &str,
) -> Option<usize> {
    let columns: Vec<(String, Vec<Step>)> = columns
        .split(',')
        .filter_map(|c| {
            let (name, steps) = c.split_once(':')?;
            Some((name.to_owned(), path(steps.trim_matches(['{', '}']))?))
        })
        .collect();
    let header = walk.text(at).trim_end().to_owned();
    let table = Table::new(&header);
    let heads = columns.iter().all(|(name, _)| table.names.contains(name));
    let bare = walk.kubectl().is_some_and(|(c, _)| c.has("--no-headers"));
    if columns.len() < 2 || heads == bare {
        return None;
    }
    let asks_events = walk.kubectl().is_some_and(|(_, words)| {
        words
            .iter()
            .any(|w| matches!(*w, "event" | "events" | "ev"))
    });
    let mut end = if bare { at } else { at + 1 };
    while walk.is_output(end) {
        let Some(cells) = cells(&table, &columns, walk.text(end), bare) else {
            break;
        };
        let mut object = json!({});
        for ((_, steps), cell) in columns.iter().zip(&cells) {
            let cell = cell.trim();
            if !matches!(cell, "" | "<none>" | "<nil>") {
                let value = go(cell).unwrap_or_else(|| typed(steps, json!(cell)));
                put(&mut object, steps, value);
            }
        }
        let is_event = asks_events || object["involvedObject"].is_object();
        if is_event {
            events::shown(walk, end, &object, namespace);
        } else if let (Some(kind), Some(name)) = (kind, object["metadata"]["name"].as_str()) {
            let name = name.to_owned();
            named(&mut object, kind, &name, namespace);
            walk.object(end..end + 1, &object);
        }
        end += 1;
    }
    if let Some(kind) = kind {
        super::objects::listed(walk, kind, end);
    }
    (end > at).then_some(end)
}

/// The cells of a row; without a header where wide space parts as many as there are columns.
fn cells(
    table: &Table,
    columns: &[(String, Vec<Step>)],
    line: &str,
    bare: bool,
) -> Option<Vec<String>> {
    if bare {
        let cells = defib_formats::text::columns(line).into_iter();
        let cells: Vec<String> = cells.map(|(_, cell)| cell).collect();
        return (cells.len() == columns.len()).then_some(cells);
    }
    let row = table.row(line)?;
    Some(
        columns
            .iter()
            .map(|(name, _)| row.get(name).to_owned())
            .collect(),
    )
}

/// Go's way to write lists and maps: `[map[effect:NoSchedule key:dedicated value:gpu]]`.
fn go(text: &str) -> Option<Value> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    let list: Vec<Value> = inside
        .split("map[")
        .filter_map(|m| {
            let pairs: Map<String, Value> = m
                .trim_end()
                .strip_suffix(']')?
                .split(' ')
                .filter_map(|p| p.split_once(':'))
                .map(|(k, v)| (k.to_owned(), json!(v)))
                .collect();
            Some(Value::Object(pairs))
        })
        .collect();
    (!list.is_empty()).then_some(Value::Array(list))
}

#[cfg(test)]
mod tests {
    use crate::object::View;

    fn objects(text: &str) -> Vec<crate::object::Parsed> {
        super::super::read(text.as_bytes(), 0).objects
    }

    #[test]
    fn the_command_says_what_its_values_are() {
        for text in [
            "$ kubectl -n shop get pvc till -o jsonpath='{.spec.selector}{\"\\n\"}'\n{\"matchLabels\":{\"disk\":\"big\"}}\n",
            "$ kubectl -n shop get pvc/till -ojsonpath='sel={.spec.selector} sc={.spec.storageClassName}'\nsel={\"matchLabels\":{\"disk\":\"big\"}} sc=slow\n",
            "$ kubectl -n shop get pvc till -o jsonpath={.spec} | jq\n{\n  \"selector\": {\n    \"matchLabels\": {\n      \"disk\": \"big\"\n    }\n  }\n}\n",
        ] {
            let got = objects(text);
            assert_eq!(got.len(), 1, "{text}");
            assert_eq!(got[0].object.id.as_str(), "persistentvolumeclaim/shop/till");
            let View::Claim(c) = &got[0].view else {
                panic!()
            };
            assert!(c.spec.selector.is_some(), "{text}");
        }
        let got = objects(
            "$ kubectl -n shop get pvc till -o go-template='sc={{printf \"%q\" .spec.storageClassName}} modes={{.spec.accessModes}}'\nsc=\"\" modes=[ReadWriteOnce]\n",
        );
        let View::Claim(c) = &got[0].view else {
            panic!()
        };
        assert_eq!(c.spec.storage_class_name.as_deref(), Some(""));
        // A filter made something else of it, and an error is no value.
        for text in [
            "$ kubectl get cm coredns -o jsonpath='{.data.Corefile}' | grep -c corp\n0\n",
            "$ kubectl get cm coredns -o jsonpath='{.data.Corefile}'\nError from server (NotFound): configmaps \"coredns\" not found\n",
            "$ kubectl get pvc till -o jsonpath='{[0]}'\nx\n",
            "$ kubectl get pvc till -o jsonpath='{.spec.storageClassName}{.spec.volumeName}'\nslowpvc-1\n",
            "$ kubectl get pvc till -o jsonpath='class: {.spec.storageClassName}'\nslow\n",
            "$ kubectl get pods -o jsonpath='{range .items[*]}{.metadata.name}{end}'\na b\n",
        ] {
            assert!(objects(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn two_fields_of_a_condition_are_one_condition() {
        let got = objects(
            "$ kubectl get node n1 -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].status} {.status.conditions[?(@.type==\"Ready\")].reason}'\nFalse KubeletNotReady\n",
        );
        let View::Node(n) = &got[0].view else {
            panic!()
        };
        let said: Vec<_> = n
            .status
            .conditions
            .iter()
            .map(|c| (c.status.as_str(), c.reason.as_str()))
            .collect();
        assert_eq!(said, [("False", "KubeletNotReady")]);
    }

    #[test]
    fn a_part_of_an_object_is_that_objects() {
        let got = objects(
            "$ kubectl -n shop get pvc till -o yaml | sed -n '/^spec/,$p'\nspec:\n  accessModes:\n  - ReadWriteOnce\n  resources:\n    requests:\n      storage: 50Gi\n  storageClassName: \"\"\nstatus:\n  phase: Pending\n\n$ kubectl get pv\n",
        );
        let View::Claim(c) = &got[0].view else {
            panic!()
        };
        assert_eq!(
            (
                c.spec.storage_class_name.as_deref(),
                c.status.phase.as_str()
            ),
            (Some(""), "Pending")
        );
        assert_eq!(got[0].object.id.as_str(), "persistentvolumeclaim/shop/till");
    }

    #[test]
    fn columns_are_fields() {
        let got = objects(
            "$ kubectl get nodes -o custom-columns=N:.metadata.name,T:.spec.taints,R:.status.conditions[?(@.type==\"Ready\")].status\nN    T                                                 R\nn1   [map[effect:NoSchedule key:dedicated value:gpu]]   True\nn2   <none>                                            Unknown\n",
        );
        assert_eq!(got.len(), 2);
        let View::Node(n) = &got[0].view else {
            panic!()
        };
        assert_eq!(
            (n.spec.taints[0].key.as_str(), n.ready()),
            ("dedicated", Some("True"))
        );
        let taken = super::super::read(
            b"$ kubectl get events -n shop -o custom-columns=OBJ:.involvedObject.name,REASON:.reason,COUNT:.count,MSG:.message\nOBJ     REASON             COUNT    MSG\nweb-0   FailedScheduling   <none>   0/1 nodes are available: 1 Insufficient cpu.\n",
            0,
        );
        let (e, _) = &taken.events[0];
        assert_eq!(
            (e.about.as_str(), e.reason.as_str()),
            ("pod/shop/web-0", "FailedScheduling")
        );
    }
}
