//! Protobuf in, JSON out, in one pass and without objects between.
//!
//! What is printed follows Go: a field that is no pointer is there even when the wire lacks it, `omitempty`
//! leaves zeros out but never structs, maps are sorted. Kubernetes writes fields in the order of their
//! numbers, which lets one pass do; anything else is put into order first. Deliberately absent: what each
//! kind means, and defaults.

use super::envelope::Envelope;
use super::order::{Join, ordered};
use super::table::{Field, Kind, Shape, Table, table};
use super::{
    DEEPEST, DecodeError, Decoded, Encoding, LONGEST_JSON, MOST_REMARKS, Oddity, Remark, cbor, raw,
    scalars, walk,
};
use crate::protobuf::{Got, Wire, WireError};

/// How often a value's length may be read again to put it into order.
const PATIENCE: usize = 16;

/// Why a message can't be written in one pass.
enum Stop {
    /// Its fields are not in the order of their numbers.
    Disorder,
    Error(DecodeError),
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Error(error)
    }
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Error(error.into())
    }
}

/// One step of the way to a remark.
enum Step {
    Name(&'static str),
    Index(usize),
    Key(String),
}

/// A remark whose way is still being written down, from its end.
struct Noted {
    way: Vec<Step>,
    at: usize,
    what: Oddity,
}

/// Writes one object.
pub(super) struct Transcoder<'o> {
    table: &'static Table,
    out: &'o mut Vec<u8>,
    begin: usize,
    depth: usize,
    /// How many bytes may still be read again.
    patience: usize,
    revision: Option<u64>,
    noted: Vec<Noted>,
    unknown_fields: usize,
}

impl<'o> Transcoder<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, revision: Option<u64>) -> Self {
        Self {
            table: table(),
            begin: out.len(),
            out,
            depth: 0,
            patience: 0,
            revision,
            noted: Vec::new(),
            unknown_fields: 0,
        }
    }

    /// Writes the object of an envelope.
    pub(super) fn object(mut self, envelope: &Envelope<'_>) -> Result<Decoded, DecodeError> {
        self.patience = envelope.raw.len().saturating_mul(PATIENCE);
        let wire = Wire::new(envelope.raw, envelope.raw_at);
        let plain = envelope.content_encoding.is_empty() && envelope.content_type.is_empty();
        let message = self.table.kind(envelope.api_version, envelope.kind);
        self.out.extend_from_slice(b"{\"apiVersion\":");
        scalars::text(self.out, envelope.api_version.as_bytes());
        self.out.extend_from_slice(b",\"kind\":");
        scalars::text(self.out, envelope.kind.as_bytes());
        let known = match message {
            Some(message) if plain => {
                self.fields(message, wire)?;
                true
            }
            _ => {
                self.unknown(envelope, plain.then_some(wire))?;
                false
            }
        };
        self.out.push(b'}');
        let remarks = self.noted.iter().map(told).collect();
        Ok(Decoded {
            api_version: envelope.api_version.to_owned(),
            kind: envelope.kind.to_owned(),
            encoding: Encoding::Protobuf,
            known,
            remarks,
            unknown_fields: self.unknown_fields,
        })
    }

    /// A kind without a message: its bytes, and its metadata, which every stored kind has as its field 1.
    fn unknown(
        &mut self,
        envelope: &Envelope<'_>,
        wire: Option<Wire<'_>>,
    ) -> Result<(), DecodeError> {
        if let Some(metadata) = wire.and_then(walk::metadata) {
            self.out.extend_from_slice(b",\"metadata\":");
            self.depth += 1;
            self.message(self.table.metadata(), metadata)?;
            self.depth -= 1;
        }
        for (name, text) in [
            (&b",\"contentEncoding\":"[..], envelope.content_encoding),
            (b",\"contentType\":", envelope.content_type),
        ] {
            if !text.is_empty() {
                self.out.extend_from_slice(name);
                scalars::text(self.out, text.as_bytes());
            }
        }
        self.out.extend_from_slice(b",\"raw\":");
        scalars::base64(self.out, envelope.raw);
        Ok(())
    }

    fn message(&mut self, message: usize, wire: Wire<'_>) -> Result<(), DecodeError> {
        self.out.push(b'{');
        self.fields(message, wire)?;
        self.out.push(b'}');
        Ok(())
    }

    /// The fields of a message, without its braces.
    fn fields(&mut self, message: usize, wire: Wire<'_>) -> Result<(), DecodeError> {
        let at = wire.at();
        if self.depth >= DEEPEST {
            return Err(DecodeError::Deep { at });
        }
        if self.out.len().saturating_sub(self.begin) > LONGEST_JSON {
            return Err(DecodeError::Long);
        }
        self.depth += 1;
        let before = (self.out.len(), self.noted.len(), self.unknown_fields);
        match self.in_order(message, wire) {
            Ok(()) => {}
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Disorder) => {
                let disorder = DecodeError::Disorder { at };
                let length = wire.bytes().len();
                self.patience = self.patience.checked_sub(length).ok_or(disorder.clone())?;
                self.out.truncate(before.0);
                self.noted.truncate(before.1);
                self.unknown_fields = before.2;
                let fields = self.table.fields(message);
                let sorted = ordered(wire, |number| join(fields, number))?;
                match self.in_order(message, Wire::new(&sorted, at)) {
                    Ok(()) => {}
                    Err(Stop::Error(error)) => return Err(error),
                    Err(Stop::Disorder) => return Err(disorder),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn in_order(&mut self, message: usize, mut wire: Wire<'_>) -> Result<(), Stop> {
        let table = self.table;
        let mut left = table.fields(message);
        while !wire.is_empty() {
            let at = wire.at();
            let (number, got) = wire.field()?;
            while let Some((field, behind)) = left.split_first()
                && field.number < number
            {
                self.absent(field)?;
                left = behind;
            }
            match left.split_first() {
                Some((field, behind)) if field.number == number => {
                    left = behind;
                    let noted = self.noted.len();
                    self.present(field, at, got, &mut wire)?;
                    if field.shape != Shape::Inline {
                        self.way(noted, || Step::Name(field.name));
                    }
                }
                _ => {
                    let fields = table.fields(message);
                    if fields.binary_search_by_key(&number, |f| f.number).is_ok() {
                        return Err(Stop::Disorder);
                    }
                    self.unknown_field(at, number);
                }
            }
        }
        for field in left {
            self.absent(field)?;
        }
        Ok(())
    }

    #[inline]
    fn key(&mut self, field: &Field) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.extend_from_slice(&field.key);
    }

    /// A field that the wire lacks, or whose value there is Go's zero.
    fn absent(&mut self, field: &Field) -> Result<(), DecodeError> {
        match (field.shape, field.kind) {
            (Shape::Inline, _) => return self.fields(field.message, Wire::nothing()),
            (Shape::Plain, Kind::Text) if field.is_version && self.depth == 2 => {
                if let Some(revision) = self.revision {
                    self.key(field);
                    self.out.push(b'"');
                    self.out.extend_from_slice(revision.to_string().as_bytes());
                    self.out.push(b'"');
                }
            }
            (Shape::Plain, Kind::Time) if field.omit_zero => {}
            (
                Shape::Plain,
                Kind::Message
                | Kind::Quantity
                | Kind::Time
                | Kind::MicroTime
                | Kind::Duration
                | Kind::IntOrString
                | Kind::FieldsV1
                | Kind::RawExtension
                | Kind::Json
                | Kind::SchemaOrBool
                | Kind::SchemaOrArray
                | Kind::SchemaOrTexts,
            ) => {
                self.key(field);
                self.zero(field.kind, field.message)?;
            }
            _ if field.omit_empty => {}
            (Shape::Plain, Kind::Text | Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Double) => {
                self.key(field);
                self.zero(field.kind, field.message)?;
            }
            _ => {
                self.key(field);
                self.out.extend_from_slice(b"null");
            }
        }
        Ok(())
    }

    /// The zero of a Go type.
    fn zero(&mut self, kind: Kind, message: usize) -> Result<(), DecodeError> {
        let text: &[u8] = match kind {
            Kind::Message => return self.message(message, Wire::nothing()),
            Kind::Text | Kind::Bytes => b"\"\"",
            Kind::Bool | Kind::SchemaOrBool => b"false",
            Kind::Int32 | Kind::Int64 | Kind::Double | Kind::IntOrString => b"0",
            Kind::Texts => b"[]",
            Kind::Quantity => b"\"0\"",
            Kind::Duration => b"\"0s\"",
            Kind::Time
            | Kind::MicroTime
            | Kind::FieldsV1
            | Kind::RawExtension
            | Kind::Json
            | Kind::SchemaOrArray
            | Kind::SchemaOrTexts => b"null",
        };
        self.out.extend_from_slice(text);
        Ok(())
    }

    /// A field that the wire has.
    fn present<'w>(
        &mut self,
        field: &Field,
        at: usize,
        got: Got<'w>,
        wire: &mut Wire<'w>,
    ) -> Result<(), DecodeError> {
        match field.shape {
            Shape::Inline => self.fields(field.message, stretch(at, got)?),
            Shape::List => self.list(field, at, got, wire),
            Shape::Map => self.map(field, at, got, wire),
            Shape::Pointer => {
                self.key(field);
                self.value(field, at, got)
            }
            Shape::Plain => {
                let zero = match (&got, field.kind) {
                    (Got::Len(w), Kind::Text | Kind::Bytes) => field.omit_empty && w.is_empty(),
                    (Got::Len(w), Kind::Time) => field.omit_zero && w.is_empty(),
                    (Got::Number(n), Kind::Bool | Kind::Int32 | Kind::Int64) => {
                        field.omit_empty && *n == 0
                    }
                    (Got::Fixed64(n), Kind::Double) => {
                        field.omit_empty && f64::from_bits(*n) == 0.0
                    }
                    _ => false,
                };
                if zero {
                    return self.absent(field);
                }
                self.key(field);
                self.value(field, at, got)
            }
        }
    }

    fn list<'w>(
        &mut self,
        field: &Field,
        at: usize,
        got: Got<'w>,
        wire: &mut Wire<'w>,
    ) -> Result<(), DecodeError> {
        let before = self.out.len();
        self.key(field);
        self.out.push(b'[');
        let (mut at, mut next) = (at, Some(got));
        let mut index = 0;
        while let Some(got) = next {
            let noted = self.noted.len();
            match (field.kind, got) {
                // Numbers may be packed into one field.
                (Kind::Bool | Kind::Int32 | Kind::Int64, Got::Len(mut packed)) => {
                    while !packed.is_empty() {
                        self.comma();
                        let at = packed.at();
                        let number = packed.varint()?;
                        self.value(field, at, Got::Number(number))?;
                    }
                }
                (_, got) => {
                    self.comma();
                    self.value(field, at, got)?;
                }
            }
            self.way(noted, || Step::Index(index));
            index += 1;
            at = wire.at();
            next = wire.same(field.number)?;
        }
        if self.out.last() == Some(&b'[') {
            self.out.truncate(before);
            return self.absent(field);
        }
        self.out.push(b']');
        Ok(())
    }

    fn comma(&mut self) {
        if self.out.last() != Some(&b'[') {
            self.out.push(b',');
        }
    }

    fn map<'w>(
        &mut self,
        field: &Field,
        at: usize,
        got: Got<'w>,
        wire: &mut Wire<'w>,
    ) -> Result<(), DecodeError> {
        let mut entries: Vec<(&[u8], usize, Option<Got<'w>>)> = Vec::new();
        let (mut at, mut next) = (at, Some(got));
        let mut sorted = true;
        while let Some(got) = next {
            let mut entry = stretch(at, got)?;
            let (mut key, mut value, mut value_at) = (&[][..], None, entry.at());
            while !entry.is_empty() {
                let at = entry.at();
                match entry.field()? {
                    (1, Got::Len(text)) => key = text.bytes(),
                    (2, got) => {
                        // Only the last counts, but each has to be well-formed.
                        if let Some(before) = value.replace(got) {
                            let end = self.out.len();
                            self.value(field, value_at, before)?;
                            self.out.truncate(end);
                        }
                        value_at = at;
                    }
                    (1, got) => return Err(DecodeError::wire_type(at, &got)),
                    (number, _) => self.unknown_field(at, number),
                }
            }
            sorted &= entries.last().is_none_or(|last| last.0 < key);
            entries.push((key, value_at, value));
            at = wire.at();
            next = wire.same(field.number)?;
        }
        if !sorted {
            entries.sort_by_key(|entry| entry.0);
        }
        self.key(field);
        self.out.push(b'{');
        let mut left = entries.into_iter().peekable();
        while let Some((key, at, value)) = left.next() {
            let begin = self.out.len();
            if self.out.last() != Some(&b'{') {
                self.out.push(b',');
            }
            scalars::text(self.out, key);
            self.out.push(b':');
            let noted = self.noted.len();
            match value {
                Some(got) => self.value(field, at, got)?,
                None => self.zero(field.kind, field.message)?,
            }
            self.way(noted, || {
                Step::Key(String::from_utf8_lossy(key).into_owned())
            });
            // Of equal keys the last counts, as in Go's maps.
            if left.peek().is_some_and(|next| next.0 == key) {
                self.out.truncate(begin);
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// One value, whatever its shape.
    fn value(&mut self, field: &Field, at: usize, got: Got<'_>) -> Result<(), DecodeError> {
        match (field.kind, got) {
            (Kind::Text, Got::Len(text)) => scalars::text(self.out, text.bytes()),
            (Kind::Bytes, Got::Len(bytes)) => scalars::base64(self.out, bytes.bytes()),
            (Kind::Message, Got::Len(wire)) => self.message(field.message, wire)?,
            (Kind::Bool, Got::Number(number)) => {
                let word: &[u8] = if number == 0 { b"false" } else { b"true" };
                self.out.extend_from_slice(word);
            }
            // Go takes the lower bits.
            (Kind::Int32, Got::Number(number)) => {
                scalars::integer(self.out, i64::from(number as i32));
            }
            (Kind::Int64, Got::Number(number)) => scalars::integer(self.out, number as i64),
            (Kind::Double, Got::Fixed64(bits)) => {
                if !scalars::double(self.out, f64::from_bits(bits)) {
                    self.note(at, Oddity::NoSuchValue);
                }
            }
            (
                Kind::Text
                | Kind::Bytes
                | Kind::Message
                | Kind::Bool
                | Kind::Int32
                | Kind::Int64
                | Kind::Double,
                got,
            ) => return Err(DecodeError::wire_type(at, &got)),
            (_, got) => self.special(field, stretch(at, got)?)?,
        }
        Ok(())
    }

    /// A message with a JSON form of its own.
    fn special(&mut self, field: &Field, mut wire: Wire<'_>) -> Result<(), DecodeError> {
        let at = wire.at();
        let whole = wire;
        // Fields 1 to 3 are all that any of them has; of each the last counts.
        let (mut one, mut two, mut three) = (None, None, None);
        while !wire.is_empty() {
            let at = wire.at();
            match wire.field()? {
                (1, got) => one = Some(got),
                (2, got) => two = Some(got),
                (3, got) => three = Some(got),
                (number, _) => self.unknown_field(at, number),
            }
        }
        let number = |got: Option<Got<'_>>| match got {
            None => Ok(0),
            Some(Got::Number(number)) => Ok(number),
            Some(got) => Err(DecodeError::wire_type(at, &got)),
        };
        let bytes = |got| match got {
            None => Ok(Wire::new(&[], at)),
            Some(got) => stretch(at, got),
        };
        match field.kind {
            Kind::Quantity => match one {
                None => self.out.extend_from_slice(b"\"0\""),
                text => scalars::text(self.out, bytes(text)?.bytes()),
            },
            // Go's reader takes an empty message for its zero time.
            Kind::Time | Kind::MicroTime if whole.is_empty() => {
                self.out.extend_from_slice(b"null");
            }
            Kind::Time | Kind::MicroTime => {
                let (seconds, nanos) = (number(one)? as i64, number(two)? as i32);
                let micros = (field.kind == Kind::MicroTime).then_some(nanos / 1_000);
                let known = match micros {
                    None => scalars::time(self.out, seconds, None),
                    Some(micros) => {
                        let carry = i64::from(micros.div_euclid(1_000_000));
                        let micros = micros.rem_euclid(1_000_000).unsigned_abs();
                        scalars::time(self.out, seconds.saturating_add(carry), Some(micros))
                    }
                };
                if !known {
                    self.note(at, Oddity::NoSuchValue);
                }
            }
            Kind::Duration => scalars::duration(self.out, number(one)? as i64),
            Kind::IntOrString => match number(one)? {
                0 => scalars::integer(self.out, i64::from(number(two)? as i32)),
                _ => scalars::text(self.out, bytes(three)?.bytes()),
            },
            Kind::FieldsV1 | Kind::RawExtension | Kind::Json => match one {
                None => self.out.extend_from_slice(b"null"),
                one => self.raw(bytes(one)?),
            },
            Kind::Texts => {
                self.out.push(b'[');
                let mut texts = whole;
                while !texts.is_empty() {
                    let at = texts.at();
                    if let (1, got) = texts.field()? {
                        self.comma();
                        scalars::text(self.out, stretch(at, got)?.bytes());
                    }
                }
                self.out.push(b']');
            }
            Kind::SchemaOrBool => match two {
                Some(schema) => self.message(field.message, stretch(at, schema)?)?,
                None => {
                    let word: &[u8] = if number(one)? == 0 { b"false" } else { b"true" };
                    self.out.extend_from_slice(word);
                }
            },
            Kind::SchemaOrArray | Kind::SchemaOrTexts => {
                self.schema_or_list(field, whole, one, two.is_some())?;
            }
            // Handled by `value`.
            _ => return Err(DecodeError::Tag { at }),
        }
        Ok(())
    }

    /// A schema, or the list that stands for it.
    fn schema_or_list(
        &mut self,
        field: &Field,
        mut wire: Wire<'_>,
        schema: Option<Got<'_>>,
        list: bool,
    ) -> Result<(), DecodeError> {
        let at = wire.at();
        if !list {
            return match schema {
                Some(schema) => self.message(field.message, stretch(at, schema)?),
                None => {
                    self.out.extend_from_slice(b"null");
                    Ok(())
                }
            };
        }
        self.out.push(b'[');
        while !wire.is_empty() {
            let at = wire.at();
            if let (2, got) = wire.field()? {
                self.comma();
                let item = stretch(at, got)?;
                if field.kind == Kind::SchemaOrArray {
                    self.message(field.message, item)?;
                } else {
                    scalars::text(self.out, item.bytes());
                }
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// Bytes that are JSON or, since they may be, CBOR.
    fn raw(&mut self, wire: Wire<'_>) {
        let bytes = wire.bytes();
        let done = if bytes.is_empty() {
            Err(0)
        } else if bytes.first().is_some_and(|byte| *byte >= 0x80) {
            cbor::json(bytes, 0, self.out)
        } else {
            raw::compact(bytes, self.out)
        };
        if let Err(at) = done {
            if bytes.is_empty() {
                self.out.extend_from_slice(b"null");
            } else {
                scalars::base64(self.out, bytes);
                self.note(wire.at().saturating_add(at), Oddity::NotJson);
            }
        }
    }

    fn unknown_field(&mut self, at: usize, number: u32) {
        self.unknown_fields += 1;
        self.note(at, Oddity::UnknownField { number });
    }

    fn note(&mut self, at: usize, what: Oddity) {
        if self.noted.len() < MOST_REMARKS {
            let way = Vec::new();
            self.noted.push(Noted { way, at, what });
        }
    }

    /// Adds a step to the way of what was noted since.
    #[inline]
    fn way(&mut self, since: usize, step: impl Fn() -> Step) {
        for noted in self.noted.iter_mut().skip(since) {
            noted.way.push(step());
        }
    }
}

fn stretch(at: usize, got: Got<'_>) -> Result<Wire<'_>, DecodeError> {
    match got {
        Got::Len(wire) => Ok(wire),
        got => Err(DecodeError::wire_type(at, &got)),
    }
}

/// How a field that stands more than once is read.
fn join(fields: &[Field], number: u32) -> Join {
    let field = fields
        .binary_search_by_key(&number, |field| field.number)
        .ok()
        .and_then(|i| fields.get(i));
    match field {
        Some(field) if matches!(field.shape, Shape::List | Shape::Map) => Join::All,
        Some(field)
            if matches!(
                field.kind,
                Kind::Text | Kind::Bytes | Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Double
            ) =>
        {
            Join::Last
        }
        Some(_) => Join::Merge,
        None => Join::All,
    }
}

/// A remark with its way from the front.
fn told(noted: &Noted) -> Remark {
    let mut path = String::new();
    for step in noted.way.iter().rev() {
        match step {
            Step::Name(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Key(key) => path.push_str(&format!("[{key:?}]")),
        }
    }
    Remark {
        path,
        at: noted.at,
        what: noted.what,
    }
}
