//! What a person would collect from the hosts of a broken cluster, one folder of plain files.
//! Deliberately absent: what is only known because the lab knows it: the fault's name is in no file.

mod kernel;
mod pods;

use std::fs;
use std::path::Path;
use std::thread;

pub(super) use kernel::NOTE;

use crate::lab::LabError;
use crate::lab::cache::Programs;
use crate::lab::error::file;
use crate::lab::files::write_private;
use crate::lab::node::{Lab, Machine, Role};
use crate::lab::parts::KUBECTL;

/// How many questions run at once, on all nodes together.
const AT_ONCE: usize = 8;
/// A file per command and node: its name, and the command.
const COMMANDS: &[(&str, &str)] = &[
    ("journal-k3s", "journalctl -u k3s --no-pager -o short-iso"),
    (
        "journal-system",
        "journalctl --no-pager -o short-iso -n 3000 | grep -v ' k3s\\['",
    ),
    ("systemctl-status", "systemctl status --no-pager -l k3s"),
    (
        "systemctl-show",
        "systemctl show k3s -p ActiveState -p SubState -p Result -p NRestarts -p ExecMainCode -p ExecMainStatus -p MemoryMax",
    ),
    ("systemctl-failed", "systemctl --failed --no-pager"),
    ("etcdctl-member-list", "etcdctl member list -w table"),
    (
        "etcdctl-endpoint-status",
        "etcdctl endpoint status --cluster -w table",
    ),
    ("etcdctl-alarm-list", "etcdctl alarm list"),
    (
        "kubectl-get-nodes",
        "kubectl --request-timeout=10s get nodes -o wide",
    ),
    (
        "kubectl-describe-nodes",
        "kubectl --request-timeout=10s describe nodes",
    ),
    (
        "kubectl-get-pods",
        "kubectl --request-timeout=10s get pods -A -o wide",
    ),
    (
        "kubectl-get-events",
        "kubectl --request-timeout=10s get events -A",
    ),
    (
        "ls-server",
        "ls -lR --time-style=full-iso /var/lib/rancher/k3s/server /etc/rancher",
    ),
    ("df", "df -h; df -i"),
    ("fstab", "cat /etc/fstab"),
    ("mount", "findmnt -n -o TARGET,FSTYPE,VFS-OPTIONS"),
    ("ip", "ip address; ip route"),
    ("ss", "ss -ltnp"),
    ("nft", "nft list ruleset"),
    ("free", "free -m"),
    ("date", "date; uptime"),
    ("k3s-version", "k3s --version"),
    (
        "certificates",
        "cd /var/lib/rancher/k3s/server/tls; for f in *-ca.crt etcd/*.crt; do echo $f; openssl x509 -noout -subject -issuer -dates -fingerprint -in $f; done",
    ),
    (
        "kubeconfig-certificate",
        "kubectl config view --raw -o jsonpath='{.users[0].user.client-certificate-data}' | base64 -d | openssl x509 -noout -subject -issuer -dates",
    ),
    ("certificate-check", "k3s certificate check --output table"),
    (
        "config",
        "sed -E 's/^((agent-)?token): .*/\\1: <removed>/' /etc/rancher/k3s/config.yaml",
    ),
];

/// Collects from every node into a folder, which must be empty or not there.
///
/// # Errors
/// When the folder is in use, or can't be written.
pub fn record(lab: &Lab, out: &Path) -> Result<(), LabError> {
    fs::create_dir_all(out).map_err(file("create", out))?;
    let taken = fs::read_dir(out)
        .map_err(file("list", out))?
        .next()
        .is_some();
    if taken {
        return Err(file("use, as it is not empty,", out)(
            std::io::ErrorKind::AlreadyExists.into(),
        ));
    }
    let machines = lab.hosts();
    let mut on = Vec::new();
    for machine in &machines {
        // One that is off gives nothing, as in life.
        if machine.is_on()? {
            on.push(machine);
        }
    }
    // A question that nobody answers takes its time; nobody waits for one before asking the next.
    let mut asked = Vec::new();
    for machine in &on {
        asked.extend(
            commands(lab, machine)
                .into_iter()
                .map(|command| (*machine, command)),
        );
    }
    for some in asked.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|(machine, command)| scope.spawn(|| of_node(lab, machine, command, out)))
                .collect();
            let done = running.into_iter().map(|one| {
                one.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            done.collect::<Result<(), LabError>>()
        })?;
    }
    for machine in &on {
        let kernel = kernel::said(lab, machine)?;
        let name = format!("journal-kernel-{}.log", machine.name());
        write(lab, out, &name, &kernel)?;
    }
    if let (true, Some(server)) = (
        lab.plan().has_pods(),
        on.iter().find(|m| m.seat().role == Role::Server),
    ) {
        of_cluster(lab, server, out)?;
        of_operator(lab, server, out)?;
    }
    if let Some(machine) = on.first() {
        let mut text = String::new();
        for other in &machines {
            let address = other.address();
            text.push_str(&said(machine, &format!("ping -c 2 -W 2 {address}"))?);
        }
        write(
            lab,
            out,
            &format!("ping-from-{}.txt", machine.name()),
            &text,
        )?;
    }
    Ok(())
}

/// What only one server has to be asked for.
fn of_cluster(lab: &Lab, server: &Machine<'_>, out: &Path) -> Result<(), LabError> {
    for (name, command) in pods::CLUSTER {
        write(lab, out, &format!("{name}.txt"), &said(server, command)?)?;
    }
    // A failure leaves it empty, and the tables above say why.
    let commands = server.inside(&["timeout", "60", "sh", "-c", pods::CLOSER])?;
    for command in String::from_utf8_lossy(&commands.stdout).lines() {
        write(lab, out, &named_after(command), &said(server, command)?)?;
    }
    let done = server.inside(&["timeout", "60", "sh", "-c", pods::OBJECTS])?;
    if !done.stdout.is_empty() {
        let text = String::from_utf8_lossy(&done.stdout);
        write(lab, out, "objects.yaml", &text)?;
    }
    Ok(())
}

/// Where an operator who comes in by a way of his own has his kubeconfig, on the first server.
const WAY_IN: &str = "/root/way-in.yaml";

/// What the operator's terminal shows, on a machine that is none of the cluster's.
fn of_operator(lab: &Lab, server: &Machine<'_>, out: &Path) -> Result<(), LabError> {
    let way = server.inside(&["cat", WAY_IN])?;
    if !way.status.success() {
        return Ok(());
    }
    let folder = std::env::temp_dir();
    let folder = tempfile::tempdir_in(&folder).map_err(file("create a folder in", &folder))?;
    let kubeconfig = folder.path().join("config");
    write_private(&kubeconfig, &way.stdout)?;
    let kubectl = Programs::one(&KUBECTL, &mut |_| ())?;
    let mut text = String::new();
    for command in ["get nodes", "cluster-info"] {
        let mut asked = lab.command("timeout");
        asked.args(["--kill-after=5", "30"]).arg(&kubectl);
        asked
            .args(command.split(' '))
            .env("KUBECONFIG", &kubeconfig);
        let done = asked.output().map_err(|source| LabError::Spawn {
            program: "kubectl".into(),
            source,
        })?;
        let said = [done.stdout.as_slice(), done.stderr.as_slice()].concat();
        let said = String::from_utf8_lossy(&said);
        text.push_str(&format!("ops@desk:~$ kubectl {command}\n{said}"));
    }
    write(lab, out, "operator.txt", &text)
}

/// A file's name that says which command is in it.
fn named_after(command: &str) -> String {
    let words = command.split_ascii_whitespace();
    let told = words.filter(|word| !word.starts_with('-') || *word == "--previous");
    let words: Vec<&str> = told.map(|word| word.trim_start_matches('-')).collect();
    format!("{}.txt", words.join("-").replace('/', "_"))
}

/// The commands for a node: of a server, of a node that runs pods, or both.
fn commands(lab: &Lab, machine: &Machine<'_>) -> Vec<&'static (&'static str, &'static str)> {
    let server = machine.seat().role == Role::Server;
    let mut all: Vec<&(&str, &str)> = COMMANDS
        .iter()
        .filter(|(name, _)| server || pods::HOST.contains(name))
        .collect();
    if lab.plan().runs_pods(machine.seat()) {
        let have: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let wanted = |name: &str| !(have.contains(&name) || server && name == "journal-k3s-agent");
        all.extend(pods::NODE.iter().filter(|(name, _)| wanted(name)));
    }
    all
}

fn of_node(
    lab: &Lab,
    machine: &Machine<'_>,
    (name, command): &(&str, &str),
    out: &Path,
) -> Result<(), LabError> {
    let (suffix, text) = if name.starts_with("journal") {
        // A journal is only its lines: nobody adds a prompt.
        let done = machine.inside(&["timeout", "60", "sh", "-c", command])?;
        ("log", String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        ("txt", said(machine, command)?)
    };
    write(
        lab,
        out,
        &format!("{name}-{}.{suffix}", machine.name()),
        &text,
    )
}

/// What a terminal shows: the prompt, and both streams.
fn said(machine: &Machine<'_>, command: &str) -> Result<String, LabError> {
    let script = format!("{{ {command}; }} 2>&1");
    let done = machine.inside(&["timeout", "30", "sh", "-c", &script])?;
    let body = String::from_utf8_lossy(&done.stdout).into_owned();
    Ok(format!("root@{}:~# {command}\n{body}", machine.name()))
}

/// Writes a file; the token is in none of them, wherever it was printed.
fn write(lab: &Lab, out: &Path, name: &str, text: &str) -> Result<(), LabError> {
    let path = out.join(name);
    let text = text.replace(&lab.plan().token, "<removed>");
    fs::write(&path, text).map_err(file("write", &path))
}
