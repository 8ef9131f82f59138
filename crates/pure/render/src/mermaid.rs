//! Causes and what they explain as a Mermaid flowchart: the picture of a report.
//!
//! Deliberately absent: layout. Symptoms of one kind on one kind of entity are one box with a count.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use defib_model::report::Report;

use crate::clean;

/// Quotes a label: Mermaid reads entities, and nothing else, inside quotes.
fn label(text: &str) -> String {
    clean::line(text)
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('`', "'")
}

/// The whole picture.
pub fn report(r: &Report) -> String {
    let mut out = String::from("flowchart LR\n");
    let mut boxes: BTreeMap<(Vec<String>, String, String), Vec<&str>> = BTreeMap::new();
    for s in &r.symptoms {
        let mut by = s.explained_by.clone();
        by.sort();
        boxes
            .entry((by, s.entity.kind().to_owned(), s.condition.clone()))
            .or_default()
            .push(s.entity.name());
    }
    for (i, c) in r.root_causes.iter().enumerate() {
        let _ = writeln!(
            out,
            "  c{i}[\"{}<br/>{}\"]:::cause",
            label(&format!("{} {}", c.code, c.class)),
            label(c.entity.as_str())
        );
    }
    for (n, ((by, kind, condition), names)) in boxes.iter().enumerate() {
        let what = match names.as_slice() {
            [one] => format!("{kind} {one}"),
            many => format!("{} {kind}s", many.len()),
        };
        let _ = writeln!(out, "  s{n}[\"{}<br/>{}\"]", label(&what), label(condition));
        for id in by {
            if let Some(i) = r.root_causes.iter().position(|c| c.id == *id) {
                let _ = writeln!(out, "  c{i} --> s{n}");
            }
        }
        if by.is_empty() {
            let _ = writeln!(out, "  unexplained(( ? )) -.-> s{n}");
        }
    }
    out.push_str("  classDef cause fill:#fee,stroke:#b00,stroke-width:2px;\n");
    out
}
