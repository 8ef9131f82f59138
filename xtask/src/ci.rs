//! `cargo xtask ci check|test|full`: what `make` and CI run, with one count at the end.
//!
//! The last line is `N passed, N failed, N skipped`: tests of all binaries together, and every step
//! that is no test counts as one. Deliberately absent: anything that `cargo test` does not check at home.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use crate::full::{self, Done};

/// Tests and steps, by how they ended.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// What the failed ones said, to be said again at the end, where somebody looks.
    pub(crate) said: String,
}

impl Count {
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.said.push_str(&other.said);
    }

    fn fail(&mut self, why: &dyn fmt::Display) {
        self.failed += 1;
        self.say(&why.to_string());
    }

    fn say(&mut self, line: &str) {
        if self.said.len() < MOST_SAID {
            self.said.push_str(line);
            self.said.push('\n');
        }
    }

    /// Did something pass, and nothing fail?
    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// What `Display` wrote.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(", ");
        let mut number = |word: &str| parts.next()?.strip_suffix(word)?.trim().parse().ok();
        Some(Self {
            passed: number("passed")?,
            failed: number("failed")?,
            skipped: number("skipped")?,
            said: String::new(),
        })
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
            said: _,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// As many bytes of what failed tests said are said again: all of it stands where it happened.
const MOST_SAID: usize = 6_000;

/// The chore.
#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this is the command line face of the chore"
)]
pub fn run(arguments: Vec<String>) -> ExitCode {
    let mut count = Count::default();
    match arguments.first().map(String::as_str) {
        Some("check") => check(&mut count),
        Some("full") => {
            let done = Done::on_this_commit();
            done.or_run(&mut count, "check", check);
            done.or_run(&mut count, "lab build", lab);
            all_beside(&mut count, &done);
            done.or_run(&mut count, "score", score);
        }
        Some("test") => {
            check(&mut count);
            lab(&mut count);
            beside(&mut count);
            score(&mut count);
        }
        _ => {
            eprintln!("cargo xtask ci check|test|full");
            return ExitCode::FAILURE;
        }
    }
    if !count.said.is_empty() {
        println!("== what failed\n{}", count.said.trim_end());
    }
    println!("{count}");
    if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn check(count: &mut Count) {
    step(count, "format", &["fmt", "--all", "--check"]);
    step(
        count,
        "lints",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    );
    // The walls, the registry of rules and the generated documents are unit tests of xtask. All of the workspace, so
    // that nothing is built twice: each choice of packages has dependencies with features of its own.
    let units = full::words(["--lib"]);
    let session = full::words((session_tests().iter()).flat_map(|name| ["--test", name.as_str()]));
    for list in [units, session] {
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        tests(count, &list);
    }
}

/// Tests of the pipeline on texts and folders: they need nothing but themselves, and are named as no other's are.
fn session_tests() -> Vec<String> {
    let all = full::test_targets();
    let is_own = |name: &str| all.iter().filter(|(_, other)| other == name).count() == 1;
    let of = all.iter().filter(|(package, _)| package == "defib-session");
    of.filter(|(_, name)| is_own(name))
        .map(|(_, name)| name.clone())
        .collect()
}

#[expect(clippy::print_stderr, reason = "progress of a long run")]
fn step(count: &mut Count, name: &str, arguments: &[&str]) {
    eprintln!("== {name}");
    let done = Command::new("cargo")
        .args(arguments)
        .current_dir(crate::codegen::root())
        .stdin(Stdio::null())
        .status();
    match done {
        Ok(status) if status.success() => count.passed += 1,
        _ => {
            let why = format!("{name} failed: cargo {}", arguments.join(" "));
            eprintln!("== {why}");
            count.fail(&why);
        }
    }
}

/// Builds the lab's programs before the tests that need them, so that its time is seen on its own.
#[expect(clippy::print_stderr, reason = "progress of a long run")]
fn lab(count: &mut Count) {
    if let Some(why) = crate::lab::control_plane::unavailable() {
        eprintln!("== lab skipped: {why}");
        count.skipped += 1;
        return;
    }
    step(
        count,
        "lab build",
        &["run", "--quiet", "--package", "xtask", "--", "lab", "build"],
    );
}

fn tests(count: &mut Count, arguments: &[&str]) {
    run_tests(count, arguments, &[]);
}

/// The package whose tests are of labs of hosts: they wait for most of their time.
const OF_HOSTS: &str = "xtask";

/// Tests of hosts, and beside them all others that [`check`] has not run. What the first print is shown when they are
/// done.
#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "progress of a long run, and the output of tests is passed on"
)]
fn beside(count: &mut Count) {
    // Both would wait for one build.
    step(
        count,
        "build tests",
        &["test", "--workspace", "--locked", "--no-run"],
    );
    let all = full::test_targets();
    let of_hosts: Vec<&str> = (all.iter())
        .filter(|(package, _)| package == OF_HOSTS)
        .map(|(_, name)| name.as_str())
        .collect();
    let done = session_tests();
    let mut others = vec!["--bins"];
    let names: BTreeSet<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
    for name in names {
        if !done.iter().any(|d| d == name) && !of_hosts.contains(&name) {
            others.extend(["--test", name]);
        }
    }
    let hosts = full::words(of_hosts.iter().flat_map(|name| ["--test", *name]));
    let (others, documents) = (full::words(others), full::words(["--doc"]));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let (mut count, mut printed) = (Count::default(), String::new());
            let list: Vec<&str> = hosts.iter().map(String::as_str).collect();
            passed_on(&mut count, &list, &[], &mut |line| {
                printed.push_str(line);
                printed.push('\n');
            });
            (count, printed)
        });
        stand_in(count);
        for list in [&others, &documents] {
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            tests(count, &list);
        }
        match first.join() {
            Ok((seen, printed)) => {
                eprintln!("== hosts, beside all that");
                println!("{}", printed.trim_end());
                count.add(&seen);
            }
            Err(_) => count.fail(&"tests of hosts: nobody counted them"),
        }
    });
}

/// The same with everything that tests can try, each target a step of its own.
#[expect(clippy::print_stdout, reason = "the output of tests is passed on")]
fn all_beside(count: &mut Count, done: &Done) {
    // Both would wait for one build.
    step(
        count,
        "build tests",
        &["test", "--workspace", "--locked", "--no-run"],
    );
    let everything = [(full::EVERYTHING, "1")];
    let (hosts, others): (Vec<_>, Vec<_>) = full::targets()
        .into_iter()
        .partition(|t| t.package == OF_HOSTS);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let mut count = Count::default();
            for target in &hosts {
                done.or_run(&mut count, &target.name, |count| {
                    let mut printed = String::new();
                    passed_on(count, &target.words(), &everything, &mut |line| {
                        printed.push_str(line);
                        printed.push('\n');
                    });
                    println!("{}", printed.trim_end());
                });
            }
            count
        });
        done.or_run(count, "stand-in", stand_in);
        for target in &others {
            done.or_run(count, &target.name, |count| {
                run_tests(count, &target.words(), &everything);
            });
        }
        match first.join() {
            Ok(seen) => count.add(&seen),
            Err(_) => count.fail(&"tests of hosts: nobody counted them"),
        }
    });
}

/// The tests of the lab's stand-ins, with the parts that they start: each counts, also one that is skipped.
#[expect(clippy::print_stderr, reason = "progress of a long run")]
fn stand_in(count: &mut Count) {
    if crate::lab::control_plane::unavailable().is_some() {
        eprintln!("== stand-in skipped, as the lab is");
        count.skipped += 1;
        return;
    }
    let parts = match crate::lab::cache::stand_in_parts(&mut |line| eprintln!("lab: {line}")) {
        Ok(parts) => parts,
        Err(e) => {
            eprintln!("== stand-in failed: {e}");
            count.fail(&format_args!("stand-in failed: {e}"));
            return;
        }
    };
    for folder in ["lab/k3s", "lab/shapes", "lab/clock"] {
        go_tests(count, folder, parts.path());
    }
}

/// The tests of one Go module.
#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the output of tests is passed on"
)]
fn go_tests(count: &mut Count, folder: &str, parts: &Path) {
    eprintln!("== go test in {folder}");
    let child = Command::new("go")
        .args([
            "test",
            "-mod=readonly",
            "-count=1",
            "-timeout=25m",
            "-json",
            "./...",
        ])
        .env("CGO_ENABLED", "0")
        .env("GOTOOLCHAIN", "local")
        .env("LAB_PARTS", parts)
        .current_dir(crate::codegen::root().join(folder))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => {
            count.fail(&format_args!("{folder}: {e}"));
            return;
        }
    };
    let mut seen = Count::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let text = |key: &str| said.get(key).and_then(serde_json::Value::as_str);
            // A part of a test is none of its own.
            let is_test = text("Test").is_some_and(|name| !name.contains('/'));
            match text("Action") {
                Some("output") => print!("{}", text("Output").unwrap_or_default()),
                Some("pass") if is_test => seen.passed += 1,
                Some("fail") if is_test => {
                    let name = text("Test").unwrap_or_default();
                    seen.fail(&format_args!("{folder}: {name}"));
                }
                Some("skip") if is_test => seen.skipped += 1,
                _ => {}
            }
        }
    }
    if !child.wait().is_ok_and(|s| s.success()) && seen.failed == 0 {
        seen.fail(&format_args!("{folder}: it does not build, or ended early"));
    }
    count.add(&seen);
}

/// Finds what failed tests said in the output of a harness: it stands between the first `failures:` and the second,
/// which is the list of names.
#[derive(Default)]
struct Failures {
    on: bool,
}

impl Failures {
    /// Does this line tell of a failure?
    fn tells(&mut self, line: &str) -> bool {
        if line == "failures:" {
            self.on = !self.on;
            return false;
        }
        self.on &= !line.starts_with("test result: ");
        self.on && !line.trim().is_empty()
    }
}

#[expect(clippy::print_stdout, reason = "the output of tests is passed on")]
fn run_tests(count: &mut Count, arguments: &[&str], environment: &[(&str, &str)]) {
    passed_on(count, arguments, environment, &mut |line| {
        println!("{line}");
    });
}

#[expect(clippy::print_stderr, reason = "progress of a long run")]
fn passed_on(
    count: &mut Count,
    arguments: &[&str],
    environment: &[(&str, &str)],
    show: &mut dyn FnMut(&str),
) {
    eprintln!("== cargo {}", arguments.join(" "));
    let child = Command::new("cargo")
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(crate::codegen::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => {
            count.fail(&format_args!("cargo {}: {e}", arguments.join(" ")));
            return;
        }
    };
    let mut seen = Count::default();
    let mut failures = Failures::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if failures.tells(&line) {
                seen.say(&line);
            }
            // The binaries' own closing lines must not be taken for ours.
            if let Some(rest) = line.strip_prefix("test result: ") {
                let number = |word: &str| {
                    rest.split(';')
                        .find_map(|p| {
                            p.trim()
                                .trim_start_matches("ok. ")
                                .trim_start_matches("FAILED. ")
                                .strip_suffix(word)?
                                .trim()
                                .parse::<u64>()
                                .ok()
                        })
                        .unwrap_or(0)
                };
                seen.passed += number(" passed");
                seen.failed += number(" failed");
                seen.skipped += number(" ignored");
            }
            show(&line);
        }
    }
    let ok = child.wait().is_ok_and(|s| s.success());
    if !ok && seen.failed == 0 {
        seen.fail(&format_args!(
            "cargo {}: it does not build, or a binary died",
            arguments.join(" ")
        ));
    }
    count.add(&seen);
}

/// The score on recorded incidents, where they are: printed, not judged.
#[expect(clippy::print_stderr, reason = "progress of a long run")]
fn score(count: &mut Count) {
    let root = crate::codegen::root();
    let shared = root.join("../shared");
    let script = shared.join("score/score.py");
    if !script.exists() {
        eprintln!("== score skipped: no recorded incidents beside the project");
        count.skipped += 1;
        return;
    }
    let Ok(built) = Command::new("cargo")
        .args([
            "build",
            "--quiet",
            "--package",
            "defib",
            "--locked",
            "--message-format=json",
        ])
        .current_dir(&root)
        .stderr(Stdio::inherit())
        .output()
    else {
        count.fail(&"score: cargo can't be run");
        return;
    };
    let binary = String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .filter_map(|v| {
            v.get("executable")
                .and_then(|e| e.as_str())
                .map(str::to_owned)
        })
        .next_back();
    let Some(binary) = binary else {
        count.fail(&"score: the tool does not build");
        return;
    };
    for (folder, must) in [
        ("incidents/half-alive-rebuild", Some("1")),
        ("corpus", None),
    ] {
        let mut command = Command::new("python3");
        command.arg(&script).arg(&binary).arg(shared.join(folder));
        if let Some(mean) = must {
            command.args(["--min-mean", mean]);
        }
        eprintln!("== score on {folder}");
        match command.stdin(Stdio::null()).status() {
            Ok(status) if status.success() => count.passed += 1,
            _ => count.fail(&format_args!("score on {folder}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As cargo prints two binaries one after the other, of which the first fails.
    #[test]
    fn what_failed_is_said_again() {
        let lines = "running 2 tests\ntest a ... FAILED\ntest b ... ok\n\nfailures:\n\n---- a ----\nn1: not up\n\n\nfailures:\n    a\n\ntest result: FAILED. 1 passed; 1 failed\n\nrunning 1 test\ntest c ... ok\n\ntest result: ok. 1 passed; 0 failed";
        let mut failures = Failures::default();
        let told: Vec<&str> = lines.lines().filter(|l| failures.tells(l)).collect();
        assert_eq!(told, ["---- a ----", "n1: not up"]);
    }

    #[test]
    fn not_more_is_said_again_than_is_read() {
        let mut count = Count::default();
        for _ in 0..10_000 {
            count.fail(&"a test");
        }
        assert_eq!(count.failed, 10_000);
        assert!(count.said.len() < MOST_SAID + 10);
        assert_eq!(count.to_string(), "0 passed, 10000 failed, 0 skipped");
    }
}
