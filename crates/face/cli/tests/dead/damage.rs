//! Every page flipped, every page edge cut: nothing damaged is ever called verified, and nothing panics.
//!
//! The tool's own functions are called here, thousands of times; a process each would take an hour.
//! `DEFIB_FULL=1` takes every page of the large file, else each hundredth.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use defib_session::inspect::{Dead, Trust};

use super::{Outcome, defib, files, text};

const PAGE: u64 = 4096;

/// How far the file can be trusted; a file that does not open is not trusted either.
fn trust(path: &Path) -> Option<Trust> {
    Dead::open(path).ok().map(|dead| {
        // A listing must come to an end too, whatever it finds.
        let _ = dead.list(&Default::default()).items().count();
        dead.verify().trust
    })
}

fn flip(file: &File, at: u64) -> std::io::Result<()> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 0x10], at)
}

pub fn every_flipped_page_is_refused() -> Outcome {
    let full = std::env::var_os("DEFIB_FULL").is_some();
    let mut flipped = 0u64;
    for (original, step) in [
        (files().snapshot(), 1),
        (files().large(), if full { 1 } else { 100 }),
    ] {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("copy.db");
        std::fs::copy(&original, &path)?;
        assert_eq!(trust(&path), Some(Trust::Verified));
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let pages = (0..length / PAGE).step_by(step);
        // Somewhere else in every page, its header included.
        let mut places: Vec<u64> = pages.map(|p| p * PAGE + (p * 797) % PAGE).collect();
        if step == 1 {
            places.extend((0..length / PAGE).map(|p| p * PAGE + p % 16));
        }
        places.extend(length - 32..length);
        for at in places {
            flip(&file, at)?;
            let said = trust(&path);
            assert!(
                !matches!(said, Some(Trust::Verified | Trust::Readable)),
                "a bit at {at}: {said:?}"
            );
            flip(&file, at)?;
            flipped += 1;
        }
        assert_eq!(trust(&path), Some(Trust::Verified), "it is as it was");
    }
    println!("{flipped} flipped bits, none called verified");
    Ok(())
}

pub fn every_cut_is_refused() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("copy.db");
    std::fs::copy(files().snapshot(), &path)?;
    let file = OpenOptions::new().write(true).open(&path)?;
    let length = file.metadata()?.len();
    let mut cuts = 0u64;
    for edge in (0..=length / PAGE).rev() {
        for end in [
            edge * PAGE + 1,
            edge * PAGE,
            (edge * PAGE).saturating_sub(1),
        ] {
            if end >= length {
                continue;
            }
            file.set_len(end)?;
            let said = trust(&path);
            assert_ne!(said, Some(Trust::Verified), "cut to {end}");
            cuts += 1;
        }
    }
    println!("{cuts} cuts, none called verified");
    Ok(())
}

/// What people really have in place of a snapshot: each is an error that says what it is.
pub fn what_is_no_database_is_called_what_it_is() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).map(|()| path)
    };
    let whole = std::fs::read(files().snapshot())?;
    let half = whole.get(..whole.len() / 2).unwrap_or_default();
    for (path, code, words) in [
        (file("empty.db", b"")?, 1, "it is empty"),
        (
            file("page.db", b"<!DOCTYPE html><html>403</html>")?,
            1,
            "web page",
        ),
        (
            file("text.yaml", b"apiVersion: v1\nkind: Pod\n")?,
            1,
            "text",
        ),
        (file("rubbish", &[7; 9000])?, 1, "no mark of bbolt"),
        (
            file("a.zip", b"PK\x03\x04rubbish")?,
            1,
            "no readable archive",
        ),
        (file("half.db.part", half)?, 2, "damaged"),
        (folder.path().join("none"), 1, "cannot read"),
        (folder.path().to_owned(), 1, "member/snap/db"),
    ] {
        let done = defib(&["inspect", "verify", &text(&path)]);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        assert_eq!(done.status.code(), Some(code), "{}: {said}", path.display());
        assert!(said.contains(words), "{}: {said}", path.display());
        assert!(
            !said.contains("panicked") && !said.contains("internal error"),
            "{said}"
        );
    }
    Ok(())
}
