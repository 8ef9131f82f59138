//! kine's database as it is found after something went wrong: what is missing is said by every verb, what was not named
//! is not read, and nothing of it stays behind.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, params};

const SCHEMA: &str = "
PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
CREATE TABLE kine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
    create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
CREATE INDEX kine_name_index ON kine (name);
CREATE INDEX kine_id_deleted_index ON kine (id,deleted);
INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value)
    VALUES ('compact_rev_key', 1, 0, 0, 0, 0, '');";

/// A database with objects of such names, and what of it stands in its log: all, or nothing.
fn database(folder: &Path, names: &str, count: u32, in_log: bool) -> PathBuf {
    let made = tempfile::tempdir().unwrap();
    let from = made.path().join("state.db");
    let connection = Connection::open(&from).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let checkpoint = || {
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
    };
    if in_log {
        checkpoint();
    }
    for n in 0..count {
        let text = format!(
            r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"{names}{n}","namespace":"apps"}}}}"#
        );
        connection
            .execute(
                "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value) VALUES (?1, 1, 0, 0, 0, 0, ?2)",
                params![format!("/registry/configmaps/apps/{names}{n}"), text.into_bytes()],
            )
            .unwrap();
    }
    if !in_log {
        checkpoint();
    }
    std::fs::create_dir_all(folder).unwrap();
    for end in ["", "-wal"] {
        let name = format!("state.db{end}");
        std::fs::copy(made.path().join(&name), folder.join(&name)).unwrap();
    }
    folder.join("state.db")
}

fn inspect(verb: &str, file: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_defib"))
        .args(["inspect", verb])
        .arg(file)
        .args(more)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where a page of 4096 bytes has its cell.
fn cell(bytes: &[u8], page: usize, n: usize) -> usize {
    let at = page * 4096;
    let head = if bytes[at] == 5 { 12 } else { 8 };
    let place = at + head + 2 * n;
    at + usize::from(u16::from_be_bytes([bytes[place], bytes[place + 1]]))
}

/// One bit of the last row's id: the way to it ends elsewhere, and SQLite itself sees nothing of it.
#[test]
fn every_verb_says_that_rows_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(folder.path(), "c", 300, false);
    let connection = Connection::open(&file).unwrap();
    let root: u32 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'kine'",
            [],
            |r| r.get(0),
        )
        .unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&file).unwrap();
    let mut page = root as usize - 1;
    while bytes[page * 4096] == 5 {
        let right = bytes[page * 4096 + 8..page * 4096 + 12].try_into().unwrap();
        page = u32::from_be_bytes(right) as usize - 1;
    }
    let count = usize::from(u16::from_be_bytes([
        bytes[page * 4096 + 3],
        bytes[page * 4096 + 4],
    ]));
    let last = cell(&bytes, page, count - 1);
    // Its length has two bytes or one, and then comes its id: 301.
    let at = last + if bytes[last] & 0x80 == 0 { 1 } else { 2 };
    assert_eq!(bytes[at..at + 2], [0x82, 0x2d]);
    bytes[at] &= 0x7f;
    std::fs::write(&file, &bytes).unwrap();
    for (verb, more) in [
        ("ls", &[] as &[&str]),
        ("get", &["configmaps"]),
        ("history", &["configmap/c7", "-n", "apps"]),
        ("stats", &[]),
        ("export", &[]),
    ] {
        let done = inspect(verb, &file, more);
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(3), "{verb}: {said}");
        assert!(said.contains("inspect verify"), "{verb}: {said}");
    }
    let listed = text(&inspect("ls", &file, &[]).stdout);
    assert_eq!(
        listed
            .lines()
            .filter(|l| l.starts_with("ConfigMap"))
            .count(),
        299
    );
    let done = inspect("verify", &file, &[]);
    assert_eq!(done.status.code(), Some(2), "{}", text(&done.stdout));
    // Who asks for what is missing is told, too, that it may have lived.
    let done = inspect("get", &file, &["configmap/c299"]);
    let said = text(&done.stderr);
    assert!(
        done.status.code() == Some(1) && said.contains("inspect verify"),
        "{said}"
    );
}

/// One bit of the log's first frame: SQLite leaves all of it out and says nothing.
#[test]
fn a_log_that_breaks_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(folder.path(), "c", 40, true);
    let log = folder.path().join("state.db-wal");
    let good = std::fs::read(&log).unwrap();
    for (at, bit) in [(32 + 24 + 50, 1), (32 + 8, 1), (32 + 24 + 4096 + 16, 4)] {
        let mut bytes = good.clone();
        bytes[at] ^= bit;
        std::fs::write(&log, &bytes).unwrap();
        let done = inspect("ls", &file, &[]);
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(3), "{said}");
        assert!(said.contains("breaks at frame"), "{said}");
        let done = inspect("verify", &file, &[]);
        assert_eq!(done.status.code(), Some(2), "{}", text(&done.stdout));
    }
    // A tail that is cut off is no damage, and a reason to doubt.
    std::fs::write(&log, &good[..good.len() - 100]).unwrap();
    let done = inspect("ls", &file, &[]);
    let said = text(&done.stderr);
    assert!(
        done.status.success() && said.contains("as where the power went"),
        "{said}"
    );
    let done = inspect("verify", &file, &["-o", "json"]);
    let verdict: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(verdict["trust"], "unknown", "{verdict}");
}

/// A log, a database and keys that are links lead to what nobody named.
#[test]
fn links_that_were_found_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (evidence, other) = (folder.path().join("evidence"), folder.path().join("other"));
    let theirs = database(&other, "hidden", 3, true);
    let file = database(&evidence.join("db"), "own", 3, false);
    // The same database, whose later writes stand elsewhere: the log belongs to it.
    std::fs::copy(&theirs, &file).unwrap();
    let log = evidence.join("db/state.db-wal");
    std::fs::remove_file(&log).unwrap();
    symlink(other.join("state.db-wal"), &log).unwrap();
    for named in [&evidence, &file] {
        let done = inspect("ls", named, &[]);
        let (out, said) = (text(&done.stdout), text(&done.stderr));
        assert!(!out.contains("hidden"), "{out}");
        assert!(said.contains("is a link"), "{said}");
    }
    let bundle = folder.path().join("bundle");
    let done = Command::new(env!("CARGO_BIN_EXE_defib"))
        .arg("collect")
        .arg(&evidence)
        .arg("--out")
        .arg(&bundle)
        .output()
        .unwrap();
    let packed = std::fs::read(&bundle).unwrap_or_else(|_| panic!("{}", text(&done.stderr)));
    let unpacked = text(&zstd::decode_all(&packed[..]).unwrap());
    assert!(!unpacked.contains("hidden"), "{unpacked}");
    assert!(unpacked.contains("is a link"), "{unpacked}");

    // The database itself, or a folder on the way to it.
    let below = folder.path().join("below");
    std::fs::create_dir_all(below.join("server")).unwrap();
    symlink(&other, below.join("server/db")).unwrap();
    let done = inspect("ls", &below, &[]);
    let said = text(&done.stderr);
    assert!(
        done.status.code() == Some(1) && said.contains("is a link"),
        "{said}"
    );
    // A link that somebody names leads to a database, and to the log of that one.
    let named = folder.path().join("named.db");
    symlink(&theirs, &named).unwrap();
    let done = inspect("ls", &named, &[]);
    assert!(
        text(&done.stdout).contains("hidden2"),
        "{}",
        text(&done.stderr)
    );
}

#[test]
fn what_is_not_salvaged_says_so() {
    let folder = tempfile::tempdir().unwrap();
    database(folder.path(), "c", 3, false);
    let done = inspect("ls", folder.path(), &["--salvage"]);
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1));
    assert!(
        said.contains("pages of etcd only") && said.contains(".recover"),
        "{said}"
    );
}

/// A transaction that never ended, and no room for the copy in which it would be taken back.
#[test]
fn a_hot_journal_without_room_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(folder.path(), "c", 300, false);
    std::fs::remove_file(folder.path().join("state.db-wal")).unwrap();
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 2; BEGIN; UPDATE kine SET value = zeroblob(900)")
        .unwrap();
    let done = Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 16; exec \"$0\" inspect ls \"$1\"")
        .arg(env!("CARGO_BIN_EXE_defib"))
        .arg(&file)
        .output()
        .unwrap();
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(
        said.contains("state.db-journal") && said.contains("TMPDIR="),
        "{said}"
    );
    // With room it is read as it was before.
    let cut = tempfile::tempdir().unwrap();
    for end in ["", "-journal"] {
        let name = format!("state.db{end}");
        std::fs::copy(folder.path().join(&name), cut.path().join(&name)).unwrap();
    }
    let done = inspect("get", &cut.path().join("state.db"), &["configmap/c7"]);
    let (out, said) = (text(&done.stdout), text(&done.stderr));
    assert!(
        done.status.success() && out.contains("\"c7\""),
        "{out}{said}"
    );
    assert!(said.contains("taken back"), "{said}");
}

/// Ended while the copy is being made: nothing of it stays.
#[test]
fn no_copy_stays_behind() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = database(&folder.path().join("from"), "c", 3, false);
    // Long enough that the copy takes a while, and of no bytes on the disk.
    let long = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    long.set_len(1 << 30).unwrap();
    let to = folder.path().join("to");
    std::fs::create_dir(&to).unwrap();
    let there = || std::fs::read_dir(&to).unwrap().flatten().count();
    // Waits until the copy is begun, or there is nobody to begin it.
    let is_met = |child: &mut Child| {
        let begun = Instant::now();
        while there() == 0 && begun.elapsed() < Duration::from_secs(60) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        there() > 0
    };
    let signals = [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ];
    for signal in signals {
        let mut hit = false;
        for _ in 0..5 {
            // Whoever runs the tests in the background has SIGINT ignored, and ignored it would stay.
            let mut child = Command::new("sh")
                .arg("-c")
                .arg("ulimit -c 0; exec env --default-signal=INT,TERM,HUP,QUIT \"$0\" \"$@\"")
                .arg(env!("CARGO_BIN_EXE_defib"))
                .args(["inspect", "ls"])
                .arg(&file)
                .env("TMPDIR", &to)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            hit = is_met(&mut child);
            kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
            let ended = child.wait().unwrap();
            assert_eq!(there(), 0, "{signal}: a copy stays behind");
            if hit && ended.signal() == Some(signal as i32) {
                break;
            }
            hit = false;
        }
        assert!(hit, "{signal}: never met a copy in the making");
    }
    // `nohup` asks for going on: told while the copy is being made, it is made to its end.
    let mut child = Command::new("nohup")
        .arg(env!("CARGO_BIN_EXE_defib"))
        .args(["inspect", "ls"])
        .arg(&file)
        .env("TMPDIR", &to)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(is_met(&mut child), "never met a copy in the making");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap();
    let ended = child.wait().unwrap();
    assert!(ended.success(), "{ended:?}");
    assert_eq!(there(), 0);
}

/// What `serve` does not hear itself ends it, too.
#[test]
fn a_server_that_is_told_to_quit() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(folder.path(), "c", 3, false);
    let mut child = Command::new("sh")
        .arg("-c")
        .arg("ulimit -c 0; exec env --default-signal=QUIT \"$0\" inspect serve \"$1\" --kubeconfig-out \"$2\"")
        .arg(env!("CARGO_BIN_EXE_defib"))
        .arg(&file)
        .arg(folder.path().join("config"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGQUIT).unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // One that goes on is ended by another signal.
    let _ = child.kill();
    let ended = child.wait().unwrap().signal();
    assert_eq!(ended, Some(Signal::SIGQUIT as i32));
}

/// A shell that allows small files only, as people set it: then nothing is copied, and nothing ends.
#[test]
fn a_limit_of_files_is_as_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(folder.path(), "c", 300, false);
    let done = Command::new("sh")
        .arg("-c")
        .arg("ulimit -c 0; ulimit -f 16; exec \"$0\" inspect ls \"$1\"")
        .arg(env!("CARGO_BIN_EXE_defib"))
        .arg(&file)
        .output()
        .unwrap();
    let (out, said) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success() && out.contains("c299"), "{said}");
    assert!(said.contains("no room for a copy"), "{said}");
}

/// A kine that runs is said, with what gives a sound copy of SQLite.
#[test]
fn who_has_it_open_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(folder.path(), "c", 3, false);
    let said = || text(&inspect("ls", &file, &[]).stderr);
    assert!(!said().contains("held open"), "{}", said());
    let connection = Connection::open(&file).unwrap();
    let count = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
    connection
        .query_row("SELECT count(*) FROM kine", [], count)
        .unwrap();
    let held = format!("held open by process {}", std::process::id());
    let said = said();
    assert!(said.contains(&held) && said.contains(".backup"), "{said}");
    assert!(!said.contains("etcd-snapshot"), "{said}");
}
