//! The page of a rule, from its header's Markdown, for a terminal.

use std::fmt::Write as _;

use crate::style::{Ink, Style};

/// The page as text: headings stand out, paragraphs are wrapped.
pub fn text(markdown: &str, style: &Style) -> String {
    let mut out = String::new();
    let mut paragraph = String::new();
    let flush = |paragraph: &mut String, out: &mut String| {
        if !paragraph.is_empty() {
            for line in style.wrap(paragraph, 2) {
                let _ = writeln!(out, "  {line}");
            }
            paragraph.clear();
        }
    };
    for line in markdown.lines() {
        if let Some(title) = line.strip_prefix('#') {
            flush(&mut paragraph, &mut out);
            let title = title.trim_start_matches('#').trim();
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}{}", style.ink(Ink::Bold, title));
        } else if line.trim().is_empty() {
            flush(&mut paragraph, &mut out);
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    flush(&mut paragraph, &mut out);
    style.letters(&out)
}
