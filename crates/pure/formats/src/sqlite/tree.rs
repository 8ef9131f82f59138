//! A table: a tree of pages, rows by their ids in its leaves.
//!
//! A page gives only rows that its place in the tree allows, so that pages that lead in circles end, and no row
//! comes twice. A page that does not hold is noted and left out with all below it. Deliberately absent: indexes.

use super::Pages;
use super::node::{Cell, Child, Node};
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

/// How many more pages may be read: no page belongs to two places, whatever a file says.
#[derive(Debug)]
pub struct Budget(u64);

impl Budget {
    fn take(&mut self) -> bool {
        let is_left = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        is_left
    }
}

/// What a walk needs on all its pages.
struct Walk<'w> {
    /// Ids that are asked for.
    wanted: (i64, i64),
    budget: Budget,
    walked: &'w mut Walked,
    each: &'w mut dyn FnMut(&Cell<'_>, &mut Walked),
}

impl<'p, M: ReadAt, L: ReadAt> Table<'p, M, L> {
    /// The table with its root at this page.
    pub fn new(pages: &'p Pages<M, L>, root: u32) -> Self {
        Self { pages, root }
    }

    /// As many pages as a walk through all of them needs.
    pub fn budget(&self) -> Budget {
        Budget(self.pages.there() + 1)
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
            budget: self.budget(),
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
        if !walk.budget.take() {
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
        if node.is_leaf {
            return leaf(&node, (page, offset), within, walk);
        }
        let mut low = within.0;
        for n in 0..=node.count {
            let Some((child, high)) = node.branch(n) else {
                let what = format!("page {page} has a cell that reaches out of it");
                walk.walked.note(offset, what);
                continue;
            };
            let high = high.unwrap_or(within.1);
            if high < low || high > within.1 {
                let what = format!("page {page} has ids out of their order");
                walk.walked.note(offset, what);
                continue;
            }
            if high >= walk.wanted.0 && low <= walk.wanted.1 {
                self.below(child, (low, high), depth, walk);
            }
            match high.checked_add(1) {
                Some(next) => low = next,
                None => break,
            }
        }
    }

    /// The record of one row, or what of the tree does not hold on the way to it.
    ///
    /// # Errors
    /// When the tree does not hold on the way.
    pub fn get(&self, id: i64, record: &mut Vec<u8>) -> Result<bool, Damage> {
        let mut found = Ok(false);
        self.reach(id, &mut |cell| {
            found = match cell.filter(|c| c.id == id) {
                Some(cell) => self
                    .payload(cell, &mut self.budget(), record)
                    .map(|()| true),
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

    /// The lowest id.
    ///
    /// # Errors
    /// When the tree does not hold on the way.
    pub fn lowest(&self) -> Result<Option<i64>, Damage> {
        let mut found = None;
        self.descend(&mut |node| match node.is_leaf {
            true => {
                found = (node.count > 0).then(|| node.id(0)).flatten();
                None
            }
            false => node.branch(0),
        })?;
        Ok(found)
    }

    /// The highest id.
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

    /// Puts the whole record of a row together.
    ///
    /// # Errors
    /// When it goes on in pages that can't be read, or that are not there.
    pub fn payload(
        &self,
        cell: &Cell<'_>,
        budget: &mut Budget,
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
        let (mut page, mut bytes) = (cell.overflow, Vec::new());
        while (out.len() as u64) < cell.length {
            if !budget.take() {
                return Err(damage("goes on in pages that belong to others".into()));
            }
            self.pages
                .read(page, &mut bytes)
                .map_err(|d| damage(format!("does not go on: {}", d.what)))?;
            page = u32_be(&bytes, 0).unwrap_or_default();
            let left = usize::try_from(cell.length).unwrap_or(usize::MAX) - out.len();
            let rest = bytes.get(4..).unwrap_or_default();
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
