//! k3s on a node: a datastore of SQLite survives the power cord, and an uninstall leaves what k3s leaves.
//! Deliberately absent: faults, and labs of several servers (`nodes_faults`).
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips"
)]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use xtask::lab::fault::settled;
use xtask::lab::node::{Lab, unavailable};

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
    let tests: [Test; 2] = [
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
