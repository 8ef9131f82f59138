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
mod live;

use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use xtask::lab::control_plane;

type Outcome = Result<(), Failed>;

/// A test's name, the test, and whether it can run here.
type Test = (&'static str, fn() -> Outcome, bool);

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
    let plane = control_plane::unavailable();
    if let (Some(reason), false) = (&plane, arguments.list) {
        eprintln!("skipped: no control plane can run here: {reason}");
    }
    let tests: [Test; 6] = [
        ("the_table_is_fresh", encoders::the_table_is_fresh, go),
        (
            "fixtures_of_every_kind_decode_equal",
            encoders::fixtures_of_every_kind_decode_equal,
            go,
        ),
        (
            "random_objects_of_every_kind_decode_equal",
            encoders::random_objects_of_every_kind_decode_equal,
            go,
        ),
        (
            "fixtures_cut_and_changed_are_survived",
            encoders::fixtures_cut_and_changed_are_survived,
            go,
        ),
        (
            "a_server_prints_what_is_decoded",
            live::a_server_prints_what_is_decoded,
            plane.is_none(),
        ),
        (
            "a_server_with_all_features_prints_what_is_decoded",
            live::a_server_with_all_features_prints_what_is_decoded,
            plane.is_none(),
        ),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, run, can)| Trial::test(name, run).with_ignored_flag(!can))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
