//! From the root to every page that can be reached, each once.
//!
//! Two steps: branches first, which gives the leaves of a bucket in the order of their keys, then the leaves,
//! which may be read by several threads. A page that is reached twice, a key out of order, an element beyond
//! its page: each is noted and left out. Deliberately absent: recursion, whose depth a hostile file decides.

use std::ops::Range;

use super::page::Leaf;
use super::{Damage, Database, HEADER, Kind, LARGEST, Page};
use crate::bytes::u64_le;
use crate::read_at::ReadAt;

/// Pages that may lie above each other; a tree of billions of keys needs fewer than ten.
const DEPTH: usize = 64;
/// Damages that are kept; a broken file need not list every page.
const KEPT: usize = 100;
/// Pages of a file at most: one bit of memory each.
const MOST: u64 = 1 << 29;
/// Bytes read at once where one page follows the other.
const AHEAD: usize = 256 << 10;

/// A bucket, as far as its branches say.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Its name.
    pub name: Vec<u8>,
    /// Its leaves in the order of their keys.
    leaves: Vec<Stem>,
    /// The separating keys, one behind the other.
    keys: Vec<u8>,
    /// A small bucket stands inside of another's leaf.
    inline: Option<Inline>,
}

#[derive(Clone, Debug)]
struct Inline {
    bytes: Vec<u8>,
    offset: u64,
}

/// A leaf that a branch names.
#[derive(Clone, Copy, Debug)]
struct Stem {
    page: u64,
    /// Where the least key that may stand in it ends in `keys`; it begins where the one before ends.
    key: usize,
}

/// One pair of a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'b> {
    /// The key.
    pub key: &'b [u8],
    /// The value.
    pub value: &'b [u8],
    /// Where the value stands in the file.
    pub offset: u64,
}

/// What a walk finds.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// Pages that were reached, with those that overflow from them.
    pub pages: u64,
    /// What does not hold, at most a hundred.
    pub damage: Vec<Damage>,
    /// How many there are in all.
    pub damages: u64,
}

impl Walked {
    /// Notes that something does not hold.
    pub fn note(&mut self, offset: u64, what: impl Into<String>) {
        self.damages += 1;
        if self.damage.len() < KEPT {
            let what = what.into();
            self.damage.push(Damage { offset, what });
        }
    }

    /// Adds what another part of the same walk found.
    pub fn absorb(&mut self, other: Self) {
        self.pages += other.pages;
        self.damages += other.damages;
        let room = KEPT.saturating_sub(self.damage.len());
        self.damage.extend(other.damage.into_iter().take(room));
    }
}

/// A walk: the buckets of a database.
pub struct Walk {
    /// All buckets at the root, in the order of their names.
    pub buckets: Vec<Bucket>,
    /// What was found on the way to the leaves.
    pub walked: Walked,
    /// Which pages were reached.
    pub seen: Seen,
}

/// Which pages were reached, but for those that overflow from leaves.
pub struct Seen(Vec<u64>);

impl Seen {
    /// Was it reached?
    fn has(&self, page: u64) -> bool {
        usize::try_from(page / 64)
            .ok()
            .and_then(|i| self.0.get(i))
            .is_some_and(|word| word & (1 << (page % 64)) != 0)
    }

    /// Marks a page; false when it was marked before, or is none.
    fn mark(&mut self, page: u64) -> bool {
        let Some(word) = usize::try_from(page / 64)
            .ok()
            .and_then(|i| self.0.get_mut(i))
        else {
            return false;
        };
        let bit = 1 << (page % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }
}

impl Walk {
    /// Walks the branches of all buckets.
    pub(super) fn new<R: ReadAt>(of: &Database<R>) -> Self {
        let pages = of.pages().min(MOST);
        let words = usize::try_from(pages.div_ceil(64)).unwrap_or(0);
        let mut walk = Self {
            buckets: Vec::new(),
            walked: Walked::default(),
            seen: Seen(vec![0; words]),
        };
        // The two meta pages belong to nobody.
        walk.seen.mark(0);
        walk.seen.mark(1);
        walk.heads(of);
        let mut root = Bucket::default();
        walk.branches(of, of.meta().root, &mut root);
        let mut roots: Vec<(Vec<u8>, Vec<u8>, u64)> = Vec::new();
        let mut walked = Walked::default();
        let all = root.parts(1).pop().unwrap_or(0..0);
        walked.absorb(
            root.leaves(of, &walk.seen, all, |entry, is_bucket, walked| {
                if is_bucket {
                    roots.push((entry.key.to_vec(), entry.value.to_vec(), entry.offset));
                } else {
                    walked.note(entry.offset, "a value stands among the buckets");
                }
            }),
        );
        for (name, head, offset) in roots {
            let mut bucket = Bucket {
                name,
                ..Bucket::default()
            };
            match (u64_le(&head, 0), head.get(HEADER..)) {
                (Some(0), Some(page)) => {
                    bucket.inline = Some(Inline {
                        bytes: page.to_vec(),
                        offset: offset + HEADER as u64,
                    });
                }
                (Some(page), Some(_)) => walk.branches(of, page, &mut bucket),
                _ => walk
                    .walked
                    .note(offset, "the head of a bucket is too short"),
            }
            walk.buckets.push(bucket);
        }
        walk.walked.absorb(walked);
        walk
    }

    /// The heads of the two meta pages, which no sum covers; bbolt does not go on where they are wrong.
    fn heads<R: ReadAt>(&mut self, of: &Database<R>) {
        let size = u64::from(of.meta().page_size);
        for id in 0..2 {
            let mut head = [0; HEADER];
            // One that can't be read is noted where the meta pages are.
            if of.source().read_at(id * size, &mut head).is_err() {
                continue;
            }
            let holds =
                Page::new(&head).is_some_and(|p| p.id == id && p.kind() == Some(Kind::Meta));
            if !holds {
                let what = format!("page {id} does not say that it is a meta page");
                self.walked.note(id * size, what);
            }
        }
    }

    /// The bucket of this name.
    pub fn bucket(&self, name: &[u8]) -> Option<&Bucket> {
        self.buckets.iter().find(|b| b.name == name)
    }

    /// The leaves below a page, into the bucket.
    ///
    /// All leaves of a tree are equally deep, so of the pages below a branch only the first is looked at: is it a
    /// leaf, they all are, or turn out not to be when they are read.
    fn branches<R: ReadAt>(&mut self, of: &Database<R>, root: u64, bucket: &mut Bucket) {
        let mut window = Window::new(of);
        let root_is_leaf = match window.page(root) {
            Ok(page) => page.kind() == Some(Kind::Leaf),
            Err(what) => {
                self.walked.note(window.offset(root), what);
                return;
            }
        };
        if root_is_leaf {
            if self.seen.mark(root) {
                bucket.add(root, &[]);
            } else {
                self.twice(root, window.offset(root));
            }
            return;
        }
        // What is still to be visited, the least last: page, depth, and the least key that may stand there.
        let mut open: Vec<(u64, usize, Vec<u8>)> = vec![(root, 0, Vec::new())];
        while let Some((id, depth, least)) = open.pop() {
            let offset = window.offset(id);
            if depth >= DEPTH {
                self.walked.note(offset, "the tree is deeper than any");
                continue;
            }
            let from = open.len();
            let mut below: Vec<(u64, usize, Vec<u8>)> = Vec::new();
            match window.page(id) {
                Ok(page) => {
                    let mut fresh = true;
                    for n in 0..=u64::from(page.overflow) {
                        fresh &= self.seen.mark(id + n);
                    }
                    if !fresh {
                        self.twice(id, offset);
                        continue;
                    }
                    self.walked.pages += 1 + u64::from(page.overflow);
                    if page.kind() != Some(Kind::Branch) {
                        let what = format!("page {id} is no branch (flags {:#x})", page.flags);
                        self.walked.note(offset, what);
                        continue;
                    }
                    if page.count == 0 {
                        self.walked
                            .note(offset, format!("branch {id} has no elements"));
                    }
                    for n in 0..page.count {
                        let Some((key, child)) = page.branch(n) else {
                            self.walked.note(
                                offset,
                                format!("branch {id}: element {n} lies outside of it"),
                            );
                            continue;
                        };
                        if below.last().is_some_and(|(_, _, k)| k.as_slice() >= key) {
                            self.walked
                                .note(offset, format!("branch {id}: keys are not in order"));
                        }
                        // The least key of a tree's first leaf is whatever stands there.
                        let key = if n == 0 { least.as_slice() } else { key };
                        below.push((child, depth + 1, key.to_vec()));
                    }
                }
                Err(what) => {
                    self.walked.note(offset, what);
                    continue;
                }
            }
            let leaves = below
                .iter()
                .find_map(|(child, _, _)| window.page(*child).ok().map(|p| p.kind()))
                == Some(Some(Kind::Leaf));
            if !leaves {
                open.extend(below);
                if let Some(new) = open.get_mut(from..) {
                    new.reverse();
                }
                continue;
            }
            for (child, _, key) in below {
                if self.seen.mark(child) {
                    bucket.add(child, &key);
                } else {
                    self.twice(child, window.offset(child));
                }
            }
        }
    }

    fn twice(&mut self, id: u64, offset: u64) {
        self.walked.note(
            offset,
            format!("page {id} is reached twice, or lies beyond the file"),
        );
    }
}

impl Bucket {
    fn add(&mut self, page: u64, least: &[u8]) {
        self.keys.extend_from_slice(least);
        self.leaves.push(Stem {
            page,
            key: self.keys.len(),
        });
    }

    /// Its leaves in at most `n` ranges of about the same length, in the order of their keys.
    pub fn parts(&self, n: usize) -> Vec<Range<usize>> {
        let all = self.leaves.len().max(usize::from(self.inline.is_some()));
        let each = all.div_ceil(n.max(1)).max(1);
        (0..all)
            .step_by(each)
            .map(|start| start..(start + each).min(all))
            .collect()
    }

    /// Every pair of some of its leaves: what it is, and whether it is a bucket.
    pub fn leaves<R: ReadAt>(
        &self,
        of: &Database<R>,
        seen: &Seen,
        part: Range<usize>,
        mut each: impl FnMut(Entry<'_>, bool, &mut Walked),
    ) -> Walked {
        let mut walked = Walked::default();
        let mut last = Vec::new();
        if let Some(inline) = &self.inline {
            if part.contains(&0) {
                match Page::new(&inline.bytes).filter(|p| p.kind() == Some(Kind::Leaf)) {
                    Some(page) => {
                        let bounds = (&[][..], None);
                        pairs(
                            &page,
                            inline.offset,
                            bounds,
                            &mut last,
                            &mut walked,
                            &mut each,
                        );
                    }
                    None => walked.note(inline.offset, "a bucket inside of a leaf is damaged"),
                }
            }
            return walked;
        }
        let mut window = Window::new(of);
        for n in part {
            let Some(stem) = self.leaves.get(n) else {
                break;
            };
            let offset = window.offset(stem.page);
            match window.page(stem.page) {
                Ok(page) if page.kind() != Some(Kind::Leaf) => {
                    let what = format!("page {} is no leaf (flags {:#x})", stem.page, page.flags);
                    walked.note(offset, what);
                }
                Ok(page) => {
                    let more = u64::from(page.overflow);
                    walked.pages += 1 + more;
                    if (1..=more).any(|n| seen.has(stem.page + n)) {
                        let what = format!("leaf {} overflows into pages of others", stem.page);
                        walked.note(offset, what);
                    }
                    let bounds = (
                        self.least(n),
                        self.leaves.get(n + 1).map(|_| self.least(n + 1)),
                    );
                    pairs(&page, offset, bounds, &mut last, &mut walked, &mut each);
                }
                Err(what) => walked.note(offset, what),
            }
        }
        walked
    }

    /// The least key that may stand in a leaf.
    fn least(&self, n: usize) -> &[u8] {
        let start = n
            .checked_sub(1)
            .and_then(|n| self.leaves.get(n))
            .map_or(0, |s| s.key);
        let end = self.leaves.get(n).map_or(start, |s| s.key);
        self.keys.get(start..end).unwrap_or_default()
    }
}

/// The pairs of one leaf.
fn pairs(
    page: &Page<'_>,
    offset: u64,
    (least, beyond): (&[u8], Option<&[u8]>),
    last: &mut Vec<u8>,
    walked: &mut Walked,
    each: &mut impl FnMut(Entry<'_>, bool, &mut Walked),
) {
    let mut told = false;
    for n in 0..page.count {
        let Some(Leaf {
            is_bucket,
            key,
            value,
            at,
        }) = page.leaf(n)
        else {
            walked.note(
                offset,
                format!("leaf {}: element {n} lies outside of it", page.id),
            );
            continue;
        };
        let ordered = (last.is_empty() || last.as_slice() < key)
            && least <= key
            && beyond.is_none_or(|b| key < b);
        if !ordered && !told {
            told = true;
            walked.note(offset, format!("leaf {}: keys are not in order", page.id));
        }
        last.clear();
        last.extend_from_slice(key);
        let entry = Entry {
            key,
            value,
            offset: offset + at as u64,
        };
        each(entry, is_bucket, walked);
    }
}

/// Pages as they are asked for; where one follows the other, many are read at once.
struct Window<'a, R> {
    of: &'a Database<R>,
    size: usize,
    /// Its first `held` bytes are those of the file from `at` on.
    buffer: Vec<u8>,
    held: usize,
    at: u64,
}

impl<'a, R: ReadAt> Window<'a, R> {
    fn new(of: &'a Database<R>) -> Self {
        Self {
            of,
            size: usize::try_from(of.meta().page_size).unwrap_or(4096),
            buffer: Vec::new(),
            held: 0,
            at: 0,
        }
    }

    /// Where a page begins in the file.
    fn offset(&self, id: u64) -> u64 {
        id.saturating_mul(self.size as u64)
    }

    /// A page with all that overflows from it.
    fn page(&mut self, id: u64) -> Result<Page<'_>, String> {
        let range = self.load(id, self.size)?;
        let more = u64::from(self.checked(id, range)?.overflow);
        let length = (1 + more).saturating_mul(self.size as u64);
        if length > LARGEST {
            return Err(format!("page {id} claims to be {length} bytes long"));
        }
        let range = self.load(id, usize::try_from(length).unwrap_or(self.size))?;
        self.checked(id, range)
    }

    fn checked(&self, id: u64, range: Range<usize>) -> Result<Page<'_>, String> {
        let bytes = self.buffer.get(range).unwrap_or_default();
        match Page::new(bytes) {
            Some(page) if page.id == id => Ok(page),
            Some(page) => Err(format!("page {id} calls itself page {}", page.id)),
            None => Err(format!("page {id} has no header")),
        }
    }

    /// Makes sure that these bytes are in the buffer.
    fn load(&mut self, id: u64, length: usize) -> Result<Range<usize>, String> {
        let beyond = || format!("page {id} lies beyond the end of the file");
        let start = id.checked_mul(self.size as u64).ok_or_else(beyond)?;
        let end = start.checked_add(length as u64).ok_or_else(beyond)?;
        if end > self.of.length() || id >= self.of.meta().high_water {
            return Err(beyond());
        }
        let held = self.at + self.held as u64;
        if self.at <= start && end <= held {
            let from = usize::try_from(start - self.at).unwrap_or(0);
            return Ok(from..from + length);
        }
        // Where the last one ended, more will be asked for.
        let follows = self.held > 0 && (self.at..=held + AHEAD as u64 / 4).contains(&start);
        let wanted = if follows { length.max(AHEAD) } else { length };
        let there = usize::try_from(self.of.length() - start).unwrap_or(usize::MAX);
        let mut wanted = wanted.min(there);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        self.at = start;
        self.held = 0;
        let mut done = self.read(start, wanted);
        // One bad sector further on must not cost this page.
        if done.is_err() && wanted > length {
            wanted = length;
            done = self.read(start, wanted);
        }
        done.map_err(|e| format!("page {id} can't be read: {e}"))?;
        self.held = wanted;
        Ok(0..length)
    }

    fn read(&mut self, start: u64, length: usize) -> std::io::Result<()> {
        let part = self.buffer.get_mut(..length).unwrap_or_default();
        self.of.source().read_at(start, part)
    }
}
