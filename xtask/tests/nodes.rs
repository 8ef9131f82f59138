//! Nodes against their own promises: power cord, snapshots, ssh, and no trace afterwards.
//! Deliberately absent: what k3s does on them; `nodes_cluster.rs` and `nodes_faults` look at it.
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips"
)]

mod census;
#[path = "census/owner.rs"]
mod owner;

use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use census::Census;
use libtest_mimic::{Arguments, Failed, Trial};
use owner::{OWNER, Owner};
use xtask::lab::fault::Fault;
use xtask::lab::node::{Lab, MADE, unavailable};
use xtask::lab::{LabError, leftovers, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

type Outcome = Result<(), Failed>;
type Test = (&'static str, fn() -> Outcome);

fn main() -> ExitCode {
    if std::env::var_os(OWNER).is_some() {
        return owner();
    }
    let mut arguments = Arguments::from_args();
    // The machine is counted before and after: nothing else may come and go.
    arguments.test_threads = Some(1);
    let unavailable = unavailable();
    if let (Some(reason), false) = (&unavailable, arguments.list) {
        eprintln!("skipped: no nodes can run here: {reason}");
    }
    let tests: [Test; 5] = [
        ("a_node_is_a_host", a_node_is_a_host),
        (
            "a_reset_undoes_what_was_broken",
            a_reset_undoes_what_was_broken,
        ),
        ("nothing_is_left_of_a_lab", nothing_is_left_of_a_lab),
        (
            "a_killed_owner_leaves_nothing",
            a_killed_owner_leaves_nothing,
        ),
        (
            "down_removes_what_a_crash_left",
            down_removes_what_a_crash_left,
        ),
    ];
    let mut trials: Vec<Trial> = tests
        .into_iter()
        .map(|(name, run)| Trial::test(name, run).with_ignored_flag(unavailable.is_some()))
        .collect();
    let full = std::env::var_os("DEFIB_FULL").is_some();
    if !full && unavailable.is_none() && !arguments.list {
        eprintln!("skipped: {ROUNDS} takes minutes; DEFIB_FULL=1 runs it");
    }
    trials.push(
        Trial::test(ROUNDS, twenty_rounds_leave_nothing)
            .with_ignored_flag(unavailable.is_some() || !full),
    );
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What something that has to fail says.
fn refusal<T>(outcome: Result<T, LabError>) -> Result<String, Failed> {
    match outcome {
        Ok(_) => Err("this should have been refused".into()),
        Err(error) => Ok(error.to_string()),
    }
}

/// Links that carry something. The kernel puts some that are down into every network namespace.
const LINKS: [&str; 5] = ["ip", "-brief", "link", "show", "up"];

/// The names of the links that a command of this form prints.
fn up(command: &mut Command) -> Result<Vec<String>, Failed> {
    let done = command.output()?;
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(String::from_utf8_lossy(&done.stdout)
        .lines()
        .filter_map(|line| line.split(['@', ' ']).next().map(str::to_owned))
        .collect())
}

fn a_node_is_a_host() -> Outcome {
    let lab = Lab::builder().servers(2).bare().boot()?;
    let n1 = lab.machine("n1")?;
    // As a person comes in.
    let said = n1.ssh().args(["--", "hostname; id -u"]).output()?;
    assert_eq!(String::from_utf8_lossy(&said.stdout), "n1\n0\n");
    let n2 = lab.machine("n2")?;
    n2.script("ping -c 1 -W 5 n1")?;
    let ids = [
        n1.script("cat /etc/machine-id")?,
        n2.script("cat /etc/machine-id")?,
    ];
    assert_ne!(ids[0], ids[1]);
    // Nothing leads outside: a node has one way, to the bridge, and from the bridge there is none.
    assert_eq!(up(&mut n1.command(&LINKS))?, ["lo", "eth0"]);
    assert!(
        n1.script("ip route get 1.1.1.1")?
            .contains("via 198.51.100.1 dev eth0")
    );
    let mut links = up(lab.command(LINKS[0]).args(&LINKS[1..]))?;
    links.sort();
    assert_eq!(links, ["lab0", "lo", "n1", "n2"]);
    let way = lab
        .command("ip")
        .args(["route", "get", "1.1.1.1"])
        .output()?;
    assert!(
        !way.status.success(),
        "{}",
        String::from_utf8_lossy(&way.stdout)
    );
    let near = lab
        .command("ip")
        .args(["route", "get", n1.address()])
        .output()?;
    assert!(near.status.success(), "the question itself works");
    assert!(lab.machine("n3").is_err());

    // The power cord, and a shutdown: the journal of each run is kept.
    n1.script("logger before-the-cord; journalctl --sync")?;
    n1.kill()?;
    assert!(!n1.is_on()? && n2.is_on()?);
    let off = refusal(n1.script("true"))?;
    assert!(off.contains("n1 is off"), "{off}");
    n1.start()?;
    n1.stop()?;
    n1.start()?;
    let boots = n1.script("journalctl --list-boots --no-pager | grep -c '^ *-*[0-9]'")?;
    assert_eq!(boots.trim(), "3");
    n1.script("journalctl -b -2 --no-pager | grep -q before-the-cord")?;
    n1.script("journalctl -b -1 --no-pager | grep -q 'Reached target.*System Shutdown'")?;
    Ok(())
}

fn a_reset_undoes_what_was_broken() -> Outcome {
    let lab = Lab::builder().bare().boot()?;
    let n1 = lab.machine("n1")?;
    n1.script("echo first > /root/state")?;
    let on = refusal(n1.snapshot("good"))?;
    assert!(on.contains("it is on"), "{on}");
    n1.stop()?;
    n1.snapshot("good")?;
    assert!(n1.snapshot("good").is_err(), "a name is taken once");
    n1.start()?;
    n1.script(
        "echo second > /root/state; rm -rf /etc/ssh /usr/local/bin; systemctl mask --quiet ssh",
    )?;
    let begun = Instant::now();
    n1.reset("good")?;
    n1.start()?;
    let taken = begun.elapsed();
    // How long depends on what else the machine does.
    eprintln!("a reset: {:.1}s", taken.as_secs_f64());
    assert_eq!(
        n1.script("cat /root/state; test -x /usr/local/bin/k3s")?,
        "first\n"
    );
    n1.reset(MADE)?;
    n1.start()?;
    assert_eq!(n1.script("ls /root")?, "");
    assert!(n1.reset("good").is_err(), "newer snapshots go with a reset");
    Ok(())
}

fn nothing_is_left_of_a_lab() -> Outcome {
    let before = Census::take();
    let lab = Lab::builder().servers(2).bare().boot()?;
    let during = Census::take();
    let more = during.more_than(&before);
    assert!(
        more.contains("process") && more.contains("group") && more.contains("file"),
        "the count sees a lab: {more}"
    );
    // One that is broken in the ways that could leave something.
    lab.machine("n1")?
        .script("mount -t tmpfs tmpfs /mnt; ip link add left type bridge; ip netns add left; sleep 1000 > /dev/null 2>&1 &")?;
    lab.machine("n2")?.kill()?;
    drop(lab);
    before.returns().map_err(Failed::from)
}

const ROUNDS: &str = "twenty_rounds_leave_nothing";

/// Up, broken, down, twenty times: each time another fault of those that one server can have, and never healed.
fn twenty_rounds_leave_nothing() -> Outcome {
    let before = Census::take();
    let faults: Vec<&Fault> = Fault::all().filter(|f| f.fits(1, false, 0)).collect();
    for round in 0..20 {
        let fault = faults
            .get(round % faults.len())
            .ok_or("there is no fault")?;
        let lab = Lab::builder().tell(|_| ()).boot()?;
        fault
            .inject(&lab, &mut |_| {})
            .map_err(|e| format!("{}: {e}", fault.name))?;
        drop(lab);
        before
            .returns()
            .map_err(|e| format!("after {}: {e}", fault.name))?;
        eprintln!("round {}: {}", round + 1, fault.name);
    }
    Ok(())
}

/// What the killed process does: it has a lab, says so, and waits for its end.
fn owner() -> ExitCode {
    let Ok(_lab) = Lab::builder().servers(2).bare().boot() else {
        return ExitCode::FAILURE;
    };
    std::thread::sleep(Duration::from_secs(600));
    ExitCode::SUCCESS
}

/// A process with a lab of two nodes, which are on.
fn owned_elsewhere() -> Result<(Owner, leftovers::Lab), Failed> {
    let owner = Owner::start()?;
    let pid = owner.pid();
    let found = wait_until("its nodes are on", PATIENCE, || {
        let labs = leftovers::list().map_err(|e| e.to_string())?;
        let own = labs.into_iter().find(|lab| lab.record.owner.pid == pid);
        let own = own.ok_or("no record yet")?;
        let lab = Lab::open(&own).map_err(|e| e.to_string())?;
        for machine in lab.machines() {
            let done = machine.inside(&["systemctl", "is-active", "ssh"]);
            if !done.map_err(|e| e.to_string())?.status.success() {
                return Err("no sshd yet".to_owned());
            }
        }
        Ok(own)
    })?;
    Ok((owner, found))
}

fn a_killed_owner_leaves_nothing() -> Outcome {
    let before = Census::take();
    let (mut owner, found) = owned_elsewhere()?;
    owner.kill()?;
    before.returns()?;
    assert!(!found.record.dir.exists() && !found.path.exists());
    Ok(())
}

/// Where the waiting shell was killed too, the record is enough for `lab down`.
fn down_removes_what_a_crash_left() -> Outcome {
    let before = Census::take();
    let (mut owner, found) = owned_elsewhere()?;
    let dir = found.record.dir.display().to_string();
    let shells: Vec<String> = fs::read_dir("/proc")?
        .flatten()
        .filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains("defib-lab-reaper") && line.contains(&dir)
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(shells.len(), 1, "one shell waits: {shells:?}");
    // The shell first, or it would be done before it is hit.
    Command::new("kill").arg("-KILL").args(&shells).status()?;
    owner.kill()?;
    let left = Census::take().more_than(&before);
    assert!(left.contains("file") && left.contains("group"), "{left}");
    let labs = leftovers::list()?;
    let own = labs.iter().find(|lab| lab.path == found.path);
    own.ok_or("the record is gone")?.remove()?;
    before.returns().map_err(Failed::from)
}
