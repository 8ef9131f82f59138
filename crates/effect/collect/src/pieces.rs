//! Texts that are too large to be held: what they are, and reading them.
//!
//! Deliberately absent: where a piece may end (`defib_formats::redact::Cleaner`).

use std::io::Read;

use defib_formats::{redact, sniff};

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
    pub broken: Option<std::io::Error>,
}

impl<R: Read> Pieces<R> {
    pub fn new(head: Vec<u8>, input: R) -> Self {
        Self {
            head: Some(head),
            input,
            broken: None,
        }
    }

    /// Appends the next bytes; how many.
    pub fn more(&mut self, held: &mut Vec<u8>) -> usize {
        if let Some(head) = self.head.take().filter(|h| !h.is_empty()) {
            let length = head.len();
            if held.is_empty() {
                *held = head;
            } else {
                held.extend_from_slice(&head);
            }
            return length;
        }
        held.reserve(PIECE + ROOM);
        match (&mut self.input).take(PIECE as u64).read_to_end(held) {
            Ok(n) => n,
            Err(e) => {
                self.broken = Some(e);
                0
            }
        }
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
