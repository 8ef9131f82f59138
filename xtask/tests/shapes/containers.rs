//! Hosts as containers: upstream's `docker` over the lab's engine.

use std::process::{Command, ExitCode};
use std::time::Duration;

use xtask::lab::node::Lab;
use xtask::lab::{leftovers, wait_until};

use super::census::Census;
use super::owner::Owner;
use super::{Outcome, fed, said};

const NAME: &str = "k3d-lab-server-0";

fn docker(lab: &Lab, arguments: &[&str]) -> Result<Command, libtest_mimic::Failed> {
    let mut command = lab.docker()?;
    command.args(arguments);
    Ok(command)
}

/// What it prints; it must succeed.
fn told(lab: &Lab, arguments: &[&str]) -> Result<String, libtest_mimic::Failed> {
    let (code, out, failed) = said(docker(lab, arguments)?)?;
    assert_eq!(code, 0, "docker {arguments:?}: {out}{failed}");
    Ok(out)
}

/// How it fails: its code, and what it says on both outputs.
fn refused(lab: &Lab, arguments: &[&str]) -> Result<(i32, String), libtest_mimic::Failed> {
    let (code, out, failed) = said(docker(lab, arguments)?)?;
    Ok((code, format!("{out}{failed}")))
}

pub fn a_host_is_a_container_to_docker() -> Outcome {
    let before = Census::take();
    let lab = Lab::builder().bare().containers().boot()?;
    what_is_listed(&lab)?;
    commands(&lab)?;
    refusals(&lab)?;
    files(&lab)?;
    power(&lab)?;
    drop(lab);
    before.returns().map_err(Into::into)
}

fn what_is_listed(lab: &Lab) -> Outcome {
    // A program asks whom it speaks to: the client is Docker's, and the engine says what it is.
    let versions = told(
        lab,
        &[
            "version",
            "--format",
            "{{.Client.Version}} {{.Server.Version}}",
        ],
    )?;
    assert!(
        versions.ends_with(" defib-lab\n") && !versions.starts_with("unknown"),
        "{versions}"
    );
    let listed = told(lab, &["ps", "--format", "{{.Names}} {{.State}}"])?;
    assert_eq!(listed, format!("{NAME} running\n"));
    // k3d and people find a cluster's nodes by labels.
    let found = told(
        lab,
        &[
            "ps",
            "-q",
            "--no-trunc",
            "--filter",
            "label=k3d.role=server",
        ],
    )?;
    let id = found.trim();
    assert_eq!(id.len(), 64, "{id}");
    assert_eq!(
        told(lab, &["ps", "-q", "--filter", "label=k3d.role=agent"])?,
        ""
    );
    assert_eq!(
        told(lab, &["exec", &id[..12], "hostname"])?,
        format!("{NAME}\n")
    );
    let said = told(lab, &["inspect", NAME])?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    let one = &said[0];
    assert_eq!(one["Id"], id);
    assert_eq!(one["Name"], format!("/{NAME}"));
    assert_eq!(one["State"]["Status"], "running");
    assert_eq!(one["Config"]["Hostname"], NAME);
    assert_eq!(one["Config"]["Labels"]["k3d.cluster"], "lab");
    assert_eq!(
        one["NetworkSettings"]["Networks"]["k3d-lab"]["IPAddress"],
        "198.51.100.11"
    );
    // As in k3d, the token is in the environment: who shows an inspection around shows it too.
    let environment = one["Config"]["Env"].to_string();
    assert!(environment.contains(&format!("K3S_TOKEN={}", lab.plan().token)));
    Ok(())
}

fn commands(lab: &Lab) -> Outcome {
    let odd = "it's \"q\"  $HOME * \\ \n two";
    assert_eq!(
        told(lab, &["exec", NAME, "printf", "%s|%s", odd, ""])?,
        format!("{odd}|")
    );
    let script = "echo out; echo err >&2; exit 3";
    let (code, out, failed) = said(docker(lab, &["exec", NAME, "sh", "-c", script])?)?;
    assert_eq!((code, out.as_str(), failed.as_str()), (3, "out\n", "err\n"));
    assert_eq!(
        refused(lab, &["exec", NAME, "sh", "-c", "kill -9 $$"])?.0,
        137
    );
    let words = [
        "exec", "-u", "nobody", "-e", "A=b c", "-w", "/tmp", NAME, "sh", "-c",
    ];
    let words = [&words[..], &["id -un; pwd; echo \"$A\""]].concat();
    assert_eq!(told(lab, &words)?, "nobody\n/tmp\nb c\n");
    // Every byte there is, through both pipes; and without -i nothing comes in.
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    let back = fed(docker(lab, &["exec", "-i", NAME, "cat"])?, &bytes)?;
    assert!(back.status.success() && back.stdout == bytes);
    let back = fed(docker(lab, &["exec", NAME, "cat"])?, b"not passed on")?;
    assert!(back.status.success() && back.stdout.is_empty());
    // A terminal, as -t gives one: it says so, and both outputs are one.
    let (code, out, _) = said(docker(
        lab,
        &["exec", "-t", NAME, "sh", "-c", "tty >&2; exit 4"],
    )?)?;
    assert!(code == 4 && out.starts_with("/dev/pts/"), "{code} {out}");
    told(lab, &["exec", "-d", NAME, "touch", "/root/detached"])?;
    wait_until(
        "a detached command has run",
        Duration::from_secs(10),
        || {
            let (code, text) = refused(lab, &["exec", NAME, "test", "-e", "/root/detached"])
                .map_err(|failed| format!("{failed:?}"))?;
            if code == 0 { Ok(()) } else { Err(text) }
        },
    )?;
    Ok(())
}

fn refusals(lab: &Lab) -> Outcome {
    let runc = "OCI runtime exec failed: exec failed: unable to start container process: exec: ";
    for (arguments, code, words) in [
        (
            &["exec", NAME, "none-such"][..],
            127,
            &format!("{runc}\"none-such\": executable file not found in $PATH: unknown")[..],
        ),
        (
            &["exec", NAME, "/etc/passwd"],
            126,
            &format!("{runc}\"/etc/passwd\": permission denied: unknown"),
        ),
        (
            &["exec", "none-such", "true"],
            1,
            "Error response from daemon: No such container: none-such",
        ),
        (
            &["inspect", "none-such"],
            1,
            "Error: No such object: none-such",
        ),
        (
            &["kill", "-s", "NONE", NAME],
            1,
            "Error response from daemon: invalid signal: NONE",
        ),
        (
            &["exec", "--none-such", NAME, "true"],
            125,
            "unknown flag: --none-such",
        ),
        // What the engine does not have, it says.
        (
            &["stats", "--no-stream", NAME],
            1,
            "the lab's engine has no",
        ),
    ] {
        let (got, text) = refused(lab, arguments)?;
        assert!(
            got == code && text.contains(words),
            "{arguments:?}: {got} {text}"
        );
    }
    Ok(())
}

fn files(lab: &Lab) -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("file");
    std::fs::write(&file, b"bytes \0 \xff")?;
    let path = file.display().to_string();
    told(lab, &["cp", &path, &format!("{NAME}:/root/copied")])?;
    let back = folder.path().join("back").display().to_string();
    told(lab, &["cp", &format!("{NAME}:/root/copied"), &back])?;
    assert_eq!(std::fs::read(&back)?, b"bytes \0 \xff");
    let (code, text) = refused(lab, &["cp", &format!("{NAME}:/none-such"), &back])?;
    assert!(
        code == 1 && text.contains("Could not find the file /none-such"),
        "{text}"
    );
    Ok(())
}

fn power(lab: &Lab) -> Outcome {
    let boot = |what: &str| -> Result<String, libtest_mimic::Failed> {
        let machine = lab.machine("n1")?;
        machine.wait()?;
        Ok(
            machine.script("journalctl --list-boots --no-pager | grep -c '^ *-*[0-9]'")?
                + what
                + &told(
                    lab,
                    &["inspect", "-f", "{{.State.Pid}} {{.State.StartedAt}}", NAME],
                )?,
        )
    };
    let state = "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}";
    let first = boot(" boots, ")?;
    told(lab, &["restart", NAME])?;
    let second = boot(" boots, ")?;
    assert!(
        first.starts_with('1') && second.starts_with('2'),
        "{first} {second}"
    );
    assert_ne!(first[1..], second[1..], "another process, another start");

    told(lab, &["kill", NAME])?;
    assert_eq!(
        told(lab, &["inspect", "-f", state, NAME])?,
        "exited 137 0\n"
    );
    assert!(!lab.machine(NAME)?.is_on()?);
    let id = told(lab, &["ps", "-aq", "--no-trunc"])?;
    let (code, text) = refused(lab, &["exec", NAME, "true"])?;
    let words = format!(
        "Error response from daemon: container {} is not running",
        id.trim()
    );
    assert!(code == 1 && text.contains(&words), "{code} {text}");
    let (code, text) = refused(lab, &["kill", NAME])?;
    assert!(
        code == 1 && text.contains("cannot kill container"),
        "{text}"
    );
    assert_eq!(told(lab, &["ps", "-q"])?, "");
    // A second stop is none, and no error.
    told(lab, &["stop", NAME])?;

    // The harness and the engine press the same switch.
    lab.machine("n1")?.start()?;
    assert!(told(lab, &["inspect", "-f", state, NAME])?.starts_with("running"));
    told(lab, &["stop", NAME])?;
    assert_eq!(told(lab, &["inspect", "-f", state, NAME])?, "exited 0 0\n");
    told(lab, &["start", NAME])?;
    lab.machine("n1")?.wait()?;
    Ok(())
}

/// What the killed process does: it has a lab with an engine, says so, and waits for its end.
pub fn owner() -> ExitCode {
    let Ok(_lab) = Lab::builder().bare().containers().boot() else {
        return ExitCode::FAILURE;
    };
    std::thread::sleep(Duration::from_secs(600));
    ExitCode::SUCCESS
}

pub fn a_killed_owner_takes_the_engine_along() -> Outcome {
    let before = Census::take();
    let mut owner = Owner::start()?;
    let pid = owner.pid();
    wait_until("its engine answers", Duration::from_secs(120), || {
        let labs = leftovers::list().map_err(|e| e.to_string())?;
        let own = labs.into_iter().find(|lab| lab.record.owner.pid == pid);
        let lab = Lab::open(&own.ok_or("no record yet")?).map_err(|e| e.to_string())?;
        match refused(&lab, &["exec", NAME, "true"]) {
            Ok((0, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    owner.kill()?;
    before.returns().map_err(Into::into)
}
