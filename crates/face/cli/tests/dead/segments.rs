//! A log of several files: harm to an earlier one, or one that is not there.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use defib_session::inspect::{Dead, Trust};
use libtest_mimic::Failed;
use xtask::lab::member::Member;

use super::Outcome;
use super::wal::{Count, SLOW, State, compare, failed, served, shown};

/// A folder and its log's files, in order.
type Copied = (tempfile::TempDir, Vec<PathBuf>);

/// The names of the log's files, in order.
fn names(data: &Path) -> std::io::Result<Vec<String>> {
    let mut out: Vec<String> = std::fs::read_dir(data.join("member/wal"))?
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|n| n.ends_with(".wal"))
        .collect();
    out.sort();
    Ok(out)
}

fn copied(data: &Path) -> Result<Copied, Failed> {
    let folder = tempfile::tempdir()?;
    let member = folder.path().join("etcd/member");
    for part in ["snap", "wal"] {
        std::fs::create_dir_all(member.join(part))?;
        for entry in std::fs::read_dir(data.join("member").join(part))?.flatten() {
            // What is made ready for later is no log yet.
            if entry.path().extension().is_none_or(|e| e != "tmp") {
                std::fs::copy(entry.path(), member.join(part).join(entry.file_name()))?;
            }
        }
    }
    let files = names(data)?
        .iter()
        .map(|n| member.join("wal").join(n))
        .collect();
    Ok((folder, files))
}

pub fn a_log_of_several_files_is_what_etcd_makes_of_it() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut extra = SLOW.to_vec();
    extra.push("--snapshot-count=2000");
    let mut member = Member::start(folder.path(), &extra).map_err(failed)?;
    while names(&member.data())?.len() < 2 {
        member.fill(2_500).map_err(failed)?;
    }
    // A commit of the database stands between what it has and what only the log has.
    member
        .etcdctl(&["put", "/registry/last", "the last"])
        .map_err(failed)?;
    member.kill();
    let data = member.data();
    let mut count = Count::default();
    let flip = |path: &Path, at: u64| -> Outcome {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[byte[0] ^ 4], at)?;
        Ok(())
    };
    let cut = |path: &Path, to: u64| -> Outcome {
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .set_len(to)?;
        Ok(())
    };
    let length = |path: &Path| std::fs::metadata(path).map(|m| m.len());
    for what in [
        "whole",
        "flip",
        "flip late",
        "cut",
        "cut a little",
        "first gone",
        "last gone",
        "last emptied",
        "last cut",
    ] {
        let (copy, files) = copied(&data)?;
        let (Some(first), Some(last)) = (files.first(), files.last()) else {
            return Err("files of the log".into());
        };
        match what {
            "flip" => flip(first, length(first)? / 3)?,
            "flip late" => flip(first, length(first)? - 3_000)?,
            "cut" => cut(first, length(first)? / 2 + 1)?,
            "cut a little" => cut(first, length(first)? - 4)?,
            "first gone" => std::fs::remove_file(first)?,
            "last gone" => std::fs::remove_file(last)?,
            "last emptied" => cut(last, 0)?,
            "last cut" => cut(last, 4_000)?,
            _ => {}
        }
        compare(what, copy.path(), &mut count)?;
    }
    println!("{} files: {count:?}", names(&data)?.len());
    assert!(count.refused >= 3, "{count:?}");
    Ok(())
}

/// A database that the leader sent, and which etcd had no time to put in the place of its own.
pub fn a_database_that_was_sent_is_named() -> Outcome {
    let folder = tempfile::tempdir()?;
    let quick = [
        "--snapshot-count=5",
        "--heartbeat-interval=10",
        "--election-timeout=100",
    ];
    let mut member = Member::start(folder.path(), &quick).map_err(failed)?;
    let put = |member: &Member, n: u64| {
        let key = format!("/registry/a/{n:02}");
        member
            .etcdctl(&["put", &key, "value"])
            .map(|_| ())
            .map_err(failed)
    };
    put(&member, 0)?;
    member.kill();
    let own = member.data().join("member/snap/db");
    let old = std::fs::read(&own)?;
    member.start_again().map_err(failed)?;
    for n in 1..30 {
        put(&member, n)?;
    }
    member.kill();
    let before = Dead::open(&member.data()).map_err(failed)?;
    let state = shown(&before)?;
    drop(before);
    // The last one may have been saved without a word of it in the log yet: each gets its database.
    let snapshots: Vec<String> = std::fs::read_dir(member.data().join("member/snap"))?
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .filter_map(|n| Some(n.strip_suffix(".snap")?.split_once('-')?.1.to_owned()))
        .map(|index| format!("{index}.snap.db"))
        .collect();
    for name in &snapshots {
        std::fs::copy(&own, own.with_file_name(name))?;
    }
    std::fs::write(&own, &old)?;
    let dead = Dead::open(&member.data()).map_err(failed)?;
    assert_eq!(dead.verify().trust, Trust::Damaged);
    let notes = dead.notes.join("; ");
    let named = snapshots.iter().find(|n| notes.contains(n.as_str()));
    let sent = own.with_file_name(named.ok_or_else(|| failed(&notes))?);
    let dead = Dead::open(&sent).map_err(failed)?;
    assert_eq!(shown(&dead)?, state, "{:?}", dead.notes);
    drop(dead);
    member.start_again().map_err(failed)?;
    assert_eq!(served(&member)?, state);
    Ok(())
}

/// With an alarm set etcd writes down what it then refuses: none of that is shown.
pub fn what_an_alarm_refused_is_not_shown() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut extra = SLOW.to_vec();
    extra.push("--quota-backend-bytes=400000");
    // Without the first two: its size grows only when the database is written.
    let mut member =
        Member::start(folder.path(), extra.get(2..).unwrap_or_default()).map_err(failed)?;
    let value = "v".repeat(90_000);
    let mut refused = 0;
    for n in 0..12 {
        let key = format!("/registry/a/{n:02}");
        refused += u64::from(member.etcdctl(&["put", &key, &value]).is_err());
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(refused > 0, "the alarm is set");
    member
        .etcdctl(&["del", "/registry/a/00", "/registry/a/09"])
        .map_err(failed)?;
    member
        .etcdctl(&["compact", "4", "--physical"])
        .map_err(failed)?;
    member.etcdctl(&["defrag"]).map_err(failed)?;
    member.kill();
    let mut member = Member::start(folder.path(), &extra).map_err(failed)?;
    let notes = || -> Result<(String, State), Failed> {
        let dead = Dead::open(&member.data()).map_err(failed)?;
        Ok((dead.notes.join("; "), shown(&dead)?))
    };
    let (_, before) = notes()?;
    // There is room again, so it is written down; the alarm refuses it.
    let said = member.etcdctl(&["put", "/registry/b", "x"]);
    let said = said.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(said.contains("database space exceeded"), "{said}");
    let (told, after) = notes()?;
    assert_eq!(after, before, "{told}");
    assert_eq!(served(&member)?, after, "{told}");
    member.etcdctl(&["alarm", "disarm"]).map_err(failed)?;
    member
        .etcdctl(&["put", "/registry/b", "y"])
        .map_err(failed)?;
    let living = served(&member)?;
    member.kill();
    let dead = Dead::open(&member.data()).map_err(failed)?;
    assert_eq!(shown(&dead)?, living, "{:?}", dead.notes);
    drop(dead);
    Ok(())
}
