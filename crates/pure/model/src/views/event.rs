//! Events of both API groups, in one shape.

use jiff::Timestamp;
use serde::Deserialize;

use super::meta::Meta;
use crate::cluster::ObjId;
use crate::de;
use crate::id::EntityId;

/// An event, whichever API it came by.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// The object behind this view.
    pub obj: ObjId,
    /// What it is about.
    pub about: EntityId,
    /// Uid of what it is about, if known.
    pub about_uid: String,
    /// A container of it, if the event names one.
    pub container: Option<String>,
    /// Normal or Warning.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// The message.
    pub message: String,
    /// JSON path of the message.
    pub message_path: &'static str,
    /// How often.
    pub count: i64,
    /// First seen.
    pub first: Option<Timestamp>,
    /// Last seen.
    pub last: Option<Timestamp>,
    /// Who says so.
    pub component: String,
    /// It was read from what a command printed: its times are not known.
    pub printed: bool,
    /// Seconds from its last time until it was printed, where that was.
    pub ago: Option<i64>,
}

/// `v1.Event` and `events.k8s.io/v1.Event` together.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RawEvent {
    /// Name and namespace of the event itself.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What it is about (core).
    #[serde(deserialize_with = "de::maybe")]
    pub involved_object: Option<ObjectReference>,
    /// What it is about (events.k8s.io).
    #[serde(deserialize_with = "de::maybe")]
    pub regarding: Option<ObjectReference>,
    /// One word.
    #[serde(deserialize_with = "de::text")]
    pub reason: String,
    /// The message (core).
    #[serde(deserialize_with = "de::text")]
    pub message: String,
    /// The message (events.k8s.io).
    #[serde(deserialize_with = "de::text")]
    pub note: String,
    /// Normal or Warning.
    #[serde(rename = "type", deserialize_with = "de::text")]
    pub kind: String,
    /// How often (core).
    #[serde(deserialize_with = "de::int")]
    pub count: Option<i64>,
    /// How often (events.k8s.io, from a core writer).
    #[serde(deserialize_with = "de::int")]
    pub deprecated_count: Option<i64>,
    /// First seen (core).
    #[serde(deserialize_with = "de::time")]
    pub first_timestamp: Option<Timestamp>,
    /// Last seen (core).
    #[serde(deserialize_with = "de::time")]
    pub last_timestamp: Option<Timestamp>,
    /// First seen (events.k8s.io).
    #[serde(deserialize_with = "de::time")]
    pub deprecated_first_timestamp: Option<Timestamp>,
    /// Last seen (events.k8s.io).
    #[serde(deserialize_with = "de::time")]
    pub deprecated_last_timestamp: Option<Timestamp>,
    /// When it happened.
    #[serde(deserialize_with = "de::time")]
    pub event_time: Option<Timestamp>,
    /// Repetitions.
    #[serde(deserialize_with = "de::object")]
    pub series: Series,
    /// Who says so (core).
    #[serde(deserialize_with = "de::object")]
    pub source: EventSource,
    /// Who says so.
    #[serde(deserialize_with = "de::text")]
    pub reporting_component: String,
    /// Who says so (events.k8s.io).
    #[serde(deserialize_with = "de::text")]
    pub reporting_controller: String,
}

/// `series` of an event.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Series {
    /// How often.
    #[serde(deserialize_with = "de::int")]
    pub count: Option<i64>,
    /// Last seen.
    #[serde(deserialize_with = "de::time")]
    pub last_observed_time: Option<Timestamp>,
}

/// `source` of an event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventSource {
    /// The program.
    #[serde(deserialize_with = "de::text")]
    pub component: String,
}

/// A reference to the object that an event is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ObjectReference {
    /// Group and version.
    #[serde(deserialize_with = "de::text")]
    pub api_version: String,
    /// Kind.
    #[serde(deserialize_with = "de::text")]
    pub kind: String,
    /// Namespace.
    #[serde(deserialize_with = "de::text")]
    pub namespace: String,
    /// Name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// Uid.
    #[serde(deserialize_with = "de::text")]
    pub uid: String,
    /// `spec.containers{NAME}` when it is about one container.
    #[serde(deserialize_with = "de::text")]
    pub field_path: String,
}

impl RawEvent {
    /// The one shape.
    pub fn into_event(self, obj: ObjId) -> Event {
        let about = self.involved_object.or(self.regarding).unwrap_or_default();
        let (group, _) = about.api_version.split_once('/').unwrap_or(("", ""));
        let container = about
            .field_path
            .split_once('{')
            .and_then(|(_, rest)| rest.strip_suffix('}'))
            .map(str::to_owned);
        let note = self.message.is_empty() && !self.note.is_empty();
        let first = self
            .first_timestamp
            .or(self.deprecated_first_timestamp)
            .or(self.event_time)
            .or(self.metadata.creation_timestamp);
        let last = self
            .series
            .last_observed_time
            .or(self.last_timestamp)
            .or(self.deprecated_last_timestamp)
            .or(self.event_time)
            .or(first);
        Event {
            obj,
            about: EntityId::object(&about.kind, group, &about.namespace, &about.name),
            about_uid: about.uid,
            container,
            warning: self.kind == "Warning",
            reason: self.reason,
            message: if note { self.note } else { self.message },
            message_path: if note { "/note" } else { "/message" },
            count: self
                .series
                .count
                .or(self.count)
                .or(self.deprecated_count)
                .unwrap_or(1)
                .max(1),
            first,
            last,
            component: [
                self.source.component,
                self.reporting_component,
                self.reporting_controller,
            ]
            .into_iter()
            .find(|c| !c.is_empty())
            .unwrap_or_default(),
            printed: false,
            ago: None,
        }
    }
}
