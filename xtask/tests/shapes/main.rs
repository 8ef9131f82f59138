//! The shapes of a lab's hosts as an operator or a program meets them: containers through upstream's `docker`,
//! machines through `qm` on a Proxmox host.
//! Deliberately absent: k3s on them; a shape is about how one gets in, and about the switch.
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips"
)]

mod backups;
mod below;
#[path = "../census/mod.rs"]
mod census;
mod containers;
mod machines;
#[path = "../named/mod.rs"]
mod named;
#[path = "../census/owner.rs"]
mod owner;

use std::io::Write as _;
use std::process::{Command, ExitCode, Output, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use owner::OWNER;
use xtask::lab::node::unavailable;

/// The test that starts an emulated machine twice.
const LONG: &str = "what_lies_below_a_machine_breaks";

/// The one that wants a file system of the kernel's.
const BACKUPS: &str = "backups_of_a_machine_fail_for_weeks";

type Outcome = Result<(), Failed>;
type Test = (&'static str, fn() -> Outcome);

fn main() -> ExitCode {
    if std::env::var_os(OWNER).is_some() {
        return containers::owner();
    }
    let mut arguments = Arguments::from_args();
    // The machine is counted before and after: nothing else may come and go.
    arguments.test_threads = Some(1);
    let unavailable = unavailable();
    if let (Some(reason), false) = (&unavailable, arguments.list) {
        eprintln!("skipped: no nodes can run here: {reason}");
    }
    let full = std::env::var_os("DEFIB_FULL").is_some();
    let tests: [Test; 6] = [
        (
            "a_host_is_a_container_to_docker",
            containers::a_host_is_a_container_to_docker,
        ),
        (
            "a_killed_owner_takes_the_engine_along",
            containers::a_killed_owner_takes_the_engine_along,
        ),
        (
            "a_host_is_a_machine_to_qm",
            machines::a_host_is_a_machine_to_qm,
        ),
        (
            "a_virtual_machine_boots_from_an_imported_disk",
            machines::a_virtual_machine_boots_from_an_imported_disk,
        ),
        (BACKUPS, backups::backups_of_a_machine_fail_for_weeks),
        (LONG, below::what_lies_below_a_machine_breaks),
    ];
    if !full && !arguments.list {
        eprintln!("skipped: {LONG} starts an emulated machine twice; DEFIB_FULL=1 runs it");
    }
    let no_backups = backups::unavailable();
    if let (Some(reason), false) = (no_backups, arguments.list) {
        eprintln!("skipped: {BACKUPS}: {reason}");
    }
    let trials = tests
        .into_iter()
        .map(|(name, run)| {
            let skipped = unavailable.is_some()
                || (name == LONG && !full)
                || (name == BACKUPS && no_backups.is_some());
            Trial::test(name, run).with_ignored_flag(skipped)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What a command printed and how it ended, with bytes for its input.
fn fed(mut command: Command, input: &[u8]) -> Result<Output, Failed> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pipe = child.stdin.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // One that does not read to the end closes its side.
            let _ = pipe.map(|mut pipe| pipe.write_all(input));
        });
        child.wait_with_output().map_err(Failed::from)
    })
}

/// What it printed and how it ended, as text: code, output, errors.
fn said(command: Command) -> Result<(i32, String, String), Failed> {
    let done = fed(command, b"")?;
    Ok((
        done.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&done.stdout).into_owned(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    ))
}
