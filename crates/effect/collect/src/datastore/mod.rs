//! A dead datastore on this machine: which file it is, opened for reading.
//!
//! Deliberately absent: writing, locks (who holds one is asked of the kernel, never tried), and what stands in
//! it (`store`).

mod file;
mod sqlite;
mod unpacked;

use std::io::Read;
use std::path::{Path, PathBuf};

pub use file::FileAt;
use file::Links;
pub use sqlite::{Kine, Log, forget_copies};

use crate::CollectError;

/// Which datastore a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// etcd's file of bbolt: a member's, or a snapshot.
    Etcd,
    /// kine's SQLite.
    Sqlite,
}

/// A file of a datastore.
pub struct Opened {
    /// The file that was found, where a folder was named.
    pub path: PathBuf,
    /// Which datastore it is.
    pub kind: Kind,
    /// Its bytes.
    pub file: FileAt,
    /// It was packed, and how.
    pub packed: Option<&'static str>,
    /// A process that has it open and may write to it.
    pub holder: Option<u32>,
    /// What is worth knowing about how it was found.
    pub notes: Vec<String>,
    /// The files of etcd's write-ahead log beside a member's database with their names, in order.
    pub log: Vec<(String, FileAt)>,
    /// Why a log that lies beside it is not among them.
    pub log_left: Option<String>,
}

/// Where a datastore lies in the folders that people have, most specific first: an etcd data directory, k3s'
/// `server`, its data directory.
const ETCD: &[&str] = &[
    "member/snap/db",
    "snap/db",
    "etcd/member/snap/db",
    "db/etcd/member/snap/db",
    "server/db/etcd/member/snap/db",
];
const SQLITE: &[&str] = &["state.db", "db/state.db", "server/db/state.db"];

/// Finds the datastore in a file or a folder and opens it.
///
/// # Errors
/// When there is none, or it can't be read.
pub fn open(path: &Path) -> Result<Opened, CollectError> {
    let unreadable = |source| CollectError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_dir() {
        return one(path, Links::Follow, Vec::new());
    }
    std::fs::read_dir(path).map_err(unreadable)?;
    let (mut notes, mut links) = (Vec::new(), Vec::new());
    let mut found = |names: &[&str]| -> Vec<PathBuf> {
        let below = names.iter().filter_map(|name| match below(path, name) {
            Below::File(file) => Some(file),
            Below::Link(link) => {
                links.push(link);
                None
            }
            Below::None | Below::Other(_) => None,
        });
        below.collect()
    };
    let (etcd, sqlite) = (found(ETCD), found(SQLITE));
    links.dedup();
    notes.extend(
        links
            .iter()
            .map(|l| format!("{}: {}", l.display(), file::LINK)),
    );
    let Some(first) = etcd.first().or(sqlite.first()) else {
        let why = match links.first() {
            Some(link) => format!("{}: {}; name what it leads to", link.display(), file::LINK),
            None => "it holds neither etcd's member/snap/db nor kine's state.db".into(),
        };
        return Err(CollectError::NoDatastore {
            path: path.to_owned(),
            why,
        });
    };
    if let (Some(_), Some(other)) = (etcd.first(), sqlite.first()) {
        notes.push(format!(
            "{} is there too; k3s uses etcd where both exist",
            other.display()
        ));
    }
    one(first, Links::Refuse, notes)
}

/// What stands below a folder under a name.
enum Below {
    None,
    File(PathBuf),
    /// No file: a folder, a pipe, a device.
    Other(PathBuf),
    /// On the way there is a link, which may lead anywhere.
    Link(PathBuf),
}

fn below(folder: &Path, name: &str) -> Below {
    let mut at = folder.to_owned();
    let mut is_file = false;
    for part in Path::new(name) {
        at.push(part);
        match std::fs::symlink_metadata(&at) {
            Ok(meta) if meta.is_symlink() => return Below::Link(at),
            Ok(meta) => is_file = meta.is_file(),
            Err(_) => return Below::None,
        }
    }
    match is_file {
        true => Below::File(at),
        false => Below::Other(at),
    }
}

/// Opens a regular file below a folder that somebody named, without following links.
///
/// # Errors
/// When there is none, a link is on the way, or it can't be opened.
pub fn open_below(folder: &Path, name: &str) -> std::io::Result<FileAt> {
    match below(folder, name) {
        Below::File(path) | Below::Other(path) => FileAt::found(&path),
        Below::Link(link) => {
            let why = format!("{}: {}", link.display(), file::LINK);
            Err(std::io::Error::other(why))
        }
        Below::None => Err(std::io::ErrorKind::NotFound.into()),
    }
}

/// Which datastore a file among others is: by its first bytes, also of a packed snapshot; or, where those are
/// lost, by where it stands.
pub fn recognise(path: &Path, head: &[u8]) -> Option<Kind> {
    if let Some(kind) = magic(head) {
        return Some(kind);
    }
    let unpacked = match head {
        [b'P', b'K', 3, 4, ..] => unpacked::zip_head(path),
        [0x1f, 0x8b, ..] => unpacked::gzip_head(path),
        _ => None,
    };
    if let Some(kind) = unpacked.as_deref().and_then(magic) {
        return Some(kind);
    }
    // A disk that was full or cut off leaves an empty file, or one of zeros.
    let is_text = head.iter().any(u8::is_ascii_graphic);
    place(path).filter(|_| !is_text)
}

/// Which datastore a server keeps under such a path.
pub(crate) fn place(path: &Path) -> Option<Kind> {
    if path.ends_with("member/snap/db") {
        Some(Kind::Etcd)
    } else if path.ends_with("db/state.db") {
        Some(Kind::Sqlite)
    } else {
        None
    }
}

fn magic(head: &[u8]) -> Option<Kind> {
    if head.starts_with(b"SQLite format 3\0") {
        Some(Kind::Sqlite)
    } else if head.get(16..20) == Some(&[0xed, 0xda, 0x0c, 0xed]) {
        // bbolt's mark of a meta page, behind the head of the page.
        Some(Kind::Etcd)
    } else {
        None
    }
}

/// Is it what a database keeps beside itself: a log, a list of locks, raft's own snapshot?
pub fn is_part(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let below = |folder: &str| path.parent().is_some_and(|p| p.ends_with(folder));
    name.ends_with("-wal")
        || name.ends_with("-shm")
        || name.ends_with("-journal")
        || (below("member/wal") && (name.ends_with(".wal") || name.ends_with(".tmp")))
        || (below("member/snap") && name.ends_with(".snap"))
}

/// Does such a part belong to this database?
pub fn belongs(part: &Path, database: &Path) -> bool {
    let member = |p: &Path| p.parent().and_then(Path::parent).map(Path::to_owned);
    let beside = |end: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        part.as_os_str() == name
    };
    beside("-wal")
        || beside("-shm")
        || beside("-journal")
        || (database.ends_with("member/snap/db") && member(part) == member(database))
}

fn one(path: &Path, links: Links, notes: Vec<String>) -> Result<Opened, CollectError> {
    let unreadable = |source| CollectError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let none = |why: &str| CollectError::NoDatastore {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let file = match file::regular(path, links) {
        Err(e) if e.kind() == std::io::ErrorKind::InvalidInput => {
            return Err(none("it is no regular file"));
        }
        opened => opened.map_err(unreadable)?,
    };
    let meta = file.metadata().map_err(unreadable)?;
    let mut head = Vec::new();
    (&file)
        .take(512)
        .read_to_end(&mut head)
        .map_err(unreadable)?;
    let (file, packed) = if head.starts_with(b"PK\x03\x04") {
        (unpacked::zip(path, file)?, Some("zip"))
    } else if head.starts_with(&[0x1f, 0x8b]) {
        (unpacked::gzip(path, file)?, Some("gzip"))
    } else {
        (FileAt::new(file).map_err(unreadable)?, None)
    };
    if packed.is_some() {
        head.clear();
        head.resize(512, 0);
        let n = file.read_some(&mut head).map_err(unreadable)?;
        head.truncate(n);
    }
    let kind = if head.starts_with(b"SQLite format 3\0") {
        Kind::Sqlite
    } else {
        if let Some(what) = foreign(&head) {
            return Err(none(what));
        }
        Kind::Etcd
    };
    let holder = file::holder(&meta, kind);
    let (log, log_left) = match (kind, packed) {
        (Kind::Etcd, None) => log(path),
        _ => MemberLog::default(),
    };
    Ok(Opened {
        path: path.to_owned(),
        log,
        log_left,
        kind,
        file,
        packed,
        holder,
        notes,
    })
}

/// The files of a log by their names, or why they are left out.
type MemberLog = (Vec<(String, FileAt)>, Option<String>);

/// The log of the member whose database this is: `member/wal` beside `member/snap/db`, its files named by their
/// number and first entry (`server/storage/wal/util.go`).
fn log(database: &Path) -> MemberLog {
    // A link to the database leads to the folder in which a member keeps it.
    let real = database.canonicalize();
    let places = [Some(database), real.as_deref().ok()];
    let mut folders = places.into_iter().flatten().filter_map(Path::parent);
    let folder = folders.find(|f| f.ends_with("snap"));
    let Some(folder) = folder.and_then(Path::parent).map(|m| m.join("wal")) else {
        return MemberLog::default();
    };
    let left = |path: &Path, e: std::io::Error| {
        let why = format!("{} can't be read: {e}", path.display());
        (Vec::new(), Some(why))
    };
    let mut names = Vec::new();
    if std::fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_symlink()) {
        return left(&folder, std::io::Error::other(file::LINK));
    }
    match std::fs::read_dir(&folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return MemberLog::default(),
        Err(e) => return left(&folder, e),
        Ok(list) => {
            for entry in list {
                match entry {
                    Ok(entry) => names.extend(entry.file_name().into_string().ok()),
                    Err(e) => return left(&folder, e),
                }
            }
        }
    }
    // etcd passes over what is named otherwise.
    names.retain(|name| {
        name.strip_suffix(".wal")
            .and_then(|n| n.split_once('-'))
            .is_some_and(|(number, entry)| {
                [number, entry]
                    .iter()
                    .all(|n| n.len() == 16 && n.bytes().all(|b| b.is_ascii_hexdigit()))
            })
    });
    names.sort();
    let mut out = Vec::new();
    for name in names {
        let path = folder.join(&name);
        match FileAt::found(&path) {
            Ok(file) => out.push((name, file)),
            Err(e) => return left(&path, e),
        }
    }
    (out, None)
}

/// What a file is that can be no database, in people's words.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let text = head.trim_ascii_start();
    let any = |words: &[&[u8]]| {
        words.iter().any(|w| {
            text.get(..w.len())
                .is_some_and(|t| t.eq_ignore_ascii_case(w))
        })
    };
    if head.is_empty() {
        return Some("it is empty");
    }
    if any(&[b"<!doctype", b"<html", b"<?xml"]) {
        return Some("it is a web page, perhaps the error that came instead of the download");
    }
    if any(&[b"{", b"apiversion:", b"kind:"]) {
        return Some("it is text, not a database");
    }
    None
}
