//! How text is to look: width, colour, characters. Chosen by the face, once.

/// How text is to look.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// ANSI colours.
    pub colour: bool,
    /// Only ASCII characters for marks and lines.
    pub ascii: bool,
    /// Everything, not just the first screen.
    pub all: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            width: 80,
            colour: false,
            ascii: false,
            all: false,
        }
    }
}

/// What a stretch of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// A cause.
    Bad,
    /// A warning.
    Warn,
    /// Fine.
    Good,
    /// Something to type.
    Command,
    /// Less important.
    Dim,
    /// A heading.
    Bold,
}

impl Style {
    /// The text in this ink.
    pub fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bad => "1;31",
            Ink::Warn => "33",
            Ink::Good => "1;32",
            Ink::Command => "36",
            Ink::Dim => "2",
            Ink::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A mark: cross, warning, tick, question.
    pub fn mark(&self, ink: Ink) -> String {
        let plain = match (ink, self.ascii) {
            (Ink::Bad, false) => "×",
            (Ink::Bad, true) => "x",
            (Ink::Warn, false) => "‼",
            (Ink::Warn, true) => "!",
            (Ink::Good, false) => "√",
            (Ink::Good, true) => "+",
            _ => "?",
        };
        self.ink(ink, plain)
    }

    /// An arrow.
    pub fn arrow(&self) -> &'static str {
        if self.ascii { "->" } else { "→" }
    }

    /// The text in ASCII, where that is asked for.
    pub fn letters(&self, text: &str) -> String {
        if self.ascii {
            text.chars()
                .map(|c| if c.is_ascii() { c } else { '?' })
                .collect()
        } else {
            text.to_owned()
        }
    }

    /// Wraps a text after words into lines of this style's width, all indented by `indent`.
    pub fn wrap(&self, text: &str, indent: usize) -> Vec<String> {
        let room = self.width.saturating_sub(indent).max(24);
        let mut out = Vec::new();
        let mut line = String::new();
        let mut used = 0;
        for word in text.split(' ').filter(|w| !w.is_empty()) {
            let mut word = word;
            let length = word.chars().count();
            if used > 0 && used + 1 + length > room {
                out.push(std::mem::take(&mut line));
                used = 0;
            }
            // A word longer than the line is cut: long paths and messages must not break the frame.
            while word.chars().count() > room {
                let cut = word.char_indices().nth(room).map_or(word.len(), |(i, _)| i);
                let (head, tail) = word.split_at(cut);
                out.push(head.to_owned());
                word = tail;
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += word.chars().count();
        }
        if !line.is_empty() || out.is_empty() {
            out.push(line);
        }
        out
    }
}
