//! Entries once more, for quotations: from the file, the archive, or memory.
//!
//! Deliberately absent: a second copy on disk. Files are read and cleaned again; answers of a live
//! cluster are kept compressed, because they can't be asked for twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use defib_formats::redact;

use crate::archive::{BundleFile, Part};
use crate::pieces::Pieces;
use crate::unpack::{Kind, Unpack};

/// Where an entry can be read again.
#[derive(Debug)]
pub(crate) enum Place {
    /// A file, with the hash of what was read from it, without secrets.
    File { path: PathBuf, blake3: String },
    /// A text that is too large to be held, with the hash of its first piece: only that is quoted again.
    Large { path: PathBuf, blake3: String },
    /// The bytes themselves, packed.
    Memory(Vec<u8>),
    /// An entry of a bundle.
    Archive(PathBuf),
    /// A file in an archive of another maker.
    Packed {
        /// The archive.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
        /// Its label.
        label: String,
        /// Where its entries stand.
        below: String,
        /// Which of its texts, from 0.
        nth: usize,
    },
}

/// Where every entry can be read again, by its index in the manifest.
#[derive(Debug, Default)]
pub struct Store {
    pub(crate) places: Vec<Place>,
}

impl Store {
    /// Keeps an answer in memory, compressed.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        // Level 1: speed matters, and kubectl's JSON shrinks twentyfold anyway.
        self.places.push(Place::Memory(
            zstd::bulk::compress(bytes, 1).unwrap_or_default(),
        ));
    }

    /// Calls `each` with every wanted entry that can still be read.
    pub fn read(&self, wanted: &BTreeSet<u32>, mut each: impl FnMut(u32, &[u8])) {
        let mut archives: BTreeMap<&PathBuf, Vec<u32>> = BTreeMap::new();
        let mut packed: BTreeMap<_, BTreeMap<usize, u32>> = BTreeMap::new();
        for index in wanted {
            match self.places.get(*index as usize) {
                Some(Place::File { path, blake3 }) => {
                    let Ok(raw) = std::fs::read(path) else {
                        continue;
                    };
                    let (text, _) = redact::redact_vec(raw);
                    // A file that grew or changed under us gives no quotations rather than wrong ones.
                    if blake3::hash(&text).to_hex().as_str() == blake3 {
                        each(*index, &text);
                    }
                }
                Some(Place::Large { path, blake3 }) => {
                    let Ok((file, head)) = crate::files::open(path) else {
                        continue;
                    };
                    let first = Pieces::new(head, file).first();
                    if blake3::hash(&first).to_hex().as_str() == blake3 {
                        each(*index, &first);
                    }
                }
                Some(Place::Memory(packed)) => {
                    if let Ok(bytes) = zstd::stream::decode_all(packed.as_slice()) {
                        each(*index, &bytes);
                    }
                }
                Some(Place::Archive(path)) => archives.entry(path).or_default().push(*index),
                Some(Place::Packed {
                    path,
                    kind,
                    label,
                    below,
                    nth,
                }) => {
                    packed
                        .entry((path, *kind, label, below))
                        .or_default()
                        .insert(*nth, *index);
                }
                None => {}
            }
        }
        for ((path, kind, label, below), wanted) in packed {
            let Ok(file) = File::open(path) else { continue };
            let size = file.metadata().map_or(1, |m| m.len());
            let last = wanted.keys().last().copied().unwrap_or(0);
            let mut at = 0;
            let mut take = |_: &str, raw: Vec<u8>, rest: Option<&mut dyn Read>| {
                if !crate::files::is_text(&raw) {
                    return Ok(());
                }
                if let Some(index) = wanted.get(&at) {
                    let text = match rest {
                        None => redact::redact_vec(raw).0,
                        Some(rest) => Pieces::new(raw, rest).first(),
                    };
                    each(*index, &text);
                }
                at += 1;
                if at > last { Err(()) } else { Ok(()) }
            };
            // It ends with an error when all that was wanted is found.
            let _ = Unpack::new(size, &mut take).archive(kind, file, label, below, 0);
        }
        for (path, indices) in archives {
            let first = self
                .places
                .iter()
                .position(|p| matches!(p, Place::Archive(q) if q == path))
                .unwrap_or(0) as u32;
            let Ok(file) = BundleFile::open(path) else {
                continue;
            };
            let mut at = first;
            // A file that changed under us gives no quotations rather than wrong ones.
            let mut first = false;
            let _ = file.each(|_, part| {
                let wanted = indices.contains(&at);
                match part {
                    Part::Whole(bytes) => {
                        if wanted {
                            each(at, bytes);
                        }
                        at += 1;
                    }
                    Part::Open => first = wanted,
                    Part::Piece(bytes) => {
                        if std::mem::take(&mut first) {
                            each(at, bytes);
                        }
                    }
                    Part::Close => at += 1,
                }
                Ok(())
            });
        }
    }
}
