//! Which characters of foreign text are never shown as they are.
//!
//! Deliberately absent: how they are replaced; a terminal, Markdown and JSON each have their own way.

/// Would a terminal, a browser or a reader's eye obey this character? Control characters, marks that
/// turn the direction of writing, line separators, and characters without a width (Unicode, "Bidi
/// Control" and "Default Ignorable").
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
