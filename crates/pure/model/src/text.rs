//! Which characters of foreign text are never shown as they are, and foreign text as a word of a shell.
//!
//! Deliberately absent: how they are replaced elsewhere; a terminal, Markdown and JSON each have their own way.

use std::fmt::{self, Display, Write};

/// Would a terminal, a browser or a reader's eye obey this character? Control characters, marks that
/// turn the direction of writing, line separators, and characters without a width (Unicode, "Bidi
/// Control" and "Default Ignorable").
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One word of a command: written as it is where a shell reads it as one word, else in single quotes.
/// What a terminal would obey can't be typed anyway and is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a>(pub &'a str);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        let plain = |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | '@' | '%' | '+' | ',')
        };
        if !text.is_empty() && text.chars().all(plain) && !text.starts_with('=') {
            return f.write_str(text);
        }
        f.write_char('\'')?;
        for c in text.chars() {
            match c {
                '\'' => f.write_str("'\\''")?,
                c if is_unsafe(c) => f.write_char(char::REPLACEMENT_CHARACTER)?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('\'')
    }
}
