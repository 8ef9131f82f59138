//! Damage that the tree of keys does not show: in the buckets beside it, and under a log that builds on it.

use std::path::Path;

use defib_session::inspect::{Dead, Trust};
use sha2::{Digest, Sha256};
use xtask::lab::member::{Member, bbolt};

use super::Outcome;
use super::wal::{SLOW, failed};

const PAGE: usize = 4096;

/// Writes a snapshot with the right hash behind it, as if it had been damaged before it was taken.
fn hashed(path: &Path, database: &[u8]) -> std::io::Result<()> {
    let mut all = database.to_vec();
    all.extend(Sha256::digest(database));
    std::fs::write(path, all)
}

/// Users and roles: a page of theirs that does not hold is no verified snapshot, whatever its hash.
pub fn every_bucket_is_reached() -> Outcome {
    let folder = tempfile::tempdir()?;
    let member = Member::start(folder.path(), &[]).map_err(failed)?;
    for n in 0..60 {
        member
            .etcdctl(&["role", "add", &format!("role-{n:02}-of-some-length")])
            .map_err(failed)?;
    }
    let path = folder.path().join("a.db");
    member.snapshot(&path).map_err(failed)?;
    drop(member);
    let mut bytes = std::fs::read(&path)?;
    bytes.truncate(bytes.len() - 32);
    let trust = |bytes: &[u8]| -> Result<Trust, libtest_mimic::Failed> {
        hashed(&path, bytes)?;
        Ok(Dead::open(&path).map_err(failed)?.verify().trust)
    };
    assert_eq!(trust(&bytes)?, Trust::Verified);
    let has = |page: &[u8]| page.windows(8).any(|w| w == b"role-30-");
    let pages: Vec<usize> = (0..bytes.len() / PAGE)
        .filter(|n| bytes.get(n * PAGE..(n + 1) * PAGE).is_some_and(has))
        .collect();
    let (mut damaged, mut good) = (0, 0);
    for page in &pages {
        // Its number, its kind, how many elements it has, and where the first one's key begins.
        for at in [0, 8, 11, 16 + 7] {
            let place = page * PAGE + at;
            bytes[place] ^= 0x40;
            let said = trust(&bytes)?;
            let raw = path.with_extension("raw");
            std::fs::write(&raw, &bytes)?;
            let checked = bbolt(&["check", &raw.display().to_string()]).is_ok();
            // A page that is free now, and kept what it held.
            assert_eq!(
                said == Trust::Verified,
                checked,
                "page {page}, byte {at}: {said}"
            );
            damaged += u64::from(said == Trust::Damaged);
            good += u64::from(checked);
            bytes[place] ^= 0x40;
        }
    }
    assert!(damaged >= 4, "{damaged} of {} pages", pages.len());
    println!("{damaged} damages in a bucket of users seen, {good} in free pages");
    Ok(())
}

/// A member whose entry can't be read is no member less: etcd does not start on it either.
pub fn a_member_that_can_t_be_read_is_damage() -> Outcome {
    let folder = tempfile::tempdir()?;
    let member = Member::start(folder.path(), &[]).map_err(failed)?;
    let path = folder.path().join("a.db");
    member.snapshot(&path).map_err(failed)?;
    drop(member);
    let mut bytes = std::fs::read(&path)?;
    bytes.truncate(bytes.len() - 32);
    // Pages that are free now have it too.
    let begin = br#"{"id":"#;
    let places: Vec<usize> = (0..bytes.len() - begin.len())
        .filter(|n| bytes.get(*n..n + begin.len()) == Some(begin))
        .collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place] = b'[';
    }
    hashed(&path, &bytes)?;
    let dead = Dead::open(&path).map_err(failed)?;
    let verdict = dead.verify();
    assert_eq!(verdict.trust, Trust::Damaged);
    let said = verdict.damage.iter().find(|d| d.what.contains("`members`"));
    assert!(said.is_some_and(|d| d.offset > 0), "{:?}", verdict.damage);
    let members = dead.members().ok_or("members")?;
    assert_eq!((members.members.len(), members.damages), (0, 1));
    Ok(())
}

/// A log that can't be read may hold later writes: what was read without it is not all.
pub fn a_log_that_can_t_be_read_leaves_it_unknown() -> Outcome {
    let folder = tempfile::tempdir()?;
    let snap = folder.path().join("member/snap");
    std::fs::create_dir_all(&snap)?;
    let snapshot = std::fs::read(super::files().snapshot())?;
    let bare = snapshot.get(..snapshot.len() - 32).ok_or("a trailer")?;
    std::fs::write(snap.join("db"), bare)?;
    let trust = || -> Result<(Trust, String), libtest_mimic::Failed> {
        let dead = Dead::open(folder.path()).map_err(failed)?;
        Ok((dead.verify().trust, dead.notes.join("; ")))
    };
    assert_eq!(trust()?.0, Trust::Readable);
    // No folder, and a pipe that nobody writes to.
    let log = folder.path().join("member/wal");
    std::fs::write(&log, "")?;
    let (said, notes) = trust()?;
    assert_eq!(said, Trust::Unknown);
    assert!(notes.contains("member/wal can't be read"), "{notes}");
    std::fs::remove_file(&log)?;
    std::fs::create_dir(&log)?;
    assert_eq!(trust()?.0, Trust::Readable);
    let pipe = log.join("0000000000000000-0000000000000000.wal");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status()?;
    assert!(made.success());
    let (said, notes) = trust()?;
    assert_eq!(said, Trust::Unknown);
    assert!(notes.contains("no regular file"), "{notes}");
    Ok(())
}

/// A log is not applied to a database that is damaged: its revisions would be others.
pub fn a_log_is_not_applied_to_a_damaged_database() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut member = Member::start(folder.path(), SLOW).map_err(failed)?;
    for n in 0..300 {
        let key = format!("/registry/a/{n:03}");
        member
            .etcdctl(&["put", &key, &"x".repeat(100)])
            .map_err(failed)?;
    }
    member.etcdctl(&["defrag"]).map_err(failed)?;
    member
        .etcdctl(&["put", "/registry/later", "1"])
        .map_err(failed)?;
    member.kill();
    let path = member.data().join("member/snap/db");
    let mut bytes = std::fs::read(&path)?;
    let dead = Dead::open(&member.data()).map_err(failed)?;
    assert_eq!(
        dead.list(&Default::default()).index.revision,
        302,
        "{:?}",
        dead.notes
    );
    let leaf = (2..bytes.len() / PAGE)
        .find(|n| {
            let page = bytes.get(n * PAGE..(n + 1) * PAGE).unwrap_or_default();
            page.get(8) == Some(&2) && page.windows(14).any(|w| w == b"/registry/a/29")
        })
        .ok_or("a leaf")?;
    bytes[leaf * PAGE + 8] = 9;
    std::fs::write(&path, &bytes)?;
    let dead = Dead::open(&member.data()).map_err(failed)?;
    let notes = dead.notes.join("; ");
    assert!(
        notes.contains("1 entries of the log beside it are not applied"),
        "{notes}"
    );
    assert_eq!(dead.verify().trust, Trust::Damaged);
    let list = dead.list(&Default::default());
    assert!(list.items().all(|i| i.key != "/registry/later"));
    Ok(())
}
