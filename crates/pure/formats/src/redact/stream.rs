//! Taking secrets out of a text that is too large to be held: piece by piece, with the same outcome.
//!
//! A secret may lie across two pieces, or stand behind the words that make it one. So a piece ends where
//! the next one can be judged by itself: in front of a line that a logger began, or at least away from
//! everything that was taken out. Deliberately absent: JSON and YAML, whose objects may be of any length;
//! who reads those holds them whole.

use std::collections::BTreeMap;

use super::{Cut, Redacted};
use crate::log;

/// Bytes at the end of a piece in which a place to end it is looked for first.
const NEAR: usize = 1 << 20;
/// Bytes behind a cut-free place that must be free of cuts too: the longest shape with its words.
const CLEAR: usize = 2 << 10;
/// From so many bytes on a line may be broken: it is longer than any program writes.
const LONG: usize = 16 << 20;
/// From so many bytes on it is broken anywhere but inside of a secret.
const ENDLESS: usize = 48 << 20;
/// Bytes of a line's head that tell whether a logger began it.
const HEAD: usize = 128;

/// A text being cleaned.
#[derive(Debug, Default)]
pub struct Cleaner {
    /// What was given and not handed back yet.
    held: Vec<u8>,
    taken: BTreeMap<&'static str, u64>,
}

impl Cleaner {
    /// Takes more of the text: `fill` appends it to the buffer, and says whether anything may follow. What can
    /// be judged already takes the place of what is in `piece`, without its secrets; it may be empty.
    pub fn push(&mut self, piece: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>) -> bool) {
        let goes_on = fill(&mut self.held);
        let cuts = super::cuts(&self.held, 0);
        let end = if goes_on {
            end(&self.held, &cuts)
        } else {
            self.held.len()
        };
        piece.clear();
        piece.extend_from_slice(self.held.get(end..).unwrap_or_default());
        std::mem::swap(piece, &mut self.held);
        piece.truncate(end);
        let cuts: Vec<Cut> = cuts.into_iter().filter(|c| c.range.end <= end).collect();
        for (what, count) in super::count(&cuts) {
            *self.taken.entry(what).or_insert(0) += count;
        }
        *piece = super::written(std::mem::take(piece), &cuts);
    }

    /// How many secrets of which class were taken out so far.
    pub fn taken(&self) -> &BTreeMap<&'static str, u64> {
        &self.taken
    }
}

/// Where the piece ends.
fn end(bytes: &[u8], cuts: &[Cut]) -> usize {
    // Cuts are sorted and do not overlap.
    let next = |at: usize| cuts.get(cuts.partition_point(|c| c.range.end <= at));
    let whole = |at: usize| next(at).is_none_or(|c| c.range.start >= at);
    let clear = |at: usize| next(at).is_none_or(|c| c.range.start >= at + CLEAR);
    // Every line that begins here or later, the last first.
    let starts = |floor: usize| {
        memchr::memrchr_iter(b'\n', bytes.get(floor..).unwrap_or_default())
            .map(move |at| floor + at + 1)
            .filter(|at| *at < bytes.len())
    };
    let began = |at: &usize| {
        let head = bytes.get(*at..(*at + HEAD).min(bytes.len()));
        log::begins(head.unwrap_or_default())
    };
    let near = bytes.len().saturating_sub(NEAR);
    if let Some(at) = starts(near).filter(began).find(|at| whole(*at)) {
        return at;
    }
    let room = bytes.len().saturating_sub(CLEAR);
    if let Some(at) = starts(0).filter(|at| *at <= room).find(|at| clear(*at)) {
        return at;
    }
    if bytes.len() < LONG {
        return 0;
    }
    let calm = |at: &usize| clear(*at) && bytes.get(*at).is_some_and(|b| !matches!(b, 0x80..=0xbf));
    if let Some(at) = (near..room).rev().step_by(64).find(calm) {
        return at;
    }
    if bytes.len() < ENDLESS {
        return 0;
    }
    // Everything is secret here: up to the last of them.
    cuts.last().map_or(bytes.len(), |c| c.range.end)
}

/// The same as `redact`, for a text that comes whole; tests compare the two.
pub fn in_pieces(bytes: &[u8], size: usize) -> Redacted<'static> {
    let mut cleaner = Cleaner::default();
    let (mut text, mut piece) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        let next = (at + size.max(1)).min(bytes.len());
        cleaner.push(&mut piece, |held| {
            held.extend_from_slice(bytes.get(at..next).unwrap_or_default());
            next < bytes.len()
        });
        text.extend_from_slice(&piece);
        at = next;
    }
    Redacted {
        text: text.into(),
        taken: cleaner.taken,
    }
}
