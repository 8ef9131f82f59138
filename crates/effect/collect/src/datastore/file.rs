//! A file by places, and who else holds it.
//!
//! Deliberately absent: mapped memory; a dying disk must give an error with its offset.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use super::Kind;
use defib_formats::read_at::ReadAt;
use rustix::fs::{OFlags, SeekFrom};
use rustix::io::Errno;

/// An open file of the length that it had when it was opened.
pub struct FileAt {
    file: File,
    length: u64,
    modified: Option<SystemTime>,
}

impl FileAt {
    /// Opens a regular file; anything else could keep us waiting, or have no end.
    ///
    /// # Errors
    /// When it is none, or can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::new(regular(path, Links::Follow)?)
    }

    /// Opens a regular file that was found, beside or below what somebody named: a link there may lead anywhere.
    ///
    /// # Errors
    /// When it is none, or a link, or can't be opened.
    pub fn found(path: &Path) -> io::Result<Self> {
        Self::new(regular(path, Links::Refuse)?)
    }

    /// The file as it is now.
    ///
    /// # Errors
    /// When it can't be asked for its length.
    pub fn new(file: File) -> io::Result<Self> {
        let meta = file.metadata()?;
        Ok(Self {
            length: meta.len(),
            modified: meta.modified().ok(),
            file,
        })
    }

    /// The same open file once more, as it is now.
    ///
    /// # Errors
    /// When no more files may be open, or it can't be asked for its length.
    pub fn again(&self) -> io::Result<Self> {
        Self::new(self.file.try_clone()?)
    }

    /// As much of its beginning as there is.
    pub(super) fn read_some(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = usize::try_from(self.length).unwrap_or(usize::MAX);
        let n = buffer.len().min(there);
        if let Some(part) = buffer.get_mut(..n) {
            self.file.read_exact_at(part, 0)?;
        }
        Ok(n)
    }

    /// Copies all of it into an empty file, by the kernel where it can; false where it did not come whole.
    pub(super) fn copy_into(&self, to: &mut File) -> bool {
        let mut from = &self.file;
        let begun = io::Seek::seek(&mut from, io::SeekFrom::Start(0));
        let copied = begun.and_then(|_| io::copy(&mut io::Read::take(from, self.length), to));
        copied.is_ok_and(|n| n == self.length)
    }

    /// Bytes of it that are no hole, as far as its file system says; looked for in so many parts of it.
    pub(super) fn written(&self, parts: usize) -> u64 {
        let (mut at, mut written) = (0, 0);
        let seek = |to| rustix::fs::seek(&self.file, to);
        for _ in 0..parts {
            let begin = match seek(SeekFrom::Data(at)) {
                Ok(begin) => begin.min(self.length),
                // Only holes from there on.
                Err(Errno::NXIO) => return written,
                Err(_) => break,
            };
            let Ok(end) = seek(SeekFrom::Hole(begin)) else {
                break;
            };
            at = end.min(self.length);
            written += at.saturating_sub(begin);
            if at >= self.length {
                return written;
            }
        }
        written + self.length.saturating_sub(at)
    }

    /// Was it written to since it was opened?
    pub fn has_changed(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|meta| meta.len() != self.length || meta.modified().ok() != self.modified)
    }
}

/// What becomes of a path that is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// Somebody named it.
    Follow,
    /// It was found.
    Refuse,
}

/// What is said of a link that was found.
pub(super) const LINK: &str = "it is a link; links beside or below what was named are not followed";

/// Opens a regular file for reading. It is asked what it is when it is open: what stood there before may be another
/// one, and a pipe would keep us waiting.
///
/// # Errors
/// When it is none, or can't be opened.
pub(super) fn regular(path: &Path, links: Links) -> io::Result<File> {
    let flags = match links {
        Links::Follow => OFlags::NONBLOCK,
        Links::Refuse => OFlags::NONBLOCK | OFlags::NOFOLLOW,
    };
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = opened.map_err(|e| match Errno::from_io_error(&e) {
        Some(Errno::LOOP) if links == Links::Refuse => io::Error::other(LINK),
        _ => e,
    })?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let why = "it is no regular file";
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

impl ReadAt for FileAt {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// Where SQLite locks a database that it has open (`sqlite3.c`, `SHARED_FIRST`): behind the first gigabyte, whatever
/// the length of the file.
const SHARED: u64 = (1 << 30) + 2;

/// The process that has a datastore open and may write to it, as the kernel lists its locks (`proc_locks(5)`). Nothing
/// is locked to find out. bbolt locks the whole file for writing; SQLite, with a write-ahead log, locks a few bytes for
/// reading, also where it writes.
pub(super) fn holder(meta: &Metadata, kind: Kind) -> Option<u32> {
    let list = std::fs::read_to_string("/proc/locks").ok()?;
    let inode = meta.ino().to_string();
    list.lines().find_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 812 fe:00:1835 0 EOF`
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|w| matches!(*w, "READ" | "WRITE"))?;
        let word = |n: usize| words.get(at + n).copied();
        let place = word(2)?.rsplit(':').next()?;
        let process: u32 = word(1)?.parse().ok()?;
        let begin: u64 = word(3)?.parse().ok()?;
        let is_open = word(0)? == "WRITE" || (kind == Kind::Sqlite && begin == SHARED);
        (is_open && place == inode && process != std::process::id() && holds(process, meta))
            .then_some(process)
    })
}

/// Does the process have this very file open? Inodes are numbered anew on every file system, and the device of
/// a lock is not the one that an overlay shows. Where it can't be seen, the kernel's list is believed.
fn holds(process: u32, meta: &Metadata) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
        return true;
    };
    open.flatten().any(|fd| {
        std::fs::metadata(fd.path()).is_ok_and(|m| (m.ino(), m.dev()) == (meta.ino(), meta.dev()))
    })
}

#[cfg(test)]
mod tests {

    use super::*;

    /// As where a file was replaced after it was looked at: nobody ever writes into this one.
    #[test]
    fn a_pipe_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let refused = regular(&path, Links::Follow).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        assert!(regular(folder.path(), Links::Follow).is_err());
    }

    /// Opens a database until its standard input ends.
    fn hold(path: &std::ffi::OsStr) {
        let connection = rusqlite::Connection::open(path).unwrap();
        let one = |_: &rusqlite::Row<'_>| Ok(());
        connection.query_row("SELECT * FROM kine", [], one).unwrap();
        println!("\nHELD");
        io::Read::read(&mut io::stdin(), &mut [0]).unwrap();
    }

    /// kine with a write-ahead log: what it locks is locked for reading. It takes two processes, and the other one is
    /// this same test.
    #[test]
    fn who_has_a_database_open() {
        if let Some(path) = std::env::var_os("DATABASE_TO_HOLD") {
            return hold(&path);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let made = "PRAGMA journal_mode = WAL; CREATE TABLE kine(id INTEGER PRIMARY KEY); INSERT INTO kine VALUES (1)";
        connection.execute_batch(made).unwrap();
        drop(connection);
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!(holder(&meta, Kind::Sqlite), None);
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "datastore::file::tests::who_has_a_database_open",
            ])
            .env("DATABASE_TO_HOLD", &path)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let said = io::BufReader::new(child.stdout.take().unwrap());
        let mut said = io::BufRead::lines(said);
        let open = said.any(|line| line.is_ok_and(|l| l == "HELD"));
        let (found, other) = (holder(&meta, Kind::Sqlite), holder(&meta, Kind::Etcd));
        drop(child.stdin.take());
        let pid = child.id();
        assert!(child.wait().unwrap().success() && open);
        assert_eq!((found, other), (Some(pid), None));
    }

    #[test]
    fn a_link_is_followed_where_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, "a").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(FileAt::open(&link).is_ok() && FileAt::found(&path).is_ok());
        let refused = FileAt::found(&link).err().unwrap();
        assert_eq!(refused.to_string(), LINK);
    }
}
