//! The same call tried from pods that differ in their labels: `kubectl run --labels=… -- nc …`, or `kubectl exec` in
//! pods whose labels a list shows.
//!
//! What takes one and refuses the other goes by labels. Deliberately absent: what does so (`rules::acc`).

use std::collections::BTreeMap;

use defib_model::fact::{Answer, Fact, Value};
use defib_model::kubectl;
use defib_model::selector::Labels;

use crate::context::Context;

/// Two calls to one place.
pub struct Trial<'c> {
    /// The one that came through, and the labels of who made it.
    pub passes: (&'c Fact, Labels),
    /// The one that did not.
    pub fails: (&'c Fact, Labels),
    /// The namespace of both; empty where the commands name none.
    pub namespace: String,
    /// Where both went.
    pub target: String,
}

/// All of them.
pub fn trials<'c>(cx: &'c Context<'_>) -> Vec<Trial<'c>> {
    /// What came through, and what did not.
    type Calls<'c> = (Vec<(&'c Fact, Labels)>, Vec<(&'c Fact, Labels)>);
    let mut calls: BTreeMap<(String, String), Calls<'c>> = BTreeMap::new();
    for fact in &cx.cluster.facts {
        let Value::Reach(reach) = &fact.value else {
            continue;
        };
        let who = made(&fact.command).or_else(|| entered(cx, &fact.command));
        let (Some(port), Some((namespace, labels))) = (reach.port, who) else {
            continue;
        };
        let target = format!("{}:{port}", reach.target);
        let (passes, fails) = calls.entry((namespace, target)).or_default();
        match reach.answer {
            Answer::Well => passes.push((fact, labels)),
            Answer::Sick | Answer::Silent => fails.push((fact, labels)),
        }
    }
    let mut out = Vec::new();
    for ((namespace, target), (passes, fails)) in calls {
        for fail in fails {
            // With the same labels it is the time that differs.
            if passes.iter().any(|(_, labels)| *labels == fail.1) {
                continue;
            }
            if let Some(pass) = passes.first().cloned() {
                out.push(Trial {
                    passes: pass,
                    fails: fail,
                    namespace: namespace.clone(),
                    target: target.clone(),
                });
            }
        }
    }
    out
}

/// Namespace and labels of the pod in which a command runs, where a list shows them.
fn entered(cx: &Context<'_>, command: &str) -> Option<(String, Labels)> {
    let words: Vec<&str> = command.split_ascii_whitespace().collect();
    let said = kubectl::words(words.iter().copied())?;
    let ["exec", name, ..] = said.as_slice() else {
        return None;
    };
    let name = name.trim_start_matches("pod/");
    let mut pods = (cx.cluster.pods.iter()).filter(|p| p.metadata.name == name);
    let pod = pods.next().filter(|p| !p.metadata.labels.is_empty())?;
    // Of two pods of one name nobody knows which it was.
    let labels = pod.metadata.labels.clone();
    pods.next()
        .is_none()
        .then(|| (pod.metadata.namespace.clone(), labels))
}

/// Namespace and labels of the pod that a command makes. Without `--labels` kubectl gives it one of its name.
/// Source: kubectl `pkg/generate/versioned/run.go` (getLabels).
fn made(command: &str) -> Option<(String, Labels)> {
    let words: Vec<&str> = command.split_ascii_whitespace().collect();
    let said = kubectl::words(words.iter().copied())?;
    let ["run", name, ..] = said.as_slice() else {
        return None;
    };
    let own = words.split(|w| *w == "--").next().unwrap_or_default();
    let option = |short: &str, long: &str| {
        own.iter().enumerate().find_map(|(i, word)| {
            let glued = word.strip_prefix(long).and_then(|r| r.strip_prefix('='));
            let apart = || {
                own.get(i + 1)
                    .copied()
                    .filter(|_| *word == short || *word == long)
            };
            glued.or_else(apart)
        })
    };
    let labels = match option("-l", "--labels") {
        Some(list) => (list.trim_matches(['\'', '"']).split(','))
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        None => Labels::from([("run".to_owned(), (*name).to_owned())]),
    };
    let namespace = option("-n", "--namespace").unwrap_or_default();
    Some((namespace.to_owned(), labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_have_the_labels_that_they_are_run_with() {
        let of = |command: &str| {
            let (namespace, labels) = made(command)?;
            let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            Some(format!("{namespace}: {}", labels.join(" ")))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            of(
                "kubectl -n shop run ask --rm -it --image=busybox --labels=tier=api,a=b -- nc -zv -l x 5432"
            ),
            some("shop: a=b tier=api")
        );
        assert_eq!(
            of("k run ask -l app=till --image busybox -- nc -zv x 1"),
            some(": app=till")
        );
        assert_eq!(
            of("kubectl run ask --image=busybox -- nc -zv x 1"),
            some(": run=ask")
        );
        assert_eq!(of("kubectl exec ask -- nc -zv x 1"), None);
    }
}
