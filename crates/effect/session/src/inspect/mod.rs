//! Reading a dead datastore: what the verbs of `defib inspect` are made of.
//!
//! Deliberately absent: printing, and masking for the eye (the faces).

mod bootstrap;
mod diff;
mod evidence;
mod export;
mod further;
mod list;
mod log;
mod object;
mod query;
#[cfg(feature = "live")]
mod rehearse;
mod salvaged;
#[cfg(feature = "serve")]
pub mod serve;
mod unlocked;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use defib_collect::CollectError;
use defib_collect::datastore::{self, FileAt, Kind, Kine, Log as SqliteLog};
use defib_formats::bbolt::Database;
use defib_formats::datastore::Rows;
use defib_formats::etcd::{Etcd, Salvage, TRAILER, has_trailer, is_worth_salvaging};
use defib_formats::read_at::ReadAt;
use defib_store::Replayed;
use serde::Serialize;

pub use bootstrap::{Bootstrap, BootstrapError, Certificate, Kept, OnDisk, PrivateKey, Record};
pub use defib_collect::datastore::forget_copies;
pub use defib_formats::bootstrap::Token;
pub use defib_formats::datastore::Engine;
pub use defib_store::{Change, Depth, Hash, Share, Trust, Verification};
pub use diff::{Difference, How, differences};
pub use export::{Export, Exported, Form};
pub use further::{Further, Quota};
pub use list::{Item, List, Wanted};
pub use object::{Object, ValueError};
pub use query::{History, Step, Target};
#[cfg(feature = "live")]
pub use rehearse::{Outcome, Rehearsed};
pub use unlocked::{UnlockError, read_token};

pub(crate) use evidence::evidence;
use log::Beside;
use unlocked::Unlocked;

/// A datastore that nobody runs, open for reading.
pub struct Dead {
    /// The file that was read, where a folder was named.
    pub path: PathBuf,
    /// How it was packed, if it was.
    pub packed: Option<&'static str>,
    /// A process that has it open and may write to it meanwhile.
    pub holder: Option<u32>,
    /// What is worth knowing about how it was found.
    pub notes: Vec<String>,
    /// Bytes of the file, unpacked.
    pub length: u64,
    rows: Unlocked,
    /// The log of a member, beside its database.
    beside: Beside,
    /// Which file it was.
    stamp: Option<Stamp>,
    /// Its hash, where somebody computes it already.
    hash: Mutex<Option<Receiver<Hash>>>,
}

/// The datastore itself, by what keeps it.
enum Store {
    Etcd(Box<Replayed<Etcd<FileAt>>>),
    Kine(Box<Kine>),
    Salvaged(Box<Salvage<FileAt>>),
}

/// Which file a path names, and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        Some(Self {
            file: (meta.dev(), meta.ino()),
            length: meta.len(),
            modified: meta.modified().ok(),
        })
    }
}

/// A member, for people and for JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// Its id, in hex.
    pub id: String,
    /// Its name; empty when it never started.
    pub name: String,
    /// What it may do: `voter`, `learner`, or `removed`.
    pub role: &'static str,
    /// Where other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Alarms that it has set.
    pub alarms: Vec<&'static str>,
}

/// Who belongs to the cluster, as this member last knew.
#[derive(Clone, Debug, Serialize)]
pub struct Members {
    /// Members, by id; those that were removed last.
    pub members: Vec<Member>,
    /// How many of the voters must live.
    pub majority: usize,
    /// Version of the cluster, as its members agreed.
    pub cluster_version: Option<String>,
    /// Version of the storage, from etcd 3.6 on.
    pub storage_version: Option<String>,
    /// Places of the file or of its log that are damaged, where members may stand.
    pub damages: u64,
    /// The last entry of the log that is in the file.
    pub consistent_index: Option<u64>,
    /// The term of that entry.
    pub term: Option<u64>,
    /// The id of the member whose folder this is, in hex, where its log is there to say so.
    pub id: Option<String>,
    /// The id of the cluster, in hex, where a log says so.
    pub cluster_id: Option<String>,
}

/// Who fills a datastore.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// By what keys are kept under, the most bytes first.
    pub shares: Vec<Share>,
    /// Bytes of the file: what counts against the quota.
    pub file: u64,
    /// Bytes of it that are in use; the rest is given back by defragmentation.
    pub used: u64,
    /// Leases; none where the datastore keeps no list of them.
    pub leases: Option<u64>,
    /// Bytes that kine's rows keep of the values before them, which the shares do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_values: Option<u64>,
    /// Revision up to which history is gone.
    pub compacted: u64,
    /// Places of the file that are damaged.
    pub damages: u64,
}

impl Dead {
    /// Opens a file or a folder.
    ///
    /// # Errors
    /// When there is no datastore, or it can't be read at all.
    pub fn open(path: &Path) -> Result<Self, CollectError> {
        Self::opened(datastore::open(path)?)
    }

    /// The same to be verified: a snapshot is hashed from now on, which takes as long as all the rest together. Not to be
    /// called on a thread of rayon's, for [`Dead::verify`] waits for the hash then.
    ///
    /// # Errors
    /// As of [`Dead::open`].
    pub fn open_to_verify(path: &Path) -> Result<Self, CollectError> {
        let opened = datastore::open(path)?;
        let length = opened.file.len();
        let is_hashed = opened.kind == Kind::Etcd && has_trailer(length);
        // One that can't be opened once more is hashed when it is verified.
        let file = is_hashed.then(|| opened.file.again().ok()).flatten();
        let hash = file.map(|file| {
            let (done, hash) = mpsc::channel();
            // Nobody waits for it where the rest can't be opened.
            rayon::spawn(move || drop(done.send(Hash::of(&file, length))));
            hash
        });
        let mut dead = Self::opened(opened)?;
        dead.hash = Mutex::new(hash);
        Ok(dead)
    }

    fn opened(opened: datastore::Opened) -> Result<Self, CollectError> {
        let none = |why: String| CollectError::NoDatastore {
            path: opened.path.clone(),
            why,
        };
        let length = opened.file.len();
        if opened.kind == Kind::Sqlite {
            return Self::kine(opened, length);
        }
        let end = if has_trailer(length) {
            length - TRAILER
        } else {
            length
        };
        let path = opened.path.clone();
        // The first pages only: the file is needed again where they do not hold.
        if let Err(e) = Database::open(&opened.file, end) {
            let why = e.to_string();
            return Err(match is_worth_salvaging(&opened.file) {
                true => CollectError::DamagedDatastore { path, why },
                false => none(why),
            });
        }
        let store = Etcd::open(opened.file, end).map_err(|e| none(e.to_string()))?;
        if !defib_formats::etcd::is_etcd(store.walk()) && store.walk().walked.damages == 0 {
            return Err(none(
                "it is a database of bbolt, and not one of etcd".into(),
            ));
        }
        let mut notes = opened.notes;
        let (store, beside) = log::apply(store, &path, (opened.log, opened.log_left), &mut notes);
        Ok(Self {
            packed: opened.packed,
            holder: opened.holder,
            length,
            rows: Unlocked::new(Store::Etcd(Box::new(store))),
            stamp: Stamp::of(&path),
            hash: Mutex::default(),
            path,
            notes,
            beside,
        })
    }

    fn kine(opened: datastore::Opened, length: u64) -> Result<Self, CollectError> {
        let (path, packed, holder) = (opened.path.clone(), opened.packed, opened.holder);
        let (store, notes) = Kine::open(opened)?;
        Ok(Self {
            packed,
            holder,
            notes,
            length,
            rows: Unlocked::new(Store::Kine(Box::new(store))),
            beside: Beside::default(),
            stamp: Stamp::of(&path),
            hash: Mutex::default(),
            path,
        })
    }

    /// Its rows.
    pub fn rows(&self) -> &dyn Rows {
        &self.rows
    }

    /// Places where the log beside it, and not the datastore itself, is damaged.
    pub fn log_damages(&self) -> u64 {
        match &self.rows.store {
            Store::Etcd(etcd) => etcd.log_damages(),
            Store::Kine(_) | Store::Salvaged(_) => 0,
        }
    }

    /// Was it read where it lies because there was no room for a copy? Then what was read may be of several moments.
    pub fn is_no_copy(&self) -> bool {
        matches!(&self.rows.store, Store::Kine(kine) if kine.in_place)
    }

    /// What keeps them.
    pub fn engine(&self) -> Engine {
        self.rows().engine()
    }

    /// Was it taken from a running member, with its hash behind it?
    pub fn is_snapshot(&self) -> bool {
        self.engine() == Engine::Etcd && has_trailer(self.length)
    }

    /// Revision up to which history is gone.
    pub fn compacted(&self) -> u64 {
        self.rows().compacted()
    }

    /// Was it written to since it was opened?
    pub fn has_changed(&self) -> bool {
        if Stamp::of(&self.path) != self.stamp {
            return true;
        }
        match &self.rows.store {
            Store::Etcd(etcd) => {
                etcd.base().database().source().has_changed() || self.beside.has_changed()
            }
            Store::Kine(kine) => kine.has_changed(),
            Store::Salvaged(salvaged) => salvaged.source().has_changed(),
        }
    }

    /// How far it can be trusted.
    pub fn verify(&self) -> Verification {
        self.verify_by(Depth::Wire)
    }

    /// The same, with every value looked into so far.
    pub fn verify_by(&self, how: Depth) -> Verification {
        self.rows.tally();
        let mut done = match &self.rows.store {
            Store::Etcd(etcd) => {
                let begun = self
                    .hash
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take();
                match begun {
                    Some(hash) => {
                        let ended = || {
                            hash.recv()
                                .unwrap_or_else(|e| Hash::Unread { why: e.to_string() })
                        };
                        defib_store::verify_hashed(etcd.base(), self.rows(), how, ended)
                    }
                    None => defib_store::verify(etcd.base(), self.rows(), self.length, how),
                }
            }
            Store::Kine(kine) => verify_kine(kine, self.rows(), how),
            Store::Salvaged(salvaged) => {
                let mut done =
                    defib_store::verify_salvaged(salvaged, self.rows(), self.length, how);
                done.notes.extend(salvaged::said(salvaged));
                done
            }
        };
        locked(&self.rows.tally(), &mut done);
        self.beside.judge(&mut done);
        if self.has_changed() {
            done.trust = Trust::Unknown;
            done.notes
                .push("the file was written to or replaced while it was read".into());
        } else if let Some(process) = self.holder {
            done.notes.push(format!(
                "process {process} has it open, and may write to it"
            ));
        }
        done
    }

    /// Who fills it.
    pub fn stats(&self) -> Stats {
        let said = defib_store::stats(self.rows());
        let (used, leases, old_values) = match &self.rows.store {
            Store::Etcd(etcd) => {
                let leases = etcd.standing.leases.len() as u64;
                let etcd = etcd.base();
                // Two meta pages belong to nobody.
                let small = etcd.walk().walked.pages + etcd.meta.walked.pages;
                let pages = small + said.walked.pages + 2;
                let used = pages * u64::from(etcd.database().meta().page_size);
                (used, Some(leases), None)
            }
            Store::Kine(kine) => {
                let used = kine.pages.0.saturating_mul(kine.page_size);
                (used, None, Some(kine.old_values()))
            }
            Store::Salvaged(salvaged) => {
                let size = u64::from(salvaged.pages.page_size);
                (salvaged.pages.leaves.saturating_mul(size), None, None)
            }
        };
        Stats {
            shares: said.shares,
            file: self.length,
            used,
            leases,
            old_values,
            compacted: self.rows().compacted(),
            damages: said.walked.damages,
        }
    }

    /// Who belongs to the cluster; `None` for kine, which is one server's file and has no members.
    pub fn members(&self) -> Option<Members> {
        let Store::Etcd(etcd) = &self.rows.store else {
            return None;
        };
        let meta = &etcd.base().meta;
        let known = self.beside.membership.clone().unwrap_or_default();
        let alarms = |id: u64| {
            let standing = etcd.standing.alarms.iter();
            standing
                .filter(|(member, _)| *member == id)
                .map(|(_, kind)| match kind {
                    1 => "NOSPACE",
                    2 => "CORRUPT",
                    _ => "unknown",
                })
                .collect()
        };
        let mut members: Vec<Member> = known
            .members
            .iter()
            .map(|m| Member {
                id: format!("{:x}", m.id),
                name: m.name.clone(),
                role: if m.is_learner { "learner" } else { "voter" },
                peer_urls: m.peer_urls.clone(),
                client_urls: m.client_urls.clone(),
                alarms: alarms(m.id),
            })
            .collect();
        let voters = members.iter().filter(|m| m.role == "voter").count();
        members.extend(known.removed.iter().map(|id| Member {
            id: format!("{id:x}"),
            name: String::new(),
            role: "removed",
            peer_urls: Vec::new(),
            client_urls: Vec::new(),
            alarms: alarms(*id),
        }));
        Some(Members {
            members,
            majority: voters / 2 + 1,
            damages: etcd.base().walk().walked.damages
                + etcd.base().meta.walked.damages
                + etcd.log_damages(),
            cluster_version: known.cluster_version,
            storage_version: meta.storage_version.clone(),
            consistent_index: meta.consistent_index,
            term: meta.term,
            id: self.beside.ids.map(|(member, _)| format!("{member:x}")),
            cluster_id: self.beside.ids.map(|(_, cluster)| format!("{cluster:x}")),
        })
    }
}

/// SQLite's own check, and every value; what a log that was left out held, nobody knows.
fn verify_kine(kine: &Kine, rows: &dyn Rows, how: Depth) -> Verification {
    let mut done = defib_store::verify_rows(rows, kine.integrity(), kine.pages, how);
    if done.damages > 0
        && let Some(expected) = kine.expected_rows()
    {
        done.notes.push(format!(
            "{} of {expected} rows that its index of names has can be read, without gaps and notes of kine's own",
            done.rows
        ));
    }
    if kine.in_place {
        done.notes
            .push("read where it lies, which is no consistent copy".into());
    }
    if !kine.is_checked() {
        let note = "SQLite's own check of all pages and indexes was not made: with its log, it reads copies only";
        done.notes.push(note.into());
        // A row that an index would miss is missed by nobody here.
        doubt(&mut done);
    }
    for why in &kine.doubts {
        done.notes.push(why.clone());
        doubt(&mut done);
    }
    match kine.overwritten() {
        0 => {}
        times => {
            doubt(&mut done);
            done.notes.push(format!(
                "the log was begun anew while it was read: {times} times a page was taken from the database, which may \
                 be a later one"
            ));
        }
    }
    if let SqliteLog::Left { why } = &kine.log {
        doubt(&mut done);
        done.notes
            .push(format!("read without the log beside it: {why}"));
    }
    done
}

/// Takes from a verdict that is not worse already.
fn doubt(done: &mut Verification) {
    if done.trust == Trust::Readable {
        done.trust = Trust::Unknown;
    }
}

/// What the keys that were given did not open. A key that opens some values and not others shows damage; one
/// that opens none may be another key of the same name.
fn locked(tally: &unlocked::Tally, done: &mut Verification) {
    for (name, (opened, closed, first)) in tally {
        if *closed == 0 {
            continue;
        }
        if *opened > 0 {
            done.trust = Trust::Damaged;
            done.damages += closed;
            done.damage.push(defib_store::Check {
                offset: 0,
                what: format!("{closed} values of {name} do not open, the first is {first}"),
            });
        } else {
            if done.trust != Trust::Damaged {
                done.trust = Trust::Unknown;
            }
            done.notes.push(format!(
                "none of {closed} values is opened by the key {name}: another key of that name, or damage"
            ));
        }
    }
}
