//! A value's name and nothing more: what a listing needs of each of two hundred thousand.
//!
//! Deliberately absent: labels and everything else of metadata; whoever needs them decodes.

use super::envelope::{Stored, open};
use super::table::table;
use super::{DecodeError, cbor, scalars, walk};
use crate::json::{Value, fields, string_at};
use crate::protobuf::{Got, Wire};

/// Fields of metadata, by their numbers in k8s.io/apimachinery's `meta/v1` protobuf.
const NAME: u32 = 1;
const NAMESPACE: u32 = 3;
const UID: u32 = 5;
const CREATED: u32 = 8;

/// What an object is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// For instance `apps/v1`.
    pub api_version: String,
    /// For instance `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; empty for kinds without.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// When it was created, as JSON has it; empty if it does not say.
    pub created: String,
}

/// Reads what an object is called. Of protobuf only the metadata is looked at, which stands first.
///
/// # Errors
/// When the value is malformed as far as it was read, encrypted or no object of Kubernetes.
pub fn head(value: &[u8]) -> Result<Head, DecodeError> {
    match open(value)? {
        Stored::Protobuf(envelope) => {
            let mut out = Head {
                api_version: envelope.api_version.to_owned(),
                kind: envelope.kind.to_owned(),
                ..Head::default()
            };
            if !envelope.content_encoding.is_empty() || !envelope.content_type.is_empty() {
                return Ok(out);
            }
            let mut object = Wire::new(envelope.raw, envelope.raw_at);
            if table().kind(envelope.api_version, envelope.kind).is_none() {
                if let Some(metadata) = walk::metadata(object) {
                    named(metadata, &mut out)?;
                }
            } else if !object.is_empty()
                && let (1, Got::Len(metadata)) = object.field()?
            {
                named(metadata, &mut out)?;
            }
            Ok(out)
        }
        Stored::Json(text) => Ok(json(text).head),
        Stored::Cbor(bytes) => {
            let mut text = Vec::with_capacity(bytes.len());
            cbor::json(bytes, 0, &mut text).map_err(|at| DecodeError::Cbor { at })?;
            Ok(json(&text).head)
        }
        Stored::Encrypted(_) => Err(DecodeError::Encrypted),
        Stored::Other(_) => Err(DecodeError::NoObject),
    }
}

fn named(mut metadata: Wire<'_>, out: &mut Head) -> Result<(), DecodeError> {
    while !metadata.is_empty() {
        match metadata.field()? {
            (NAME, Got::Len(text)) => out.name = said(text),
            (NAMESPACE, Got::Len(text)) => out.namespace = said(text),
            (UID, Got::Len(text)) => out.uid = said(text),
            (CREATED, Got::Len(mut time)) => {
                let mut seconds = 0;
                while !time.is_empty() {
                    if let (1, Got::Number(number)) = time.field()? {
                        seconds = number as i64;
                    }
                }
                let mut text = Vec::new();
                scalars::time(&mut text, seconds, None);
                let text = String::from_utf8_lossy(&text);
                out.created = text.trim_matches('"').replace("null", "");
            }
            // Fields come in order: behind this only labels and the like are left.
            (number, _) if number > CREATED => break,
            _ => {}
        }
    }
    Ok(())
}

fn said(text: Wire<'_>) -> String {
    String::from_utf8_lossy(text.bytes()).into_owned()
}

/// What the head of a JSON object says.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) head: Head,
    /// Where the metadata's brace stands.
    pub(super) metadata: Option<usize>,
    /// Whether the metadata has a `resourceVersion`.
    pub(super) versioned: bool,
}

/// Reads the head of a JSON object.
pub(super) fn json(text: &[u8]) -> Found {
    let mut out = Found::default();
    let begin = crate::json::skip_space(text, 0);
    let said = |value: &Value| match value {
        Value::Whole(range) => string_at(text, range).unwrap_or_default(),
        _ => String::new(),
    };
    for field in fields(text, begin, text.len()) {
        match (field.key.as_str(), &field.value) {
            ("apiVersion", value) => out.head.api_version = said(value),
            ("kind", value) => out.head.kind = said(value),
            ("metadata", Value::Whole(range)) if text.get(range.start) == Some(&b'{') => {
                out.metadata = Some(range.start);
                for field in fields(text, range.start, range.end) {
                    match field.key.as_str() {
                        "name" => out.head.name = said(&field.value),
                        "namespace" => out.head.namespace = said(&field.value),
                        "uid" => out.head.uid = said(&field.value),
                        "creationTimestamp" => out.head.created = said(&field.value),
                        "resourceVersion" => out.versioned = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    out
}
