//! Packed snapshots: k3s writes `.zip` with one file in it, people pack with gzip.
//!
//! A database is read by places, so it is unpacked into a file without a name: nobody else sees it, and it
//! goes with the process. Deliberately absent: archives of many files (`unpack`).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::FileAt;
use super::sqlite::{folders, is_full, room};
use crate::CollectError;

/// Bytes that one file may unpack to for each of its own. Deflate reaches about a thousand.
const RATIO: u64 = 1_100;
/// Bytes that tell what a file is.
const HEAD: u64 = 64;
/// Bytes that are unpacked before it is asked again whether there is room.
const BLOCK: u64 = 8 << 20;

pub(super) fn zip(path: &Path, file: File) -> Result<FileAt, CollectError> {
    let broken = |why: String| CollectError::Archive {
        path: path.to_owned(),
        why,
    };
    let packed = file.metadata().map_or(0, |m| m.len());
    let mut archive = zip::ZipArchive::new(file).map_err(|e| broken(e.to_string()))?;
    if archive.len() != 1 {
        return Err(CollectError::NoDatastore {
            path: path.to_owned(),
            why: format!(
                "a snapshot's .zip holds one file, this one {}",
                archive.len()
            ),
        });
    }
    let entry = archive.by_index(0).map_err(|e| broken(e.to_string()))?;
    let said = entry.size();
    spool(path, entry, packed, &[said])
}

pub(super) fn gzip(path: &Path, mut file: File) -> Result<FileAt, CollectError> {
    let unreadable = |source| CollectError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let packed = file.metadata().map_or(0, |m| m.len());
    // At its end stands how long the last part of it is unpacked, but for what is beyond 32 bits.
    let mut said = [0; 4];
    let end = file.seek(SeekFrom::End(-4));
    let is_said = end.and_then(|_| file.read_exact(&mut said)).is_ok();
    // Its beginning was looked at already.
    file.rewind().map_err(unreadable)?;
    // Where it was cut off, anything may stand there.
    let said = if is_said {
        u32::from_le_bytes(said).into()
    } else {
        0
    };
    let from = flate2::read::MultiGzDecoder::new(file);
    spool(path, from, packed, &[said, packed])
}

/// The first bytes of the one file in a .zip.
pub(super) fn zip_head(path: &Path) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(File::open(path).ok()?).ok()?;
    if archive.len() != 1 {
        return None;
    }
    first(archive.by_index(0).ok()?)
}

/// The first bytes of what gzip packed.
pub(super) fn gzip_head(path: &Path) -> Option<Vec<u8>> {
    first(flate2::read::MultiGzDecoder::new(File::open(path).ok()?))
}

fn first(from: impl Read) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    from.take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}

/// Unpacks into a file without a name, in the first folder with room for as many bytes as it may have: the first guess
/// for which there is one.
fn spool(
    path: &Path,
    from: impl Read,
    packed: u64,
    guesses: &[u64],
) -> Result<FileAt, CollectError> {
    let full = |folder: &Path, source| CollectError::NoRoom {
        path: path.to_owned(),
        folder: folder.to_owned(),
        source,
    };
    let limit = packed.saturating_mul(RATIO);
    let (first, others) = folders();
    let all = || std::iter::once(first.clone()).chain(others.iter().map(PathBuf::from));
    let mut why = None;
    for guess in guesses {
        for folder in all() {
            let there = room(&folder, (*guess).clamp(packed.min(limit), limit));
            match there.and_then(|()| tempfile::tempfile_in(&folder)) {
                Ok(to) => {
                    return written(from, to, limit, &folder).map_err(|e| match is_full(&e) {
                        // A full disk says nothing about the archive.
                        true => full(&folder, e),
                        false => CollectError::Archive {
                            path: path.to_owned(),
                            why: e.to_string(),
                        },
                    });
                }
                // What is said is why there was none in the first.
                Err(e) => why = why.or(Some(full(&folder, e))),
            }
        }
    }
    // There is at least one folder.
    Err(why.unwrap_or_else(|| full(Path::new("/"), io::ErrorKind::StorageFull.into())))
}

/// Unpacks block by block, as long as there is room for the next one.
fn written(from: impl Read, mut to: File, limit: u64, folder: &Path) -> io::Result<FileAt> {
    let mut from = from.take(limit.saturating_add(1));
    let mut length = 0u64;
    loop {
        let block = io::copy(&mut from.by_ref().take(BLOCK), &mut to)?;
        length = length.saturating_add(block);
        if length > limit {
            return Err(io::Error::other("it unpacks to more than anything can"));
        }
        if block < BLOCK {
            return FileAt::new(to);
        }
        // As much is spared as for a file whose length was known.
        room(folder, BLOCK.saturating_add(length / 10))?;
    }
}
