//! Packed snapshots: k3s writes `.zip` with one file in it, people pack with gzip.
//!
//! A database is read by places, so it is unpacked into a file without a name: nobody else sees it, and it
//! goes with the process. Deliberately absent: archives of many files (`unpack`).

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use super::FileAt;
use super::sqlite::is_full;
use crate::CollectError;

/// Bytes that one file may unpack to for each of its own. Deflate reaches about a thousand.
const RATIO: u64 = 1_100;
/// Bytes that tell what a file is.
const HEAD: u64 = 64;

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
    spool(entry, packed).map_err(|e| unspooled(path, e))
}

pub(super) fn gzip(path: &Path, mut file: File) -> Result<FileAt, CollectError> {
    // Its beginning was looked at already.
    file.rewind().map_err(|source| CollectError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let packed = file.metadata().map_or(0, |m| m.len());
    spool(flate2::read::MultiGzDecoder::new(file), packed).map_err(|e| unspooled(path, e))
}

/// Why it could not be unpacked: a full disk says nothing about the archive.
fn unspooled(path: &Path, source: io::Error) -> CollectError {
    let path = path.to_owned();
    match is_full(&source) {
        true => CollectError::NoRoom {
            path,
            folder: std::env::temp_dir(),
            source,
        },
        false => CollectError::Archive {
            path,
            why: source.to_string(),
        },
    }
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

fn spool(from: impl Read, packed: u64) -> io::Result<FileAt> {
    let mut to = tempfile::tempfile()?;
    let limit = packed.saturating_mul(RATIO);
    let mut from = from.take(limit + 1);
    let copied = io::copy(&mut from, &mut to)?;
    if copied > limit {
        return Err(io::Error::other("it unpacks to more than anything can"));
    }
    FileAt::new(to)
}
