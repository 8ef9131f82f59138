//! Label selectors and node selector terms, matched as the API server matches them.
//!
//! Source: apimachinery `pkg/labels/selector.go` and component-helpers `scheduling/corev1/nodeaffinity`.
//! Deliberately absent: the text form of selectors (`a in (b)`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::de;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// `metav1.LabelSelector`: every part must hold. Empty means "everything".
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must be there with exactly these values.
    #[serde(deserialize_with = "de::text_map")]
    pub match_labels: Labels,
    /// Further demands.
    #[serde(deserialize_with = "de::list")]
    pub match_expressions: Vec<Requirement>,
}

/// One demand on one label, of a label selector or a node selector term.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// The label's name (or the field's, in `matchFields`).
    #[serde(deserialize_with = "de::text")]
    pub key: String,
    /// In, NotIn, Exists, DoesNotExist, Gt, Lt.
    #[serde(deserialize_with = "de::text")]
    pub operator: String,
    /// What the value is compared with.
    #[serde(deserialize_with = "de::texts")]
    pub values: Vec<String>,
}

impl Requirement {
    /// Does this label set meet the demand? An unknown operator meets nothing.
    pub fn matches(&self, labels: &Labels) -> bool {
        let have = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => have.is_some_and(|v| self.values.contains(v)),
            "NotIn" => have.is_none_or(|v| !self.values.contains(v)),
            "Exists" => have.is_some(),
            "DoesNotExist" => have.is_none(),
            "Gt" | "Lt" => {
                let number = |s: Option<&String>| s.and_then(|s| s.parse::<i64>().ok());
                match (number(have), number(self.values.first())) {
                    (Some(a), Some(b)) if self.operator == "Gt" => a > b,
                    (Some(a), Some(b)) => a < b,
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// The demand as people write it: `disk in (ssd, nvme)`, `!gpu`, `zone=a`.
    pub fn describe(&self) -> String {
        match self.operator.as_str() {
            "In" if self.values.len() == 1 => format!("{}={}", self.key, self.values.join("")),
            "In" => format!("{} in ({})", self.key, self.values.join(", ")),
            "NotIn" => format!("{} notin ({})", self.key, self.values.join(", ")),
            "Exists" => self.key.clone(),
            "DoesNotExist" => format!("!{}", self.key),
            other => format!("{} {} {}", self.key, other, self.values.join(", ")),
        }
    }
}

impl LabelSelector {
    /// True when nothing is demanded.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Does this label set meet every demand?
    pub fn matches(&self, labels: &Labels) -> bool {
        self.unmet(labels).is_empty()
    }

    /// The demands that this label set does not meet, as people write them.
    pub fn unmet(&self, labels: &Labels) -> Vec<String> {
        let mut out: Vec<String> = self
            .match_labels
            .iter()
            .filter(|(k, v)| labels.get(*k) != Some(*v))
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        out.extend(
            self.match_expressions
                .iter()
                .filter(|r| !r.matches(labels))
                .map(Requirement::describe),
        );
        out
    }
}

/// One alternative of a node selector: all of its demands must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSelectorTerm {
    /// Demands on the node's labels.
    #[serde(deserialize_with = "de::list")]
    pub match_expressions: Vec<Requirement>,
    /// Demands on the node's fields; only `metadata.name` exists.
    #[serde(deserialize_with = "de::list")]
    pub match_fields: Vec<Requirement>,
}

impl NodeSelectorTerm {
    /// Does a node of this name and these labels meet the term? A term without demands matches nothing.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        if self.match_expressions.is_empty() && self.match_fields.is_empty() {
            return false;
        }
        let fields = Labels::from([("metadata.name".to_owned(), name.to_owned())]);
        self.match_expressions.iter().all(|r| r.matches(labels))
            && self.match_fields.iter().all(|r| r.matches(&fields))
    }
}

/// `NodeSelector`: one of the terms must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSelector {
    /// The alternatives.
    #[serde(deserialize_with = "de::list")]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

impl NodeSelector {
    /// Does a node of this name and these labels meet one of the terms?
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        self.node_selector_terms
            .iter()
            .any(|t| t.matches(name, labels))
    }

    /// The demands as people write them, alternatives joined by `or`.
    pub fn describe(&self) -> String {
        let term = |t: &NodeSelectorTerm| {
            let all: Vec<String> = t
                .match_expressions
                .iter()
                .chain(&t.match_fields)
                .map(Requirement::describe)
                .collect();
            all.join(", ")
        };
        self.node_selector_terms
            .iter()
            .map(term)
            .collect::<Vec<_>>()
            .join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_say_what_is_unmet() {
        let s: LabelSelector = serde_json::from_str(
            r#"{"matchLabels":{"environment":"prod"},"matchExpressions":[{"key":"tier","operator":"In","values":["a","b"]},{"key":"old","operator":"DoesNotExist"}]}"#,
        )
        .unwrap();
        assert_eq!(
            s.unmet(&Labels::new()),
            ["environment=prod", "tier in (a, b)"]
        );
        let fits = Labels::from([
            ("environment".into(), "prod".into()),
            ("tier".into(), "b".into()),
        ]);
        assert!(s.matches(&fits));
    }

    #[test]
    fn an_empty_node_term_matches_nothing() {
        assert!(!NodeSelectorTerm::default().matches("n1", &Labels::new()));
        let s: NodeSelector = serde_json::from_str(
            r#"{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["n1"]}]}]}"#,
        )
        .unwrap();
        assert!(s.matches("n1", &Labels::new()) && !s.matches("n2", &Labels::new()));
    }
}
