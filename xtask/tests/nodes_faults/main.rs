//! Faults of labs: each is really done, recorded as a person would, judged by `diagnose`, and healed.
//!
//! `make test` does some to labs of five kinds, at least one of each family, chosen by a seed that goes with the commit
//! and is printed; `LAB_SEED=N` repeats a choice, `LAB_FAULTS=NAME,NAME` runs these. `DEFIB_FULL=1` runs every fault and writes
//! docs/faults.md; what it found on a commit it does not do again on it. A recording has to be named by the fault's
//! class and by no other, and labs that are well by none. Deliberately absent: how a fault is done
//! (`xtask::lab::fault`).
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips"
)]

#[path = "../census/mod.rs"]
mod census;
mod choice;
mod judged;
#[path = "../named/mod.rs"]
mod named;
mod table;
mod well;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use census::Census;
use choice::{Kind, Runs};
use libtest_mimic::{Arguments, Failed, Trial};
use xtask::lab::fault::{Fault, record, settled};
use xtask::lab::node::{Lab, unavailable};

type Outcome = Result<(), Failed>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two clusters at once only make each other late, and the machine is counted.
    arguments.test_threads = Some(1);
    let unavailable = unavailable();
    if let (Some(reason), false) = (&unavailable, arguments.list) {
        eprintln!("skipped: no nodes can run here: {reason}");
    }
    let runs = match Runs::choose() {
        Ok(runs) => runs,
        Err(error) => {
            eprintln!("{}", error.message().unwrap_or_default());
            return ExitCode::FAILURE;
        }
    };
    if !arguments.list && unavailable.is_none() {
        eprintln!("{runs}");
    }
    let mut trials = Vec::new();
    // A lab to which nothing is done is only looked at, and so is one of four: that is for the full run.
    let mut left = Vec::new();
    for kind in Kind::ALL {
        let (faults, full) = (runs.of(kind), runs.full);
        let idle = runs.seed.is_some() && faults.is_empty();
        left.extend(idle.then_some(kind.name()));
        let trial = Trial::test(kind.name(), move || {
            a_lab_is_broken_and_healed(kind, &faults, full)
        });
        trials.push(trial.with_ignored_flag(idle));
    }
    let four = "four_servers_are_well";
    left.extend((!runs.full).then_some(four));
    trials.push(Trial::test(four, four_servers_are_well).with_ignored_flag(!runs.full));
    if !left.is_empty() && !arguments.list && unavailable.is_none() {
        eprintln!("skipped: {}: DEFIB_FULL=1 runs them", left.join(", "));
    }
    if runs.full {
        trials.push(Trial::test("the_table_is_written", || {
            table::write(&choice::all())
        }));
    }
    let mut trials: Vec<Trial> = trials
        .into_iter()
        .map(|trial| {
            let ignored = trial.has_ignored_flag();
            trial.with_ignored_flag(ignored || unavailable.is_some())
        })
        .collect();
    trials.push(Trial::test("every_choice_is_wide", || {
        choice::every_choice_is_wide();
        Ok(())
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn a_lab_is_broken_and_healed(kind: Kind, faults: &[&'static Fault], full: bool) -> Outcome {
    // What is built or fetched is another matter, and counted elsewhere.
    drop(Lab::builder().agents(kind.agents).bare().boot()?);
    let before = Census::take();
    let mut lab = None;
    let mut wrong = Vec::new();
    if !full || !table::is_known(&kind.well()) {
        let fresh = up(kind)?;
        match well::is_well(kind, &fresh) {
            Ok(found) if full => table::keep(&found)?,
            Ok(_) => {}
            Err(why) => wrong.push(why),
        }
        lab = Some(fresh);
    }
    for fault in faults {
        if full && table::is_known(fault.name) {
            eprintln!("{}: known on this commit", fault.name);
            continue;
        }
        let ready = match lab.take() {
            Some(ready) => ready,
            None => up(kind)?,
        };
        match once(fault, &ready) {
            Ok(found) => {
                eprintln!("{found}");
                wrong.extend(found.wrong());
                if full {
                    table::keep(&found)?;
                }
                lab = Some(ready);
            }
            // Broken in part: the next one begins on another lab.
            Err(why) => {
                let why = format!("{}: {}", fault.name, why.message().unwrap_or_default());
                eprintln!("{why}");
                wrong.push(why);
            }
        }
    }
    drop(lab);
    before.returns()?;
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

fn up(kind: Kind) -> Result<Lab, Failed> {
    let begun = Instant::now();
    let lab = Lab::builder()
        .servers(kind.servers)
        .sqlite(kind.sqlite)
        .agents(kind.agents)
        .boot()?;
    settled(&lab)?;
    eprintln!(
        "{}: up after {:.0}s",
        kind.name(),
        begun.elapsed().as_secs_f64()
    );
    Ok(lab)
}

/// Breaks, records, judges and heals.
fn once(fault: &'static Fault, lab: &Lab) -> Result<judged::Found, Failed> {
    let secrets = judged::secrets(lab)?;
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();
    fault.inject(lab, &mut |_| {})?;
    let shown = begun.elapsed();
    let out = folder.path().join("recording");
    record(lab, &out)?;
    judged::looks_collected(lab, &out, &secrets)?;
    let mut found = judged::judge(fault, &out)?;
    if found.wrong().is_some() {
        keep(fault.name, &out);
    }
    let begun = Instant::now();
    fault.heal(lab, &mut |_| {})?;
    found.shown = shown.as_secs();
    found.healed = begun.elapsed().as_secs();
    Ok(found)
}

/// Keeps a recording that is to be looked at, where `LAB_KEEP` asks for it.
fn keep(name: &str, recording: &Path) {
    if std::env::var_os("LAB_KEEP").is_none() {
        return;
    }
    let kept = std::env::temp_dir().join(format!("defib-{name}"));
    match std::fs::rename(recording, &kept) {
        Ok(()) => eprintln!("{name}: recorded in {}", kept.display()),
        Err(e) => eprintln!("{name}: its recording can't be kept: {e}"),
    }
}

/// No fault needs four; their number is even, and a majority is three.
fn four_servers_are_well() -> Outcome {
    let kind = Kind::of(4, false, 0);
    well::is_well(kind, &up(kind)?)?;
    Ok(())
}
