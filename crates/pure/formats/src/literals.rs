//! Many literals in much text, in one pass.
//!
//! One automaton as a table of states. Each step waits for the table, which is larger than the nearest
//! cache, so a text is walked at four places at once: four waits cost as much as one. Deliberately absent:
//! what a literal means to whoever seeks it.

use std::ops::Range;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, StartKind};

/// Places at which a text is walked at once.
const LANES: usize = 4;
/// Bytes from which on that is worth it.
const WORTH: usize = 4 << 10;

/// The literals, ready to be sought.
pub struct Literals {
    dfa: DFA,
    start: StateID,
    longest: usize,
}

/// Where a literal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its first byte.
    pub start: usize,
    /// One past its last.
    pub end: usize,
    /// Which literal, in the order in which they were given.
    pub literal: usize,
}

impl Literals {
    /// Makes the table; `None` when there are more literals than one holds.
    pub fn new<'l>(literals: impl IntoIterator<Item = &'l str>, any_case: bool) -> Option<Self> {
        let dfa = DFA::builder()
            .ascii_case_insensitive(any_case)
            .start_kind(StartKind::Unanchored)
            .prefilter(false)
            .build(literals)
            .ok()?;
        let start = dfa.start_state(Anchored::No).ok()?;
        let longest = dfa.max_pattern_len();
        Some(Self {
            dfa,
            start,
            longest,
        })
    }

    /// All places of all literals that begin in this range, those inside of others too: in the order of their
    /// ends, but for those around the seams of the walk, where an earlier one may end later.
    pub fn find(&self, text: &[u8], range: Range<usize>) -> Vec<Found> {
        let range = range.start.min(text.len())..range.end.min(text.len());
        let mut out = Vec::new();
        if range.len() < WORTH {
            self.walk(
                text,
                self.start,
                range.start..range.end,
                range.end,
                &mut out,
            );
            return out;
        }
        let each = range.len() / LANES;
        let lane = |i: usize| {
            let start = range.start + i * each;
            text.get(start..start + each).unwrap_or_default()
        };
        let (mut a, mut b, mut c, mut d) = (self.start, self.start, self.start, self.start);
        let mut found: [Vec<Found>; LANES] = Default::default();
        let lanes = lane(0).iter().zip(lane(1)).zip(lane(2)).zip(lane(3));
        for (i, (((w, x), y), z)) in lanes.enumerate() {
            a = self.dfa.next_state(Anchored::No, a, *w);
            b = self.dfa.next_state(Anchored::No, b, *x);
            c = self.dfa.next_state(Anchored::No, c, *y);
            d = self.dfa.next_state(Anchored::No, d, *z);
            if self.dfa.is_special(a)
                | self.dfa.is_special(b)
                | self.dfa.is_special(c)
                | self.dfa.is_special(d)
            {
                for (n, (state, into)) in [a, b, c, d].into_iter().zip(&mut found).enumerate() {
                    self.note(state, range.start + n * each + i + 1, usize::MAX, into);
                }
            }
        }
        for (n, (state, mut into)) in [a, b, c, d].into_iter().zip(found).enumerate() {
            // What begins in a lane may end behind it.
            let end = range.start + (n + 1) * each;
            let limit = if n + 1 == LANES { range.end } else { end };
            self.walk(text, state, end..limit, limit, &mut into);
            out.append(&mut into);
        }
        out
    }

    /// Walks on from a state: over the range, and behind it as far as what began before `limit` may reach.
    fn walk(
        &self,
        text: &[u8],
        mut state: StateID,
        range: Range<usize>,
        limit: usize,
        out: &mut Vec<Found>,
    ) {
        let behind = (range.end + self.longest.saturating_sub(1)).min(text.len());
        for (i, byte) in text
            .get(range.start..behind)
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            state = self.dfa.next_state(Anchored::No, state, *byte);
            if self.dfa.is_special(state) {
                self.note(state, range.start + i + 1, limit, out);
            }
        }
    }

    /// The literals that end here and begin before `limit`.
    #[inline(never)]
    fn note(&self, state: StateID, end: usize, limit: usize, out: &mut Vec<Found>) {
        if !self.dfa.is_match(state) {
            return;
        }
        for i in 0..self.dfa.match_len(state) {
            let literal = self.dfa.match_pattern(state, i);
            let start = end - self.dfa.pattern_len(literal);
            if start < limit {
                out.push(Found {
                    start,
                    end,
                    literal: literal.as_usize(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aho_corasick::AhoCorasick;

    /// The same places as the library's own search finds, wherever the seams fall.
    #[test]
    fn lanes_find_what_one_walk_finds() {
        let words = ["slow", "low disk", "disk", "no space left", "space", "e"];
        let mut text = String::new();
        for n in 0..2_000 {
            text.push_str(["slow disk ", "no space left ", "xyz ", "spacediskslow"][n * 7 % 4]);
        }
        let literals = Literals::new(words, false).unwrap();
        let known = AhoCorasick::new(words).unwrap();
        for range in [0..text.len(), 5..text.len() - 7, 11..WORTH + 14, 3..40] {
            let mut got = literals.find(text.as_bytes(), range.clone());
            let mut want: Vec<Found> = known
                .find_overlapping_iter(&text)
                .filter(|m| range.contains(&m.start()))
                .map(|m| Found {
                    start: m.start(),
                    end: m.end(),
                    literal: m.pattern().as_usize(),
                })
                .collect();
            let key = |f: &Found| (f.end, f.start);
            got.sort_by_key(key);
            want.sort_by_key(key);
            assert!(!want.is_empty());
            assert_eq!(got, want, "{range:?}");
        }
        let any = Literals::new(["SLOW"], true).unwrap();
        assert_eq!(any.find(b"a sLoW b", 0..8).len(), 1);
    }
}
