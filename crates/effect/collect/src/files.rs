//! Files and folders into entries: sorted, links not followed, what can't be read is a gap.
//!
//! Deliberately absent: any trust in names or file times.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use defib_formats::{journal, sniff};
use defib_model::bundle::Seen;
use defib_model::report::Gap;

use crate::archive::{self, BundleFile, Part};
use crate::datastore;
use crate::pieces::{self, Pieces};
use crate::store::{Place, Store};
use crate::unpack::{self, Unpack};
use crate::{Asked, CollectError, Collection, Database};

/// Files that one folder may hold; a hostile tree must not keep us for ever.
const MAX_FILES: usize = 200_000;
/// Depth of folders.
const MAX_DEPTH: usize = 64;
/// Bytes of one file of objects; larger ones are a gap. Other text may be of any length.
const MAX_FILE: u64 = 1 << 31;
/// Bytes that tell whether a file is text.
const HEAD: u64 = 64 << 10;
/// Room for the marks of what is taken out, so that the buffer need not move.
const SPARE: usize = 64 << 10;

/// Takes a file, a folder or a bundle.
///
/// # Errors
/// When the path itself can't be read, is of a kind that is not read yet, or a sink fails.
pub fn tree(collection: &mut Collection<'_>, path: &Path) -> Result<(), CollectError> {
    let unreadable = |source| CollectError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if meta.is_file() {
        if archive::is_bundle(path) {
            return bundle(collection, path);
        }
        let head = head(path);
        if let Some(kind) = datastore::recognise(path, &head) {
            File::open(path).map_err(unreadable)?;
            collection.source(&path.display().to_string(), "datastore", "file");
            let id = path
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default();
            found(collection, id, path.to_owned(), kind);
            collection.seen(Seen::All);
            return Ok(());
        }
        if let Some(kind) = unpack::kind(&head) {
            collection.source(&path.display().to_string(), "archive", "file");
            let name = path
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default();
            let before = collection.bundle.gaps.len();
            let (read, gaps) = foreign(collection, path, kind, &name, "")?;
            // Given by itself, an archive that does not open is an unreadable file.
            let closed = format!("archive {name}");
            let new = collection.bundle.gaps.get(before..).unwrap_or_default();
            if let Some(gap) = new.iter().find(|g| read == 0 && g.what == closed) {
                return Err(CollectError::Archive {
                    path: path.to_owned(),
                    why: gap.why.clone(),
                });
            }
            collection.seen(match (read, gaps) {
                (0, _) => Seen::None,
                (_, 0) => Seen::All,
                _ => Seen::Part,
            });
            return Ok(());
        }
        collection.source(&path.display().to_string(), "file", "file");
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        File::open(path).map_err(unreadable)?;
        match file(collection, &name, path)? {
            Ok(()) => collection.seen(Seen::All),
            Err(why) => {
                let gap = Gap::new(format!("file {name}"), why);
                collection.bundle.gaps.push(gap);
                collection.seen(Seen::None);
            }
        }
        return Ok(());
    }
    if !meta.is_dir() {
        return Err(CollectError::NotYet {
            what: format!("{} (neither a file nor a folder)", path.display()),
        });
    }
    std::fs::read_dir(path).map_err(unreadable)?;
    collection.source(&path.display().to_string(), "directory", "file");
    let mut files = Vec::new();
    let mut gaps = Vec::new();
    walk(path, Path::new(""), 0, &mut files, &mut gaps);
    files.sort();
    let (mut read, mut missed) = (0, gaps.len());
    let mut parts = Vec::new();
    for relative in files {
        let full = path.join(&relative);
        let id = relative.to_string_lossy().into_owned();
        let head = head(&full);
        if let Some(kind) = datastore::recognise(&full, &head) {
            found(collection, id, full, kind);
            read += 1;
            continue;
        }
        if datastore::is_part(&full) && !is_text(&head) {
            parts.push((id, full));
            continue;
        }
        if let Some(kind) = unpack::kind(&head) {
            let below = match kind {
                unpack::Kind::Tar | unpack::Kind::Zip => format!("{id}/"),
                // A packed file stands where it stood.
                _ => id
                    .rsplit_once('/')
                    .map_or(String::new(), |(f, _)| format!("{f}/")),
            };
            let (took, left) = foreign(collection, &full, kind, &id, &below)?;
            read += took;
            missed += left;
            continue;
        }
        match file(collection, &id, &full)? {
            Ok(()) => read += 1,
            Err(why) => {
                gaps.push(Gap::new(format!("file {id}"), why));
                missed += 1;
            }
        }
    }
    // What belongs to a datastore is read with it; without one it is left over.
    for (id, full) in parts {
        if !collection
            .databases
            .iter()
            .any(|d| datastore::belongs(&full, &d.path))
        {
            gaps.push(Gap::new(
                format!("file {id}"),
                "a part of a datastore whose database is not beside it",
            ));
            missed += 1;
        }
    }
    // The order of a folder's entries is the file system's, not ours.
    gaps.sort();
    collection.bundle.gaps.extend(gaps);
    collection.seen(match (read, missed) {
        (0, _) => Seen::None,
        (_, 0) => Seen::All,
        _ => Seen::Part,
    });
    Ok(())
}

/// The bytes that tell what a file is; none where it can't be read.
fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = File::open(path) {
        // What was read before an error tells enough, or nothing.
        let _ = file.take(512).read_to_end(&mut head);
    }
    head
}

/// Notes a datastore for whoever reads what is in it.
fn found(collection: &mut Collection<'_>, id: String, path: PathBuf, kind: datastore::Kind) {
    collection.databases.push(Database {
        id,
        path,
        is_etcd: kind == datastore::Kind::Etcd,
    });
}

/// Takes the files of an archive of another maker; the answer is how many were read and left out.
fn foreign(
    collection: &mut Collection<'_>,
    path: &Path,
    kind: unpack::Kind,
    label: &str,
    below: &str,
) -> Result<(usize, usize), CollectError> {
    let unreadable = |source| CollectError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let (mut read, mut binary) = (0, Vec::new());
    let mut take = |name: &str, raw: Vec<u8>, rest: Option<&mut dyn Read>| {
        if !is_text(&raw) {
            binary.push(Gap::new(format!("file {name}"), sniff::no_text(&raw)));
            return Ok(());
        }
        match rest {
            None => drop(collection.take_whole(name, raw, asked())?),
            Some(rest) => {
                let mut pieces = Pieces::new(raw, rest);
                collection.take_pieces(name, asked(), |held| pieces.more(held), |_| {})?;
                collection.bundle.gaps.extend(pieces.gaps(name, name));
            }
        }
        collection.store.places.push(Place::Packed {
            path: path.to_owned(),
            kind,
            label: label.to_owned(),
            below: below.to_owned(),
            nth: read,
        });
        read += 1;
        Ok(())
    };
    let mut reader = Unpack::new(size, &mut take);
    reader.archive(kind, file, label, below, 0)?;
    let mut gaps = reader.gaps;
    gaps.extend(binary);
    let left = gaps.len();
    collection.bundle.gaps.extend(gaps);
    Ok((read, left))
}

/// Text, also in UTF-16 with its mark.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let head = bytes
        .get(..bytes.len().min(HEAD as usize))
        .unwrap_or_default();
    sniff::looks(head) != sniff::Looks::Binary || wide(head) || journal::is_export(head)
}

/// Takes one file in, and remembers where it can be read again. The answer is why it could not be read.
fn file(
    collection: &mut Collection<'_>,
    id: &str,
    path: &Path,
) -> Result<Result<(), String>, CollectError> {
    let (mut input, head) = match open(path) {
        Ok(opened) => opened,
        Err(why) => return Ok(Err(why)),
    };
    if !pieces::wanted(&head) {
        return match rest(input, head) {
            Ok(raw) => {
                collection.take_whole(id, raw, asked())?;
                let blake3 = collection.bundle.entries.last().map(|e| e.blake3.clone());
                collection.store.places.push(Place::File {
                    path: path.to_owned(),
                    blake3: blake3.unwrap_or_default(),
                });
                Ok(Ok(()))
            }
            Err(why) => Ok(Err(why)),
        };
    }
    let mut pieces = Pieces::new(head, &mut input);
    let mut blake3 = String::new();
    collection.take_pieces(
        id,
        asked(),
        |held| pieces.more(held),
        |first| blake3 = blake3::hash(first).to_hex().to_string(),
    )?;
    collection.store.places.push(Place::Large {
        path: path.to_owned(),
        blake3,
    });
    let gaps = pieces.gaps(id, &format!("the end of {id}"));
    collection.bundle.gaps.extend(gaps);
    Ok(Ok(()))
}

fn asked() -> Asked {
    Asked {
        probe: "file",
        ..Asked::default()
    }
}

/// A text file, and as much of it as is held at once. What is no text is not taken along: secrets can't be
/// found in it.
pub(crate) fn open(path: &Path) -> Result<(File, Vec<u8>), String> {
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let meta = file.metadata().map_err(|e| e.to_string())?;
    if !meta.is_file() {
        return Err("not a file any more".to_owned());
    }
    let mut head = Vec::new();
    (&mut file)
        .take(HEAD)
        .read_to_end(&mut head)
        .map_err(|e| e.to_string())?;
    if !is_text(&head) {
        return Err(sniff::no_text(&head));
    }
    let more = meta.len().min(pieces::HELD).saturating_sub(HEAD);
    head.reserve_exact(more as usize + SPARE);
    (&mut file)
        .take(pieces::HELD - HEAD)
        .read_to_end(&mut head)
        .map_err(|e| e.to_string())?;
    Ok((file, head))
}

/// The whole file.
fn rest(mut file: File, mut out: Vec<u8>) -> Result<Vec<u8>, String> {
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    if length > MAX_FILE {
        return Err(format!(
            "{} MiB of objects: too large to be read at once",
            length >> 20
        ));
    }
    out.reserve_exact((length as usize).saturating_sub(out.len()) + SPARE);
    (&mut file)
        .take(MAX_FILE)
        .read_to_end(&mut out)
        .map_err(|e| e.to_string())?;
    Ok(out)
}

/// UTF-16 with its mark, as PowerShell writes it: text in spite of its zeros.
fn wide(head: &[u8]) -> bool {
    matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
}

fn walk(root: &Path, relative: &Path, depth: usize, files: &mut Vec<PathBuf>, gaps: &mut Vec<Gap>) {
    let here = root.join(relative);
    let shown = || relative.display().to_string();
    if depth > MAX_DEPTH {
        gaps.push(Gap::new(
            format!("folder {}", shown()),
            format!("more than {MAX_DEPTH} folders deep"),
        ));
        return;
    }
    let entries = match std::fs::read_dir(&here) {
        Ok(entries) => entries,
        Err(e) => {
            gaps.push(Gap::new(format!("folder {}", shown()), e.to_string()));
            return;
        }
    };
    for entry in entries {
        let Ok(entry) = entry else { continue };
        let path = relative.join(entry.file_name());
        if files.len() >= MAX_FILES {
            gaps.push(Gap::new(
                format!("files from {} on", path.display()),
                format!("more than {MAX_FILES} files"),
            ));
            return;
        }
        match entry.file_type() {
            Ok(t) if t.is_dir() => walk(root, &path, depth + 1, files, gaps),
            Ok(t) if t.is_file() => files.push(path),
            Ok(t) if t.is_symlink() => {
                gaps.push(Gap::new(
                    format!("file {}", path.display()),
                    "a symbolic link; links are not followed",
                ));
            }
            Ok(_) => gaps.push(Gap::new(
                format!("file {}", path.display()),
                "neither a file nor a folder",
            )),
            Err(e) => gaps.push(Gap::new(format!("file {}", path.display()), e.to_string())),
        }
    }
}

/// Takes what comes on standard input.
///
/// # Errors
/// When it can't be read, or a sink fails.
pub fn stdin(collection: &mut Collection<'_>, input: &mut dyn Read) -> Result<(), CollectError> {
    collection.source("-", "stdin", "file");
    let unreadable = |source| CollectError::Unreadable {
        path: PathBuf::from("-"),
        source,
    };
    let mut raw = Vec::new();
    (&mut *input)
        .take(pieces::HELD)
        .read_to_end(&mut raw)
        .map_err(unreadable)?;
    if pieces::wanted(&raw) && is_text(&raw) {
        let mut pieces = Pieces::new(raw, input);
        // Only what is printed is quoted again, and that stands in the first piece.
        let mut first = Store::default();
        collection.take_pieces(
            "stdin",
            asked(),
            |held| pieces.more(held),
            |piece| first.keep(piece),
        )?;
        collection.store.places.append(&mut first.places);
        let gaps = pieces.gaps("standard input", "the end of standard input");
        let whole = gaps.is_empty();
        collection.bundle.gaps.extend(gaps);
        collection.seen(if whole { Seen::All } else { Seen::Part });
        return Ok(());
    }
    input
        .take(MAX_FILE)
        .read_to_end(&mut raw)
        .map_err(unreadable)?;
    if let Some(kind) = unpack::kind(raw.get(..raw.len().min(512)).unwrap_or_default()) {
        return packed_stdin(collection, kind, raw);
    }
    if !is_text(&raw) {
        collection
            .bundle
            .gaps
            .push(Gap::new("standard input", sniff::no_text(&raw)));
        return Ok(());
    }
    let empty = raw.is_empty();
    let clean = collection.take_whole("stdin", raw, asked())?;
    collection.store.keep(&clean);
    collection.seen(if empty { Seen::None } else { Seen::All });
    Ok(())
}

/// An archive on standard input. What can't be read again is kept, packed.
fn packed_stdin(
    collection: &mut Collection<'_>,
    kind: unpack::Kind,
    raw: Vec<u8>,
) -> Result<(), CollectError> {
    let (size, mut read, mut binary) = (raw.len() as u64, 0, Vec::new());
    let mut take = |name: &str, raw: Vec<u8>, rest: Option<&mut dyn Read>| {
        if !is_text(&raw) {
            binary.push(Gap::new(format!("file {name}"), sniff::no_text(&raw)));
            return Ok::<(), CollectError>(());
        }
        match rest {
            None => {
                let clean = collection.take_whole(name, raw, asked())?;
                collection.store.keep(&clean);
            }
            Some(rest) => {
                let mut pieces = Pieces::new(raw, rest);
                let mut first = Store::default();
                collection.take_pieces(
                    name,
                    asked(),
                    |held| pieces.more(held),
                    |piece| first.keep(piece),
                )?;
                collection.store.places.append(&mut first.places);
                collection.bundle.gaps.extend(pieces.gaps(name, name));
            }
        }
        read += 1;
        Ok(())
    };
    let mut reader = Unpack::new(size, &mut take);
    reader.archive(kind, std::io::Cursor::new(raw), "stdin", "", 0)?;
    let mut gaps = reader.gaps;
    gaps.extend(binary);
    let left = gaps.len();
    collection.bundle.gaps.extend(gaps);
    collection.seen(match (read, left) {
        (0, _) => Seen::None,
        (_, 0) => Seen::All,
        _ => Seen::Part,
    });
    Ok(())
}

/// Takes the entries of a bundle: they are clean already, and keep their own manifest lines.
fn bundle(collection: &mut Collection<'_>, path: &Path) -> Result<(), CollectError> {
    let file = BundleFile::open(path)?;
    let offset = collection.bundle.sources.len();
    let rename = |id: &str| {
        let number: usize = id.trim_start_matches('s').parse().unwrap_or(1);
        format!("s{}", number + offset)
    };
    for mut source in file.manifest.sources.clone() {
        source.id = rename(&source.id);
        collection.bundle.sources.push(source);
    }
    collection.bundle.gaps.extend(file.manifest.gaps.clone());
    collection
        .bundle
        .clocks
        .extend(file.manifest.clocks.clone());
    let broken = file.each(|entry, part| {
        let mut entry = entry.clone();
        entry.source = rename(&entry.source);
        if matches!(part, Part::Whole(_) | Part::Open) {
            let place = Place::Archive(path.to_owned());
            collection.store.places.push(place);
        }
        collection.forward_part(entry, &part)
    })?;
    collection.bundle.gaps.extend(broken);
    Ok(())
}
