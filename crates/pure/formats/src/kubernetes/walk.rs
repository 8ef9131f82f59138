//! A value checked on the wire, with nothing written: what a verification of a whole datastore can afford.
//!
//! Deliberately absent: JSON inside of protobuf (managed fields, raw extensions), which only
//! [`decode`](super::decode) reads.

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
    nested(message, wire, 0, &mut unknown)?;
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

fn nested(
    message: usize,
    mut wire: Wire<'_>,
    depth: usize,
    unknown: &mut usize,
) -> Result<(), DecodeError> {
    if depth >= DEEPEST {
        return Err(DecodeError::Deep { at: wire.at() });
    }
    let fields = table().fields(message);
    let mut left = fields;
    while !wire.is_empty() {
        let at = wire.at();
        let (number, got) = wire.field()?;
        // Fields mostly come in order, some of them often.
        while let Some((field, behind)) = left.split_first()
            && field.number < number
        {
            left = behind;
        }
        let field = match left.first() {
            Some(field) if field.number == number => Some(field),
            _ => (fields
                .binary_search_by_key(&number, |field| field.number)
                .ok())
            .and_then(|i| fields.get(i)),
        };
        match (field, got) {
            (None, _) => *unknown += 1,
            (Some(field), Got::Len(mut entry)) if field.shape == Shape::Map => {
                while !entry.is_empty() {
                    let at = entry.at();
                    match entry.field()? {
                        (2, got) => value(field, at, got, depth, unknown)?,
                        (1, Got::Len(_)) => {}
                        (1, got) => return Err(DecodeError::wire_type(at, &got)),
                        _ => *unknown += 1,
                    }
                }
            }
            (Some(field), got) => value(field, at, got, depth, unknown)?,
        }
    }
    Ok(())
}

fn value(
    field: &Field,
    at: usize,
    got: Got<'_>,
    depth: usize,
    unknown: &mut usize,
) -> Result<(), DecodeError> {
    match (field.kind, got) {
        (Kind::Message, Got::Len(wire)) => nested(field.message, wire, depth + 1, unknown),
        (Kind::Text | Kind::Bytes, Got::Len(_)) => Ok(()),
        (Kind::Bool | Kind::Int32 | Kind::Int64, Got::Number(_)) => Ok(()),
        (Kind::Bool | Kind::Int32 | Kind::Int64, Got::Len(mut packed))
            if field.shape == Shape::List =>
        {
            while !packed.is_empty() {
                packed.varint()?;
            }
            Ok(())
        }
        (Kind::Double, Got::Fixed64(_)) => Ok(()),
        (Kind::SchemaOrBool | Kind::SchemaOrArray | Kind::SchemaOrTexts, Got::Len(mut wire)) => {
            let schema = match field.kind {
                Kind::SchemaOrBool => [2, 2],
                Kind::SchemaOrArray => [1, 2],
                _ => [1, 1],
            };
            while !wire.is_empty() {
                let at = wire.at();
                match wire.field()? {
                    (number, Got::Len(wire)) if schema.contains(&number) => {
                        nested(field.message, wire, depth + 1, unknown)?;
                    }
                    (number, got) if schema.contains(&number) => {
                        return Err(DecodeError::wire_type(at, &got));
                    }
                    _ => {}
                }
            }
            Ok(())
        }
        (
            Kind::Message
            | Kind::Text
            | Kind::Bytes
            | Kind::Bool
            | Kind::Int32
            | Kind::Int64
            | Kind::Double,
            got,
        ) => Err(DecodeError::wire_type(at, &got)),
        // The others have a few scalars.
        (_, Got::Len(wire)) => any(wire),
        (_, got) => Err(DecodeError::wire_type(at, &got)),
    }
}

/// Checks that fields end where they should, whatever they are.
fn any(mut wire: Wire<'_>) -> Result<(), DecodeError> {
    while !wire.is_empty() {
        wire.field()?;
    }
    Ok(())
}
