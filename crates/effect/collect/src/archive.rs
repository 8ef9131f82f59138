//! The bundle as a file: a plain `tar.zst`, `bundle.json` first, then the entries.
//!
//! Written as `.part`, synced, renamed: a bundle with its right name is whole. Reading streams;
//! nothing is unpacked. Deliberately absent: archives of other makers.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use defib_model::bundle::{Bundle, Entry, SCHEMA};
use defib_model::report::Gap;

use crate::{CollectError, Sink, pieces};

const MANIFEST: &str = "bundle.json";
/// Bytes that one entry of a bundle may unpack to.
const MAX_ENTRY: u64 = 1 << 31;

/// True when the file is one of our bundles, by its content.
pub fn is_bundle(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let Ok(decoder) = zstd::Decoder::new(file) else {
        return false;
    };
    let mut archive = tar::Archive::new(decoder);
    let Ok(mut entries) = archive.entries() else {
        return false;
    };
    matches!(entries.next(), Some(Ok(e)) if e.path().is_ok_and(|p| p == Path::new(MANIFEST)))
}

/// A sink that writes a bundle.
pub struct Writer {
    target: PathBuf,
    spool: BufWriter<File>,
    sizes: Vec<u64>,
}

impl Writer {
    /// A writer that will make `target`. Entries are spooled beside nothing: the manifest must come
    /// first in the archive and is only known at the end.
    ///
    /// # Errors
    /// When there is no room for temporary files.
    pub fn new(target: &Path) -> Result<Self, CollectError> {
        let fail = |source| CollectError::Unwritable {
            path: target.to_owned(),
            source,
        };
        if target.symlink_metadata().is_ok() {
            return Err(CollectError::Exists {
                path: target.to_owned(),
            });
        }
        let folder = target
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let spool = tempfile::tempfile_in(folder).map_err(fail)?;
        Ok(Self {
            target: target.to_owned(),
            spool: BufWriter::new(spool),
            sizes: Vec::new(),
        })
    }

    /// Writes the archive: manifest first, entries after it, sorted by path.
    ///
    /// # Errors
    /// When the file can't be written; then there is at most a `.part` that is taken away again.
    pub fn finish(self, mut bundle: Bundle) -> Result<(), CollectError> {
        let target = self.target.clone();
        let part = PathBuf::from(format!("{}.part", target.display()));
        let written = self.write(&part, &mut bundle);
        if written.is_err() {
            // The half file is ours; leaving it would only confuse.
            let _ = std::fs::remove_file(&part);
        }
        written.map_err(|source| CollectError::Unwritable {
            path: target,
            source,
        })
    }

    fn write(self, part: &Path, bundle: &mut Bundle) -> std::io::Result<()> {
        let mut spool = self
            .spool
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        let mut offsets = Vec::with_capacity(self.sizes.len());
        let mut at = 0;
        for size in &self.sizes {
            offsets.push((at, *size));
            at += size;
        }
        let mut order: Vec<usize> = (0..bundle.entries.len()).collect();
        order.sort_by(|a, b| {
            bundle
                .entries
                .get(*a)
                .map(|e| &e.path)
                .cmp(&bundle.entries.get(*b).map(|e| &e.path))
        });
        let mut entries = Vec::with_capacity(order.len());
        // A link of that name, left in a shared folder, is not followed.
        let _ = std::fs::remove_file(part);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(part)?;
        let mut encoder = zstd::Encoder::new(BufWriter::new(file), 3)?;
        encoder.include_checksum(true)?;
        let mut tar = tar::Builder::new(encoder);
        for i in &order {
            entries.extend(bundle.entries.get(*i).cloned());
        }
        bundle.entries = entries;
        let manifest = serde_json::to_vec_pretty(&bundle).map_err(std::io::Error::other)?;
        append(
            &mut tar,
            MANIFEST,
            manifest.len() as u64,
            manifest.as_slice(),
        )?;
        for (entry, i) in bundle.entries.iter().zip(&order) {
            let Some((offset, size)) = offsets.get(*i) else {
                continue;
            };
            spool.seek(SeekFrom::Start(*offset))?;
            append(&mut tar, &entry.path, *size, (&mut spool).take(*size))?;
        }
        let mut out = tar.into_inner()?.finish()?;
        out.flush()?;
        let file = out
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(part, &self.target)?;
        if let Some(folder) = self.target.parent().filter(|p| !p.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    size: u64,
    data: impl Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    tar.append_data(&mut header, path, data)
}

impl Sink for Writer {
    fn entry(&mut self, _: &Entry, bytes: &[u8]) -> Result<(), CollectError> {
        self.spool
            .write_all(bytes)
            .map_err(|source| CollectError::Unwritable {
                path: self.target.clone(),
                source,
            })?;
        self.sizes.push(bytes.len() as u64);
        Ok(())
    }

    fn open(&mut self, _: &Entry) -> Result<(), CollectError> {
        Ok(())
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), CollectError> {
        self.spool
            .write_all(bytes)
            .map_err(|source| CollectError::Unwritable {
                path: self.target.clone(),
                source,
            })
    }

    fn close(&mut self, entry: &Entry) -> Result<(), CollectError> {
        self.sizes.push(entry.size);
        Ok(())
    }
}

/// What a bundle gives of an entry.
pub enum Part<'b> {
    /// All of it.
    Whole(&'b [u8]),
    /// It is too large to be held, and comes in pieces of whole lines.
    Open,
    /// The next piece.
    Piece(&'b [u8]),
    /// Its end.
    Close,
}

/// A bundle that can be read.
pub struct BundleFile {
    path: PathBuf,
    /// Its manifest.
    pub manifest: Bundle,
}

impl BundleFile {
    /// Opens a bundle and reads its manifest.
    ///
    /// # Errors
    /// When it is none, is damaged, or was written by a newer major schema.
    pub fn open(path: &Path) -> Result<Self, CollectError> {
        let broken = |why: String| CollectError::NoBundle {
            path: path.to_owned(),
            why,
        };
        let file = File::open(path).map_err(|source| CollectError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let decoder =
            zstd::Decoder::new(BufReader::new(file)).map_err(|e| broken(e.to_string()))?;
        let mut archive = tar::Archive::new(decoder);
        let mut entries = archive.entries().map_err(|e| broken(e.to_string()))?;
        let first = match entries.next() {
            Some(Ok(e)) => e,
            Some(Err(e)) => return Err(broken(e.to_string())),
            None => return Err(broken("it is empty".to_owned())),
        };
        if !first.path().is_ok_and(|p| p == Path::new(MANIFEST)) {
            return Err(broken(format!("it does not begin with {MANIFEST}")));
        }
        let mut text = Vec::new();
        first
            .take(256 << 20)
            .read_to_end(&mut text)
            .map_err(|e| broken(e.to_string()))?;
        let manifest: Bundle =
            serde_json::from_slice(&text).map_err(|e| broken(format!("{MANIFEST}: {e}")))?;
        if manifest.schema != SCHEMA {
            return Err(CollectError::NewerSchema {
                path: path.to_owned(),
                schema: manifest.schema,
                needs: manifest.tool.version,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            manifest,
        })
    }

    /// Calls `each` with every entry of the manifest, in its order. What is missing, damaged or not in
    /// the manifest comes back as gaps; of what comes in pieces the hash is known at its end only.
    ///
    /// # Errors
    /// When `each` fails, or the archive can't be opened again.
    pub fn each(
        &self,
        mut each: impl FnMut(&Entry, Part<'_>) -> Result<(), CollectError>,
    ) -> Result<Vec<Gap>, CollectError> {
        let mut gaps = Vec::new();
        let file = File::open(&self.path).map_err(|source| CollectError::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        let broken = |why: String| CollectError::NoBundle {
            path: self.path.clone(),
            why,
        };
        let decoder =
            zstd::Decoder::new(BufReader::new(file)).map_err(|e| broken(e.to_string()))?;
        let mut archive = tar::Archive::new(decoder);
        let mut wanted = self.manifest.entries.iter();
        let entries = archive.entries().map_err(|e| broken(e.to_string()))?;
        let mut bytes = Vec::new();
        for entry in entries.skip(1) {
            let Some(expected) = wanted.next() else { break };
            bytes.clear();
            let opened = entry.and_then(|mut e| {
                if !e.path().is_ok_and(|p| p == Path::new(&expected.path)) {
                    return Err(std::io::Error::other(
                        "the archive's order is not the manifest's",
                    ));
                }
                // What a stranger says of its own size is not believed.
                (&mut e).take(pieces::HELD).read_to_end(&mut bytes)?;
                if pieces::wanted(&bytes) {
                    return Ok(Some(e));
                }
                e.take(MAX_ENTRY).read_to_end(&mut bytes)?;
                Ok(None)
            });
            let read = match opened {
                Ok(None) => Ok(blake3::hash(&bytes)),
                Ok(Some(rest)) => {
                    each(expected, Part::Open)?;
                    let (hash, broken) = lines(std::mem::take(&mut bytes), rest, |piece| {
                        each(expected, Part::Piece(piece))
                    })?;
                    each(expected, Part::Close)?;
                    match broken {
                        None if hash.to_hex().as_str() == expected.blake3 => continue,
                        None => {
                            gaps.push(Gap::new(
                                format!("entry {}", expected.id),
                                "its content does not match its hash: what was read of it may be wrong",
                            ));
                            continue;
                        }
                        Some(e) => Err(e),
                    }
                }
                Err(e) => Err(e),
            };
            match read {
                Ok(hash) if hash.to_hex().as_str() == expected.blake3 => {
                    each(expected, Part::Whole(&bytes))?
                }
                Ok(_) => {
                    gaps.push(Gap::new(
                        format!("entry {}", expected.id),
                        "its content does not match its hash",
                    ));
                    each(expected, Part::Whole(b""))?;
                }
                Err(e) => {
                    gaps.push(Gap::new(
                        format!("entry {} and all after it", expected.id),
                        format!("the bundle is damaged: {e}"),
                    ));
                    return Ok(gaps);
                }
            }
        }
        if let Some(missing) = wanted.next() {
            gaps.push(Gap::new(
                format!("entry {} and all after it", missing.id),
                "the bundle ends before it",
            ));
            return Ok(gaps);
        }
        // The checksum of the whole stands at the end: it covers the manifest, which no hash does.
        let mut rest = archive.into_inner().take(MAX_ENTRY);
        match std::io::copy(&mut rest, &mut std::io::sink()) {
            Ok(_) => Ok(gaps),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                gaps.push(Gap::new("the end of the bundle", "the bundle was cut off"));
                Ok(gaps)
            }
            Err(e) => Err(broken(e.to_string())),
        }
    }
}

/// Hands clean text on in pieces of whole lines; its hash, and what ended it too early.
fn lines(
    mut held: Vec<u8>,
    mut input: impl Read,
    mut each: impl FnMut(&[u8]) -> Result<(), CollectError>,
) -> Result<(blake3::Hash, Option<std::io::Error>), CollectError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&held);
    loop {
        let start = held.len();
        let read = (&mut input)
            .take(pieces::PIECE as u64)
            .read_to_end(&mut held);
        hasher.update(held.get(start..).unwrap_or_default());
        let more = held.len() > start;
        let end = match held.iter().rposition(|b| *b == b'\n') {
            Some(at) if more => at + 1,
            // A line that no program writes is broken.
            None if more && held.len() < 2 * pieces::PIECE => 0,
            _ => held.len(),
        };
        each(held.get(..end).unwrap_or_default())?;
        held.drain(..end);
        match read {
            Ok(n) if n > 0 => {}
            Ok(_) => return Ok((hasher.finalize(), None)),
            Err(e) => return Ok((hasher.finalize(), Some(e))),
        }
    }
}
