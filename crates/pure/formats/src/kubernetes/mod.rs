//! Values of a Kubernetes datastore: what they are, and the JSON that an API server would print for them.
//!
//! [`decode`] writes JSON straight from the wire over a table of messages, without objects between, and
//! [`decode_served`] then does what a server does between its store and its answer. [`walk`] only checks,
//! [`head`] only names. What no table knows survives: an unknown field is listed, an unknown kind is given
//! with its bytes. Deliberately absent: keys of the datastore (etcd's or kine's business), decryption, and
//! conversion between versions that are both served.

mod cbor;
mod envelope;
mod head;
mod order;
mod raw;
mod scalars;
mod schema;
mod served;
mod table;
mod transcode;
mod walk;

use std::fmt;

pub use envelope::{Encrypted, Envelope, Stored, open};
pub use head::{Head, head};
pub use schema::{FieldOf, Scalar, fields, is_kind, message, message_name, version};
pub use served::decode_served;
pub use walk::{Walked, walk};

use crate::protobuf::{Got, WireError};
use transcode::Transcoder;

/// How deep messages may lie in one another; the deepest of Kubernetes' own that people write, schemas in
/// a definition, are some dozens.
const DEEPEST: usize = 128;

/// How long the JSON of one value may get. A datastore refuses values of more than a few megabytes, and
/// JSON is a small multiple of them.
pub const LONGEST_JSON: usize = 256 << 20;

/// How many remarks are kept of one value; all are counted.
const MOST_REMARKS: usize = 64;

/// How a value was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// `k8s\0` and protobuf.
    Protobuf,
    /// JSON: custom resources and their definitions.
    Json,
    /// CBOR.
    Cbor,
}

impl Encoding {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
            Self::Cbor => "cbor",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a decoded value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// For instance `apps/v1`; empty where a JSON object does not say.
    pub api_version: String,
    /// For instance `Deployment`.
    pub kind: String,
    /// How it was stored.
    pub encoding: Encoding,
    /// Whether the table knows the kind. If not, the JSON has the object's bytes as `raw`, and its metadata
    /// where they read as such.
    pub known: bool,
    /// What could not be said in JSON, the first few.
    pub remarks: Vec<Remark>,
    /// How many fields the table does not know.
    pub unknown_fields: usize,
}

/// Something of a value that its JSON does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The message in which it stands, as a path: `spec.containers[0]`; empty for the object itself.
    pub path: String,
    /// The offset in the value.
    pub at: usize,
    /// What it is.
    pub what: Oddity,
}

/// What JSON could not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// A field that the table does not know.
    UnknownField {
        /// Its number on the wire.
        number: u32,
    },
    /// Bytes that should have been JSON; they stand in base64.
    NotJson,
    /// A time outside of the years 1 to 9999, or a number that is not finite; `null` stands for it.
    NoSuchValue,
}

/// Why a value can't be decoded; offsets count from the value's beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It ends within a number.
    #[error("the value ends within a field, at byte {at}")]
    Truncated {
        /// Where.
        at: usize,
    },
    /// A length that reaches past the end.
    #[error("a length of {length} at byte {at} reaches past the end")]
    Length {
        /// Behind the length.
        at: usize,
        /// The length.
        length: u64,
    },
    /// A number of more than 64 bits.
    #[error("a number at byte {at} has more than 64 bits")]
    Varint {
        /// Where.
        at: usize,
    },
    /// A field number of zero or a wire type that does not exist.
    #[error("no field begins at byte {at}")]
    Tag {
        /// Where.
        at: usize,
    },
    /// A known field with the wrong wire type.
    #[error("the field at byte {at} has wire type {found}, which its kind can't have")]
    WireType {
        /// Where.
        at: usize,
        /// The wire type.
        found: u8,
    },
    /// Text that is no UTF-8 where a name has to stand.
    #[error("the text at byte {at} is no UTF-8")]
    Text {
        /// Where.
        at: usize,
    },
    /// Messages too deep in one another.
    #[error("at byte {at} messages lie deeper in one another than is allowed")]
    Deep {
        /// Where.
        at: usize,
    },
    /// Longer as JSON than [`LONGEST_JSON`].
    #[error("the value would be too long as JSON")]
    Long,
    /// Fields so much out of order that joining them is no reading any more.
    #[error("the fields at byte {at} are out of order throughout")]
    Disorder {
        /// Where.
        at: usize,
    },
    /// Stored as JSON, and no JSON.
    #[error("the value is no JSON at byte {at}")]
    Json {
        /// Where.
        at: usize,
    },
    /// Stored as CBOR, and no CBOR that Kubernetes writes.
    #[error("the value is no CBOR at byte {at}")]
    Cbor {
        /// Where.
        at: usize,
    },
    /// Encrypted at rest: [`open`] says with which provider and key.
    #[error("the value is encrypted")]
    Encrypted,
    /// No object of Kubernetes.
    #[error("the value is no Kubernetes object")]
    NoObject,
}

impl From<WireError> for DecodeError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Truncated { at } => Self::Truncated { at },
            WireError::Length { at, length } => Self::Length { at, length },
            WireError::Varint { at } => Self::Varint { at },
            WireError::Tag { at } => Self::Tag { at },
        }
    }
}

impl DecodeError {
    fn wire_type(at: usize, got: &Got<'_>) -> Self {
        Self::WireType {
            at,
            found: got.wire_type(),
        }
    }
}

/// Appends a value's JSON to `out`, without white space and as it is stored: protobuf with `apiVersion` and
/// `kind` first, JSON and CBOR in their own order. After an error `out` is as before.
///
/// # Errors
/// When the value is malformed, encrypted or no object of Kubernetes.
pub fn decode(value: &[u8], out: &mut Vec<u8>) -> Result<Decoded, DecodeError> {
    decode_at(value, None, out)
}

/// The same with `metadata.resourceVersion`, which is never stored: it is the revision of the last write.
///
/// # Errors
/// As [`decode`].
pub fn decode_at(
    value: &[u8],
    revision: Option<u64>,
    out: &mut Vec<u8>,
) -> Result<Decoded, DecodeError> {
    let begin = out.len();
    let done = match open(value)? {
        Stored::Protobuf(envelope) => Transcoder::new(out, revision).object(&envelope),
        Stored::Json(json) => raw::compact(json, out)
            .map_err(|at| DecodeError::Json { at })
            .map(|()| whole(Encoding::Json, begin, revision, out)),
        Stored::Cbor(bytes) => cbor::json(bytes, 0, out)
            .map_err(|at| DecodeError::Cbor { at })
            .map(|()| whole(Encoding::Cbor, begin, revision, out)),
        Stored::Encrypted(_) => Err(DecodeError::Encrypted),
        Stored::Other(_) => Err(DecodeError::NoObject),
    };
    done.inspect_err(|_| out.truncate(begin))
}

/// Finishes an object that came as JSON or CBOR and stands at the end of `out`.
fn whole(encoding: Encoding, begin: usize, revision: Option<u64>, out: &mut Vec<u8>) -> Decoded {
    let found = head::json(out.get(begin..).unwrap_or_default());
    if let (Some(revision), Some(at)) = (revision, found.metadata) {
        let at = begin + at + 1;
        let comma = if out.get(at) == Some(&b'}') { "" } else { "," };
        let field = format!("\"resourceVersion\":\"{revision}\"{comma}");
        if !found.versioned {
            out.splice(at..at, field.into_bytes());
        }
    }
    Decoded {
        api_version: found.head.api_version,
        kind: found.head.kind,
        encoding,
        known: true,
        remarks: Vec::new(),
        unknown_fields: 0,
    }
}

/// All kinds that the table knows, as (API version, kind).
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    table::table().kinds()
}

#[cfg(test)]
mod tests;
