//! etcd's write-ahead log: what was agreed on, and may not be in the database yet.
//!
//! Sources: `server/storage/wal/{decoder,encoder,wal,repair}.go`, `server/storage/wal/walpb/record.proto`,
//! `raft/v3/raftpb/raft.proto`. A record that ends too early ends the log, as etcd repairs it; one whose sum is
//! wrong is damage. Deliberately absent: what entries do (`store`).

use crate::bytes::u64_le;
use crate::protobuf::{Value, fields};
use crate::read_at::ReadAt;

use crate::bbolt::Damage;

/// Bytes of one record at most; etcd refuses requests of a few megabytes.
const LONGEST: u64 = 64 << 20;
/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;
/// Entries that are kept at most: those behind the database are some thousands.
const KEPT: usize = 1 << 20;

/// An entry of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log.
    pub index: u64,
    /// The term in which it was proposed.
    pub term: u64,
    /// Is it a write, and no change of members?
    pub is_normal: bool,
    /// The request.
    pub data: Vec<u8>,
}

/// What the files of a log hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Entries behind the index that was asked for, in order.
    pub entries: Vec<Entry>,
    /// The last entry that the member knew to be agreed on.
    pub commit: u64,
    /// The id of the member, and of its cluster.
    pub ids: Option<(u64, u64)>,
    /// Records that were read.
    pub records: u64,
    /// What does not hold: the file, counted from 0, and where.
    pub damage: Vec<(usize, Damage)>,
    /// The last file ends within a record, which is normal after a crash.
    pub is_cut: bool,
    /// There are more entries than are kept.
    pub is_partial: bool,
}

impl Log {
    /// Reads the files in the order of their names, for entries behind `index`.
    pub fn read<R: ReadAt>(files: &[R], index: u64) -> Self {
        let mut log = Self::default();
        let mut sum = None;
        for (n, file) in files.iter().enumerate() {
            let last = n + 1 == files.len();
            match log.file(file, index, &mut sum) {
                Ok(cut) if last => log.is_cut = cut.is_some(),
                Ok(None) => {}
                Ok(Some(offset)) => log.damage.push((
                    n,
                    Damage {
                        offset,
                        what: "the log ends within a record, and another file follows".into(),
                    },
                )),
                Err(damage) => {
                    log.damage.push((n, damage));
                    return log;
                }
            }
        }
        log
    }

    /// One file; where it is cut, if it is.
    fn file<R: ReadAt>(
        &mut self,
        file: &R,
        index: u64,
        sum: &mut Option<u32>,
    ) -> Result<Option<u64>, Damage> {
        let mut reader = Reader {
            file,
            at: 0,
            held: Vec::new(),
            from: 0,
        };
        while reader.at + 8 <= file.len() {
            let begin = reader.at;
            let damage = |what: String| Damage {
                offset: begin,
                what,
            };
            let frame = reader.take(8)?;
            let frame = u64_le(frame, 0).unwrap_or(0);
            // What was made ready for more is zero.
            if frame == 0 {
                return Ok(None);
            }
            // The sign says that the three bits below the top byte's count padding.
            let length = frame & !(0xff << 56);
            let padding = if frame >> 63 == 1 {
                (frame >> 56) & 7
            } else {
                0
            };
            if length > LONGEST {
                return Err(damage(format!("a record of {length} bytes")));
            }
            if begin + 8 + length + padding > file.len() {
                return Ok(Some(begin));
            }
            let record = reader.take(length + padding)?;
            let record = record
                .get(..usize::try_from(length).unwrap_or(0))
                .unwrap_or_default();
            let (mut kind, mut said, mut data) = (0, 0u32, &[][..]);
            let mut parts = fields(record);
            for (number, value) in parts.by_ref() {
                match (number, value) {
                    (1, Value::Varint(v)) => kind = v,
                    (2, Value::Varint(v)) => said = u32::try_from(v & 0xffff_ffff).unwrap_or(0),
                    (3, Value::Bytes(v)) => data = v,
                    _ => {}
                }
            }
            if !parts.is_whole() {
                // A sector that was never written is zero; such an end is a torn one.
                return if is_torn(record, begin + 8) {
                    Ok(Some(begin))
                } else {
                    Err(damage("a record that does not hold".into()))
                };
            }
            if kind == CRC {
                if sum.is_some_and(|sum| sum != said) {
                    return Err(damage("it does not follow the file before it".into()));
                }
                *sum = Some(said);
                continue;
            }
            let now = crc32c(sum.unwrap_or(0), data);
            if now != said {
                return if is_torn(record, begin + 8) {
                    Ok(Some(begin))
                } else {
                    Err(damage("the sum of a record is wrong".into()))
                };
            }
            *sum = Some(now);
            self.records += 1;
            self.record(kind, data, index)
                .ok_or_else(|| damage("what a record holds is not whole".into()))?;
        }
        Ok(None)
    }

    fn record(&mut self, kind: u64, data: &[u8], index: u64) -> Option<()> {
        let numbers = |data| {
            let mut out = [0u64; 4];
            let mut parts = fields(data);
            for (number, value) in parts.by_ref() {
                if let (Value::Varint(v), Some(at)) = (
                    value,
                    usize::try_from(number).ok().and_then(|n| out.get_mut(n)),
                ) {
                    *at = v;
                }
            }
            parts.is_whole().then_some(out)
        };
        match kind {
            METADATA => {
                let [_, member, cluster, _] = numbers(data)?;
                self.ids = Some((member, cluster));
            }
            ENTRY => {
                let mut entry = Entry {
                    is_normal: true,
                    ..Entry::default()
                };
                let mut parts = fields(data);
                for (number, value) in parts.by_ref() {
                    match (number, value) {
                        (1, Value::Varint(v)) => entry.is_normal = v == 0,
                        (2, Value::Varint(v)) => entry.term = v,
                        (3, Value::Varint(v)) => entry.index = v,
                        (4, Value::Bytes(v)) if self.entries.len() < KEPT => {
                            entry.data = v.to_vec()
                        }
                        _ => {}
                    }
                }
                if !parts.is_whole() {
                    return None;
                }
                // A new leader may write over what was not agreed on.
                while self.entries.last().is_some_and(|e| e.index >= entry.index) {
                    self.entries.pop();
                }
                if entry.index > index {
                    if self.entries.len() < KEPT {
                        self.entries.push(entry);
                    } else {
                        self.is_partial = true;
                    }
                }
            }
            STATE => {
                let [_, _, _, commit] = numbers(data)?;
                self.commit = self.commit.max(commit);
            }
            _ => {}
        }
        Some(())
    }
}

/// Kinds of records (`server/storage/wal/wal.go`).
const METADATA: u64 = 1;
const ENTRY: u64 = 2;
const STATE: u64 = 3;
const CRC: u64 = 4;

/// Was the record torn by a crash: is one of the sectors in which it lies all zero (`decoder.isTornEntry`)?
fn is_torn(record: &[u8], at: u64) -> bool {
    const SECTOR: usize = 512;
    let first = SECTOR - usize::try_from(at % SECTOR as u64).unwrap_or(0);
    let (head, rest) = record.split_at(first.min(record.len()));
    std::iter::once(head)
        .chain(rest.chunks(SECTOR))
        .any(|sector| !sector.is_empty() && sector.iter().all(|b| *b == 0))
}

/// CRC-32C, continued from record to record, as Go's `crc32.Update` with Castagnoli's polynomial counts it.
fn crc32c(sum: u32, data: &[u8]) -> u32 {
    #[expect(
        clippy::indexing_slicing,
        reason = "counted to the table's length when this is compiled"
    )]
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut n = 0;
        while n < 256 {
            let (mut value, mut bit) = (n as u32, 0);
            while bit < 8 {
                value = (value >> 1) ^ (0x82f6_3b78 & (value & 1).wrapping_neg());
                bit += 1;
            }
            table[n] = value;
            n += 1;
        }
        table
    };
    let next = |sum: u32, byte: &u8| {
        let at = usize::from((sum ^ u32::from(*byte)).to_le_bytes()[0]);
        TABLE.get(at).copied().unwrap_or(0) ^ (sum >> 8)
    };
    !data.iter().fold(!sum, next)
}

/// A file read from its beginning in blocks.
struct Reader<'a, R> {
    file: &'a R,
    /// Where the next record begins.
    at: u64,
    held: Vec<u8>,
    /// Where `held` begins in the file.
    from: u64,
}

impl<R: ReadAt> Reader<'_, R> {
    /// The next bytes, which are there.
    fn take(&mut self, length: u64) -> Result<&[u8], Damage> {
        let end = self.from + self.held.len() as u64;
        if self.at < self.from || self.at + length > end {
            let there = self.file.len().saturating_sub(self.at);
            let wanted = (BLOCK as u64).max(length).min(there);
            self.held.resize(usize::try_from(wanted).unwrap_or(0), 0);
            self.from = self.at;
            self.file
                .read_at(self.at, &mut self.held)
                .map_err(|e| Damage {
                    offset: self.at,
                    what: format!("it can't be read: {e}"),
                })?;
        }
        let start = usize::try_from(self.at - self.from).unwrap_or(0);
        self.at += length;
        let end = start + usize::try_from(length).unwrap_or(0);
        Ok(self.held.get(start..end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_are_those_of_castagnoli() {
        // The check value of CRC-32C (RFC 3720, B.4 gives others of the same function).
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), 0xe306_9283);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Log::read(&[bytes], 0);
        }
    }
}
