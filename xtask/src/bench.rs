//! `cargo xtask bench [--record]`: the figures of docs/benchmarks.md, measured on this machine.
//!
//! Whole processes of the release build: CPU seconds, peak memory, and instructions counted by valgrind,
//! which are the same on a busy machine. The instructions are compared with those on record: more than a
//! tenth above is a failure. Deliberately absent: wall time as a gate.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Instructions may grow by this part before somebody has to look.
const TOLERANCE: f64 = 0.10;
/// Marks the table of instructions in docs/benchmarks.md.
const MARK: &str = "<!-- instructions -->";

/// One measured process.
struct Figures {
    cpu: f64,
    wall: f64,
    megabytes: u64,
}

/// The chore.
#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this is the command line face of the chore"
)]
pub fn run(arguments: Vec<String>) -> ExitCode {
    match arguments.first().map(String::as_str) {
        // A process of its own per figure: the kernel keeps the largest of all children.
        Some("--one") => match one(arguments.get(1..).unwrap_or_default()) {
            Ok(f) => {
                println!("{} {} {}", f.cpu, f.wall, f.megabytes);
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("{why}");
                ExitCode::FAILURE
            }
        },
        None | Some("--record") => match all(!arguments.is_empty()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(why) => {
                eprintln!("{why}");
                ExitCode::FAILURE
            }
        },
        Some(_) => {
            eprintln!("cargo xtask bench [--record]");
            ExitCode::FAILURE
        }
    }
}

fn one(command: &[String]) -> Result<Figures, String> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let since = std::time::Instant::now();
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| format!("{program}: {e}"))?;
    let wall = since.elapsed().as_secs_f64();
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
        .map_err(|e| e.to_string())?;
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
    Ok(Figures {
        cpu: seconds(used.user_time()) + seconds(used.system_time()),
        wall,
        megabytes: (used.max_rss() / 1000).unsigned_abs(),
    })
}

/// The median of five runs, by CPU time.
fn measure(command: &[&str]) -> Result<Figures, String> {
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut runs = Vec::new();
    for _ in 0..5 {
        let output = Command::new(&me)
            .args(["bench", "--one"])
            .args(command)
            .output()
            .map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut parts = text
            .split_whitespace()
            .filter_map(|p| p.parse::<f64>().ok());
        let (Some(cpu), Some(wall), Some(megabytes)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        };
        runs.push(Figures {
            cpu,
            wall,
            megabytes: megabytes as u64,
        });
    }
    runs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    runs.into_iter().nth(2).ok_or_else(|| "no run".to_owned())
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let done = Command::new("cargo")
        .args(arguments)
        .current_dir(root)
        .status();
    match done {
        Ok(s) if s.success() => Ok(()),
        _ => Err(format!("cargo {} failed", arguments.join(" "))),
    }
}

fn dump(target: &Path, name: &str, pods: usize, yaml: bool) -> Result<PathBuf, String> {
    let out = target.join(name);
    if !out.exists() {
        let mut arguments = vec![
            "--out".to_owned(),
            out.display().to_string(),
            "--pods".to_owned(),
            pods.to_string(),
        ];
        if yaml {
            arguments.push("--yaml".to_owned());
        }
        if crate::dump::run(arguments) != ExitCode::SUCCESS {
            return Err(format!("cannot write {}", out.display()));
        }
    }
    Ok(out)
}

fn size(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok()?.metadata().ok())
        .map(|m| m.len())
        .sum()
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a report for people"
)]
fn all(record: bool) -> Result<bool, String> {
    let root = crate::codegen::root();
    cargo(
        &root,
        &["build", "--release", "--locked", "--package", "defib"],
    )?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let binary = target.join("release/defib");
    let program = binary
        .to_str()
        .ok_or("the target folder's name is no UTF-8")?;
    println!("| work | CPU s | wall s | peak MB | MB/s |\n|---|---|---|---|---|");
    let row = |name: &str, bytes: u64, f: &Figures| {
        let rate = if bytes == 0 {
            "–".to_owned()
        } else {
            format!("{:.0}", bytes as f64 / 1e6 / f.wall)
        };
        println!(
            "| {name} | {:.2} | {:.2} | {} | {rate} |",
            f.cpu, f.wall, f.megabytes
        );
    };
    row("`--version`", 0, &measure(&[program, "--version"])?);
    for (name, folder, yaml) in [("JSON", "dump-json", false), ("YAML", "dump-yaml", true)] {
        let folder = dump(&target, folder, 5000, yaml)?;
        let path = folder
            .to_str()
            .ok_or("the target folder's name is no UTF-8")?;
        let bytes = size(&folder);
        let f = measure(&[program, "diagnose", path])?;
        row(
            &format!("5,000 pods, {:.0} MB of {name}", bytes as f64 / 1e6),
            bytes,
            &f,
        );
    }
    let literals = target.join("literals.txt");
    let listed = Command::new(program)
        .args(["rules", "--literals"])
        .output()
        .map_err(|e| e.to_string())?;
    std::fs::write(&literals, listed.stdout).map_err(|e| e.to_string())?;
    let literals = literals.display().to_string();
    for (name, loud) in [("quiet", false), ("loud", true)] {
        let file = target.join(format!("journal-{name}.log"));
        if !file.exists() {
            crate::journal::write(&file, 1_000_000_000, loud).map_err(|e| e.to_string())?;
        }
        let bytes = std::fs::metadata(&file).map_err(|e| e.to_string())?.len();
        let path = file.display().to_string();
        row(
            &format!("a {name} journal of 1 GB"),
            bytes,
            &measure(&[program, "diagnose", &path])?,
        );
        if Command::new("rg").arg("--version").output().is_ok() {
            row(
                &format!("the same by `rg -c -F -f` ({name})"),
                bytes,
                &measure(&["rg", "-c", "-F", "-f", &literals, &path])?,
            );
        } else {
            eprintln!("the peer's row is skipped: there is no rg (Debian package ripgrep)");
        }
    }
    let bytes = std::fs::metadata(&binary).map_err(|e| e.to_string())?.len();
    println!("\nbinary: {:.1} MB", bytes as f64 / 1e6);

    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("instructions skipped: there is no valgrind (Debian package valgrind)");
        return Ok(true);
    }
    let small = dump(&target, "dump-small", 200, false)?;
    let small_yaml = dump(&target, "dump-small-yaml", 200, true)?;
    let path = |p: &PathBuf| p.display().to_string();
    let works = [
        ("`--version`", vec!["--version".to_owned()]),
        ("200 pods, JSON", vec!["diagnose".to_owned(), path(&small)]),
        (
            "200 pods, YAML",
            vec!["diagnose".to_owned(), path(&small_yaml)],
        ),
        (
            "the example",
            vec![
                "diagnose".to_owned(),
                path(&root.join("examples/half-alive-rebuild")),
            ],
        ),
    ];
    let page = root.join("docs/benchmarks.md");
    let text = std::fs::read_to_string(&page).map_err(|e| format!("{}: {e}", page.display()))?;
    let (head, table) = text
        .split_once(MARK)
        .ok_or("docs/benchmarks.md has no mark for instructions")?;
    let mut fresh = format!("{MARK}\n| work | million instructions |\n|---|---|\n");
    let mut good = true;
    println!("\n| work | million instructions | on record |\n|---|---|---|");
    for (name, arguments) in works {
        let count = instructions(program, &arguments)?;
        let known = table
            .lines()
            .find_map(|l| l.strip_prefix(&format!("| {name} | ")))
            .and_then(|l| l.trim_end_matches([' ', '|']).parse::<f64>().ok());
        println!(
            "| {name} | {count:.0} | {} |",
            known.map_or("–".to_owned(), |k| format!("{k:.0}"))
        );
        fresh.push_str(&format!("| {name} | {count:.0} |\n"));
        if known.is_some_and(|k| count > k * (1.0 + TOLERANCE)) {
            eprintln!("{name}: a tenth more instructions than on record");
            good = false;
        }
    }
    if record {
        std::fs::write(&page, format!("{head}{fresh}")).map_err(|e| e.to_string())?;
        return Ok(true);
    }
    Ok(good)
}

/// Millions of instructions of one run, on one thread: work is then done in one order.
fn instructions(program: &str, arguments: &[String]) -> Result<f64, String> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            program,
        ])
        .args(arguments)
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines()
        .find_map(|l| l.split_once("Collected :"))
        .and_then(|(_, n)| n.trim().parse::<f64>().ok())
        .map(|n| n / 1e6)
        .ok_or_else(|| format!("valgrind counted nothing: {said}"))
}
