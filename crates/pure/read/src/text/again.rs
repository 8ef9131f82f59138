//! Commands that failed, and were run again with success: what they said at first is over.
//!
//! A person tries, mends something, and tries the same again; of a transcript the last answer counts. Deliberately
//! absent: answers without an error. What two lists of the same things show, the objects in them say themselves.

use std::collections::BTreeMap;
use std::ops::Range;

use defib_model::fact::Value;

use super::{Walk, bare};

/// Takes out the errors of commands that the same text shows again without one.
pub(super) fn settle(walk: &mut Walk<'_>) {
    let begins: Vec<(usize, (String, String))> = walk
        .out
        .facts
        .iter()
        .filter(|f| matches!(f.value, Value::Ran(_)))
        .filter_map(|f| {
            let at = walk.lines.binary_search_by_key(&f.line, |l| l.number);
            Some((at.ok()?, (f.host.clone(), f.command.clone())))
        })
        .collect();
    let mut answers: BTreeMap<&(String, String), Vec<Range<usize>>> = BTreeMap::new();
    for (i, (at, command)) in begins.iter().enumerate() {
        let end = begins
            .get(i + 1)
            .map_or(walk.lines.len(), |(next, _)| *next);
        answers.entry(command).or_default().push(at + 1..end);
    }
    let fails = |lines: &Range<usize>| lines.clone().any(|i| bare::is_error(walk.text(i)));
    let says = |lines: &Range<usize>| lines.clone().any(|i| !walk.text(i).trim().is_empty());
    let over: Vec<Range<usize>> = answers
        .into_values()
        .filter_map(|mut all| {
            let last = all.pop()?;
            (says(&last) && !fails(&last)).then_some(all)
        })
        .flatten()
        .filter(fails)
        .collect();
    let number = |at: usize| walk.lines.get(at).map_or(u64::MAX, |l| l.number);
    let mut numbers: Vec<(u64, u64)> = over
        .iter()
        .map(|lines| (number(lines.start), number(lines.end)))
        .collect();
    numbers.sort_unstable();
    walk.out.facts.retain(|f| {
        let before = numbers.partition_point(|(from, _)| *from <= f.line);
        let within = before
            .checked_sub(1)
            .and_then(|i| numbers.get(i))
            .is_some_and(|(_, to)| f.line < *to);
        !(within && matches!(f.value, Value::Error(_)))
    });
    for lines in over {
        let origin = walk.origin(lines);
        walk.out
            .past
            .push(origin.start as usize..origin.end as usize);
    }
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    fn errors(text: &str) -> (usize, usize) {
        let got = super::super::read(text.as_bytes(), 0);
        let errors = got.facts.iter();
        let errors = errors.filter(|f| matches!(f.value, Value::Error(_)));
        (errors.count(), got.past.len())
    }

    #[test]
    fn the_last_answer_counts() {
        let refused = "$ kubectl get nodes\nUnable to connect to the server: EOF\n";
        let well =
            "$ kubectl get nodes\nNAME STATUS ROLES AGE VERSION\nn1 Ready <none> 1y v1.33.5+k3s1\n";
        let other = "$ systemctl restart k3s\n";
        assert_eq!(errors(&format!("{refused}{other}{well}")), (0, 1));
        assert_eq!(errors(&format!("{well}{other}{refused}")), (1, 0));
        // Typed again, and nobody knows what came of it.
        assert_eq!(
            errors(&format!("{refused}{other}$ kubectl get nodes\n")),
            (1, 0)
        );
        assert_eq!(errors(&format!("{refused}{well}{refused}")), (2, 0));
    }
}
