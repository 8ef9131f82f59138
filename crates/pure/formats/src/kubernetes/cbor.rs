//! CBOR as Kubernetes writes it, printed as JSON.
//!
//! Sources: RFC 8949, and k8s.io/apimachinery's modes for it: texts are byte strings, bytes are byte strings
//! behind the tag "shown as base64", lengths are definite. Deliberately absent: indefinite lengths, keys that
//! are no texts, and values that JSON has not; Kubernetes refuses them too.

use super::{DEEPEST, scalars};
use crate::bytes::hex;

/// Tags whose text stays what it is: a date and time, and "this is CBOR".
const TRANSPARENT: [u64; 2] = [0, 55_799];
/// A number of seconds since 1970.
const EPOCH: u64 = 1;
/// Bytes to be shown as base64url, base64 and base16.
const BASE64URL: u64 = 21;
const BASE64: u64 = 22;
const BASE16: u64 = 23;

/// Appends one item's JSON; otherwise nothing, and the offset at which it is wrong.
pub(super) fn json(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> Result<(), usize> {
    let begin = out.len();
    let mut reader = Reader { rest: bytes, out };
    let mut done = reader.item(0);
    if !reader.rest.is_empty() {
        done = None;
    }
    let wrong = at + (bytes.len() - reader.rest.len());
    done.ok_or(wrong).inspect_err(|_| out.truncate(begin))
}

struct Reader<'a, 'o> {
    rest: &'a [u8],
    out: &'o mut Vec<u8>,
}

impl<'a> Reader<'a, '_> {
    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(head)
    }

    fn number(&mut self, size: u64) -> Option<u64> {
        let bytes = self.take(size)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    }

    /// Major type, additional information, and the number that it stands for.
    fn head(&mut self) -> Option<(u8, u8, u64)> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        let info = first & 31;
        let number = match info {
            0..24 => u64::from(info),
            24 => self.number(1)?,
            25 => self.number(2)?,
            26 => self.number(4)?,
            27 => self.number(8)?,
            _ => return None,
        };
        Some((first >> 5, info, number))
    }

    fn item(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match self.head()? {
            (0, _, number) => self.out.extend_from_slice(number.to_string().as_bytes()),
            (1, _, number) => {
                let number = -1 - i128::from(number);
                self.out.extend_from_slice(number.to_string().as_bytes());
            }
            (2 | 3, _, length) => {
                let text = self.take(length)?;
                scalars::text(self.out, text);
            }
            (4, _, count) => {
                self.out.push(b'[');
                for i in 0..count {
                    if i > 0 {
                        self.out.push(b',');
                    }
                    self.item(depth + 1)?;
                }
                self.out.push(b']');
            }
            (5, _, count) => self.map(count, depth)?,
            (6, _, tag) => self.tagged(tag, depth)?,
            (7, 20, _) => self.out.extend_from_slice(b"false"),
            (7, 21, _) => self.out.extend_from_slice(b"true"),
            // Go's reader takes "undefined" for nothing.
            (7, 22 | 23, _) => self.out.extend_from_slice(b"null"),
            (7, 25, bits) => self.double(half(bits))?,
            (7, 26, bits) => self.double(f64::from(f32::from_bits(u32::try_from(bits).ok()?)))?,
            (7, 27, bits) => self.double(f64::from_bits(bits))?,
            _ => return None,
        }
        Some(())
    }

    fn map(&mut self, count: u64, depth: usize) -> Option<()> {
        let mut keys: Vec<&[u8]> = Vec::new();
        self.out.push(b'{');
        for i in 0..count {
            if i > 0 {
                self.out.push(b',');
            }
            let (2 | 3, _, length) = self.head()? else {
                return None;
            };
            let key = self.take(length)?;
            keys.push(key);
            scalars::text(self.out, key);
            self.out.push(b':');
            self.item(depth + 1)?;
        }
        self.out.push(b'}');
        // A key that stands twice means something else to every reader.
        keys.sort_unstable();
        let twice = keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        (!twice).then_some(())
    }

    fn tagged(&mut self, tag: u64, depth: usize) -> Option<()> {
        if TRANSPARENT.contains(&tag) {
            return self.item(depth + 1);
        }
        let (major, _, number) = self.head()?;
        match (tag, major) {
            (EPOCH, 0) => {
                let known = scalars::time(self.out, i64::try_from(number).ok()?, None);
                known.then_some(())
            }
            (BASE64URL | BASE64 | BASE16, 2) => {
                let bytes = self.take(number)?;
                let begin = self.out.len();
                if tag == BASE16 {
                    scalars::text(self.out, hex(bytes).as_bytes());
                } else {
                    scalars::base64(self.out, bytes);
                }
                if tag == BASE64URL {
                    // The same in other letters, and without what fills up the end.
                    let letters = self.out.split_off(begin);
                    self.out
                        .extend(letters.into_iter().filter_map(|letter| match letter {
                            b'=' => None,
                            b'+' => Some(b'-'),
                            b'/' => Some(b'_'),
                            other => Some(other),
                        }));
                }
                Some(())
            }
            _ => None,
        }
    }

    fn double(&mut self, value: f64) -> Option<()> {
        value
            .is_finite()
            .then(|| scalars::double(self.out, value))?;
        Some(())
    }
}

/// A number of 16 bits: one of sign, five of exponent, ten of fraction.
fn half(bits: u64) -> f64 {
    let fraction = (bits & 0x3ff) as f64;
    let size = match (bits >> 10 & 31) as i32 {
        0 => fraction * 2f64.powi(-24),
        31 => f64::INFINITY,
        exponent => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(bytes: &[u8]) -> Result<String, usize> {
        let mut out = Vec::new();
        json(bytes, 0, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn items_become_json() {
        for (bytes, expected) in [
            (
                &[0xd9, 0xd9, 0xf7, 0xa1, 0x41, b'a', 0x18, 100][..],
                r#"{"a":100}"#,
            ),
            (&[0x83, 0x20, 0xf5, 0xf6], "[-1,true,null]"),
            (&[0xd6, 0x43, b'f', b'o', b'o'], "\"Zm9v\""),
            (&[0xd5, 0x41, 0xff], "\"_w\""),
            (&[0xd7, 0x41, 0xff], "\"ff\""),
            (&[0xf9, 0x3e, 0x00], "1.5"),
            (&[0xf9, 0x00, 0x01], "5.960464477539063e-8"),
            (
                &[0xfb, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18],
                "3.141592653589793",
            ),
            (
                &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                "-18446744073709551616",
            ),
            (&[0xc1, 0x00], "\"1970-01-01T00:00:00Z\""),
            (&[0x62, 0xc3, 0xa9], "\"é\""),
        ] {
            assert_eq!(said(bytes).as_deref(), Ok(expected), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        // Cut, indefinite, twice the same key, a key that is a number, not finite, an unknown tag, more behind.
        for bytes in [
            &[0x82, 0x01][..],
            &[0x9f, 0xff],
            &[0xa2, 0x41, b'a', 1, 0x41, b'a', 2],
            &[0xa1, 1, 1],
            &[0xf9, 0x7c, 0x00],
            &[0xc2, 0x41, 1],
            &[1, 1],
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x81; 200],
            &[],
        ] {
            assert!(said(bytes).is_err(), "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_json(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(text) = said(&bytes) {
                let read = serde_json::from_str::<serde_json::Value>(&text);
                prop_assert!(read.is_ok() || text.len() > 128, "{}", text);
            }
        }
    }
}
