//! Can it be trusted, and how far?
//!
//! The words are those of every verdict on data: `verified` (its hash, every page, every value), `readable`
//! (its structure only), `damaged`, `unknown`. Deliberately absent: `proven`, which only a restore can say.

use std::borrow::Cow;
use std::collections::BTreeMap;

use defib_formats::bbolt::{Damage, Walked};
use defib_formats::bootstrap;
use defib_formats::bytes::hex;
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

impl Hash {
    /// The hash behind the database of that many bytes, compared with its bytes.
    pub fn of(source: &impl ReadAt, length: u64) -> Self {
        if !has_trailer(length) {
            return Self::Absent;
        }
        let end = length - TRAILER;
        let mut hasher = Sha256::new();
        // As much as stays in the processor's cache until it is hashed.
        let mut buffer = vec![0; 1 << 17];
        let mut at = 0;
        while at < end {
            let n = usize::try_from((end - at).min(buffer.len() as u64)).unwrap_or(0);
            let Some(part) = buffer.get_mut(..n) else {
                break;
            };
            if let Err(e) = source.read_at(at, part) {
                let why = format!("byte {at} can't be read: {e}");
                return Self::Unread { why };
            }
            hasher.update(&*part);
            at += n as u64;
        }
        let mut expected = [0; 32];
        if let Err(e) = source.read_at(end, &mut expected) {
            let why = format!("byte {end} can't be read: {e}");
            return Self::Unread { why };
        }
        let found = hex(&hasher.finalize());
        let expected = hex(&expected);
        if found == expected {
            Self::Right { sha256: found }
        } else {
            Self::Wrong { expected, found }
        }
    }
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

/// How far each value is looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// Its form on the wire.
    #[default]
    Wire,
    /// Every field of it.
    Decoded,
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
    /// Hashes of the tokens that open the k3s bootstrap records in it.
    pub bootstrap: Vec<String>,
    /// What is wrong, at most a hundred.
    pub damage: Vec<Check>,
    /// How many there are in all.
    pub damages: u64,
    /// What is not wrong and yet worth knowing.
    pub notes: Vec<String>,
}

/// Verifies a database of etcd: hash, pages, and every row. `decoded` gives the same rows, decrypted where that
/// can be.
pub fn verify<R: ReadAt>(
    etcd: &Etcd<R>,
    decoded: &dyn Rows,
    length: u64,
    how: How,
) -> Verification {
    let (hash, counted) = rayon::join(
        || Hash::of(etcd.database().source(), length),
        || values(decoded, how, SMALL),
    );
    of_tree(etcd, hash, counted)
}

/// The same where somebody hashes the file already ([`Hash::of`]): `hash` is asked for when all rows were read.
pub fn verify_hashed<R: ReadAt>(
    etcd: &Etcd<R>,
    decoded: &dyn Rows,
    how: How,
    hash: impl FnOnce() -> Hash,
) -> Verification {
    let counted = values(decoded, how, SMALL);
    of_tree(etcd, hash(), counted)
}

fn of_tree<R: ReadAt>(etcd: &Etcd<R>, hash: Hash, counted: Counted) -> Verification {
    let mut all = Walked::default();
    all.absorb(etcd.walk().walked.clone());
    all.absorb(etcd.meta.walked.clone());
    all.absorb(counted.walked.clone());
    // Two meta pages belong to nobody.
    let reached = all.pages + 2;
    let mut notes = Vec::new();
    if let Some(why) = &etcd.database().metas().other {
        notes.push(format!("{why}: normal after a crash, the other one holds"));
    }
    let pages = (reached, etcd.database().pages());
    verdict(hash, all, pages, counted, notes)
}

/// Verifies rows whose engine looked at its structure itself: what it found, and its pages in use and in all.
/// Without a hash nothing is better than readable.
pub fn verify_rows(
    rows: &dyn Rows,
    structure: Walked,
    pages: (u64, u64),
    how: How,
) -> Verification {
    let counted = values(rows, how, 1);
    let mut all = structure;
    all.absorb(counted.walked.clone());
    verdict(Hash::Absent, all, pages, counted, Vec::new())
}

/// What salvaged rows are worth: their values are looked at, and the rest is damaged whatever they say.
pub fn verify_salvaged<R: ReadAt>(
    salvaged: &Salvage<R>,
    decoded: &dyn Rows,
    length: u64,
    how: How,
) -> Verification {
    let (hash, counted) = rayon::join(
        || Hash::of(salvaged.source(), length),
        || values(decoded, how, SMALL),
    );
    let pages = (salvaged.pages.leaves, salvaged.pages.pages);
    let walked = counted.walked.clone();
    let mut done = verdict(hash, walked, pages, counted, Vec::new());
    done.trust = Trust::Damaged;
    done
}

fn verdict(
    hash: Hash,
    all: Walked,
    pages: (u64, u64),
    counted: Counted,
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
        rows: counted.rows,
        revision: counted.revision,
        values: counted.values,
        bootstrap: (counted.bootstrap.into_iter())
            .filter(|(_, (_, lives))| *lives)
            .map(|(hash, _)| hash)
            .collect(),
        damage: all.damage.iter().map(Check::from).collect(),
        damages: all.damages,
        notes,
    }
}

/// What is learnt of all rows.
#[derive(Default)]
struct Counted {
    walked: Walked,
    rows: u64,
    revision: u64,
    values: BTreeMap<String, u64>,
    /// Bootstrap records by their hash: the last revision, and whether it lives.
    bootstrap: BTreeMap<String, (u64, bool)>,
}

impl Counted {
    fn absorb(&mut self, other: Self) {
        self.walked.absorb(other.walked);
        self.rows += other.rows;
        self.revision = self.revision.max(other.revision);
        for (form, n) in other.values {
            *self.values.entry(form).or_insert(0) += n;
        }
        for (hash, last) in other.bootstrap {
            let known = self.bootstrap.entry(hash).or_insert(last);
            *known = (*known).max(last);
        }
    }
}

/// Parts for each thread where one of them hashes the file meanwhile: it can help when it is done.
const SMALL: usize = 32;

/// Every row, on its wire or decoded, in so many parts for each thread.
fn values(rows: &dyn Rows, how: How, parts: usize) -> Counted {
    let of = rayon::current_num_threads().max(1) * parts;
    let parts: Vec<Counted> = (0..of)
        .into_par_iter()
        .map(|part| {
            let mut out = Counted::default();
            let mut broken = Walked::default();
            let mut json = Vec::new();
            let walked = rows.scan(part, of, &mut |row| {
                out.rows += u64::from(!row.place.is_remnant());
                out.revision = out.revision.max(row.revision.0);
                if let Some(hash) = hash(row.key) {
                    let last = (row.revision.0, row.value.is_some());
                    let known = out.bootstrap.entry(hash.to_owned()).or_insert(last);
                    *known = (*known).max(last);
                }
                let Some(value) = row.value else {
                    return;
                };
                let form = match form(value, how, &mut json) {
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
                // It is looked into, and no value of a row that is counted.
                if row.place.is_remnant() {
                    return;
                }
                match out.values.get_mut(&*form) {
                    Some(n) => *n += 1,
                    None => drop(out.values.insert(form.into_owned(), 1)),
                }
            });
            out.walked = broken;
            out.walked.absorb(walked);
            out
        })
        .collect();
    let mut all = Counted::default();
    parts.into_iter().for_each(|part| all.absorb(part));
    all
}

/// The hash in the key of a bootstrap record.
fn hash(key: &[u8]) -> Option<&str> {
    let key = std::str::from_utf8(
        key.starts_with(bootstrap::PREFIX.as_bytes())
            .then_some(key)?,
    );
    bootstrap::hash(key.ok()?)
}

/// How a value is written, where it is well-formed.
fn form(value: &[u8], how: How, json: &mut Vec<u8>) -> Result<Cow<'static, str>, DecodeError> {
    match kubernetes::open(value)? {
        Stored::Encrypted(by) => Ok(format!("encrypted ({} {})", by.provider, by.key).into()),
        Stored::Other(_) => Ok("not of Kubernetes".into()),
        Stored::Protobuf(_) | Stored::Json(_) | Stored::Cbor(_) => {
            let (encoding, known) = match how {
                How::Wire => {
                    let said = kubernetes::walk(value)?;
                    (said.encoding, said.known)
                }
                How::Decoded => {
                    json.clear();
                    let said = kubernetes::decode(value, json)?;
                    (said.encoding, said.known)
                }
            };
            Ok(match known {
                true => encoding.as_str().into(),
                false => format!("{encoding} of unknown kinds").into(),
            })
        }
    }
}
