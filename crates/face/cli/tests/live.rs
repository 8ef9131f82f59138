//! `defib` against living control planes: genuine faults are named, healthy states stay quiet, and
//! nothing is ever written. Deliberately absent: containers; KWOK's pods have a state and no log.
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips"
)]

#[path = "live/at_rest.rs"]
mod at_rest;
#[path = "live/faults.rs"]
mod faults;
#[path = "live/quiet.rs"]
mod quiet;
#[path = "live/record.rs"]
mod record;
#[path = "live/troubleshoot.rs"]
mod troubleshoot;
#[path = "live/trust.rs"]
mod trust;

use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use xtask::lab::{ControlPlane, Options, control_plane, wait_until};

/// How long controllers may take; they take seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a test says at its end.
type Outcome = Result<(), Failed>;
/// A test and its name.
type Test = (&'static str, fn() -> Outcome);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two control planes at once only make each other late.
    arguments.test_threads = Some(1);
    let unavailable = control_plane::unavailable();
    if let (Some(reason), false) = (&unavailable, arguments.list) {
        eprintln!("skipped: no control plane can run here: {reason}");
    }
    let skip = unavailable.is_some();
    let quiet = quiet::STATES
        .iter()
        .map(|(name, run)| (format!("quiet_{name}"), *run));
    let trust = trust::ON_THE_SHARED_PLANE
        .iter()
        .map(|(name, run)| ((*name).to_owned(), *run));
    let mut trials: Vec<Trial> = quiet
        .chain(trust)
        .map(|(name, run)| Trial::test(name, move || with_shared(run)).with_ignored_flag(skip))
        .collect();
    // The shared control plane is not needed any more, and memory is.
    trials
        .push(Trial::test("the_shared_control_plane_ends", end_of_shared).with_ignored_flag(skip));
    trials.extend(faults::all().map(|fault| {
        Trial::test(format!("fault_{}", fault.name), || faults::is_named(fault))
            .with_ignored_flag(skip)
    }));
    trials.extend(
        trust::ON_THEIR_OWN
            .iter()
            .map(|(name, run)| Trial::test(*name, *run).with_ignored_flag(skip)),
    );
    trials.push(
        Trial::test(at_rest::NAME, at_rest::what_a_server_encrypted_is_read_back)
            .with_ignored_flag(skip),
    );
    // Its collector is built apart, which takes minutes the first time: only if somebody wants it.
    let wanted = !arguments.list
        && arguments
            .filter
            .as_deref()
            .is_none_or(|f| troubleshoot::NAME.contains(f));
    let missing = (wanted && !skip).then(troubleshoot::unavailable).flatten();
    if let Some(reason) = &missing {
        eprintln!("skipped: no collector of Troubleshoot: {reason}");
    }
    trials.push(
        Trial::test(troubleshoot::NAME, troubleshoot::bundles_say_the_same)
            .with_ignored_flag(skip || missing.is_some()),
    );
    trials.extend(
        trust::WITHOUT_A_CLUSTER
            .iter()
            .map(|(name, run)| Trial::test(*name, *run)),
    );
    let conclusion = libtest_mimic::run(&arguments, trials);
    // A static is not dropped at the end of a process; a control plane has to be.
    drop(shared_slot().take());
    conclusion.exit_code()
}

fn shared_slot() -> MutexGuard<'static, Option<ControlPlane>> {
    static PLANE: Mutex<Option<ControlPlane>> = Mutex::new(None);
    // A failed test poisons the lock; the control plane behind it is still good.
    PLANE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_of_shared() -> Outcome {
    let Some(plane) = shared_slot().take() else {
        return Ok(());
    };
    let (dir, processes) = (plane.dir.clone(), plane.processes().to_vec());
    drop(plane);
    let left = processes.iter().find(|process| process.alive());
    assert!(left.is_none() && !dir.exists(), "left behind: {left:?}");
    Ok(())
}

/// Runs a test on the one control plane that the quiet tests share; the first one starts it.
fn with_shared(test: impl FnOnce(&mut ControlPlane) -> Outcome) -> Outcome {
    let mut slot = shared_slot();
    if slot.is_none() {
        *slot = Some(fresh()?);
    }
    match slot.as_mut() {
        Some(plane) => test(plane),
        None => Err("no control plane".into()),
    }
}

/// A control plane of its own, with KWOK.
fn fresh() -> Result<ControlPlane, Failed> {
    Ok(ControlPlane::start(Options {
        kwok: true,
        ..Options::default()
    })?)
}

/// What one run of `defib` gave.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// From a finished process.
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The report on standard output.
    fn report(&self) -> Result<Value, Failed> {
        serde_json::from_str(&self.out)
            .map_err(|e| format!("no report ({e}): {}", self.all()).into())
    }

    /// Everything, for messages.
    fn all(&self) -> String {
        format!("exit {:?}\n{}{}", self.code, self.out, self.err)
    }
}

/// The binary with a bare environment: nobody's own kubeconfig or locale may come between.
fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_defib"));
    command.env_clear().env("HOME", "/nonexistent");
    command
}

/// Runs `defib` with a kubeconfig.
fn defib(kubeconfig: &Path, arguments: &[&str]) -> Result<Ran, Failed> {
    let output = bare()
        .env("KUBECONFIG", kubeconfig)
        .args(arguments)
        .output()?;
    Ok(Ran::of(&output))
}

/// Polls kubectl until its answer is as wanted.
fn until(
    plane: &ControlPlane,
    what: &str,
    arguments: &[&str],
    wanted: impl Fn(&str) -> bool,
) -> Outcome {
    wait_until(what, PATIENCE, || match plane.kubectl_text(arguments) {
        Ok(text) if wanted(&text) => Ok(()),
        Ok(text) => Err(text),
        Err(error) => Err(error.to_string()),
    })?;
    Ok(())
}

/// A node that KWOK plays, ready and without taints. Making it twice is making it once.
fn node(plane: &ControlPlane, name: &str) -> Outcome {
    plane.apply(&format!(
        "apiVersion: v1
kind: Node
metadata:
  name: {name}
  annotations: {{kwok.x-k8s.io/node: fake}}
  labels: {{kubernetes.io/hostname: {name}, kubernetes.io/os: linux}}
"
    ))?;
    let state = "jsonpath={.status.conditions[?(@.type=='Ready')].status} taints:{.spec.taints}";
    let arguments = ["get", "node", name, "-o", state];
    until(plane, "the node is ready", &arguments, |t| {
        t.trim() == "True taints:"
    })
}

/// The texts of a field of every element of a list of the report, sorted.
fn texts(report: &Value, list: &str, field: &str) -> Vec<String> {
    let mut out: Vec<String> = report[list]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| e[field].as_str().map(str::to_owned))
        .collect();
    out.sort();
    out
}

/// An hour after the report's own time, for `--as-of`: what only time would show, without waiting.
fn an_hour_later(report: &Value) -> Result<String, Failed> {
    let time: jiff::Timestamp = report["as_of"].as_str().unwrap_or_default().parse()?;
    Ok((time + jiff::SignedDuration::from_hours(1)).to_string())
}
