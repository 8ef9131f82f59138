//! Text that people paste: lines without what mail, chat, Markdown and terminals add to them, the
//! commands that were typed, and tables with aligned columns.
//!
//! Deliberately absent: what a command's output means (`read::text`).

mod command;
mod narrow;
mod table;

pub use command::{Command, command};
pub use narrow::is_age;
pub use table::{Row, Table, columns, is_header};

use std::borrow::Cow;

use crate::quotation;

/// One line as it was printed, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'t> {
    /// Number, from 1.
    pub number: u64,
    /// First byte of the line in the file.
    pub start: usize,
    /// One past its last byte, without its end.
    pub end: usize,
    /// The line as it was printed: without quotation marks of mail, fences, escapes of a terminal and
    /// `\r`. Leading space is kept, trailing space is not.
    pub text: Cow<'t, str>,
}

impl Line<'_> {
    /// Nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Number of leading spaces; a tab counts as one.
    pub fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }
}

/// The lines of a text, up to so many.
pub fn lines(bytes: &[u8], limit: usize) -> Vec<Line<'_>> {
    let mut out = Vec::new();
    crate::log::lines(bytes, |number, start, line| {
        if out.len() >= limit {
            return;
        }
        let end = start + line.len();
        let text = match std::str::from_utf8(line) {
            Ok(t) => Cow::Borrowed(t),
            Err(_) => Cow::Owned(crate::ascii(line)),
        };
        out.push(Line {
            number,
            start,
            end,
            text: printed(text),
        });
    });
    unspoken(&mut out);
    uncomment(&mut out);
    out
}

/// So many lines of one text begin with a speaker before that is what it is: a log of a chat.
const SPEAKERS: usize = 3;

/// Takes off who said it, as logs of a chat have it: `<ann> kubectl get pods`.
fn unspoken(lines: &mut [Line<'_>]) {
    let said = |text: &str| {
        let (name, said) = text.strip_prefix('<')?.split_once("> ")?;
        let plain = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '|' | '@' | '+'));
        (plain && !name.is_empty() && name.len() <= 24).then(|| said.to_owned())
    };
    if lines
        .iter()
        .filter(|l| said(&l.text).is_some())
        .take(SPEAKERS)
        .count()
        < SPEAKERS
    {
        return;
    }
    for line in lines {
        if let Some(said) = said(&line.text) {
            line.text = Cow::Owned(said);
        }
    }
}

/// Takes the `# ` off output that was written as comments below its command, as articles do.
fn uncomment(lines: &mut [Line<'_>]) {
    let mut at = 0;
    while at < lines.len() {
        let next = at + 1;
        let below = lines.get(next).is_some_and(|l| l.text.starts_with('#'));
        let printed = below
            && lines
                .get(at)
                // What stands below a line of a unit is the next file of `systemctl cat`.
                .filter(|l| !l.text.starts_with('#') && !l.text.starts_with("Exec"))
                .and_then(command)
                .is_some_and(|c| !shows_files(&c))
            && lines.get(next).is_some_and(|l| command(l).is_none());
        at = next;
        if !printed {
            continue;
        }
        while let Some(line) = lines.get_mut(at) {
            let Some(inner) = line.text.strip_prefix('#') else {
                break;
            };
            let inner = inner.strip_prefix(' ').unwrap_or(inner).to_owned();
            line.text = Cow::Owned(inner);
            at += 1;
        }
    }
}

/// What this prints may have comments of its own.
fn shows_files(command: &Command) -> bool {
    matches!(
        command.program(),
        "cat" | "tail" | "iptables-save" | "iptables" | "nft" | "journalctl" | "docker" | "ssh"
    ) || command.has("edit")
        || command.has("logs")
        || command.has("yaml")
        || command.has("-oyaml")
}

/// The line without what was put around it on its way.
fn printed(text: Cow<'_, str>) -> Cow<'_, str> {
    let text = if text.contains('\u{1b}') {
        Cow::Owned(without_escapes(&text))
    } else {
        text
    };
    let plain = text.trim_end().trim_start_matches('\u{feff}');
    let plain = unquoted(plain);
    // The frame that k9s and its like draw around their text.
    let plain = plain.trim_end_matches(['│', '┃', ' ']);
    let plain = match plain.trim_start().strip_prefix(['│', '┃']) {
        Some(inner) => inner,
        None => plain,
    };
    // A fence says where a paste begins and ends; it is no part of it.
    let plain = if plain.trim_start().starts_with("```") {
        ""
    } else {
        plain
    };
    if plain.len() == text.len() {
        text
    } else {
        Cow::Owned(plain.to_owned())
    }
}

/// Without the marks of a quotation. A `>` that nothing parts from its word is what a shell prints.
fn unquoted(line: &str) -> &str {
    let from = line.trim_start();
    let marks = quotation::marks(from.as_bytes(), b">");
    let (marks, inner) = from.split_at(marks);
    match marks {
        "" => line,
        ">" if !inner.is_empty() => line,
        _ if inner.is_empty() || marks.ends_with(char::is_whitespace) => inner,
        _ => from.get(marks.len() - 1..).unwrap_or_default(),
    }
}

/// Without the sequences by which terminals colour and move (ECMA-48: CSI and OSC).
fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('[') => {
                for c in chars.by_ref() {
                    if ('\u{40}'..='\u{7e}').contains(&c) {
                        break;
                    }
                }
            }
            Some(']') => {
                while let Some(c) = chars.next() {
                    if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Vec<String> {
        lines(s.as_bytes(), 100)
            .into_iter()
            .map(|l| l.text.into_owned())
            .collect()
    }

    #[test]
    fn what_was_put_around_is_taken_off() {
        assert_eq!(text("\u{1b}[31mred\u{1b}[0m end\r\n"), ["red end"]);
        assert_eq!(text("> > quoted  \n>\n> a > b"), ["quoted", "", "a > b"]);
        assert_eq!(text(">> $ x\n>>   y\n"), ["$ x", "  y"]);
        assert_eq!(text(">k get\n> >k get\n"), [">k get", ">k get"]);
        assert_eq!(text("<ann> $ x\n<bo> y\n<ann>   z\n"), ["$ x", "y", "  z"]);
        assert_eq!(text("<ann> $ x\n<none> y\n"), ["<ann> $ x", "<none> y"]);
        assert_eq!(text("```text\n  x\n```"), ["", "  x", ""]);
        assert_eq!(text("\u{1b}]0;title\u{7}x\n"), ["x"]);
        assert_eq!(text("│   Warning  a      │\n"), ["   Warning  a"]);
    }

    #[test]
    fn output_below_its_command_may_be_written_as_comments() {
        assert_eq!(
            text("kubectl get pods\n# NAME READY\n#  a 0/1\n\n# later\n"),
            ["kubectl get pods", "NAME READY", " a 0/1", "", "# later"]
        );
        // A root's prompts, a script's remarks and the comments of a file stay what they are.
        for kept in [
            "kubectl get pods\n# kubectl get nodes\n",
            "cat config.yaml\n# cluster-cidr: 10.9.0.0/16\n",
            "# kubectl get pods\n# NAME READY\n",
        ] {
            assert_eq!(text(kept).join("\n"), kept.trim_end());
        }
    }

    #[test]
    fn lines_know_where_they_stand() {
        let all = lines(b"a\r\n> b\n", 100);
        assert_eq!((all[1].number, all[1].start, all[1].end), (2, 3, 6));
    }
}
