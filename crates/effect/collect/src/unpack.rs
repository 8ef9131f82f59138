//! Archives of other makers, read as streams: tar, gzip, zstd, zip, and archives inside of them.
//!
//! Nothing is written to disk, and no name of an archive is ever used as a path: an entry is bytes with a
//! label. Everything in an archive is hostile: number, size, depth and ratio have caps, and what is left
//! out is a gap. Deliberately absent: our own bundle (`archive`), and passwords.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Component, Path};
use std::rc::Rc;

use defib_model::report::Gap;

use crate::{pieces, wrapped};

/// Entries of one archive.
const MAX_ENTRIES: u64 = 200_000;
/// Bytes of one entry of objects, or of an archive in an archive, that are read; a longer one is cut.
/// Other text may be of any length.
const MAX_ENTRY: u64 = 128 << 20;
/// Bytes that one archive may unpack to, all levels together.
const MAX_TOTAL: u64 = 8 << 30;
/// How many times its packed size an archive may unpack to, once it is large.
const MAX_RATIO: u64 = 2_000;
/// From this size on the ratio counts: small texts of one character pack well.
const LARGE: u64 = 256 << 20;
/// Archives in archives.
const MAX_DEPTH: usize = 4;

/// What kind of archive some bytes begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Tar,
    Gzip,
    Zstd,
    Zip,
    /// An archive of another kind, as base64.
    Wrapped,
}

/// Tells the kind from the first bytes (512 are enough).
pub(crate) fn kind(head: &[u8]) -> Option<Kind> {
    bare(head).or_else(|| {
        let inner = bare(&wrapped::head(head)?);
        inner.and(Some(Kind::Wrapped))
    })
}

/// Tells the kind of what is not wrapped.
fn bare(head: &[u8]) -> Option<Kind> {
    Some(if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Kind::Zstd
    } else if head.starts_with(&[0x1f, 0x8b]) {
        Kind::Gzip
    } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Kind::Zip
    } else if head.get(257..262) == Some(b"ustar") {
        Kind::Tar
    } else {
        return None;
    })
}

/// Takes the entries: label, bytes, and what is behind them where that is too much to be held. An error
/// ends the reading.
pub(crate) type Each<'e, E> = dyn FnMut(&str, Vec<u8>, Option<&mut dyn Read>) -> Result<(), E> + 'e;

/// An entry as it unpacks: how much it was, and never more than it may be.
struct Counted<R> {
    input: R,
    read: u64,
    room: u64,
    failed: Option<std::io::Error>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.read >= self.room || self.failed.is_some() {
            return Ok(0);
        }
        match self.input.read(into) {
            Ok(n) => {
                self.read += n as u64;
                Ok(n)
            }
            // What came before it is read all the same.
            Err(e) if e.kind() != std::io::ErrorKind::Interrupted => {
                self.failed = Some(e);
                Ok(0)
            }
            Err(e) => Err(e),
        }
    }
}

/// A packed stream as it unpacks, with what nobody reads: data of folders and links, and what stands behind
/// the last file. It has no end of its own.
struct Metered<R> {
    input: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(std::io::Error::other("it unpacks to too much"));
        }
        let most = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.input.read(into.get_mut(..most).unwrap_or_default())?;
        self.left.set(left - read as u64);
        Ok(read)
    }
}

/// An archive being read.
pub(crate) struct Unpack<'e, E> {
    /// What was left out.
    pub gaps: Vec<Gap>,
    packed: u64,
    total: u64,
    entries: u64,
    full: bool,
    /// Bytes that packed streams may still unpack to, whether anybody reads them or not.
    left: Rc<Cell<u64>>,
    each: &'e mut Each<'e, E>,
}

impl<'e, E> Unpack<'e, E> {
    /// A reader of an archive of so many bytes.
    pub fn new(packed: u64, each: &'e mut Each<'e, E>) -> Self {
        let mut new = Self {
            gaps: Vec::new(),
            packed: packed.max(1),
            total: 0,
            entries: 0,
            full: false,
            left: Rc::default(),
            each,
        };
        // A byte of the innermost archive passes through every level around it.
        new.left = Rc::new(Cell::new(new.may() * (MAX_DEPTH as u64 + 2)));
        new
    }

    /// Bytes that all entries together may have.
    fn may(&self) -> u64 {
        MAX_TOTAL.min(LARGE.max(self.packed.saturating_mul(MAX_RATIO)))
    }

    fn gap(&mut self, what: String, why: impl Into<String>) {
        // A hostile archive must not fill the report either.
        if self.gaps.len() < 200 {
            self.gaps.push(Gap::new(what, why.into()));
        }
    }

    /// Reads an archive. `label` is its own; the labels of its entries stand below `below`.
    ///
    /// # Errors
    /// Only those of `each`.
    pub fn archive<R: Read + Seek>(
        &mut self,
        kind: Kind,
        input: R,
        label: &str,
        below: &str,
        depth: usize,
    ) -> Result<(), E> {
        match kind {
            Kind::Zip => self.zip(input, label, below, depth),
            Kind::Tar => self.tar(input, label, below, depth).map(drop),
            Kind::Wrapped => {
                let decoder = wrapped::Unwrapped::new(BufReader::new(input));
                self.packed_one(decoder, label, below, ".b64", depth)
            }
            Kind::Gzip => {
                let decoder = flate2::read::MultiGzDecoder::new(BufReader::new(input));
                self.packed_one(decoder, label, below, ".gz", depth)
            }
            Kind::Zstd => match zstd::Decoder::new(input) {
                Ok(decoder) => self.packed_one(decoder, label, below, ".zst", depth),
                Err(e) => {
                    self.gap(format!("archive {label}"), e.to_string());
                    Ok(())
                }
            },
        }
    }

    /// A packed stream: a tar archive, or one file.
    fn packed_one<R: Read>(
        &mut self,
        decoder: R,
        label: &str,
        below: &str,
        ending: &str,
        depth: usize,
    ) -> Result<(), E> {
        let mut decoder = Metered {
            input: decoder,
            left: Rc::clone(&self.left),
        };
        let mut head = Vec::new();
        if let Err(e) = (&mut decoder).take(512).read_to_end(&mut head)
            && head.is_empty()
        {
            self.gap(
                format!("archive {label}"),
                format!("damaged or cut off: {e}"),
            );
            return Ok(());
        }
        let inner = kind(&head);
        let mut rest = Cursor::new(head).chain(decoder);
        if inner == Some(Kind::Tar) {
            if self.tar(&mut rest, label, below, depth)? {
                self.end(rest, label);
            }
            return Ok(());
        }
        let name = label.strip_suffix(ending).unwrap_or(label);
        let name = name.rsplit('/').next().unwrap_or(name);
        self.entry(rest, &format!("{below}{name}"), depth)
    }

    /// Reads on behind the last file: the checksum of all of it stands there.
    fn end<R: Read>(&mut self, rest: R, label: &str) {
        if let Err(e) = std::io::copy(&mut rest.take(MAX_ENTRY), &mut std::io::sink()) {
            self.gap(
                format!("the end of {label}"),
                format!(
                    "what stands behind its last file is damaged, so what was read of it may be: {e}"
                ),
            );
        }
    }

    /// The files of a tar archive; true when it was read to its end.
    fn tar<R: Read>(
        &mut self,
        input: R,
        label: &str,
        below: &str,
        depth: usize,
    ) -> Result<bool, E> {
        let mut archive = tar::Archive::new(input);
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(e) => {
                self.gap(format!("archive {label}"), e.to_string());
                return Ok(false);
            }
        };
        let mut names = BTreeSet::new();
        let mut links = Vec::new();
        for entry in entries {
            if self.full {
                return Ok(false);
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => {
                    // Its words may quote the archive, from which nothing was taken out yet.
                    let why = e.to_string();
                    let why = why.split(':').next().unwrap_or_default();
                    self.gap(
                        format!("the rest of {label}"),
                        format!("the archive is damaged or cut off: {why}"),
                    );
                    self.links(&names, links, below);
                    return Ok(false);
                }
            };
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let kind = entry.header().entry_type();
            if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
                continue;
            }
            if !kind.is_file() && !kind.is_contiguous() && !kind.is_gnu_sparse() {
                if kind.is_symlink() || kind.is_hard_link() {
                    if self.one_more(&name) {
                        return Ok(false);
                    }
                    let target = entry.link_name_bytes().unwrap_or_default();
                    let target = String::from_utf8_lossy(&target).into_owned();
                    let folder = if kind.is_symlink() { name.as_str() } else { "" };
                    links.push((inside(folder, &target), name));
                } else {
                    self.gap(
                        format!("{below}{}", shown(&name)),
                        "neither a file nor a folder",
                    );
                }
                continue;
            }
            names.extend(self.file(entry, &name, below, depth)?);
        }
        self.links(&names, links, below);
        Ok(true)
    }

    /// What a link leads to is read where it stands; one that leads elsewhere is a gap.
    fn links(
        &mut self,
        names: &BTreeSet<String>,
        links: Vec<(Option<String>, String)>,
        below: &str,
    ) {
        for (target, name) in links {
            let held = target.is_some_and(|t| {
                let within = format!("{t}/");
                names.contains(&t)
                    || names
                        .range(within.clone()..)
                        .next()
                        .is_some_and(|n| n.starts_with(&within))
            });
            if !held {
                self.gap(
                    format!("{below}{}", shown(&name)),
                    "a link; links are not followed",
                );
            }
        }
    }

    fn zip<R: Read + Seek>(
        &mut self,
        mut input: R,
        label: &str,
        below: &str,
        depth: usize,
    ) -> Result<(), E> {
        let why = match zip::ZipArchive::new(BufReader::new(&mut input)) {
            Ok(archive) => return self.zip_files(archive, label, below, depth),
            Err(e) => e.to_string(),
        };
        self.gap(
            format!("archive {label}"),
            format!("the archive is damaged or cut off: {why}"),
        );
        match input.rewind() {
            Ok(()) => self.zip_stream(BufReader::new(input), label, below, depth),
            Err(_) => Ok(()),
        }
    }

    /// The files that the directory at the end of a zip archive names.
    fn zip_files<R: Read + Seek>(
        &mut self,
        mut archive: zip::ZipArchive<R>,
        label: &str,
        below: &str,
        depth: usize,
    ) -> Result<(), E> {
        for i in 0..archive.len() {
            if self.full {
                break;
            }
            // Its name is known also where it can't be opened: a password is asked for later.
            let name = archive.name_for_index(i).and_then(Result::ok);
            let name = name.as_deref().map(shown);
            match archive.by_index(i) {
                Ok(file) => self.zip_file(file, &format!("entry {i} of {label}"), below, depth)?,
                Err(e) => {
                    let name = name.map_or(format!("entry {i}"), |n| format!("{below}{n}"));
                    self.gap(format!("{name} in {label}"), e.to_string());
                }
            }
        }
        Ok(())
    }

    /// The files of a zip archive without its directory, as far as they stand one behind the other.
    fn zip_stream<R: Read>(
        &mut self,
        mut input: R,
        label: &str,
        below: &str,
        depth: usize,
    ) -> Result<(), E> {
        let mut at = 0;
        while !self.full {
            match zip::read::read_zipfile_from_stream(&mut input) {
                Ok(Some(file)) => {
                    self.zip_file(file, &format!("entry {at} of {label}"), below, depth)?;
                }
                Ok(None) => break,
                Err(e) => {
                    self.gap(
                        format!("the rest of {label}"),
                        format!("the archive is damaged or cut off: {e}"),
                    );
                    break;
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// One file of a zip archive; `place` says which.
    fn zip_file<R: Read>(
        &mut self,
        file: zip::read::ZipFile<'_, R>,
        place: &str,
        below: &str,
        depth: usize,
    ) -> Result<(), E> {
        if file.is_dir() {
            return Ok(());
        }
        let name = match file.name() {
            Ok(name) => name.replace('\\', "/"),
            Err(e) => {
                self.gap(place.to_owned(), e.to_string());
                return Ok(());
            }
        };
        if file.is_symlink() {
            self.gap(
                format!("{below}{}", shown(&name)),
                "a link; links are not followed",
            );
            return Ok(());
        }
        self.file(file, &name, below, depth).map(drop)
    }

    /// The file of this name, which is given back if it stays inside.
    fn file<R: Read>(
        &mut self,
        input: R,
        name: &str,
        below: &str,
        depth: usize,
    ) -> Result<Option<String>, E> {
        let inside = safe(name);
        match &inside {
            Some(name) => self.entry(input, &format!("{below}{name}"), depth)?,
            None => self.gap(
                format!("{below}{}", shown(name)),
                "its name leads out of the archive; it was not read",
            ),
        }
        Ok(inside)
    }

    /// Counts one; is it too many?
    fn one_more(&mut self, name: &str) -> bool {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            self.gap(
                format!("{} and all after it", shown(name)),
                format!("more than {MAX_ENTRIES} files"),
            );
            self.full = true;
        }
        self.full
    }

    /// One file: an archive again, or bytes.
    fn entry<R: Read>(&mut self, input: R, name: &str, depth: usize) -> Result<(), E> {
        if self.one_more(name) {
            return Ok(());
        }
        let may = self.may();
        let mut input = Counted {
            input,
            read: 0,
            room: (may + 1).saturating_sub(self.total),
            failed: None,
        };
        let mut bytes = Vec::new();
        // Its own errors are kept in it.
        let _ = (&mut input).take(pieces::HELD).read_to_end(&mut bytes);
        let large = pieces::wanted(&bytes);
        if large {
            let head = std::mem::take(&mut bytes);
            (self.each)(name, head, Some(&mut input))?;
        } else {
            let more = (MAX_ENTRY + 1).saturating_sub(bytes.len() as u64);
            let _ = (&mut input).take(more).read_to_end(&mut bytes);
        }
        self.total += input.read;
        if self.total > may {
            self.gap(
                format!("{} and all after it", shown(name)),
                format!("the archive unpacks to more than {} MiB", may >> 20),
            );
            self.full = true;
            return Ok(());
        }
        if let Some(e) = input.failed {
            self.gap(
                format!("the end of {}", shown(name)),
                format!("damaged or cut off: {e}"),
            );
        }
        if large {
            return Ok(());
        }
        if bytes.len() as u64 > MAX_ENTRY {
            bytes.truncate(MAX_ENTRY as usize);
            self.gap(
                format!("the end of {}", shown(name)),
                format!("only its first {} MiB were read", MAX_ENTRY >> 20),
            );
        }
        if let Some(kind) = kind(bytes.get(..bytes.len().min(512)).unwrap_or_default()) {
            if depth >= MAX_DEPTH {
                self.gap(
                    format!("archive {}", shown(name)),
                    format!("more than {MAX_DEPTH} archives deep"),
                );
                return Ok(());
            }
            let below = match kind {
                // A packed file takes the place of its archive; the files of one stand below it.
                Kind::Gzip | Kind::Zstd if !is_tar(name) => name
                    .rsplit_once('/')
                    .map_or(String::new(), |(f, _)| format!("{f}/")),
                _ => format!("{name}/"),
            };
            return self.archive(kind, Cursor::new(bytes), name, &below, depth + 1);
        }
        (self.each)(name, bytes, None)
    }
}

/// Names of packed tar archives.
fn is_tar(name: &str) -> bool {
    [".tgz", ".tar.gz", ".tzst", ".tar.zst"]
        .iter()
        .any(|e| name.ends_with(e))
}

/// A name from an archive, for messages.
fn shown(name: &str) -> String {
    name.chars().take(200).collect()
}

/// The name as a label, if it stays inside: no root, no way up, nothing but names.
fn safe(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(p) => parts.push(p.to_string_lossy().into_owned()),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!parts.is_empty() && parts.len() < 64).then(|| parts.join("/"))
}

/// Where the link of this name leads, if it stays inside.
fn inside(name: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = name
        .split('/')
        .filter(|p| !matches!(*p, "" | "."))
        .collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            "" if !target.starts_with('/') => {}
            ".." => drop(parts.pop()?),
            "" => return None,
            part => parts.push(part),
        }
    }
    safe(&parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_counts_too() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_path("d/").unwrap();
        header.set_size(3 << 30);
        header.set_cksum();
        let mut packed = Vec::new();
        let endless = header.as_bytes().chain(std::io::repeat(0).take(3 << 30));
        zstd::stream::copy_encode(endless, &mut packed, 1).unwrap();
        let mut each = |_: &str, _: Vec<u8>, _: Option<&mut dyn Read>| Ok::<(), ()>(());
        let mut unpack = Unpack::new(packed.len() as u64 / 1000, &mut each);
        let read = unpack.archive(Kind::Zstd, Cursor::new(packed), "a.tar.zst", "", 0);
        assert_eq!(read, Ok(()));
        let told = &unpack.gaps[0];
        assert_eq!(told.what, "the rest of a.tar.zst");
        assert_eq!(unpack.left.get(), 0, "it stops where too much was unpacked");
    }

    #[test]
    fn links_lead_somewhere() {
        let lead = |name, target| inside(name, target);
        assert_eq!(
            lead("b/logs/a.log", "../pods/x.log").as_deref(),
            Some("b/pods/x.log")
        );
        assert_eq!(lead("", "./b/pods/x.log").as_deref(), Some("b/pods/x.log"));
        assert_eq!(lead("b/a.log", "../../x"), None);
        assert_eq!(lead("b/a.log", "/etc/passwd"), None);
    }

    #[test]
    fn names_stay_inside() {
        assert_eq!(safe("./a/b.log").as_deref(), Some("a/b.log"));
        for bad in ["/etc/passwd", "../x", "a/../../x", "", "."] {
            assert_eq!(safe(bad), None, "{bad}");
        }
    }
}
