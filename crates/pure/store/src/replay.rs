//! What the log of a member says beyond its database, applied in memory.
//!
//! etcd writes its database every tenth of a second, and its log before it answers: a member that was killed
//! has its last writes only there. Sources: `server/etcdserver/apply/uber_apply.go`, `server/etcdserver/txn`,
//! `api/etcdserverpb/{raft_internal,rpc}.proto`. Deliberately absent: changes of members (`membership`) and users,
//! which are counted only.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use defib_formats::bbolt::Walked;
use defib_formats::datastore::{Engine, Place, Row, Rows};
use defib_formats::etcd::is_legacy;
use defib_formats::etcd::wal::Entry;
use defib_formats::protobuf::{Value, fields};

/// A place with this bit is one of the log's values, by its number.
const OF_LOG: u64 = 1 << 63;
/// Transactions inside of transactions that are followed.
const DEPTH: u8 = 8;

/// Rows of a database, and what the log adds to them.
pub struct Replayed<B> {
    base: B,
    writes: Vec<Written>,
    /// What is wrong with the log, and not with the database.
    damage: Walked,
    /// Entries that were applied.
    pub applied: u64,
    /// Entries from the first on that does not hold: what comes behind it would get wrong revisions.
    pub broken: u64,
    /// Entries that were not applied because the database is damaged: its latest revision is not known.
    pub withheld: u64,
    /// What stood beside the rows after the last entry.
    pub standing: Standing,
    /// Up to which revision entries give up history.
    compacted: u64,
}

/// What decides beside the rows whether etcd takes a write.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Ids of leases: no key is bound to one that is not there.
    pub leases: BTreeSet<u64>,
    /// Alarms, member and which: with `NOSPACE` nothing is put, with `CORRUPT` nothing is done.
    pub alarms: BTreeSet<(u64, u64)>,
}

impl Standing {
    fn has(&self, alarm: u64) -> bool {
        self.alarms.iter().any(|(_, kind)| *kind == alarm)
    }

    /// A request to set or to end an alarm (`AlarmRequest`; member 0 is all of them where one ends).
    fn change(&mut self, request: &[u8]) -> Option<()> {
        let (action, member, kind) = (
            varint(request, 1)?,
            varint(request, 2)?,
            varint(request, 3)?,
        );
        match action {
            1 => drop(self.alarms.insert((member, kind))),
            2 => drop(self.alarms.remove(&(member, kind))),
            _ => {}
        }
        Some(())
    }
}

/// Alarms that refuse writes.
const NOSPACE: u64 = 1;
const CORRUPT: u64 = 2;

struct Written {
    key: Vec<u8>,
    revision: (u64, u64),
    create_revision: u64,
    version: u64,
    lease: u64,
    value: Option<Vec<u8>>,
}

/// What is known of a key while entries are applied.
#[derive(Clone, Default)]
struct Known {
    create_revision: u64,
    mod_revision: u64,
    version: u64,
    lease: u64,
    /// Read only when a comparison or a write asks for it.
    place: Place,
    value: Option<Vec<u8>>,
}

impl<B: Rows> Replayed<B> {
    /// Applies entries, the oldest first, to the state that the rows and what stands beside them have. `damage`
    /// is that of the log.
    pub fn new(base: B, standing: Standing, entries: &[Entry], damage: Walked) -> Self {
        let mut out = Self {
            base,
            writes: Vec::new(),
            damage,
            applied: 0,
            broken: 0,
            withheld: 0,
            standing,
            compacted: 0,
        };
        if entries.is_empty() {
            return out;
        }
        let mut live = BTreeMap::new();
        // An empty store is at 1, and never behind its compaction (`server/storage/mvcc/kvstore.go`, `restore`).
        let mut revision = out.base.compacted().max(1);
        let walked = out.base.scan(0, 1, &mut |row| {
            revision = revision.max(row.revision.0);
            match row.value {
                None => live.remove(row.key),
                Some(_) => live.insert(row.key.to_vec(), known(&row)),
            };
        });
        if walked.damages > 0 {
            out.withheld = entries.len() as u64;
            return out;
        }
        let mut state = State {
            live,
            standing: std::mem::take(&mut out.standing),
            revision,
            compacted: 0,
            rows: &out.base,
            writes: Vec::new(),
        };
        for (n, entry) in (0u64..).zip(entries) {
            // A new leader begins with an empty one.
            if !entry.is_normal || entry.data.is_empty() {
                continue;
            }
            match state.apply(&entry.data) {
                Some(true) => out.applied += 1,
                Some(false) => {}
                None => {
                    out.broken = entries.len() as u64 - n;
                    let what = format!("(log) entry {} does not hold", entry.index);
                    out.damage.note(0, what);
                    break;
                }
            }
        }
        out.compacted = state.compacted;
        (out.writes, out.standing) = (state.writes, state.standing);
        out
    }

    /// Places where the log, and not the database, is damaged.
    pub fn log_damages(&self) -> u64 {
        self.damage.damages
    }

    /// The rows without the log.
    pub fn base(&self) -> &B {
        &self.base
    }
}

fn known(row: &Row<'_>) -> Known {
    Known {
        create_revision: row.create_revision,
        mod_revision: row.revision.0,
        version: row.version,
        lease: row.lease,
        place: row.place,
        value: None,
    }
}

/// The state of all keys.
struct State<'b> {
    live: BTreeMap<Vec<u8>, Known>,
    standing: Standing,
    revision: u64,
    /// The revision up to which history is given up; 0 where no entry says so.
    compacted: u64,
    rows: &'b dyn Rows,
    writes: Vec<Written>,
}

/// A transaction under way.
struct Under {
    main: u64,
    sub: u64,
}

/// One write of a request.
enum Operation<'r> {
    Put(Put<'r>),
    /// From a key on, up to an end.
    Delete(&'r [u8], &'r [u8]),
}

#[derive(Default)]
struct Put<'r> {
    key: &'r [u8],
    value: &'r [u8],
    lease: u64,
    /// The value stays as it is.
    keep_value: bool,
    /// The lease stays as it is.
    keep_lease: bool,
}

impl<'r> Operation<'r> {
    fn put(bytes: &'r [u8]) -> Option<Self> {
        let mut put = Put::default();
        let mut parts = fields(bytes);
        for (number, field) in parts.by_ref() {
            match (number, field) {
                (1, Value::Bytes(v)) => put.key = v,
                (2, Value::Bytes(v)) => put.value = v,
                (3, Value::Varint(v)) => put.lease = v,
                (5, Value::Varint(v)) => put.keep_value = v != 0,
                (6, Value::Varint(v)) => put.keep_lease = v != 0,
                _ => {}
            }
        }
        (parts.is_whole() && !put.key.is_empty()).then_some(Self::Put(put))
    }

    fn delete(bytes: &'r [u8]) -> Option<Self> {
        let (mut key, mut end) = (&[][..], &[][..]);
        let mut parts = fields(bytes);
        for (number, field) in parts.by_ref() {
            match (number, field) {
                (1, Value::Bytes(v)) => key = v,
                (2, Value::Bytes(v)) => end = v,
                _ => {}
            }
        }
        (parts.is_whole() && !key.is_empty()).then_some(Self::Delete(key, end))
    }
}

impl State<'_> {
    /// Applies a request, whole or not at all; false for one that writes nothing, `None` for one that does not
    /// hold.
    fn apply(&mut self, request: &[u8]) -> Option<bool> {
        if is_legacy(request) {
            return Some(false);
        }
        let mut known = false;
        let mut operations = Vec::new();
        let (mut granted, mut revoked, mut alarm, mut compact) = (None, None, None, None);
        let mut puts = false;
        let mut parts = fields(request);
        for (number, value) in parts.by_ref() {
            // `InternalRaftRequest`: put, delete_range, txn, compaction; lease_grant, lease_revoke, alarm.
            match (number, value) {
                (4, Value::Bytes(put)) => {
                    puts = true;
                    operations.push(Operation::put(put)?);
                }
                (5, Value::Bytes(delete)) => operations.push(Operation::delete(delete)?),
                (6, Value::Bytes(txn)) => {
                    puts |= may_put(txn, DEPTH)?;
                    self.transaction(txn, &mut operations, DEPTH)?;
                }
                (7, Value::Bytes(compaction)) => compact = Some(varint(compaction, 1)?),
                (8, Value::Bytes(grant)) => granted = Some(varint(grant, 2)?),
                (9, Value::Bytes(revoke)) => revoked = Some(varint(revoke, 1)?),
                (10, Value::Bytes(request)) => alarm = Some(request),
                _ => {}
            }
            known |= matches!(number, 4 | 5 | 6 | 9);
        }
        if !parts.is_whole() {
            return None;
        }
        if let Some(request) = alarm {
            self.standing.change(request)?;
        }
        // `applierV3Capped` and `applierV3Corrupt` in `server/etcdserver/apply`.
        let capped = self.standing.has(NOSPACE) && (puts || granted.is_some());
        if capped || self.standing.has(CORRUPT) {
            return Some(false);
        }
        // Refused: what is compacted already, and what is not written yet (`Compact` in `server/storage/mvcc`).
        let compact = compact.filter(|at| *at <= self.revision);
        self.compacted = self.compacted.max(compact.unwrap_or(0));
        self.standing.leases.extend(granted);
        let mut under = Under {
            main: self.revision.saturating_add(1),
            sub: 0,
        };
        if revoked.is_some_and(|lease| self.standing.leases.remove(&lease)) {
            let held = self.live.iter().filter(|(_, k)| Some(k.lease) == revoked);
            let gone: Vec<Vec<u8>> = held.map(|(k, _)| k.clone()).collect();
            self.remove(gone, &mut under);
        }
        for operation in &operations {
            if let Operation::Put(put) = operation
                && !self.takes(put)?
            {
                return Some(false);
            }
        }
        for operation in operations {
            match operation {
                Operation::Put(put) => self.put(&put, &mut under)?,
                Operation::Delete(key, end) => {
                    let gone: Vec<Vec<u8>> = self.range(key, end).cloned().collect();
                    self.remove(gone, &mut under);
                }
            }
        }
        if under.sub > 0 {
            self.revision = under.main;
        }
        Some(known)
    }

    /// Would etcd take it (`checkPut` in `server/etcdserver/txn/txn.go`)? `None` where what it keeps can't be read.
    fn takes(&self, put: &Put<'_>) -> Option<bool> {
        let before = self.live.get(put.key);
        if put.keep_value
            && let Some(before) = before
        {
            self.value(before)?;
        }
        let keeps = put.keep_value || put.keep_lease;
        let leased = put.lease == 0 || self.standing.leases.contains(&put.lease);
        Some(leased && !(keeps && before.is_none()))
    }

    fn put(&mut self, put: &Put<'_>, under: &mut Under) -> Option<()> {
        let before = self.live.get(put.key).cloned();
        let value = match (&before, put.keep_value) {
            (Some(before), true) => self.value(before)?,
            _ => put.value.to_vec(),
        };
        let lease = match (&before, put.keep_lease) {
            (Some(before), true) => before.lease,
            _ => put.lease,
        };
        let now = Known {
            create_revision: before.as_ref().map_or(under.main, |b| b.create_revision),
            mod_revision: under.main,
            version: before.map_or(0, |b| b.version) + 1,
            lease,
            place: Place::default(),
            value: Some(value.clone()),
        };
        self.writes.push(Written {
            key: put.key.to_vec(),
            revision: (under.main, under.sub),
            create_revision: now.create_revision,
            version: now.version,
            lease,
            value: Some(value),
        });
        under.sub += 1;
        self.live.insert(put.key.to_vec(), now);
        Some(())
    }

    /// Keys of a range: one, all from it on (the end is one zero), or up to an end.
    fn range<'s>(&'s self, key: &'s [u8], end: &'s [u8]) -> impl Iterator<Item = &'s Vec<u8>> {
        self.live
            .range(key.to_vec()..)
            .map(|(k, _)| k)
            .take_while(move |k| match end {
                [] => k.as_slice() == key,
                [0] => true,
                end => k.as_slice() < end,
            })
    }

    fn remove(&mut self, keys: Vec<Vec<u8>>, under: &mut Under) {
        for key in keys {
            self.live.remove(&key);
            self.writes.push(Written {
                key,
                revision: (under.main, under.sub),
                create_revision: 0,
                version: 0,
                lease: 0,
                value: None,
            });
            under.sub += 1;
        }
    }

    /// What a transaction writes, with those inside of it: all comparisons are made before anything is written.
    fn transaction<'r>(
        &self,
        txn: &'r [u8],
        out: &mut Vec<Operation<'r>>,
        depth: u8,
    ) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let (mut holds, mut then, mut otherwise) = (true, Vec::new(), Vec::new());
        let mut parts = fields(txn);
        for (number, field) in parts.by_ref() {
            match (number, field) {
                (1, Value::Bytes(compare)) => holds = self.compare(compare)? && holds,
                (2, Value::Bytes(operation)) => then.push(operation),
                (3, Value::Bytes(operation)) => otherwise.push(operation),
                _ => {}
            }
        }
        if !parts.is_whole() {
            return None;
        }
        for operation in if holds { then } else { otherwise } {
            let mut parts = fields(operation);
            for (number, field) in parts.by_ref() {
                // `RequestOp`: range, put, delete_range, txn.
                match (number, field) {
                    (2, Value::Bytes(put)) => out.push(Operation::put(put)?),
                    (3, Value::Bytes(delete)) => out.push(Operation::delete(delete)?),
                    (4, Value::Bytes(txn)) => self.transaction(txn, out, depth)?,
                    _ => {}
                }
            }
            if !parts.is_whole() {
                return None;
            }
        }
        Some(())
    }

    /// Does a comparison hold? Of a range it has to for every key; an absent key counts as all zero, but has no
    /// value.
    fn compare(&self, compare: &[u8]) -> Option<bool> {
        let (mut result, mut target, mut key, mut end) = (0, 0, &[][..], &[][..]);
        let (mut number_given, mut value_given) = (0, &[][..]);
        let mut parts = fields(compare);
        for (number, field) in parts.by_ref() {
            match (number, field) {
                (1, Value::Varint(v)) => result = v,
                (2, Value::Varint(v)) => target = v,
                (3, Value::Bytes(v)) => key = v,
                (4..=6 | 8, Value::Varint(v)) => number_given = v,
                (7, Value::Bytes(v)) => value_given = v,
                (64, Value::Bytes(v)) => end = v,
                _ => {}
            }
        }
        if !parts.is_whole() {
            return None;
        }
        let absent = Known::default();
        let held: Vec<&Known> = self
            .range(key, end)
            .filter_map(|k| self.live.get(k))
            .collect();
        if held.is_empty() {
            // A value that is not there compares with none.
            return Some(
                target != 3
                    && end.is_empty()
                    && self.one(&absent, result, target, number_given, value_given)?,
            );
        }
        for known in held {
            if !self.one(known, result, target, number_given, value_given)? {
                return Some(false);
            }
        }
        Some(true)
    }

    fn one(
        &self,
        known: &Known,
        result: u64,
        target: u64,
        number: u64,
        value: &[u8],
    ) -> Option<bool> {
        let order = match target {
            0 => known.version.cmp(&number),
            1 => known.create_revision.cmp(&number),
            2 => known.mod_revision.cmp(&number),
            3 => self.value(known)?.as_slice().cmp(value),
            4 => known.lease.cmp(&number),
            _ => return None,
        };
        Some(match result {
            0 => order.is_eq(),
            1 => order.is_gt(),
            2 => order.is_lt(),
            3 => order.is_ne(),
            _ => return None,
        })
    }

    fn value(&self, known: &Known) -> Option<Vec<u8>> {
        match &known.value {
            Some(value) => Some(value.clone()),
            None => self.rows.value(known.place).ok(),
        }
    }
}

/// Does a transaction put anything, whichever way it goes?
fn may_put(txn: &[u8], depth: u8) -> Option<bool> {
    let depth = depth.checked_sub(1)?;
    for (number, field) in fields(txn) {
        let (2 | 3, Value::Bytes(operation)) = (number, field) else {
            continue;
        };
        for (number, field) in fields(operation) {
            match (number, field) {
                (2, _) => return Some(true),
                (4, Value::Bytes(txn)) if may_put(txn, depth)? => return Some(true),
                _ => {}
            }
        }
    }
    Some(false)
}

/// A number of a small message; 0 where it is not there.
fn varint(message: &[u8], wanted: u32) -> Option<u64> {
    let mut found = 0;
    let mut parts = fields(message);
    for (number, field) in parts.by_ref() {
        if let (true, Value::Varint(v)) = (number == wanted, field) {
            found = v;
        }
    }
    parts.is_whole().then_some(found)
}

impl<B: Rows> Rows for Replayed<B> {
    fn engine(&self) -> Engine {
        self.base.engine()
    }

    fn scan(&self, part: usize, of: usize, each: &mut dyn FnMut(Row<'_>)) -> Walked {
        let mut walked = self.base.scan(part, of, each);
        // What the log adds is later than all rows.
        if part + 1 == of {
            for (n, write) in (0u64..).zip(&self.writes) {
                let value = write.value.as_deref();
                each(Row {
                    key: &write.key,
                    revision: write.revision,
                    create_revision: write.create_revision,
                    version: write.version,
                    lease: write.lease,
                    value,
                    place: Place {
                        at: OF_LOG | n,
                        length: u32::try_from(value.map_or(0, <[u8]>::len)).unwrap_or(u32::MAX),
                    },
                });
            }
            walked.absorb(self.damage.clone());
        }
        walked
    }

    fn value(&self, place: Place) -> io::Result<Vec<u8>> {
        if place.at & OF_LOG == 0 {
            return self.base.value(place);
        }
        usize::try_from(place.at & !OF_LOG)
            .ok()
            .and_then(|n| self.writes.get(n))
            .and_then(|w| w.value.clone())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn compacted(&self) -> u64 {
        self.base.compacted().max(self.compacted)
    }
}

#[cfg(test)]
mod tests;
