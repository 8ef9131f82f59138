//! `cargo xtask lab …`: the lab for people.
//! Deliberately absent: logic of the lab; what a command does, another crate's test can do too.
#![expect(clippy::print_stderr, reason = "this is the command line face")]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};

use super::error::{chain, file};
use super::node::{self, cli::NodeCommand};
use super::populate::{Populate, populate};
use super::supervise::{Signals, exit_code, supervise};
use super::{
    AuditLevel, ControlPlane, LabError, Options, cache, kubeconfig, leftovers, parts, print,
    process,
};

/// Real control planes and real hosts to test against.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask lab", bin_name = "cargo xtask lab")]
struct Arguments {
    #[command(subcommand)]
    command: LabCommand,
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Builds what is missing from upstream's Go modules; minutes the first time.
    Build,
    /// Starts a fresh control plane, runs CMD in it, stops and removes everything; exits like CMD.
    ///
    /// CMD sees KUBECONFIG, LAB_DIR, LAB_BIN (first on PATH) and LAB_AUDIT_LOG. Without CMD the
    /// kubeconfig's path is printed and the control plane runs until Ctrl-C.
    ControlPlane(ControlPlaneArguments),
    /// Fills the lab that KUBECONFIG points to with nodes, pods and events.
    Populate(PopulateArguments),
    #[command(flatten)]
    Nodes(NodeCommand),
    /// Lists labs, running and left over.
    Status,
    /// Ends the lab that `up` started, and removes what is left over of labs whose owner is gone.
    Down {
        /// Also labs that belong to a running command or test; it is asked to stop.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, clap::Args)]
struct ControlPlaneArguments {
    /// Lets KWOK play nodes (annotation `kwok.x-k8s.io/node=fake`) and the pods on them.
    #[arg(long)]
    kwok: bool,
    /// Also writes the administrator's kubeconfig to FILE, which must not exist and goes at the end.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// How much of writes the audit log holds.
    #[arg(long, value_enum, default_value = "metadata")]
    audit: AuditChoice,
    /// A further flag for kube-apiserver, such as `--event-ttl=24h`; may be repeated.
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    apiserver_arg: Vec<String>,
    /// The command to run.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AuditChoice {
    Metadata,
    Bodies,
}

#[derive(Debug, clap::Args)]
struct PopulateArguments {
    /// How many pods, each of 8 KB and more.
    #[arg(long, default_value_t = 5_000)]
    pods: usize,
    /// How many nodes; at most 256 get a pod range.
    #[arg(long, default_value_t = 50)]
    nodes: usize,
    /// How many namespaces the pods are spread over.
    #[arg(long, default_value_t = 20)]
    namespaces: usize,
    /// How many events; two per pod unless said otherwise.
    #[arg(long)]
    events: Option<usize>,
    /// Do not wait until KWOK has made every pod Running.
    #[arg(long)]
    no_wait: bool,
    /// The lab's kubeconfig; others are refused.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: PathBuf,
}

/// Runs the chore; the process's exit code comes back.
#[must_use]
pub fn run(arguments: Vec<String>) -> ExitCode {
    let words = std::iter::once("cargo xtask lab".to_owned()).chain(arguments);
    let outcome = match Arguments::parse_from(words).command {
        LabCommand::Build => build(),
        LabCommand::ControlPlane(arguments) => control_plane(arguments),
        LabCommand::Populate(arguments) => fill(&arguments),
        LabCommand::Nodes(command) => node::cli::run(command),
        LabCommand::Status => status(),
        LabCommand::Down { all } => down(all),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("lab: {}", chain(&error));
        ExitCode::FAILURE
    })
}

fn build() -> Result<ExitCode, LabError> {
    let begun = Instant::now();
    cache::Programs::ready(&mut |line| eprintln!("lab: {line}"))?;
    if let Err(error) = cache::Programs::support_bundle(&mut |line| eprintln!("lab: {line}")) {
        eprintln!("lab: its test will be skipped: {}", chain(&error));
    }
    if let Err(error) = cache::Programs::kine(&mut |line| eprintln!("lab: {line}")) {
        eprintln!("lab: kine's test will be skipped: {}", chain(&error));
    }
    for part in [&parts::DOCKER, &parts::SHAPES] {
        if let Err(error) = cache::Programs::one(part, &mut |line| eprintln!("lab: {line}")) {
            eprintln!("lab: tests of shapes will fail: {}", chain(&error));
        }
    }
    eprintln!(
        "lab: all programs are in {} ({:.0}s)",
        cache::root()?.display(),
        begun.elapsed().as_secs_f64()
    );
    Ok(ExitCode::SUCCESS)
}

fn control_plane(arguments: ControlPlaneArguments) -> Result<ExitCode, LabError> {
    let begun = Instant::now();
    let plane = ControlPlane::start(Options {
        kwok: arguments.kwok,
        audit: match arguments.audit {
            AuditChoice::Metadata => AuditLevel::Metadata,
            AuditChoice::Bodies => AuditLevel::Bodies,
        },
        apiserver: arguments.apiserver_arg,
        ..Options::default()
    })?;
    eprintln!(
        "lab: ready after {:.1}s at {}",
        begun.elapsed().as_secs_f64(),
        plane.url
    );
    // Only from here on: a Ctrl-C before simply ends us, and the lab goes with its owner.
    let signals = Signals::caught()?;
    let copy = arguments
        .kubeconfig
        .map(|path| Copy::of(&plane.kubeconfig, path))
        .transpose()?;
    let code = match arguments.command.split_first() {
        Some((program, rest)) => {
            let mut command = process::mortal(program);
            command.args(rest).envs(plane.environment());
            exit_code(supervise(process::spawn(command)?, &signals)?)
        }
        None => {
            let kubeconfig = copy.as_ref().map_or(&plane.kubeconfig, |copy| &copy.0);
            print::line(kubeconfig.display())?;
            eprintln!("lab: Ctrl-C stops it");
            while !signals.any() {
                std::thread::sleep(Duration::from_millis(100));
            }
            ExitCode::SUCCESS
        }
    };
    drop(plane);
    Ok(code)
}

/// A copy of the kubeconfig at a place of the user's choice, which goes with the lab.
struct Copy(PathBuf);

impl Copy {
    fn of(source: &std::path::Path, target: PathBuf) -> Result<Self, LabError> {
        let text = fs::read(source).map_err(file("read", source))?;
        // Never over somebody's real one.
        let mut new = fs::File::create_new(&target).map_err(file("create", &target))?;
        let copy = Self(target);
        std::io::Write::write_all(&mut new, &text).map_err(file("write", &copy.0))?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Only fails if it is gone already.
        let _ = fs::remove_file(&self.0);
    }
}

fn fill(arguments: &PopulateArguments) -> Result<ExitCode, LabError> {
    let order = Populate {
        pods: arguments.pods,
        nodes: arguments.nodes,
        namespaces: arguments.namespaces,
        events: arguments.events.unwrap_or(arguments.pods * 2),
        running: !arguments.no_wait,
    };
    let done = populate(&kubeconfig::client(&arguments.kubeconfig)?, &order)?;
    print::line(done)?;
    Ok(ExitCode::SUCCESS)
}

fn status() -> Result<ExitCode, LabError> {
    let labs = leftovers::list()?;
    if labs.is_empty() {
        print::line("no labs")?;
    }
    for lab in labs {
        let state = if lab.owned { "running" } else { "left over" };
        print::line(format_args!(
            "{state}: {} (owner {})",
            lab.record.dir.display(),
            lab.record.owner.pid
        ))?;
        if let Ok(nodes) = node::Lab::open(&lab) {
            for machine in nodes.machines() {
                node::cli::print_machine(&machine)?;
            }
        }
        for part in lab.running {
            print::line(format_args!(
                "  {:<24} pid {:<8} {} MB",
                part.name,
                part.pid,
                resident_megabytes(part.pid)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn resident_megabytes(pid: u32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find(|line| line.starts_with("VmRSS:"))?
                .to_owned();
            line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .unwrap_or(0)
        / 1_000
}

fn down(all: bool) -> Result<ExitCode, LabError> {
    let mut removed = 0;
    for lab in leftovers::list()? {
        if lab.owned && !lab.stays() && !all {
            eprintln!(
                "lab: {} runs; `cargo xtask lab down --all` stops it too",
                lab.record.dir.display()
            );
            continue;
        }
        lab.remove()?;
        removed += 1;
        eprintln!("lab: removed {}", lab.record.dir.display());
    }
    print::line(format_args!("{removed} removed"))?;
    Ok(ExitCode::SUCCESS)
}
