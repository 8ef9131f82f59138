//! Calls of the Go toolchain: one program from one package, into a name that says "unfinished"
//! until it is whole.
//! Deliberately absent: downloads of a toolchain (GOTOOLCHAIN=local) and changes to go.sum
//! (-mod=readonly).

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Deserialize;

use super::error::file;
use super::files::clear;
use super::parts::{Part, Upstream};
use super::{LabError, path, process};

/// Where `go` comes from: what the recipes' go.mod files ask for.
const GO: &str = "Go 1.26 or newer";

/// Says why nothing can be built or run here, if so.
pub fn unsupported() -> Option<LabError> {
    if !cfg!(target_os = "linux") {
        return Some(LabError::NotLinux(std::env::consts::OS));
    }
    [
        ("go", GO),
        ("setpriv", "util-linux"),
        ("sh", "any POSIX shell"),
    ]
    .into_iter()
    .find(|(program, _)| !path::has(&path::own(), program))
    .map(|(program, package)| LabError::MissingProgram { program, package })
}

/// `go` with everything fixed that a user's environment could bend. It dies with us: one that went
/// on after a kill would write into the file of the next build.
fn go(upstream: &Upstream) -> Command {
    let mut command = process::mortal("go".as_ref());
    command
        .current_dir(upstream.recipe())
        .env("CGO_ENABLED", if upstream.cgo { "1" } else { "0" })
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false");
    command
}

/// Builds one program; `tell` gets a line before and one after.
pub(crate) fn build(
    part: &Part,
    target: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<(), LabError> {
    let version = part.upstream.version()?;
    tell(&format!(
        "{}: building {} {version}",
        part.name, part.package
    ));
    let begun = Instant::now();
    let unfinished = target.with_file_name(format!(".{}.part", part.name));
    // Where `go` works, and what a killed one leaves behind; the lock makes it ours alone.
    let scratch = target.with_file_name(".scratch");
    clear(&scratch)?;
    fs::create_dir(&scratch).map_err(file("create", &scratch))?;
    let mut command = go(part.upstream);
    command
        .env("GOTMPDIR", &scratch)
        .args([
            "build",
            "-trimpath",
            "-tags",
            part.upstream.tags,
            "-ldflags",
            &linker_flags(part.upstream, &version),
            "-o",
        ])
        .arg(&unfinished)
        .arg(part.package);
    run(part.name, command)?;
    clear(&scratch)?;
    publish(&unfinished, target)?;
    let size = fs::metadata(target).map_err(file("look at", target))?.len();
    tell(&format!(
        "{}: {:.0}s, {} MB",
        part.name,
        begun.elapsed().as_secs_f64(),
        size / 1_000_000
    ));
    Ok(())
}

/// Strips the program and tells it its own version, which `go build` of a module cannot know.
fn linker_flags(upstream: &Upstream, version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or("0"), numbers.next().unwrap_or("0"));
    let mut flags = "-s -w".to_owned();
    for package in upstream.stamped {
        let variable = package
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains('.'));
        if variable {
            let number = version.trim_start_matches('v').split('+').next();
            flags.push_str(&format!(" -X {package}={}", number.unwrap_or(version)));
            continue;
        }
        flags.push_str(&format!(
            " -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        ));
    }
    flags
}

/// The part of `go mod download`'s answer that is needed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    dir: PathBuf,
}

/// The folder of a module's sources, downloaded if it is missing.
pub(crate) fn module_folder(upstream: &Upstream, module: &str) -> Result<PathBuf, LabError> {
    let mut command = go(upstream);
    command.args(["mod", "download", "-json", module]);
    let module: Module =
        serde_json::from_str(&run(upstream.folder, command)?).map_err(|source| LabError::Json {
            what: "what `go mod download` says".into(),
            source,
        })?;
    Ok(module.dir)
}

/// Runs a program of the recipe's own and gives what it printed.
pub(crate) fn run_own(
    upstream: &Upstream,
    package: &str,
    arguments: &[&str],
) -> Result<String, LabError> {
    let mut command = go(upstream);
    command.args(["run", package]).args(arguments);
    run(upstream.folder, command)
}

/// Joins files of the upstream's module into one YAML stream, so that no copy lives in this tree.
pub(crate) fn join_module_files(
    upstream: &Upstream,
    names: &[&str],
    target: &Path,
) -> Result<(), LabError> {
    let folder = module_folder(upstream, upstream.module)?;
    let unfinished = target.with_extension("part");
    let mut joined = File::create(&unfinished).map_err(file("create", &unfinished))?;
    for name in names {
        let path = folder.join(name);
        let text = fs::read(&path).map_err(file("read", &path))?;
        joined
            .write_all(&text)
            .and_then(|()| joined.write_all(b"\n---\n"))
            .map_err(file("write", &unfinished))?;
    }
    drop(joined);
    publish(&unfinished, target)
}

/// Gives a finished file its name. Synced first: after a crash a file has its name only if it also
/// has its bytes.
fn publish(unfinished: &Path, target: &Path) -> Result<(), LabError> {
    File::open(unfinished)
        .and_then(|file| file.sync_all())
        .map_err(file("sync", unfinished))?;
    fs::rename(unfinished, target).map_err(file("rename", unfinished))
}

fn run(part: &'static str, mut command: Command) -> Result<String, LabError> {
    if !path::has(&path::own(), "go") {
        return Err(LabError::MissingProgram {
            program: "go",
            package: GO,
        });
    }
    let shown = format!("{command:?}");
    let failed = |source| LabError::Spawn {
        program: "go".into(),
        source,
    };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = process::spawn(command)?
        .wait_with_output()
        .map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines
        .get(lines.len().saturating_sub(20)..)
        .unwrap_or_default()
        .join("\n");
    Err(LabError::Build {
        part,
        command: shown,
        tail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::parts::{DOCKER_MODULE, ETCD, KUBERNETES};

    #[test]
    fn kubernetes_is_told_its_version_and_etcd_knows_it() {
        let flags = linker_flags(&KUBERNETES, "v1.35.4");
        assert!(
            flags.contains("component-base/version.gitMinor=35"),
            "{flags}"
        );
        assert_eq!(linker_flags(&ETCD, "v3.6.16"), "-s -w");
        assert_eq!(
            linker_flags(&DOCKER_MODULE, "v28.5.2+incompatible"),
            "-s -w -X github.com/docker/cli/cli/version.Version=28.5.2"
        );
    }
}
