//! The latest write of every key, in little memory.
//!
//! Values are read once and not kept: of each key its text, its revision and the place of its value.
//! Deliberately absent: history, which is read when it is asked for.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use defib_formats::bbolt::Walked;
use defib_formats::datastore::{Place, Row, Rows};
use defib_formats::kubernetes::{self, Stored};
use rayon::prelude::*;

use crate::name::{Form, Type, name, type_of};

/// Which keys are wanted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only keys that begin so.
    pub prefix: Vec<u8>,
    /// Only keys of this namespace.
    pub namespace: Option<String>,
    /// Only keys of this name.
    pub name: Option<String>,
    /// As it was at this revision.
    pub revision: Option<u64>,
    /// Tell values apart by a hash, too.
    pub hash: bool,
}

impl Selection {
    fn takes(&self, key: &[u8]) -> bool {
        if !self.prefix.is_empty() && !key.starts_with(&self.prefix) {
            return false;
        }
        if self.namespace.is_none() && self.name.is_none() {
            return true;
        }
        let is = |wanted: &Option<String>, said: &str| wanted.as_ref().is_none_or(|w| w == said);
        name(key).is_some_and(|n| is(&self.namespace, n.namespace) && is(&self.name, n.name))
    }
}

/// The latest write of one key.
#[derive(Clone, Copy, Debug)]
pub struct Live<'i> {
    /// The key.
    pub key: &'i [u8],
    /// The revision of the write.
    pub revision: u64,
    /// Writes since it was created; 0 where the datastore does not count them.
    pub version: u64,
    /// Where the value stands.
    pub place: Place,
    /// What the value says it is.
    pub kind: &'i Type,
    /// A hash of the value, where it was asked for.
    pub hash: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Where its text begins, and how long it is: keys of more than 4 GiB in all are not taken.
    key: (u32, u32),
    revision: u64,
    sub: u32,
    version: u32,
    at: u64,
    length: u32,
    hash: u64,
    /// Which of the types.
    kind: u16,
    is_deleted: bool,
}

/// The keys of a datastore.
#[derive(Debug)]
pub struct Index {
    /// All keys, one behind the other.
    text: Vec<u8>,
    slots: Vec<Slot>,
    /// By the hash of a key: one more than its slot, or 0.
    table: Vec<u32>,
    /// The first is of what does not say what it is.
    kinds: Vec<Type>,
    /// The kinds, those that were met often in front.
    often: Vec<u16>,
    /// Live slots in the order of their keys.
    order: Vec<u32>,
    /// Rows that were read, of every key.
    pub rows: u64,
    /// The latest revision.
    pub revision: u64,
    /// What did not hold.
    pub walked: Walked,
}

/// Rows that a thread hands over at once.
const BATCH: usize = 4_096;
/// Kinds that are told apart; a hostile file may name any number.
const KINDS: usize = 4_096;

impl Default for Index {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            slots: Vec::new(),
            table: Vec::new(),
            kinds: vec![Type::default()],
            often: vec![0],
            order: Vec::new(),
            rows: 0,
            revision: 0,
            walked: Walked::default(),
        }
    }
}

impl Index {
    /// Reads all rows.
    pub fn new(rows: &dyn Rows, selection: &Selection) -> Self {
        let of = rayon::current_num_threads().max(1);
        // One index for all threads, which hand rows over by the thousand: two would each hold nearly all keys.
        let all = Mutex::new(Self::default());
        let hand_over = |batch: &mut Self| {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.absorb(batch);
            batch.clear();
        };
        (0..of).into_par_iter().for_each(|part| {
            let mut batch = Self::default();
            let walked = rows.scan(part, of, &mut |row| {
                batch.take(&row, selection);
                if batch.slots.len() >= BATCH {
                    hand_over(&mut batch);
                }
            });
            batch.walked.absorb(walked);
            hand_over(&mut batch);
        });
        let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        all.table = Vec::new();
        let mut order: Vec<u32> = (0u32..)
            .zip(&all.slots)
            .filter(|(_, s)| !s.is_deleted)
            .map(|(n, _)| n)
            .collect();
        order.par_sort_unstable_by_key(|n| all.slot(*n).map(|s| all.key(s)));
        all.order = order;
        all
    }

    /// Every live key, in the order of keys.
    pub fn live(&self) -> impl ExactSizeIterator<Item = Live<'_>> + '_ {
        self.order.iter().map(|n| self.at(*n))
    }

    /// The places among the live keys of those that begin so.
    pub fn below(&self, prefix: &[u8]) -> Range<usize> {
        let key = |n: &u32| self.slot(*n).map_or(&[][..], |s| self.key(s));
        let begin = self.order.partition_point(|n| key(n) < prefix);
        let behind = self.order.get(begin..).unwrap_or_default();
        let length = behind.partition_point(|n| key(n).starts_with(prefix));
        begin..begin + length
    }

    /// The place of the first live key behind this one.
    pub fn behind(&self, key: &[u8]) -> usize {
        let own = |n: &u32| self.slot(*n).map_or(&[][..], |s| self.key(s));
        self.order.partition_point(|n| own(n) <= key)
    }

    /// The live keys at these places.
    pub fn range(&self, places: Range<usize>) -> impl ExactSizeIterator<Item = Live<'_>> + '_ {
        let order = self.order.get(places).unwrap_or_default();
        order.iter().map(|n| self.at(*n))
    }

    /// Every key that was met, in no order; of one that is deleted, its deletion.
    pub fn all(&self) -> impl Iterator<Item = Live<'_>> + '_ {
        (0u32..).take(self.slots.len()).map(|n| self.at(n))
    }

    /// How many keys live.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Does none?
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Keys whose last write was their deletion.
    pub fn deleted(&self) -> usize {
        self.slots.len() - self.order.len()
    }

    fn at(&self, n: u32) -> Live<'_> {
        const NONE: &Type = &Type {
            api_version: String::new(),
            kind: String::new(),
            form: Form::Unknown,
        };
        const EMPTY: &Slot = &Slot {
            key: (0, 0),
            revision: 0,
            sub: 0,
            version: 0,
            at: 0,
            length: 0,
            hash: 0,
            kind: 0,
            is_deleted: true,
        };
        let slot = self.slot(n).unwrap_or(EMPTY);
        Live {
            key: self.key(slot),
            revision: slot.revision,
            version: u64::from(slot.version),
            place: Place {
                at: slot.at,
                length: slot.length,
            },
            kind: self.kinds.get(usize::from(slot.kind)).unwrap_or(NONE),
            hash: slot.hash,
        }
    }

    fn slot(&self, n: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(n).ok()?)
    }

    fn key(&self, slot: &Slot) -> &[u8] {
        let place = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let (start, length) = (place(slot.key.0), place(slot.key.1));
        self.text
            .get(start..start.saturating_add(length))
            .unwrap_or_default()
    }

    fn take(&mut self, row: &Row<'_>, selection: &Selection) {
        self.rows += u64::from(!row.place.is_remnant());
        self.revision = self.revision.max(row.revision.0);
        let late = selection.revision.is_some_and(|r| row.revision.0 > r);
        if late || !selection.takes(row.key) {
            return;
        }
        let kind = row.value.map_or(0, |value| self.kind_of(value));
        let slot = Slot {
            key: (0, 0),
            revision: row.revision.0,
            sub: u32::try_from(row.revision.1).unwrap_or(u32::MAX),
            version: u32::try_from(row.version).unwrap_or(u32::MAX),
            at: row.place.at,
            length: row.place.length,
            hash: match row.value {
                Some(value) if selection.hash => hash(value),
                _ => 0,
            },
            kind,
            is_deleted: row.value.is_none(),
        };
        // A batch may hold a key twice; the index sees to that.
        self.push(row.key, slot);
    }

    /// Adds a slot whose key is new.
    fn push(&mut self, key: &[u8], mut new: Slot) {
        let (Ok(at), Ok(length)) = (u32::try_from(self.text.len()), u32::try_from(key.len()))
        else {
            return;
        };
        new.key = (at, length);
        self.text.extend_from_slice(key);
        self.slots.push(new);
    }

    /// Forgets all rows; what was learned about kinds stays.
    fn clear(&mut self) {
        self.text.clear();
        self.slots.clear();
        self.rows = 0;
        self.walked = Walked::default();
    }

    fn kind_of(&mut self, value: &[u8]) -> u16 {
        // Nearly all are protobuf, and their kinds are few: no text is made for those that are known.
        if let Ok(Stored::Protobuf(said)) = kubernetes::open(value) {
            let is = |n: &u16| {
                self.kinds.get(usize::from(*n)).is_some_and(|k| {
                    k.form == Form::Protobuf
                        && k.kind == said.kind
                        && k.api_version == said.api_version
                })
            };
            if let Some(at) = self.often.iter().position(is) {
                let n = self.often.get(at).copied().unwrap_or(0);
                self.often.swap(at, at / 2);
                return n;
            }
        }
        self.kind(type_of(value))
    }

    fn kind(&mut self, kind: Type) -> u16 {
        let known = self.kinds.iter().position(|k| *k == kind);
        let n = known.unwrap_or_else(|| {
            if self.kinds.len() >= KINDS {
                return 0;
            }
            self.kinds.push(kind);
            let n = self.kinds.len() - 1;
            self.often.extend(u16::try_from(n));
            n
        });
        u16::try_from(n).unwrap_or(0)
    }

    /// Takes what the rows behind gave.
    fn absorb(&mut self, behind: &Self) {
        let kinds: Vec<u16> = behind.kinds.iter().map(|k| self.kind(k.clone())).collect();
        for slot in &behind.slots {
            let kind = kinds.get(usize::from(slot.kind)).copied().unwrap_or(0);
            self.put(behind.key(slot), Slot { kind, ..*slot });
        }
        self.rows += behind.rows;
        self.revision = self.revision.max(behind.revision);
        self.walked.absorb(behind.walked.clone());
    }

    /// Puts the later of two writes of a key.
    fn put(&mut self, key: &[u8], mut new: Slot) {
        if self.slots.len() * 2 >= self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut at = bucket(key) & mask;
        loop {
            let Some(entry) = self.table.get(at).copied() else {
                return;
            };
            let Some(n) = entry.checked_sub(1) else {
                self.push(key, new);
                if let (Some(entry), Ok(n)) =
                    (self.table.get_mut(at), u32::try_from(self.slots.len()))
                {
                    *entry = n;
                }
                return;
            };
            let known = self.slot(n).is_some_and(|s| self.key(s) == key);
            if known {
                let at = usize::try_from(n).unwrap_or(usize::MAX);
                let Some(slot) = self.slots.get_mut(at) else {
                    return;
                };
                // A deletion says nothing of what it deleted, and threads may bring it first.
                let is_later = (slot.revision, slot.sub) <= (new.revision, new.sub);
                if is_later {
                    new.key = slot.key;
                    if new.is_deleted {
                        new.kind = slot.kind;
                    }
                    *slot = new;
                } else if slot.is_deleted && slot.kind == 0 {
                    slot.kind = new.kind;
                }
                return;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 4).next_power_of_two().max(1024);
        let mut table = vec![0u32; size];
        for (n, slot) in (1u32..).zip(&self.slots) {
            let mut at = bucket(self.key(slot)) & (size - 1);
            while table.get(at).is_some_and(|e| *e != 0) {
                at = (at + 1) & (size - 1);
            }
            if let Some(entry) = table.get_mut(at) {
                *entry = n;
            }
        }
        self.table = table;
    }
}

/// The same on every machine and in every run.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Where a key is looked for first.
fn bucket(key: &[u8]) -> usize {
    usize::try_from(hash(key) & 0xffff_ffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::held::{Held, Told};

    fn json(kind: &str) -> String {
        format!(r#"{{"apiVersion":"v1","kind":"{kind}"}}"#)
    }

    /// Threads bring rows in any order: the answer is the same, also of what a deletion deleted.
    #[test]
    fn the_latest_write_counts_in_whatever_order_rows_come() {
        let rows = [
            Told::new("/registry/a/x", 3, json("A")),
            Told::new("/registry/b/y", 4, json("B")),
            Told::deleted("/registry/a/x", 7),
            Told::new("/registry/b/y", 9, json("B")),
        ];
        let orders: [[usize; 4]; 3] = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1]];
        for order in orders {
            let told = Held(order.iter().map(|n| rows[*n].clone()).collect());
            let index = Index::new(&told, &Selection::default());
            assert_eq!((index.len(), index.deleted(), index.rows), (1, 1, 4));
            let mut all: Vec<_> = index
                .all()
                .map(|l| (l.key, l.revision, l.kind.kind.as_str()))
                .collect();
            all.sort();
            let wanted = [
                (b"/registry/a/x".as_slice(), 7, "A"),
                (b"/registry/b/y".as_slice(), 9, "B"),
            ];
            assert_eq!(all, wanted, "{order:?}");
        }
    }

    /// A file may name any number of kinds; those past the bound are not told apart, and none is lent another's.
    #[test]
    fn a_kind_past_the_bound_is_no_kind() {
        let rows = (0..KINDS + 10)
            .map(|n| Told::new(format!("/registry/k/{n:06}"), 2, json(&format!("K{n:06}"))));
        let index = Index::new(&Held(rows.collect()), &Selection::default());
        for live in index.live() {
            let number = String::from_utf8_lossy(live.key)
                .rsplit('/')
                .next()
                .map(str::to_owned);
            let said = live.kind.kind.strip_prefix('K').map(str::to_owned);
            assert!(said.is_none() || said == number, "{said:?} of {number:?}");
        }
        assert!(index.live().filter(|l| l.kind.kind.is_empty()).count() >= 10);
    }
}
