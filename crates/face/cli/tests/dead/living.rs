//! Files that are written to, grow or are replaced while they are read.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use defib_session::inspect::{Dead, Trust};
use xtask::lab::member::Member;

use super::wal::failed;
use super::{Outcome, files};

/// A running etcd under writes, read again and again: it is said who has it open, nothing panics, and a torn
/// state is never called a good one.
pub fn a_database_under_writes_is_never_verified() -> Outcome {
    let folder = tempfile::tempdir()?;
    let quick = ["--backend-batch-interval=1ms", "--backend-batch-limit=4"];
    let member = Member::start(folder.path(), &quick).map_err(failed)?;
    member.fill(30).map_err(failed)?;
    let done = AtomicBool::new(false);
    let (mut unknown, mut readable) = (0u64, 0u64);
    std::thread::scope(|scope| -> Outcome {
        let writer = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) && member.fill(60).is_ok() {
                rounds += 1;
            }
            rounds
        });
        let mut read = || -> Outcome {
            for _ in 0..80 {
                // Between two commits the first pages may not hold either.
                let Ok(dead) = Dead::open(&member.data()) else {
                    unknown += 1;
                    continue;
                };
                let _ = dead.list(&Default::default()).items().count();
                let _ = dead.members();
                assert!(dead.holder.is_some(), "{:?}", dead.notes);
                let said = dead.verify();
                match said.trust {
                    Trust::Unknown => unknown += 1,
                    // Nothing was written in that moment.
                    Trust::Readable => {
                        readable += 1;
                        let told = said.notes.iter().any(|n| n.contains("has it open"));
                        assert!(told, "{:?}", said.notes);
                    }
                    other => panic!("{other}: {:?} {:?}", said.damage.first(), said.notes),
                }
                // Rows by page are no better.
                if let Ok(dead) = Dead::salvage(&member.data()) {
                    assert!(matches!(
                        dead.verify().trust,
                        Trust::Damaged | Trust::Unknown
                    ));
                }
            }
            Ok(())
        };
        let outcome = read();
        done.store(true, Ordering::Relaxed);
        let rounds = writer.join().unwrap_or(0);
        println!("{rounds} rounds of writes: {unknown} times unknown, {readable} times readable");
        outcome
    })
}

/// A snapshot that grows, is written to or is replaced between being opened and being verified.
pub fn a_file_that_changes_is_unknown() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.db");
    let opened = || -> Result<Dead, libtest_mimic::Failed> {
        std::fs::copy(files().snapshot(), &path)?;
        Dead::open(&path).map_err(failed)
    };
    assert_eq!(opened()?.verify().trust, Trust::Verified);
    let dead = opened()?;
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)?
        .write_all(&[0; 4096])?;
    assert_eq!(dead.verify().trust, Trust::Unknown, "it grew");
    let dead = opened()?;
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)?
        .set_len(8192)?;
    assert_eq!(dead.verify().trust, Trust::Unknown, "it was cut");
    let _ = dead.list(&Default::default()).items().count();
    let dead = opened()?;
    let other = folder.path().join("b.db");
    std::fs::copy(files().large(), &other)?;
    std::fs::rename(&other, &path)?;
    assert_eq!(dead.verify().trust, Trust::Unknown, "it was replaced");
    let dead = opened()?;
    std::fs::remove_file(&path)?;
    assert_eq!(dead.verify().trust, Trust::Unknown, "it was removed");
    Ok(())
}
