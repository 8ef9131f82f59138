//! kine's SQLite, read dead: what lives, what was, a log that is not its own, and pages that do not hold.
//!
//! The databases are made here, by the schema of `kine/pkg/drivers/sqlite/sqlite.go` and with rows as
//! `kine/pkg/logstructured/sqllog` writes them. Deliberately absent: a running kine.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use defib_formats::yaml;
use defib_model::report::Report;
use defib_session::inspect::{Dead, Engine, Trust, Wanted};
use defib_session::{Options, Source, Verdict};
use rusqlite::{Connection, params};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS kine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
    create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
CREATE INDEX IF NOT EXISTS kine_name_index ON kine (name);
CREATE INDEX IF NOT EXISTS kine_name_id_index ON kine (name,id);
CREATE INDEX IF NOT EXISTS kine_id_deleted_index ON kine (id,deleted);
CREATE INDEX IF NOT EXISTS kine_prev_revision_index ON kine (prev_revision);
CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine (name, prev_revision);";

/// A namespace as kube-apiserver stores it: `k8s\0`, `runtime.Unknown`, and the object.
const NAMESPACE: &str = "6b3873000a0f0a02763112094e616d65737061636512140a060a046170707312001a08\
0a064163746976651a002200";

/// A database that is being written.
struct Kine {
    folder: tempfile::TempDir,
    connection: Connection,
}

impl Kine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("state.db")).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;")
            .unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let kine = Self { folder, connection };
        kine.row("compact_rev_key", (1, 0, 0, 0), Some(b""), None);
        kine
    }

    /// `flags`: created, deleted, create_revision, prev_revision.
    fn row(
        &self,
        name: &str,
        flags: (i64, i64, i64, i64),
        value: Option<&[u8]>,
        old: Option<&[u8]>,
    ) -> i64 {
        self.connection
            .execute(
                "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7)",
                params![name, flags.0, flags.1, flags.2, flags.3, value, old],
            )
            .unwrap();
        self.connection.last_insert_rowid()
    }

    fn create(&self, name: &str, data: &str) -> i64 {
        self.row(&key(name), (1, 0, 0, 0), Some(&object(name, data)), None)
    }

    fn update(&self, name: &str, first: i64, before: i64, was: &str, is: &str) -> i64 {
        let (is, was) = (object(name, is), object(name, was));
        self.row(&key(name), (0, 0, first, before), Some(&is), Some(&was))
    }

    fn checkpoint(&self) {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    /// Copies what lies there now, as after a power cut.
    fn cut(&self) -> tempfile::TempDir {
        let to = tempfile::tempdir().unwrap();
        for name in ["state.db", "state.db-wal"] {
            drop(std::fs::copy(
                self.folder.path().join(name),
                to.path().join(name),
            ));
        }
        to
    }
}

fn key(name: &str) -> String {
    format!("/registry/configmaps/apps/{name}")
}

fn object(name: &str, data: &str) -> Vec<u8> {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"apps"}},"data":{{"said":"{data}"}}}}"#
    )
    .into_bytes()
}

fn names(dead: &Dead, revision: Option<u64>) -> Vec<(String, u64)> {
    let list = dead.list(&Wanted {
        revision,
        ..Wanted::default()
    });
    list.items()
        .map(|i| (i.name.to_owned(), i.revision))
        .collect()
}

fn said(dead: &Dead, name: &str, revision: Option<u64>) -> Option<String> {
    let list = dead.list(&Wanted {
        name: Some(name.into()),
        revision,
        ..Wanted::default()
    });
    let item = list.items().next()?;
    let object = dead.object(item.place, item.revision, false).ok()?;
    Some(object.value.get("data")?.get("said")?.as_str()?.to_owned())
}

#[test]
fn what_lives_what_was_and_what_is_kines_own() {
    let kine = Kine::new();
    let first = kine.create("a", "one");
    let second = kine.update("a", first, first, "one", "two");
    let gone = kine.create("b", "kept");
    kine.row("gap-5", (0, 1, 0, 0), None, None);
    // From kine 0.16 on a deletion has neither value nor create_revision.
    let deletion = kine.row(&key("b"), (0, 1, 0, gone), None, Some(&object("b", "kept")));
    let bytes: Vec<u8> = (0..NAMESPACE.len() / 2)
        .map(|i| u8::from_str_radix(&NAMESPACE[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    kine.row(
        "/registry/namespaces/apps",
        (1, 0, 0, 0),
        Some(&bytes),
        None,
    );
    kine.checkpoint();

    let dead = Dead::open(&kine.path()).unwrap();
    assert_eq!(dead.engine(), Engine::Kine);
    assert!(dead.members().is_none());
    assert_eq!(
        names(&dead, None),
        [
            ("a".into(), u64::try_from(second).unwrap()),
            ("apps".into(), 7)
        ]
    );
    assert_eq!(said(&dead, "a", None).as_deref(), Some("two"));
    assert_eq!(said(&dead, "b", None), None);
    assert_eq!(said(&dead, "b", Some(5)).as_deref(), Some("kept"));
    let history = dead.history(&key("a"), false);
    let steps: Vec<_> = history.steps.iter().map(|s| (s.revision, s.what)).collect();
    assert_eq!(steps, [(2, "created"), (3, "updated")]);
    assert_eq!(history.steps[1].changes.len(), 1);
    let verified = dead.verify();
    assert_eq!(verified.trust, Trust::Readable, "{:?}", verified.damage);
    assert_eq!(verified.rows, 5, "gaps and kine's own note are none");
    let kinds = dead.list(&Wanted::default());
    assert!(kinds.items().any(|i| i.kind == "Namespace"));

    // Compaction takes what is behind a newer row; the newer row still says what it was.
    let delete = |id: i64| {
        kine.connection
            .execute("DELETE FROM kine WHERE id = ?1", [id])
            .unwrap();
    };
    delete(first);
    delete(gone);
    kine.connection
        .execute(
            "UPDATE kine SET prev_revision = ?1 WHERE name = 'compact_rev_key'",
            [second],
        )
        .unwrap();
    kine.checkpoint();
    let dead = Dead::open(&kine.path()).unwrap();
    assert_eq!(dead.compacted(), u64::try_from(second).unwrap());
    assert_eq!(
        said(&dead, "b", Some(5)).as_deref(),
        Some("kept"),
        "undelete"
    );
    let steps = dead.history(&key("b"), false).steps;
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[1].revision, u64::try_from(deletion).unwrap());
    assert_eq!(dead.history(&key("a"), false).steps.len(), 2);
    assert_eq!(dead.verify().rows, 3);
}

/// What a row keeps of the one before it is counted by who keeps it, also where it is the last trace of that one.
#[test]
fn old_values_are_counted_once() {
    let kine = Kine::new();
    let long = "long ".repeat(2_000);
    let first = kine.create("a", &long);
    kine.update("a", first, first, &long, "b");
    let of = || {
        kine.checkpoint();
        let dead = Dead::open(&kine.path()).unwrap();
        let stats = dead.stats();
        let maps = stats.shares.iter().find(|s| s.resource == "configmaps");
        let maps = maps.unwrap().clone();
        let values: u64 = dead.verify().values.values().sum();
        (
            (maps.rows, maps.bytes, maps.longest),
            stats.old_values,
            values,
        )
    };
    let bytes = |data: &str| (key("a").len() + object("a", data).len()) as u64;
    let old = object("a", &long).len() as u64;
    assert_eq!(of(), ((2, bytes(&long) + bytes("b"), old), Some(old), 2));
    let sql = "DELETE FROM kine WHERE id = ?1";
    kine.connection.execute(sql, [first]).unwrap();
    let short = object("a", "b").len() as u64;
    assert_eq!(of(), ((1, bytes("b"), short), Some(old), 1));
}

#[test]
fn the_log_is_read_and_the_original_stays_as_it_was() {
    let kine = Kine::new();
    kine.create("old", "x");
    kine.checkpoint();
    for i in 0..40 {
        kine.create(&format!("late-{i}"), "y");
    }
    let cut = kine.cut();
    let state = |name: &str| {
        let meta = std::fs::metadata(cut.path().join(name)).unwrap();
        let bytes = std::fs::read(cut.path().join(name)).unwrap();
        (meta.ino(), meta.mtime_nsec(), meta.mtime(), bytes)
    };
    let mode = |m: u32| {
        std::fs::set_permissions(cut.path(), std::fs::Permissions::from_mode(m)).unwrap();
    };
    let before = (state("state.db"), state("state.db-wal"));
    mode(0o500);
    let dead = Dead::open(&cut.path().join("state.db")).unwrap();
    assert_eq!(names(&dead, None).len(), 41);
    assert!(dead.notes.iter().any(|n| n.contains("write-ahead log")));
    assert_eq!(dead.verify().trust, Trust::Readable);
    drop(dead);
    mode(0o700);
    assert!(before == (state("state.db"), state("state.db-wal")));
    let there: Vec<_> = std::fs::read_dir(cut.path()).unwrap().collect();
    assert_eq!(there.len(), 2, "nothing is written beside it");
}

/// A link leads to the database and to the log beside that, as SQLite has it.
#[test]
fn a_link_has_the_log_of_what_it_leads_to() {
    let kine = Kine::new();
    kine.create("old", "x");
    kine.checkpoint();
    kine.create("late", "y");
    let (cut, elsewhere) = (kine.cut(), tempfile::tempdir().unwrap());
    let link = elsewhere.path().join("linked.db");
    std::os::unix::fs::symlink(cut.path().join("state.db"), &link).unwrap();
    let dead = Dead::open(&link).unwrap();
    assert_eq!(names(&dead, None).len(), 2, "{:?}", dead.notes);
}

/// A log that is none, or that can't be opened, is not passed over in silence.
#[test]
fn a_log_that_can_t_be_read_is_told() {
    let kine = Kine::new();
    kine.create("old", "x");
    kine.checkpoint();
    kine.create("late", "y");
    let cut = kine.cut();
    let log = cut.path().join("state.db-wal");
    let told = |what: &str| {
        let dead = Dead::open(&cut.path().join("state.db")).unwrap();
        let (found, notes) = (names(&dead, None).len(), dead.notes.concat());
        assert_eq!(found, 1, "{what}");
        assert!(notes.contains("was left out"), "{what}: {notes}");
        assert_eq!(dead.verify().trust, Trust::Unknown, "{what}");
    };
    std::fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink("nowhere", &log).unwrap();
    told("a link that leads nowhere");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    told("a folder");
    std::fs::remove_dir(&log).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&log).status();
    assert!(made.unwrap().success());
    told("a pipe");
}

/// Files with a hole of a terabyte are read by what stands in them.
#[test]
fn a_hole_of_a_terabyte_costs_nothing() {
    let kine = Kine::new();
    kine.create("old", "x");
    kine.checkpoint();
    kine.create("late", "y");
    let cut = kine.cut();
    for name in ["state.db", "state.db-wal"] {
        let file = std::fs::File::options()
            .write(true)
            .open(cut.path().join(name))
            .unwrap();
        file.set_len(1 << 40).unwrap();
    }
    let begun = std::time::Instant::now();
    let dead = Dead::open(&cut.path().join("state.db")).unwrap();
    assert!(dead.is_no_copy(), "{:?}", dead.notes);
    assert_eq!(names(&dead, None).len(), 2, "{:?}", dead.notes);
    let verified = dead.verify();
    // No index was asked, as it is read where it lies; and nothing of it is damaged.
    assert_eq!(verified.trust, Trust::Unknown, "{:?}", verified.damage);
    assert_eq!((verified.damages, verified.rows), (0, 2), "{verified:?}");
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// Puts the log of one database beside another.
fn mixed(database: &Kine, log: &Kine) -> tempfile::TempDir {
    let to = database.cut();
    std::fs::copy(
        log.folder.path().join("state.db-wal"),
        to.path().join("state.db-wal"),
    )
    .unwrap();
    to
}

#[test]
fn the_log_of_another_database_is_left_out() {
    let (ours, others) = (Kine::new(), Kine::new());
    for i in 0..300 {
        ours.create(&format!("ours-{i}"), "x");
        others.create(&format!("theirs-{i}"), "a rather longer text than that");
    }
    ours.checkpoint();
    others.checkpoint();
    for i in 0..30 {
        others.create(&format!("late-{i}"), "y");
    }
    let folder = mixed(&ours, &others);
    let dead = Dead::open(folder.path()).unwrap();
    let found = names(&dead, None);
    assert_eq!(found.len(), 300);
    assert!(found.iter().all(|(name, _)| name.starts_with("ours")));
    assert!(
        dead.notes.iter().any(|n| n.contains("another database")),
        "{:?}",
        dead.notes
    );
    assert_eq!(dead.verify().trust, Trust::Unknown);

    // Compaction changes one row, kine's own note of it: a log with that is the database's.
    ours.connection
        .execute(
            "UPDATE kine SET prev_revision = 250 WHERE name = 'compact_rev_key'",
            [],
        )
        .unwrap();
    ours.create("ours-compacted", "x");
    let compacted = ours.cut();
    let dead = Dead::open(compacted.path()).unwrap();
    assert_eq!(names(&dead, None).len(), 301, "{:?}", dead.notes);
    assert_eq!(dead.compacted(), 250);
    ours.checkpoint();

    // An older log of the same database, from before it was restored.
    let stale = ours.cut();
    for i in 0..50 {
        ours.create(&format!("ours-late-{i}"), "x");
    }
    let log = ours.cut();
    ours.checkpoint();
    for i in 0..900 {
        ours.create(&format!("ours-later-{i}"), "x");
    }
    ours.checkpoint();
    std::fs::copy(ours.path(), stale.path().join("state.db")).unwrap();
    std::fs::copy(
        log.path().join("state.db-wal"),
        stale.path().join("state.db-wal"),
    )
    .unwrap();
    let dead = Dead::open(stale.path()).unwrap();
    assert_eq!(names(&dead, None).len(), 1251, "{:?}", dead.notes);

    // What is no log at all.
    std::fs::write(stale.path().join("state.db-wal"), [7; 5000]).unwrap();
    let dead = Dead::open(stale.path()).unwrap();
    assert_eq!(names(&dead, None).len(), 1251);
    assert_eq!(dead.verify().trust, Trust::Unknown);
}

/// Everything that can be asked, so that nothing of it panics or hangs.
fn ask(path: &Path) -> Option<(Trust, Vec<(String, String)>)> {
    let dead = Dead::open(path).ok()?;
    let list = dead.list(&Wanted::default());
    let shown = list
        .items()
        .filter_map(|item| {
            let object = dead.object(item.place, item.revision, true).ok()?;
            Some((item.key.to_owned(), object.value.to_string()))
        })
        .collect();
    drop(dead.stats());
    drop(dead.history(&key("n-7"), false));
    Some((dead.verify().trust, shown))
}

#[test]
fn a_page_that_does_not_hold_is_found_or_changes_nothing() {
    const PAGE: usize = 4096;
    let kine = Kine::new();
    for i in 0..120 {
        let id = kine.create(
            &format!("n-{i}"),
            "some data that is long enough to fill pages",
        );
        if i % 3 == 0 {
            kine.update(
                &format!("n-{i}"),
                id,
                id,
                "some data that is long enough to fill pages",
                "b",
            );
        }
    }
    kine.create("long", &"overflow ".repeat(3000));
    kine.checkpoint();
    let good = std::fs::read(kine.path()).unwrap();
    let (trust, whole) = ask(&kine.path()).unwrap();
    assert_eq!((trust, whole.len()), (Trust::Readable, 121));
    let to = tempfile::tempdir().unwrap();
    let path = to.path().join("state.db");
    let pages = good.len() / PAGE;
    let (mut refused, mut damaged, mut part) = (0, 0, 0);
    for page in 0..pages {
        // The whole page, and one bit at its head.
        for range in [
            page * PAGE..(page + 1) * PAGE,
            page * PAGE + 3..page * PAGE + 4,
        ] {
            let mut bytes = good.clone();
            for byte in &mut bytes[range] {
                *byte ^= 0xff;
            }
            std::fs::write(&path, &bytes).unwrap();
            match ask(&path) {
                None => refused += 1,
                Some((Trust::Damaged, shown)) => {
                    damaged += 1;
                    part += usize::from(!shown.is_empty() && shown.len() < whole.len());
                }
                Some((trust, shown)) => {
                    assert_eq!(trust, Trust::Readable, "page {page}");
                    assert_eq!(shown, whole, "page {page}");
                }
            }
        }
    }
    assert!(damaged > pages, "{refused} refused, {damaged} damaged");
    assert!(part > 0, "what can be read is read");
    // Cut at every page.
    for page in 0..pages {
        std::fs::write(&path, &good[..page * PAGE]).unwrap();
        if let Some((trust, _)) = ask(&path) {
            assert_eq!(trust, Trust::Damaged, "cut at page {page}");
        }
    }
}

/// What SQLite itself says of a file, asked where it lies and as anybody would.
fn sqlite_says_good(path: &Path) -> bool {
    let asked = Connection::open(path).and_then(|connection| {
        let mut asked = connection.prepare("PRAGMA integrity_check")?;
        let lines: Result<Vec<String>, _> = asked.query_map([], |row| row.get(0))?.collect();
        Ok(lines? == ["ok"])
    });
    asked.unwrap_or(false)
}

/// Single bits in every page: where SQLite's check complains, nothing better than damaged is said; and what is
/// called damaged where it does not complain has a reason that is said.
#[test]
fn what_sqlite_calls_broken_is_never_good() {
    const PAGE: usize = 4096;
    let kine = Kine::new();
    for i in 0..150 {
        let id = kine.create(&format!("n-{i}"), "some data that fills pages");
        kine.update(&format!("n-{i}"), id, id, "some data that fills pages", "b");
    }
    kine.checkpoint();
    let good = std::fs::read(kine.path()).unwrap();
    let to = tempfile::tempdir().unwrap();
    let path = to.path().join("state.db");
    let (mut both, mut ours, mut neither) = (0u32, 0u32, 0u32);
    for page in 0..good.len() / PAGE {
        for n in 0..8 {
            // Kind, first free block, cells, their places; and somewhere in what they hold.
            let within = [
                0,
                2,
                3,
                5,
                9,
                13,
                (page * 797) % PAGE,
                PAGE - 40 - page % 200,
            ][n];
            let at = page * PAGE + within;
            let mut bytes = good.clone();
            bytes[at] ^= 1 << ((page + n) % 8);
            std::fs::write(&path, &bytes).unwrap();
            let theirs = sqlite_says_good(&path);
            let said = Dead::open(&path).map(|dead| dead.verify());
            match (&said, theirs) {
                (Ok(said), true) if said.trust == Trust::Damaged => {
                    ours += 1;
                    assert!(!said.damage.is_empty(), "byte {at}");
                }
                (Ok(said), false) => {
                    both += 1;
                    assert_eq!(said.trust, Trust::Damaged, "byte {at}: {said:?}");
                }
                (Err(_), false) => both += 1,
                (Err(why), true) => {
                    ours += 1;
                    let why = why.to_string();
                    assert!(why.contains("kine") || why.contains("SQLite"), "{why}");
                }
                (Ok(_), true) => neither += 1,
            }
        }
    }
    assert!(
        both > 100,
        "{both} both, {ours} only here, {neither} neither"
    );
    println!("{both} both, {ours} only here, {neither} neither");
}

#[test]
fn a_database_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE t(a);").unwrap();
    let why = Dead::open(&path).err().unwrap().to_string();
    assert!(why.contains("not one of kine"), "{why}");
    connection
        .execute_batch("CREATE VIEW kine AS SELECT 1 AS id;")
        .unwrap();
    assert!(Dead::open(&path).is_err());
    drop(connection);
    std::fs::remove_file(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("CREATE TABLE kine(id INTEGER PRIMARY KEY, name INTEGER);")
        .unwrap();
    let why = Dead::open(&path).err().unwrap().to_string();
    assert!(why.contains("has no created"), "{why}");
}

/// Codes and entities of the causes, and the conditions that nothing explains.
fn judged(path: &Path) -> (Report, Vec<(String, String)>) {
    let sources = [Source::Path(path.to_owned())];
    let report = defib_session::diagnose(
        &sources,
        &Options::default(),
        &mut std::io::empty(),
        &mut |_| {},
    )
    .unwrap();
    let mut causes: Vec<_> = report
        .root_causes
        .iter()
        .map(|c| (c.code.clone(), c.entity.to_string()))
        .collect();
    causes.sort();
    (report, causes)
}

/// Every object of the recorded incident, once.
fn recorded(folder: &Path, each: &mut dyn FnMut(serde_json::Value)) {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        let mut list = |list: serde_json::Value| {
            let of = |name: &str| list[name].as_str().unwrap_or_default().to_owned();
            let (kind, version) = (of("kind"), of("apiVersion"));
            for item in list["items"].as_array().into_iter().flatten() {
                let mut item = item.clone();
                let one = kind.trim_end_matches("List");
                let typed = item.as_object_mut().unwrap();
                typed.entry("kind").or_insert_with(|| one.into());
                typed
                    .entry("apiVersion")
                    .or_insert_with(|| version.clone().into());
                each(item);
            }
        };
        match path.extension().and_then(|e| e.to_str()) {
            _ if path.is_dir() => recorded(&path, each),
            Some("json") => list(serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()),
            Some("yaml") => yaml::documents(&std::fs::read_to_string(&path).unwrap(), |document| {
                list(serde_json::from_slice(&document.unwrap().json).unwrap());
                true
            }),
            _ => {}
        }
    }
}

/// The API server's answers and what it had stored give the same causes, as far as objects carry them; without
/// an API server nothing is healthy.
#[test]
fn a_dead_datastore_is_diagnosed_as_the_living_cluster_was() {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/half-alive-rebuild");
    // Without its logs, which no datastore has.
    let files = tempfile::tempdir().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut objects = Vec::new();
    let kine = Kine::new();
    recorded(&example, &mut |object| {
        let of = |at: &str| {
            object
                .pointer(at)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
        };
        let plural = format!("{}s", of("/kind").to_lowercase());
        let key = format!(
            "/registry/{plural}/{}/{}",
            of("/metadata/namespace"),
            of("/metadata/name")
        );
        if seen.insert(key.clone()) {
            let value = object.to_string();
            kine.row(
                &key.replace("//", "/"),
                (1, 0, 0, 0),
                Some(value.as_bytes()),
                None,
            );
            objects.push(object);
        }
    });
    let list = serde_json::json!({"kind": "List", "apiVersion": "v1", "items": objects});
    std::fs::write(files.path().join("all.json"), list.to_string()).unwrap();
    kine.checkpoint();
    assert!(objects.len() > 50);
    let (_, answered) = judged(files.path());
    let (report, stored) = judged(&kine.path());
    assert!(stored.len() >= 2, "{stored:?}");
    assert_eq!(stored, answered);
    assert_eq!(report.verdict, Verdict::RootCause);
    assert!(report.root_causes.iter().all(|c| !c.evidence.is_empty()));
}

/// What was wiped, and made anew, has nothing wrong in it.
#[test]
fn an_empty_datastore_is_no_healthy_cluster() {
    let kine = Kine::new();
    kine.checkpoint();
    let (report, causes) = judged(&kine.path());
    assert_eq!((report.verdict, causes), (Verdict::Unknown, Vec::new()));
    let question = report.question.unwrap();
    assert!(question.text.contains("datastore"), "{}", question.text);
}

/// A data directory with an old copy beside it: objects of two days make no cluster, and what is broken is told.
#[test]
fn one_datastore_gives_the_objects_and_all_are_checked() {
    let (old, new) = (Kine::new(), Kine::new());
    old.create("gone", "a");
    for n in 0..300 {
        new.create(&format!("there-{n}"), "b");
    }
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("server/db");
    std::fs::create_dir_all(&db).unwrap();
    for (kine, name) in [(&old, "old.db"), (&new, "state.db")] {
        kine.checkpoint();
        std::fs::copy(kine.path(), db.join(name)).unwrap();
    }
    let (report, causes) = judged(folder.path());
    assert_eq!(causes, []);
    assert_eq!(report.verdict, Verdict::Unknown);
    let gap = report.gaps.iter().find(|g| g.what.contains("old.db"));
    assert!(
        gap.is_some_and(|g| g.why.contains("one datastore")),
        "{:?}",
        report.gaps
    );
    const PAGE: usize = 4096;
    // A page of the living one is lost.
    let mut bytes = std::fs::read(db.join("state.db")).unwrap();
    for byte in &mut bytes[5 * PAGE..6 * PAGE] {
        *byte ^= 0xff;
    }
    std::fs::write(db.join("state.db"), &bytes).unwrap();
    let (_, causes) = judged(folder.path());
    assert!(
        causes
            .iter()
            .any(|(code, id)| code == "KIN003" && id.ends_with("db/state.db")),
        "{causes:?}"
    );
    // A power cut left nothing of it; the copy elsewhere is nobody's cluster by itself.
    std::fs::write(db.join("state.db"), b"").unwrap();
    let (_, causes) = judged(folder.path());
    assert!(
        causes.iter().any(|(code, _)| code == "KIN003"),
        "{causes:?}"
    );
    // A database of somebody else is no damaged datastore.
    std::fs::write(db.join("state.db"), b"").unwrap();
    let foreign = tempfile::tempdir().unwrap();
    let connection = Connection::open(foreign.path().join("grafana.db")).unwrap();
    connection.execute_batch("CREATE TABLE t(a);").unwrap();
    drop(connection);
    let (report, causes) = judged(foreign.path());
    assert_eq!(
        (causes.len(), report.gaps.len()),
        (0, 1),
        "{:?}",
        report.gaps
    );
}
