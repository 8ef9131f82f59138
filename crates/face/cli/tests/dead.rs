//! `defib inspect` on files that a real etcd wrote: good ones, and ones that were damaged in every page.
//!
//! Deliberately absent: what values mean (xtask's `datastore` compares them with a living API server).
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness of its own is no test to clippy, and has to say itself why it skips"
)]

#[path = "dead/agree.rs"]
mod agree;
#[path = "dead/buckets.rs"]
mod buckets;
#[path = "dead/cluster.rs"]
mod cluster;
#[path = "dead/damage.rs"]
mod damage;
#[path = "dead/diagnose.rs"]
mod diagnose;
#[path = "dead/export.rs"]
mod export;
#[path = "dead/kine.rs"]
mod kine;
#[path = "dead/living.rs"]
mod living;
#[path = "dead/salvage.rs"]
mod salvage;
#[path = "dead/segments.rs"]
mod segments;
#[path = "dead/serve.rs"]
mod serve;
#[path = "dead/verbs.rs"]
mod verbs;
#[path = "dead/wal.rs"]
mod wal;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Failed, Trial};
use xtask::lab::control_plane;
use xtask::lab::member::Member;

type Outcome = Result<(), Failed>;
/// A test and its name.
type Test = (&'static str, fn() -> Outcome);

/// Files that one real etcd wrote.
struct Files {
    folder: tempfile::TempDir,
    /// What etcdutl says of the snapshot.
    status: serde_json::Value,
}

impl Files {
    fn snapshot(&self) -> PathBuf {
        self.folder.path().join("small.db")
    }

    /// More than 20 MB.
    fn large(&self) -> PathBuf {
        self.folder.path().join("large.db")
    }

    /// A data directory whose etcd was killed.
    fn data(&self) -> PathBuf {
        self.folder.path().join("etcd")
    }
}

/// Made once for all tests: filled a little, snapshotted, filled more, snapshotted again, killed.
fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut member = Member::start(folder.path(), &[]).expect("etcd");
        member.fill(60).expect("filled");
        for (key, value) in [
            ("k3s/apiaddresses", "[\"192.0.2.1:6443\"]"),
            ("plain", "text"),
        ] {
            member.etcdctl(&["put", key, value]).expect("put");
        }
        let small = folder.path().join("small.db");
        member.snapshot(&small).expect("snapshot");
        let status = member
            .etcdutl(&[
                "snapshot",
                "status",
                &small.display().to_string(),
                "-w",
                "json",
            ])
            .expect("status");
        member.fill(4_000).expect("filled");
        member
            .snapshot(&folder.path().join("large.db"))
            .expect("snapshot");
        member.kill();
        Files {
            status: serde_json::from_str(&status).expect("JSON"),
            folder,
        }
    })
}

/// Runs the tool.
fn defib(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_defib"))
        .args(arguments)
        .output()
        .expect("the tool runs")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // etcd and the walk through every page each want both cores.
    arguments.test_threads = Some(1);
    let missing = control_plane::unavailable();
    if let (Some(reason), false) = (&missing, arguments.list) {
        eprintln!("skipped: no etcd can run here: {reason}");
    }
    let tests: [Test; 32] = [
        (
            "a_killed_kine_shows_what_it_answered",
            kine::a_killed_kine_shows_what_it_answered,
        ),
        (
            "a_kine_at_work_is_read_where_it_lies",
            kine::a_kine_at_work_is_read_where_it_lies,
        ),
        (
            "a_dead_datastore_is_evidence",
            diagnose::a_dead_datastore_is_evidence,
        ),
        (
            "damage_is_a_cause_with_its_place",
            diagnose::damage_is_a_cause_with_its_place,
        ),
        (
            "what_an_alarm_refused_is_not_shown",
            segments::what_an_alarm_refused_is_not_shown,
        ),
        (
            "a_database_that_was_sent_is_named",
            segments::a_database_that_was_sent_is_named,
        ),
        (
            "a_log_of_several_files_is_what_etcd_makes_of_it",
            segments::a_log_of_several_files_is_what_etcd_makes_of_it,
        ),
        (
            "what_others_call_broken_is_never_good",
            agree::what_others_call_broken_is_never_good,
        ),
        (
            "a_database_under_writes_is_never_verified",
            living::a_database_under_writes_is_never_verified,
        ),
        (
            "a_file_that_changes_is_unknown",
            living::a_file_that_changes_is_unknown,
        ),
        (
            "what_is_asked_beside_the_verdict",
            verbs::what_is_asked_beside_the_verdict,
        ),
        (
            "rows_come_back_without_a_tree",
            salvage::rows_come_back_without_a_tree,
        ),
        (
            "what_was_compacted_may_come_back",
            salvage::what_was_compacted_may_come_back,
        ),
        ("every_bucket_is_reached", buckets::every_bucket_is_reached),
        (
            "a_member_that_can_t_be_read_is_damage",
            buckets::a_member_that_can_t_be_read_is_damage,
        ),
        (
            "a_log_that_can_t_be_read_leaves_it_unknown",
            buckets::a_log_that_can_t_be_read_leaves_it_unknown,
        ),
        (
            "a_log_is_not_applied_to_a_damaged_database",
            buckets::a_log_is_not_applied_to_a_damaged_database,
        ),
        (
            "three_killed_members_show_what_was_agreed_on",
            cluster::three_killed_members_show_what_was_agreed_on,
        ),
        (
            "changes_of_members_in_the_log_are_shown",
            cluster::changes_of_members_in_the_log_are_shown,
        ),
        (
            "a_damaged_log_is_what_etcd_makes_of_it",
            wal::a_damaged_log_is_what_etcd_makes_of_it,
        ),
        (
            "a_killed_member_shows_what_it_answered",
            verbs::a_killed_member_shows_what_it_answered,
        ),
        (
            "two_snapshots_differ_in_what_came",
            verbs::two_snapshots_differ_in_what_came,
        ),
        (
            "what_is_exported_lives_again",
            export::what_is_exported_lives_again,
        ),
        (
            "kubectl_shows_of_the_snapshot_what_it_showed_of_the_cluster",
            serve::kubectl_shows_of_the_snapshot_what_it_showed_of_the_cluster,
        ),
        (
            "a_snapshot_is_what_etcdutl_says",
            verbs::a_snapshot_is_what_etcdutl_says,
        ),
        (
            "packed_or_in_folders_it_is_the_same",
            verbs::packed_or_in_folders_it_is_the_same,
        ),
        (
            "secrets_stay_hidden_unless_asked_for",
            verbs::secrets_stay_hidden_unless_asked_for,
        ),
        (
            "what_was_deleted_is_in_the_history",
            verbs::what_was_deleted_is_in_the_history,
        ),
        (
            "a_living_database_is_called_one",
            verbs::a_living_database_is_called_one,
        ),
        (
            "every_flipped_page_is_refused",
            damage::every_flipped_page_is_refused,
        ),
        ("every_cut_is_refused", damage::every_cut_is_refused),
        (
            "what_is_no_database_is_called_what_it_is",
            damage::what_is_no_database_is_called_what_it_is,
        ),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, run)| Trial::test(name, run).with_ignored_flag(missing.is_some()))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
