//! `defib explain`: the header of a rule's own file is its page.
//!
//! Deliberately absent: a second text about a rule anywhere.

use crate::rules::RULES;

/// The page of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// `STO003`.
    pub code: &'static str,
    /// The class it names.
    pub class: &'static str,
    /// The header, as Markdown.
    pub text: String,
}

/// All pages, sorted by code.
pub fn pages() -> Vec<Page> {
    RULES
        .iter()
        .map(|r| Page {
            code: r.rule.code,
            class: r.rule.class,
            text: header(r.source),
        })
        .collect()
}

/// The `//!` lines at the top of a source file, without the marks.
pub fn header(source: &str) -> String {
    let mut out = String::new();
    for line in source.lines() {
        let Some(rest) = line.strip_prefix("//!") else {
            break;
        };
        out.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        out.push('\n');
    }
    out
}
