//! Cuts in a JSON file end where its strings and numbers end: what is left is JSON still.
//!
//! Deliberately absent: judgement about what is cut; punctuation alone is spared.

use std::ops::Range;

use super::Cut;

/// Where the strings of a JSON value stand: what is written in one never reaches out of it, whatever quotes of
/// its own it leaves open.
pub(super) struct Strings<'b> {
    bytes: &'b [u8],
    /// Every so many bytes, what stands there.
    states: Vec<State>,
}

/// Bytes from one state that is remembered to the next.
const STEP: usize = 4 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    Inside,
    /// Behind a backslash.
    Kept,
}

impl State {
    fn behind(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Outside, b'"') | (Self::Kept, _) => Self::Inside,
            (Self::Inside, b'"') => Self::Outside,
            (Self::Inside, b'\\') => Self::Kept,
            (state, _) => state,
        }
    }
}

impl<'b> Strings<'b> {
    /// Of bytes that are JSON.
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        let (mut state, mut states) = (State::Outside, Vec::new());
        for step in bytes.chunks(STEP) {
            states.push(state);
            state = step.iter().fold(state, |state, byte| state.behind(*byte));
        }
        Self { bytes, states }
    }

    /// What begins inside of a string ends with it.
    pub(super) fn keep_inside(&self, cut: &mut Cut) {
        let said = self.bytes.get(cut.range.clone()).unwrap_or_default();
        if memchr::memchr(b'"', said).is_none() {
            return;
        }
        let end = self.end(cut.range.clone());
        if end > cut.range.start {
            cut.range.end = cut.range.end.min(end);
        }
    }

    /// Where the string ends in which the first of these bytes stands, as far as they reach; where that is in
    /// none, its own place.
    pub(super) fn end(&self, range: Range<usize>) -> usize {
        let at = range.start;
        let from = at - at % STEP;
        let before = self.bytes.get(from..at).unwrap_or_default();
        let known = self.states.get(at / STEP).copied();
        let known = known.unwrap_or(State::Outside);
        let mut state = before.iter().fold(known, |s, byte| s.behind(*byte));
        if state == State::Outside {
            return at;
        }
        let behind = self.bytes.get(range.clone()).unwrap_or_default().iter();
        let end = behind.enumerate().find_map(|(n, byte)| {
            state = state.behind(*byte);
            (state == State::Outside).then_some(n)
        });
        end.map_or(range.end, |n| at + n)
    }
}

/// The same cuts (sorted, none overlapping), each within one token.
pub(super) fn within(bytes: &[u8], cuts: Vec<Cut>) -> Vec<Cut> {
    let mut out = Vec::with_capacity(cuts.len());
    let mut i = 0;
    for cut in cuts {
        if cut.quoted && matches!(bytes.get(cut.range.start), Some(b'{' | b'[')) {
            // A whole value of a Secret that is no string.
            i = cut.range.end;
            out.push(cut);
            continue;
        }
        // No string holds a line end, so a line begins outside of strings.
        let start = cut.range.start.min(bytes.len());
        let line = memchr::memrchr(b'\n', bytes.get(i.min(start)..start).unwrap_or_default());
        i = line.map_or(i, |n| i + n + 1);
        while i < cut.range.end {
            let end = match bytes.get(i) {
                None => break,
                Some(b'"') => string_end(bytes, i),
                Some(b) if structure(*b) => {
                    i += 1;
                    continue;
                }
                Some(_) => {
                    let rest = bytes.get(i..).unwrap_or_default();
                    i + rest
                        .iter()
                        .position(|b| structure(*b) || *b == b'"')
                        .unwrap_or(rest.len())
                }
            };
            if end > cut.range.start {
                if bytes.get(i) != Some(&b'"') {
                    out.push(Cut {
                        range: i..end,
                        what: cut.what,
                        quoted: true,
                    });
                } else if cut.quoted && cut.range == (i..end) {
                    out.push(cut.clone());
                } else {
                    let closed = end > i + 1 && bytes.get(end - 1) == Some(&b'"');
                    let inside = i + 1..if closed { end - 1 } else { end };
                    let start = cut.range.start.max(inside.start);
                    let stop = cut.range.end.min(inside.end);
                    if start < stop {
                        out.push(Cut {
                            range: start..stop,
                            what: cut.what,
                            quoted: false,
                        });
                    }
                }
                if end > cut.range.end {
                    // The next cut may lie in the same string.
                    break;
                }
            }
            i = end;
        }
    }
    out.dedup_by(|b, a| b.range.start < a.range.end);
    out
}

fn structure(b: u8) -> bool {
    b.is_ascii_whitespace() || matches!(b, b'{' | b'}' | b'[' | b']' | b',' | b':')
}

/// One past the string that opens at `at`; one that is not closed ends with its line.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while let Some(n) = memchr::memchr3(b'"', b'\\', b'\n', bytes.get(i..).unwrap_or_default()) {
        i += n;
        match bytes.get(i) {
            Some(b'"') => return i + 1,
            Some(b'\n') => return i,
            _ => i += 2,
        }
    }
    bytes.len()
}
