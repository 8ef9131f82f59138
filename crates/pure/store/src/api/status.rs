//! Refusals, in the words and the form of an API server.
//!
//! Source: apimachinery `pkg/api/errors/errors.go`. Deliberately absent: successes.

use defib_model::text::is_unsafe;
use serde_json::json;

use super::catalog::Resource;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// HTTP's number.
    pub code: u16,
    /// The word that programs look at.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    details: Option<(String, String, String)>,
}

/// Letters of a sentence, or of a name in it; who asks may have put any number into it.
const LONGEST: usize = 2_048;

/// What was asked for, or is stored, is said again on somebody's terminal, which must not obey it.
fn clean(text: &str) -> String {
    let shown = |c: char| if is_unsafe(c) { '\u{fffd}' } else { c };
    text.chars().take(LONGEST).map(shown).collect()
}

impl Status {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: clean(&message.into()),
            details: None,
        }
    }

    /// Whoever asks does not have the token.
    pub fn unauthorized() -> Self {
        Self::new(
            401,
            "Unauthorized",
            "the token of the kubeconfig is asked for",
        )
    }

    /// There are as many connections as are served at once.
    pub fn no_room() -> Self {
        let message = "too many connections with the token are open: end some of them";
        Self::new(429, "TooManyRequests", message)
    }

    /// Whoever asks wants something changed.
    pub fn read_only(method: &str) -> Self {
        // A method is a token of HTTP, so it can be said again.
        let word: String = method.chars().take(16).collect();
        let message = format!(
            "this is a dead cluster's datastore, opened for reading only: nothing can be written ({word})"
        );
        Self::new(405, "MethodNotAllowed", message)
    }

    /// Nothing is served under this path.
    pub(super) fn no_path() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(404, "NotFound", message)
    }

    /// There is no such object.
    pub(super) fn no_object(resource: &Resource, name: &str) -> Self {
        let qualified = resource.qualified();
        let mut out = Self::new(404, "NotFound", format!("{qualified} \"{name}\" not found"));
        out.details = Some((
            clean(name),
            resource.group.to_string(),
            resource.plural.to_string(),
        ));
        out
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The revision that is asked for is none that can be shown.
    pub(super) fn expired(asked: &str, revision: u64) -> Self {
        let message = format!(
            "the resourceVersion for the provided list is too old: {asked} is asked for, and lists are of {revision} alone"
        );
        Self::new(410, "Expired", message)
    }

    /// A value that can't be shown.
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// None of the forms that are asked for can be had.
    pub(super) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json";
        Self::new(406, "NotAcceptable", message)
    }

    /// As JSON.
    pub fn json(&self) -> Vec<u8> {
        let mut out = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let (Some((name, group, kind)), Some(out)) = (&self.details, out.as_object_mut()) {
            let mut details = json!({"name": name, "kind": kind});
            if let (false, Some(details)) = (group.is_empty(), details.as_object_mut()) {
                details.insert("group".to_owned(), group.as_str().into());
            }
            out.insert("details".to_owned(), details);
        }
        out.to_string().into_bytes()
    }
}
