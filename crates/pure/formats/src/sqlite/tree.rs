//! A table: a tree of pages, rows by their ids in its leaves.
//!
//! A page gives only rows that its place in the tree allows, so that pages that lead in circles end, and no row
//! comes twice. A page that does not hold is noted and left out with all below it. Deliberately absent: indexes.

use super::node::{Cell, Child, Node};
use super::{Pages, Reached};
use crate::bbolt::{Damage, Walked};
use crate::bytes::u32_be;
use crate::read_at::ReadAt;

/// Pages that may lie above each other, as SQLite has it.
const DEPTH: usize = 20;
/// Bytes of a row; a longer one is damage. Kubernetes refuses objects of more than a few megabytes.
const LARGEST: u64 = 64 << 20;

/// A table of a database.
pub struct Table<'p, M, L> {
    pages: &'p Pages<M, L>,
    root: u32,
}

/// What a walk needs on all its pages.
struct Walk<'w> {
    /// Ids that are asked for.
    wanted: (i64, i64),
    reached: Reached,
    walked: &'w mut Walked,
    each: &'w mut dyn FnMut(&Cell<'_>, &mut Walked),
}

impl<'p, M: ReadAt, L: ReadAt> Table<'p, M, L> {
    /// The table with its root at this page.
    pub fn new(pages: &'p Pages<M, L>, root: u32) -> Self {
        Self { pages, root }
    }

    /// Gives every row whose id is in the range, in the order of ids.
    pub fn walk(
        &self,
        wanted: (i64, i64),
        walked: &mut Walked,
        each: &mut dyn FnMut(&Cell<'_>, &mut Walked),
    ) {
        let mut walk = Walk {
            wanted,
            reached: Reached::default(),
            walked,
            each,
        };
        self.below(self.root, (i64::MIN, i64::MAX), DEPTH, &mut walk);
    }

    /// Goes through a page and all below it; its rows can have the ids of a range only.
    fn below(&self, page: u32, within: (i64, i64), depth: usize, walk: &mut Walk<'_>) {
        let offset = self.offset(page);
        let Some(depth) = depth.checked_sub(1) else {
            return walk.walked.note(offset, "the tree is too deep");
        };
        if !walk.reached.is_first(page) {
            let what = format!("page {page} is reached more than once");
            return walk.walked.note(offset, what);
        }
        let mut bytes = Vec::new();
        if let Err(damage) = self.pages.read(page, &mut bytes) {
            return walk.walked.note(damage.offset, damage.what);
        }
        walk.walked.pages += 1;
        let node = match Node::new(page, &bytes) {
            Ok(node) => node,
            Err(what) => return walk.walked.note(offset, format!("page {page} {what}")),
        };
        if !node.adds_up() {
            let what =
                format!("page {page} has bytes that belong to nothing: rows may be lost in it");
            walk.walked.note(offset, what);
        }
        if node.is_leaf {
            // Only a table without rows has such a page: SQLite takes one that became empty out of its tree.
            if node.count == 0 && page != self.root {
                let what = format!("page {page} has no rows, and rows must be in it");
                walk.walked.note(offset, what);
            }
            return leaf(&node, (page, offset), within, walk);
        }
        // None where no id is left.
        let mut low = Some(within.0);
        for n in 0..=node.count {
            let Some((child, high)) = node.branch(n) else {
                let what = format!("page {page} has a cell that reaches out of it");
                walk.walked.note(offset, what);
                continue;
            };
            let high = high.unwrap_or(within.1);
            let Some(from) = low.filter(|low| *low <= high && high <= within.1) else {
                let what = format!("page {page} has ids out of their order");
                walk.walked.note(offset, what);
                continue;
            };
            if high >= walk.wanted.0 && from <= walk.wanted.1 {
                self.below(child, (from, high), depth, walk);
            }
            low = high.checked_add(1);
        }
    }

    /// Gives one row, as far as it stands in its leaf; false where there is none of the id.
    ///
    /// # Errors
    /// When the tree does not hold on the way, and those of `give`.
    pub fn get(
        &self,
        id: i64,
        give: &mut dyn FnMut(&Cell<'_>) -> Result<(), Damage>,
    ) -> Result<bool, Damage> {
        let mut found = Ok(false);
        self.reach(id, &mut |cell| {
            found = match cell.filter(|c| c.id == id) {
                Some(cell) => give(cell).map(|()| true),
                None => Ok(false),
            };
        })?;
        found
    }

    /// Is there a row of this id?
    ///
    /// # Errors
    /// When the tree does not hold on the way.
    pub fn has(&self, id: i64) -> Result<bool, Damage> {
        Ok(self.at_or_behind(id)? == Some(id))
    }

    /// The first id that is not lower, of those in the leaf in which it would stand.
    ///
    /// # Errors
    /// When the tree does not hold on the way.
    pub fn at_or_behind(&self, id: i64) -> Result<Option<i64>, Damage> {
        let mut found = None;
        self.reach(id, &mut |cell| found = cell.map(|c| c.id))?;
        Ok(found)
    }

    /// The highest id, by the way to the last leaf alone.
    ///
    /// # Errors
    /// When the tree does not hold on the way.
    pub fn highest(&self) -> Result<Option<i64>, Damage> {
        let mut found = None;
        self.descend(&mut |node| match node.is_leaf {
            true => {
                found = node.count.checked_sub(1).and_then(|last| node.id(last));
                None
            }
            false => node.branch(node.count),
        })?;
        Ok(found)
    }

    /// Goes down to where an id would stand, and gives the first row there that is not lower.
    fn reach(&self, id: i64, give: &mut dyn FnMut(Option<&Cell<'_>>)) -> Result<(), Damage> {
        self.descend(&mut |node| {
            let is_lower = |n: usize| match node.is_leaf {
                true => node.id(n).is_some_and(|found| found < id),
                false => matches!(node.branch(n), Some((_, Some(high))) if high < id),
            };
            let (mut low, mut high) = (0, node.count);
            while low < high {
                let middle = low.midpoint(high);
                match is_lower(middle) {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            if node.is_leaf {
                give(node.row(low, 0).filter(|_| low < node.count).as_ref());
                return None;
            }
            node.branch(low)
        })
    }

    /// Goes down from page to page as it is told, to a leaf.
    fn descend(&self, choose: &mut dyn FnMut(&Node<'_>) -> Option<Child>) -> Result<(), Damage> {
        let (mut page, mut bytes) = (self.root, Vec::new());
        for _ in 0..DEPTH {
            self.pages.read(page, &mut bytes)?;
            let damage = |what: &str| Damage {
                offset: self.offset(page),
                what: format!("page {page} {what}"),
            };
            let node = Node::new(page, &bytes).map_err(damage)?;
            match choose(&node) {
                _ if node.is_leaf => return Ok(()),
                Some((child, _)) => page = child,
                None => return Err(damage("has a cell that reaches out of it")),
            }
        }
        Err(Damage {
            offset: self.offset(self.root),
            what: "the tree is too deep".to_owned(),
        })
    }

    /// Puts the whole record of a row together. `reached`: the pages that rows of the same walk went on in.
    ///
    /// # Errors
    /// When it goes on in pages that can't be read, that are not there, or that belong to others.
    pub fn payload(
        &self,
        cell: &Cell<'_>,
        reached: &mut Reached,
        out: &mut Vec<u8>,
    ) -> Result<(), Damage> {
        self.beginning(cell, cell.length, reached, out)
    }

    /// Puts so many bytes of a row's record together, or a few more: what stands in its leaf takes no other page.
    ///
    /// # Errors
    /// As `payload`.
    pub fn beginning(
        &self,
        cell: &Cell<'_>,
        bytes: u64,
        reached: &mut Reached,
        out: &mut Vec<u8>,
    ) -> Result<(), Damage> {
        out.clear();
        out.extend_from_slice(cell.local);
        let damage = |what: String| Damage {
            offset: cell.offset,
            what: format!("row {} {what}", cell.id),
        };
        if cell.length > LARGEST {
            return Err(damage(format!("says that it has {} bytes", cell.length)));
        }
        let wanted = bytes.min(cell.length);
        let (mut page, mut read) = (cell.overflow, Vec::new());
        while (out.len() as u64) < wanted {
            if !reached.is_first(page) {
                return Err(damage(format!(
                    "goes on in page {page}, which belongs elsewhere"
                )));
            }
            self.pages
                .read(page, &mut read)
                .map_err(|d| damage(format!("does not go on: {}", d.what)))?;
            page = u32_be(&read, 0).unwrap_or_default();
            let left = usize::try_from(cell.length).unwrap_or(usize::MAX) - out.len();
            let rest = read.get(4..).unwrap_or_default();
            out.extend_from_slice(rest.get(..left).unwrap_or(rest));
        }
        Ok(())
    }

    fn offset(&self, page: u32) -> u64 {
        u64::from(page.saturating_sub(1)) * u64::from(self.pages.head().page_size)
    }
}

/// Gives the rows of a leaf.
fn leaf(node: &Node<'_>, (page, offset): (u32, u64), within: (i64, i64), walk: &mut Walk<'_>) {
    let mut low = Some(within.0);
    for n in 0..node.count {
        let Some(cell) = node.row(n, offset) else {
            let what = format!("page {page} has a row that reaches out of it");
            walk.walked.note(offset, what);
            continue;
        };
        if low.is_none_or(|low| cell.id < low) || cell.id > within.1 {
            let what = format!("row {} stands where it can't, in page {page}", cell.id);
            walk.walked.note(offset, what);
            continue;
        }
        low = cell.id.checked_add(1);
        if cell.id >= walk.wanted.0 && cell.id <= walk.wanted.1 {
            (walk.each)(&cell, walk.walked);
        }
    }
}
