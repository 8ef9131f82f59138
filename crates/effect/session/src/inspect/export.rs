//! `export`: objects in the order in which another cluster can take them.
//!
//! Deliberately absent: files and their names (the faces), and any word to a living cluster.

use std::collections::BTreeMap;

use defib_store::{Left, left, rank, strip};
use rayon::prelude::*;
use serde_json::Value;

use super::object::{Object, ValueError};
use super::{Dead, Item, Wanted};

/// What is to be exported, and how.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// Only these kinds, as kubectl would take them; all if empty.
    pub kinds: Vec<String>,
    /// Only these namespaces; all if empty.
    pub namespaces: Vec<String>,
    /// Everything as it is, nothing left out and nothing stripped.
    pub raw: bool,
    /// Secrets too.
    pub show_secrets: bool,
    /// As it was at this revision.
    pub revision: Option<u64>,
}

/// What became of an export.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// Objects that were handed on.
    pub objects: u64,
    /// Objects that were left out, by the reason.
    pub left: BTreeMap<Left, u64>,
    /// How many keys could not be read.
    pub unread: u64,
    /// The first of them, and why.
    pub examples: Vec<(String, String)>,
    /// Places of the file that are damaged.
    pub damages: u64,
}

/// An object on its way out.
#[derive(Clone, Debug)]
pub enum Form {
    /// Taken apart.
    Value(Value),
    /// As it is: one line of JSON.
    Json(Vec<u8>),
}

impl Form {
    /// The object, taken apart.
    pub fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            // It was written by us just now; what does not read is no object.
            Self::Json(json) => serde_json::from_slice(&json).unwrap_or_default(),
        }
    }
}

/// Objects that are decoded at once.
const BATCH: usize = 512;
/// Keys that are named when they could not be read.
const EXAMPLES: usize = 5;

impl Export {
    /// Reads `ns=apps,web kind=Secret,ConfigMap`.
    ///
    /// # Errors
    /// When a word is none of these; the answer names it.
    pub fn select(&mut self, text: &str) -> Result<(), String> {
        for word in text.split_whitespace() {
            let list = |names: &str| names.split(',').map(str::to_owned).collect::<Vec<_>>();
            match word.split_once('=') {
                Some(("ns" | "namespace", names)) => self.namespaces.extend(list(names)),
                Some(("kind", names)) => self.kinds.extend(list(names)),
                _ => return Err(word.to_owned()),
            }
        }
        Ok(())
    }

    fn takes(&self, item: &Item<'_>) -> bool {
        let any = |list: &[String], is: &dyn Fn(&str) -> bool| {
            list.is_empty() || list.iter().any(|one| is(one))
        };
        any(&self.namespaces, &|n| item.namespace == n)
            && any(&self.kinds, &|k| super::list::is_kind(item, k))
    }
}

impl Dead {
    /// Hands on every object, with the number of its kind in the order of application.
    ///
    /// # Errors
    /// Those of `each`, which end it.
    pub fn export<E>(
        &self,
        export: &Export,
        each: impl FnMut(u8, &Item<'_>, Value) -> Result<(), E>,
    ) -> Result<Exported, E> {
        self.export_as(export, Form::into_value, each)
    }

    /// As `export`; what is handed on is made of the object on all cores.
    ///
    /// # Errors
    /// Those of `each`, which end it.
    pub fn export_as<T: Send, E>(
        &self,
        export: &Export,
        make: impl Fn(Form) -> T + Sync,
        mut each: impl FnMut(u8, &Item<'_>, T) -> Result<(), E>,
    ) -> Result<Exported, E> {
        let list = self.list(&Wanted {
            revision: export.revision,
            ..Wanted::default()
        });
        let mut items: Vec<(u8, Item<'_>)> = list
            .items()
            .filter(|item| export.takes(item))
            .map(|item| (rank(item.api_version, item.kind), item))
            .collect();
        items.sort_by_key(|(rank, item)| (*rank, item.key));
        let mut out = Exported {
            damages: list.index.walked.damages,
            ..Exported::default()
        };
        let read = |batch: &[(u8, Item<'_>)]| -> Vec<Result<Result<T, Left>, ValueError>> {
            let one = |item: &Item<'_>| Ok(self.exported(export, item)?.map(&make));
            batch.par_iter().map(|(_, item)| one(item)).collect()
        };
        let mut batches = items.chunks(BATCH);
        let mut batch = batches.next().unwrap_or_default();
        let mut ready = read(batch);
        while !batch.is_empty() {
            let behind = batches.next().unwrap_or_default();
            let mut following = Vec::new();
            // While these are handed on, the next are read.
            rayon::in_place_scope(|scope| {
                scope.spawn(|_| following = read(behind));
                for ((rank, item), read) in batch.iter().zip(ready.drain(..)) {
                    match read {
                        Ok(Ok(value)) => {
                            each(*rank, item, value)?;
                            out.objects += 1;
                        }
                        Ok(Err(left)) => *out.left.entry(left).or_insert(0) += 1,
                        Err(why) => {
                            out.unread += 1;
                            if out.examples.len() < EXAMPLES {
                                out.examples.push((item.key.to_owned(), why.to_string()));
                            }
                        }
                    }
                }
                Ok(())
            })?;
            (batch, ready) = (behind, following);
        }
        Ok(out)
    }

    fn exported(&self, export: &Export, item: &Item<'_>) -> Result<Result<Form, Left>, ValueError> {
        // Masked values are never written: a Secret is exported whole, or not at all.
        if item.kind == "Secret" && !export.show_secrets {
            return Ok(Err(Left::Secret));
        }
        // What says its kind is an object, and as it is it need not be taken apart.
        if export.raw && !item.api_version.is_empty() {
            return Ok(Ok(Form::Json(self.json(item.place, item.revision)?)));
        }
        let Object { mut value, .. } = self.object(item.place, item.revision, true)?;
        if export.raw {
            let whole = value.get("kind").is_some();
            return Ok(if whole || export.show_secrets {
                Ok(Form::Value(value))
            } else {
                Err(Left::NoObject)
            });
        }
        if let Some(left) = left(&value, export.show_secrets) {
            return Ok(Err(left));
        }
        strip(&mut value);
        Ok(Ok(Form::Value(value)))
    }
}
