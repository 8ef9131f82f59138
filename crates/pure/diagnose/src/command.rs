//! Commands that people paste into a shell, built so that no name from the evidence can become more
//! than one word of them.
//!
//! Deliberately absent: running anything, and commands as plain text: advice takes nothing else, so a
//! name like `x; rm -rf ~` has to pass here.

use defib_model::text::Word;

/// A command line. Made from a fixed text, or by `command!` with quoted parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(String);

impl Command {
    /// For `command!` alone: the parts are quoted already. A namespace that is not known is left out, and what has no
    /// name in the evidence is a word to be filled in.
    #[doc(hidden)]
    pub fn quoted(text: String) -> Self {
        let text = text.replace(" -n ''", "");
        if !text.contains("unnamed") {
            return Self(text);
        }
        let words = text
            .split(' ')
            .map(|word| match word.strip_suffix("unnamed") {
                Some(kind) if kind.is_empty() || kind.ends_with('/') => format!("{kind}NAME"),
                _ => word.to_owned(),
            });
        Self(words.collect::<Vec<_>>().join(" "))
    }

    /// Several words, each quoted for itself.
    pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words: Vec<String> = words.into_iter().map(|w| Word(w).to_string()).collect();
        Self(words.join(" "))
    }
}

impl From<&'static str> for Command {
    fn from(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

impl From<Command> for String {
    fn from(command: Command) -> Self {
        command.0
    }
}

/// What may stand in a command: text as one word, or a piece that is a command itself.
pub trait Part {
    /// As it is written there.
    fn part(&self) -> String;
}

impl<T: Part + ?Sized> Part for &T {
    fn part(&self) -> String {
        (**self).part()
    }
}

impl Part for Command {
    fn part(&self) -> String {
        self.0.clone()
    }
}

impl Part for str {
    fn part(&self) -> String {
        Word(self).to_string()
    }
}

impl Part for String {
    fn part(&self) -> String {
        self.as_str().part()
    }
}

/// `command!("kubectl get pod {} -n {}", name, ns)`: like `format!`, every part as one word.
macro_rules! command {
    ($text:literal $(, $part:expr)* $(,)?) => {
        $crate::command::Command::quoted(format!($text $(, $crate::command::Part::part(&$part))*))
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn pieces_and_lists_stay_apart() {
        let place = command!("-n {}", "a b");
        let nodes = super::Command::words(["n1", "n;2"]);
        let whole = command!("kubectl uncordon {} {}", nodes, place);
        assert_eq!(String::from(whole), "kubectl uncordon n1 'n;2' -n 'a b'");
        assert_eq!(
            String::from(command!("kubectl edit pod {} -n {}", "unnamed", "shop")),
            "kubectl edit pod NAME -n shop"
        );
        assert_eq!(
            String::from(command!("kubectl get pods -n {}", "")),
            "kubectl get pods"
        );
    }

    #[test]
    fn a_name_stays_one_word() {
        let of = |name: &str| String::from(command!("kubectl get pod {}", name));
        assert_eq!(of("web-0"), "kubectl get pod web-0");
        assert_eq!(of("x; rm -rf ~"), "kubectl get pod 'x; rm -rf ~'");
        assert_eq!(of("a'$(b)"), r"kubectl get pod 'a'\''$(b)'");
        assert_eq!(
            of("a\u{1b}[2J\u{202e}"),
            "kubectl get pod 'a\u{fffd}[2J\u{fffd}'"
        );
        assert_eq!(of(""), "kubectl get pod ''");
    }
}
