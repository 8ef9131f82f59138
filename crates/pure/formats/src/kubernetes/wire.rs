//! The protobuf wire format: tags, varints, lengths, each with the offset at which it stands.
//!
//! Source of the format: protobuf.dev, "Encoding". Deliberately absent: groups (Kubernetes never had them;
//! one is an error) and any meaning of a field.

use super::DecodeError;

/// The longest varint: 64 bits in groups of seven.
const LONGEST_VARINT: usize = 10;

/// A stretch of a value that is read from its front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire<'w> {
    rest: &'w [u8],
    /// Where the stretch ends in the value, so that every error can name its offset.
    end: usize,
}

/// What stands behind a tag.
#[derive(Debug, Clone, Copy)]
pub(super) enum Got<'w> {
    /// Wire type 0.
    Number(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a string, bytes, a message or packed numbers.
    Len(Wire<'w>),
    /// Wire type 5, which no field of Kubernetes has.
    Fixed32,
}

impl Got<'_> {
    /// The wire type.
    pub(super) fn wire_type(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Len(_) => 2,
            Self::Fixed32 => 5,
        }
    }
}

impl<'w> Wire<'w> {
    /// A stretch that begins at an offset of the value.
    pub(super) fn new(bytes: &'w [u8], start: usize) -> Self {
        Self {
            rest: bytes,
            end: start.saturating_add(bytes.len()),
        }
    }

    /// Nothing: what an absent message is read from.
    pub(super) fn nothing() -> Self {
        Self::new(&[], 0)
    }

    pub(super) fn bytes(&self) -> &'w [u8] {
        self.rest
    }

    /// The offset of the next byte.
    pub(super) fn at(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let at = self.at();
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().take(LONGEST_VARINT).enumerate() {
            let bits = u64::from(byte & 0x7f);
            // Of the tenth byte only one bit has room.
            if i + 1 == LONGEST_VARINT && byte > 1 {
                return Err(DecodeError::Varint { at });
            }
            value |= bits << (7 * i);
            if byte < 0x80 {
                self.rest = self.rest.get(i + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        if self.rest.len() >= LONGEST_VARINT {
            Err(DecodeError::Varint { at })
        } else {
            Err(DecodeError::Truncated { at: self.end })
        }
    }

    /// The next field's number and what it holds.
    #[inline]
    pub(super) fn field(&mut self) -> Result<(u32, Got<'w>), DecodeError> {
        let at = self.at();
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 {
            return Err(DecodeError::Tag { at });
        }
        let got = match tag & 7 {
            0 => Got::Number(self.varint()?),
            1 => Got::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Got::Len(self.stretch()?),
            5 => {
                self.array::<4>()?;
                Got::Fixed32
            }
            _ => return Err(DecodeError::Tag { at }),
        };
        Ok((number, got))
    }

    /// The next field, if it has this number; otherwise nothing is read.
    #[inline]
    pub(super) fn same(&mut self, number: u32) -> Result<Option<Got<'w>>, DecodeError> {
        let mut ahead = *self;
        if ahead.is_empty() || ahead.varint()? >> 3 != u64::from(number) {
            return Ok(None);
        }
        Ok(Some(self.field()?.1))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let end = self.end;
        let (array, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated { at: end })?;
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn stretch(&mut self) -> Result<Wire<'w>, DecodeError> {
        let length = self.varint()?;
        let at = self.at();
        let (head, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length))
            .ok_or(DecodeError::Length { at, length })?;
        self.rest = rest;
        Ok(Wire::new(head, at))
    }
}

/// The fields in order of their numbers, as Go's reader would have joined them: of a number or text that
/// stands twice the last counts, messages are merged. Only needed where a writer other than Kubernetes' own
/// was at work.
pub(super) fn ordered(wire: Wire<'_>, joins: impl Fn(u32) -> Join) -> Result<Vec<u8>, DecodeError> {
    let mut found: Vec<(u32, &[u8], usize, Got<'_>)> = Vec::new();
    let mut left = wire;
    while !left.is_empty() {
        let before = left;
        let (number, got) = left.field()?;
        let length = before.rest.len().saturating_sub(left.rest.len());
        let bytes = before.rest.get(..length).unwrap_or_default();
        found.push((number, bytes, before.at(), got));
    }
    found.sort_by_key(|field| field.0);
    let mut out = Vec::with_capacity(wire.rest.len());
    let mut left = found.as_slice();
    while let Some((number, ..)) = left.first() {
        let count = left.iter().take_while(|field| field.0 == *number).count();
        let (same, rest) = left.split_at_checked(count).unwrap_or((left, &[]));
        let joined = joins(*number);
        // What is left out below has to be of the right type all the same.
        let alike = same.first().map_or(0, |first| first.3.wire_type());
        let wanted = if joined == Join::Merge { 2 } else { alike };
        if joined != Join::All
            && let Some(odd) = same.iter().find(|field| field.3.wire_type() != wanted)
        {
            return Err(DecodeError::wire_type(odd.2, &odd.3));
        }
        match joined {
            Join::All => same.iter().for_each(|field| out.extend_from_slice(field.1)),
            Join::Last => {
                if let Some(field) = same.last() {
                    out.extend_from_slice(field.1);
                }
            }
            Join::Merge => {
                let parts = || {
                    same.iter().filter_map(|field| match &field.3 {
                        Got::Len(part) => Some(part.rest),
                        _ => None,
                    })
                };
                let tag = (u64::from(*number) << 3) | 2;
                put_varint(&mut out, tag);
                put_varint(&mut out, parts().map(<[u8]>::len).sum::<usize>() as u64);
                parts().for_each(|part| out.extend_from_slice(part));
            }
        }
        left = rest;
    }
    Ok(out)
}

/// What becomes of a field that stands more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// A list or a map.
    All,
    /// A number, a text, bytes.
    Last,
    /// A message.
    Merge,
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_end_or_are_refused() {
        let read = |bytes: &[u8]| Wire::new(bytes, 0).varint();
        assert_eq!(read(&[0x96, 0x01]), Ok(150));
        let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(read(&minus_one), Ok(u64::MAX));
        assert_eq!(read(&[0xff; 10]), Err(DecodeError::Varint { at: 0 }));
        assert_eq!(read(&[0x80, 0x80]), Err(DecodeError::Truncated { at: 2 }));
    }

    #[test]
    fn lengths_past_the_end_are_refused_where_they_stand() {
        let mut wire = Wire::new(&[0x0a, 0x05, b'a'], 100);
        assert_eq!(
            wire.field().map(|_| ()),
            Err(DecodeError::Length { at: 102, length: 5 })
        );
    }

    #[test]
    fn a_foreign_order_becomes_ours() {
        // 3: varint 1, 1: "a", 3: varint 2, 2: {"x"}, 2: {"y"}
        let wire = [
            0x18, 1, 0x0a, 1, b'a', 0x18, 2, 0x12, 1, b'x', 0x12, 1, b'y',
        ];
        let joins = |n| if n == 2 { Join::Merge } else { Join::Last };
        assert_eq!(
            ordered(Wire::new(&wire, 0), joins),
            Ok(vec![0x0a, 1, b'a', 0x12, 2, b'x', b'y', 0x18, 2])
        );
    }
}
