//! The wire format of protocol buffers: tags, varints, lengths, each with the offset at which it stands.
//!
//! Source of the format: protobuf.dev, "Encoding". Deliberately absent: groups (Kubernetes and etcd never had
//! them; one is an error) and any meaning of a field.

/// Why bytes are no message; offsets count from where the reading began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireError {
    /// It ends within a field.
    Truncated {
        /// Where.
        at: usize,
    },
    /// A length that reaches past the end.
    Length {
        /// Behind the length.
        at: usize,
        /// The length.
        length: u64,
    },
    /// A number of more than 64 bits.
    Varint {
        /// Where.
        at: usize,
    },
    /// A field number of zero or a wire type that does not exist.
    Tag {
        /// Where.
        at: usize,
    },
}

/// The longest varint: 64 bits in groups of seven.
const LONGEST_VARINT: usize = 10;

/// A stretch of a value that is read from its front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire<'w> {
    rest: &'w [u8],
    /// Where the stretch ends in the value, so that every error can name its offset.
    end: usize,
}

/// What stands behind a tag.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Got<'w> {
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
    pub(crate) fn wire_type(&self) -> u8 {
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
    pub(crate) fn new(bytes: &'w [u8], start: usize) -> Self {
        Self {
            rest: bytes,
            end: start.saturating_add(bytes.len()),
        }
    }

    /// Nothing: what an absent message is read from.
    pub(crate) fn nothing() -> Self {
        Self::new(&[], 0)
    }

    pub(crate) fn bytes(&self) -> &'w [u8] {
        self.rest
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let at = self.at();
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().take(LONGEST_VARINT).enumerate() {
            let bits = u64::from(byte & 0x7f);
            // Of the tenth byte only one bit has room.
            if i + 1 == LONGEST_VARINT && byte > 1 {
                return Err(WireError::Varint { at });
            }
            value |= bits << (7 * i);
            if byte < 0x80 {
                self.rest = self.rest.get(i + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        if self.rest.len() >= LONGEST_VARINT {
            Err(WireError::Varint { at })
        } else {
            Err(WireError::Truncated { at: self.end })
        }
    }

    /// The next field's number and what it holds.
    ///
    /// A tag of one byte with a number or a length of one byte or two is what nearly all of Kubernetes' fields are:
    /// read where it is asked for, which keeps it in registers.
    #[inline(always)]
    pub(crate) fn field(&mut self) -> Result<(u32, Got<'w>), WireError> {
        if let Some((&[tag, low], mut rest)) = self.rest.split_first_chunk::<2>()
            && (8..0x80).contains(&tag)
        {
            let mut value = usize::from(low & 0x7f);
            let mut is_whole = low < 0x80;
            if let (false, Some((&high @ ..0x80, behind))) = (is_whole, rest.split_first()) {
                value |= usize::from(high) << 7;
                rest = behind;
                is_whole = true;
            }
            let number = u32::from(tag >> 3);
            match (is_whole, tag & 7) {
                (true, 0) => {
                    self.rest = rest;
                    return Ok((number, Got::Number(value as u64)));
                }
                (true, 2) => {
                    if let Some((head, behind)) = rest.split_at_checked(value) {
                        let start = self.end - rest.len();
                        self.rest = behind;
                        return Ok((number, Got::Len(Wire::new(head, start))));
                    }
                }
                _ => {}
            }
        }
        self.any_field()
    }

    #[inline(never)]
    fn any_field(&mut self) -> Result<(u32, Got<'w>), WireError> {
        let at = self.at();
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 {
            return Err(WireError::Tag { at });
        }
        let got = match tag & 7 {
            0 => Got::Number(self.varint()?),
            1 => Got::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Got::Len(self.stretch()?),
            5 => {
                self.array::<4>()?;
                Got::Fixed32
            }
            _ => return Err(WireError::Tag { at }),
        };
        Ok((number, got))
    }

    /// The next field, if it has this number; otherwise nothing is read.
    #[inline]
    pub(crate) fn same(&mut self, number: u32) -> Result<Option<Got<'w>>, WireError> {
        let mut ahead = *self;
        if ahead.is_empty() || ahead.varint()? >> 3 != u64::from(number) {
            return Ok(None);
        }
        Ok(Some(self.field()?.1))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let end = self.end;
        let (array, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(WireError::Truncated { at: end })?;
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn stretch(&mut self) -> Result<Wire<'w>, WireError> {
        let length = self.varint()?;
        let at = self.at();
        let (head, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length))
            .ok_or(WireError::Length { at, length })?;
        self.rest = rest;
        Ok(Wire::new(head, at))
    }
}

/// A field's value, for messages of few fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'b> {
    /// A number of variable length.
    Varint(u64),
    /// A length and as many bytes.
    Bytes(&'b [u8]),
    /// Four or eight bytes, which no message here has.
    Fixed,
}

/// Fields of a message: number and value. Ends at the first that does not hold; `is_whole` says whether that
/// was the end.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'b> {
    wire: Wire<'b>,
    broken: bool,
}

/// The fields of these bytes.
pub fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields {
        wire: Wire::new(bytes, 0),
        broken: false,
    }
}

impl Fields<'_> {
    /// Was everything read up to the end?
    pub fn is_whole(&self) -> bool {
        !self.broken && self.wire.is_empty()
    }

    /// The byte behind the field that was given last.
    pub fn at(&self) -> usize {
        self.wire.at()
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = (u32, Value<'b>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.wire.is_empty() {
            return None;
        }
        let Ok((number, got)) = self.wire.field() else {
            self.broken = true;
            return None;
        };
        let value = match got {
            Got::Number(number) => Value::Varint(number),
            Got::Len(part) => Value::Bytes(part.bytes()),
            Got::Fixed64(_) | Got::Fixed32 => Value::Fixed,
        };
        Some((number, value))
    }
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
        assert_eq!(read(&[0xff; 10]), Err(WireError::Varint { at: 0 }));
        assert_eq!(read(&[0x80, 0x80]), Err(WireError::Truncated { at: 2 }));
    }

    #[test]
    fn lengths_past_the_end_are_refused_where_they_stand() {
        let mut wire = Wire::new(&[0x0a, 0x05, b'a'], 100);
        assert_eq!(
            wire.field().map(|_| ()),
            Err(WireError::Length { at: 102, length: 5 })
        );
    }
}
