//! The steps that faults are made of, and how they are run.
//! Deliberately absent: choices; a step says which node and which command.

use std::fmt;
use std::time::Duration;

use crate::lab::node::{Lab, upgrade};
use crate::lab::{LabError, wait_until};

/// One thing that is done to a lab, or waited for.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// A script on one node, as root.
    On(&'static str, &'static str),
    /// The same on every server, one after the other.
    Each(&'static str),
    /// The node's power cord.
    Kill(&'static str),
    /// A shutdown.
    Stop(&'static str),
    /// The switch; k3s is not waited for.
    Start(&'static str),
    /// The clock of a node that is off, by so many seconds from the right time.
    Clock(&'static str, i64),
    /// An installation of the next release of k3s on a node; what runs there goes on until it is started again.
    Upgrade(&'static str),
    /// A snapshot of a node's disk, which is off.
    Keep(&'static str, &'static str),
    /// The disk as it was then; the node is off afterwards.
    Back(&'static str, &'static str),
    /// Until k3s on a node has logged a text since the fault began.
    Said {
        /// The node.
        node: &'static str,
        /// A part of the line.
        text: &'static str,
        /// How long at most.
        seconds: u64,
    },
    /// Until a script on a node succeeds.
    Until {
        /// The node.
        node: &'static str,
        /// The script.
        script: &'static str,
        /// How long at most.
        seconds: u64,
    },
}

impl Step {
    /// The one node that it is about.
    pub(super) fn node(&self) -> Option<&'static str> {
        match self {
            Self::On(node, _)
            | Self::Kill(node)
            | Self::Stop(node)
            | Self::Start(node)
            | Self::Clock(node, _)
            | Self::Upgrade(node)
            | Self::Keep(node, _)
            | Self::Back(node, _)
            | Self::Said { node, .. }
            | Self::Until { node, .. } => Some(node),
            Self::Each(_) => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(node, script) => write!(out, "{node}# {}", shown(script)),
            Self::Each(script) => write!(out, "each server# {}", shown(script)),
            Self::Kill(node) => write!(out, "pull the power cord of {node}"),
            Self::Stop(node) => write!(out, "shut {node} down"),
            Self::Start(node) => write!(out, "switch {node} on"),
            Self::Clock(node, 0) => write!(out, "set {node}'s clock right"),
            Self::Clock(node, seconds) => write!(
                out,
                "set {node}'s clock {} days {}",
                seconds.abs() / DAY,
                if *seconds < 0 { "back" } else { "ahead" }
            ),
            Self::Upgrade(node) => write!(out, "install the next release of k3s on {node}"),
            Self::Keep(node, label) => write!(out, "snapshot {node}'s disk as {label}"),
            Self::Back(node, label) => write!(out, "restore {node}'s disk from {label}"),
            Self::Said { node, text, .. } => {
                write!(out, "until {node}# journalctl -u 'k3s*' | grep -F '{text}'")
            }
            Self::Until { node, script, .. } => write!(out, "until {node}# {}", shown(script)),
        }
    }
}

/// Removes a node's member, asked on another node. `etcdctl member list` prints id, state, name, addresses, learner;
/// etcd refuses changes of its members for the first seconds after one came back, so it is asked again. The list comes
/// first: in a pipe its failure would look like a member that is gone.
macro_rules! remove_member {
    ($asked:literal, $node:literal) => {
        $crate::lab::fault::Step::Until {
            node: $asked,
            script: concat!(
                "list=$(etcdctl member list)\nid=$(echo \"$list\" | awk -F', ' '$3 ~ /^",
                $node,
                "-/ { print $1 }')\n[ -z \"$id\" ] || etcdctl member remove \"$id\""
            ),
            seconds: 60,
        }
    };
}
pub(super) use remove_member;

/// A day, in seconds.
pub(super) const DAY: i64 = 86_400;

/// The last words of k3s on a host, for an error.
const JOURNALS_END: &str = "journalctl -u 'k3s*' -o cat --no-pager -n 4 | cut -c1-300";

/// A script of several lines, indented.
fn shown(script: &str) -> String {
    script.trim().replace('\n', "\n      ")
}

/// The note of when a fault began, on every node that is on.
pub(super) fn begin(lab: &Lab) -> Result<(), LabError> {
    for machine in lab.machines() {
        if machine.is_on()? {
            let note = super::record::NOTE;
            machine.script(&format!(
                "date +%s > /root/.fault-began\ndmesg -S | tail -n 1 > {note}"
            ))?;
        }
    }
    Ok(())
}

/// Throws away what the journals hold; k3s goes on, so its start is not in them either.
pub(super) fn forget(lab: &Lab) -> Result<(), LabError> {
    for machine in lab.machines() {
        machine.script("journalctl --quiet --rotate\njournalctl --quiet --vacuum-files=1\nlog=/var/lib/rancher/k3s/agent/containerd/containerd.log\n[ ! -e \"$log\" ] || : > \"$log\"")?;
    }
    if let (true, Some(server)) = (lab.plan().has_pods(), lab.servers().first()) {
        // A pod's log can't be begun anew; the pod can.
        server.script("kubectl -n kube-system delete pod -l k8s-app=kube-dns --grace-period=1")?;
        lab.await_pods()?;
        server.script("kubectl delete events --all --all-namespaces")?;
    }
    Ok(())
}

/// Runs one step; `tell` gets a line before.
///
/// # Errors
/// When it fails or does not come true in time.
pub fn run(lab: &Lab, step: &Step, tell: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    tell(&step.to_string());
    match step {
        Step::On(node, script) => lab.machine(node)?.script(script).map(|_| ()),
        Step::Each(script) => {
            for machine in lab.servers() {
                machine.script(script)?;
            }
            Ok(())
        }
        Step::Kill(node) => lab.machine(node)?.kill(),
        Step::Stop(node) => lab.machine(node)?.stop(),
        Step::Start(node) => lab.machine(node)?.start(),
        Step::Clock(node, seconds) => lab.machine(node)?.set_clock(*seconds),
        Step::Upgrade(node) => upgrade(&lab.machine(node)?, tell),
        Step::Keep(node, label) => lab.machine(node)?.snapshot(label),
        Step::Back(node, label) => lab.machine(node)?.reset(label),
        Step::Said {
            node,
            text,
            seconds,
        } => {
            // The text is an argument: quotes in it are its own.
            let script = "journalctl -u 'k3s*' -o cat --no-pager --since \"@$(cat /root/.fault-began 2> /dev/null || echo 0)\" | grep -qF -- \"$1\"";
            until(
                lab,
                step,
                node,
                *seconds,
                &["sh", "-c", script, "said", text],
            )
        }
        Step::Until {
            node,
            script,
            seconds,
        } => until(lab, step, node, *seconds, &["sh", "-euc", script]),
    }
}

fn until(
    lab: &Lab,
    step: &Step,
    node: &str,
    seconds: u64,
    command: &[&str],
) -> Result<(), LabError> {
    let machine = lab.machine(node)?;
    let what = step.to_string();
    // A look that does not come back must not outlast the wait.
    let limit = seconds.to_string();
    let mut look = vec!["timeout", "--kill-after=10", &limit];
    look.extend(command);
    wait_until(
        what.trim_start_matches("until "),
        Duration::from_secs(seconds),
        || {
            let done = machine.inside(&look).map_err(|e| e.to_string())?;
            if done.status.success() {
                return Ok(());
            }
            // A question to a cluster is not asked more often than a person would.
            std::thread::sleep(Duration::from_millis(500));
            let last = machine.script(JOURNALS_END).unwrap_or_default();
            let said = [done.stderr.as_slice(), done.stdout.as_slice()].concat();
            Err(format!(
                "{}; the journal ends: {last}",
                String::from_utf8_lossy(&said).trim()
            ))
        },
    )
}

/// Waits until every server's k3s is up and etcd has just these members, all voting and healthy.
///
/// # Errors
/// When that does not come true.
pub fn settled(lab: &Lab) -> Result<(), LabError> {
    let servers = lab.servers();
    let names: Vec<&str> = servers.iter().map(|machine| machine.host()).collect();
    let mut wanted: Vec<String> = names.iter().map(|name| format!("{name} false")).collect();
    wanted.sort();
    for machine in &servers {
        let up = ["systemctl", "is-active", machine.unit()];
        wait_until(
            &format!("k3s is up on {}", machine.name()),
            Duration::from_secs(120),
            || {
                let done = machine.inside(&up).map_err(|e| e.to_string())?;
                if done.status.success() {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(500));
                Err(machine.script(JOURNALS_END).unwrap_or_default())
            },
        )?;
        if lab.plan().sqlite {
            continue;
        }
        let list = "etcdctl member list -w json | jq -r '.members[] | \"\\(.name | sub(\"-[0-9a-f]{8}$\"; \"\")) \\(.isLearner // false)\"' | sort; etcdctl endpoint health >&2";
        wait_until(
            &format!("etcd on {} has its members", machine.name()),
            Duration::from_secs(120),
            || {
                let said = machine.script(list).map_err(|error| {
                    std::thread::sleep(Duration::from_millis(500));
                    error.to_string()
                })?;
                if said.lines().eq(wanted.iter().map(String::as_str)) {
                    Ok(())
                } else {
                    std::thread::sleep(Duration::from_millis(500));
                    Err(said)
                }
            },
        )?;
    }
    if lab.plan().has_pods() {
        lab.await_pods()?;
    }
    Ok(())
}
