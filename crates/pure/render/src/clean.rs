//! The last gate before a terminal or a page: names and messages come from clusters and are hostile.

use defib_model::text::is_unsafe;

/// The text on one line, with control characters and those that reorder or hide text replaced.
pub(crate) fn line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
            c if is_unsafe(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// The text for Markdown: nothing in it is markup.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in line(text).chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The text inside a Markdown code span, with a fence longer than any run of backticks in it.
pub(crate) fn code(text: &str) -> String {
    let text = line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_passes() {
        assert_eq!(
            line("a\x1b]8;;x\x07b\u{202e}c\nd"),
            "a\u{fffd}]8;;x\u{fffd}b\u{fffd}c d"
        );
        assert_eq!(markdown("<b>[x](y)"), "\\<b\\>\\[x\\](y)");
        assert_eq!(code("a``b"), "```a``b```");
    }
}
