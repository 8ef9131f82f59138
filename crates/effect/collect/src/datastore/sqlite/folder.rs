//! A folder for a private copy: where there is room for one, and gone again when the process ends, also by a signal
//! that can be heard. What can't be, as SIGKILL, leaves a copy that was not yet open.
//!
//! `TMPDIR`, else whichever of `/tmp`, `/var/tmp` and `/dev/shm` has room. No file system is filled to its end, and no
//! more than half of the free memory: what is dying on the host must not die of this.
//! Deliberately absent: hearing signals; that is the matter of the whole process, and so of a face.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

/// Folders that are there now.
static THERE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn there() -> MutexGuard<'static, Vec<PathBuf>> {
    THERE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder that nobody else may look into, which goes when this goes.
pub(super) struct Private(TempDir);

impl Private {
    pub(super) fn new(within: &Path) -> io::Result<Self> {
        let private = std::fs::Permissions::from_mode(0o700);
        // Held until it is listed: who ends the process must not miss it.
        let mut there = there();
        let folder = tempfile::Builder::new()
            .prefix("defib-")
            .permissions(private)
            .tempdir_in(within)?;
        there.push(folder.path().to_owned());
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let mut there = there();
        // Taken away while it is listed: who ends the process meanwhile waits until it is gone.
        drop(std::fs::remove_dir_all(self.path()));
        there.retain(|path| path != self.path());
    }
}

/// Removes what private copies there are, before the process ends in another way than by its own end. No more can be
/// made after it.
pub fn forget_copies() {
    let mut there = there();
    for path in there.drain(..) {
        // Another thread may still be writing into it.
        for _ in 0..100 {
            match std::fs::remove_dir_all(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
    }
    // Whoever wants to make one waits for the end.
    std::mem::forget(there);
}

/// Where a copy may lie: where somebody said, or else in the first of several in which there is room.
pub(in super::super) fn folders() -> (PathBuf, &'static [&'static str]) {
    match std::env::var_os("TMPDIR").filter(|said| !said.is_empty()) {
        Some(said) => (said.into(), &[]),
        None => ("/tmp".into(), &["/var/tmp", "/dev/shm"]),
    }
}

/// Kinds of file systems that are nothing but memory: tmpfs and ramfs (`statfs(2)`).
const MEMORY: &[u64] = &[0x0102_1994, 0x8584_58f6];

/// Has the folder room for so many bytes, and some to spare?
pub(in super::super) fn room(folder: &Path, bytes: u64) -> io::Result<()> {
    let said = rustix::fs::statvfs(folder)?;
    let mut free = said.f_bavail.saturating_mul(said.f_frsize);
    if is_memory(folder)? {
        free = free.min(free_memory() / 2);
    }
    let wanted = bytes.saturating_add(bytes / 10);
    if free >= wanted {
        return Ok(());
    }
    let what = format!("{free} bytes are free there, and {wanted} are wanted");
    Err(io::Error::new(io::ErrorKind::StorageFull, what))
}

/// Is what is written there held in memory, whatever the folder is called?
fn is_memory(folder: &Path) -> io::Result<bool> {
    let kind = rustix::fs::statfs(folder)?.f_type;
    // The width of the field is another on each machine; the numbers have 32 bits.
    Ok(MEMORY.contains(&(kind as u64 & 0xffff_ffff)))
}

/// Bytes of memory that are to be had (`proc_meminfo(5)`); none where that is not said.
fn free_memory() -> u64 {
    let said = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = said.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1024)
}

/// Is it that there is no room?
pub(in super::super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_known_by_its_file_system() {
        assert!(!is_memory(Path::new("/proc")).unwrap());
        // As most machines have it.
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        for line in mounts.lines() {
            let mut words = line.split(' ').skip(1);
            let (Some(folder), Some(kind)) = (words.next(), words.next()) else {
                continue;
            };
            // One that lies under another can't be asked.
            let is_top = mounts
                .lines()
                .filter(|l| l.split(' ').nth(1) == Some(folder))
                .count()
                == 1;
            if is_top && kind == "tmpfs" && !folder.contains('\\') {
                assert!(is_memory(Path::new(folder)).unwrap_or(true), "{folder}");
            }
        }
    }
}
