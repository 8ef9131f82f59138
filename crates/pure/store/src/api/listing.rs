//! Objects as whoever asks wants them: whole, as rows of a table, or their metadata alone; one, or a list.
//!
//! A list is made in pieces while it is sent, so that its length costs no memory; only the objects of one piece
//! are held, read by all threads. Sources: apimachinery `pkg/apis/meta/v1` (Table, ListMeta), apiserver
//! `pkg/endpoints/handlers/response.go`. Deliberately absent: which objects there are (`Index`).

use std::ops::Range;

use defib_formats::json::Value::Whole;
use defib_formats::json::{fields, skip_space};
use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::catalog::Resource;
use super::select::Selector;
use super::table::Table;
use super::value::{at, text};
use super::{Api, Values, mask};
use crate::index::Live;
use crate::name::name;

/// Objects of one piece at most.
const PIECE: usize = 256;
/// Bytes of stored values of one piece; one value may be more.
const PIECE_BYTES: u64 = 8 << 20;
/// Bytes of a value that is shown, stored and as JSON; API servers as they come take less than half of it.
pub(super) const LONGEST: u32 = 8 << 20;

/// Bytes of JSON after which a piece is sent; one object may be more.
const PIECE_JSON: usize = 4 << 20;
/// Bytes of stored values that are read at once: as text they may be many times longer.
const STEP_BYTES: u64 = 512 << 10;

/// Versions of which is said that they are not shown; what follows is one more sentence.
const REMARKS: usize = 8;

/// How deep JSON may lie in itself, which is as deep as it is read where it has to be.
const DEEPEST: u32 = 120;

/// In which form objects are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Whole,
    /// As rows, with how much of the object beside them.
    Table(Beside),
    /// Their metadata alone.
    Metadata,
}

/// What stands beside a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    Metadata,
    Object,
}

impl Form {
    /// The first form of a client's list that can be had; `None` where there is none.
    pub(super) fn of(accept: &str, beside: &str) -> Option<Self> {
        if accept.trim().is_empty() {
            return Some(Self::Whole);
        }
        accept.split(',').take(32).find_map(|form| {
            let mut words = form.split(';').map(str::trim);
            if !matches!(words.next()?, "application/json" | "application/*" | "*/*") {
                return None;
            }
            let (mut kind, mut version, mut group) = ("", "", "");
            for word in words {
                match word.split_once('=') {
                    Some(("as", said)) => kind = said,
                    Some(("v", said)) => version = said,
                    Some(("g", said)) => group = said,
                    _ => {}
                }
            }
            if kind.is_empty() {
                return Some(Self::Whole);
            }
            if (version, group) != ("v1", "meta.k8s.io") {
                return None;
            }
            match kind {
                "Table" => Some(Self::Table(match beside {
                    "None" => Beside::Nothing,
                    "Object" => Beside::Object,
                    _ => Beside::Metadata,
                })),
                "PartialObjectMetadata" | "PartialObjectMetadataList" => Some(Self::Metadata),
                _ => None,
            }
        })
    }
}

/// How objects of one kind are shown.
pub(super) struct Show<'c> {
    pub(super) resource: &'c Resource,
    version: &'c str,
    api_version: String,
    form: Form,
    table: Table<'c>,
    now: Timestamp,
    show_secrets: bool,
}

impl<'c> Show<'c> {
    pub(super) fn new(
        resource: &'c Resource,
        version: &'c str,
        form: Form,
        now: Timestamp,
        show_secrets: bool,
    ) -> Self {
        Self {
            resource,
            version,
            api_version: resource.api_version(version),
            form,
            table: Table::new(resource, version),
            now,
            show_secrets,
        }
    }

    fn is_secret(&self) -> bool {
        self.resource.group.is_empty() && self.resource.kind == "Secret"
    }

    /// What has to be said of what is hidden.
    pub(super) fn masked(&self) -> Option<&'static str> {
        (self.is_secret() && !self.show_secrets && self.form == Form::Whole).then_some(mask::HIDDEN)
    }

    /// What has to be said of objects that are there and not shown.
    pub(super) fn not_shown(&self) -> Vec<String> {
        let (resource, mut out) = (self.resource, Vec::new());
        if resource.closed > 0 {
            out.push(format!(
                "{} of {} are encrypted or damaged and not shown; --encryption-config or --token-file of defib opens them",
                resource.closed, resource.plural
            ));
        }
        if resource.long > 0 {
            out.push(format!(
                "{} of {} are longer than {LONGEST} bytes and not shown; `defib inspect get` reads them",
                resource.long, resource.plural
            ));
        }
        let others = resource.stored.iter();
        let others = others.filter(|(stored, _)| !resource.serves(stored, self.version));
        let (mut said, mut rest) = (0, resource.unnamed);
        for (stored, count) in others {
            if said == REMARKS {
                rest += count;
                continue;
            }
            said += 1;
            let (group, version) = stored.split_once('/').unwrap_or(("", stored));
            let asked = if resource.is_served(stored) {
                format!("ask for {}.{version}.{group}", resource.plural)
            } else {
                "`defib inspect get` reads them".to_owned()
            };
            out.push(format!(
                "{count} of {} are stored as {stored} and not shown: {asked}",
                resource.plural
            ));
        }
        if rest > 0 {
            out.push(format!(
                "{rest} of {} are stored as something else and not shown; `defib inspect ls` names them",
                resource.plural
            ));
        }
        out
    }

    /// The version in which it is stored, where it is not answered in the one that is asked for.
    pub(super) fn other_version<'l>(&self, live: &Live<'l>) -> Option<&'l str> {
        let stored = live.kind.api_version.as_str();
        // What does not say what it is, is asked for its value.
        let fits = stored.is_empty() || self.resource.serves(stored, self.version);
        (!fits).then_some(stored)
    }

    /// One object, as it is answered when it alone is asked for.
    pub(super) fn one(&self, json: &[u8]) -> Result<Vec<u8>, String> {
        let item = self
            .item(json, None)?
            .ok_or_else(|| "it is no object of this kind".to_owned())?;
        if !matches!(self.form, Form::Table(_)) {
            return Ok(item);
        }
        let value: Value = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let mut out = self.head();
        out.extend(item);
        out.extend(self.tail(text(&value, "metadata.resourceVersion"), None));
        Ok(out)
    }

    /// What stands before the items.
    fn head(&self) -> Vec<u8> {
        let said = match self.form {
            Form::Table(_) => {
                let columns = Value::Array(self.table.head());
                format!(
                    r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":{columns},"rows":["#
                )
            }
            Form::Metadata => {
                r#"{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":["#
                    .to_owned()
            }
            Form::Whole => {
                let kind = json!(format!("{}List", self.resource.kind));
                let version = json!(self.api_version);
                format!(r#"{{"kind":{kind},"apiVersion":{version},"items":["#)
            }
        };
        said.into_bytes()
    }

    /// What stands behind the items; `more` is where a list goes on, and how many follow if that is known.
    fn tail(&self, revision: &str, more: Option<(String, Option<usize>)>) -> Vec<u8> {
        let mut metadata = json!({"resourceVersion": revision});
        if let (Some((token, rest)), Some(metadata)) = (more, metadata.as_object_mut()) {
            metadata.insert("continue".to_owned(), token.into());
            if let Some(rest) = rest {
                metadata.insert("remainingItemCount".to_owned(), rest.into());
            }
        }
        format!("],\"metadata\":{metadata}}}").into_bytes()
    }

    /// An object in the form that is asked for; `None` where it is not selected.
    fn item(&self, json: &[u8], selector: Option<&Selector>) -> Result<Option<Vec<u8>>, String> {
        let masks = !self.show_secrets;
        // What a definition's columns and selectors name is hidden before anything looks at it, and only as a
        // whole is a Secret known to be one: its metadata may quote it.
        let hides_first = masks
            && (self.is_secret() || self.resource.custom.is_some() || self.form == Form::Metadata);
        let is_plain = selector.is_none_or(Selector::is_empty);
        // A custom resource is called by the version that is asked for.
        let renames = self.resource.custom.is_some();
        if self.form == Form::Whole && is_plain && !renames {
            // What no client can read would cost it the whole list.
            if is_deep(json) {
                return Err("its JSON lies too deep in itself".to_owned());
            }
            return Ok(Some(if masks {
                mask::object(json, self.is_secret())?
            } else {
                mask::readable(json.to_vec())?
            }));
        }
        if matches!(self.form, Form::Table(Beside::Nothing | Beside::Metadata))
            && !hides_first
            && let Some(lean) = Lean::of(json)
        {
            return self.lean_row(&lean, selector);
        }
        let clean;
        let json = if hides_first {
            clean = mask::object(json, self.is_secret())?;
            &clean
        } else {
            json
        };
        let mut value: Value = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if !selector.is_none_or(|s| s.takes(&value)) {
            return Ok(None);
        }
        let masks = masks && !hides_first;
        if let (true, Some(value)) = (renames, value.as_object_mut()) {
            value.insert("apiVersion".to_owned(), self.api_version.as_str().into());
        }
        let shown = match self.form {
            Form::Whole => value.to_string(),
            Form::Metadata => metadata_of(&value).to_string(),
            Form::Table(beside) => return Ok(Some(self.row(value, beside, masks)?)),
        };
        Ok(Some(if masks {
            mask::object(shown.as_bytes(), false)?
        } else {
            shown.into_bytes()
        }))
    }

    /// A row whose metadata is passed on as it is written: most of it nobody here has to understand.
    fn lean_row(
        &self,
        lean: &Lean<'_>,
        selector: Option<&Selector>,
    ) -> Result<Option<Vec<u8>>, String> {
        let value: Value = serde_json::from_slice(&lean.rest).map_err(|e| e.to_string())?;
        if !selector.is_none_or(|s| s.takes(&value)) {
            return Ok(None);
        }
        if is_deep(lean.metadata) {
            return Err("its JSON lies too deep in itself".to_owned());
        }
        let cells = Value::Array(self.table.cells(&value, self.now));
        let mut row = format!("{{\"cells\":{cells}").into_bytes();
        if self.form == Form::Table(Beside::Metadata) {
            row.extend_from_slice(PARTIAL);
            row.extend_from_slice(lean.metadata);
            row.push(b'}');
        }
        row.push(b'}');
        Ok(Some(if self.show_secrets {
            mask::readable(row)?
        } else {
            mask::object(&row, false)?
        }))
    }

    fn row(&self, mut value: Value, beside: Beside, masks: bool) -> Result<Vec<u8>, String> {
        if masks && beside == Beside::Object {
            let clean = mask::object(value.to_string().as_bytes(), false)?;
            value = serde_json::from_slice(&clean).map_err(|e| e.to_string())?;
        }
        let cells = self.table.cells(&value, self.now);
        let row = match beside {
            Beside::Nothing => json!({"cells": cells}),
            Beside::Metadata => json!({"cells": cells, "object": metadata_of(&value)}),
            Beside::Object => json!({"cells": cells, "object": value}),
        };
        let row = row.to_string().into_bytes();
        Ok(if masks && beside != Beside::Object {
            mask::object(&row, false)?
        } else {
            row
        })
    }
}

/// Does JSON lie deeper in itself than it is read elsewhere here?
fn is_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_text, mut kept) = (0u32, false, false);
    json.iter().any(|byte| {
        match byte {
            _ if kept => kept = false,
            b'\\' if in_text => kept = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEEPEST
    })
}

/// What stands before the metadata in a row.
const PARTIAL: &[u8] =
    b",\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":";

/// An object's JSON, taken apart: who manages which field is half of many objects, and no cell says it.
struct Lean<'j> {
    metadata: &'j [u8],
    /// The whole object without its managed fields.
    rest: Vec<u8>,
}

impl<'j> Lean<'j> {
    /// `None` for what is not written as Kubernetes writes it.
    fn of(json: &'j [u8]) -> Option<Self> {
        let one = |start: usize, end: usize, key: &str| -> Option<Range<usize>> {
            let mut found = None;
            for field in fields(json, start, end).filter(|f| f.key == key) {
                let Whole(range) = field.value else {
                    return None;
                };
                if found.replace(range).is_some() {
                    return None;
                }
            }
            found
        };
        let place = one(skip_space(json, 0), json.len(), "metadata")?;
        let metadata = json.get(place.clone())?;
        if !metadata.starts_with(b"{") {
            return None;
        }
        let rest = match one(place.start, place.end, "managedFields") {
            Some(managed) => [json.get(..managed.start)?, b"[]", json.get(managed.end..)?].concat(),
            None => json.to_vec(),
        };
        Some(Self { metadata, rest })
    }
}

fn metadata_of(value: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": at(value, "metadata"),
    })
}

/// A list, piece by piece.
pub struct Pieces<'a> {
    api: &'a Api,
    values: &'a dyn Values,
    show: Show<'a>,
    selector: Selector,
    /// What was not looked at yet.
    places: Range<usize>,
    /// How many may still be shown, where there is a limit.
    room: Option<usize>,
    has_begun: bool,
    has_ended: bool,
    /// Whether an item was written, so that a comma belongs before the next.
    has_item: bool,
    /// The key of the last item.
    last: Vec<u8>,
    /// Objects that could not be shown, and the first sentence why.
    pub unread: (usize, String),
}

impl<'a> Pieces<'a> {
    pub(super) fn new(
        api: &'a Api,
        values: &'a dyn Values,
        show: Show<'a>,
        selector: Selector,
        places: Range<usize>,
        limit: usize,
    ) -> Self {
        Self {
            api,
            values,
            show,
            selector,
            places,
            room: (limit > 0).then_some(limit),
            has_begun: false,
            has_ended: false,
            has_item: false,
            last: Vec::new(),
            unread: (0, String::new()),
        }
    }

    /// Places that are read at once.
    fn next_places(&self) -> Range<usize> {
        let most = self.room.unwrap_or(PIECE).clamp(1, PIECE);
        let (mut bytes, mut end) = (0, self.places.start);
        for live in self.api.index.range(self.places.clone()).take(most) {
            bytes += u64::from(live.place.length);
            if bytes > PIECE_BYTES && end > self.places.start {
                break;
            }
            end += 1;
        }
        self.places.start..end
    }

    /// The item of one key; `None` where it is not in the list.
    fn read(&self, live: &Live<'_>) -> Result<Option<Vec<u8>>, String> {
        let said = name(live.key).unwrap_or_default();
        let namespace = if self.show.resource.is_namespaced {
            said.namespace
        } else {
            ""
        };
        if !self.selector.may_take(namespace, said.name) || self.show.other_version(live).is_some()
        {
            return Ok(None);
        }
        let json = json_of(self.values, live)?;
        self.show.item(&json, Some(&self.selector))
    }

    fn items(&mut self) -> Vec<u8> {
        let places = self.next_places();
        let lives: Vec<Live<'_>> = self.api.index.range(places.clone()).collect();
        let mut out = Vec::new();
        let mut at = places.start;
        let mut step = 0;
        // Values that were read and not looked at, the last first.
        let mut items: Vec<Result<Option<Vec<u8>>, String>> = Vec::new();
        for (n, live) in lives.iter().enumerate() {
            if self.room == Some(0) || out.len() >= PIECE_JSON {
                break;
            }
            if n == step {
                let mut bytes = 0;
                let more = lives.iter().skip(n).take_while(|live| {
                    bytes += u64::from(live.place.length);
                    bytes <= STEP_BYTES
                });
                step += more.count().max(1);
                let this = &*self;
                let next = lives.get(n..step).unwrap_or_default();
                items = next.par_iter().map(|live| this.read(live)).collect();
                items.reverse();
            }
            at += 1;
            match items.pop().unwrap_or(Ok(None)) {
                Ok(Some(item)) => {
                    if self.has_item {
                        out.push(b',');
                    }
                    self.has_item = true;
                    out.extend(item);
                    live.key.clone_into(&mut self.last);
                    self.room = self.room.map(|room| room - 1);
                }
                Ok(None) => {}
                Err(why) => {
                    if self.unread.0 == 0 {
                        self.unread.1 = self.api.why(live, &why);
                    }
                    self.unread.0 += 1;
                }
            }
        }
        self.places.start = at;
        out
    }
}

impl Iterator for Pieces<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(self.show.head());
        }
        if self.has_ended {
            return None;
        }
        if self.places.is_empty() || self.room == Some(0) {
            self.has_ended = true;
            let more = (!self.places.is_empty()).then(|| {
                let known = self.selector.is_empty().then_some(self.places.len());
                (token(self.api.revision(), &self.last), known)
            });
            return Some(self.show.tail(&self.api.revision().to_string(), more));
        }
        Some(self.items())
    }
}

/// An object's JSON, unless it is longer than any that an API server takes.
pub(super) fn json_of(values: &dyn Values, live: &Live<'_>) -> Result<Vec<u8>, String> {
    let long = |length: String| format!("it has {length} bytes; `defib inspect get` reads it");
    if live.place.length > LONGEST {
        return Err(long(live.place.length.to_string()));
    }
    let json = values.json(live.place, live.revision)?;
    // What is short on the wire may be long as text, and far longer as values.
    if u32::try_from(json.len()).is_ok_and(|length| length <= LONGEST) {
        Ok(json)
    } else {
        Err(long(json.len().to_string()))
    }
}

/// Where a list goes on: the key of its last item, in hexadecimal behind the revision.
fn token(revision: u64, key: &[u8]) -> String {
    let mut out = format!("{revision}.");
    for byte in key {
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

/// The key in a token, where it is one of this list.
pub(super) fn continued(token: &str, prefix: &[u8]) -> Option<Vec<u8>> {
    let (_, hex) = token.split_once('.')?;
    let digits = hex.as_bytes().chunks(2);
    let key: Option<Vec<u8>> = digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    key.filter(|key| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_can_be_had_is_taken() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        let old = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";
        for (accept, want) in [
            ("", Some(Form::Whole)),
            ("*/*", Some(Form::Whole)),
            (table, Some(Form::Table(Beside::Metadata))),
            (
                &format!("{table},{old},application/json"),
                Some(Form::Table(Beside::Metadata)),
            ),
            (&format!("{old}, application/json"), Some(Form::Whole)),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                Some(Form::Whole),
            ),
            (
                "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
                Some(Form::Metadata),
            ),
            ("application/vnd.kubernetes.protobuf", None),
            ("text/html", None),
        ] {
            assert_eq!(Form::of(accept, ""), want, "{accept}");
        }
        assert_eq!(Form::of(table, "Object"), Some(Form::Table(Beside::Object)));
    }

    #[test]
    fn managed_fields_are_passed_on_unread() {
        let json =
            br#"{"a":1,"metadata":{"name":"x","managedFields":[{"f":{"g":{}}}],"z":"]"},"b":2}"#;
        let lean = Lean::of(json).unwrap();
        let rest = br#"{"a":1,"metadata":{"name":"x","managedFields":[],"z":"]"},"b":2}"#;
        assert_eq!(lean.rest, rest);
        assert!(lean.metadata.ends_with(b"\"z\":\"]\"}"));
        for odd in [
            r#"{"metadata":{},"metadata":{}}"#,
            r#"{"metadata":5}"#,
            "{}",
            "[",
            r#"{"metadata":{"#,
        ] {
            assert!(Lean::of(odd.as_bytes()).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_token_of_another_list_is_refused() {
        let given = token(7, b"/registry/pods/a/b");
        assert_eq!(
            continued(&given, b"/registry/pods/").unwrap(),
            b"/registry/pods/a/b"
        );
        assert_eq!(continued(&given, b"/registry/secrets/"), None);
        for bad in ["", "7", "7.", "7.zz", "7.2", "x.\u{e9}\u{e9}", "7.+1"] {
            assert_eq!(continued(bad, b"/registry/"), None, "{bad}");
        }
    }
}
