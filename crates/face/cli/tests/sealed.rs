//! What k3s seals in its datastore, opened at the command line: the bootstrap record, and Secrets at rest.
//!
//! Record and values are sealed here by their documented layouts, with keys made on the spot. Deliberately
//! absent: a running server (`xtask`'s tests have one encrypt for real).
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockEncryptMut, KeyIvInit};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::XSalsa20Poly1305;
use rcgen::{CertificateParams, DnType, KeyPair};
use rusqlite::{Connection, params};

const PASSWORD: &str = "canary-of-the-token-77";
/// The first 12 digits of its SHA-256.
const HASH: &str = "47f935f44ee6";
const SECRET: &str = "canary-of-the-secret-88";
const WRITTEN: u64 = 1_780_300_800;

/// A k3s data directory with kine.
struct Server {
    folder: tempfile::TempDir,
    key: String,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Server {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["server/db", "server/tls", "server/cred"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let pair = KeyPair::generate().unwrap();
        let other = KeyPair::generate().unwrap().serialize_pem();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "k3s-server-ca@1780300800");
        let certificate = params.self_signed(&pair).unwrap().pem();
        let key = pair.serialize_pem();
        let config = config();
        let field = |content: &str| {
            format!(
                r#"{{"Timestamp":"2026-06-01T08:00:00Z","Content":"{}"}}"#,
                STANDARD.encode(content)
            )
        };
        let plain = format!(
            r#"{{"ServerCA":{},"ServerCAKey":{},"ClientCA":{},"ClientCAKey":{},"PasswdFile":{},"EncryptionConfig":{}}}"#,
            field(&certificate),
            field(&key),
            field(&certificate),
            field(&other),
            field("canary-of-passwd,node,node,k3s:agent\n"),
            field(&config),
        );
        let server = Self { folder, key };
        let database = server.database();
        let put = |name: &str, value: &[u8]| {
            database
                .execute(
                    "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value)
                     VALUES (?1, 1, 0, 0, 0, 0, ?2)",
                    params![name, value],
                )
                .unwrap();
        };
        put(&format!("/bootstrap/{HASH}"), &seal(plain.as_bytes()));
        for provider in ["aescbc", "secretbox", "aesgcm"] {
            put(
                &format!("/registry/secrets/apps/{provider}"),
                &encrypted(provider, [5; 32]),
            );
        }
        drop(database);
        server.write("tls/server-ca.crt", &certificate, WRITTEN);
        server.write("tls/server-ca.key", "another", WRITTEN + 10);
        server.write("tls/client-ca.crt", "older", WRITTEN - 10);
        server
    }

    fn database(&self) -> Connection {
        let database = Connection::open(self.folder.path().join("server/db/state.db")).unwrap();
        // kine/pkg/drivers/sqlite/sqlite.go
        database
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER,
                 created INTEGER, deleted INTEGER, create_revision INTEGER, prev_revision INTEGER,
                 lease INTEGER, value BLOB, old_value BLOB);",
            )
            .unwrap();
        database
    }

    fn write(&self, name: &str, text: &str, at: u64) {
        let path = self.folder.path().join("server").join(name);
        std::fs::write(&path, text).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(at);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
    }

    fn token(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("given-token");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("server/db/state.db")
    }

    /// Runs a verb; nothing that is secret may be in what it says, unless it is to be shown.
    fn run(&self, verb: &str, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_defib"))
            .env_clear()
            .stdin(Stdio::null())
            .args(["inspect", verb])
            .args(arguments)
            .output()
            .unwrap();
        let said = Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        let key_line = self.key.lines().nth(1).unwrap();
        let config_key = STANDARD.encode([5; 32]);
        let shows = arguments.contains(&"--show-secrets");
        for secret in [PASSWORD, "canary-of-passwd", key_line, &config_key] {
            assert!(!said.out.contains(secret), "{}", said.out);
            assert!(!said.err.contains(secret), "{}", said.err);
        }
        assert!(shows || !said.out.contains(&STANDARD.encode(SECRET)));
        said
    }
}

/// `cred/encryption-config.json`, as k3s writes it.
fn config() -> String {
    let secret = STANDARD.encode([5; 32]);
    format!(
        r#"{{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{{"resources":["secrets"],"providers":[
        {{"aescbc":{{"keys":[{{"name":"aescbckey-2026-06-01T08:00:00Z","secret":"{secret}"}}]}}}},
        {{"secretbox":{{"keys":[{{"name":"secretboxkey","secret":"{secret}"}}]}}}},
        {{"aesgcm":{{"keys":[{{"name":"gcm","secret":"{secret}"}}]}}}},{{"identity":{{}}}}]}}]}}"#
    )
}

/// The record's value: `k3s/pkg/cluster/encrypt.go`.
fn seal(plain: &[u8]) -> Vec<u8> {
    let salt = "00112233aabbccdd";
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha1::Sha1>(PASSWORD.as_bytes(), salt.as_bytes(), 4096, &mut key);
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    let mut sealed = vec![9; 12];
    let bytes = cipher.encrypt(Nonce::from_slice(&sealed), plain).unwrap();
    sealed.extend(bytes);
    format!("{salt}:{}", STANDARD.encode(sealed)).into_bytes()
}

/// A Secret's value: `k8s.io/apiserver/pkg/storage/value/encrypt`.
fn encrypted(provider: &str, key: [u8; 32]) -> Vec<u8> {
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"{provider}","namespace":"apps"}},"data":{{"password":"{}"}}}}"#,
        STANDARD.encode(SECRET)
    );
    if provider == "aescbc" {
        let vector = [7; 16];
        let mut out = b"k8s:enc:aescbc:v1:aescbckey-2026-06-01T08:00:00Z:".to_vec();
        out.extend(vector);
        let cipher = cbc::Encryptor::<aes::Aes256>::new(&key.into(), &vector.into());
        out.extend(cipher.encrypt_padded_vec_mut::<Pkcs7>(object.as_bytes()));
        return out;
    }
    if provider == "aesgcm" {
        let mut out = b"k8s:enc:aesgcm:v1:gcm:".to_vec();
        out.extend([7; 12]);
        let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
        let payload = Payload {
            msg: object.as_bytes(),
            aad: b"/registry/secrets/apps/aesgcm",
        };
        out.extend(
            cipher
                .encrypt(Nonce::from_slice(&[7; 12]), payload)
                .unwrap(),
        );
        return out;
    }
    let nonce = [7; 24];
    let mut out = b"k8s:enc:secretbox:v1:secretboxkey:".to_vec();
    out.extend(nonce);
    let cipher = XSalsa20Poly1305::new(&key.into());
    out.extend(cipher.encrypt(&nonce.into(), object.as_bytes()).unwrap());
    out
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn without_a_token_the_record_names_the_one_it_wants() {
    let server = Server::new();
    let file = server.file();
    let said = server.run("bootstrap", &[text(&file)]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out
            .contains(&format!("wants the token of hash {HASH}"))
    );
    assert!(said.err.contains("--token-file"));
    // A lock, and a second record: a rotation that did not end.
    server
        .database()
        .execute(
            "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value)
             VALUES ('/bootstrap/000000000000', 1, 0, 0, 0, 0, x'')",
            [],
        )
        .unwrap();
    let said = server.run("bootstrap", &[text(&file)]);
    assert!(said.out.contains("000000000000 is a lock"), "{}", said.out);
    assert!(said.err.contains("rotation"));
}

#[test]
fn a_token_opens_the_record_and_a_data_directory_is_compared() {
    let server = Server::new();
    let full = format!("K10{}::server:{PASSWORD}\n", "ab".repeat(32));
    for form in [PASSWORD, &format!("{PASSWORD}\n"), &full] {
        let token = server.token(form);
        let root = server.folder.path();
        let said = server.run("bootstrap", &[text(root), "--token-file", text(&token)]);
        assert_eq!(said.code, 2, "{}{}", said.out, said.err);
        for part in [
            "tls/server-ca.crt, written 2026-06-01T08:00:00Z: the same on disk",
            "CN=k3s-server-ca@1780300800, from ",
            "sha256 ",
            "tls/server-ca.key, written 2026-06-01T08:00:00Z: DIFFERS and is newer on disk",
            "PRIVATE KEY, of the certificate above",
            "tls/client-ca.crt, written 2026-06-01T08:00:00Z: differs on disk",
            "PRIVATE KEY, NOT of the certificate above",
            "cred/passwd, written 2026-06-01T08:00:00Z: not on disk",
            "1 equal, 2 differ, 3 missing",
        ] {
            assert!(said.out.contains(part), "{part}\n{}", said.out);
        }
    }
    let token = server.token(PASSWORD);
    let (file, token) = (server.file(), text(&token).to_owned());
    let said = server.run(
        "bootstrap",
        &[text(&file), "--token-file", &token, "-o", "json"],
    );
    assert!(
        said.out.contains(r#""field": "ServerCAKey""#),
        "{}",
        said.out
    );
}

/// A data directory may hold anything where a file should be: nothing waits for it, and nothing is read without end.
#[test]
fn what_is_no_file_is_not_read() {
    let server = Server::new();
    let token = server.token(PASSWORD);
    let tls = server.folder.path().join("server/tls");
    let (endless, pipe) = (tls.join("server-ca.crt"), tls.join("client-ca.crt"));
    std::fs::remove_file(&endless).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    std::fs::remove_file(&pipe).unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let root = server.folder.path();
    let said = server.run("bootstrap", &[text(root), "--token-file", text(&token)]);
    for (file, why) in [
        (
            "tls/server-ca.crt",
            "it is a link; links beside or below what was named are not followed",
        ),
        ("tls/client-ca.crt", "it is no regular file"),
    ] {
        let line = said.out.lines().find(|l| l.contains(file));
        assert!(
            line.is_some_and(|l| l.contains("can't be read on disk: ") && l.ends_with(why)),
            "{}",
            said.out
        );
    }
    // The same for the log beside the database, and for the database itself.
    let file = server.file();
    let mut log = file.clone().into_os_string();
    log.push("-wal");
    let _ = std::fs::remove_file(&log);
    let made = Command::new("mkfifo").arg(&log).status();
    assert!(made.unwrap().success());
    let said = server.run("bootstrap", &[text(&file)]);
    assert_eq!(said.code, 0, "{}", said.err);
    let said = server.run("bootstrap", &[text(&pipe)]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("no regular file"), "{}", said.err);
}

#[test]
fn what_does_not_fit_is_refused_with_its_reason() {
    let server = Server::new();
    let file = server.file();
    for (token, why) in [
        ("another", "the token does not fit"),
        ("K10ab::node:another", "a token for agents"),
        ("\n", "the token is empty"),
        ("a\nb\n", "a token is one line"),
        ("K10ab::server", "a full token is"),
    ] {
        let token = server.token(token);
        let said = server.run("bootstrap", &[text(&file), "--token-file", text(&token)]);
        assert_eq!(said.code, 1, "{why}");
        assert!(said.err.contains(why), "{}", said.err);
        assert!(said.out.is_empty());
    }
    let token = server.token("another");
    let said = server.run("bootstrap", &[text(&file), "--token-file", text(&token)]);
    assert!(said.err.contains(HASH), "{}", said.err);
    assert!(said.err.contains("server/token"), "{}", said.err);
}

#[test]
fn keys_leave_only_on_demand_and_into_a_new_private_file() {
    let server = Server::new();
    let token = server.token(PASSWORD);
    let (file, token) = (server.file(), text(&token).to_owned());
    let out = server.folder.path().join("keys.tar");
    let given = [text(&file), "--token-file", &token, "--out", text(&out)];
    let said = server.run("bootstrap", &given);
    assert_eq!(said.code, 1);
    assert!(!out.exists());
    let mut asked = given.to_vec();
    asked.push("--extract-keys");
    let said = server.run("bootstrap", &asked);
    // The client CA's key is another's, and that is said by the code.
    assert_eq!(said.code, 2, "{}", said.err);
    let meta = std::fs::metadata(&out).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let mut archive = tar::Archive::new(std::fs::File::open(&out).unwrap());
    let names: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|e| {
            let e = e.unwrap();
            let header = e.header();
            assert_eq!(
                (header.mode().unwrap(), header.mtime().unwrap()),
                (0o600, WRITTEN)
            );
            e.path().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(names.len(), 6);
    assert!(names.contains(&"server/tls/server-ca.key".to_owned()));
    let before = std::fs::read(&out).unwrap();
    let said = server.run("bootstrap", &asked);
    assert_eq!(said.code, 1, "never overwritten");
    assert!(said.err.contains("exists already"), "{}", said.err);
    assert_eq!(std::fs::read(&out).unwrap(), before);
}

#[test]
fn secrets_at_rest_open_with_the_keys_wherever_they_are() {
    let server = Server::new();
    let file = server.file();
    let file = text(&file);
    let said = server.run("get", &[file, "/registry/secrets/apps/aescbc"]);
    assert_eq!(said.code, 3);
    assert!(
        said.err.contains("encrypted at rest by aescbc"),
        "{}",
        said.err
    );
    assert!(said.err.contains("--encryption-config"), "{}", said.err);

    let token = server.token(PASSWORD);
    server.write("cred/encryption-config.json", &config(), WRITTEN);
    let config = server
        .folder
        .path()
        .join("server/cred/encryption-config.json");
    let root = server.folder.path();
    for keys in [
        vec![file, "--token-file", text(&token)],
        vec![file, "--encryption-config", text(&config)],
        vec![text(root)],
    ] {
        let mut asked = keys.clone();
        asked.extend(["--kind", "secret", "-o", "json"]);
        let said = server.run("ls", &asked);
        assert_eq!(
            said.out.matches(r#""kind":"Secret""#).count(),
            3,
            "{}",
            said.out
        );
        for name in ["secret/aescbc", "secret/secretbox", "secret/aesgcm"] {
            let mut asked = keys.clone();
            asked.insert(1, name);
            let said = server.run("get", &asked);
            assert_eq!(said.code, 0, "{}", said.err);
            assert!(said.out.contains(r#"kind: "Secret""#), "{}", said.out);
            asked.push("--show-secrets");
            let said = server.run("get", &asked);
            assert!(said.out.contains(&STANDARD.encode(SECRET)), "{}", said.out);
        }
        let said = server.run("verify", &keys);
        assert!(said.out.contains("3 json"), "{}", said.out);
        let mut asked = keys.clone();
        asked.insert(1, "secret/aescbc");
        let said = server.run("history", &asked);
        assert!(said.out.contains("created"), "{}", said.out);
    }
}

#[test]
fn another_key_of_the_same_name_is_no_damage_by_itself() {
    let server = Server::new();
    let file = server.file();
    let other = config_with([6; 32]);
    let path = server.folder.path().join("other.json");
    std::fs::write(&path, other).unwrap();
    let said = server.run("verify", &[text(&file), "--encryption-config", text(&path)]);
    assert!(said.out.contains(": unknown"), "{}", said.out);
    assert!(
        said.out.contains("another key of that name, or damage"),
        "{}",
        said.out
    );
    // Where the key opens one value and not the other, the other is damaged.
    let good = server.folder.path().join("good.json");
    std::fs::write(&good, config()).unwrap();
    let mut broken = encrypted("secretbox", [5; 32]);
    *broken.last_mut().unwrap() ^= 1;
    server
        .database()
        .execute(
            "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value)
             VALUES ('/registry/secrets/apps/broken', 1, 0, 0, 0, 0, ?1)",
            [broken],
        )
        .unwrap();
    let said = server.run("verify", &[text(&file), "--encryption-config", text(&good)]);
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(
        said.out
            .contains("the first is /registry/secrets/apps/broken"),
        "{}",
        said.out
    );
    let said = server.run("verify", &[text(&file), "--encryption-config", text(&file)]);
    assert_eq!(said.code, 1);
}

fn config_with(key: [u8; 32]) -> String {
    config().replace(&STANDARD.encode([5; 32]), &STANDARD.encode(key))
}

/// `diagnose` compares the token beside a datastore with its record by the hash alone, and the files with what is
/// in it; neither is told.
#[test]
fn a_token_of_another_time_is_noticed() {
    let server = Server::new();
    let data = server.folder.path().display().to_string();
    let report = || -> serde_json::Value {
        let output = Command::new(env!("CARGO_BIN_EXE_defib"))
            .env_clear()
            .stdin(Stdio::null())
            .args(["diagnose", &data, "-o", "json"])
            .output()
            .unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        for secret in [PASSWORD, SECRET, "canary-of-passwd"] {
            assert!(!out.contains(secret), "{secret} is in {out}");
        }
        serde_json::from_str(&out).unwrap()
    };
    let classes = |report: &serde_json::Value| -> Vec<String> {
        ["root_causes", "candidates"]
            .iter()
            .flat_map(|list| report[list].as_array().unwrap())
            .map(|f| f["class"].as_str().unwrap().to_owned())
            .collect()
    };
    // Without a token nothing is compared.
    assert!(classes(&report()).is_empty(), "{}", report());
    server.write("token", "K10aa::server:something-else", WRITTEN);
    assert_eq!(classes(&report()), ["token-mismatch"], "{}", report());
    server.write("token", &format!("K10aa::server:{PASSWORD}"), WRITTEN);
    assert_eq!(
        classes(&report()),
        ["bootstrap-data-conflict"],
        "{}",
        report()
    );
}
