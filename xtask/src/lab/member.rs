//! One etcd by itself, to make files with: filled, snapshotted, killed.
//!
//! It listens on loopback without TLS and goes with the process that started it. Deliberately absent: an API
//! server; `ControlPlane` has one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cache::Programs;
use super::error::file;
use super::parts::{FILL, PARTS, Part};
use super::ports::Ports;
use super::process::Process;
use super::{LabError, toolchain, wait_until};

/// A running etcd of one member.
pub struct Member {
    process: Process,
    programs: Programs,
    endpoint: String,
    folder: PathBuf,
}

impl Member {
    /// Starts it below a folder that exists; its data is in [`Member::data`].
    ///
    /// # Errors
    /// When etcd can't be built or does not become ready.
    pub fn start(folder: &Path, extra: &[&str]) -> Result<Self, LabError> {
        let programs = Programs::ready(&mut |_| {})?;
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs).map_err(file("create", &logs))?;
        let ports = Ports::free()?;
        let (client, peer) = (
            format!("http://127.0.0.1:{}", ports.etcd),
            format!("http://127.0.0.1:{}", ports.etcd_peer),
        );
        let mut arguments = vec![
            "--name=lab-1".to_owned(),
            format!("--data-dir={}", folder.join("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=lab-1={peer}"),
            "--unsafe-no-fsync=true".to_owned(),
            "--quota-backend-bytes=8589934592".to_owned(),
        ];
        arguments.extend(extra.iter().map(|a| (*a).to_owned()));
        let etcd = programs.path(part("etcd")?)?;
        let arguments = arguments.into_iter().map(Into::into).collect();
        let mut member = Self {
            process: Process::start("etcd", etcd, arguments, folder)?,
            programs,
            endpoint: client,
            folder: folder.to_owned(),
        };
        member.ready()?;
        Ok(member)
    }

    fn ready(&mut self) -> Result<(), LabError> {
        wait_until("etcd answers", Duration::from_secs(30), || {
            self.process.check().map_err(|e| e.to_string())?;
            self.etcdctl(&["endpoint", "health"])
                .map(|_| ())
                .map_err(|e| e.to_string())
        })
    }

    /// Its data directory, as `--data-dir` names it.
    pub fn data(&self) -> PathBuf {
        self.folder.join("etcd")
    }

    /// Where clients reach it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Runs etcdctl against it.
    ///
    /// # Errors
    /// When it fails.
    pub fn etcdctl(&self, arguments: &[&str]) -> Result<String, LabError> {
        let mut command = Command::new(self.programs.path(part("etcdctl")?)?);
        command
            .args(["--endpoints", &self.endpoint, "--command-timeout=60s"])
            .args(arguments);
        output("etcdctl", command)
    }

    /// Runs etcdutl, which reads files.
    ///
    /// # Errors
    /// When it fails.
    pub fn etcdutl(&self, arguments: &[&str]) -> Result<String, LabError> {
        let mut command = Command::new(self.programs.path(part("etcdutl")?)?);
        command.args(arguments);
        output("etcdutl", command)
    }

    /// Writes pods, and a third as many ConfigMaps, Secrets and events, each twice, as an API server would.
    ///
    /// # Errors
    /// When Go is missing or a write fails.
    pub fn fill(&self, pods: u32) -> Result<(), LabError> {
        let pods = pods.to_string();
        let arguments = ["--endpoint", &self.endpoint, "--pods", &pods];
        toolchain::run_own(&FILL, ".", &arguments).map(|_| ())
    }

    /// Takes a snapshot, with its hash.
    ///
    /// # Errors
    /// When it fails.
    pub fn snapshot(&self, out: &Path) -> Result<(), LabError> {
        self.etcdctl(&["snapshot", "save", &out.display().to_string()])
            .map(|_| ())
    }

    /// Ends it, as the power cord would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same data.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start_again(&mut self) -> Result<(), LabError> {
        self.process.start_again()?;
        self.ready()
    }
}

fn part(name: &'static str) -> Result<&'static Part, LabError> {
    PARTS
        .iter()
        .find(|p| p.name == name)
        .ok_or(LabError::NoSpawner)
}

fn output(program: &str, mut command: Command) -> Result<String, LabError> {
    let done = command.output().map_err(|source| LabError::Spawn {
        program: program.into(),
        source,
    })?;
    super::inside::succeeded(program, &done)
}
