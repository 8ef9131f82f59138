//! Columns of a table, as definitions give them.
//!
//! Source: apiextensions-apiserver `pkg/registry/customresource/tableconvertor`. Deliberately absent: the paths
//! themselves (`formats::jsonpath`).

use defib_formats::jsonpath::{Step, find, parse};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::table::since;

/// Columns of one definition.
const MOST: usize = 64;

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

#[cfg(test)]
mod tests {
    use super::*;

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
