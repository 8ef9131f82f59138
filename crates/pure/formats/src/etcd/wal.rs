//! etcd's write-ahead log: what was agreed on, and may not be in the database yet.
//!
//! Sources: `server/storage/wal/{decoder,encoder,wal,repair}.go`, `server/storage/wal/walpb/record.proto`,
//! `raft/v3/raftpb/raft.proto`. A record of the last file that ends too early ends the log, as etcd repairs it;
//! what etcd does not start on is damage. Deliberately absent: what entries do (`store`), repair.

use crate::bytes::u64_le;
use crate::protobuf::{Got, Value, Wire, WireError, fields};
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
    /// The last entry in it, also where it is not behind the index that was asked for.
    pub last: u64,
    /// The entry up to which the log says that a snapshot was taken.
    pub snapshot: u64,
    /// The id of the member, and of its cluster.
    pub ids: Option<(u64, u64)>,
    /// What does not hold: the file, counted from 0, and where. etcd does not start on such a log.
    pub damage: Vec<(usize, Damage)>,
    /// Where the last file ends within a record, or where something stands behind its last record: etcd cuts it
    /// there. It is normal after a crash.
    pub cut: Option<u64>,
    /// There are more entries than are kept.
    pub is_partial: bool,
}

/// What is only needed while the files are read.
#[derive(Default)]
struct Reading {
    /// The sum up to here.
    sum: Option<u32>,
    /// The record that names the member.
    metadata: Option<Vec<u8>>,
    /// Entries of snapshots, also of those that were not agreed on.
    snapshots: Vec<u64>,
    /// Where entries are missing: the last before them, the first behind them, the file and the place.
    gaps: Vec<(u64, u64, usize, u64)>,
}

impl Log {
    /// Reads the files in the order of their names, for entries behind `index`.
    pub fn read<R: ReadAt>(files: &[R], index: u64) -> Self {
        let mut log = Self::default();
        let mut reading = Reading::default();
        for (n, file) in files.iter().enumerate() {
            let last = n + 1 == files.len();
            match log.file(file, (n, last), index, &mut reading) {
                Ok(cut) if last => log.cut = cut,
                Ok(None) => {}
                Ok(Some(offset)) => {
                    let what = "the log ends within a record, and another file follows".into();
                    log.damage.push((n, Damage { offset, what }));
                    break;
                }
                Err(damage) => {
                    log.damage.push((n, damage));
                    break;
                }
            }
        }
        log.judge(files.len(), reading);
        log
    }

    /// What can only be said of all files together.
    fn judge(&mut self, files: usize, reading: Reading) {
        let agreed = reading.snapshots.iter().filter(|s| **s <= self.commit);
        self.snapshot = agreed.max().copied().unwrap_or(0);
        // What a snapshot covers may be missing (`ReadAll` in `server/storage/wal/wal.go`).
        let gap = (reading.gaps.iter())
            .find(|(last, next, ..)| *next > self.snapshot.max(*last).saturating_add(1));
        if let Some((last, next, file, offset)) = gap {
            self.entries.retain(|e| e.index <= *last);
            let what = format!("entry {next} follows entry {last}");
            let offset = *offset;
            self.damage.insert(0, (*file, Damage { offset, what }));
        }
        if !self.damage.is_empty() || files == 0 {
            return;
        }
        let mut whole = |what: String| {
            let at = files.saturating_sub(1);
            self.damage.push((at, Damage { offset: 0, what }));
        };
        if self.ids.is_none() {
            whole("no record says whose log it is".into());
        } else if self.commit > self.last.max(self.snapshot) {
            whole(format!(
                "entries up to {} were agreed on, and the last that is there is {}",
                self.commit, self.last
            ));
        }
    }

    /// One file; where it is cut, if it is.
    fn file<R: ReadAt>(
        &mut self,
        file: &R,
        (number, is_last): (usize, bool),
        index: u64,
        reading: &mut Reading,
    ) -> Result<Option<u64>, Damage> {
        let mut reader = Reader {
            file,
            at: 0,
            held: Vec::new(),
            from: 0,
        };
        while reader.at < file.len() {
            let begin = reader.at;
            let damage = |what: String| Damage {
                offset: begin,
                what,
            };
            if begin + 8 > file.len() {
                return Ok(Some(begin));
            }
            let frame = reader.take(8)?;
            let frame = u64_le(frame, 0).unwrap_or(0);
            // What was made ready for more is zero.
            if frame == 0 {
                return Ok(match is_last {
                    true => reader.beyond()?.then_some(begin),
                    false => None,
                });
            }
            // The sign says that the three bits below the top byte's count padding.
            let length = frame & !(0xff << 56);
            let padding = if frame >> 63 == 1 {
                (frame >> 56) & 7
            } else {
                0
            };
            if begin + 8 + length + padding > file.len() {
                return Ok(Some(begin));
            }
            if length > LONGEST {
                return Err(damage(format!("a record of {length} bytes")));
            }
            let all = reader.take(length + padding)?;
            // A sector that was never written is zero; such an end is a torn one.
            let torn = is_last && is_torn(all, begin + 8);
            let record = all
                .get(..usize::try_from(length).unwrap_or(0))
                .unwrap_or_default();
            let (kind, said, data) = match parse(record) {
                Ok(parts) => parts,
                Err(is_short) if torn || is_short => return Ok(Some(begin)),
                Err(_) => return Err(damage("a record that does not hold".into())),
            };
            if kind == CRC {
                if reading.sum.is_some_and(|sum| sum != said) {
                    return Err(damage("it does not follow what stands before it".into()));
                }
                reading.sum = Some(said);
                continue;
            }
            let now = crc32c(reading.sum.unwrap_or(0), data);
            if now != said {
                return match torn {
                    true => Ok(Some(begin)),
                    false => Err(damage("the sum of a record is wrong".into())),
                };
            }
            reading.sum = Some(now);
            self.record(kind, data, index, (number, begin), reading)
                .map_err(|what| damage(what.into()))?;
        }
        Ok(None)
    }

    fn record(
        &mut self,
        kind: u64,
        data: &[u8],
        index: u64,
        (file, offset): (usize, u64),
        reading: &mut Reading,
    ) -> Result<(), &'static str> {
        const BROKEN: &str = "what a record holds is not whole";
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
            parts.is_whole().then_some(out).ok_or(BROKEN)
        };
        match kind {
            METADATA => {
                if reading.metadata.as_ref().is_some_and(|m| m != data) {
                    return Err("it is the log of another member");
                }
                let [_, member, cluster, _] = numbers(data)?;
                self.ids = Some((member, cluster));
                reading.metadata = Some(data.to_vec());
            }
            ENTRY => {
                let (entry, kind) = Entry::parse(data).ok_or(BROKEN)?;
                // Nothing writes a third kind, and etcd does not start on one.
                if kind > 1 {
                    return Err("an entry of a kind that etcd does not have");
                }
                if entry.index > self.last.saturating_add(1) {
                    (reading.gaps).push((self.last, entry.index, file, offset));
                }
                self.last = entry.index;
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
                self.commit = commit;
            }
            SNAPSHOT => {
                let [_, at, _, _] = numbers(data)?;
                reading.snapshots.push(at);
            }
            _ => return Err("a record of a kind that etcd does not have"),
        }
        Ok(())
    }
}

impl Entry {
    /// The entry (`raftpb.Entry`), and which kind it is.
    fn parse(data: &[u8]) -> Option<(Self, u64)> {
        let mut entry = Self::default();
        let mut kind = 0;
        let mut parts = fields(data);
        for (number, value) in parts.by_ref() {
            match (number, value) {
                (1, Value::Varint(v)) => kind = v,
                (3, Value::Varint(v)) => entry.index = v,
                (4, Value::Bytes(v)) => entry.data = v.to_vec(),
                _ => {}
            }
        }
        entry.is_normal = kind == 0;
        parts.is_whole().then_some((entry, kind))
    }
}

/// Kinds of records (`server/storage/wal/wal.go`).
const METADATA: u64 = 1;
const ENTRY: u64 = 2;
const STATE: u64 = 3;
const CRC: u64 = 4;
const SNAPSHOT: u64 = 5;

/// The kind, the sum and the data of a record (`walpb.Record`). The error says whether it is too short for what it
/// says: such a one etcd takes for the end of the log, and any other for damage.
fn parse(record: &[u8]) -> Result<(u64, u32, &[u8]), bool> {
    let is_short = |error| match error {
        WireError::Truncated { .. } => true,
        WireError::Length { length, .. } => i64::try_from(length).is_ok(),
        WireError::Varint { .. } | WireError::Tag { .. } => false,
    };
    let (mut kind, mut said, mut data) = (0, 0, &[][..]);
    let mut wire = Wire::new(record, 0);
    while !wire.is_empty() {
        let mut ahead = wire;
        let tag = ahead.varint().map_err(is_short)?;
        // The type of a field is looked at before its value.
        match (tag >> 3, tag & 7) {
            (1 | 2, 0) | (3, 2) => {}
            (0..=3, _) | (_, 4) => return Err(false),
            // A group of which nobody knows the end.
            (_, 3) => return Err(true),
            _ => {}
        }
        match wire.field().map_err(is_short)? {
            (1, Got::Number(v)) => kind = v,
            (2, Got::Number(v)) => said = u32::try_from(v & 0xffff_ffff).unwrap_or(0),
            (3, Got::Len(v)) => data = v.bytes(),
            _ => {}
        }
    }
    Ok((kind, said, data))
}

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
    /// Does anything stand behind this that is not zero?
    fn beyond(&mut self) -> Result<bool, Damage> {
        while self.at < self.file.len() {
            let length = (BLOCK as u64).min(self.file.len() - self.at);
            let block = self.take(length)?;
            let zero = [0u8; 4096];
            if !block
                .chunks(zero.len())
                .all(|c| zero.get(..c.len()) == Some(c))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

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

    /// Writes records as etcd does, each with the sum of all before it.
    #[derive(Default)]
    struct Writer {
        bytes: Vec<u8>,
        sum: u32,
    }

    fn field(number: u8, value: u64) -> Vec<u8> {
        let mut out = vec![number << 3];
        let mut rest = value;
        while rest > 0x7f {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
        out
    }

    impl Writer {
        /// A file that follows another.
        fn after(sum: u32) -> Self {
            let mut out = Self {
                bytes: Vec::new(),
                sum,
            };
            out.raw(CRC, sum, &[]);
            out
        }

        fn raw(&mut self, kind: u64, sum: u32, data: &[u8]) {
            let mut record = [field(1, kind), field(2, u64::from(sum))].concat();
            record.push(0x1a);
            record.push(data.len() as u8);
            record.extend(data);
            let padding = record.len().wrapping_neg() % 8;
            let mut frame = record.len() as u64;
            if padding > 0 {
                frame |= (0x80 | padding as u64) << 56;
            }
            self.bytes.extend(frame.to_le_bytes());
            self.bytes.extend(record);
            self.bytes.resize(self.bytes.len() + padding, 0);
        }

        fn record(&mut self, kind: u64, parts: &[(u8, u64)]) {
            let data: Vec<u8> = parts.iter().flat_map(|(n, v)| field(*n, *v)).collect();
            self.sum = crc32c(self.sum, &data);
            self.raw(kind, self.sum, &data);
        }

        fn member(&mut self, id: u64) {
            self.record(METADATA, &[(1, id), (2, 99)]);
        }

        fn entry(&mut self, index: u64) {
            self.record(ENTRY, &[(1, 0), (2, 1), (3, index)]);
        }

        fn commit(&mut self, index: u64) {
            self.record(STATE, &[(1, 1), (2, 1), (3, index)]);
        }
    }

    /// Two files of a member: entries 1 to 4, agreed on up to 3.
    fn files() -> [Writer; 2] {
        let mut first = Writer::after(0);
        first.member(7);
        first.record(SNAPSHOT, &[(1, 0), (2, 0)]);
        first.entry(1);
        first.entry(2);
        first.commit(2);
        let mut second = Writer::after(first.sum);
        second.member(7);
        second.entry(3);
        second.entry(4);
        second.commit(3);
        [first, second]
    }

    fn read(files: &[Writer; 2], index: u64) -> Log {
        let bytes: Vec<&[u8]> = files.iter().map(|f| f.bytes.as_slice()).collect();
        let bytes: Vec<Vec<u8>> = bytes.into_iter().map(<[u8]>::to_vec).collect();
        Log::read(&bytes, index)
    }

    #[test]
    fn files_follow_each_other() {
        let log = read(&files(), 1);
        assert_eq!(log.damage, []);
        assert_eq!(
            (log.commit, log.last, log.ids, log.cut),
            (3, 4, Some((7, 99)), None)
        );
        let indexes: Vec<u64> = log.entries.iter().map(|e| e.index).collect();
        assert_eq!(indexes, [2, 3, 4]);
    }

    /// A new leader writes over what was not agreed on.
    #[test]
    fn later_entries_take_the_place_of_earlier_ones() {
        let mut files = files();
        files[1].entry(4);
        files[1].entry(5);
        let log = read(&files, 2);
        let indexes: Vec<u64> = log.entries.iter().map(|e| e.index).collect();
        assert_eq!((indexes, log.damage.len()), (vec![3, 4, 5], 0));
    }

    #[test]
    fn what_etcd_does_not_start_on_is_damage() {
        let harmed = |harm: fn(&mut [Writer; 2])| {
            let mut files = files();
            harm(&mut files);
            let log = read(&files, 0);
            log.damage.into_iter().map(|(n, d)| (n, d.what)).next()
        };
        let at = |n: usize, what: &str| Some((n, what.to_owned()));
        assert_eq!(harmed(|f| f[1].entry(9)), at(1, "entry 9 follows entry 4"));
        assert_eq!(
            harmed(|f| f[1].commit(8)),
            at(
                1,
                "entries up to 8 were agreed on, and the last that is there is 4"
            )
        );
        assert_eq!(
            harmed(|f| f[1].member(8)),
            at(1, "it is the log of another member")
        );
        assert_eq!(
            harmed(|f| f[1].record(6, &[])),
            at(1, "a record of a kind that etcd does not have")
        );
        // A few bytes are no record; where another file follows, etcd does not cut them away.
        let short = "the log ends within a record, and another file follows";
        assert_eq!(harmed(|f| f[0].bytes.extend([1, 2, 3])), at(0, short));
        assert_eq!(
            harmed(|f| f[0].bytes.clear()),
            at(1, "entry 3 follows entry 0")
        );
        assert_eq!(harmed(|f| f[1].bytes.extend([1, 2, 3])), None);
    }

    /// What a snapshot covers may be missing.
    #[test]
    fn a_snapshot_covers_what_is_not_there() {
        let mut files = files();
        files[1].entry(9);
        files[1].commit(9);
        files[1].record(SNAPSHOT, &[(1, 8), (2, 1)]);
        let log = read(&files, 8);
        assert_eq!(
            (log.damage.len(), log.snapshot, log.entries.len()),
            (0, 8, 1)
        );
    }

    /// Something behind the end, or an end within a record: etcd cuts it there, and that is said.
    #[test]
    fn an_end_that_a_crash_may_have_torn_is_told_from_one_that_is_whole() {
        let mut files = files();
        let end = files[1].bytes.len();
        files[1].bytes.resize(end + 64, 0);
        assert_eq!(read(&files, 0).cut, None);
        files[1].bytes.extend([1]);
        let log = read(&files, 0);
        assert_eq!(
            (log.cut, log.damage.len(), log.last),
            (Some(end as u64), 0, 4)
        );
        files[1].bytes.truncate(end - 5);
        assert!(read(&files, 0).cut.is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Log::read(&[bytes], 0);
        }

        /// Records whose sums are right, so that what they hold is read.
        #[test]
        fn any_records_are_survived(
            records in prop::collection::vec(
                (0u64..7, prop::collection::vec((1u8..5, any::<u64>()), 0..5)),
                0..12,
            ),
            index in any::<u64>(),
        ) {
            let mut file = Writer::after(0);
            for (kind, parts) in &records {
                file.record(*kind, parts);
            }
            let log = Log::read(&[file.bytes], index);
            prop_assert!(log.entries.iter().all(|e| e.index > index));
        }
    }
}
