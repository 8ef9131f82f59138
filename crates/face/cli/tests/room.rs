//! A database of kine where there is no room for a private copy.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use libtest_mimic::{Arguments, Trial};
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

/// The tool in a process whose files may grow to some KiB only.
fn small() -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"")
        .arg(env!("CARGO_BIN_EXE_defib"));
    command
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let may = Command::new("unshare").args(["--mount", "true"]).status();
    let skip = !may.is_ok_and(|s| s.success());
    if skip && !arguments.list {
        eprintln!("skipped: mounts of its own need root and unshare");
    }
    let trial = |name: &str, run: fn()| {
        Trial::test(name, move || {
            run();
            Ok(())
        })
    };
    let trials = vec![
        trial(
            "where_there_is_room_a_copy_is_made",
            where_there_is_room_a_copy_is_made,
        )
        .with_ignored_flag(skip),
        trial(
            "where_nothing_can_be_written_it_is_read_where_it_lies",
            where_nothing_can_be_written_it_is_read_where_it_lies,
        )
        .with_ignored_flag(skip),
        trial(
            "what_is_packed_goes_where_there_is_room",
            what_is_packed_goes_where_there_is_room,
        )
        .with_ignored_flag(skip),
        trial(
            "without_room_it_is_read_where_it_lies_with_its_log",
            without_room_it_is_read_where_it_lies_with_its_log,
        ),
        trial(
            "without_room_what_is_packed_is_refused",
            without_room_what_is_packed_is_refused,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// `inspect ls` of a file below the folder for tests, with mounts of its own.
fn mounted(mounts: &str, file: &Path, more: &[(&str, &str)]) -> (String, String) {
    // The checkout itself may lie below /tmp: it is shown elsewhere first.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let below = |path: &Path| path.strip_prefix(target).unwrap().to_owned();
    let done = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg(format!(
            "mount --bind \"$0\" /mnt && {mounts} && exec \"/mnt/$1\" inspect ls \"/mnt/$2\""
        ))
        .arg(target)
        .arg(below(Path::new(env!("CARGO_BIN_EXE_defib"))))
        .arg(below(file))
        .env_remove("TMPDIR")
        .envs(more.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&done.stdout), text(&done.stderr))
}

/// With a `/tmp` of 64 KiB: what stands in the log is read with the database, copied elsewhere.
fn where_there_is_room_a_copy_is_made() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("state.db");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let mounts = "mount -t tmpfs -o size=64k none /tmp";
    let (out, said) = mounted(mounts, &file, &[]);
    assert!(out.contains("c1"), "{out}{said}");
    assert!(said.contains("write-ahead log"), "{said}");
    assert!(!said.contains("no room for a copy"), "{said}");
}

/// In a container that can write nowhere, it is read where it lies; a folder that somebody names is a mistake to be told.
fn where_nothing_can_be_written_it_is_read_where_it_lies() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("state.db");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let all = ["/tmp", "/var/tmp", "/dev/shm"];
    let mounts = all
        .map(|at| format!("mount -t tmpfs -o ro none {at}"))
        .join(" && ");
    let (out, said) = mounted(&mounts, &file, &[]);
    assert!(out.contains("c1"), "{out}{said}");
    assert!(
        said.contains("no room for a copy") && said.contains("Read-only"),
        "{said}"
    );
    let (out, said) = mounted(&mounts, &file, &[("TMPDIR", "/tmp")]);
    assert!(out.is_empty() && said.contains("Read-only"), "{out}{said}");
}

/// What is packed is unpacked where there is room, and fills no folder to its end.
fn what_is_packed_goes_where_there_is_room() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("state.db");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    drop(connection);
    let packed = folder.path().join("state.db.gz");
    let pack = |parts: &[&[u8]]| {
        let mut all = Vec::new();
        for part in parts {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            to.write_all(part).unwrap();
            all.extend(to.finish().unwrap());
        }
        std::fs::write(&packed, all).unwrap();
    };
    let database = std::fs::read(&file).unwrap();
    pack(&[&database]);
    let mounts = "mount -t tmpfs -o size=64k none /tmp";
    let (out, said) = mounted(mounts, &packed, &[]);
    assert!(out.contains("c1"), "{out}{said}");
    // Of several parts the last one says its length only: it is found out on the way, before all is full.
    let zeros = vec![0; 60 << 20];
    pack(&[&database, &zeros, b"end"]);
    let mounts = "mount -t tmpfs -o size=40m none /tmp";
    let (out, said) = mounted(mounts, &packed, &[("TMPDIR", "/tmp")]);
    assert!(
        out.is_empty() && said.contains("bytes are free there"),
        "{out}{said}"
    );
}

/// Every file of a folder with its bytes and the time of its last change.
fn state(folder: &Path) -> Vec<(PathBuf, SystemTime, Vec<u8>)> {
    let mut out: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let changed = path.metadata().unwrap().modified().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            (path, changed, bytes)
        })
        .collect();
    out.sort();
    out
}

/// What every verb prints of it, but for what is said of the way it was read.
fn asked(file: &Path, room: bool) -> Vec<String> {
    let verbs = [
        &["ls"] as &[&str],
        &["ls", "--revision", "20"],
        &["get", "configmap/c1", "-n", "apps", "-o", "json"],
        &["history", "configmap/c1", "-n", "apps", "-o", "json"],
        &["stats"],
        &["export"],
    ];
    verbs
        .iter()
        .map(|verb| {
            let mut command = if room {
                Command::new(env!("CARGO_BIN_EXE_defib"))
            } else {
                small()
            };
            let done = command
                .args(["inspect", verb[0]])
                .arg(file)
                .args(&verb[1..])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{verb:?}: {said}");
            assert_eq!(
                said.contains("no consistent copy"),
                !room,
                "{verb:?}: {said}"
            );
            String::from_utf8_lossy(&done.stdout).into_owned()
        })
        .collect()
}

/// The same answers, told line by line where they are not.
fn same(wanted: &[String], found: &[String]) {
    for (wanted, found) in wanted.iter().zip(found) {
        for (wanted, found) in wanted.lines().zip(found.lines()) {
            assert_eq!(wanted, found);
        }
        assert_eq!(wanted.lines().count(), found.lines().count());
    }
}

/// A database of several transactions, some of them in its log, one not at its end: without room the same is read
/// where it lies as from a copy, and it is said.
fn without_room_it_is_read_where_it_lies_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let write = |from: u32, to: u32| {
        for n in from..to {
            let text = format!(
                r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"n{n}","namespace":"apps"}},"data":{{"a":"{}"}}}}"#,
                "x".repeat(n as usize * 13)
            );
            connection
                .execute(
                    "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value) VALUES (?1, 1, 0, 0, 0, 0, ?2)",
                    (format!("/registry/configmaps/apps/n{n}"), text.into_bytes()),
                )
                .unwrap();
        }
    };
    write(0, 120);
    connection
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        .unwrap();
    write(120, 300);
    let lies = tempfile::tempdir().unwrap();
    let taken = lies.path().join("state.db");
    for end in ["", "-wal"] {
        let name = format!("state.db{end}");
        std::fs::copy(folder.path().join(&name), lies.path().join(&name)).unwrap();
    }
    let before = state(lies.path());
    let placed = asked(&taken, false);
    assert!(before == state(lies.path()), "nothing was written");
    same(&asked(&taken, true), &placed);
    assert!(placed[0].contains("n299"), "{}", placed[0]);

    let verify = small()
        .args(["inspect", "verify"])
        .arg(&taken)
        .args(["-o", "json"])
        .output()
        .unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&verify.stdout).unwrap();
    // No index was asked whether it knows more rows.
    assert_eq!(verdict["trust"], "unknown", "{verdict}");
    let notes = verdict["notes"].to_string();
    assert!(notes.contains("no consistent copy"), "{notes}");
    let report = small()
        .arg("diagnose")
        .arg(&taken)
        .args(["-o", "json"])
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["verdict"], "unknown", "{report}");
    let gaps = report["gaps"].to_string();
    assert!(
        gaps.contains("a consistent copy of the datastore") && gaps.contains("TMPDIR=FOLDER"),
        "{gaps}"
    );
    assert!(before == state(lies.path()), "nothing was written");

    // Without anything in the log SQLite itself reads it.
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    let before = state(folder.path());
    let placed = asked(&file, false);
    same(&asked(&file, true), &placed);
    assert!(placed[0].contains("n299"), "{}", placed[0]);
    assert!(before == state(folder.path()), "nothing was written");
}

/// What is packed has no place of its own: there a folder with room is asked for.
fn without_room_what_is_packed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let packed = folder.path().join("state.db.gz");
    let to = std::fs::File::create(&packed).unwrap();
    let mut to = flate2::write::GzEncoder::new(to, flate2::Compression::fast());
    std::io::copy(&mut std::fs::File::open(&file).unwrap(), &mut to).unwrap();
    to.finish().unwrap();
    let refused = small()
        .args(["inspect", "ls"])
        .arg(&packed)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    // It is not the archive that is at fault.
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said.contains("TMPDIR=") && !said.contains("no readable archive"),
        "{said}"
    );
}
