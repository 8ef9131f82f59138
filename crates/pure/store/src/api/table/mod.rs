//! Rows as the API server prints them: one file per family of kinds.
//!
//! Source: Kubernetes `pkg/printers/internalversion/printers.go`, read beside each function, and kube-aggregator's
//! and apiserver's own convertors. Deliberately absent: what kubectl makes of rows.

mod access;
mod cluster;
mod network;
mod pods;
mod policy;
mod storage;
mod words;
mod workloads;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::catalog::Resource;
use super::value::text;

pub(super) use words::since;

/// How a kind is printed.
#[derive(Clone, Copy)]
struct Printer {
    /// `Name|Desired#|Node+`: `+` is shown only when asked wide, `#` a number, `?` a truth,
    /// `!` a name that the printer writes itself.
    columns: &'static str,
    /// The cells behind the name.
    cells: fn(&Object<'_>, &mut Row),
}

/// What a row is made of.
struct Object<'v> {
    json: &'v Value,
    now: Timestamp,
}

impl<'v> std::ops::Deref for Object<'v> {
    type Target = Value;

    fn deref(&self) -> &'v Value {
        self.json
    }
}

impl Object<'_> {
    /// How long ago the time at this path was.
    fn ago(&self, path: &str) -> String {
        match text(self.json, path) {
            "" => "<unknown>".to_owned(),
            time => since(time, self.now).unwrap_or_else(|| "<unknown>".to_owned()),
        }
    }

    /// How old it is.
    fn age(&self) -> String {
        self.ago("metadata.creationTimestamp")
    }
}

/// Cells, from left to right.
#[derive(Default)]
struct Row(Vec<Value>);

impl Row {
    fn text(&mut self, cell: impl Into<String>) -> &mut Self {
        self.0.push(Value::String(cell.into()));
        self
    }

    fn number(&mut self, cell: i64) -> &mut Self {
        self.0.push(cell.into());
        self
    }

    fn count(&mut self, cell: usize) -> &mut Self {
        self.0.push(cell.into());
        self
    }

    fn truth(&mut self, cell: bool) -> &mut Self {
        self.0.push(cell.into());
        self
    }
}

/// What a kind without a printer shows.
const PLAIN: Printer = Printer {
    columns: "Name|Created At",
    cells: |o, row| {
        let created = text(o, "metadata.creationTimestamp");
        row.text(created);
    },
};

/// Kinds of which nothing but the age is shown.
const AGED: Printer = Printer {
    columns: "Name|Age",
    cells: |o, row| {
        row.text(o.age());
    },
};

/// The printer of one of Kubernetes' own kinds.
fn printer(group: &str, kind: &str) -> Printer {
    match (group, kind) {
        ("", "Pod") => pods::POD,
        ("", "PodTemplate") => pods::TEMPLATE,
        ("", "ServiceAccount")
        | ("resource.k8s.io", "DeviceClass" | "ResourceClaimTemplate")
        | ("scheduling.k8s.io", "Workload") => AGED,
        _ => workloads::printer(group, kind)
            .or_else(|| network::printer(group, kind))
            .or_else(|| storage::printer(group, kind))
            .or_else(|| access::printer(group, kind))
            .or_else(|| policy::printer(group, kind))
            .or_else(|| cluster::printer(group, kind))
            .unwrap_or(PLAIN),
    }
}

/// The table of one kind.
pub(super) struct Table<'c> {
    resource: &'c Resource,
    version: &'c str,
    printer: Printer,
}

impl<'c> Table<'c> {
    pub(super) fn new(resource: &'c Resource, version: &'c str) -> Self {
        Self {
            resource,
            version,
            printer: printer(&resource.group, &resource.kind),
        }
    }

    /// Its columns.
    pub(super) fn head(&self) -> Vec<Value> {
        if let Some(custom) = &self.resource.custom {
            return custom
                .columns
                .get(self.version)
                .map(super::columns::Columns::head)
                .unwrap_or_default();
        }
        let columns = self.printer.columns.split('|');
        let column = |column: &str| {
            let (name, priority) = match column.strip_suffix('+') {
                Some(name) => (name, 1),
                None => (column, 0),
            };
            let name = name.trim_end_matches('!');
            let (name, kind) = match name.strip_suffix('#') {
                Some(name) => (name, "integer"),
                None => match name.strip_suffix('?') {
                    Some(name) => (name, "boolean"),
                    None => (name, "string"),
                },
            };
            let format = if name == "Name" { "name" } else { "" };
            head_of(name, kind, format, priority)
        };
        columns.map(column).collect()
    }

    /// An object's cells.
    pub(super) fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        if let Some(custom) = &self.resource.custom {
            let columns = custom.columns.get(self.version);
            return columns.map(|c| c.cells(object, now)).unwrap_or_default();
        }
        let mut row = Row::default();
        if self.printer.columns.starts_with("Name|") {
            row.text(text(object, "metadata.name"));
        }
        (self.printer.cells)(&Object { json: object, now }, &mut row);
        row.0
    }
}

/// A column's definition.
pub(super) fn head_of(name: &str, kind: &str, format: &str, priority: i64) -> Value {
    json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Catalog;
    use super::*;

    /// Every kind has as many cells as columns, of an empty object and of a hostile one.
    #[test]
    fn rows_are_as_wide_as_heads() {
        let catalog = Catalog::new(&crate::Index::default(), &|_| None);
        let now = Timestamp::UNIX_EPOCH;
        let mut odd = json!({"metadata": {"labels": [], "annotations": 5, "ownerReferences": [5, {"controller": true}]}});
        for field in ["spec", "status"] {
            let mut inner = json!({});
            for list in [
                "conditions",
                "rules",
                "subsets",
                "ports",
                "addresses",
                "initContainerStatuses",
                "containerStatuses",
                "metrics",
                "ingress",
            ] {
                inner[list] = json!([5, null, {}, {"state": 5, "ports": "x", "addresses": {}}]);
            }
            odd[field] = inner;
        }
        for object in [json!({}), json!([]), json!(null), odd] {
            for resource in &catalog.resources {
                let table = Table::new(resource, &resource.versions[0]);
                let (head, cells) = (table.head(), table.cells(&object, now));
                assert_eq!(head.len(), cells.len(), "{}: {cells:?}", resource.kind);
            }
        }
    }
}
