//! Labels that a row does not show and its command proves: `kubectl get … -l app=till` lists what carries
//! that label.
//!
//! Source: kubectl `pkg/cmd/get/get.go` (the selector goes to the API server, which lists only what matches);
//! apimachinery `pkg/labels/selector.go` for its grammar.
//! Deliberately absent: what a selector shuts out (`!key`, `key!=value`): a label that is not there needs no
//! entry.

use defib_formats::text::Command;
use defib_model::kubectl;
use defib_model::views::meta::SOME_VALUE;

use super::Walk;
use crate::kinds;

/// Labels that everything carries which this command lists; of a key whose value nobody says, `SOME_VALUE`.
pub(super) fn labels(command: &Command) -> Vec<(String, String)> {
    let asked = command.option("-l", "--selector").or_else(|| {
        let attached = command.words.iter().find_map(|w| w.strip_prefix("-l"));
        attached.map(|w| w.trim_start_matches('='))
    });
    let mut out = Vec::new();
    let mut depth = 0_usize;
    let terms = asked.unwrap_or_default().split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    for term in terms {
        out.extend(label(term.trim()));
    }
    out
}

/// `key=value`, `key==value`, `key`, `key in (a,b)`.
fn label(term: &str) -> Option<(String, String)> {
    if term.starts_with('!') || term.contains("!=") {
        return None;
    }
    let (key, value) = match term.split_once('=') {
        Some((key, value)) => (key, value.trim_start_matches('=').trim()),
        None => match term.split_once(' ') {
            Some((key, set)) => {
                let one = set.trim().strip_prefix("in ")?.trim();
                let one = one.trim_start_matches('(').trim_end_matches(')').trim();
                (key, if one.contains(',') { SOME_VALUE } else { one })
            }
            None => (term, SOME_VALUE),
        },
    };
    let legal = |t: &str| {
        t.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
    };
    let key = key.trim();
    (!key.is_empty() && legal(key) && (value == SOME_VALUE || legal(value)))
        .then(|| (key.to_owned(), value.to_owned()))
}

/// The command chooses by label.
pub(super) fn selects(command: &Command) -> bool {
    command
        .words
        .iter()
        .any(|w| w.starts_with("-l") || w.starts_with("--selector"))
}

/// Of several commands on one line that which asked for the kind whose table begins here.
pub(super) fn turn(walk: &mut Walk<'_>, kind: &str) {
    let asks = |c: &Command| {
        let words = kubectl::words(c.words.iter().map(String::as_str));
        let asked = words.and_then(|w| match w.as_slice() {
            ["get", asked, ..] => kinds::named(asked),
            _ => None,
        });
        asked.is_some_and(|asked| asked.kind == kind)
    };
    if let Some(at) = walk.parts.iter().position(asks) {
        walk.command = walk.parts.drain(..=at).next_back();
    }
}

/// The command asked for everything of one kind: `kubectl get pv`, without names, selectors or pipes.
pub(super) fn for_all(walk: &Walk<'_>) -> bool {
    walk.kubectl().is_some_and(|(c, words)| {
        matches!(words.as_slice(), ["get", kind] if !kind.contains(['/', ',']))
            && !c.line.contains(['|', '>'])
            && !selects(c)
            && !c.has("--watch-only")
            && fields(c).is_none()
    })
}

/// Does somebody say behind this line that rows were left out? `...`, `[40 more]`, `(snip)`.
pub(super) fn is_cut(walk: &Walk<'_>, end: usize) -> bool {
    let mut next = (end..end + 3).map(|i| walk.text(i).trim());
    next.find(|t| !t.is_empty()).is_some_and(|t| {
        let words = ["...", "…", "[...", "[…", "(...", "(…"];
        let told = ["snip", "truncated", "more rows", "cut off", "omitted"];
        words.iter().any(|w| t.starts_with(w))
            || (t.starts_with(['[', '(', '<', '-', '#']) && told.iter().any(|w| t.contains(w)))
    })
}

/// What `--field-selector` lets through.
fn fields(command: &Command) -> Option<&str> {
    let glued = command
        .words
        .iter()
        .find_map(|w| w.strip_prefix("--field-selector="));
    glued.or_else(|| command.option("--field-selector", "--field-selector"))
}

#[cfg(test)]
mod tests {
    use defib_model::views::meta::SOME_VALUE;

    use crate::object::View;

    fn carried(command: &str) -> Vec<(String, String)> {
        let text = format!(
            "$ kubectl get {command}\nNAME    READY   STATUS    RESTARTS   AGE\ntill-0  1/1     Running   0          3h\n"
        );
        let objects = super::super::read(text.as_bytes(), 0).objects;
        let View::Pod(pod) = &objects[0].view else {
            panic!()
        };
        pod.metadata.labels.clone().into_iter().collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn rows_carry_what_their_command_selects() {
        for command in [
            "pods -l app=till",
            "pods -lapp=till",
            "pod --selector=app=till -n shop",
            "pod --selector app==till",
            "-n shop pods -l 'app in (till)'",
            "pods -l \"app=till,tier!=old\"",
        ] {
            assert_eq!(carried(command), pairs(&[("app", "till")]), "{command}");
        }
        assert_eq!(
            carried("pods -l shop.example/disk,app=till"),
            pairs(&[("app", "till"), ("shop.example/disk", SOME_VALUE)])
        );
        assert_eq!(
            carried("pods -l 'tier in (a,b)'"),
            pairs(&[("tier", SOME_VALUE)])
        );
        for command in ["pods", "pods -l '!app'", "pods -l 'app notin (till)'"] {
            assert!(carried(command).is_empty(), "{command}");
        }
    }

    #[test]
    fn nodes_of_a_selector_carry_its_key() {
        let text = "$ kubectl get nodes --selector=shop.example/quiet\nNAME   STATUS   ROLES    AGE   VERSION\nn1     Ready    <none>   9d    v1.33.4+k3s1\n";
        let objects = super::super::read(text.as_bytes(), 0).objects;
        let View::Node(node) = &objects[0].view else {
            panic!()
        };
        assert!(node.metadata.labels.contains_key("shop.example/quiet"));
    }
}
