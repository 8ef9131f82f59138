//! Entry by entry into the tables: what each entry is, the objects in it, the signals in it.
//!
//! Deliberately absent: order. Entries may come in any order of sources; `finish` sorts.

mod documents;
mod names;
mod terminals;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use defib_formats::json::{self, Value};
use defib_formats::{sniff, yaml};
use defib_model::bundle::{Bundle, Entry};
use defib_model::cluster::{Cluster, EntryRef, Listed, Origin};
use defib_model::fact::Fact;
use defib_model::report::Gap;
use defib_model::views::Event;
use defib_model::{Clocks, EntityId};
use rayon::prelude::*;

use crate::datastore::{Datastore, Stored};
use crate::object::{self, Parsed, Refused};
use crate::scan::{Log, Owner, Scanned, SignalSet};

/// Objects that one reading holds at most; a hostile file must not fill the memory.
const MAX_OBJECTS: usize = 250_000;

/// Bytes of one object: the API server stores no larger ones (etcd refuses more than some MiB).
const MAX_OBJECT: usize = 16 << 20;

/// What one list of objects said about itself.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// Kind of its items, when the list is typed or all items agree.
    pub kind: String,
    /// Namespaces of its items.
    pub namespaces: BTreeSet<String>,
    /// True when items have no namespace.
    pub cluster_scoped: bool,
    /// True when it came to its end.
    pub complete: bool,
    /// The folder that `cluster-info dump` names after the namespace, for typed lists.
    pub folder: String,
    /// The name of the file, which Troubleshoot names after the namespace, without its ending.
    pub file: String,
    /// True when the question covered all namespaces.
    pub asked_whole: bool,
}

/// Reads entries into a Cluster.
pub struct Reader<'s> {
    signals: &'s SignalSet,
    entries: Vec<EntryRef>,
    parsed: Vec<Parsed>,
    scanned: Vec<Scanned>,
    lists: Vec<List>,
    facts: Vec<Fact>,
    events: Vec<(Event, Origin)>,
    gaps: Vec<Gap>,
    refused: BTreeMap<String, (u64, u64)>,
    api_ready: Option<bool>,
    full: bool,
    /// Entries without a word that are named like objects.
    empty: Vec<String>,
    /// What the files of datastores hold.
    stored: BTreeMap<Datastore, Stored>,
    /// The entry that comes in pieces, and its log once the first piece was read.
    under_way: Option<(u32, Entry, Option<Log>)>,
}

impl<'s> Reader<'s> {
    /// A reader that scans logs for these signals.
    pub fn new(signals: &'s SignalSet) -> Self {
        Self {
            signals,
            entries: Vec::new(),
            parsed: Vec::new(),
            scanned: Vec::new(),
            lists: Vec::new(),
            facts: Vec::new(),
            events: Vec::new(),
            gaps: Vec::new(),
            refused: BTreeMap::new(),
            api_ready: None,
            full: false,
            empty: Vec::new(),
            stored: BTreeMap::new(),
            under_way: None,
        }
    }

    fn enter(&mut self, entry: &Entry) -> u32 {
        self.entries.push(EntryRef {
            id: entry.id.clone(),
            source: entry.source.clone(),
            vantage: entry.vantage.clone(),
        });
        (self.entries.len() - 1) as u32
    }

    /// Reads one entry.
    pub fn entry(&mut self, entry: &Entry, bytes: &[u8]) {
        let index = self.enter(entry);
        if entry.probe == "kube-get" && entry.id.ends_with("readyz") {
            // Only these two are the API server's own word; a refusal (401, 403) says nothing.
            self.api_ready = match entry.exit {
                Some(200) => Some(true),
                Some(500..=599) => Some(false),
                _ => None,
            };
            return;
        }
        if entry.probe == "kube-log" {
            self.log(index, entry, bytes);
            return;
        }
        if crate::datastore::is_one(bytes) {
            self.stored
                .entry(Datastore::of(entry))
                .or_default()
                .about(bytes, index);
            return;
        }
        if entry.probe == "datastore-list" {
            self.stored(index, entry, bytes);
            return;
        }
        match sniff::looks(bytes) {
            sniff::Looks::Empty => {
                // An empty log says nothing; where objects were to be, something went wrong.
                let objects = [".json", ".yaml", ".yml"];
                if objects.iter().any(|e| entry.id.ends_with(e)) {
                    self.empty.push(entry.id.clone());
                }
            }
            sniff::Looks::Binary => self.gaps.push(Gap::new(
                format!("file {}", entry.id),
                sniff::no_text(bytes),
            )),
            sniff::Looks::Json => self.json(index, entry, bytes),
            sniff::Looks::Yaml => self.yaml(index, entry, bytes),
            sniff::Looks::Text => self.text(index, entry, bytes),
        }
    }

    /// Objects out of the file of a datastore, held apart: what an API server answered comes before them.
    fn stored(&mut self, index: u32, entry: &Entry, bytes: &[u8]) {
        let parsed = self.parsed.len();
        let lists = self.lists.len();
        self.json(index, entry, bytes);
        let one = self.stored.entry(Datastore::of(entry)).or_default();
        one.parsed.extend(self.parsed.drain(parsed..));
        one.lists.extend(self.lists.drain(lists..));
    }

    /// Takes what the files of datastores hold in among the rest. The answer is whether it is they that say what there
    /// is, and be it nothing: a datastore that was made anew is no cluster that is well.
    fn join_stored(&mut self) -> bool {
        let runs =
            |p: &Parsed| matches!(p.object.kind.as_str(), "Pod" | "Node") && !p.object.printed;
        let answered = self.parsed.iter().any(runs);
        let stored = std::mem::take(&mut self.stored);
        let joined = crate::datastore::joined(stored, answered, &self.facts);
        self.facts.extend(joined.facts);
        self.gaps.extend(joined.gaps);
        let any = !joined.parsed.is_empty() || !joined.lists.is_empty();
        self.parsed.extend(joined.parsed);
        self.lists.extend(joined.lists);
        any
    }

    /// Text that may be anything: a transcript, a paste, a log.
    fn text(&mut self, index: u32, entry: &Entry, bytes: &[u8]) {
        self.gaps.extend(crate::unread::gaps(&entry.id, bytes));
        if let Some(objects) = documents::unquoted(bytes) {
            self.yaml(index, entry, &objects);
            return;
        }
        let taken = crate::text::read(bytes, index);
        let log = self.printed(index, entry, bytes, taken);
        self.scanned.push(log.finish());
    }

    /// Begins an entry that is too large to be held. It is text, and comes in pieces.
    pub fn open(&mut self, entry: &Entry) {
        let index = self.enter(entry);
        self.under_way = Some((index, entry.clone(), None));
    }

    /// The next piece of the entry that was opened. Printed forms are read in the first, which holds more
    /// than anybody prints; all of them are searched for signals.
    pub fn piece(&mut self, bytes: &[u8]) {
        let Some((index, entry, log)) = self.under_way.take() else {
            return;
        };
        let log = match log {
            Some(mut log) => {
                log.take(self.signals, bytes, &[]);
                log
            }
            None => {
                let taken = crate::text::read(bytes, index);
                self.printed(index, &entry, bytes, taken)
            }
        };
        self.under_way = Some((index, entry, Some(log)));
    }

    /// Ends the entry that was opened.
    pub fn close(&mut self) {
        if let Some((_, _, Some(log))) = self.under_way.take() {
            self.scanned.push(log.finish());
        }
    }

    /// Takes what a text shows, and searches it for signals. What stands behind it is the same log.
    fn printed(
        &mut self,
        index: u32,
        entry: &Entry,
        bytes: &[u8],
        taken: crate::text::Taken,
    ) -> Log {
        self.facts.extend(taken.facts);
        self.parsed.extend(taken.objects);
        self.events.extend(taken.events);
        self.lists.extend(taken.listed.into_iter().map(|kind| List {
            kind: kind.to_owned(),
            cluster_scoped: true,
            complete: true,
            ..List::default()
        }));
        for range in taken.manifests {
            if bytes.get(range.start) == Some(&b'{') {
                self.json_document(index, entry, bytes, range.start, range.end, true);
            } else if let Ok(text) =
                std::str::from_utf8(bytes.get(range.clone()).unwrap_or_default())
            {
                yaml::documents(text, |document| {
                    if let Ok(mut doc) = document {
                        for place in std::iter::once(&mut doc.source)
                            .chain(doc.items.iter_mut().map(|(_, s)| s))
                        {
                            place.start += range.start;
                            place.end += range.start;
                        }
                        self.yaml_document(index, entry, bytes, doc);
                    }
                    !self.full
                });
            }
        }
        let mut at = 0;
        let heard = without(bytes, &taken.past);
        let part = |r: Range<usize>| heard.get(r).unwrap_or_default();
        for (range, owner) in taken.logs {
            for (stretch, owner, events) in [
                (at..range.start, Owner::default(), taken.heard.as_slice()),
                (range.clone(), owner, &[]),
            ] {
                if !stretch.is_empty() {
                    let mut log = Log::new(index, owner, part(0..stretch.start));
                    log.take(self.signals, part(stretch), events);
                    self.scanned.push(log.finish());
                }
            }
            at = range.end;
        }
        let mut log = Log::new(index, Owner::default(), part(0..at));
        log.take(self.signals, part(at..bytes.len()), &taken.heard);
        log
    }

    fn log(&mut self, index: u32, entry: &Entry, bytes: &[u8]) {
        let owner = match &entry.about {
            Some(a) if !a.pod.is_empty() => Owner {
                entity: Some(EntityId::object("Pod", "", &a.namespace, &a.pod)),
                container: a.container.clone(),
            },
            _ => Owner::default(),
        };
        let mut log = Log::new(index, owner, b"");
        log.take(self.signals, bytes, &[]);
        self.scanned.push(log.finish());
    }

    fn json(&mut self, index: u32, entry: &Entry, bytes: &[u8]) {
        // A byte order mark is no JSON, and no fault either.
        let mut at = if bytes.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let mut found = 0;
        loop {
            match json::value(bytes, at) {
                Value::Whole(r) => {
                    self.json_document(index, entry, bytes, r.start, r.end, true);
                    at = r.end;
                    found += 1;
                }
                Value::Cut(start) => {
                    self.json_document(index, entry, bytes, start, bytes.len(), false);
                    self.gaps.push(Gap::new(
                        format!("the end of {}", entry.id),
                        format!(
                            "the file ends in the middle of a value (line {}); what came before it was read",
                            defib_formats::line_at(bytes, bytes.len())
                        ),
                    ));
                    return;
                }
                Value::Broken(start) => {
                    if found == 0 {
                        self.log(index, entry, bytes);
                    } else {
                        self.gaps.push(Gap::new(
                            format!("the rest of {}", entry.id),
                            format!(
                                "no JSON from line {} on",
                                defib_formats::line_at(bytes, start)
                            ),
                        ));
                    }
                    return;
                }
                Value::End => return,
            }
        }
    }

    fn json_document(
        &mut self,
        index: u32,
        entry: &Entry,
        bytes: &[u8],
        start: usize,
        end: usize,
        whole: bool,
    ) {
        if bytes.get(start) == Some(&b'[') {
            self.json_items(
                index,
                entry,
                bytes,
                json::elements(bytes, start),
                None,
                whole,
            );
            return;
        }
        if bytes.get(start) != Some(&b'{') {
            return;
        }
        let text = |v: &Value| match v {
            Value::Whole(r) => json::string_at(bytes, r),
            _ => None,
        };
        let (mut kind, mut version, mut items_at, mut more) = (None, None, None, false);
        let mut fields = json::fields(bytes, start, end);
        for field in fields.by_ref() {
            match field.key.as_str() {
                "kind" => kind = text(&field.value),
                "apiVersion" => version = text(&field.value),
                "items" => {
                    items_at = match &field.value {
                        Value::Whole(r) => Some(r.start),
                        Value::Cut(s) => Some(*s),
                        _ => None,
                    }
                }
                "metadata" => {
                    if let Value::Whole(r) = &field.value {
                        more = json::fields(bytes, r.start, r.end).any(|f| {
                            f.key == "continue" && text(&f.value).is_some_and(|t| !t.is_empty())
                        });
                    }
                }
                _ => {}
            }
        }
        let whole = match fields.broken_at() {
            Some(place) if whole => {
                self.gaps.push(Gap::new(
                    format!("part of {}", entry.id),
                    format!(
                        "no valid JSON at line {}",
                        defib_formats::line_at(bytes, place)
                    ),
                ));
                false
            }
            _ => whole,
        };
        let kind = kind.unwrap_or_default();
        match items_at {
            Some(at) if kind.is_empty() || kind.ends_with("List") => {
                let typed = crate::infer::of_list(&kind, &version.unwrap_or_default());
                let items = json::elements(bytes, at);
                self.json_items(index, entry, bytes, items, typed, whole && !more);
            }
            _ if whole => {
                let origin = Origin {
                    entry: index,
                    start: start as u64,
                    end: end as u64,
                };
                if end - start > MAX_OBJECT {
                    self.too_large(entry, bytes, start, end);
                    return;
                }
                let one = object::read(bytes.get(start..end).unwrap_or_default(), origin, None);
                self.take(entry, bytes, vec![one]);
            }
            _ => {}
        }
    }

    fn json_items(
        &mut self,
        index: u32,
        entry: &Entry,
        bytes: &[u8],
        items: impl Iterator<Item = Value>,
        typed: Option<(String, String)>,
        complete: bool,
    ) {
        let mut complete = complete;
        let mut ranges = Vec::new();
        let mut more = 0u64;
        for value in items {
            match value {
                Value::Whole(r) if r.len() > MAX_OBJECT => {
                    self.too_large(entry, bytes, r.start, r.end);
                    complete = false;
                }
                Value::Whole(_) if ranges.len() >= MAX_OBJECTS => more += 1,
                Value::Whole(r) => ranges.push(r),
                Value::Broken(place) => {
                    complete = false;
                    self.gaps.push(Gap::new(
                        format!("the rest of a list in {}", entry.id),
                        format!(
                            "no valid JSON from line {} on",
                            defib_formats::line_at(bytes, place)
                        ),
                    ));
                }
                Value::Cut(_) | Value::End => complete = false,
            }
        }
        if more > 0 {
            complete = false;
            self.gaps.push(Gap::new(
                format!("{more} objects at the end of a list in {}", entry.id),
                format!("more than {MAX_OBJECTS} objects; the rest was not read"),
            ));
        }
        let typed = typed.or_else(|| {
            entry
                .about
                .as_ref()
                .filter(|a| !a.kind.is_empty())
                .map(|a| (a.kind.clone(), a.api_version.clone()))
        });
        let parsed: Vec<_> = ranges
            .par_iter()
            .map(|r| {
                let origin = Origin {
                    entry: index,
                    start: r.start as u64,
                    end: r.end as u64,
                };
                object::read(
                    bytes.get(r.clone()).unwrap_or_default(),
                    origin,
                    typed.as_ref(),
                )
            })
            .collect();
        self.list(entry, typed.map(|t| t.0), &parsed, complete);
        self.take(entry, bytes, parsed);
    }

    fn too_large(&mut self, entry: &Entry, bytes: &[u8], start: usize, end: usize) {
        self.gaps.push(Gap::new(
            format!("an object of {} MiB in {}", (end - start) >> 20, entry.id),
            format!(
                "larger than any API server stores (line {}); it was not read",
                defib_formats::line_at(bytes, start)
            ),
        ));
    }

    fn list(
        &mut self,
        entry: &Entry,
        typed: Option<String>,
        parsed: &[Result<Parsed, Refused>],
        complete: bool,
    ) {
        let mut list = List {
            complete,
            asked_whole: entry.about.as_ref().is_some_and(|a| a.whole),
            ..List::default()
        };
        let mut kinds: BTreeSet<&str> = BTreeSet::new();
        for one in parsed.iter().flatten() {
            kinds.insert(&one.object.kind);
            if one.object.namespace.is_empty() {
                list.cluster_scoped = true;
            } else if !list.namespaces.contains(&one.object.namespace) {
                list.namespaces.insert(one.object.namespace.clone());
            }
        }
        let kinds: Vec<&str> = kinds.into_iter().take(2).collect();
        list.kind = match (typed, kinds.as_slice()) {
            (Some(kind), _) => {
                let mut path = entry.id.rsplit('/');
                let file = path.next().unwrap_or_default();
                let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
                list.file = stem.to_owned();
                list.folder = path.next().unwrap_or_default().to_owned();
                kind
            }
            (None, [one]) => (*one).to_owned(),
            _ => return,
        };
        self.lists.push(list);
    }

    fn take(&mut self, entry: &Entry, bytes: &[u8], parsed: Vec<Result<Parsed, Refused>>) {
        let held: usize = self.stored.values().map(|s| s.parsed.len()).sum();
        for one in parsed {
            match one {
                Ok(p) if self.parsed.len() + held < MAX_OBJECTS => self.parsed.push(p),
                Ok(_) => {
                    if !self.full {
                        self.full = true;
                        self.gaps.push(Gap::new(
                            format!("further objects, from {} on", entry.id),
                            format!("more than {MAX_OBJECTS} objects; the rest was not read"),
                        ));
                    }
                }
                Err(Refused::Invalid(at)) => {
                    let first = defib_formats::line_at(bytes, at as usize);
                    let (count, _) = self.refused.entry(entry.id.clone()).or_insert((0, first));
                    *count += 1;
                }
                // Values files and other YAML are no objects and no gap: nothing is missing.
                Err(Refused::NoKind | Refused::NoName) => {}
            }
        }
    }

    /// The Cluster of everything that was read.
    pub fn finish(mut self, bundle: &Bundle) -> Cluster {
        for (file, (count, line)) in std::mem::take(&mut self.refused) {
            self.gaps.push(Gap::new(
                format!("{count} objects in {file}"),
                format!("damaged, or nested too deeply to be an object (line {line})"),
            ));
        }
        let at_rest = self.join_stored();
        let mut listed: BTreeMap<String, Listed> = BTreeMap::new();
        for id in std::mem::take(&mut self.empty) {
            // Where the reason stands beside it, it is told there.
            let stem = id.rsplit_once('.').map_or(id.as_str(), |(stem, _)| stem);
            let why = format!("{stem}-errors.json");
            if !self.entries.iter().any(|e| e.id == why) {
                self.gaps.push(Gap::new(
                    format!("file {id}"),
                    "it is empty: what was to be written into it never came",
                ));
            }
        }
        let namespaces: BTreeSet<&str> = self
            .parsed
            .iter()
            .filter(|p| p.object.kind == "Namespace")
            .map(|p| p.object.name.as_str())
            .collect();
        for list in &self.lists {
            crate::coverage::note(list, &namespaces, &mut listed);
        }
        self.name_logs();
        self.name_whole();
        terminals::name_hosts(&self.facts, &mut self.scanned);
        let mut cluster = crate::tables::build(self.parsed, self.events);
        cluster.facts = self.facts;
        cluster.entries = self.entries;
        cluster.sources = bundle.sources.clone();
        cluster.listed = listed;
        cluster.api_ready = self.api_ready;
        cluster.at_rest = at_rest;
        for scanned in self.scanned {
            cluster.hits.extend(scanned.hits);
            let owned = scanned.tails.into_iter();
            cluster
                .tails
                .extend(owned.filter(|t| !t.entity.as_str().is_empty()));
            cluster.log_lines += scanned.lines;
            cluster.as_of = cluster.as_of.max(scanned.last);
        }
        cluster.hits.sort_by(|a, b| {
            (a.signal, &a.entity, &a.container, a.entry).cmp(&(
                b.signal,
                &b.entity,
                &b.container,
                b.entry,
            ))
        });
        let clock = bundle
            .clocks
            .iter()
            .filter_map(|c| c.time.parse().ok())
            .max();
        // What `date` printed, where hosts agree: one whose clock is wrong says nothing of when it is.
        let clocks = Clocks::of(&cluster.facts);
        let (agreed, outvoted) = (clocks.now(), clocks.has_outvoted());
        let clock = clock.max(agreed);
        cluster.as_of = match agreed {
            // Its own lines and certificates go by its clock.
            Some(now) if outvoted => Some(now),
            _ => cluster.as_of.max(clock),
        };
        // What a table prints has ages and no times: it says nothing of when it was printed.
        let timed = |n: &defib_model::views::Node| {
            let mut times = n.status.conditions.iter();
            times.any(|c| c.last_heartbeat_time.or(c.last_transition_time).is_some())
        };
        cluster.now_known = clock.is_some()
            || cluster.events.iter().any(|e| e.last.is_some())
            || cluster.nodes.iter().any(timed);
        cluster.gaps = bundle.gaps.clone();
        cluster.gaps.append(&mut self.gaps);
        cluster.gaps.sort();
        cluster.gaps.dedup();
        crate::edges::build(&mut cluster);
        crate::coverage::judge(&mut cluster);
        cluster
    }
}

/// The same text with spaces for these stretches: as long, and without their words.
fn without<'b>(bytes: &'b [u8], stretches: &[Range<usize>]) -> Cow<'b, [u8]> {
    let mut out = Cow::Borrowed(bytes);
    for stretch in stretches {
        if let Some(part) = out.to_mut().get_mut(stretch.clone()) {
            part.iter_mut()
                .filter(|b| **b != b'\n')
                .for_each(|b| *b = b' ');
        }
    }
    out
}
