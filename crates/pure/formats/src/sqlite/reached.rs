//! Pages that were reached in one walk: no page belongs to two places, whatever a file says.
//!
//! So a walk ends after as many pages as there are, also where they lead in circles or where rows share what follows
//! them. Deliberately absent: what stands in them.

use std::collections::BTreeMap;

/// Pages that one block of marks stands for.
const BLOCK: u32 = 4_096;
const WORDS: usize = BLOCK as usize / 64;

/// Which pages were reached. A file of few bytes can say that it has billions of pages: only what was reached takes
/// memory.
#[derive(Debug, Default)]
pub struct Reached(BTreeMap<u32, Box<[u64; WORDS]>>);

impl Reached {
    /// Marks a page; false where it was reached before.
    pub(super) fn is_first(&mut self, page: u32) -> bool {
        let block = self.0.entry(page / BLOCK);
        let block = block.or_insert_with(|| Box::new([0; WORDS]));
        let at = page % BLOCK;
        let Some(word) = block.get_mut(at as usize / 64) else {
            return false;
        };
        let mark = 1u64 << (at % 64);
        let is_first = *word & mark == 0;
        *word |= mark;
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_reached_once() {
        let mut reached = Reached::default();
        for page in [1, 2, 63, 64, 65, 4_095, 4_096, 4_097, u32::MAX] {
            assert!(reached.is_first(page), "{page}");
            assert!(!reached.is_first(page), "{page}");
        }
    }
}
