//! The lines of a description as a tree of `Key: value`, deeper lines belonging to the line above.
//! Deliberately absent: where a description begins and ends, and what its keys mean.

use serde_json::{Map, Value, json};

/// One line of the tree.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) indent: usize,
    pub(super) key: String,
    pub(super) value: String,
}

/// The description's lines until its end.
pub(super) struct Tree(pub(super) Vec<Node>);

impl Tree {
    /// The value of a key at the left edge.
    pub(super) fn get(&self, key: &str) -> &str {
        self.find(key).map(|n| n.value.as_str()).unwrap_or_default()
    }

    pub(super) fn find(&self, key: &str) -> Option<&Node> {
        let edge = self.0.first().map_or(0, |n| n.indent);
        self.0.iter().find(|n| n.indent == edge && n.key == key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The lines below a key at the left edge.
    pub(super) fn below(&self, key: &str) -> &[Node] {
        let edge = self.0.first().map_or(0, |n| n.indent);
        let Some(at) = self.0.iter().position(|n| n.indent == edge && n.key == key) else {
            return &[];
        };
        under(&self.0, at)
    }

    /// `a=b` on the key's own line and on those below it.
    pub(super) fn pairs(&self, key: &str, mark: char) -> Map<String, Value> {
        let mut out = Map::new();
        let own = self.get(key).to_owned();
        let rest = self.below(key).iter().map(|n| {
            if n.value.is_empty() {
                n.key.clone()
            } else {
                format!("{}: {}", n.key, n.value)
            }
        });
        for line in std::iter::once(own).chain(rest) {
            for part in line.split(',') {
                if let Some((k, v)) = part.trim().split_once(mark) {
                    out.insert(k.trim().to_owned(), json!(v.trim()));
                }
            }
        }
        out
    }
}

/// The lines that belong to the line at `at`.
pub(super) fn under(nodes: &[Node], at: usize) -> &[Node] {
    let Some(head) = nodes.get(at) else {
        return &[];
    };
    let rest = nodes.get(at + 1..).unwrap_or_default();
    let end = rest
        .iter()
        .position(|n| n.indent <= head.indent)
        .unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// Key and value of a line that has both, or the key alone.
pub(super) fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.trim().split_once(':')?;
    let good = !key.is_empty()
        && key.len() < 60
        && key.starts_with(|c: char| c.is_ascii_alphabetic())
        && (value.is_empty() || value.starts_with([' ', '\t']));
    good.then(|| (key.to_owned(), value.trim().to_owned()))
}
