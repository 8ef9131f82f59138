//! What a living cluster would say to an export: every object asked about with a dry run, none kept.
//!
//! Deliberately absent: applying, which is kubectl's or comes with recovery.

use std::collections::{BTreeMap, BTreeSet};

use defib_collect::{CollectError, kinds};
use defib_formats::redact;
use defib_reach::{Answer, KubeApi, Place, Rehearse};
use serde::Serialize;
use serde_json::Value;

use super::{Dead, Export, Exported};
use crate::{Event, Options};

/// What would become of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is not there, and would be taken.
    Create,
    /// It is there, and nobody else manages what would be set.
    Merge,
    /// It is there, and others manage fields that would be set.
    Conflict,
    /// It can be asked about when what it needs is there, which is part of the export.
    Later,
    /// The API server refuses it.
    Refused,
    /// No answer came, or one that does not judge the object.
    Unknown,
}

/// One object, and what would become of it.
#[derive(Clone, Debug, Serialize)]
pub struct Rehearsed {
    /// What would become of it.
    pub outcome: Outcome,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What the API server said, where it would not simply be taken.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Bytes of an API server's message that are kept.
const LONGEST: usize = 2_000;

impl Dead {
    /// Asks a living cluster what it would do with an export. Nothing is changed: every request says
    /// `dryRun=All`.
    ///
    /// # Errors
    /// When the cluster can't be reached.
    pub fn rehearse(
        &self,
        export: &Export,
        context: Option<String>,
        options: &Options,
        events: &mut dyn FnMut(Event),
    ) -> Result<(Vec<Rehearsed>, Exported), CollectError> {
        let mut asked = Questions::default();
        let done = self.export(export, |_, _, object| {
            asked.take(&object);
            Ok::<(), CollectError>(())
        })?;
        let said = crate::with_api(context, options, async |api| ask(api, asked, events).await)?;
        Ok((said, done))
    }
}

/// What is to be asked, as text, and what of it others wait for.
#[derive(Default)]
struct Questions {
    objects: Vec<Question>,
    namespaces: BTreeSet<String>,
    /// Groups and kinds that are defined.
    defined: BTreeSet<(String, String)>,
}

/// One object.
struct Question {
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    json: Vec<u8>,
}

impl Questions {
    fn take(&mut self, object: &Value) {
        let of = |at: &str| text(object, at).to_owned();
        let question = Question {
            api_version: of("/apiVersion"),
            kind: of("/kind"),
            namespace: of("/metadata/namespace"),
            name: of("/metadata/name"),
            json: object.to_string().into_bytes(),
        };
        match question.kind.as_str() {
            "Namespace" => {
                self.namespaces.insert(question.name.clone());
            }
            "CustomResourceDefinition" => {
                let kind = (of("/spec/group"), of("/spec/names/kind"));
                self.defined.insert(kind);
            }
            _ => {}
        }
        self.objects.push(question);
    }
}

/// A field of an object, as text.
fn text<'v>(object: &'v Value, at: &str) -> &'v str {
    object
        .pointer(at)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

async fn ask(
    api: &KubeApi,
    asked: Questions,
    events: &mut dyn FnMut(Event),
) -> Result<Vec<Rehearsed>, CollectError> {
    let (served, gaps) = kinds(api).await;
    if served.is_empty() {
        let why = gaps.first().map_or_else(String::new, |g| g.why.clone());
        return Err(CollectError::Cluster { why });
    }
    let plurals: BTreeMap<(&str, &str), &str> = served
        .iter()
        .map(|k| ((k.group.as_str(), k.kind.as_str()), k.resource.as_str()))
        .collect();
    let count = asked.objects.len();
    let mut out = Vec::new();
    for (n, one) in asked.objects.into_iter().enumerate() {
        if n % 50 == 0 {
            events(Event::Reading(format!("{n}/{count} objects")));
        }
        let split = one.api_version.split_once('/');
        let (group, version) = split.unwrap_or(("", &one.api_version));
        let (outcome, why) = match plurals.get(&(group, one.kind.as_str())) {
            Some(resource) => {
                let place = Place {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    resource: (*resource).to_owned(),
                    namespace: one.namespace.clone(),
                    name: one.name.clone(),
                };
                match api.rehearse(&place, one.json).await {
                    Ok(answer) => judged(&answer, asked.namespaces.contains(&one.namespace)),
                    Err(e) => (Outcome::Unknown, e.to_string()),
                }
            }
            None if asked
                .defined
                .contains(&(group.to_owned(), one.kind.clone())) =>
            {
                (
                    Outcome::Later,
                    "its definition is part of the export, and not there yet".to_owned(),
                )
            }
            None => (
                Outcome::Refused,
                format!(
                    "the API server does not serve {} of {}",
                    one.kind, one.api_version
                ),
            ),
        };
        out.push(Rehearsed {
            outcome,
            kind: one.kind,
            namespace: one.namespace,
            name: one.name,
            why,
        });
    }
    Ok(out)
}

/// What an answer means. `is_coming`: the object's namespace is part of the export.
fn judged(answer: &Answer, is_coming: bool) -> (Outcome, String) {
    let status: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let about = text(&status, "/details/kind");
    match answer.status {
        201 => (Outcome::Create, String::new()),
        200 => (Outcome::Merge, String::new()),
        404 if about == "namespaces" && is_coming => (
            Outcome::Later,
            "its namespace is part of the export, and not there yet".to_owned(),
        ),
        409 => (Outcome::Conflict, message(&status)),
        // It was not judged: who asks may not, or the API server can't just now.
        401 | 403 | 408 | 429 | 500.. => (Outcome::Unknown, message(&status)),
        _ => (Outcome::Refused, message(&status)),
    }
}

/// The API server's words, without what is secret: it may quote what it refuses.
fn message(status: &Value) -> String {
    let clean = redact::redact(text(status, "/message").as_bytes());
    let mut said = String::from_utf8_lossy(&clean.text).into_owned();
    let mut end = said.len().min(LONGEST);
    while !said.is_char_boundary(end) {
        end -= 1;
    }
    said.truncate(end);
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An API server that is not able or willing to judge has refused nothing.
    #[test]
    fn only_a_judgement_is_a_refusal() {
        let said = |status: u16, about: &str, is_coming: bool| {
            let body = format!(r#"{{"message":"why","details":{{"kind":"{about}"}}}}"#);
            let answer = Answer {
                status,
                body: body.into_bytes(),
                date: None,
            };
            judged(&answer, is_coming).0
        };
        for status in [401, 403, 408, 429, 500, 503, 504] {
            assert_eq!(said(status, "", false), Outcome::Unknown, "{status}");
        }
        for status in [400, 404, 405, 413, 415, 422] {
            assert_eq!(said(status, "", false), Outcome::Refused, "{status}");
        }
        assert_eq!(said(404, "namespaces", true), Outcome::Later);
        assert_eq!(said(404, "namespaces", false), Outcome::Refused);
        assert_eq!(said(409, "", false), Outcome::Conflict);
    }
}
