//! Fields in the order of their numbers, for what a writer other than Kubernetes' own wrote.
//!
//! Deliberately absent: the wire format itself (`protobuf`).

use super::DecodeError;
use crate::protobuf::{Got, Wire};

/// The fields in order of their numbers, as Go's reader would have joined them: of a number or text that
/// stands twice the last counts, messages are merged. Only needed where a writer other than Kubernetes' own
/// was at work.
pub(super) fn ordered(wire: Wire<'_>, joins: impl Fn(u32) -> Join) -> Result<Vec<u8>, DecodeError> {
    let mut found: Vec<(u32, &[u8], usize, Got<'_>)> = Vec::new();
    let mut left = wire;
    while !left.is_empty() {
        let before = left;
        let (number, got) = left.field()?;
        let length = before.bytes().len().saturating_sub(left.bytes().len());
        let bytes = before.bytes().get(..length).unwrap_or_default();
        found.push((number, bytes, before.at(), got));
    }
    found.sort_by_key(|field| field.0);
    let mut out = Vec::with_capacity(wire.bytes().len());
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
                        Got::Len(part) => Some(part.bytes()),
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
