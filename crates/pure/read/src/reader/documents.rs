//! Objects in YAML: whole documents, what is left of broken ones, and what mail has quoted.
//!
//! Deliberately absent: where a document breaks (`defib_formats::yaml`), and what its objects mean.

use std::collections::BTreeMap;
use std::ops::Range;

use defib_formats::json::{self, Value};
use defib_formats::{quotation, sniff, yaml};
use defib_model::bundle::Entry;
use defib_model::cluster::Origin;
use defib_model::report::Gap;
use rayon::prelude::*;

use super::Reader;
use crate::object;

/// Broken documents of one file that are named one by one.
const MAX_BROKEN: u64 = 20;
/// Longest mail whose quotations are looked at.
const MAX_MAIL: usize = 4 << 20;

/// Objects that a mail quotes with `> `, where they stand: a space for the mark, and for all that is not
/// quoted.
pub(super) fn unquoted(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() > MAX_MAIL || memchr::memchr(b'>', bytes).is_none() {
        return None;
    }
    let (mut out, mut objects) = (Vec::with_capacity(bytes.len()), Vec::new());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let marks = match line.first() {
            Some(b'>') => quotation::marks(line, b">"),
            _ => line.len(),
        };
        let (blank, text) = line.split_at_checked(marks)?;
        out.extend(blank.iter().map(|b| if *b == b'\n' { b'\n' } else { b' ' }));
        out.extend_from_slice(text);
        objects.extend_from_slice(text);
    }
    (sniff::looks(&objects) == sniff::Looks::Yaml).then_some(out)
}

/// The one document of a text that was cut within its last line, up to there; nothing where more than that does not
/// hold, or where what is left is no object.
fn cut(text: &str) -> Option<yaml::Document> {
    let whole = text.trim_end();
    let end = whole.rfind('\n')?;
    let last = whole.get(end..)?.trim();
    // A line of its own sense, which is wrong, is another matter.
    if last.contains(':') || last.starts_with(['-', '#', '{', '[', '}', ']']) || last.contains(' ')
    {
        return None;
    }
    let mut found = Vec::new();
    yaml::documents(text.get(..=end)?, |document| {
        found.push(document.ok());
        found.len() < 2
    });
    match found.as_mut_slice() {
        [document] => document
            .take()
            .filter(|d| !d.part && d.json.starts_with(b"{")),
        _ => None,
    }
}

impl Reader<'_> {
    pub(super) fn yaml(&mut self, index: u32, entry: &Entry, bytes: &[u8]) {
        let repaired;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                // One byte for one byte: places in the repaired text are places in the file.
                self.gaps.push(Gap::new(
                    format!("some text in {}", entry.id),
                    format!(
                        "not valid UTF-8 (line {}); it is read as far as it can be",
                        defib_formats::line_at(bytes, e.valid_up_to())
                    ),
                ));
                repaired = defib_formats::ascii(bytes);
                &repaired
            }
        };
        let mut broken_documents = 0;
        let before = (self.parsed.len(), self.lists.len(), self.gaps.len());
        let mut parts = Vec::new();
        yaml::documents(text, |document| {
            match document {
                Ok(doc) if doc.part => parts.push(doc),
                Err(broken) => {
                    broken_documents += 1;
                    if broken_documents <= MAX_BROKEN {
                        self.gaps.push(Gap::new(
                            format!("a document in {} at line {}", entry.id, broken.line),
                            format!("no valid YAML: {}", broken.why),
                        ));
                    }
                }
                Ok(doc) => self.yaml_document(index, entry, bytes, doc),
            }
            !self.full
        });
        if broken_documents == 1
            && parts.is_empty()
            && (self.parsed.len(), self.lists.len()) == (before.0, before.1)
            && let Some(document) = cut(text)
        {
            // What stands before the place where it was cut is as good as ever.
            self.yaml_document(index, entry, bytes, document);
            return;
        }
        if broken_documents > 0 && (self.parsed.len(), self.lists.len()) == (before.0, before.1) {
            // A manifest inside a transcript, or between sentences, makes the whole no YAML; read as text,
            // it is there. So is what a cut document still says.
            let taken = crate::text::read(bytes, index);
            let transcript = taken.is_transcript();
            if transcript || parts.is_empty() {
                let told = self.gaps.split_off(before.2);
                let log = self.printed(index, entry, bytes, taken);
                self.scanned.push(log.finish());
                if transcript || self.parsed.len() > before.0 {
                    return;
                }
                self.gaps.extend(told);
            }
        }
        for part in parts {
            self.yaml_document(index, entry, bytes, part);
        }
        if let Some(more) = broken_documents.checked_sub(MAX_BROKEN).filter(|n| *n > 0) {
            self.gaps.push(Gap::new(
                format!("{more} further documents in {}", entry.id),
                "no valid YAML",
            ));
        }
    }

    pub(super) fn yaml_document(
        &mut self,
        index: u32,
        entry: &Entry,
        bytes: &[u8],
        doc: yaml::Document,
    ) {
        let top: BTreeMap<String, Range<usize>> = json::fields(&doc.json, 0, doc.json.len())
            .filter(|f| matches!(f.key.as_str(), "kind" | "apiVersion" | "items"))
            .filter_map(|f| match f.value {
                Value::Whole(r) => Some((f.key, r)),
                _ => None,
            })
            .collect();
        let text = |k: &str| {
            top.get(k)
                .and_then(|r| json::string_at(&doc.json, r))
                .unwrap_or_default()
        };
        let (kind, version) = (text("kind"), text("apiVersion"));
        if let Some(facts) =
            crate::kubeadm::settings(&version, index, bytes, doc.source.clone(), doc.line)
        {
            self.facts.extend(facts);
            return;
        }
        if top.contains_key("items") && (kind.is_empty() || kind.ends_with("List")) {
            let typed = crate::infer::of_list(&kind, &version);
            let parsed: Vec<_> = doc
                .items
                .par_iter()
                .map(|(j, s)| {
                    let origin = Origin {
                        entry: index,
                        start: s.start as u64,
                        end: s.end as u64,
                    };
                    object::read(
                        doc.json.get(j.clone()).unwrap_or_default(),
                        origin,
                        typed.as_ref(),
                    )
                })
                .collect();
            // kubectl sorts its keys: the kind stands behind the items, and who names a version names that.
            let cut = kind.is_empty() && !version.is_empty() && !doc.part;
            if cut {
                self.gaps.push(Gap::new(
                    format!("the end of {}", entry.id),
                    format!(
                        "a list ends without its kind, which stands behind the items (line {}): it was cut off",
                        defib_formats::line_at(bytes, doc.source.end)
                    ),
                ));
            }
            let whole = !cut && !doc.part;
            self.list(entry, typed.map(|t| t.0), &parsed, whole);
            self.take(entry, bytes, parsed);
        } else if doc.json.first() == Some(&b'{') {
            let origin = Origin {
                entry: index,
                start: doc.source.start as u64,
                end: doc.source.end as u64,
            };
            let one = object::read(&doc.json, origin, None);
            self.take(entry, bytes, vec![one]);
        } else if doc.json.first() == Some(&b'[') {
            // `- kind: Pod …` without a list around it, as people paste items.
            let parsed: Vec<_> = json::elements(&doc.json, 0)
                .filter_map(|v| match v {
                    Value::Whole(r) => {
                        let origin = Origin {
                            entry: index,
                            start: doc.source.start as u64,
                            end: doc.source.end as u64,
                        };
                        Some(object::read(
                            doc.json.get(r).unwrap_or_default(),
                            origin,
                            None,
                        ))
                    }
                    _ => None,
                })
                .collect();
            self.take(entry, bytes, parsed);
        }
    }
}
