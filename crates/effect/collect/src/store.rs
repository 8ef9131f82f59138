//! Entries once more, for quotations: from the file, the archive, or memory.
//!
//! Deliberately absent: a second copy on disk. Files are read and cleaned again; answers of a live
//! cluster are kept compressed, because they can't be asked for twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use defib_formats::redact;

use crate::archive::BundleFile;

/// Where an entry can be read again.
#[derive(Debug)]
pub(crate) enum Place {
    /// A file, with the hash of what was read from it, without secrets.
    File {
        path: PathBuf,
        blake3: String,
    },
    Memory(Vec<u8>),
    Archive(PathBuf),
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
                Some(Place::Memory(packed)) => {
                    if let Ok(bytes) = zstd::stream::decode_all(packed.as_slice()) {
                        each(*index, &bytes);
                    }
                }
                Some(Place::Archive(path)) => archives.entry(path).or_default().push(*index),
                None => {}
            }
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
            let _ = file.each(|_, bytes| {
                if indices.contains(&at) {
                    each(at, bytes);
                }
                at += 1;
                Ok(())
            });
        }
    }
}
