//! Hosts as machines of a Proxmox host: its `qm`, reached over ssh as an operator or a program reaches it.

use std::process::Command;
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::node::Lab;
use xtask::lab::wait_until;

use super::census::Census;
use super::{Outcome, fed, said};

/// A call of qm on the Proxmox host. A shell is between the two, so words are quoted for one.
fn qm(lab: &Lab, arguments: &[&str]) -> Result<Command, Failed> {
    let words: Vec<String> = arguments
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    let mut command = lab.machine("pve1")?.ssh();
    command.arg("--").arg(format!("qm {}", words.join(" ")));
    Ok(command)
}

/// What it prints; it must succeed.
pub fn told(lab: &Lab, arguments: &[&str]) -> Result<String, Failed> {
    let (code, out, failed) = said(qm(lab, arguments)?)?;
    assert_eq!(code, 0, "qm {arguments:?}: {out}{failed}");
    Ok(out)
}

/// How it fails: its code, and what it says.
pub fn refused(lab: &Lab, arguments: &[&str]) -> Result<(i32, String), Failed> {
    let (code, out, failed) = said(qm(lab, arguments)?)?;
    Ok((code, format!("{out}{failed}")))
}

fn json(text: &str) -> Result<Value, Failed> {
    Ok(serde_json::from_str(text)?)
}

pub fn a_host_is_a_machine_to_qm() -> Outcome {
    let before = Census::take();
    let lab = Lab::builder().bare().machines().boot()?;
    what_is_shown(&lab)?;
    commands(&lab)?;
    limits(&lab)?;
    disks(&lab)?;
    power(&lab)?;
    drop(lab);
    before.returns().map_err(Into::into)
}

/// A machine with a kernel and a disk of its own, filled by a real import.
pub fn a_virtual_machine_boots_from_an_imported_disk() -> Outcome {
    let before = Census::take();
    let lab = Lab::builder().bare().virtual_machine().boot()?;
    let image = "/root/images/debian-12-vm.raw";
    told(&lab, &["importdisk", "201", image, "local"])?;
    let disk = "local:201/vm-201-disk-0.raw";
    assert!(told(&lab, &["config", "201"])?.contains(&format!("unused0: {disk}")));
    told(&lab, &["set", "201", "--scsi0", disk, "--scsi1", "local:1"])?;
    told(&lab, &["start", "201"])?;
    assert_eq!(told(&lab, &["status", "201"])?, "status: running\n");
    // A processor made of software takes its time.
    answers(&lab, "201", Duration::from_secs(240))?;
    let kernel = |lab: &Lab| -> Result<String, Failed> {
        let script = "cat /proc/sys/kernel/random/boot_id; uname -r; findmnt -no SOURCE,FSTYPE /; lsblk -dno SIZE /dev/sdb";
        let done = json(&told(
            lab,
            &["guest", "exec", "201", "--", "sh", "-c", script],
        )?)?;
        Ok(done["out-data"].as_str().unwrap_or_default().to_owned())
    };
    let first = kernel(&lab)?;
    let own = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    assert!(
        first.contains("cloud-amd64") && first.contains("/dev/sda ext4") && first.contains("1G"),
        "{first}"
    );
    assert!(!first.contains(own.trim()), "its kernel is its own");
    told(&lab, &["shutdown", "201", "--timeout", "120"])?;
    assert_eq!(told(&lab, &["status", "201"])?, "status: stopped\n");

    // Without its disk it runs, and nobody answers.
    told(&lab, &["set", "201", "--delete", "scsi0"])?;
    told(&lab, &["start", "201"])?;
    let (code, text) = refused(&lab, &["guest", "exec", "201", "--", "true"])?;
    assert!(
        code != 0 && text.contains("QEMU guest agent is not running"),
        "{text}"
    );
    told(&lab, &["stop", "201"])?;
    assert_eq!(told(&lab, &["status", "201"])?, "status: stopped\n");
    drop(lab);
    before.returns().map_err(Into::into)
}

/// Waits for the agent in a machine.
pub fn answers(lab: &Lab, vmid: &str, patience: Duration) -> Outcome {
    wait_until("the agent answers", patience, || {
        match refused(lab, &["agent", vmid, "ping"]) {
            Ok((0, _)) => Ok(()),
            other => {
                std::thread::sleep(Duration::from_secs(1));
                Err(format!("{other:?}"))
            }
        }
    })
    .map_err(Into::into)
}

fn what_is_shown(lab: &Lab) -> Outcome {
    let list = told(lab, &["list"])?;
    let lines: Vec<Vec<&str>> = list
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["VMID", "NAME", "STATUS", "MEM(MB)", "BOOTDISK(GB)", "PID"]
    );
    assert_eq!(lines[1][..5], ["101", "n1", "running", "2048", "8.00"]);
    assert!(
        lines[1][5].parse::<u32>()? > 0 && lines.len() == 2,
        "{list}"
    );
    assert_eq!(told(lab, &["status", "101"])?, "status: running\n");
    let config = told(lab, &["config", "101"])?;
    assert!(
        config.starts_with("agent: 1\nboot: order=scsi0\n"),
        "{config}"
    );
    for (arguments, words) in [
        (
            &["config", "999"][..],
            "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist",
        ),
        (&["none-such"], "ERROR: unknown command 'qm none-such'"),
        (
            &["status"],
            "400 not enough arguments\nqm status <vmid> [OPTIONS]",
        ),
        (
            &["status", "one"],
            "vmid: type check ('integer') failed - got 'one'",
        ),
        (&["start", "101"], "VM 101 already running"),
        (
            &["guest", "exec", "101", "ls", "-l"],
            "Unknown option: l\n400 unable to parse option",
        ),
    ] {
        let (code, text) = refused(lab, arguments)?;
        assert!(
            code != 0 && text.contains(words),
            "{arguments:?}: {code} {text}"
        );
    }
    Ok(())
}

fn commands(lab: &Lab) -> Outcome {
    // Nobody waits for the agent at a start, on Proxmox either.
    let listens = "for _ in $(seq 100); do [ -S /run/qga.sock ] && exit 0; sleep 0.1; done; exit 1";
    lab.machine("n1")?.script(listens)?;
    let odd = "it's \"q\"  $HOME * \\ \n two";
    let words = ["guest", "exec", "101", "--", "printf", "%s|%s", odd, ""];
    let done = json(&told(lab, &words)?)?;
    assert_eq!(done["out-data"], format!("{odd}|"));
    assert_eq!((&done["exited"], &done["exitcode"]), (&1.into(), &0.into()));
    // The code of the command is not qm's: only the answer has it.
    let script = "echo out; echo err >&2; exit 3";
    let text = told(lab, &["guest", "exec", "101", "--", "sh", "-c", script])?;
    let done = json(&text)?;
    assert_eq!(done["exitcode"], 3);
    assert_eq!(
        (&done["out-data"], &done["err-data"]),
        (&"out\n".into(), &"err\n".into())
    );
    assert!(
        text.starts_with("{\n   \"err-data\" : \"err\\n\",\n"),
        "{text}"
    );
    let done = json(&told(
        lab,
        &["guest", "exec", "101", "--", "sh", "-c", "kill -9 $$"],
    )?)?;
    assert_eq!(
        (&done["signal"], &done["exitcode"]),
        (&9.into(), &Value::Null)
    );
    // Each byte comes as a character of its own.
    let script = r"printf '\001\377\303\251'";
    let done = json(&told(
        lab,
        &["guest", "exec", "101", "--", "sh", "-c", script],
    )?)?;
    assert_eq!(done["out-data"], "\u{1}\u{ff}\u{c3}\u{a9}");
    let fed = fed(
        qm(
            lab,
            &["guest", "exec", "101", "--pass-stdin", "1", "--", "cat"],
        )?,
        b"through\n",
    )?;
    let done = json(&String::from_utf8_lossy(&fed.stdout))?;
    assert_eq!(done["out-data"], "through\n");

    // Without waiting, and asked for later; an answer is given once.
    let words = [
        "guest",
        "exec",
        "101",
        "--synchronous",
        "0",
        "--",
        "sh",
        "-c",
        "exit 7",
    ];
    let pid = json(&told(lab, &words)?)?["pid"].to_string();
    let mut done = Value::Null;
    for _ in 0..50 {
        done = json(&told(lab, &["guest", "exec-status", "101", &pid])?)?;
        if done["exited"] == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(done["exitcode"], 7);
    let (code, text) = refused(lab, &["guest", "exec-status", "101", &pid])?;
    assert!(code != 0 && text.contains("Agent error: "), "{text}");
    let (code, text) = refused(lab, &["guest", "exec", "101", "--", "none-such"])?;
    assert!(
        code != 0 && text.contains("Agent error: ") && text.contains("No such file or directory"),
        "{code} {text}"
    );
    assert_eq!(told(lab, &["agent", "101", "ping"])?, "");
    let name = json(&told(lab, &["guest", "cmd", "101", "get-host-name"])?)?;
    assert_eq!(name["host-name"], "n1");
    // What would reach the machine that all share is not there.
    let frozen = json(&told(lab, &["guest", "cmd", "101", "fsfreeze-freeze"])?)?;
    assert_eq!(frozen["error"]["class"], "CommandNotFound");
    Ok(())
}

fn limits(lab: &Lab) -> Outcome {
    let begun = std::time::Instant::now();
    let words = [
        "guest",
        "exec",
        "101",
        "--timeout",
        "2",
        "--",
        "sleep",
        "60",
    ];
    let (code, out, failed) = said(qm(lab, &words)?)?;
    assert!(begun.elapsed().as_secs() < 30, "the limit is the caller's");
    assert_eq!((code, failed.trim()), (0, "timeout reached, returning pid"));
    assert!(json(&out)?["pid"].is_u64(), "{out}");

    // 16 MiB of each output are kept, and no word more.
    let script = "head -c 17000000 /dev/zero | tr '\\0' a";
    let text = told(lab, &["guest", "exec", "101", "--", "sh", "-c", script])?;
    let done = json(&text)?;
    assert_eq!(done["out-truncated"], 1);
    let kept = done["out-data"].as_str().map(str::len);
    assert_eq!(kept, Some(16 << 20));

    let words = [
        "guest",
        "exec",
        "101",
        "--pass-stdin",
        "1",
        "--",
        "wc",
        "-c",
    ];
    let done = fed(qm(lab, &words)?, &vec![0; 1 << 20])?;
    let counted = json(&String::from_utf8_lossy(&done.stdout))?;
    assert_eq!(counted["out-data"], "1048576\n");
    let done = fed(qm(lab, &words)?, &vec![0; (1 << 20) + 1])?;
    let failed = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        !done.status.success() && failed.contains("'input-data' (STDIN) is limited to 1 MiB"),
        "{failed}"
    );
    Ok(())
}

/// A disk that is taken out stays as an unused one, and another one is put in its place.
fn disks(lab: &Lab) -> Outcome {
    let n1 = lab.machine("n1")?;
    n1.script("touch /root/first-disk")?;
    let made = told(lab, &["set", "101", "--scsi1", "local:1"])?;
    assert!(
        made.starts_with("update VM 101: -scsi1 local:1\n"),
        "{made}"
    );
    assert!(
        made.contains("scsi1: successfully created disk 'local:101/vm-101-disk-1.raw,size=1G'"),
        "{made}"
    );
    told(lab, &["set", "101", "--delete", "scsi1"])?;
    let config = told(lab, &["config", "101"])?;
    assert!(
        config.contains("\nunused0: local:101/vm-101-disk-1.raw\n") && !config.contains("scsi1"),
        "{config}"
    );
    // While it runs, the one that it runs from stays; what was asked for is pending.
    let (code, text) = refused(lab, &["set", "101", "--delete", "scsi0"])?;
    assert!(
        code != 0 && text.contains("hotplug problem - can't unplug bootdisk 'scsi0'"),
        "{text}"
    );
    let pending = told(lab, &["pending", "101"])?;
    assert!(
        pending.contains("del scsi0: local:101/vm-101-disk-0.raw,size=8G"),
        "{pending}"
    );

    let image = "/root/images/debian-12.raw";
    let imported = told(lab, &["importdisk", "101", image, "local"])?;
    assert!(
        imported.starts_with(&format!("importing disk '{image}' to VM 101 ...\n"))
            && imported.contains("transferred 8.0 GiB of 8.0 GiB (100.00%)\n")
            && imported
                .ends_with("unused1: successfully imported disk 'local:101/vm-101-disk-2.raw'\n"),
        "{imported}"
    );
    let (code, text) = refused(lab, &["importdisk", "101", "/none-such", "local"])?;
    assert!(code != 0 && text.contains("/none-such: non-existent or non-regular file"));
    let (code, text) = refused(lab, &["importdisk", "101", image, "none-such"])?;
    assert!(code != 0 && text.contains("storage 'none-such' does not exist"));

    told(lab, &["stop", "101"])?;
    // Without the disk it runs, and nobody is at home.
    told(lab, &["start", "101"])?;
    assert_eq!(told(lab, &["status", "101"])?, "status: running\n");
    assert!(!n1.is_on()?);
    let (code, text) = refused(lab, &["guest", "exec", "101", "--", "true"])?;
    assert!(
        code != 0 && text.contains("QEMU guest agent is not running"),
        "{text}"
    );
    let (code, text) = refused(lab, &["shutdown", "101", "--timeout", "1"])?;
    assert!(
        code != 0 && text.contains("VM quit/powerdown failed - got timeout"),
        "{text}"
    );
    told(lab, &["stop", "101"])?;

    told(
        lab,
        &["set", "101", "--scsi0", "local:101/vm-101-disk-2.raw"],
    )?;
    told(lab, &["start", "101"])?;
    n1.wait()?;
    n1.script("test ! -e /root/first-disk; touch /root/second-disk")?;
    told(lab, &["stop", "101"])?;
    told(
        lab,
        &["set", "101", "--scsi0", "local:101/vm-101-disk-0.raw"],
    )?;
    let config = told(lab, &["config", "101"])?;
    assert!(
        config.contains("unused1: local:101/vm-101-disk-2.raw\n")
            || config.contains("unused2: local:101/vm-101-disk-2.raw\n"),
        "{config}"
    );
    told(lab, &["resize", "101", "scsi0", "+1G"])?;
    assert!(told(lab, &["config", "101"])?.contains("vm-101-disk-0.raw,size=9G"));
    let (code, text) = refused(lab, &["resize", "101", "scsi0", "1G"])?;
    assert!(
        code != 0 && text.contains("shrinking disks is not supported"),
        "{text}"
    );
    told(lab, &["start", "101"])?;
    n1.wait()?;
    n1.script("test -e /root/first-disk; test ! -e /root/second-disk")?;
    Ok(())
}

fn power(lab: &Lab) -> Outcome {
    let n1 = lab.machine("n1")?;
    let boots = || n1.script("journalctl --list-boots --no-pager | grep -c '^ *-*[0-9]'");
    let before: u32 = boots()?.trim().parse()?;
    told(lab, &["shutdown", "101"])?;
    assert_eq!(told(lab, &["status", "101"])?, "status: stopped\n");
    let (code, text) = refused(lab, &["guest", "exec", "101", "--", "true"])?;
    assert!(
        code != 0 && text.contains("VM 101 is not running"),
        "{text}"
    );
    // A lock, such as a backup that died leaves it.
    told(lab, &["set", "101", "--lock", "backup"])?;
    let (code, text) = refused(lab, &["start", "101"])?;
    assert!(
        code != 0 && text.contains("VM is locked (backup)"),
        "{text}"
    );
    told(lab, &["unlock", "101"])?;
    told(lab, &["start", "101"])?;
    n1.wait()?;
    n1.script("journalctl -b -1 --no-pager | grep -q 'Reached target.*System Shutdown'")?;
    told(lab, &["reboot", "101"])?;
    n1.wait()?;
    assert_eq!(boots()?.trim().parse::<u32>()?, before + 2);
    // The agent alone may be down.
    n1.script("systemctl stop qemu-guest-agent")?;
    let (code, text) = refused(lab, &["guest", "exec", "101", "--", "true"])?;
    assert!(
        code != 0 && text.contains("QEMU guest agent is not running"),
        "{text}"
    );
    Ok(())
}
