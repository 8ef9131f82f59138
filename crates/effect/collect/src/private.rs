//! An archive of files that nobody but its owner may read.
//!
//! Deliberately absent: writing over anything, and writing into a data directory; `tar` unpacks it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::CollectError;

/// A file for it.
pub struct File<'f> {
    /// Its name in the archive.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: &'f [u8],
    /// When it was written, in seconds.
    pub modified: Option<u64>,
}

/// Writes a new archive.
///
/// # Errors
/// When there is a file of that name, or it can't be written; what was begun is removed.
pub fn write(to: &Path, files: &[File<'_>]) -> Result<(), CollectError> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to);
    let out = match created {
        Ok(out) => out,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(CollectError::Exists {
                path: to.to_owned(),
            });
        }
        Err(source) => {
            return Err(CollectError::Unwritable {
                path: to.to_owned(),
                source,
            });
        }
    };
    let mut archive = tar::Builder::new(out);
    let mut fill = || {
        for file in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(file.bytes.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(file.modified.unwrap_or(0));
            archive.append_data(&mut header, &file.path, file.bytes)?;
        }
        archive.finish()?;
        archive.get_ref().sync_all()
    };
    let filled = fill();
    filled.map_err(|source| {
        drop(std::fs::remove_file(to));
        CollectError::Unwritable {
            path: to.to_owned(),
            source,
        }
    })
}
