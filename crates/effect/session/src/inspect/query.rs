//! Finding what somebody asks for by kind and name, and what happened to it.
//!
//! Deliberately absent: values (`object`).

use defib_store::{Change, Write, changes};
use serde::Serialize;
use serde_json::Value;

use super::object::ValueError;
use super::{Dead, List, Wanted};

/// What `KIND`, `KIND/NAME` or a whole key means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything of a kind.
    Kind(String),
    /// One object: kind and name.
    Object(String, String),
    /// One key, as the datastore has it.
    Key(String),
}

impl Target {
    /// Reads what somebody typed.
    pub fn parse(text: &str) -> Self {
        if text.starts_with('/') || !text.contains('/') && text.contains('_') {
            return Self::Key(text.to_owned());
        }
        match text.split_once('/') {
            Some((kind, name)) => Self::Object(kind.to_owned(), name.to_owned()),
            None => Self::Kind(text.to_owned()),
        }
    }

    /// The keys to look for.
    pub fn wanted(&self, namespace: Option<&str>, revision: Option<u64>) -> Wanted {
        let mut wanted = Wanted {
            namespace: namespace.map(str::to_owned),
            revision,
            ..Wanted::default()
        };
        match self {
            Self::Kind(kind) => wanted.kind = Some(kind.clone()),
            Self::Object(kind, name) => {
                wanted.kind = Some(kind.clone());
                wanted.name = Some(name.clone());
            }
            Self::Key(key) => wanted.prefix.clone_from(key),
        }
        wanted
    }

    /// Is it this key, where a whole one was meant?
    pub fn is(&self, key: &str) -> bool {
        !matches!(self, Self::Key(wanted) if wanted != key)
    }
}

/// One step of a key's history.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The revision of the write.
    pub revision: u64,
    /// `created`, `updated`, `deleted`, or `first kept` where what was before is compacted away.
    pub what: &'static str,
    /// Bytes of the value.
    pub bytes: u32,
    /// The latest time that the object itself names, if any: a write can't be older.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// What changed against the step before.
    pub changes: Vec<Change>,
    /// Why the value can't be shown, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// The object as it was then.
    #[serde(skip)]
    pub object: Option<Value>,
}

/// A key's history.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// The key.
    pub key: String,
    /// Every write that is kept, the oldest first.
    pub steps: Vec<Step>,
    /// Revision up to which history is gone.
    pub compacted: u64,
    /// Secrets that were hidden.
    pub hidden: u64,
    /// Places of the file that are damaged.
    pub damages: u64,
}

impl Dead {
    /// What somebody typed, and the live keys that it means.
    ///
    /// A key without a slash at its front looks like `KIND/NAME`; it is a key where no such object lives.
    pub fn find(
        &self,
        text: &str,
        namespace: Option<&str>,
        revision: Option<u64>,
    ) -> (Target, List) {
        let target = Target::parse(text);
        let list = self.list(&target.wanted(namespace, revision));
        if matches!(target, Target::Object(..)) && list.items().next().is_none() {
            let key = Target::Key(text.to_owned());
            let keys = self.list(&key.wanted(namespace, revision));
            if keys.items().any(|item| key.is(item.key)) {
                return (key, keys);
            }
        }
        (target, list)
    }

    /// Every key that somebody may have meant, also those that live no more.
    pub fn find_keys(&self, text: &str, namespace: Option<&str>) -> Vec<String> {
        let keys = self.keys(&Target::parse(text), namespace);
        match keys.is_empty() {
            true => self.keys(&Target::Key(text.to_owned()), namespace),
            false => keys,
        }
    }

    /// Keys that a target means, also those that were deleted and are still in the history.
    fn keys(&self, target: &Target, namespace: Option<&str>) -> Vec<String> {
        let list: List = self.list(&target.wanted(namespace, None));
        let mut keys: Vec<String> = list
            .all_keys()
            .filter(|k| target.is(k))
            .map(str::to_owned)
            .collect();
        keys.sort_unstable();
        keys
    }

    /// Everything that is kept of one key.
    pub fn history(&self, key: &str, show_secrets: bool) -> History {
        let (writes, walked) = defib_store::history(self.rows(), key.as_bytes());
        let mut hidden = 0;
        let mut steps: Vec<Step> = Vec::new();
        let mut before: Option<Value> = None;
        for write in &writes {
            let step = self.step(
                write,
                &mut before,
                steps.is_empty(),
                show_secrets,
                &mut hidden,
            );
            steps.push(step);
        }
        History {
            key: key.to_owned(),
            steps,
            compacted: self.rows().compacted(),
            hidden,
            damages: walked.damages,
        }
    }

    fn step(
        &self,
        write: &Write,
        before: &mut Option<Value>,
        is_first: bool,
        show_secrets: bool,
        hidden: &mut u64,
    ) -> Step {
        let mut step = Step {
            revision: write.revision,
            what: "deleted",
            bytes: 0,
            not_before: None,
            changes: Vec::new(),
            unread: None,
            object: None,
        };
        let Some(place) = write.place else {
            *before = None;
            return step;
        };
        step.bytes = place.length;
        step.what = match write.create_revision == write.revision {
            true => "created",
            false if is_first => "first kept",
            false => "updated",
        };
        // Compared as they are, shown without their secrets: a password that changed did change.
        let whole: Result<_, ValueError> = self.object(place, write.revision, true);
        match (whole, self.object(place, write.revision, show_secrets)) {
            (Ok(whole), Ok(shown)) => {
                *hidden += shown.hidden;
                step.not_before = latest_time(&whole.value);
                if let Some(was) = before.as_ref() {
                    step.changes = masked(changes(was, &whole.value), &whole.value, show_secrets);
                }
                *before = Some(whole.value);
                step.object = Some(shown.value);
            }
            (Err(e), _) | (_, Err(e)) => {
                step.unread = Some(e.to_string());
                *before = None;
            }
        }
        step
    }
}

/// Changes without the values of a Secret: that they changed may be said.
pub(super) fn masked(changes: Vec<Change>, of: &Value, show_secrets: bool) -> Vec<Change> {
    if show_secrets {
        return changes;
    }
    let is_secret = of.get("kind").and_then(Value::as_str) == Some("Secret");
    let hide = |value: Option<Value>, all: bool| {
        value.map(|value| {
            if all {
                return Value::from("(hidden)");
            }
            let bytes = serde_json::to_vec(&value).unwrap_or_default();
            let clean = defib_formats::redact::redact_json(&bytes);
            let clean = clean.and_then(|clean| serde_json::from_slice(&clean.text).ok());
            clean.unwrap_or_else(|| Value::from("(hidden)"))
        })
    };
    changes
        .into_iter()
        .map(|c| {
            // The name of a field may be what says that it is a secret.
            let named = serde_json::json!({ c.path.clone(): "x1y2z3-value-of-it" });
            let text = serde_json::to_vec(&named).unwrap_or_default();
            let all = is_secret && !c.path.starts_with("metadata.labels")
                || !defib_formats::redact::redact(&text).taken.is_empty();
            Change {
                was: hide(c.was, all),
                is: hide(c.is, all),
                path: c.path,
            }
        })
        .collect()
}

/// The latest time that an object names in its metadata: of its creation, or of who managed a field of it.
pub(super) fn latest_time(object: &Value) -> Option<String> {
    let metadata = object.get("metadata")?;
    let managed = metadata
        .get("managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|m| m.get("time"));
    let own = ["creationTimestamp", "deletionTimestamp"];
    let times = own.iter().filter_map(|n| metadata.get(n)).chain(managed);
    times.filter_map(Value::as_str).max().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// That a secret changed is said, what it was and is not.
    #[test]
    fn changes_of_secrets_are_named_and_not_shown() {
        let of = |was: Value, is: Value| {
            let shown = masked(changes(&was, &is), &is, false);
            serde_json::to_string(&shown).unwrap()
        };
        let secret = |value: &str| json!({"kind": "Secret", "data": {"p": value}});
        let said = of(secret("aHVudGVyMg=="), secret("aHVudGVyMw=="));
        assert!(
            said.contains("data.p") && !said.contains("aHVudGVyM"),
            "{said}"
        );
        let map = |value: &str| json!({"kind": "ConfigMap", "data": {"password": value, "colour": value}});
        let said = of(map("hunter2"), map("hunter3"));
        assert!(said.contains("data.password"), "{said}");
        assert_eq!(
            said.matches("hunter").count(),
            2,
            "only the colour is shown: {said}"
        );
    }

    #[test]
    fn what_somebody_types_is_a_kind_an_object_or_a_key() {
        let object = Target::Object("pod".into(), "web-0".into());
        assert_eq!(Target::parse("pod/web-0"), object);
        assert_eq!(Target::parse("pods"), Target::Kind("pods".into()));
        assert_eq!(
            Target::parse("/registry/pods/a/b"),
            Target::Key("/registry/pods/a/b".into())
        );
        assert_eq!(
            Target::parse("compact_rev_key"),
            Target::Key("compact_rev_key".into())
        );
    }
}
