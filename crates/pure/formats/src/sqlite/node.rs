//! A page of a table's tree: a branch with pages below it, or a leaf with rows.
//!
//! Deliberately absent: the way from page to page (`tree`).

use super::record::varint;
use crate::bytes::{u16_be, u32_be};

/// Bytes of the head of the file, in its first page.
const FILE_HEAD: usize = 100;

/// A page below a branch, and the highest id in it where the branch says so.
pub(super) type Child = (u32, Option<i64>);

/// A row, as far as it stands in its leaf.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'b> {
    /// Its id.
    pub id: i64,
    /// Bytes of its record.
    pub length: u64,
    /// Those that stand in the leaf.
    pub local: &'b [u8],
    /// The page in which the record goes on, or 0.
    pub(super) overflow: u32,
    /// Where the leaf begins in the file.
    pub(super) offset: u64,
}

impl Cell<'_> {
    /// Where its leaf begins in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// A page of a tree.
pub(super) struct Node<'b> {
    bytes: &'b [u8],
    /// Where its head begins.
    head: usize,
    pub(super) is_leaf: bool,
    pub(super) count: usize,
}

impl<'b> Node<'b> {
    pub(super) fn new(page: u32, bytes: &'b [u8]) -> Result<Self, &'static str> {
        let head = if page == 1 { FILE_HEAD } else { 0 };
        let is_leaf = match bytes.get(head) {
            Some(13) => true,
            Some(5) => false,
            _ => return Err("is no page of a table"),
        };
        let count = usize::from(u16_be(bytes, head + 3).unwrap_or_default());
        let first = head + if is_leaf { 8 } else { 12 };
        if first + 2 * count > bytes.len() {
            return Err("says that it has more rows than there can be");
        }
        Ok(Self {
            bytes,
            head,
            is_leaf,
            count,
        })
    }

    /// What stands at a cell's place.
    fn cell(&self, n: usize) -> Option<&'b [u8]> {
        let first = self.head + if self.is_leaf { 8 } else { 12 };
        let at = usize::from(u16_be(self.bytes, first + 2 * n)?);
        // Cells stand behind the list of their places.
        (at >= first + 2 * self.count).then_some(())?;
        self.bytes.get(at..)
    }

    /// Bytes of a cell.
    fn length(&self, n: usize) -> Option<usize> {
        let cell = self.cell(n)?;
        let length = match self.is_leaf {
            true => {
                let row = self.row(n, 0)?;
                let (_, used) = varint(cell)?;
                let (_, more) = varint(cell.get(used..)?)?;
                used + more + row.local.len() + if row.overflow == 0 { 0 } else { 4 }
            }
            false => 4 + varint(cell.get(4..)?)?.1,
        };
        Some(length.max(4))
    }

    /// Does each byte behind the list of places belong to a cell, to what is free, or to what is too small for either?
    /// So it is in every page that SQLite wrote: one in which a cell was lost has more.
    pub(super) fn adds_up(&self) -> bool {
        let begin = match u16_be(self.bytes, self.head + 5) {
            Some(0) => 65_536,
            Some(at) => usize::from(at),
            None => return false,
        };
        let Some(mut left) = self.bytes.len().checked_sub(begin) else {
            return false;
        };
        let mut take = |bytes: usize| {
            let more = left.checked_sub(bytes);
            left = more.unwrap_or(0);
            more.is_some()
        };
        let mut free = u16_be(self.bytes, self.head + 1).unwrap_or(0);
        while free != 0 {
            let at = usize::from(free);
            let (Some(next), Some(bytes)) = (u16_be(self.bytes, at), u16_be(self.bytes, at + 2))
            else {
                return false;
            };
            // They stand in their order, so that they end.
            if !take(bytes.into()) || (next != 0 && usize::from(next) < at + 4) {
                return false;
            }
            free = next;
        }
        let fragments = self.bytes.get(self.head + 7).copied().unwrap_or(0);
        let cells = (0..self.count).all(|n| self.length(n).is_some_and(&mut take));
        cells && take(fragments.into()) && left == 0
    }

    /// The page below a branch's cell, and the highest id in it; the last child has no cell.
    pub(super) fn branch(&self, n: usize) -> Option<Child> {
        if n == self.count {
            return Some((u32_be(self.bytes, self.head + 8)?, None));
        }
        let cell = self.cell(n)?;
        let (key, _) = varint(cell.get(4..)?)?;
        Some((u32_be(cell, 0)?, Some(key.cast_signed())))
    }

    /// The id of a leaf's row.
    pub(super) fn id(&self, n: usize) -> Option<i64> {
        let cell = self.cell(n)?;
        let (_, used) = varint(cell)?;
        let (id, _) = varint(cell.get(used..)?)?;
        Some(id.cast_signed())
    }

    /// A leaf's row.
    pub(super) fn row(&self, n: usize, offset: u64) -> Option<Cell<'b>> {
        let cell = self.cell(n)?;
        let (length, used) = varint(cell)?;
        let (id, more) = varint(cell.get(used..)?)?;
        let rest = cell.get(used + more..)?;
        let local = local(length, self.bytes.len() as u64);
        let here = usize::try_from(local).ok()?;
        let overflow = match local == length {
            true => 0,
            false => u32_be(rest, here)?,
        };
        Some(Cell {
            id: id.cast_signed(),
            length,
            local: rest.get(..here)?,
            overflow,
            offset,
        })
    }
}

/// Bytes of a record that stand in its leaf.
fn local(length: u64, usable: u64) -> u64 {
    let most = usable.saturating_sub(35);
    if length <= most {
        return length;
    }
    let least = (usable.saturating_sub(12) * 32 / 255).saturating_sub(23);
    let wanted = least + (length - least) % usable.saturating_sub(4).max(1);
    match wanted <= most {
        true => wanted,
        false => least,
    }
}
