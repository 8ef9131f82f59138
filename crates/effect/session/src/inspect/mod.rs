//! Reading a dead datastore: what the verbs of `defib inspect` are made of.
//!
//! Deliberately absent: printing, and masking for the eye (the faces).

mod diff;
mod export;
mod list;
mod object;
mod query;

use std::path::{Path, PathBuf};

use defib_collect::CollectError;
use defib_collect::datastore::{self, FileAt, Kind};
use defib_formats::datastore::Rows;
use defib_formats::etcd::{Etcd, TRAILER, has_trailer};
use defib_formats::read_at::ReadAt;
use serde::Serialize;

pub use defib_store::{Change, Hash, Share, Trust, Verification};
pub use diff::{Difference, How, differences};
pub use export::{Export, Exported};
pub use list::{Item, List, Wanted};
pub use object::{Object, ValueError};
pub use query::{History, Step, Target};

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
    store: Etcd<FileAt>,
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
    /// The last entry of the log that is in the file.
    pub consistent_index: Option<u64>,
    /// The term of that entry.
    pub term: Option<u64>,
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
    /// Leases.
    pub leases: u64,
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
        let opened = datastore::open(path)?;
        let none = |why: String| CollectError::NoDatastore {
            path: opened.path.clone(),
            why,
        };
        if opened.kind == Kind::Sqlite {
            return Err(CollectError::NotYet {
                what: format!("{} (an SQLite database)", opened.path.display()),
            });
        }
        let length = opened.file.len();
        let end = if has_trailer(length) {
            length - TRAILER
        } else {
            length
        };
        let path = opened.path.clone();
        let store = Etcd::open(opened.file, end).map_err(|e| none(e.to_string()))?;
        if !defib_formats::etcd::is_etcd(store.walk()) && store.walk().walked.damages == 0 {
            return Err(none(
                "it is a database of bbolt, and not one of etcd".into(),
            ));
        }
        Ok(Self {
            path,
            packed: opened.packed,
            holder: opened.holder,
            notes: opened.notes,
            length,
            store,
        })
    }

    /// Its rows.
    pub fn rows(&self) -> &dyn Rows {
        &self.store
    }

    /// Revision up to which history is gone.
    pub fn compacted(&self) -> u64 {
        self.rows().compacted()
    }

    /// Was it written to since it was opened?
    pub fn has_changed(&self) -> bool {
        self.store.database().source().has_changed()
    }

    /// How far it can be trusted.
    pub fn verify(&self) -> Verification {
        let mut done = defib_store::verify(&self.store, self.length);
        if self.has_changed() {
            done.trust = Trust::Unknown;
            done.notes
                .push("the file was written to while it was read".into());
        }
        done
    }

    /// Who fills it.
    pub fn stats(&self) -> Stats {
        let said = defib_store::stats(self.rows());
        let meta = self.store.database().meta();
        Stats {
            shares: said.shares,
            file: self.length,
            used: (self.store.walk().walked.pages + 2) * u64::from(meta.page_size),
            leases: self.store.meta.leases,
            compacted: self.rows().compacted(),
            damages: said.walked.damages,
        }
    }

    /// Who belongs to the cluster.
    pub fn members(&self) -> Members {
        let meta = &self.store.meta;
        let alarms = |id: u64| {
            meta.alarms
                .iter()
                .filter(|(member, _)| *member == id)
                .map(|(_, kind)| match kind {
                    1 => "NOSPACE",
                    2 => "CORRUPT",
                    _ => "unknown",
                })
                .collect()
        };
        let mut members: Vec<Member> = meta
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
        members.extend(meta.removed.iter().map(|id| Member {
            id: format!("{id:x}"),
            name: String::new(),
            role: "removed",
            peer_urls: Vec::new(),
            client_urls: Vec::new(),
            alarms: alarms(*id),
        }));
        Members {
            members,
            majority: voters / 2 + 1,
            cluster_version: meta.cluster_version.clone(),
            storage_version: meta.storage_version.clone(),
            consistent_index: meta.consistent_index,
            term: meta.term,
        }
    }
}
