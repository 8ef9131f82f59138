//! How things of the cluster are called in a sentence, where the evidence leaves their name or namespace out.
//!
//! Deliberately absent: hosts (`host::called`).

use defib_model::id::EntityId;

use crate::command::Command;
use crate::rule::Finding;

/// What stands for a name in a message that does not say whom it is about.
const UNNAMED: &str = "unnamed";

/// Does the evidence not say which one it is?
pub fn is_unnamed(id: &EntityId) -> bool {
    matches!(id.name(), UNNAMED | "")
}

/// `pod web-0`, or `a pod` where nobody says which.
pub fn called(id: &EntityId) -> String {
    match is_unnamed(id) {
        true => format!("a {}", id.kind()),
        false => format!("{} {}", id.kind(), id.name()),
    }
}

/// The sentence, where it names what has no name: `the probe of pod unnamed` becomes `the probe of a pod`. Rules put
/// names together in many ways, so this is asked once, where a finding takes its words.
pub fn sentence(text: String) -> String {
    if !text.contains(UNNAMED) {
        return text;
    }
    let mut out: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let Some(behind) = word.strip_prefix(UNNAMED) else {
            out.push(word.to_owned());
            continue;
        };
        if behind.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '/')) {
            out.push(word.to_owned());
            continue;
        }
        let kind = |w: &String| {
            w.len() > 3
                && w.chars().all(|c| c.is_ascii_alphabetic())
                && !VERBS.contains(&w.as_str())
                || w == "pod"
                || w == "job"
        };
        match out.pop_if(|w| kind(w)) {
            Some(kind) => {
                out.pop_if(|w| matches!(w.as_str(), "the" | "a"));
                out.push("a".to_owned());
                out.push(format!("{kind}{behind}"));
            }
            None => out.push(format!("something that is not named{behind}")),
        }
    }
    out.join(" ")
}

/// Words that stand before a name and are no kind.
const VERBS: &[&str] = &["from", "killed", "names", "makes", "that", "with"];

/// ` in namespace shop`, or nothing where nobody says which.
pub fn within(namespace: &str) -> String {
    of("in", namespace)
}

/// ` of namespace shop`, or nothing.
pub fn of_namespace(namespace: &str) -> String {
    of("of", namespace)
}

fn of(word: &str, namespace: &str) -> String {
    match namespace {
        "" => String::new(),
        ns => format!(" {word} namespace {ns}"),
    }
}

/// Adds the advice to edit this owner; the command only where its name is known.
pub fn edit(finding: Finding, text: &str, owner: &EntityId, namespace: &str) -> Finding {
    if is_unnamed(owner) {
        return finding.advice(text);
    }
    let command: Command = command!(
        "kubectl edit {} {} -n {}",
        owner.kind(),
        owner.name(),
        namespace
    );
    finding.check_first(text, command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_name_is_one_of_its_kind() {
        let pod = |name: &str| EntityId::object("Pod", "", "", name);
        assert_eq!(called(&pod("web-0")), "pod web-0");
        assert_eq!(called(&pod("unnamed")), "a pod");
        assert_eq!(format!("it{}", within("shop")), "it in namespace shop");
        assert_eq!(format!("it{}", within("")), "it");
        let of = |text: &str| sentence(text.to_owned());
        assert_eq!(
            of("the probe of pod unnamed fails"),
            "the probe of a pod fails"
        );
        assert_eq!(of("the pod unnamed: pending"), "a pod: pending");
        assert_eq!(
            of("the credentials of unnamed"),
            "the credentials of something that is not named"
        );
        assert_eq!(of("pod unnamed-0 waits"), "pod unnamed-0 waits");
    }
}
