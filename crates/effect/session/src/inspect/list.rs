//! `ls`: every live key, as the objects that they mean.
//!
//! Deliberately absent: values; they are read when one is asked for.

use std::ops::Range;

use defib_formats::datastore::{Engine, Place};
use defib_store::api::kind_named;
use defib_store::{Index, Live, Selection, name};
use rayon::prelude::*;
use serde::Serialize;

use super::Dead;

/// Items that a thread works on at a time.
const RUN: usize = 2_048;
/// Runs that wait to be taken, at most.
const AT_ONCE: usize = 8;

/// Which keys are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only this kind: `Pod`, `pods`, `pod`, `certificates.cert-manager.io`.
    pub kind: Option<String>,
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only this name.
    pub name: Option<String>,
    /// Only keys that begin so.
    pub prefix: String,
    /// As it was at this revision.
    pub revision: Option<u64>,
    /// Tell values apart by a hash, too.
    pub hash: bool,
}

/// One live key.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Item<'i> {
    /// Its kind; what it is kept under where the value does not say.
    pub kind: &'i str,
    /// Group and version; empty where the value does not say.
    #[serde(rename = "apiVersion")]
    pub api_version: &'i str,
    /// The namespace; empty where there is none.
    pub namespace: &'i str,
    /// The name; empty for keys that are none of Kubernetes'.
    pub name: &'i str,
    /// The revision of its last write: the object's `resourceVersion`.
    pub revision: u64,
    /// Writes since it was created; 0 where the datastore does not count them.
    pub writes: u64,
    /// Bytes of the value.
    pub bytes: u32,
    /// Where the value stands.
    #[serde(skip)]
    pub place: Place,
    /// A hash of the value, where it was asked for.
    #[serde(skip)]
    pub(super) hash: u64,
    /// The key; where it is no text, with marks in place of what is none.
    pub key: &'i str,
}

/// Everything that lives in a datastore.
pub struct List {
    /// The keys.
    pub index: Index,
    /// What keeps them.
    pub engine: Engine,
    kind: Option<String>,
}

impl Dead {
    /// Every live key that is wanted.
    pub fn list(&self, wanted: &Wanted) -> List {
        let selection = Selection {
            prefix: wanted.prefix.clone().into_bytes(),
            namespace: wanted.namespace.clone(),
            name: wanted.name.clone(),
            revision: wanted.revision,
            hash: wanted.hash,
        };
        List {
            index: Index::new(self.rows(), &selection),
            engine: self.rows().engine(),
            kind: wanted.kind.clone(),
        }
    }
}

impl List {
    /// The items, in the order of their keys.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.items_at(0..self.index.len())
    }

    fn items_at(&self, places: Range<usize>) -> impl Iterator<Item = Item<'_>> {
        self.index.range(places).filter_map(|live| {
            let item = item(&live);
            let takes = self.kind.as_ref().is_none_or(|k| is_kind(&item, k));
            takes.then_some(item)
        })
    }

    /// Makes something of the items on all cores, a run of them at a time; what was made of each run is taken in the
    /// order of the keys.
    ///
    /// # Errors
    /// The first that `take` gives.
    pub fn in_runs<T: Send, E>(
        &self,
        make: impl Fn(&mut dyn Iterator<Item = Item<'_>>) -> T + Sync,
        mut take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let all = self.index.len();
        for round in (0..all).step_by(RUN * AT_ONCE) {
            let end = all.min(round + RUN * AT_ONCE);
            let runs: Vec<usize> = (round..end).step_by(RUN).collect();
            let made: Vec<T> = runs
                .into_par_iter()
                .map(|run| make(&mut self.items_at(run..end.min(run + RUN))))
                .collect();
            made.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }
}

impl List {
    /// Every key that was met, also those that live no more; of the kind that was asked for, as far as keys say
    /// so.
    pub(super) fn all_keys(&self) -> impl Iterator<Item = &str> {
        self.index.all().filter_map(|met| {
            let item = item(&met);
            let takes = self.kind.as_ref().is_none_or(|k| is_kind(&item, k));
            takes.then_some(item.key)
        })
    }
}

fn item<'i>(live: &Live<'i>) -> Item<'i> {
    let said = name(live.key).unwrap_or_default();
    let kind = match live.kind.kind.as_str() {
        "" => said.resource,
        kind => kind,
    };
    Item {
        kind,
        api_version: &live.kind.api_version,
        namespace: said.namespace,
        name: said.name,
        revision: live.revision,
        writes: live.version,
        bytes: live.place.length,
        place: live.place,
        hash: live.hash,
        key: std::str::from_utf8(live.key).unwrap_or("(not text)"),
    }
}

/// Is the item of the kind that somebody named, in whatever form?
pub(super) fn is_kind(item: &Item<'_>, wanted: &str) -> bool {
    let (word, group) = match wanted.split_once('.') {
        Some((word, group)) => (word, Some(group)),
        None => (wanted, None),
    };
    let resource = name(item.key.as_bytes()).unwrap_or_default().resource;
    let plural = resource.rsplit('/').next().unwrap_or(resource);
    let own = item.api_version.split_once('/').map_or("", |(g, _)| g);
    let same = |a: &str| a.eq_ignore_ascii_case(word);
    let named = same(item.kind)
        || same(plural)
        || same(&format!("{}s", item.kind))
        || kind_named(word) == Some(item.kind);
    named && group.is_none_or(|g| g.eq_ignore_ascii_case(own))
}
