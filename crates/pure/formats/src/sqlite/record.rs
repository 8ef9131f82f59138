//! A record: a row's fields, each with its type in the record's head.
//!
//! Deliberately absent: the meaning of columns, and numbers with a fraction, which kine has none of.

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'b> {
    /// None.
    Null,
    /// A number.
    Integer(i64),
    /// A number with a fraction, which is not read.
    Real,
    /// Text.
    Text(&'b [u8]),
    /// Bytes.
    Blob(&'b [u8]),
}

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'b> {
    /// Bytes that it has.
    pub length: u64,
    /// Its value; `None` where it reaches behind what was given of the record.
    pub value: Option<Value<'b>>,
}

/// The fields of a record, in order.
#[derive(Clone, Debug)]
pub struct Fields<'b> {
    /// Types that were not yet looked at.
    types: &'b [u8],
    record: &'b [u8],
    /// Where the next value begins.
    at: u64,
}

/// The fields of a record of which at least the head is there; `None` where it is not.
pub fn fields(record: &[u8]) -> Option<Fields<'_>> {
    let (length, begin) = varint(record)?;
    Some(Fields {
        types: record.get(begin..usize::try_from(length).ok()?)?,
        record,
        at: length,
    })
}

impl<'b> Iterator for Fields<'b> {
    type Item = Field<'b>;

    fn next(&mut self) -> Option<Field<'b>> {
        let (kind, used) = varint(self.types)?;
        self.types = self.types.get(used..)?;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            // Two types that are kept for SQLite itself.
            10 | 11 => 0,
            n => (n - 12) / 2,
        };
        let end = self.at.checked_add(length)?;
        let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let bytes = self.record.get(place(self.at)..place(end));
        self.at = end;
        let value = bytes.map(|bytes| match kind {
            0 | 10 | 11 => Value::Null,
            1..=6 => Value::Integer(integer(bytes)),
            7 => Value::Real,
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            n if n % 2 == 0 => Value::Blob(bytes),
            _ => Value::Text(bytes),
        });
        Some(Field { length, value })
    }
}

/// A number of up to eight bytes, the greatest first, the sign in it.
fn integer(bytes: &[u8]) -> i64 {
    let sign = match bytes.first() {
        Some(first) if first & 0x80 != 0 => -1,
        _ => 0,
    };
    bytes.iter().fold(sign, |n, b| n << 8 | i64::from(*b))
}

/// A number of one to nine bytes, and how many those are.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for (n, byte) in bytes.iter().take(9).enumerate() {
        if n == 8 {
            return Some((number << 8 | u64::from(*byte), 9));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, n + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_type() {
        // A head of eleven bytes; its types; nothing is there of the last value but a byte.
        let record = [
            11, 0, 1, 2, 5, 6, 7, 8, 9, 15, 16, // head
            0xff, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 3, 4, 5,
            6, 7, 8, b'a', 9,
        ];
        let all: Vec<_> = fields(&record).unwrap().collect();
        let values: Vec<_> = all.iter().map(|f| f.value).collect();
        let number = |n| Some(Value::Integer(n));
        assert_eq!(
            values,
            [
                Some(Value::Null),
                number(-1),
                number(256),
                number(-2),
                number(256),
                Some(Value::Real),
                number(0),
                number(1),
                Some(Value::Text(b"a")),
                None,
            ]
        );
        assert_eq!(all[9].length, 2);
        assert_eq!(varint(&[0x81, 0]), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0xff; 8]), None);
        assert!(fields(&[9]).is_none());
    }
}
