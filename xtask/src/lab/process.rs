//! Processes that die with the process that started them, even when that one is killed with -9.
//! Deliberately absent: restarts by themselves; a part that ends has ended, and tests want to see it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::LabError;
use super::error::file;

/// Ends at once if the owner died before the parent-death signal was armed, and is the program
/// otherwise. Without it a kill in that instant would leave an orphan.
const GUARD: &str = r#"[ "$PPID" = "$0" ] || exit 97; exec "$@""#;

/// A command that the kernel kills when the owner (this process) ends in whatever way.
///
/// The kernel's promise is bound to the *thread* that forks, so such a command is to be spawned
/// with [`spawn`] only: a test's own thread ends long before the test process does.
#[must_use]
pub(crate) fn mortal(program: &OsStr) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", "sh", "-c", GUARD])
        .arg(std::process::id().to_string())
        .arg(program);
    command
}

type Job = Box<dyn FnOnce() + Send>;

/// Spawns from the one thread that lives as long as the process.
pub(crate) fn spawn(mut command: Command) -> Result<Child, LabError> {
    static SPAWNER: OnceLock<Option<Sender<Job>>> = OnceLock::new();
    let jobs = SPAWNER.get_or_init(|| {
        let (sender, receiver): (Sender<Job>, Receiver<Job>) = channel();
        let work = move || receiver.into_iter().for_each(|job| job());
        thread::Builder::new()
            .name("lab-spawner".into())
            .spawn(work)
            .ok()
            .map(|_| sender)
    });
    let program = command.get_program().to_string_lossy().into_owned();
    let (answer, spawned) = channel();
    let job = Box::new(move || {
        // Nobody listening means the asker has gone; the child goes with the process.
        let _ = answer.send(command.spawn());
    });
    jobs.as_ref()
        .ok_or(LabError::NoSpawner)?
        .send(job)
        .map_err(|_| LabError::NoSpawner)?;
    spawned
        .recv()
        .map_err(|_| LabError::NoSpawner)?
        .map_err(|source| LabError::Spawn { program, source })
}

/// One running part of a control plane: its command line, its log, its process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    home: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Starts a part with its home and log below `dir`.
    pub(crate) fn start(
        name: &'static str,
        program: PathBuf,
        arguments: Vec<OsString>,
        dir: &Path,
    ) -> Result<Self, LabError> {
        let mut process = Self {
            name,
            program,
            arguments,
            home: dir.to_owned(),
            log: dir.join("logs").join(format!("{name}.log")),
            child: None,
        };
        process.start_again()?;
        Ok(process)
    }

    /// Starts it anew with the same command line; the log is continued.
    pub(crate) fn start_again(&mut self) -> Result<(), LabError> {
        self.kill();
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(file("open", &self.log))?;
        let errors = log.try_clone().map_err(file("open", &self.log))?;
        let mut command = mortal(self.program.as_os_str());
        command
            .args(&self.arguments)
            // Nothing of the user's environment: no proxies, no KUBECONFIG, no HOME to write to.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("TMPDIR", &self.home)
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // A terminal's Ctrl-C goes to the owner, who then stops the parts in order.
            .process_group(0);
        self.child = Some(spawn(command)?);
        Ok(())
    }

    /// The process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Fails with the end of the log if the part has ended by itself.
    pub(crate) fn check(&mut self) -> Result<(), LabError> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        let Ok(Some(status)) = child.try_wait() else {
            return Ok(());
        };
        Err(LabError::Died {
            part: self.name,
            status: status.to_string(),
            tail: self.log_tail(),
        })
    }

    /// The last lines of the log.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines
            .get(lines.len().saturating_sub(15)..)
            .unwrap_or_default()
            .join("\n")
    }

    /// Kills and reaps it. There is nothing to be orderly for: all data is thrown away.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only for a process that has already gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
