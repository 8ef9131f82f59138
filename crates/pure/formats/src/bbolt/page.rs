//! One page, with what overflows from it: its elements, each checked.
//!
//! Deliberately absent: the order of pages among each other (`walk`).

use super::HEADER;
use crate::bytes::{u16_le, u32_le, u64_le};

/// Bytes of an element's fixed part, in leaves and branches alike.
const ELEMENT: usize = 16;

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Keys and the pages below them.
    Branch,
    /// Keys and values.
    Leaf,
    /// The first two.
    Meta,
    /// The list of free pages.
    Freelist,
}

/// A page as it was read; `bytes` holds what overflows too, where it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Page<'b> {
    /// The number that the page gives itself.
    pub id: u64,
    /// Bits of its kind.
    pub flags: u16,
    /// Elements.
    pub count: u16,
    /// Pages behind it that belong to it.
    pub overflow: u32,
    bytes: &'b [u8],
}

/// An element of a leaf.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'b> {
    /// Is the value a bucket?
    pub is_bucket: bool,
    pub key: &'b [u8],
    pub value: &'b [u8],
    /// Where the value stands in the page.
    pub at: usize,
}

impl<'b> Page<'b> {
    /// The page whose bytes these are.
    pub fn new(bytes: &'b [u8]) -> Option<Self> {
        Some(Self {
            id: u64_le(bytes, 0)?,
            flags: u16_le(bytes, 8)?,
            count: u16_le(bytes, 10)?,
            overflow: u32_le(bytes, 12)?,
            bytes,
        })
    }

    /// What it holds; `None` for none of bbolt's kinds.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self.flags {
            0x01 => Kind::Branch,
            0x02 => Kind::Leaf,
            0x04 => Kind::Meta,
            0x10 => Kind::Freelist,
            _ => return None,
        })
    }

    /// An element of a leaf.
    pub(super) fn leaf(&self, index: u16) -> Option<Leaf<'b>> {
        let at = HEADER + usize::from(index) * ELEMENT;
        let flags = u32_le(self.bytes, at)?;
        let key = at + usize::try_from(u32_le(self.bytes, at + 4)?).ok()?;
        let value = key.checked_add(usize::try_from(u32_le(self.bytes, at + 8)?).ok()?)?;
        let end = value.checked_add(usize::try_from(u32_le(self.bytes, at + 12)?).ok()?)?;
        // Keys stand behind all elements; one that overlaps them was not written by bbolt.
        if flags > 1 || key < HEADER + usize::from(self.count) * ELEMENT {
            return None;
        }
        Some(Leaf {
            is_bucket: flags == 1,
            key: self.bytes.get(key..value)?,
            value: self.bytes.get(value..end)?,
            at: value,
        })
    }

    /// An element of a branch: the least key below, and the page.
    pub(super) fn branch(&self, index: u16) -> Option<(&'b [u8], u64)> {
        let at = HEADER + usize::from(index) * ELEMENT;
        let key = at + usize::try_from(u32_le(self.bytes, at)?).ok()?;
        let end = key.checked_add(usize::try_from(u32_le(self.bytes, at + 4)?).ok()?)?;
        if key < HEADER + usize::from(self.count) * ELEMENT {
            return None;
        }
        Some((self.bytes.get(key..end)?, u64_le(self.bytes, at + 8)?))
    }
}
