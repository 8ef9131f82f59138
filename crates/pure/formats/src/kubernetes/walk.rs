//! A value checked on the wire, with nothing written: what a verification of a whole datastore can afford.
//!
//! Deliberately absent: JSON inside of protobuf (managed fields, raw extensions), which only
//! [`decode`](super::decode) reads.

use std::sync::OnceLock;

use super::envelope::{Stored, open};
use super::table::{Field, Kind, Shape, table};
use super::{DEEPEST, DecodeError, Encoding, cbor, head, raw};
use crate::protobuf::{Got, Wire};

/// What a value was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked<'v> {
    /// For instance `apps/v1`; of JSON and CBOR what the object says, which needs a text of its own.
    pub api_version: std::borrow::Cow<'v, str>,
    /// For instance `Deployment`.
    pub kind: std::borrow::Cow<'v, str>,
    /// How it was stored.
    pub encoding: Encoding,
    /// Whether the table knows the kind; otherwise only its fields' ends were checked.
    pub known: bool,
    /// How many fields the table does not know.
    pub unknown_fields: usize,
}

/// Checks a value without decoding it.
///
/// # Errors
/// When the value is malformed, encrypted or no object of Kubernetes.
pub fn walk(value: &[u8]) -> Result<Walked<'_>, DecodeError> {
    let (encoding, json) = match open(value)? {
        Stored::Protobuf(envelope) => {
            let wire = Wire::new(envelope.raw, envelope.raw_at);
            let plain = envelope.content_encoding.is_empty() && envelope.content_type.is_empty();
            let message_of = plain.then(|| table().kind(envelope.api_version, envelope.kind));
            let unknown_fields = match message_of {
                Some(Some(known)) => message(known, wire)?,
                Some(None) => {
                    any(wire)?;
                    0
                }
                None => 0,
            };
            return Ok(Walked {
                api_version: envelope.api_version.into(),
                kind: envelope.kind.into(),
                encoding: Encoding::Protobuf,
                known: message_of.flatten().is_some(),
                unknown_fields,
            });
        }
        Stored::Json(json) => {
            let mut out = Vec::with_capacity(json.len());
            raw::compact(json, &mut out).map_err(|at| DecodeError::Json { at })?;
            (Encoding::Json, out)
        }
        Stored::Cbor(bytes) => {
            let mut out = Vec::with_capacity(bytes.len());
            cbor::json(bytes, 0, &mut out).map_err(|at| DecodeError::Cbor { at })?;
            (Encoding::Cbor, out)
        }
        Stored::Encrypted(_) => return Err(DecodeError::Encrypted),
        Stored::Other(_) => return Err(DecodeError::NoObject),
    };
    let found = head::json(&json).head;
    Ok(Walked {
        api_version: found.api_version.into(),
        kind: found.kind.into(),
        encoding,
        known: true,
        unknown_fields: 0,
    })
}

/// Checks a message and all in it; gives how many fields the table does not know.
pub(super) fn message(message: usize, wire: Wire<'_>) -> Result<usize, DecodeError> {
    let mut unknown = 0;
    nested(steps(), message, wire, 0, &mut unknown)?;
    Ok(unknown)
}

/// The metadata of an object of any kind: every stored kind has it as its field 1. Nothing, if that reads as
/// something else.
pub(super) fn metadata(mut object: Wire<'_>) -> Option<Wire<'_>> {
    match object.field() {
        Ok((1, Got::Len(metadata))) => {
            let reads = message(table().metadata(), metadata).is_ok_and(|unknown| unknown == 0);
            reads.then_some(metadata)
        }
        _ => None,
    }
}

/// What there is to check of a field, by its number: a table of its own, as the one of all that JSON needs does not
/// stay in the processor's cache where millions of fields are looked up.
#[derive(Debug, Default)]
struct Steps {
    /// Of all messages, one behind the other; the first of a message is that of number 0, which no field has.
    all: Vec<Step>,
    /// Where each message begins; one more than there are.
    begins: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    act: Act,
    /// How often it stands there.
    shape: Shape,
    /// The message it refers to.
    message: u32,
}

/// What a field's value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// No field of this number is known.
    Unknown,
    /// Any bytes.
    Bytes,
    Number,
    Double,
    Message,
    /// A message with one or two fields of schemas, whose numbers these are.
    Schema(u8, u8),
    /// A message of a few scalars.
    Few,
}

fn steps() -> &'static Steps {
    static STEPS: OnceLock<Steps> = OnceLock::new();
    STEPS.get_or_init(|| {
        let mut out = Steps::default();
        for fields in table().messages() {
            out.begins.push(out.all.len());
            for field in fields {
                let number = usize::try_from(field.number).unwrap_or(0);
                let own = out.begins.last().copied().unwrap_or(0);
                out.all.resize(own + number, Step::UNKNOWN);
                out.all.push(Step::of(field));
            }
        }
        out.begins.push(out.all.len());
        out
    })
}

impl Steps {
    /// Those of a message, by number.
    #[inline]
    fn of(&self, message: usize) -> &[Step] {
        match self.begins.get(message..).unwrap_or_default() {
            [begin, end, ..] => self.all.get(*begin..*end).unwrap_or_default(),
            _ => &[],
        }
    }
}

impl Step {
    const UNKNOWN: Self = Self {
        act: Act::Unknown,
        shape: Shape::Plain,
        message: u32::MAX,
    };

    fn of(field: &Field) -> Self {
        Self {
            act: match field.kind {
                Kind::Text | Kind::Bytes => Act::Bytes,
                Kind::Bool | Kind::Int32 | Kind::Int64 => Act::Number,
                Kind::Double => Act::Double,
                Kind::Message => Act::Message,
                Kind::SchemaOrBool => Act::Schema(2, 2),
                Kind::SchemaOrArray => Act::Schema(1, 2),
                Kind::SchemaOrTexts => Act::Schema(1, 1),
                Kind::Texts
                | Kind::Quantity
                | Kind::Time
                | Kind::MicroTime
                | Kind::Duration
                | Kind::IntOrString
                | Kind::FieldsV1
                | Kind::RawExtension
                | Kind::Json => Act::Few,
            },
            shape: field.shape,
            message: u32::try_from(field.message).unwrap_or(u32::MAX),
        }
    }
}

fn nested(
    steps: &Steps,
    message: usize,
    mut wire: Wire<'_>,
    depth: usize,
    unknown: &mut usize,
) -> Result<(), DecodeError> {
    if depth >= DEEPEST {
        return Err(DecodeError::Deep { at: wire.at() });
    }
    let own = steps.of(message);
    while !wire.is_empty() {
        let at = wire.at();
        let (number, got) = wire.field()?;
        let step = usize::try_from(number).ok().and_then(|n| own.get(n));
        let step = step.copied().unwrap_or(Step::UNKNOWN);
        match (step.act, got) {
            (Act::Unknown, _) => *unknown += 1,
            (_, Got::Len(mut entry)) if step.shape == Shape::Map => {
                while !entry.is_empty() {
                    let at = entry.at();
                    match entry.field()? {
                        (2, got) => value(steps, step, at, got, depth, unknown)?,
                        (1, Got::Len(_)) => {}
                        (1, got) => return Err(DecodeError::wire_type(at, &got)),
                        _ => *unknown += 1,
                    }
                }
            }
            (_, got) => value(steps, step, at, got, depth, unknown)?,
        }
    }
    Ok(())
}

#[inline(always)]
fn value(
    steps: &Steps,
    step: Step,
    at: usize,
    got: Got<'_>,
    depth: usize,
    unknown: &mut usize,
) -> Result<(), DecodeError> {
    let message = || usize::try_from(step.message).unwrap_or(usize::MAX);
    match (step.act, got) {
        (Act::Bytes, Got::Len(_)) | (Act::Number, Got::Number(_)) => Ok(()),
        (Act::Message, Got::Len(wire)) => nested(steps, message(), wire, depth + 1, unknown),
        (Act::Few, Got::Len(wire)) => any(wire),
        (Act::Double, Got::Fixed64(_)) => Ok(()),
        (Act::Number, Got::Len(packed)) if step.shape == Shape::List => numbers(packed),
        (Act::Schema(one, other), Got::Len(mut wire)) => {
            while !wire.is_empty() {
                let at = wire.at();
                match wire.field()? {
                    (number, got) if [one, other].map(u32::from).contains(&number) => match got {
                        Got::Len(wire) => nested(steps, message(), wire, depth + 1, unknown)?,
                        got => return Err(DecodeError::wire_type(at, &got)),
                    },
                    _ => {}
                }
            }
            Ok(())
        }
        (_, got) => Err(DecodeError::wire_type(at, &got)),
    }
}

fn numbers(mut packed: Wire<'_>) -> Result<(), DecodeError> {
    while !packed.is_empty() {
        packed.varint()?;
    }
    Ok(())
}

/// Checks that fields end where they should, whatever they are.
fn any(mut wire: Wire<'_>) -> Result<(), DecodeError> {
    while !wire.is_empty() {
        wire.field()?;
    }
    Ok(())
}
