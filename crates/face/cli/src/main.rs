//! The binary `defib`: arguments in, text and an exit code out.
//!
//! One file per command under `commands`. Deliberately absent: logic; it lives in `session`.
#![expect(clippy::print_stderr, reason = "a face prints")]

mod commands;
mod error;
mod exit;
mod output;
mod progress;
mod signals;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Brings dead Kubernetes clusters back: k3s first.
///
/// It works when the API server is dead: give it a dump, a folder of files, or a living cluster.
/// Nothing is sent anywhere, and nothing is changed.
#[derive(Parser)]
#[command(name = "defib", version, after_help = exit::HELP, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Diagnose(commands::diagnose::Args),
    Collect(commands::collect::Args),
    Inspect(commands::inspect::Args),
    Explain(commands::explain::Args),
    Rules(commands::rules::Args),
    Version(commands::version::Args),
}

fn main() -> ExitCode {
    // A panic is our bug: one line, and the code for "the tool failed".
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|l| format!(" at {}:{}", l.file(), l.line()))
            .unwrap_or_default();
        eprintln!(
            "defib: internal error{place}; this is a bug of defib, the cluster was not touched"
        );
    }));
    signals::listen();
    let code = std::panic::catch_unwind(run).unwrap_or(exit::FAILED);
    ExitCode::from(code)
}

fn run() -> u8 {
    // As a plugin of kubectl it is `kubectl defib`, and says so in its usage.
    let plugin = std::env::args_os().next().is_some_and(|name| {
        std::path::Path::new(&name)
            .file_stem()
            .is_some_and(|stem| stem == "kubectl-defib")
    });
    let mut command = Cli::command().max_term_width(80);
    if plugin {
        command = command.bin_name("kubectl defib");
    }
    let parsed = command
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are no errors; clap's own code 2 would mean "problems found".
            let code = if e.use_stderr() {
                exit::FAILED
            } else {
                exit::HEALTHY
            };
            return match e.print() {
                Ok(()) => code,
                Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => exit::HEALTHY,
                Err(_) => exit::FAILED,
            };
        }
    };
    let done = match cli.command {
        Command::Diagnose(args) => commands::diagnose::run(&args),
        Command::Collect(args) => commands::collect::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Rules(args) => commands::rules::run(&args),
        Command::Version(args) => commands::version::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(e) if e.is_closed_pipe() => exit::HEALTHY,
        Err(e) => {
            eprintln!("{e}");
            exit::FAILED
        }
    }
}
