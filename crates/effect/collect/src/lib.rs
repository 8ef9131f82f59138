//! World → Bundle: files and clusters into entries, without their secrets.
//!
//! Read-only by type: nothing here is given anything that could write, but the one file that the
//! caller names. Deliberately absent: what the entries mean (`read`).

mod archive;
pub mod datastore;
mod error;
mod files;
#[cfg(feature = "live")]
mod kube;
mod pieces;
pub mod private;
mod store;
mod unpack;
mod wrapped;

pub use archive::{BundleFile, Part, Writer, is_bundle};
pub use error::CollectError;
pub use files::{stdin, tree};
#[cfg(feature = "live")]
pub use kube::{Kind, cluster, kinds};
pub use store::Store;

use std::collections::BTreeMap;

use defib_formats::{plain, redact};
use defib_model::bundle::{About, Bundle, Entry, Redaction, SCHEMA, Seen, SourceInfo, Tool};
use defib_model::report::Gap;

/// Takes entries as they come.
pub trait Sink {
    /// One entry, already without secrets.
    ///
    /// # Errors
    /// When the entry can't be written where the sink writes.
    fn entry(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), CollectError>;

    /// The beginning of an entry that is too large to be held: text, already without secrets, that comes
    /// in pieces. Its size, hash and redactions are known at its end.
    ///
    /// # Errors
    /// As `entry`.
    fn open(&mut self, entry: &Entry) -> Result<(), CollectError>;

    /// The next piece of it.
    ///
    /// # Errors
    /// As `entry`.
    fn piece(&mut self, bytes: &[u8]) -> Result<(), CollectError>;

    /// Its end.
    ///
    /// # Errors
    /// As `entry`.
    fn close(&mut self, entry: &Entry) -> Result<(), CollectError>;
}

/// A collection under way: the manifest so far, and where entries go.
pub struct Collection<'s> {
    /// The manifest.
    pub bundle: Bundle,
    /// How to read entries again.
    pub store: Store,
    /// Datastores that the last source had: what is in them is for others to read.
    pub databases: Vec<Database>,
    sinks: Vec<&'s mut dyn Sink>,
}

/// A datastore among files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Database {
    /// Its name in the evidence: the path below the source.
    pub id: String,
    /// The file.
    pub path: std::path::PathBuf,
    /// etcd's, or else kine's.
    pub is_etcd: bool,
}

impl Database {
    /// Does it stand where a server keeps its own?
    pub fn is_at_its_place(&self) -> bool {
        datastore::place(&self.path).is_some()
    }
}

/// What is known about an entry besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `file`, `kube-list`, `kube-log`, `kube-get`, `datastore`, `datastore-list`.
    pub probe: &'static str,
    /// HTTP status.
    pub exit: Option<i64>,
    /// When, RFC 3339.
    pub time: Option<String>,
    /// What the question was.
    pub about: Option<About>,
}

impl<'s> Collection<'s> {
    /// A collection into these sinks.
    pub fn new(version: &str, sinks: Vec<&'s mut dyn Sink>) -> Self {
        let bundle = Bundle {
            schema: SCHEMA.to_owned(),
            tool: Tool {
                version: version.to_owned(),
            },
            ..Bundle::default()
        };
        Self {
            bundle,
            store: Store::default(),
            databases: Vec::new(),
            sinks,
        }
    }

    /// Adds a source; its id is the answer.
    pub fn source(&mut self, uri: &str, kind: &str, vantage: &str) -> String {
        let id = format!("s{}", self.bundle.sources.len() + 1);
        self.bundle.sources.push(SourceInfo {
            id: id.clone(),
            uri: uri.to_owned(),
            kind: kind.to_owned(),
            vantage: vantage.to_owned(),
            read: Seen::None,
        });
        id
    }

    /// Says how much of the last source was read.
    pub fn seen(&mut self, seen: Seen) {
        if let Some(last) = self.bundle.sources.last_mut() {
            last.read = seen;
        }
    }

    /// Takes one entry in: secrets out, hash, manifest, sinks. The bytes without secrets are handed back.
    ///
    /// # Errors
    /// When a sink can't write.
    pub fn take<'b>(
        &mut self,
        id: &str,
        raw: &'b [u8],
        asked: Asked,
    ) -> Result<std::borrow::Cow<'b, [u8]>, CollectError> {
        let clean = redact::redact(raw);
        self.record(id, &clean.text, clean.taken, asked)?;
        Ok(clean.text)
    }

    /// Takes one entry in whose bytes nobody else needs: a large file is in memory once.
    ///
    /// # Errors
    /// When a sink can't write.
    pub fn take_whole(
        &mut self,
        id: &str,
        raw: Vec<u8>,
        asked: Asked,
    ) -> Result<Vec<u8>, CollectError> {
        if let Some(zeros) = plain::zeros(&raw) {
            let gap = Gap::new(format!("part of {id}"), zeros.why());
            self.bundle.gaps.push(gap);
        }
        let (text, taken) = redact::redact_vec(raw);
        self.record(id, &text, taken, asked)?;
        Ok(text)
    }

    /// Takes one entry in that can't be read again, and keeps it for quotations.
    ///
    /// # Errors
    /// When a sink can't write.
    pub fn keep(&mut self, id: &str, raw: &[u8], asked: Asked) -> Result<(), CollectError> {
        let clean = self.take(id, raw, asked)?;
        self.store.keep(&clean);
        Ok(())
    }

    fn record(
        &mut self,
        id: &str,
        text: &[u8],
        taken: BTreeMap<&'static str, u64>,
        asked: Asked,
    ) -> Result<(), CollectError> {
        let mut entry = self.line(id, asked);
        seal(&mut entry, text.len() as u64, &blake3::hash(text), &taken);
        self.forward(entry, text)
    }

    /// The manifest line of an entry, as far as it is known before its text.
    fn line(&self, id: &str, asked: Asked) -> Entry {
        let source = self
            .bundle
            .sources
            .last()
            .map(|s| (s.id.clone(), s.vantage.clone()))
            .unwrap_or_default();
        Entry {
            id: id.to_owned(),
            path: format!(
                "raw/{}/{id}",
                if source.1 == "api" { "kube" } else { "files" }
            ),
            source: source.0,
            probe: asked.probe.to_owned(),
            vantage: source.1,
            exit: asked.exit,
            time: asked.time,
            about: asked.about,
            ..Entry::default()
        }
    }

    /// Takes a text that is too large to be held: `more` gives the next bytes of it, appended to the buffer,
    /// and none at its end. `first` is given the first piece that goes on, which is what can be quoted later.
    ///
    /// While the sinks read one piece, the next is cleaned and the one behind that fetched.
    ///
    /// # Errors
    /// When a sink can't write; what can't be read ends the text, and is for the caller to note.
    pub fn take_pieces(
        &mut self,
        id: &str,
        asked: Asked,
        mut more: impl FnMut(&mut Vec<u8>) -> usize,
        mut first: impl FnMut(&[u8]),
    ) -> Result<(), CollectError> {
        let mut entry = self.line(id, asked);
        for sink in &mut self.sinks {
            sink.open(&entry)?;
        }
        let mut cleaner = redact::Cleaner::default();
        let mut hasher = blake3::Hasher::new();
        let mut size = 0;
        let (mut raw, mut spare) = (Vec::new(), Vec::new());
        let (mut next, mut piece) = (Vec::new(), Vec::new());
        let mut goes_on = more(&mut raw) > 0;
        let mut ended = false;
        while !ended {
            ended = !goes_on;
            rayon::in_place_scope(|scope| {
                scope.spawn(|_| {
                    cleaner.push(&mut next, |held| {
                        give(&mut raw, held);
                        !ended
                    });
                    hasher.update(&next);
                });
                if goes_on {
                    goes_on = more(&mut spare) > 0;
                }
                self.sinks.iter_mut().try_for_each(|s| match &piece {
                    p if p.is_empty() => Ok(()),
                    p => s.piece(p),
                })
            })?;
            // What was fetched meanwhile is cleaned next, what was cleaned is read next.
            std::mem::swap(&mut raw, &mut spare);
            std::mem::swap(&mut piece, &mut next);
            if size == 0 && !piece.is_empty() {
                first(&piece);
            }
            size += piece.len() as u64;
        }
        for sink in self.sinks.iter_mut().filter(|_| !piece.is_empty()) {
            sink.piece(&piece)?;
        }
        seal(&mut entry, size, &hasher.finalize(), cleaner.taken());
        for sink in &mut self.sinks {
            sink.close(&entry)?;
        }
        self.bundle.entries.push(entry);
        Ok(())
    }

    /// Takes an entry of a bundle, which is clean already, with its old manifest line.
    ///
    /// # Errors
    /// When a sink can't write.
    pub fn forward_part(&mut self, entry: Entry, part: &Part<'_>) -> Result<(), CollectError> {
        match part {
            Part::Whole(bytes) => return self.forward(entry, bytes),
            Part::Open => {
                for sink in &mut self.sinks {
                    sink.open(&entry)?;
                }
            }
            Part::Piece(bytes) => {
                for sink in &mut self.sinks {
                    sink.piece(bytes)?;
                }
            }
            Part::Close => {
                for sink in &mut self.sinks {
                    sink.close(&entry)?;
                }
                self.bundle.entries.push(entry);
            }
        }
        Ok(())
    }

    /// Takes an entry that is clean already, with its old manifest line.
    ///
    /// # Errors
    /// When a sink can't write.
    pub fn forward(&mut self, entry: Entry, bytes: &[u8]) -> Result<(), CollectError> {
        for sink in &mut self.sinks {
            sink.entry(&entry, bytes)?;
        }
        self.bundle.entries.push(entry);
        Ok(())
    }

    /// The manifest and the store.
    pub fn finish(self) -> (Bundle, Store) {
        (self.bundle, self.store)
    }
}

/// Moves the bytes behind those that are there already; both buffers keep their room.
fn give(from: &mut Vec<u8>, to: &mut Vec<u8>) {
    if to.is_empty() {
        std::mem::swap(from, to);
    } else {
        to.append(from);
    }
}

/// Completes the manifest line of an entry.
fn seal(entry: &mut Entry, size: u64, hash: &blake3::Hash, taken: &BTreeMap<&'static str, u64>) {
    entry.size = size;
    entry.blake3 = hash.to_hex().to_string();
    entry.redactions = taken
        .iter()
        .map(|(what, count)| Redaction {
            what: (*what).to_owned(),
            count: *count,
        })
        .collect();
}

/// The content hash of evidence: over the sorted entries, so that a directory and the bundle made of
/// it have the same.
pub fn content_hash(bundle: &Bundle) -> String {
    let mut lines: Vec<(&str, &str)> = bundle
        .entries
        .iter()
        .map(|e| (e.id.as_str(), e.blake3.as_str()))
        .collect();
    lines.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for (id, hash) in lines {
        hasher.update(id.as_bytes());
        hasher.update(&[0]);
        hasher.update(hash.as_bytes());
        hasher.update(&[0]);
    }
    format!("blake3:{}", hasher.finalize().to_hex())
}
