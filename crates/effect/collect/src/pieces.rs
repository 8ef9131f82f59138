//! Texts that are too large to be held: what they are, and reading them.
//!
//! Deliberately absent: where a piece may end (`defib_formats::redact::Cleaner`).

use std::io::Read;

use defib_formats::plain::{self, Zeros};
use defib_formats::{redact, sniff};
use defib_model::report::Gap;

/// Bytes of a text that are held at once at most; a larger one is read in pieces.
pub(crate) const HELD: u64 = 16 << 20;
/// Bytes of a piece, as they are read.
pub(crate) const PIECE: usize = 8 << 20;

/// Room for the marks of what is taken out, so that a buffer need not grow.
const ROOM: usize = 64 << 10;

/// Is this the beginning of a text that is to be read in pieces? Objects are not: one may be of any length,
/// and where it ends only its reader knows.
pub(crate) fn wanted(head: &[u8]) -> bool {
    head.len() as u64 >= HELD && sniff::looks(head) == sniff::Looks::Text
}

/// Gives the bytes of a text in pieces: those that were read already, then those behind them.
pub(crate) struct Pieces<R> {
    head: Option<Vec<u8>>,
    input: R,
    /// What ended the text too early.
    broken: Option<std::io::Error>,
    /// Zeros in what was read, which are left out.
    zeros: Option<Zeros>,
    /// Ends of lines that were given.
    lines: u64,
}

impl<R: Read> Pieces<R> {
    pub fn new(head: Vec<u8>, input: R) -> Self {
        Self {
            head: Some(head),
            input,
            broken: None,
            zeros: None,
            lines: 0,
        }
    }

    /// Appends the next bytes; how many.
    pub fn more(&mut self, held: &mut Vec<u8>) -> usize {
        let before = held.len();
        let read = if let Some(head) = self.head.take().filter(|h| !h.is_empty()) {
            let length = head.len();
            if held.is_empty() {
                *held = head;
            } else {
                held.extend_from_slice(&head);
            }
            length
        } else {
            held.reserve(PIECE + ROOM);
            match (&mut self.input).take(PIECE as u64).read_to_end(held) {
                Ok(n) => n,
                Err(e) => {
                    self.broken = Some(e);
                    0
                }
            }
        };
        self.without_zeros(held, before);
        read
    }

    /// Leaves out the zeros of what came last, and remembers that there were any.
    fn without_zeros(&mut self, held: &mut Vec<u8>, from: usize) {
        let new = held.get(from..).unwrap_or_default();
        let lines = defib_formats::line_at(new, new.len()) - 1;
        if let Some(found) = plain::without_zeros(held, from) {
            match &mut self.zeros {
                Some(zeros) => zeros.count += found.count,
                None => {
                    let line = found.line + self.lines;
                    self.zeros = Some(Zeros { line, ..found });
                }
            }
        }
        self.lines += lines;
    }

    /// What could not be read of the text.
    pub fn gaps(&self, id: &str, end: &str) -> Vec<Gap> {
        let zeros = self
            .zeros
            .map(|z| Gap::new(format!("part of {id}"), z.why()));
        let broken = self.broken.as_ref();
        let broken = broken.map(|e| Gap::new(end, e.to_string()));
        zeros.into_iter().chain(broken).collect()
    }

    /// The first piece without secrets, as `Collection::take_pieces` hands it on.
    pub fn first(&mut self) -> Vec<u8> {
        let mut cleaner = redact::Cleaner::default();
        let (mut piece, mut goes_on) = (Vec::new(), true);
        while goes_on && piece.is_empty() {
            cleaner.push(&mut piece, |held| {
                goes_on = self.more(held) > 0;
                goes_on
            });
        }
        piece
    }
}
