//! The wire format of protocol buffers: fields one after the other.
//!
//! Source: protobuf.dev, "Encoding". Deliberately absent: what fields mean.

/// A field as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'b> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// A length and as many bytes.
    Bytes(&'b [u8]),
    /// Four bytes.
    Fixed32(u32),
}

/// Fields of a message: number and value. Ends at the first that does not hold; `is_whole` says whether that
/// was the end.
#[derive(Clone, Debug)]
pub struct Fields<'b> {
    bytes: &'b [u8],
    at: usize,
    broken: bool,
}

/// The fields of these bytes.
pub fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields {
        bytes,
        at: 0,
        broken: false,
    }
}

impl Fields<'_> {
    /// Was everything read up to the end?
    pub fn is_whole(&self) -> bool {
        !self.broken && self.at == self.bytes.len()
    }

    /// The byte at which the next field begins, or the broken one.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = (u32, Value<'b>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.at >= self.bytes.len() {
            return None;
        }
        let field = field(self.bytes, self.at);
        match field {
            Some((number, value, end)) => {
                self.at = end;
                Some((number, value))
            }
            None => {
                self.broken = true;
                None
            }
        }
    }
}

/// The field at this place, and where the next begins.
fn field(bytes: &[u8], at: usize) -> Option<(u32, Value<'_>, usize)> {
    let (tag, at) = varint(bytes, at)?;
    let number = u32::try_from(tag >> 3).ok().filter(|n| *n > 0)?;
    Some(match tag & 7 {
        0 => {
            let (value, end) = varint(bytes, at)?;
            (number, Value::Varint(value), end)
        }
        1 => (
            number,
            Value::Fixed64(crate::bytes::u64_le(bytes, at)?),
            at + 8,
        ),
        2 => {
            let (length, at) = varint(bytes, at)?;
            let end = at.checked_add(usize::try_from(length).ok()?)?;
            (number, Value::Bytes(bytes.get(at..end)?), end)
        }
        5 => (
            number,
            Value::Fixed32(crate::bytes::u32_le(bytes, at)?),
            at + 4,
        ),
        // Groups are of version 2 and older than anything here.
        _ => return None,
    })
}

/// A number of variable length, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (n, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        if n == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, at + n + 1));
        }
    }
    None
}
