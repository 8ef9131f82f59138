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
    /// Where it begins in the record.
    pub at: u64,
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

/// Bytes that a record's head may have, as SQLite has it.
const LONGEST_HEAD: u64 = 98_307;

/// The fields of a record of so many bytes, of which at least the head is there.
///
/// # Errors
/// What SQLite takes for damage, too: a head that is longer than the record, a type that reaches out of the head, and
/// values that together are longer or shorter than what is behind it.
pub fn fields(record: &[u8], length: u64) -> Result<Fields<'_>, &'static str> {
    let (head, begin) = varint(record).ok_or("has no head")?;
    if head > length || head > LONGEST_HEAD || head < begin as u64 {
        return Err("has a head of a length that can't be");
    }
    let types = usize::try_from(head)
        .ok()
        .and_then(|head| record.get(begin..head))
        .ok_or("has a head that goes on elsewhere")?;
    let (mut left, mut end) = (types, Some(head));
    while !left.is_empty() {
        let (kind, used) = varint(left).ok_or("has a head that ends within a type")?;
        left = left.get(used..).unwrap_or_default();
        end = end.and_then(|end| end.checked_add(bytes_of(kind)));
    }
    if end != Some(length) {
        return Err("has values that are not as long as it is");
    }
    let at = head;
    Ok(Fields { types, record, at })
}

/// Bytes of a value of a type.
fn bytes_of(kind: u64) -> u64 {
    match kind {
        // Two types that are kept for SQLite itself are as none.
        0 | 8..=11 => 0,
        1..=4 => kind,
        5 => 6,
        6 | 7 => 8,
        n => (n - 12) / 2,
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Field<'b>;

    fn next(&mut self) -> Option<Field<'b>> {
        let (kind, used) = varint(self.types)?;
        self.types = self.types.get(used..)?;
        let (at, length) = (self.at, bytes_of(kind));
        let end = at.checked_add(length)?;
        let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let bytes = self.record.get(place(at)..place(end));
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
        Some(Field { at, length, value })
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
        // One byte more belongs to it.
        let all: Vec<_> = fields(&record, 39).unwrap().collect();
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
        assert_eq!((all[9].at, all[9].length), (37, 2));
        assert_eq!(varint(&[0x81, 0]), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0xff; 8]), None);
    }

    /// Each of these is damage for SQLite, too.
    #[test]
    fn a_head_fits_its_record() {
        let of = |record: &[u8]| fields(record, record.len() as u64).map(Iterator::count);
        assert_eq!(of(&[3, 1, 1, 7, 7]), Ok(2));
        for bad in [
            &[] as &[u8],
            // No head, one longer than all, and one shorter than its own length.
            &[9],
            &[0, 1],
            // It reaches into the values.
            &[4, 1, 1, 7, 7],
            // The last type does not end in it.
            &[3, 1, 0x81, 7, 7],
            // Values too short, and too long.
            &[3, 1, 1, 7],
            &[3, 1, 1, 7, 7, 7],
        ] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
        let whole = [3, 1, 1, 7, 7];
        assert!(fields(&whole[..2], 5).is_err(), "half a head");
        assert_eq!(fields(&whole[..4], 5).unwrap().count(), 2);
    }
}
