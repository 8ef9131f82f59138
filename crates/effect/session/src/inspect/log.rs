//! The write-ahead log beside a member's database: what of it is applied, and what that says of the whole.
//!
//! Deliberately absent: the files (`collect`), what entries do (`store`).

use std::path::{Path, PathBuf};

use defib_collect::datastore::FileAt;
use defib_formats::bbolt::Walked;
use defib_formats::etcd::Etcd;
use defib_formats::etcd::wal::{Entry, Log};
use defib_store::{Membership, Replayed, Standing, Trust, Verification, agreed};

/// What the log says beside what it adds to the rows.
#[derive(Default)]
pub(super) struct Beside {
    /// Who belongs to the cluster after its last entry.
    pub(super) membership: Option<Membership>,
    /// The id of the member, and of its cluster.
    pub(super) ids: Option<(u64, u64)>,
    /// Why what was read may not be all, if so.
    pub(super) open: Option<String>,
    files: Vec<FileAt>,
    /// The file beside which it lies.
    database: PathBuf,
}

impl Beside {
    /// Was the log written to since it was opened?
    pub(super) fn has_changed(&self) -> bool {
        self.files.iter().any(FileAt::has_changed)
    }

    /// What the log takes from a verdict.
    pub(super) fn judge(&self, done: &mut Verification) {
        if let Some(why) = &self.open {
            if matches!(done.trust, Trust::Readable | Trust::Verified) {
                done.trust = Trust::Unknown;
            }
            done.notes.push(why.clone());
        }
    }
}

/// The database with what its log says beyond it, as far as that was agreed on.
pub(super) fn apply(
    etcd: Etcd<FileAt>,
    database: &Path,
    (files, left): (Vec<(String, FileAt)>, Option<String>),
    notes: &mut Vec<String>,
) -> (Replayed<Etcd<FileAt>>, Beside) {
    let (names, files): (Vec<String>, Vec<FileAt>) = files.into_iter().unzip();
    let mut beside = Beside {
        files,
        database: database.to_owned(),
        open: left.map(|why| format!("the log beside it is left out: {why}")),
        ..Beside::default()
    };
    notes.extend(beside.open.clone());
    let mut membership = Membership::new(&etcd.meta);
    let mut damage = Walked::default();
    let entries = match beside.files.is_empty() {
        true => Vec::new(),
        false => read(&etcd, &names, &mut beside, &mut damage, notes),
    };
    if beside.has_changed() {
        notes.push("the log was written to while it was read: its end may look damaged".into());
    }
    for entry in &entries {
        membership.apply(entry);
    }
    if membership.changes > 0 {
        notes.push(format!(
            "{} changes of members stand in the log, which the database did not have yet",
            membership.changes
        ));
    }
    beside.membership = Some(membership);
    let standing = Standing {
        leases: etcd.meta.leases.clone(),
        alarms: etcd.meta.alarms.iter().copied().collect(),
    };
    let done = Replayed::new(etcd, standing, &entries, damage);
    if done.applied > 0 {
        notes.push(format!(
            "{} writes of the log beside it were applied, which the database did not have yet",
            done.applied
        ));
    }
    if done.broken > 0 {
        notes.push(format!(
            "{} entries of the log are not applied: the first of them does not hold",
            done.broken
        ));
    }
    if done.withheld > 0 {
        withhold(done.withheld, notes);
    }
    (done, beside)
}

fn withhold(entries: u64, notes: &mut Vec<String>) {
    notes.push(format!(
        "{entries} entries of the log beside it are not applied: the database is damaged, so nobody knows on what they build"
    ));
}

/// Entries that the database does not have yet and that were agreed on.
fn read(
    etcd: &Etcd<FileAt>,
    names: &[String],
    beside: &mut Beside,
    damage: &mut Walked,
    notes: &mut Vec<String>,
) -> Vec<Entry> {
    // A database that was never written to has none.
    let index = etcd.meta.consistent_index.unwrap_or(0);
    let mut log = Log::read(&beside.files, index);
    beside.ids = log.ids;
    let name = |n: usize| names.get(n).map_or("", String::as_str);
    for (file, found) in &log.damage {
        notes.push(format!(
            "the log beside it is damaged: {} {found}; what stands behind is not read, and etcd does not start on it",
            name(*file)
        ));
        // Not a place of the database.
        let at = format!("(log {}, byte {})", name(*file), found.offset);
        damage.note(0, format!("{at} {}", found.what));
    }
    if let Some(missing) = missing(names) {
        notes.push(format!("a file of the log is missing before {missing}"));
        damage.note(0, format!("(log {missing}) the file before it is missing"));
    }
    if let Some(at) = log.cut {
        beside.open = Some(format!(
            "the log ends within a record at byte {at} of {}, as after a crash: etcd cuts it there, and what stood behind is lost",
            name(names.len().saturating_sub(1))
        ));
        notes.extend(beside.open.clone());
    }
    if log.is_partial {
        let why = "the log holds more entries than are read here";
        notes.push(why.into());
        beside.open = Some(why.into());
    }
    if etcd.meta.consistent_index.is_none() && etcd.meta.walked.damages > 0 {
        withhold(log.entries.len() as u64, notes);
        return Vec::new();
    }
    if log.snapshot > index {
        // Sent by the leader (`RecoverSnapshotBackend` in `server/storage/backend.go`).
        let sent = format!("{:016x}.snap.db", log.snapshot);
        let sent = beside.database.with_file_name(sent);
        let more = match sent.is_file() {
            true => format!(
                "; the one that the leader sent lies beside it, and etcd takes that: {}",
                sent.display()
            ),
            false => String::new(),
        };
        notes.push(format!(
            "the log builds on a snapshot of entry {}, and the database ends at {index}: the log is left out{more}",
            log.snapshot
        ));
        let what = format!(
            "(log) it builds on entry {}, the database ends at {index}",
            log.snapshot
        );
        damage.note(0, what);
        return Vec::new();
    }
    if log.last < index && log.damage.is_empty() {
        // etcd opens it, and then answers nothing: it takes new entries for ones that it has.
        let why = format!(
            "ends at entry {}, before what the database has already ({index}): its end is missing",
            log.last
        );
        notes.push(format!("the log beside it {why}"));
        damage.note(0, format!("(log) it {why}"));
    }
    let sure = agreed(&etcd.meta, &log);
    let open = log.entries.len().saturating_sub(sure);
    if open > 0 {
        notes.push(format!(
            "{open} more entries stand in the log, of which this member did not know whether a majority had them; they are not applied"
        ));
    }
    log.entries.truncate(sure);
    match log.entries.first() {
        // A log that begins further on belongs to another database.
        Some(first) if first.index != index + 1 => {
            notes.push(format!(
                "the log begins at entry {}, the database ends at {index}: they do not belong together, the log is left out",
                first.index
            ));
            damage.note(
                0,
                format!(
                    "(log) it begins at entry {}, the database ends at {index}",
                    first.index
                ),
            );
            Vec::new()
        }
        Some(_) if etcd.walk().walked.damages + etcd.meta.walked.damages > 0 => {
            withhold(log.entries.len() as u64, notes);
            Vec::new()
        }
        _ => log.entries,
    }
}

/// The file whose forerunner is not there; the first one may be any (`isValidSeq` in `server/storage/wal/util.go`).
fn missing(names: &[String]) -> Option<&str> {
    let number = |name: &String| {
        name.split_once('-')
            .and_then(|(n, _)| u64::from_str_radix(n, 16).ok())
    };
    names
        .iter()
        .zip(names.iter().skip(1))
        .find(|(a, b)| number(a).map(|n| n + 1) != number(b))
        .map(|(_, b)| b.as_str())
}
