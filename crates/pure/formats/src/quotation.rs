//! The marks that mail, chat and Markdown put before a line that they quote.
//!
//! Deliberately absent: what is quoted; whoever reads the line knows which marks its form may have.

/// How many bytes of a line are marks of a quotation: `> `, `>> `, `> > `. They end with the space behind the
/// last mark, which belongs to it; what stands behind that is indentation.
pub fn marks(line: &[u8], of: &[u8]) -> usize {
    let run = line
        .iter()
        .take_while(|b| of.contains(b) || matches!(b, b' ' | b'\t'))
        .count();
    let run = line.get(..run).unwrap_or_default();
    match run.iter().rposition(|b| of.contains(b)) {
        Some(last) => run.len().min(last + 2),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::marks;

    #[test]
    fn the_space_behind_the_last_mark_belongs_to_it() {
        for (line, rest) in [
            ("> x", "x"),
            (">   x", "  x"),
            ("> > x", "x"),
            (">> x", "x"),
            (">x", "x"),
            (">", ""),
            ("  x", "  x"),
            ("| x", "| x"),
            ("a > b", "a > b"),
        ] {
            assert_eq!(&line[marks(line.as_bytes(), b">")..], rest, "{line}");
        }
        assert_eq!(marks(b"> | x", b">|"), 4);
    }
}
