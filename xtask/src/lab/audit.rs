//! The API server's audit log: what to record, and reading it as proof of who wrote what.
//! Deliberately absent: filters by namespace or kind; a test filters a `Vec`.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::LabError;
use super::error::file;

/// How much of a write is recorded. Reads are always recorded with their metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuditLevel {
    /// Who, what, when, answer code.
    #[default]
    Metadata,
    /// The same, and request and response bodies of writes.
    Bodies,
}

impl AuditLevel {
    /// The policy file's content.
    pub(crate) fn policy(self) -> String {
        let mut rules = vec![json!({"level": "Metadata"})];
        if self == Self::Bodies {
            let writes = ["create", "update", "patch", "delete", "deletecollection"];
            rules.insert(0, json!({"level": "RequestResponse", "verbs": writes}));
        }
        json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            // A request is interesting once it is answered; half the lines then suffice.
            "omitStages": ["RequestReceived"],
            "rules": rules,
        })
        .to_string()
    }
}

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// `get`, `list`, `watch`, `create`, …
    pub verb: String,
    /// The path with its query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// `ResponseStarted` (of a watch), `ResponseComplete` or `Panic`.
    pub stage: String,
    /// Who asked.
    pub user: AuditUser,
    /// What the client calls itself.
    #[serde(default)]
    pub user_agent: String,
    /// The object, unless the path is none of the API's.
    #[serde(default)]
    pub object_ref: Option<ObjectRef>,
    /// The answer.
    #[serde(default)]
    pub response_status: Option<ResponseStatus>,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuditUser {
    /// The name in the client certificate or token.
    pub username: String,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// The plural name of the kind.
    pub resource: String,
    /// `status`, `log`, `exec`, … or empty.
    pub subresource: String,
    /// Empty for kinds without one.
    pub namespace: String,
    /// Empty for lists.
    pub name: String,
    /// Empty for the core group.
    pub api_group: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ResponseStatus {
    /// The HTTP status.
    #[serde(default)]
    pub code: u16,
}

impl AuditEvent {
    /// True unless the request could only read. Reaching into a container or through the API
    /// server counts as a write with whatever verb, since nobody knows what happens there.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let reaches_in = self.object_ref.as_ref().is_some_and(|object| {
            matches!(
                object.subresource.as_str(),
                "exec" | "attach" | "portforward" | "proxy"
            )
        });
        reaches_in
            || !matches!(
                self.verb.as_str(),
                "get" | "list" | "watch" | "head" | "options"
            )
    }

    /// True for the review kinds (`SelfSubjectAccessReview` and its like): created, answered, never
    /// stored.
    #[must_use]
    pub fn is_review(&self) -> bool {
        self.object_ref.as_ref().is_some_and(|object| {
            matches!(
                object.api_group.as_str(),
                "authorization.k8s.io" | "authentication.k8s.io"
            ) && object.resource.ends_with("reviews")
        })
    }
}

/// All events of a log. A last line without its end is still being written and left out.
pub fn read(path: &Path) -> Result<Vec<AuditEvent>, LabError> {
    let text = fs::read_to_string(path).map_err(file("read", path))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<AuditEvent>, LabError> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n') && !line.trim().is_empty())
        .map(|line| {
            serde_json::from_str(line).map_err(|source| LabError::Json {
                what: "a line of the audit log".into(),
                source,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(verb: &str, resource: &str, subresource: &str, group: &str) -> AuditEvent {
        let line = json!({
            "verb": verb, "requestURI": "/x", "stage": "ResponseComplete", "user": {"username": "u"},
            "objectRef": {"resource": resource, "subresource": subresource, "apiGroup": group},
            "responseStatus": {"metadata": {}, "code": 200}, "level": "Metadata",
        });
        parse(&format!("{line}\n")).unwrap().remove(0)
    }

    #[test]
    fn reads_are_reads_and_everything_else_is_a_write() {
        for verb in ["get", "list", "watch"] {
            assert!(!event(verb, "pods", "log", "").is_write(), "{verb}");
        }
        for verb in [
            "create",
            "update",
            "patch",
            "delete",
            "deletecollection",
            "whatever comes next",
        ] {
            assert!(event(verb, "pods", "", "").is_write(), "{verb}");
        }
        assert!(event("get", "pods", "exec", "").is_write());
        let review = event(
            "create",
            "selfsubjectaccessreviews",
            "",
            "authorization.k8s.io",
        );
        assert!(review.is_write() && review.is_review());
    }

    #[test]
    fn a_line_being_written_is_left_out() {
        let whole =
            r#"{"verb":"get","requestURI":"/","stage":"ResponseComplete","user":{"username":"u"}}"#;
        assert_eq!(
            parse(&format!("{whole}\n{{\"verb\":\"del")).unwrap().len(),
            1
        );
    }
}
