//! A datastore whose tree is broken, read page by page.
//!
//! Deliberately absent: kine's SQLite, which finds what it can by itself.

use std::path::Path;
use std::sync::Mutex;

use defib_collect::CollectError;
use defib_collect::datastore::{self, FileAt, Kind};
use defib_formats::etcd::{Salvage, TRAILER, has_trailer};
use defib_formats::read_at::ReadAt;

use super::log::Beside;
use super::unlocked::Unlocked;
use super::{Dead, Stamp, Store};

impl Dead {
    /// Opens a file or a folder, and takes rows from every page that looks as if it held some.
    ///
    /// # Errors
    /// When there is no datastore, none of etcd, or no row in it.
    pub fn salvage(path: &Path) -> Result<Self, CollectError> {
        let opened = datastore::open(path)?;
        if opened.kind == Kind::Sqlite {
            return Err(CollectError::NoSalvage { path: opened.path });
        }
        let length = opened.file.len();
        let end = if has_trailer(length) {
            length - TRAILER
        } else {
            length
        };
        let path = opened.path.clone();
        let mut notes = opened.notes;
        let has_log = !opened.log.is_empty();
        let salvaged = Salvage::read(opened.file, end);
        if salvaged.is_empty() {
            return Err(CollectError::NoDatastore {
                path,
                why: "no page of it holds a row of etcd".into(),
            });
        }
        notes.extend(said(&salvaged));
        if has_log {
            notes.push("the log beside it is not applied to what was salvaged".into());
        }
        Ok(Self {
            packed: opened.packed,
            holder: opened.holder,
            length,
            rows: Unlocked::new(Store::Salvaged(Box::new(salvaged))),
            notes,
            beside: Beside::default(),
            stamp: Stamp::of(&path),
            hash: Mutex::default(),
            path,
        })
    }

    /// Was it read page by page?
    pub fn is_salvaged(&self) -> bool {
        matches!(self.rows.store, Store::Salvaged(_))
    }
}

/// What is to be known of salvaged rows.
pub(super) fn said(salvaged: &Salvage<FileAt>) -> Vec<String> {
    let mut out = vec![format!(
        "{} rows were salvaged from {} leaves of {} pages; what was deleted or replaced may come back, and what is missing is not known",
        salvaged.len(),
        salvaged.pages.leaves,
        salvaged.pages.pages
    )];
    match salvaged.share() {
        Some((found, all)) => out.push(format!(
            "{found} of {all} revisions since the last compaction were found; there may have been later ones"
        )),
        None => out.push("how much that is of the whole is not known: no page says when history was compacted".into()),
    }
    if salvaged.broken > 0 {
        out.push(format!(
            "{} rows do not hold and were left out",
            salvaged.broken
        ));
    }
    out
}
