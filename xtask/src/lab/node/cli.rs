//! `cargo xtask lab up|ssh|kill|…`: nodes for people.
//! Deliberately absent: logic of the lab; what a command does, a test can do too.
#![expect(clippy::print_stderr, reason = "this is the command line face")]

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Subcommand;

use super::{Builder, Lab, MADE, Machine, Shape};
use crate::lab::fault::{Fault, record};
use crate::lab::supervise::exit_code;
use crate::lab::{LabError, leftovers, print};

/// Stands for every node.
const ALL: &str = "all";

/// Commands on a lab of nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Boots Debian hosts with k3s on them, on a network of their own; they stay until `lab down`.
    Up {
        /// How many servers: n1, n2, …
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
        servers: u8,
        /// How many agents, after the servers: hosts with a kubelet, containerd and real pods.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=9))]
        agents: u8,
        /// Servers run pods too, as those of k3s do by default.
        #[arg(long)]
        server_nodes: bool,
        /// One server that keeps its data in SQLite.
        #[arg(long)]
        sqlite: bool,
        /// The hosts are also the containers of a Docker engine, named as k3d names them.
        #[arg(long)]
        containers: bool,
        /// The hosts are also machines below a Proxmox host, pve1, whose `qm` knows them as 101, 102, …
        #[arg(long, conflicts_with = "containers")]
        machines: bool,
        /// pve1 has a machine 201 that is a real QEMU, under software emulation; implies --machines.
        #[arg(long, conflicts_with = "containers")]
        virtual_machine: bool,
        /// Installs k3s and does not start it.
        #[arg(long)]
        bare: bool,
    },
    /// Logs in to a node, or runs CMD there.
    Ssh {
        /// The node.
        node: String,
        /// What to run instead of a shell.
        #[arg(last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Runs CMD of this machine on the lab's network; LAB_SSH_CONFIG is for `ssh -F`. Where hosts are containers, `docker`
    /// finds them.
    On {
        /// What to run.
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Pulls a node's power cord.
    Kill {
        /// The node, or `all`.
        node: String,
    },
    /// Shuts a node down.
    Stop {
        /// The node, or `all`.
        node: String,
    },
    /// Switches a node on.
    Start {
        /// The node, or `all`.
        node: String,
    },
    /// Lists the faults: what each does, and which causes are right for it.
    Faults {
        /// Only this one.
        fault: Option<String>,
    },
    /// Breaks the lab; returns when the fault shows.
    Break {
        /// The fault's name.
        fault: String,
    },
    /// Undoes a fault; returns when all servers are well.
    Heal {
        /// The fault's name.
        fault: String,
    },
    /// Breaks the lab, if it is well, and collects what a person would into DIR.
    Record {
        /// The fault's name; `none` collects from the lab as it is.
        fault: String,
        /// An empty folder, or one that is not there.
        #[arg(long, value_name = "DIR")]
        out: std::path::PathBuf,
    },
    /// Keeps what a node, which must be off, has on its disk; `all` are stopped and started for it.
    Snapshot {
        /// The node, or `all`.
        node: String,
        /// The snapshot's name.
        label: String,
    },
    /// Puts a node back to a snapshot and switches it on. One server alone has then forgotten what it told the
    /// others, which is a fault; `all` go back together.
    Reset {
        /// The node, or `all`.
        node: String,
        /// The snapshot's name; without it the node is as it was made.
        #[arg(default_value = MADE)]
        label: String,
    },
}

/// Runs one of them.
pub(crate) fn run(command: NodeCommand) -> Result<ExitCode, LabError> {
    let begun = Instant::now();
    match command {
        NodeCommand::Up {
            servers,
            agents,
            server_nodes,
            sqlite,
            containers,
            machines,
            virtual_machine,
            bare,
        } => {
            let mut builder = Lab::builder()
                .servers(servers.into())
                .agents(agents.into())
                .server_nodes(server_nodes)
                .sqlite(sqlite);
            if containers {
                builder = builder.containers();
            }
            if machines {
                builder = builder.machines();
            }
            if virtual_machine {
                builder = builder.virtual_machine();
            }
            if bare {
                builder = builder.bare();
            }
            return up(builder, sqlite && servers > 1);
        }
        NodeCommand::Ssh { node, command } => {
            let lab = the_lab()?;
            let mut ssh = lab.machine(&node)?.ssh();
            if !command.is_empty() {
                ssh.arg("--").args(command);
            }
            return wait(&mut ssh);
        }
        NodeCommand::On { command } => {
            let lab = the_lab()?;
            let Some((program, arguments)) = command.split_first() else {
                return Ok(ExitCode::FAILURE);
            };
            return wait(
                lab.command("env")
                    .arg(program)
                    .args(arguments)
                    .envs(lab.environment()),
            );
        }
        NodeCommand::Kill { node } if node == ALL => the_lab()?.kill()?,
        NodeCommand::Kill { node } => the_lab()?.machine(&node)?.kill()?,
        NodeCommand::Stop { node } if node == ALL => the_lab()?.stop()?,
        NodeCommand::Stop { node } => the_lab()?.machine(&node)?.stop()?,
        NodeCommand::Start { node } if node == ALL => the_lab()?.start()?,
        NodeCommand::Start { node } => the_lab()?.machine(&node)?.start()?,
        NodeCommand::Snapshot { node, label } if node == ALL => the_lab()?.snapshot(&label)?,
        NodeCommand::Snapshot { node, label } => the_lab()?.machine(&node)?.snapshot(&label)?,
        NodeCommand::Reset { node, label } if node == ALL => the_lab()?.reset(&label)?,
        NodeCommand::Faults { fault } => return faults(fault.as_deref()),
        NodeCommand::Break { fault } => {
            Fault::named(&fault)?.inject(&the_lab()?, &mut |line| eprintln!("lab: {line}"))?;
        }
        NodeCommand::Heal { fault } => {
            Fault::named(&fault)?.heal(&the_lab()?, &mut |line| eprintln!("lab: {line}"))?;
        }
        NodeCommand::Record { fault, out } => {
            let lab = the_lab()?;
            if fault != "none" {
                Fault::named(&fault)?.inject(&lab, &mut |line| eprintln!("lab: {line}"))?;
            }
            record(&lab, &out)?;
        }
        NodeCommand::Reset { node, label } => {
            let lab = the_lab()?;
            let machine = lab.machine(&node)?;
            machine.reset(&label)?;
            machine.start()?;
        }
    }
    print::line(format_args!(
        "done in {:.1}s",
        begun.elapsed().as_secs_f64()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn faults(only: Option<&str>) -> Result<ExitCode, LabError> {
    let chosen: Vec<&Fault> = match only {
        Some(name) => vec![Fault::named(name)?],
        None => Fault::all().collect(),
    };
    for fault in chosen {
        let class = match fault.classes {
            [] => "none: it is well".to_owned(),
            classes => classes.join(" or "),
        };
        print::line(format_args!(
            "{}  ({}, {})\n  {}\n  cause: {class}",
            fault.name,
            fault.family.name(),
            fault.needs(),
            fault.what
        ))?;
        for step in fault.breaks {
            print::line(format_args!("    {step}"))?;
        }
        print::line("  heal:")?;
        for step in fault.heals {
            print::line(format_args!("    {step}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn wait(command: &mut Command) -> Result<ExitCode, LabError> {
    let status = command.status().map_err(|source| LabError::Spawn {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    Ok(exit_code(status))
}

fn up(builder: Builder, split: bool) -> Result<ExitCode, LabError> {
    if split {
        return Err(LabError::NoNodes(
            "SQLite serves one server; leave --servers or --sqlite away".into(),
        ));
    }
    if let Some(lab) = running()?.first() {
        return Err(LabError::NoNodes(format!(
            "{} runs already; end it with `cargo xtask lab down`",
            lab.record.dir.display()
        )));
    }
    let begun = Instant::now();
    let lab = builder.until_down().boot().inspect_err(|_| {
        eprintln!("lab: what runs stays to be looked at; `cargo xtask lab down` ends it");
    })?;
    for machine in lab.machines() {
        print_machine(&machine)?;
    }
    if lab.plan().shape == Shape::Containers {
        for (name, value) in lab.environment() {
            if name.starts_with("DOCKER_") || name == "LAB_BIN" {
                print::line(format_args!("export {name}={}", value.display()))?;
            }
        }
        print::line("export PATH=\"$LAB_BIN:$PATH\"")?;
    }
    print::line(format_args!("up in {:.1}s", begun.elapsed().as_secs_f64()))?;
    Ok(ExitCode::SUCCESS)
}

/// One line on a node.
pub(crate) fn print_machine(machine: &Machine<'_>) -> Result<(), LabError> {
    let state = if machine.is_on()? {
        let asked = machine.inside(&["systemctl", "is-active", machine.unit()])?;
        format!(
            "{} {}",
            machine.unit(),
            String::from_utf8_lossy(&asked.stdout).trim()
        )
    } else {
        "off".to_owned()
    };
    print::line(format_args!(
        "  {:<4} {:<16} {state}{}",
        machine.name(),
        machine.address(),
        match machine.host() {
            host if host == machine.name() => String::new(),
            host => format!(" ({host})"),
        }
    ))
}

/// Labs of nodes that stay until they are taken down.
fn running() -> Result<Vec<leftovers::Lab>, LabError> {
    let mut labs = leftovers::list()?;
    labs.retain(|lab| lab.owned && lab.stays());
    Ok(labs)
}

/// The one that commands are about.
pub(crate) fn the_lab() -> Result<Lab, LabError> {
    running()?
        .first()
        .ok_or_else(|| {
            LabError::NoNodes("none runs; start one with `cargo xtask lab up --servers 1`".into())
        })
        .and_then(Lab::open)
}
