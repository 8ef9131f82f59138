//! etcd by itself, one member or several, to make files with: filled, snapshotted, killed.
//!
//! They listen on loopback without TLS and go with the process that started them. Deliberately absent: an API
//! server; `ControlPlane` has one.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cache::Programs;
use super::error::file;
use super::parts::{FILL, PARTS, Part};
use super::ports::Ports;
use super::process::Process;
use super::ready::wait_unless;
use super::{LabError, toolchain};

/// How long a member may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// What it is asked to see whether it serves: a read that a majority has to agree to. `endpoint health` also fails
/// where an alarm is set.
const HEALTH: &[&str] = &["get", "health"];

/// A running etcd.
pub struct Member {
    process: Process,
    programs: Programs,
    endpoint: String,
    folder: PathBuf,
    /// The members at its start, as `--initial-cluster` names them.
    listed: String,
}

/// A name and ports for one member.
struct Seat {
    name: String,
    ports: Ports,
}

impl Seat {
    fn free(name: String) -> Result<Self, LabError> {
        let ports = Ports::free()?;
        Ok(Self { name, ports })
    }

    fn peer(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.etcd_peer)
    }

    fn listed(&self) -> String {
        format!("{}={}", self.name, self.peer())
    }
}

impl Member {
    /// Starts it below a folder that exists; its data is in [`Member::data`]. Data that lies there already is
    /// what it starts on.
    ///
    /// # Errors
    /// When etcd can't be built or does not become ready.
    pub fn start(folder: &Path, extra: &[&str]) -> Result<Self, LabError> {
        Self::start_within(PATIENCE, folder, extra)
    }

    /// The same for data on which it may never become ready.
    ///
    /// # Errors
    /// When etcd can't be built, ends, or is not ready by then.
    pub fn start_within(
        patience: Duration,
        folder: &Path,
        extra: &[&str],
    ) -> Result<Self, LabError> {
        let seat = Seat::free("lab-1".into())?;
        let cluster = seat.listed();
        let mut member = Self::launch(folder, &seat, &cluster, extra)?;
        member.answers(patience, HEALTH)?;
        Ok(member)
    }

    /// Starts a cluster of several, each below a folder of its own.
    ///
    /// # Errors
    /// When etcd can't be built or one of them does not become ready.
    pub fn cluster(folder: &Path, size: usize, extra: &[&str]) -> Result<Vec<Self>, LabError> {
        let mut seats = Vec::new();
        for n in 1..=size {
            seats.push(Seat::free(format!("lab-{n}"))?);
        }
        let listed: Vec<String> = seats.iter().map(Seat::listed).collect();
        let mut members = Vec::new();
        for seat in &seats {
            let own = folder.join(&seat.name);
            members.push(Self::launch(&own, seat, &listed.join(","), extra)?);
        }
        for member in &mut members {
            member.wait()?;
        }
        Ok(members)
    }

    /// Lets another member join, as a learner that does not vote.
    ///
    /// # Errors
    /// When it can't be added or does not answer.
    pub fn join(&self, folder: &Path, extra: &[&str]) -> Result<Self, LabError> {
        let seat = Seat::free("joined".into())?;
        let url = format!("--peer-urls={}", seat.peer());
        self.etcdctl(&["member", "add", &seat.name, "--learner", &url])?;
        let cluster = format!("{},{}", self.listed, seat.listed());
        let mut extra = extra.to_vec();
        extra.push("--initial-cluster-state=existing");
        let mut member = Self::launch(folder, &seat, &cluster, &extra)?;
        // A learner answers only what it knows itself.
        member.answers(PATIENCE, &["endpoint", "status"])?;
        Ok(member)
    }

    fn launch(folder: &Path, seat: &Seat, cluster: &str, extra: &[&str]) -> Result<Self, LabError> {
        let programs = Programs::ready(&mut |_| {})?;
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs).map_err(file("create", &logs))?;
        let client = format!("http://127.0.0.1:{}", seat.ports.etcd);
        let peer = seat.peer();
        let mut arguments = vec![
            format!("--name={}", seat.name),
            format!("--data-dir={}", folder.join("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster={cluster}"),
            "--unsafe-no-fsync=true".to_owned(),
            "--quota-backend-bytes=8589934592".to_owned(),
        ];
        arguments.extend(extra.iter().map(|a| (*a).to_owned()));
        let etcd = programs.path(part("etcd")?)?;
        let arguments = arguments.into_iter().map(Into::into).collect();
        Ok(Self {
            process: Process::start("etcd", etcd, arguments, folder)?,
            programs,
            endpoint: client,
            folder: folder.to_owned(),
            listed: cluster.to_owned(),
        })
    }

    /// Waits for an answer; one that ended will give none.
    fn answers(&mut self, patience: Duration, question: &[&str]) -> Result<(), LabError> {
        wait_unless("etcd answers", patience, || {
            self.process.check()?;
            let address = self.endpoint.trim_start_matches("http://");
            if let Err(e) = TcpStream::connect(address) {
                return Ok(Err(e.to_string()));
            }
            // Asked again and again: nobody waits long for one that is about to end.
            let mut arguments = question.to_vec();
            arguments.push("--command-timeout=2s");
            Ok(self
                .etcdctl(&arguments)
                .map(|_| ())
                .map_err(|e| e.to_string()))
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
        etcdutl(arguments)
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
        self.launch_again()?;
        self.wait()
    }

    /// Starts it again without waiting: one of several is ready only with the others.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn launch_again(&mut self) -> Result<(), LabError> {
        self.process.start_again()
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn wait(&mut self) -> Result<(), LabError> {
        self.answers(PATIENCE, HEALTH)
    }
}

/// Runs bbolt's own program, which needs no etcd.
///
/// # Errors
/// When it can't be built, or fails.
pub fn bbolt(arguments: &[&str]) -> Result<String, LabError> {
    let mut command = Command::new(Programs::bbolt(&mut |_| {})?);
    command.args(arguments);
    output("bbolt", command)
}

/// Runs etcdutl, which reads files.
///
/// # Errors
/// When it fails.
pub fn etcdutl(arguments: &[&str]) -> Result<String, LabError> {
    let programs = Programs::ready(&mut |_| {})?;
    let mut command = Command::new(programs.path(part("etcdutl")?)?);
    command.args(arguments);
    output("etcdutl", command)
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
