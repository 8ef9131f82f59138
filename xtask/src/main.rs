//! The project's own chores. `cargo xtask help` lists them.
//! Deliberately absent: logic; every chore lives in a module of the library.

use std::process::ExitCode;

/// One chore: its name, its one-line help, and what runs it.
type Chore = (&'static str, &'static str, fn(Vec<String>) -> ExitCode);

/// All chores, in the order `help` shows them.
const CHORES: &[Chore] = &[
    (
        "bench",
        "times, memory and instructions of the release build; --record keeps the instructions",
        xtask::bench::run,
    ),
    (
        "ci",
        "check (every commit), test (what CI runs), full (everything there is)",
        xtask::ci::run,
    ),
    (
        "codegen",
        "writes the module list and registry of rules; --check only compares",
        xtask::codegen::run,
    ),
    (
        "docs",
        "writes the rules' pages and the JSON Schemas; --check only compares",
        xtask::docs::run,
    ),
    (
        "dump",
        "a large dump to measure with: --out DIR [--pods N] [--yaml]",
        xtask::dump::run,
    ),
    (
        "journal",
        "a large journal to measure with: --out FILE [--megabytes N] [--loud]",
        xtask::journal::run,
    ),
    (
        "lab",
        "real control planes and hosts to test against: control-plane, up, ssh, break, down, …",
        xtask::lab::cli::run,
    ),
    (
        "perturb",
        "the incidents of a corpus under other names: --seed N --out DIR CORPUS",
        xtask::perturb::run,
    ),
    (
        "protos",
        "writes the table of Kubernetes' messages, from its own Go types; --check only compares",
        xtask::protos::run,
    ),
    (
        "snapshot",
        "a large etcd snapshot to measure with: --out FILE [--pods N]",
        xtask::snapshot::run,
    ),
    (
        "walls",
        "compares who depends on whom with who may",
        xtask::walls::run,
    ),
];

#[expect(
    clippy::print_stderr,
    reason = "this is the command line face of the chores"
)]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    if let Some((_, _, run)) = CHORES.iter().find(|chore| chore.0 == name) {
        return run(arguments.collect());
    }
    for (chore, help, _) in CHORES {
        eprintln!("cargo xtask {chore:<10} {help}");
    }
    match name.as_str() {
        "" | "help" | "--help" | "-h" => ExitCode::SUCCESS,
        unknown => {
            eprintln!("there is no chore `{unknown}`; the list above is complete");
            ExitCode::FAILURE
        }
    }
}
