//! `defib inspect serve` against clients that mean no good, over objects that mean none either.
//!
//! The datastore is made here, so that it runs everywhere. Deliberately absent: what kubectl shows (`dead`).
#![cfg(feature = "serve")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rusqlite::{Connection, params};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

struct Serving {
    child: Child,
    folder: tempfile::TempDir,
    address: String,
    token: String,
    tls: Arc<ClientConfig>,
}

/// As somebody runs it at a terminal: whoever runs the tests in the background has SIGINT ignored, and ignored it would
/// stay.
const PLAIN: &str = "exec env --default-signal=INT,TERM,HUP \"$@\"";
/// As `nohup` starts programs.
const NOHUP: &str = "trap '' HUP; exec \"$@\"";

impl Serving {
    fn start(objects: &[(&str, &str)]) -> Self {
        Self::started(objects, PLAIN)
    }

    fn started(objects: &[(&str, &str)], how: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.db");
        let database = Connection::open(&file).unwrap();
        // kine/pkg/drivers/sqlite/sqlite.go
        database
            .execute_batch(
                "CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER,
                 created INTEGER, deleted INTEGER, create_revision INTEGER, prev_revision INTEGER,
                 lease INTEGER, value BLOB, old_value BLOB);",
            )
            .unwrap();
        for (name, value) in objects {
            database
                .execute(
                    "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value)
                     VALUES (?1, 1, 0, 0, 0, 0, ?2)",
                    params![format!("/registry/{name}"), value.as_bytes()],
                )
                .unwrap();
        }
        drop(database);
        let kubeconfig = folder.path().join("config");
        let mut child = Command::new("sh")
            .args(["-c", how, "sh", env!("CARGO_BIN_EXE_defib")])
            .args(["inspect", "serve"])
            .arg(&file)
            .arg("--kubeconfig-out")
            .arg(&kubeconfig)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with("kubectl --kubeconfig "), "{line:?}");
        let mode = std::fs::metadata(&kubeconfig).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let config: Value = serde_json::from_slice(&std::fs::read(&kubeconfig).unwrap()).unwrap();
        let at = |pointer: &str| {
            config
                .pointer(pointer)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        let server = at("/clusters/0/cluster/server");
        let authority = at("/clusters/0/cluster/certificate-authority-data");
        let authority = STANDARD.decode(authority).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&authority).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            child,
            address: server.strip_prefix("https://").unwrap().to_owned(),
            token: at("/users/0/user/token"),
            tls: Arc::new(tls),
            folder,
        }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// A connection over TLS, on which nothing was said yet.
    fn open(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut client = ClientConnection::new(Arc::clone(&self.tls), name).unwrap();
        let mut stream = self.stream();
        // One that was dropped meanwhile is seen when something is asked on it.
        while client.is_handshaking() && client.complete_io(&mut stream).is_ok() {}
        StreamOwned::new(client, stream)
    }

    fn tell(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Sends bytes over TLS, and gives what comes until the connection ends.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.open();
        // A server that has heard enough does not listen to the rest.
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
        let mut out = Vec::new();
        let _ = stream.read_to_end(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The status and the body of one request.
    fn ask(&self, method: &str, path: &str, more: &str) -> (u16, String) {
        let token = &self.token;
        let said = self.raw(
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
                .as_bytes(),
        );
        split(&said)
    }
}

fn split(said: &str) -> (u16, String) {
    let code = said
        .split(' ')
        .nth(1)
        .and_then(|c| c.parse().ok())
        .unwrap_or(0);
    let body = said.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (code, body.to_owned())
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A body that was sent in chunks, put together.
fn unchunked(body: &str) -> String {
    let (mut out, mut rest) = (String::new(), body);
    while let Some((length, behind)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        out.push_str(&behind[..length]);
        rest = behind[length..].trim_start_matches("\r\n");
    }
    out
}

fn pod(name: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "a"}})
        .to_string()
}

#[test]
fn only_the_token_opens() {
    let serving = Serving::start(&[("pods/a/p", &pod("p"))]);
    let (code, body) = serving.ask("GET", "/api/v1/pods", "");
    assert_eq!(code, 200, "{body}");
    assert!(
        body.contains("\"kind\":\"PodList\"") && body.contains("\"name\":\"p\""),
        "{body}"
    );
    let good = serving.token.clone();
    let cut = &good[..good.len() - 1];
    for header in [
        "X: y".to_owned(),
        "Authorization: Bearer".to_owned(),
        "Authorization: Bearer ".to_owned(),
        format!("Authorization: Bearer {cut}"),
        format!("Authorization: Bearer {good}0"),
        format!("Authorization: Basic {good}"),
        format!("Cookie: {good}"),
    ] {
        for path in ["/api/v1/pods", "/healthz", "/nothing"] {
            let said = serving.raw(
                format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n")
                    .as_bytes(),
            );
            let (code, body) = split(&said);
            assert_eq!(code, 401, "{header}");
            assert!(
                body.contains("\"kind\":\"Status\"") && !body.contains(cut),
                "{body}"
            );
        }
    }
}

#[test]
fn nothing_is_written_and_bodies_are_not_read() {
    let serving = Serving::start(&[("pods/a/p", &pod("p"))]);
    for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "BREW"] {
        let path = "/api/v1/namespaces/a/pods/p";
        let (code, body) = serving.ask(method, path, "Content-Length: 1000000000\r\n");
        // CONNECT names no path in HTTP.
        assert!(code == 405 || method == "CONNECT", "{method} {code} {body}");
    }
    assert_eq!(
        serving.ask("HEAD", "/api/v1/pods", ""),
        (200, String::new())
    );
    assert_eq!(serving.ask("OPTIONS", "/version", "").0, 200);
    assert_eq!(serving.ask("GET", "/api/v1/namespaces/a/pods/p", "").0, 200);
}

#[test]
fn clients_that_mean_no_good_get_little() {
    let serving = Serving::start(&[("pods/a/p", &pod("p"))]);
    // Heads that never end, in one header and in many.
    let long = "x".repeat(1 << 20);
    let many = "a: b\r\n".repeat(10_000);
    for more in [format!("A: {long}\r\n"), many] {
        let (code, body) = serving.ask("GET", "/api/v1/pods", &more);
        assert!(code == 431 || code == 0, "{code}");
        assert!(!body.contains("PodList"));
    }
    let path = format!("/api/v1/{long}");
    let (code, _) = serving.ask("GET", &path, "");
    assert!(matches!(code, 0 | 404 | 414 | 431), "{code}");
    for path in [
        "/api/v1/%ff",
        "/api/v1/namespaces/a/pods/%2e%2e%2fp",
        "/../../etc/passwd",
        "//",
        "/api/v1/pods/",
    ] {
        let (code, body) = serving.ask("GET", path, "");
        assert!(matches!(code, 200 | 400 | 404), "{path}: {code} {body}");
    }
    // The token is there, so that it is the noise for which there is no list.
    let rest = format!(
        "Host: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        serving.token
    );
    for (noise, is_good) in [
        ("GET /api/v1/pods HTTP/1.1\r\n", true),
        ("\0\0\0\0GET /api/v1/pods HTTP/1.1\r\n", false),
        ("GET /api/v1/pods HTTP/9.9\r\n", false),
        ("GET /api/v1/pods?\u{1b}[31m HTTP/1.1\r\n", false),
    ] {
        let said = serving.raw(format!("{noise}{rest}").as_bytes());
        assert_eq!(said.contains("PodList"), is_good, "{noise:?} {said}");
        assert!(
            is_good || said.is_empty() || split(&said).0 == 400,
            "{said}"
        );
    }
    // What is no TLS gets no HTTP.
    let mut plain = serving.stream();
    plain
        .write_all(format!("GET /api/v1/pods HTTP/1.1\r\n{rest}").as_bytes())
        .unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    assert!(
        !said.contains("HTTP/") && !said.contains("PodList"),
        "{said}"
    );
}

/// One answer of a connection that stays open.
fn kept(stream: &mut (impl Read + Write), serving: &Serving) -> String {
    let token = &serving.token;
    let asked =
        format!("GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(asked.as_bytes()).unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n0\r\n\r\n") {
        let mut piece = [0; 4_096];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "the connection ended");
        said.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn many_that_say_nothing_do_not_lock_the_owner_out() {
    let serving = Serving::start(&[("pods/a/p", &pod("p"))]);
    let mut own = serving.open();
    assert!(kept(&mut own, &serving).contains("gitVersion"));
    // Before the handshake, and behind it.
    let silent: Vec<TcpStream> = (0..300).map(|_| serving.stream()).collect();
    let soon = |begun: Instant| {
        assert!(
            begun.elapsed() < Duration::from_secs(9),
            "{:?}",
            begun.elapsed()
        )
    };
    let begun = Instant::now();
    assert_eq!(serving.ask("GET", "/api/v1/pods", "").0, 200);
    soon(begun);
    // Those that came first were ended long before their time was over.
    let mut first = &silent[0];
    assert!(matches!(first.read(&mut [0; 1]), Ok(0) | Err(_)));
    soon(begun);
    // Whoever showed the token is still there.
    assert!(kept(&mut own, &serving).contains("gitVersion"));
    let greeted: Vec<_> = (0..300).map(|_| serving.open()).collect();
    let begun = Instant::now();
    assert_eq!(serving.ask("GET", "/api/v1/pods", "").0, 200);
    soon(begun);
    drop(greeted);
}

/// kubectl asks for every group at once, on a connection each.
#[test]
fn all_that_the_owner_asks_at_once_is_answered() {
    let serving = Serving::start(&[("pods/a/p", &pod("p"))]);
    let codes: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..300)
            .map(|_| scope.spawn(|| serving.ask("GET", "/api/v1/pods", "").0))
            .collect();
        asked.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(codes.iter().all(|code| *code == 200), "{codes:?}");
}

#[test]
fn objects_that_mean_no_good_cost_themselves() {
    let deep = format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{}},"spec":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let label = "x".repeat(1 << 20);
    let wide = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "wide", "labels": {"a": label}}}).to_string();
    let odd = r#"{"kind":"Pod","apiVersion":"v1","metadata":5,"status":{"containerStatuses":[{"restartCount":9223372036854775807},{"restartCount":1}]}}"#;
    let column = r#"{"name":"A","type":"date","jsonPath":".a[?(@.b=="}"#;
    let columns = vec![column; 500].join(",").replace("==\"}", "==\\\"\"}");
    let definition = format!(
        r#"{{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{{"name":"as.x.y"}},"spec":{{"group":"x.y","scope":"Namespaced","names":{{"plural":"as","kind":"A"}},"versions":[{{"name":"v1","served":true,"storage":true,"additionalPrinterColumns":[{columns}]}}]}}}}"#
    );
    let serving = Serving::start(&[
        ("pods/a/deep", &deep),
        ("pods/a/wide", &wide),
        ("pods/a/odd", odd),
        ("pods/a/\u{1b}[31m", &pod("red")),
        ("pods/a/good", &pod("good")),
        (
            "apiextensions.k8s.io/customresourcedefinitions/as.x.y",
            &definition,
        ),
        (
            "x.y/as/a/b",
            r#"{"kind":"A","apiVersion":"x.y/v1","metadata":{"name":"b"},"a":[]}"#,
        ),
    ]);
    let table = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n";
    for accept in ["", table] {
        let (code, body) = serving.ask("GET", "/api/v1/pods", accept);
        assert_eq!(code, 200);
        assert!(
            body.contains("\"good\"") && !body.contains("[[[["),
            "{}",
            body.len()
        );
        assert_eq!(serving.ask("GET", "/apis/x.y/v1/as", accept).0, 200);
    }
    // Of five hundred columns as many as anybody looks at, and the name.
    let (_, body) = serving.ask(
        "GET",
        "/apis/x.y/v1/as?limit=500",
        &format!("{table}TE: x\r\n"),
    );
    let list = serde_json::from_str::<Value>(&unchunked(&body)).unwrap();
    assert_eq!(list["columnDefinitions"].as_array().unwrap().len(), 65);
    assert_eq!(list["rows"][0]["cells"].as_array().unwrap().len(), 65);
    assert_eq!(
        serving.ask("GET", "/api/v1/namespaces/a/pods/deep", "").0,
        500
    );
    assert_eq!(serving.ask("GET", "/openapi/v3/apis/x.y/v1", "").0, 200);
}

#[test]
fn it_ends_when_it_is_told_and_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut serving = Serving::start(&[("pods/a/p", &pod("p"))]);
        let idle = serving.stream();
        serving.tell(signal);
        let status = serving.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(!serving.config().exists(), "{signal}");
        drop(idle);
    }
    // Whoever starts it with `nohup` goes away before it does.
    let mut serving = Serving::started(&[("pods/a/p", &pod("p"))], NOHUP);
    serving.tell(Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(serving.ask("GET", "/version", "").0, 200);
    serving.tell(Signal::SIGTERM);
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
    assert!(!serving.config().exists());
    // Told as soon as there is a file that has to go.
    for _ in 0..5 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_defib"))
            .args(["inspect", "serve"])
            .arg(serving.folder.path().join("state.db"))
            .arg("--kubeconfig-out")
            .arg(serving.config())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let begun = Instant::now();
        while !serving.config().exists() && begun.elapsed() < Duration::from_secs(60) {
            std::hint::spin_loop();
        }
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(!serving.config().exists());
    }
    let again = Command::new(env!("CARGO_BIN_EXE_defib"))
        .args(["inspect", "serve"])
        .arg(serving.folder.path().join("state.db"))
        .arg("--kubeconfig-out")
        .arg(serving.folder.path().join("state.db"))
        .output()
        .unwrap();
    assert_eq!(
        again.status.code(),
        Some(1),
        "a file that exists is not written over"
    );
}
