//! The table of messages: which field has which name, kind and rule for being left out.
//!
//! `table.txt` beside this file is written by `cargo xtask protos` from Kubernetes' own Go types. One line a
//! field, `NUMBER NAME[?][!] KIND [MESSAGE]`:
//! - `?` is `omitempty`, `!` is `omitzero`;
//! - the kind's front is `*` pointer, `[` list, `{` map, `<` message whose fields are the parent's in JSON;
//! - its letter is a scalar (`s b i l d y`), `m` a message, `a` a list of texts that is a message of its
//!   own, or one of the types with a JSON form of their own (see [`Kind`]).
//!
//! Lines with `!` say which kind is which message, lines with `=` begin a message.
//! Deliberately absent: kinds that are never stored (lists, options), and kinds of older API versions that
//! the version named in the table's head no longer has.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The table as it is kept.
const TEXT: &str = include_str!("table.txt");

/// What one value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    Int32,
    Int64,
    Double,
    Bytes,
    Message,
    /// A list of texts that is a message of its own.
    Texts,
    Quantity,
    Time,
    MicroTime,
    Duration,
    IntOrString,
    FieldsV1,
    RawExtension,
    /// apiextensions' JSON.
    Json,
    SchemaOrBool,
    SchemaOrArray,
    SchemaOrTexts,
}

/// How often a value stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Always there in Go; absent on the wire is its zero.
    Plain,
    /// There or not.
    Pointer,
    List,
    /// Keys are texts.
    Map,
    /// A message whose fields are printed among the parent's.
    Inline,
}

/// One field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: &'static str,
    /// The name as JSON writes it, with its colon.
    pub(super) key: Box<[u8]>,
    pub(super) shape: Shape,
    pub(super) kind: Kind,
    pub(super) omit_empty: bool,
    pub(super) omit_zero: bool,
    /// The metadata's `resourceVersion`, which is never stored: it is the revision of the write.
    pub(super) is_version: bool,
    /// The message it refers to.
    pub(super) message: usize,
}

/// The table, parsed.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By kind and API version: kinds differ in their first letters, groups do not.
    kinds: BTreeMap<(&'static str, &'static str), usize>,
    /// Names of messages, as the table has them.
    names: Vec<&'static str>,
    messages: Vec<Vec<Field>>,
    /// The message of every kind's metadata.
    metadata: usize,
}

/// The version of Kubernetes from which the table was written.
pub(super) fn version() -> &'static str {
    let head = TEXT.lines().next().unwrap_or_default();
    let words = head.split_once(" from Kubernetes ");
    words
        .and_then(|(_, rest)| rest.split(':').next())
        .unwrap_or("v1")
}

/// The table; parsed at the first use.
pub(super) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    // A table that does not parse can't be committed: a test parses it.
    TABLE.get_or_init(|| Table::parse(TEXT).unwrap_or_default())
}

impl Table {
    /// The message of a kind.
    pub(super) fn kind(&self, api_version: &str, kind: &str) -> Option<usize> {
        self.kinds.get(&(kind, api_version)).copied()
    }

    /// All kinds.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.kinds
            .keys()
            .map(|(kind, api_version)| (*api_version, *kind))
    }

    /// What a message is called (`core/v1.Pod`); empty where there is none.
    pub(super) fn name(&self, message: usize) -> &'static str {
        self.names.get(message).copied().unwrap_or_default()
    }

    /// Is a message that of a kind?
    pub(super) fn is_kind(&self, message: usize) -> bool {
        self.kinds.values().any(|kind| *kind == message)
    }

    /// The message of metadata.
    pub(super) fn metadata(&self) -> usize {
        self.metadata
    }

    /// The fields of a message, by number.
    #[inline]
    pub(super) fn fields(&self, message: usize) -> &[Field] {
        self.messages.get(message).map_or(&[], Vec::as_slice)
    }

    /// The fields of all messages, by message.
    pub(super) fn messages(&self) -> impl Iterator<Item = &[Field]> {
        self.messages.iter().map(Vec::as_slice)
    }

    fn parse(text: &'static str) -> Result<Self, String> {
        let mut ids = BTreeMap::new();
        for name in text.lines().filter_map(|line| line.strip_prefix('=')) {
            let next = ids.len();
            if ids.insert(name, next).is_some() {
                return Err(format!("{name} stands twice"));
            }
        }
        let id = |name: &str| {
            ids.get(name)
                .copied()
                .ok_or_else(|| format!("there is no message {name}"))
        };
        let mut table = Self {
            metadata: id("meta/v1.ObjectMeta")?,
            ..Self::default()
        };
        let mut package = "";
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
            } else if let Some(name) = line.strip_prefix('=') {
                package = name.rsplit_once('.').map_or("", |(package, _)| package);
                table.names.push(name);
                table.messages.push(Vec::new());
            } else if let Some(kind) = line.strip_prefix('!') {
                let mut words = kind.split(' ');
                let mut word = || words.next().ok_or_else(|| line.to_owned());
                let (api_version, kind, message) = (word()?, word()?, word()?);
                table.kinds.insert((kind, api_version), id(message)?);
            } else {
                let own = table.messages.len().wrapping_sub(1);
                let mut field = field(line).ok_or_else(|| line.to_owned())?;
                if let Some(name) = line.split(' ').nth(3) {
                    field.message = match id(name) {
                        Ok(message) => message,
                        Err(_) => id(&format!("{package}.{name}"))?,
                    };
                }
                field.is_version = own == table.metadata && field.name == "resourceVersion";
                let fields = table.messages.last_mut().ok_or_else(|| line.to_owned())?;
                if fields
                    .last()
                    .is_some_and(|last| last.number >= field.number)
                {
                    return Err(format!("out of order: {line}"));
                }
                fields.push(field);
            }
        }
        Ok(table)
    }
}

fn field(line: &'static str) -> Option<Field> {
    let mut words = line.split(' ');
    let (number, name, kind) = (words.next()?, words.next()?, words.next()?);
    let omit_zero = name.ends_with('!');
    let name = name.trim_end_matches('!');
    let omit_empty = name.ends_with('?');
    let name = name.trim_end_matches('?');
    let (shape, letter) = match kind.as_bytes() {
        [letter] => (Shape::Plain, letter),
        [b'*', letter] => (Shape::Pointer, letter),
        [b'[', letter] => (Shape::List, letter),
        [b'{', letter] => (Shape::Map, letter),
        [b'<', letter] => (Shape::Inline, letter),
        _ => return None,
    };
    let kind = match letter {
        b's' => Kind::Text,
        b'b' => Kind::Bool,
        b'i' => Kind::Int32,
        b'l' => Kind::Int64,
        b'd' => Kind::Double,
        b'y' => Kind::Bytes,
        b'm' => Kind::Message,
        b'a' => Kind::Texts,
        b'q' => Kind::Quantity,
        b't' => Kind::Time,
        b'T' => Kind::MicroTime,
        b'D' => Kind::Duration,
        b'o' => Kind::IntOrString,
        b'F' => Kind::FieldsV1,
        b'R' => Kind::RawExtension,
        b'J' => Kind::Json,
        b'B' => Kind::SchemaOrBool,
        b'A' => Kind::SchemaOrArray,
        b'S' => Kind::SchemaOrTexts,
        _ => return None,
    };
    Some(Field {
        number: number.parse().ok()?,
        name,
        key: format!("\"{name}\":").into_bytes().into(),
        shape,
        kind,
        omit_empty,
        omit_zero,
        is_version: false,
        message: usize::MAX,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_parses_and_knows_what_a_pod_is() {
        let table = Table::parse(TEXT).unwrap();
        assert!(table.kinds.len() > 150);
        let pod = table.fields(table.kind("v1", "Pod").unwrap());
        assert_eq!(pod[0].name, "metadata");
        assert_eq!(pod[0].message, table.metadata());
        let spec = table.fields(pod[1].message);
        let containers = spec.iter().find(|f| f.name == "containers").unwrap();
        assert_eq!(
            (containers.shape, containers.kind),
            (Shape::List, Kind::Message)
        );
        assert!(table.kind("v1", "PodList").is_none());
        // Every field that is a message refers to one.
        let messages = || {
            table
                .messages
                .iter()
                .flatten()
                .filter(|f| f.kind == Kind::Message)
        };
        assert!(messages().all(|f| f.message < table.messages.len()));
        // One field is the version.
        assert_eq!(
            table
                .messages
                .iter()
                .flatten()
                .filter(|f| f.is_version)
                .count(),
            1
        );
    }
}
