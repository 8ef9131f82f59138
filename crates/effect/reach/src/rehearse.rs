//! What an API server would do with an object: asked with `dryRun=All`, so that nothing is kept.
//!
//! Deliberately absent: any request without it.

use crate::ReachError;
use crate::probe::{Answer, segment};

/// Where an object would stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// API group; empty for core.
    pub group: String,
    /// API version without the group.
    pub version: String,
    /// Plural name.
    pub resource: String,
    /// The namespace; empty where there is none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Place {
    /// Path and query of a server-side apply that changes nothing.
    pub fn path(&self) -> String {
        let root = match self.group.as_str() {
            "" => format!("/api/{}", segment(&self.version)),
            group => format!("/apis/{}/{}", segment(group), segment(&self.version)),
        };
        let namespace = match self.namespace.as_str() {
            "" => String::new(),
            namespace => format!("/namespaces/{}", segment(namespace)),
        };
        format!(
            "{root}{namespace}/{}/{}?dryRun=All&fieldManager=defib",
            segment(&self.resource),
            segment(&self.name)
        )
    }
}

/// Asks what would come of an object, and changes nothing.
pub trait Rehearse: Sync {
    /// Would this object be taken at its place?
    ///
    /// # Errors
    /// When no answer came at all; a refusal is an answer.
    fn rehearse(
        &self,
        place: &Place,
        object: Vec<u8>,
    ) -> impl Future<Output = Result<Answer, ReachError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_says_that_nothing_is_kept() {
        let place = Place {
            version: "v1".into(),
            resource: "configmaps".into(),
            namespace: "apps".into(),
            name: "a/../b?dryRun=".into(),
            ..Place::default()
        };
        let path = place.path();
        assert_eq!(path.matches('?').count(), 1, "{path}");
        assert!(path.ends_with("?dryRun=All&fieldManager=defib"), "{path}");
        assert!(
            path.starts_with("/api/v1/namespaces/apps/configmaps/a%2F"),
            "{path}"
        );
    }
}
