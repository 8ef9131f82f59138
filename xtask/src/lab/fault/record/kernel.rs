//! What a node's kernel says of processes that it killed for memory.
//!
//! The kernel is the machine's. Only lines of the node's own control group are a node's, and their paths begin at the
//! node, as on a host of its own. Deliberately absent: all else that the machine's kernel says; it is not the node's.

use std::collections::BTreeSet;
use std::process::Command;

use crate::lab::LabError;
use crate::lab::node::{Lab, Machine};

/// Where a node keeps the kernel's last line of before the fault.
pub(in crate::lab::fault) const NOTE: &str = "/root/.fault-began-kernel";

/// The lines since the fault began, as the node's own journal would have them.
pub(super) fn said(lab: &Lab, machine: &Machine<'_>) -> Result<String, LabError> {
    let before = machine.script(&format!("cat {NOTE} 2> /dev/null || true"))?;
    let name = lab.dir().file_name().unwrap_or_default().to_string_lossy();
    let timed = dmesg(&["--time-format", "iso"])?;
    let lines = own(
        &since(&dmesg(&[])?, &timed, before.trim()),
        &format!("/{name}/{}", machine.name()),
    );
    Ok(lines
        .lines()
        .map(|line| journaled(line, machine.name()))
        .collect())
}

/// `2026-03-10T11:00:01,123456+00:00 text` in the form of `journalctl -o short-iso`.
fn journaled(line: &str, node: &str) -> String {
    let (time, text) = line.split_once(' ').unwrap_or(("", line));
    let seconds = time.split(',').next().unwrap_or_default();
    let zone = time.get(time.len().saturating_sub(6)..).unwrap_or_default();
    format!("{seconds}{} {node} kernel: {text}\n", zone.replace(':', ""))
}

fn dmesg(arguments: &[&str]) -> Result<String, LabError> {
    let done = Command::new("dmesg")
        .args(arguments)
        .output()
        .map_err(|source| LabError::Spawn {
            program: "dmesg".into(),
            source,
        })?;
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// What comes behind a line of the first text, in the second: the same lines with their times for people. Those times
/// are too far from the clock's to be compared with it.
fn since(raw: &str, shown: &str, line: &str) -> String {
    let skipped = raw.lines().position(|l| !line.is_empty() && l == line);
    let later: Vec<&str> = shown.lines().skip(skipped.map_or(0, |at| at + 1)).collect();
    later.join("\n")
}

/// The lines about a control group and all below it.
fn own(text: &str, group: &str) -> String {
    let mut killed = BTreeSet::new();
    let mut out = String::new();
    for line in text.lines() {
        let ours = line.contains("oom-kill:") && line.contains(&format!("{group}/"));
        if ours && let Some(pid) = between(line, ",pid=", ",") {
            killed.insert(pid.to_owned());
        }
        let victim = between(line, "Killed process ", " ");
        if ours || victim.is_some_and(|pid| killed.remove(pid)) {
            out.push_str(&from_the_node(line, group));
            out.push('\n');
        }
    }
    out
}

/// Cuts what lies above the node out of each path.
fn from_the_node(line: &str, group: &str) -> String {
    let mut parts = line.split(group);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let above = out.rfind('=').map_or(0, |at| at + 1);
        out.truncate(above);
        out.push_str(part);
    }
    out
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    text.split_once(from)?.1.split(to).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nodes_own_kills_are_its() {
        let text = "[x] oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/a/lab/n1/system.slice/k3s.service,task_memcg=/a/lab/n1/system.slice/k3s.service,task=etcd,pid=7,uid=0\n[x] Memory cgroup out of memory: Killed process 7 (etcd) total-vm:1kB\n[y] oom-kill:oom_memcg=/a/lab/n2/x,task=etcd,pid=8,uid=0\n[y] Memory cgroup out of memory: Killed process 8 (etcd)\n[z] vda: something\n";
        assert_eq!(
            own(text, "/lab/n1"),
            "[x] oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/system.slice/k3s.service,task_memcg=/system.slice/k3s.service,task=etcd,pid=7,uid=0\n[x] Memory cgroup out of memory: Killed process 7 (etcd) total-vm:1kB\n"
        );
        assert_eq!(own(text, "/lab/n3"), "");
        assert_eq!(
            since("[1] a\n[2] b\n[3] c", "[x] a\n[y] b\n[z] c", "[2] b"),
            "[z] c"
        );
        assert_eq!(since("[1] a", "[x] a", ""), "[x] a");
        assert_eq!(
            journaled("2026-03-10T11:00:01,123456+00:00 oom-kill:x", "n1"),
            "2026-03-10T11:00:01+0000 n1 kernel: oom-kill:x\n"
        );
    }
}
