//! What can still be had from a file whose tree is broken: every page that looks like a leaf.
//!
//! Freed pages keep what they held, so this finds old pairs beside new ones, and says of none that it is
//! true. Deliberately absent: which bucket a leaf belonged to; only what stands in it can tell.

use super::page::Leaf;
use super::walk::{Entry, Walked};
use super::{Kind, LARGEST, Page};
use crate::read_at::ReadAt;

/// Pages that are looked at to find out how long one is.
const SAMPLE: u64 = 512;

/// How often the whole file may be read: pages that claim to overflow into all that follow would make it as
/// often as there are pages.
const TIMES: u64 = 4;

/// What a salvage found.
#[derive(Clone, Debug, Default)]
pub struct Salvaged {
    /// Bytes of a page, as most of them say.
    pub page_size: u32,
    /// Pages that are leaves.
    pub leaves: u64,
    /// Pages in all.
    pub pages: u64,
    /// What could not be read.
    pub walked: Walked,
}

/// Reads every page of the first `length` bytes that looks like a leaf, in the order of the file.
pub fn salvage(
    source: &impl ReadAt,
    length: u64,
    page_size: Option<u32>,
    mut each: impl FnMut(Entry<'_>),
) -> Salvaged {
    let length = length.min(source.len());
    let mut out = Salvaged {
        page_size: page_size.unwrap_or_else(|| guess(source, length)),
        ..Salvaged::default()
    };
    let size = u64::from(out.page_size.max(512));
    out.pages = length / size;
    let mut buffer = Vec::new();
    let mut budget = length.saturating_mul(TIMES);
    let mut id = 2;
    while id < out.pages {
        let offset = id * size;
        let (overflow, wanted) = match read(source, offset, size, &mut buffer) {
            Ok(()) => match Page::new(&buffer) {
                Some(p) if p.id == id && p.kind() == Some(Kind::Leaf) => {
                    (u64::from(p.overflow), (u64::from(p.overflow) + 1) * size)
                }
                _ => {
                    id += 1;
                    continue;
                }
            },
            Err(e) => {
                out.walked
                    .note(offset, format!("page {id} can't be read: {e}"));
                id += 1;
                continue;
            }
        };
        let mut whole = wanted <= LARGEST && offset + wanted <= length;
        if whole && overflow > 0 && wanted > budget {
            whole = false;
            (out.walked).note(offset, "pages claim more of the file than there is");
        }
        let mut sound = false;
        let wanted = if whole { wanted } else { size };
        budget = budget.saturating_sub(wanted);
        let done = read(source, offset, wanted, &mut buffer);
        if let Some(page) = done.ok().and_then(|()| Page::new(&buffer)) {
            out.leaves += 1;
            sound = whole;
            for n in 0..page.count {
                let Some(leaf) = page.leaf(n) else {
                    sound = false;
                    continue;
                };
                if leaf.is_bucket {
                    within(&leaf, offset, &mut each);
                }
                let Leaf { key, value, at, .. } = leaf;
                each(Entry {
                    key,
                    value,
                    offset: offset + at as u64,
                });
            }
        }
        // What overflows from a leaf is no page of its own, unless the leaf lies about it.
        id += 1 + if sound { overflow } else { 0 };
    }
    out
}

/// The pairs of a small bucket, which stands inside of the leaf.
fn within(leaf: &Leaf<'_>, offset: u64, each: &mut impl FnMut(Entry<'_>)) {
    let inside = leaf.value.get(super::HEADER..).and_then(Page::new);
    let Some(page) = inside.filter(|p| p.kind() == Some(Kind::Leaf)) else {
        return;
    };
    for n in 0..page.count {
        if let Some(Leaf { key, value, at, .. }) = page.leaf(n) {
            let offset = offset + (leaf.at + super::HEADER + at) as u64;
            each(Entry { key, value, offset });
        }
    }
}

fn read(
    source: &impl ReadAt,
    offset: u64,
    length: u64,
    buffer: &mut Vec<u8>,
) -> std::io::Result<()> {
    buffer.resize(usize::try_from(length).unwrap_or(0), 0);
    source.read_at(offset, buffer)
}

/// How long pages are: the size at which most of them know their number.
fn guess(source: &impl ReadAt, length: u64) -> u32 {
    let mut head = [0; super::HEADER];
    (9..=16)
        .map(|bits| 1u32 << bits)
        .map(|size| {
            let right = (2..SAMPLE.min(length / u64::from(size)))
                .filter(|id| {
                    source.read_at(id * u64::from(size), &mut head).is_ok()
                        && Page::new(&head).is_some_and(|p| p.id == *id && p.kind().is_some())
                })
                .count();
            (right, size)
        })
        // Of sizes that agree as often, the usual one.
        .max_by_key(|(right, size)| (*right, *size == 4096))
        .map_or(4096, |(_, size)| size)
}
