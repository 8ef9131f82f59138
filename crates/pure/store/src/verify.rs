//! Can it be trusted, and how far?
//!
//! The words are those of every verdict on data: `verified` (its hash, every page, every value), `readable`
//! (its structure only), `damaged`, `unknown`. Deliberately absent: `proven`, which only a restore can say.

use std::collections::BTreeMap;

use defib_formats::bbolt::{Damage, Walked};
use defib_formats::datastore::{Engine, Rows};
use defib_formats::etcd::{Etcd, Salvage, TRAILER, has_trailer};
use defib_formats::kubernetes::{self, DecodeError, Stored};
use defib_formats::read_at::ReadAt;
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// How far a datastore can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Its hash is right, every page was reached, and every value is well-formed.
    Verified,
    /// Its structure holds; nothing says that its bytes are those that were written.
    Readable,
    /// Something in it does not hold.
    Damaged,
    /// Nothing can be said.
    Unknown,
}

impl std::fmt::Display for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Verified => "verified",
            Self::Readable => "readable",
            Self::Damaged => "damaged",
            Self::Unknown => "unknown",
        })
    }
}

/// The hash behind a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Hash {
    /// It is the one of the bytes before it.
    Right {
        /// In hex.
        sha256: String,
    },
    /// It is not.
    Wrong {
        /// What stands behind the file, in hex.
        expected: String,
        /// What its bytes have, in hex.
        found: String,
    },
    /// There is none: the file is no snapshot, but a database as a member keeps it.
    Absent,
    /// The file could not be read to its end.
    Unread {
        /// Why.
        why: String,
    },
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Byte of the file; 0 where that is not known, as for a row of SQLite.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl From<&Damage> for Check {
    fn from(damage: &Damage) -> Self {
        Self {
            offset: damage.offset,
            what: damage.what.clone(),
        }
    }
}

/// What was found out.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// The verdict.
    pub trust: Trust,
    /// The hash behind it.
    pub hash: Hash,
    /// Pages that were reached, of those that the file has.
    pub pages: (u64, u64),
    /// Rows that were read.
    pub rows: u64,
    /// The latest revision.
    pub revision: u64,
    /// Values by how they are written.
    pub values: BTreeMap<String, u64>,
    /// What is wrong, at most a hundred.
    pub damage: Vec<Check>,
    /// How many there are in all.
    pub damages: u64,
    /// What is not wrong and yet worth knowing.
    pub notes: Vec<String>,
}

/// Verifies a database of etcd: hash, pages, and every row. `decoded` gives the same rows, decrypted where that
/// can be.
pub fn verify<R: ReadAt>(etcd: &Etcd<R>, decoded: &dyn Rows, length: u64) -> Verification {
    let (hash, (walked, rows, revision, values)) = rayon::join(
        || trailer(etcd.database().source(), length),
        || values(decoded),
    );
    let mut all = Walked::default();
    all.absorb(etcd.walk().walked.clone());
    all.absorb(etcd.meta.walked.clone());
    all.absorb(walked);
    // Two meta pages belong to nobody.
    let reached = all.pages + 2;
    let mut notes = Vec::new();
    if let Some(why) = &etcd.database().metas().other {
        notes.push(format!("{why}: normal after a crash, the other one holds"));
    }
    let pages = (reached, etcd.database().pages());
    verdict(hash, all, pages, (rows, revision, values), notes)
}

/// Verifies rows whose engine looked at its structure itself: what it found, and its pages in use and in all.
/// Without a hash nothing is better than readable.
pub fn verify_rows(rows: &dyn Rows, structure: Walked, pages: (u64, u64)) -> Verification {
    let (walked, count, revision, values) = values(rows);
    let mut all = structure;
    all.absorb(walked);
    let counted = (count, revision, values);
    verdict(Hash::Absent, all, pages, counted, Vec::new())
}

/// What salvaged rows are worth: their values are looked at, and the rest is damaged whatever they say.
pub fn verify_salvaged<R: ReadAt>(
    salvaged: &Salvage<R>,
    decoded: &dyn Rows,
    length: u64,
) -> Verification {
    let (hash, (walked, rows, revision, values)) =
        rayon::join(|| trailer(salvaged.source(), length), || values(decoded));
    let pages = (salvaged.pages.leaves, salvaged.pages.pages);
    let mut done = verdict(hash, walked, pages, (rows, revision, values), Vec::new());
    done.trust = Trust::Damaged;
    done
}

fn verdict(
    hash: Hash,
    all: Walked,
    pages: (u64, u64),
    (rows, revision, values): (u64, u64, BTreeMap<String, u64>),
    notes: Vec<String>,
) -> Verification {
    let trust = match &hash {
        _ if all.damages > 0 => Trust::Damaged,
        Hash::Wrong { .. } | Hash::Unread { .. } => Trust::Damaged,
        Hash::Absent => Trust::Readable,
        Hash::Right { .. } => Trust::Verified,
    };
    Verification {
        trust,
        hash,
        pages,
        rows,
        revision,
        values,
        damage: all.damage.iter().map(Check::from).collect(),
        damages: all.damages,
        notes,
    }
}

type Values = (Walked, u64, u64, BTreeMap<String, u64>);

/// Every row, on its wire.
fn values(rows: &dyn Rows) -> Values {
    let of = rayon::current_num_threads().max(1);
    let parts: Vec<Values> = (0..of)
        .into_par_iter()
        .map(|part| {
            let mut values: BTreeMap<String, u64> = BTreeMap::new();
            let (mut count, mut revision) = (0, 0);
            let mut broken = Walked::default();
            let walked = rows.scan(part, of, &mut |row| {
                count += u64::from(!row.place.is_remnant());
                revision = revision.max(row.revision.0);
                if let Some(value) = row.value {
                    let form = match form(value) {
                        Ok(form) => form,
                        Err(why) => {
                            let key = String::from_utf8_lossy(row.key);
                            let (at, row) = match rows.engine() {
                                Engine::Etcd => (row.place.at, String::new()),
                                Engine::Kine => (0, format!(" in row {}", row.revision.0)),
                            };
                            let what = format!("the value of {key}{row} does not hold: {why}");
                            broken.note(at, what);
                            "broken".into()
                        }
                    };
                    *values.entry(form).or_insert(0) += 1;
                }
            });
            broken.absorb(walked);
            (broken, count, revision, values)
        })
        .collect();
    parts
        .into_iter()
        .reduce(|mut a, b| {
            a.0.absorb(b.0);
            a.1 += b.1;
            a.2 = a.2.max(b.2);
            for (form, n) in b.3 {
                *a.3.entry(form).or_insert(0) += n;
            }
            a
        })
        .unwrap_or_default()
}

/// How a value is written, where it is well-formed.
fn form(value: &[u8]) -> Result<String, DecodeError> {
    match kubernetes::open(value)? {
        Stored::Encrypted(by) => Ok(format!("encrypted ({} {})", by.provider, by.key)),
        Stored::Other(_) => Ok("not of Kubernetes".into()),
        Stored::Protobuf(_) | Stored::Json(_) | Stored::Cbor(_) => {
            let said = kubernetes::walk(value)?;
            let unknown = if said.known { "" } else { " of unknown kinds" };
            Ok(format!("{}{unknown}", said.encoding))
        }
    }
}

/// The hash behind the database, compared with its bytes.
fn trailer(source: &impl ReadAt, length: u64) -> Hash {
    if !has_trailer(length) {
        return Hash::Absent;
    }
    let end = length - TRAILER;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < end {
        let n = usize::try_from((end - at).min(buffer.len() as u64)).unwrap_or(0);
        let Some(part) = buffer.get_mut(..n) else {
            break;
        };
        if let Err(e) = source.read_at(at, part) {
            let why = format!("byte {at} can't be read: {e}");
            return Hash::Unread { why };
        }
        hasher.update(&*part);
        at += n as u64;
    }
    let mut expected = [0; 32];
    if let Err(e) = source.read_at(end, &mut expected) {
        let why = format!("byte {end} can't be read: {e}");
        return Hash::Unread { why };
    }
    let found = hex(&hasher.finalize());
    let expected = hex(&expected);
    if found == expected {
        Hash::Right { sha256: found }
    } else {
        Hash::Wrong { expected, found }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
