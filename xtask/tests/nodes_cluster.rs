//! k3s on nodes: three servers come up, faults show and heal, and the machine is as it was before.
//!
//! One fault of each family is chosen by a seed, which is printed; `LAB_SEED=N` repeats a choice and
//! `LAB_FAULTS=all` (or names with commas between) runs others. Every recording is given to `diagnose`, which has to
//! name the fault's class and no other. Deliberately absent: how a fault is done (`xtask::lab::fault`).
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips"
)]

mod census;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use census::Census;
use defib_session::{Options, Source};
use libtest_mimic::{Arguments, Failed, Trial};
use xtask::lab::fault::{Family, Fault, record, settled};
use xtask::lab::node::{Lab, unavailable};
use xtask::lab::wait_until;

type Outcome = Result<(), Failed>;
type Test = (&'static str, fn() -> Outcome);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two clusters at once only make each other late, and the machine is counted.
    arguments.test_threads = Some(1);
    let unavailable = unavailable();
    if let (Some(reason), false) = (&unavailable, arguments.list) {
        eprintln!("skipped: no nodes can run here: {reason}");
    }
    let tests: [Test; 3] = [
        (
            "three_servers_are_broken_and_healed",
            three_servers_are_broken_and_healed,
        ),
        (
            "one_server_keeps_its_data_in_sqlite",
            one_server_keeps_its_data_in_sqlite,
        ),
        (
            "an_uninstall_leaves_what_k3s_leaves",
            an_uninstall_leaves_what_k3s_leaves,
        ),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, run)| Trial::test(name, run).with_ignored_flag(unavailable.is_some()))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The faults to run on three servers.
fn chosen() -> Result<Vec<&'static Fault>, Failed> {
    let fits: Vec<&Fault> = Fault::all().filter(|f| f.servers.contains(&3)).collect();
    match std::env::var("LAB_FAULTS").as_deref() {
        Ok("all") => return Ok(fits),
        Err(_) if std::env::var_os("DEFIB_FULL").is_some() => return Ok(fits),
        Ok(names) => {
            let named: Result<Vec<_>, _> = names.split(',').map(Fault::named).collect();
            return Ok(named?);
        }
        Err(_) => {}
    }
    let seed = match std::env::var("LAB_SEED") {
        Ok(text) => text.parse()?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    eprintln!("LAB_SEED={seed}");
    let families = [
        Family::Membership,
        Family::Identity,
        Family::Datastore,
        Family::Host,
        Family::Network,
    ];
    let mut faults = Vec::new();
    for (place, family) in families.into_iter().enumerate() {
        let own: Vec<&&Fault> = fits.iter().filter(|f| f.family == family).collect();
        // Another prime per family, so that one seed does not choose the same place in each.
        let stride = [7_919, 104_729, 1_299_709, 15_485_863, 179_424_673][place];
        let index = usize::try_from(seed.wrapping_mul(stride) >> 8)? % own.len();
        faults.push(*own[index]);
    }
    Ok(faults)
}

fn three_servers_are_broken_and_healed() -> Outcome {
    let faults = chosen()?;
    // What is built or fetched is another matter, and counted elsewhere.
    drop(Lab::builder().bare().boot()?);
    let before = Census::take();
    let begun = Instant::now();
    let lab = Lab::builder().servers(3).boot()?;
    settled(&lab)?;
    eprintln!("three servers up: {:.0}s", begun.elapsed().as_secs_f64());
    let mut secrets = vec!["PRIVATE KEY".to_owned(), "defib-lab-".to_owned()];
    for machine in lab.machines() {
        let password = machine.script("cat /etc/rancher/node/password")?;
        assert!(password.trim().len() >= 16, "{}", machine.name());
        secrets.push(password.trim().to_owned());
    }

    let folder = tempfile::tempdir()?;
    let well = folder.path().join("well");
    record(&lab, &well)?;
    assert_eq!(causes(&well)?, Vec::<String>::new(), "nothing is wrong");
    for fault in faults {
        let begun = Instant::now();
        fault
            .inject(&lab, &mut |_| {})
            .map_err(|e| format!("{}: {e}", fault.name))?;
        let broken = begun.elapsed();
        let out = folder.path().join(fault.name);
        record(&lab, &out)?;
        looks_collected(&lab, &out, &secrets)?;
        is_named(fault, &out)?;
        let begun = Instant::now();
        fault
            .heal(&lab, &mut |_| {})
            .map_err(|e| format!("{}: {e}", fault.name))?;
        eprintln!(
            "{}: shown after {:.0}s, healed in {:.0}s",
            fault.name,
            broken.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        );
    }
    drop(lab);
    same_as(&before)
}

/// The classes of the root causes that are named for a recording.
fn causes(recording: &Path) -> Result<Vec<String>, Failed> {
    let sources = [Source::Path(recording.to_owned())];
    let report = defib_session::diagnose(
        &sources,
        &Options::default(),
        &mut std::io::empty(),
        &mut |_| {},
    )?;
    Ok(report.root_causes.into_iter().map(|c| c.class).collect())
}

/// What holds of a cluster that has lost a server for whatever reason, and is no wrong answer.
const STATES: &[&str] = &["etcd-member-down", "etcd-quorum-loss", "host-down"];

/// The recording of a fault is named by its class, and by no other. Without the lines that the stand-in itself wrote
/// it may not be named, and is not named wrongly.
fn is_named(fault: &Fault, recording: &Path) -> Outcome {
    let right = |class: &String| fault.classes.contains(&class.as_str());
    let named = causes(recording)?;
    assert!(named.iter().all(right), "{}: {named:?}", fault.name);
    assert_eq!(named.is_empty(), fault.classes.is_empty(), "{}", fault.name);
    let silent = recording.with_extension("silent");
    fs::create_dir(&silent)?;
    for entry in fs::read_dir(recording)? {
        let entry = entry?;
        // Own lines are logrus', as k3s' are; a verb of its own is no journal at all.
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("certificate-check")
        {
            continue;
        }
        let text = fs::read_to_string(entry.path())?;
        let is_own = |line: &&str| line.contains("time=\"") && line.contains("level=");
        let others: Vec<&str> = text.lines().filter(|line| !is_own(line)).collect();
        fs::write(silent.join(entry.file_name()), others.join("\n"))?;
    }
    let without = causes(&silent)?;
    let may = |class: &String| right(class) || STATES.contains(&class.as_str());
    assert!(without.iter().all(may), "{}: {without:?}", fault.name);
    let confirmed = without.iter().any(right);
    eprintln!(
        "{}: {named:?}{}",
        fault.name,
        if confirmed || fault.classes.is_empty() {
            ""
        } else {
            ", unconfirmed without its own lines"
        }
    );
    Ok(())
}

/// Every node that is on has its journal and its terminals, and nothing tells a key, a node's password or the lab. The
/// token proves nothing here: it is taken out of every file as it is written.
fn looks_collected(lab: &Lab, out: &Path, secrets: &[String]) -> Outcome {
    let mut lines = 0;
    for machine in lab.machines() {
        let journal = out.join(format!("journal-k3s-{}.log", machine.name()));
        assert_eq!(journal.is_file(), machine.is_on()?, "{}", journal.display());
        if journal.is_file() {
            let text = fs::read_to_string(&journal)?;
            lines += text.lines().filter(|line| line.contains(" k3s[")).count();
        }
    }
    assert!(lines > 0, "{} tells nothing", out.display());
    for entry in fs::read_dir(out)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        for secret in secrets {
            assert!(!text.contains(secret), "{} has {secret}", path.display());
        }
    }
    Ok(())
}

fn same_as(before: &Census) -> Outcome {
    wait_until(
        "all is as it was before",
        Duration::from_secs(30),
        || match Census::take().more_than(before) {
            more if more.is_empty() => Ok(()),
            more => Err(more),
        },
    )?;
    Ok(())
}

fn one_server_keeps_its_data_in_sqlite() -> Outcome {
    let lab = Lab::builder().sqlite(true).boot()?;
    let n1 = lab.machine("n1")?;
    let rows = n1.script(
        "sqlite3 /var/lib/rancher/k3s/server/db/state.db \"select count(*) from kine where name like '/registry/namespaces/%'\"",
    )?;
    assert!(rows.trim().parse::<u32>()? >= 4, "{rows}");
    n1.script("test ! -d /var/lib/rancher/k3s/server/db/etcd/member")?;
    // The same after the power cord.
    n1.kill()?;
    n1.start()?;
    settled(&lab)?;
    n1.script("kubectl get namespace kube-system")?;
    Ok(())
}

/// A script that succeeds only if a command fails: `set -e` takes no notice of a line that begins with `!`.
fn fails(command: &str) -> String {
    format!("if {command}; then echo 'this should have failed' >&2; exit 1; fi")
}

/// Section 1.4 of the facts: what goes, and what stays.
fn an_uninstall_leaves_what_k3s_leaves() -> Outcome {
    let lab = Lab::builder().boot()?;
    let n1 = lab.machine("n1")?;
    n1.script("mkdir -p /var/log/pods /var/lib/kubelet/pods/x /var/lib/cni/networks/cbr0 /run/k3s/mounted\nmount -t tmpfs tmpfs /run/k3s/mounted\nmkdir -p /var/lib/rancher/k3s/storage/disk\nmount -t tmpfs tmpfs /var/lib/rancher/k3s/storage/disk\ntouch /var/lib/rancher/k3s/storage/disk/kept\nip link add cni0 type bridge\niptables -N KUBE-LAB\niptables -A INPUT -j KUBE-LAB\niptables -N OWN-LAB")?;
    n1.script("k3s-killall.sh")?;
    for ended in [
        "systemctl is-active --quiet k3s",
        "pgrep -x etcd",
        "mountpoint -q /run/k3s/mounted",
        "ip link show cni0",
        "iptables-save | grep KUBE-",
    ] {
        n1.script(&fails(ended))?;
    }
    n1.script("test ! -e /var/lib/cni\niptables-save | grep -q OWN-LAB\ntest -d /var/lib/rancher/k3s/server/db\ntest -e /etc/systemd/system/k3s.service")?;
    n1.script("k3s-uninstall.sh")?;
    n1.script("test ! -e /etc/systemd/system/k3s.service\ntest ! -e /etc/systemd/system/k3s.service.env\ntest ! -e /var/lib/rancher/k3s/server\ntest ! -e /etc/rancher/k3s\ntest ! -e /var/lib/kubelet\ntest ! -e /usr/local/bin/k3s\ntest ! -e /usr/local/bin/kubectl\ntest ! -e /usr/local/bin/k3s-killall.sh\ntest ! -e /usr/local/bin/k3s-uninstall.sh\n# What stays.\ntest -s /etc/rancher/node/password\ntest -d /var/log/pods\ntest -e /var/lib/rancher/k3s/storage/disk/kept")?;
    Ok(())
}
