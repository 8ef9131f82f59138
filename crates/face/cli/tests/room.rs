//! A database of kine where there is no room for a private copy.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

use rusqlite::Connection;

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE kine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
    create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
CREATE INDEX kine_name_index ON kine (name);
INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value)
    VALUES ('/registry/configmaps/apps/c1', 1, 0, 0, 0, 0, '{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\"}'),
           ('padding', 1, 0, 0, 0, 0, zeroblob(200000));";

/// Lists it in a process whose files may grow to some KiB only.
fn ls(file: &Path) -> Output {
    Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 16; exec \"$0\" inspect ls \"$1\"")
        .args([env!("CARGO_BIN_EXE_defib").as_ref(), file.as_os_str()])
        .output()
        .unwrap()
}

/// With a `/tmp` of 64 KiB, in mounts of its own: what stands in the log is read with the database, copied elsewhere.
#[test]
fn where_there_is_room_a_copy_is_made() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("state.db");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let may = Command::new("unshare").args(["--mount", "true"]).status();
    if !may.is_ok_and(|s| s.success()) {
        println!("skipped: mounts of its own need root and unshare");
        return;
    }
    // The checkout itself may lie below /tmp: it is shown elsewhere first.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let below = |path: &Path| path.strip_prefix(target).unwrap().to_owned();
    let done = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg("mount --bind \"$0\" /mnt && mount -t tmpfs -o size=64k none /tmp && exec \"/mnt/$1\" inspect ls \"/mnt/$2\"")
        .arg(target)
        .arg(below(Path::new(env!("CARGO_BIN_EXE_defib"))))
        .arg(below(&file))
        .env_remove("TMPDIR")
        .output()
        .unwrap();
    let (out, said) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(out.contains("c1"), "{out}{said}");
    assert!(said.contains("write-ahead log"), "{said}");
}

#[test]
fn without_room_it_is_read_where_it_lies_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let state = || -> Vec<_> {
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        names.sort();
        let read = |path: &std::path::PathBuf| std::fs::read(path).unwrap();
        names.iter().map(|n| (n.clone(), read(n))).collect()
    };
    // What stands in the log must not be passed over.
    let before = state();
    let refused = ls(&file);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no copy") && said.contains("TMPDIR="),
        "{said}"
    );
    assert!(before == state(), "nothing was written");
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    let before = state();
    let done = ls(&file);
    let (out, said) = (
        String::from_utf8_lossy(&done.stdout).into_owned(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    );
    assert!(out.contains("c1"), "{out}{said}");
    assert!(said.contains("where it lies"), "{said}");
    assert!(before == state(), "nothing was written");
}
