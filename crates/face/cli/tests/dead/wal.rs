//! A member's log, damaged in every record: what is shown is what a real etcd serves that opens the same folder,
//! and where etcd does not start, that is said.
//!
//! `DEFIB_FULL=1` takes every position, else a few dozen spread over all records.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use defib_session::inspect::{Dead, Trust};
use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::LabError;
use xtask::lab::member::Member;

use super::Outcome;

/// Without a commit of the database in between, and quick to elect itself.
pub const SLOW: &[&str] = &[
    "--backend-batch-interval=1h",
    "--backend-batch-limit=1000000",
    "--heartbeat-interval=10",
    "--election-timeout=100",
];

/// The revision, and of every key its revision, its version and its value.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    pub revision: u64,
    pub keys: BTreeMap<String, (u64, u64, Vec<u8>)>,
}

pub fn failed(error: impl std::fmt::Display) -> Failed {
    Failed::from(error.to_string())
}

/// What a running etcd serves.
pub fn served(member: &Member) -> Result<State, Failed> {
    // Where there are many keys, those of others would not fit into one answer.
    let said = member
        .etcdctl(&["get", "", "--from-key", "-w", "json"])
        .map_err(failed)?;
    let said: Value = serde_json::from_str(&said)?;
    let number = |v: &Value| v.as_u64().unwrap_or(0);
    let bytes = |v: &Value| {
        let text = v.as_str().unwrap_or_default();
        let engine = base64::engine::general_purpose::STANDARD;
        engine.decode(text).unwrap_or_default()
    };
    let keys = said["kvs"].as_array().into_iter().flatten().map(|kv| {
        let key = String::from_utf8_lossy(&bytes(&kv["key"])).into_owned();
        let (revision, version) = (number(&kv["mod_revision"]), number(&kv["version"]));
        (key, (revision, version, bytes(&kv["value"])))
    });
    Ok(State {
        revision: number(&said["header"]["revision"]),
        keys: keys.collect(),
    })
}

/// What the folder holds, as it is read here.
pub fn shown(dead: &Dead) -> Result<State, Failed> {
    let list = dead.list(&Default::default());
    let mut keys = BTreeMap::new();
    for item in list.items() {
        let value = dead.rows().value(item.place)?;
        keys.insert(item.key.to_owned(), (item.revision, item.writes, value));
    }
    Ok(State {
        revision: list.index.revision.max(1),
        keys,
    })
}

/// A data directory whose last writes are in the log only, as it lies on the disk: the database, and the log as
/// far as it is no zeros.
struct Killed {
    _folder: tempfile::TempDir,
    database: PathBuf,
    name: String,
    log: Vec<u8>,
    length: u64,
}

/// Bytes that a log file is made ready with (`SegmentSizeBytes`).
const SEGMENT: u64 = 64 << 20;

impl Killed {
    fn new() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let mut member = Member::start(folder.path(), SLOW).map_err(failed)?;
        let put = |key: &str, value: &str, more: &[&str]| {
            let mut arguments = vec!["put", key, value];
            arguments.extend(more);
            member.etcdctl(&arguments).map_err(failed)
        };
        put("/registry/base", "before", &[])?;
        // Writes the database anew, with all it knows of itself so far.
        member.etcdctl(&["defrag"]).map_err(failed)?;
        for n in 0..8 {
            put(&format!("/registry/a/{n}"), &format!("value {n}"), &[])?;
        }
        let granted = member
            .etcdctl(&["lease", "grant", "9000", "-w", "json"])
            .map_err(failed)?;
        let granted: Value = serde_json::from_str(&granted)?;
        let lease = format!("--lease={:x}", granted["ID"].as_u64().ok_or("a lease")?);
        put("/registry/leased", "for a while", &[&lease])?;
        put("/registry/base", "after", &[])?;
        // Sectors of zeros, as a torn write has them.
        put("/registry/zeros", &"\u{1}".repeat(1500), &[])?;
        put("/registry/a/3", "", &["--ignore-lease"])?;
        member
            .etcdctl(&["del", "/registry/a/1", "/registry/a/3"])
            .map_err(failed)?;
        member
            .etcdctl(&["lease", "revoke", lease.trim_start_matches("--lease=")])
            .map_err(failed)?;
        member.fill(2).map_err(failed)?;
        put("/registry/last", "the last", &[])?;
        member.kill();
        let wal = member.data().join("member/wal");
        let name = std::fs::read_dir(&wal)?
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .find(|n| n.ends_with(".wal"))
            .ok_or("a log")?;
        let mut log = std::fs::read(wal.join(&name))?;
        let length = log.len() as u64;
        log.truncate(log.iter().rposition(|b| *b != 0).map_or(0, |n| n + 1));
        // A record's padding is zero too.
        log.resize(log.len().next_multiple_of(8), 0);
        Ok(Self {
            database: member.data().join("member/snap/db"),
            _folder: folder,
            name,
            log,
            length,
        })
    }

    /// Where each record begins, and its end.
    fn records(&self) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        let mut at = 0;
        while let Some(head) = self.log.get(at..at + 8) {
            let frame = head.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
            let padding = if frame >> 63 == 1 { frame >> 56 & 7 } else { 0 };
            let end = at + 8 + ((frame & (u64::MAX >> 8)) + padding) as usize;
            out.push((at, end));
            at = end;
        }
        assert_eq!(out.last().map(|r| r.1), Some(self.log.len()));
        out
    }

    /// The same folder, with this log of so many bytes.
    fn copy(&self, log: &[u8], length: u64) -> Result<tempfile::TempDir, Failed> {
        let folder = tempfile::tempdir()?;
        let member = folder.path().join("etcd/member");
        std::fs::create_dir_all(member.join("snap"))?;
        std::fs::create_dir_all(member.join("wal"))?;
        std::fs::copy(&self.database, member.join("snap/db"))?;
        let mut file = std::fs::File::create(member.join("wal").join(&self.name))?;
        file.write_all(log)?;
        file.set_len(length)?;
        Ok(folder)
    }
}

/// One thing done to the log.
enum Harm {
    Flip(usize, u8),
    Cut(usize),
}

/// All that is done: bits of a record's length, type, sum and data, and cuts at its edges and in its middle.
fn harms(records: &[(usize, usize)]) -> Vec<Harm> {
    let mut out = Vec::new();
    for (n, &(at, end)) in records.iter().enumerate() {
        // `08 type 10 sum… 1a length data…`, and zeros up to the next eighth byte.
        let inside = at + 8;
        out.extend([
            Harm::Flip(at + n % 3, 1 << (n % 8)),
            Harm::Flip(at + 7, 0x80 >> (n % 8)),
            Harm::Flip(inside, 0x08 << (n % 4)),
            Harm::Flip(inside + 1, 1 << (n % 3)),
            Harm::Flip(inside + 3, 0x10),
            Harm::Flip((inside + end) / 2, 1 << (n % 8)),
            Harm::Flip(end.saturating_sub(9).max(inside + 4), 0x20),
            Harm::Cut(at),
            Harm::Cut(at + 1),
            Harm::Cut((at + end) / 2),
            Harm::Cut(end - 1),
        ]);
    }
    out
}

#[derive(Default, Debug)]
pub struct Count {
    same: u64,
    pub refused: u64,
    /// It started and answered nothing.
    silent: u64,
    /// The log could not be told from one that a crash tore.
    open: u64,
}

/// Compares a damaged folder with what a real etcd makes of it; it is read before, since etcd repairs it.
pub fn compare(what: &str, folder: &Path, count: &mut Count) -> Outcome {
    let data = folder.join("etcd");
    let dead = Dead::open(&data).map_err(failed)?;
    let here = shown(&dead)?;
    let said = dead.verify();
    let notes = dead.notes.join("; ");
    drop(dead);
    // On a log whose end is missing it starts, and never answers.
    let is_short = notes.contains("before what the database has already");
    let patience = Duration::from_secs(if is_short { 1 } else { 30 });
    match Member::start_within(patience, folder, SLOW) {
        Ok(member) => {
            let there = served(&member)?;
            assert_eq!(here, there, "{what}: {notes}");
            assert_ne!(said.trust, Trust::Verified, "{what}");
            count.same += 1;
            count.open += u64::from(said.trust == Trust::Unknown);
        }
        Err(LabError::Died { tail, .. }) => {
            assert_eq!(said.trust, Trust::Damaged, "{what}: {notes}: {tail}");
            assert!(
                said.damage.iter().any(|d| d.what.contains("(log")),
                "{what}: {:?}",
                said.damage
            );
            count.refused += 1;
        }
        Err(LabError::Deadline { .. }) if is_short => {
            assert_eq!(said.trust, Trust::Damaged, "{what}: {notes}");
            count.silent += 1;
        }
        Err(e) => return Err(failed(format!("{what}: {notes}: {e}"))),
    }
    Ok(())
}

pub fn a_damaged_log_is_what_etcd_makes_of_it() -> Outcome {
    let full = std::env::var_os("DEFIB_FULL").is_some();
    let killed = Killed::new()?;
    let records = killed.records();
    let all = harms(&records);
    let step = if full { 1 } else { all.len() / 60 };
    let (mut flips, mut cuts, mut count) = (0u64, 0u64, Count::default());
    let whole = killed.copy(&killed.log, killed.length)?;
    compare("whole", whole.path(), &mut count)?;
    assert_eq!((count.same, count.open), (1, 0), "a whole log is readable");
    // A step that has no divisor in common with the kinds of harm, so that each kind is met.
    let step = if step % 11 == 0 {
        step + 1
    } else {
        step.max(1)
    };
    for (n, harm) in all.iter().enumerate().filter(|(n, _)| n % step == 0) {
        let record = records.get(n / 11);
        let (what, folder) = match *harm {
            Harm::Flip(at, bit) => {
                flips += 1;
                let folder = killed.copy(&killed.log, killed.length)?;
                let path = folder.path().join("etcd/member/wal").join(&killed.name);
                let file = std::fs::OpenOptions::new().write(true).open(path)?;
                let was = killed.log.get(at).copied().unwrap_or(0);
                file.write_all_at(&[was ^ bit], at as u64)?;
                (format!("bit {bit:#x} of byte {at} in {record:?}"), folder)
            }
            Harm::Cut(at) => {
                cuts += 1;
                // By turns the file ends there, or zeros stand there, as on a disk that lost its last sectors.
                let length = if n % 2 == 0 { at as u64 } else { SEGMENT };
                let log = killed.log.get(..at).unwrap_or_default();
                let folder = killed.copy(log, length)?;
                (format!("cut at {at} in {record:?}, {length} bytes"), folder)
            }
        };
        compare(&what, folder.path(), &mut count)?;
    }
    println!(
        "{} records, {flips} flips, {cuts} cuts: {count:?}",
        records.len()
    );
    assert!(count.refused > 10 && count.same > 10, "{count:?}");
    Ok(())
}
