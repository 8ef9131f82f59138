//! Stored values against Kubernetes itself: its types, its encoders, its fixtures and a living server.
//!
//! Each test is skipped, and says so, where Go or a control plane is missing. Deliberately absent: files of
//! datastores; values are all that counts here.
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips, and prints the table of kinds"
)]

mod encoders;
mod equal;

use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

type Outcome = Result<(), Failed>;

/// Its own harness, because only so can a test find out at run time that it has to be skipped.
fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Go's compiler and a control plane each want both cores.
    arguments.test_threads = Some(1);
    let go = Command::new("go")
        .arg("version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !go && !arguments.list {
        eprintln!("skipped: there is no Go to ask what Kubernetes' own encoders write");
    }
    let trials = vec![
        Trial::test("the_table_is_fresh", encoders::the_table_is_fresh).with_ignored_flag(!go),
        Trial::test(
            "fixtures_of_every_kind_decode_equal",
            encoders::fixtures_of_every_kind_decode_equal,
        )
        .with_ignored_flag(!go),
        Trial::test(
            "random_objects_of_every_kind_decode_equal",
            encoders::random_objects_of_every_kind_decode_equal,
        )
        .with_ignored_flag(!go),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}
