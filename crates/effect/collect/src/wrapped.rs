//! Archives that were sent as text: base64, in lines of any length.
//!
//! Deliberately absent: base64 in other text (`defib_formats::redact` takes that out where it is a secret).

use std::io::{Error, ErrorKind, Read};

/// How many bytes of the head are decoded to tell what is in it: the mark of a tar archive stands at 257.
const HEAD: usize = 300;

/// The first bytes of what is wrapped here, if this is base64 and nothing else.
pub(crate) fn head(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    // What a cut line leaves at its end is still base64; anything else is an error.
    Unwrapped::new(bytes)
        .take(HEAD as u64)
        .read_to_end(&mut out)
        .ok()?;
    Some(out)
}

/// What is wrapped in base64.
pub(crate) struct Unwrapped<R> {
    input: R,
    bits: u32,
    held: u32,
    ended: bool,
}

impl<R: Read> Unwrapped<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            bits: 0,
            held: 0,
            ended: false,
        }
    }

    /// The byte that this letter completes, if it completes one.
    fn letter(&mut self, letter: u8) -> std::io::Result<Option<u8>> {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                self.ended = true;
                return Ok(None);
            }
            b' ' | b'\t' | b'\r' | b'\n' => return Ok(None),
            _ => return Err(Error::new(ErrorKind::InvalidData, "no base64 any more")),
        };
        self.bits = (self.bits << 6 | u32::from(six)) & 0xffff;
        self.held += 6;
        if self.held < 8 {
            return Ok(None);
        }
        self.held -= 8;
        Ok(Some((self.bits >> self.held) as u8))
    }
}

impl<R: Read> Read for Unwrapped<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let mut room = into.iter_mut();
        let mut letters = [0; 4096];
        let mut written = 0;
        while written == 0 && !self.ended && room.len() > 0 {
            // Never more letters than there is room for what they say.
            let most = letters.len().min(room.len());
            let read = self
                .input
                .read(letters.get_mut(..most).unwrap_or_default())?;
            if read == 0 {
                break;
            }
            for letter in letters.get(..read).unwrap_or_default() {
                if self.ended {
                    break;
                }
                if let Some(byte) = self.letter(*letter)?
                    && let Some(place) = room.next()
                {
                    *place = byte;
                    written += 1;
                }
            }
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined() {
        let mut out = Vec::new();
        let text: &[u8] = b"aGVs\r\nbG8g\n d29y bGQ=\n";
        Unwrapped::new(text).read_to_end(&mut out).unwrap();
        assert_eq!(out, b"hello world");
        assert_eq!(head(b"aGVsbG8").as_deref(), Some(&b"hello"[..]));
        assert_eq!(head(b"hello: world"), None);
    }
}
