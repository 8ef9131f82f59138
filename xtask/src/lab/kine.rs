//! One kine by itself, over SQLite, to make files with: written to as an API server does, killed.
//!
//! It listens on loopback without TLS and goes with the process that started it. Deliberately absent: other
//! databases than SQLite, which keep no file of their own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::cache::Programs;
use super::error::file;
use super::parts::PARTS;
use super::ports::Ports;
use super::process::Process;
use super::{LabError, wait_until};

/// As k3s opens its database.
const PARAMETERS: &str = "_journal=WAL&cache=shared&_busy_timeout=30000&_txlock=immediate";

/// A running kine.
pub struct Kine {
    process: Process,
    etcdctl: PathBuf,
    endpoint: String,
    folder: PathBuf,
}

impl Kine {
    /// Starts it below a folder that exists; its database is [`Kine::database`].
    ///
    /// # Errors
    /// When kine can't be built or does not become ready.
    pub fn start(folder: &Path) -> Result<Self, LabError> {
        let program = Programs::kine(&mut |_| {})?;
        let programs = Programs::ready(&mut |_| {})?;
        let etcdctl = PARTS
            .iter()
            .find(|p| p.name == "etcdctl")
            .ok_or(LabError::NoSpawner)?;
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs).map_err(file("create", &logs))?;
        let address = format!("127.0.0.1:{}", Ports::free()?.etcd);
        let database = folder.join("state.db");
        let arguments = [
            format!("--endpoint=sqlite://{}?{PARAMETERS}", database.display()),
            format!("--listen-address=tcp://{address}"),
            "--metrics-bind-address=0".to_owned(),
        ];
        let mut kine = Self {
            process: Process::start(
                "kine",
                program,
                arguments.into_iter().map(Into::into).collect(),
                folder,
            )?,
            etcdctl: programs.path(etcdctl)?,
            endpoint: format!("http://{address}"),
            folder: folder.to_owned(),
        };
        wait_until("kine answers", Duration::from_secs(30), || {
            kine.process.check().map_err(|e| e.to_string())?;
            kine.etcdctl(&["get", "/registry/health"], "")
                .map_err(|e| e.to_string())
        })?;
        Ok(kine)
    }

    /// Its database; what was written last stands in the log beside it.
    pub fn database(&self) -> PathBuf {
        self.folder.join("state.db")
    }

    /// Runs etcdctl against it, with what it reads from standard input.
    ///
    /// # Errors
    /// When it fails.
    pub fn etcdctl(&self, arguments: &[&str], input: &str) -> Result<String, LabError> {
        let spawn = |source| LabError::Spawn {
            program: "etcdctl".into(),
            source,
        };
        let mut child = Command::new(&self.etcdctl)
            .args(["--endpoints", &self.endpoint, "--command-timeout=30s"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(spawn)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).map_err(spawn)?;
        }
        let done = child.wait_with_output().map_err(spawn)?;
        super::inside::succeeded("etcdctl", &done)
    }

    /// The transactions of an API server (`storage/etcd3/store.go`), the only ones that kine takes: create where
    /// `before` is 0, else change what has that revision; a deletion where there is no value.
    ///
    /// # Errors
    /// When it is refused.
    pub fn write(&self, key: &str, before: u64, value: Option<&str>) -> Result<(), LabError> {
        let then = match value {
            Some(value) => format!("put {key} {value}"),
            None => format!("del {key}"),
        };
        let otherwise = match before {
            0 => String::new(),
            _ => format!("get {key}\n"),
        };
        let said = self.etcdctl(
            &["txn"],
            &format!("mod(\"{key}\") = \"{before}\"\n\n{then}\n\n{otherwise}\n"),
        )?;
        match said.contains("SUCCESS") {
            true => Ok(()),
            false => Err(LabError::Refused(said)),
        }
    }

    /// Ends it, as the power cord would.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
