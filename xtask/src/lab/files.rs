//! Files that only the owner may read, written whole; folders that are to be gone.
//! Deliberately absent: everything else `std::fs` does.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::LabError;
use super::error::file;

/// Writes a file for the owner's eyes only; a reader sees the old content or the new.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), LabError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let unfinished = path.with_file_name(name);
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut target| target.write_all(content))
        .map_err(file("write", &unfinished))?;
    fs::rename(&unfinished, path).map_err(file("rename", &unfinished))
}

/// Removes a folder, if it is there.
pub(crate) fn clear(folder: &Path) -> Result<(), LabError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(file("remove", folder)(error))
        }
        _ => Ok(()),
    }
}
