//! Entity ids: `kind[.group]/[namespace/]name[@host]`, the one way to name a thing in every file.
//!
//! Deliberately absent: any look-up. An id is text; whether the thing exists is the graph's business.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of one entity of the graph, stable over time, source and tool version.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct EntityId(String);

impl EntityId {
    /// The id of a Kubernetes object. `kind` is written in lower case, `group` is empty for core.
    pub fn object(kind: &str, group: &str, namespace: &str, name: &str) -> Self {
        let mut text =
            String::with_capacity(kind.len() + group.len() + namespace.len() + name.len() + 3);
        text.extend(kind.chars().map(|c| c.to_ascii_lowercase()));
        if !group.is_empty() {
            text.push('.');
            text.push_str(group);
        }
        text.push('/');
        if !namespace.is_empty() {
            text.extend(
                namespace
                    .chars()
                    .map(|c| if c == '/' { '\u{fffd}' } else { c }),
            );
            text.push('/');
        }
        // No name has a slash; one that does, from hostile text, must not look like two.
        text.extend(name.chars().map(|c| if c == '/' { '\u{fffd}' } else { c }));
        Self(text)
    }

    /// The id of something that is no Kubernetes object, such as `dns/cluster`.
    pub fn other(kind: &str, name: &str) -> Self {
        Self(format!("{kind}/{name}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind without its group: `deployment` of `deployment.apps/web/shop`.
    pub fn kind(&self) -> &str {
        let head = self.0.split('/').next().unwrap_or_default();
        head.split('.').next().unwrap_or_default()
    }

    /// The last part: the name, with its host if it has one.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The namespace, if the id has one.
    pub fn namespace(&self) -> Option<&str> {
        let mut parts = self.0.split('/');
        let (_, second, third) = (parts.next(), parts.next(), parts.next());
        third.and(second)
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A short id from parts: 12 hexadecimal digits of blake3 over the parts, each ended by a zero byte.
///
/// Used for findings (code, entity, discriminator) and symptoms (condition, entity): never over
/// evidence, time or path, so that an id outlives a second look at the same trouble.
pub fn short_hash(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    hasher
        .finalize()
        .to_hex()
        .as_str()
        .get(..12)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_kind_group_namespace_and_name() {
        let id = EntityId::object("Deployment", "apps", "web", "shop");
        assert_eq!(id.as_str(), "deployment.apps/web/shop");
        assert_eq!(
            (id.kind(), id.namespace(), id.name()),
            ("deployment", Some("web"), "shop")
        );
        let node = EntityId::object("Node", "", "", "n1");
        assert_eq!((node.as_str(), node.namespace()), ("node/n1", None));
    }
}
