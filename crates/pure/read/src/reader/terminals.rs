//! Lines of logs that somebody let a terminal show: they are of the host that the prompt names, where they name none.
//!
//! Deliberately absent: commands that ask another machine (`ssh`, `kubectl`, `etcdctl`), and files that were copied from
//! one: they lie below no folder that programs write to.

use std::collections::BTreeMap;

use defib_model::fact::{Fact, Value};

use crate::scan::Scanned;

/// Programs that speak of the host on which they run.
const OWN: &[&str] = &[
    "containerd",
    "crictl",
    "dmesg",
    "etcd",
    "journalctl",
    "k3s",
    "rke2",
    "systemctl",
];
/// Words that lead them elsewhere.
const ELSEWHERE: &[&str] = &[
    "kubectl",
    "--file",
    "-D",
    "--directory",
    "-H",
    "--host",
    "-M",
    "--machine",
];
/// Programs that show what files hold.
const READERS: &[&str] = &[
    "awk", "cat", "egrep", "grep", "head", "less", "more", "sed", "tail", "zcat", "zgrep",
];
/// Where programs of a host write.
const WRITTEN: &[&str] = &["/var/", "/run/"];

/// Gives the host of the prompt to what was heard below it without one.
pub(super) fn name_hosts(facts: &[Fact], scanned: &mut [Scanned]) {
    let mut ran: BTreeMap<u32, Vec<(u64, &str)>> = BTreeMap::new();
    for fact in facts {
        if let Value::Ran(words) = &fact.value {
            let host = if is_own(words) { &fact.host } else { "" };
            ran.entry(fact.entry).or_default().push((fact.line, host));
        }
    }
    for commands in ran.values_mut() {
        commands.sort_unstable();
    }
    let hits = scanned.iter_mut().flat_map(|s| &mut s.hits);
    let nobodys = hits.filter(|h| h.host.is_empty() && h.entity.is_none() && !h.event);
    for hit in nobodys {
        let Some(commands) = ran.get(&hit.entry) else {
            continue;
        };
        let (Some(first), last) = (hit.lines.first().map(|l| l.line), hit.last_line) else {
            continue;
        };
        let begin = commands.partition_point(|(line, _)| *line < first);
        let end = commands.partition_point(|(line, _)| *line < last);
        let Some((_, host)) = begin.checked_sub(1).and_then(|i| commands.get(i)) else {
            continue;
        };
        // Of what several hosts say it is not known which one says it last.
        let between = commands.get(begin..end).unwrap_or_default();
        if between.iter().all(|(_, other)| other == host) {
            (*host).clone_into(&mut hit.host);
        }
    }
}

/// Does this show what the host itself wrote, or says?
fn is_own(words: &[String]) -> bool {
    let mut words = words.iter().map(String::as_str);
    let Some(program) = words.find(|w| *w != "sudo") else {
        return false;
    };
    let program = program.rsplit('/').next().unwrap_or_default();
    let mut asked = words.take_while(|w| *w != "|");
    if OWN.contains(&program) {
        // k3s has kubectl in it; journals of other machines are read from their files, and systemd asks others by name.
        return !asked.any(|w| {
            let option = w.split('=').next().unwrap_or_default();
            ELSEWHERE.contains(&option)
        });
    }
    let is_written = |w: &str| WRITTEN.iter().any(|folder| w.starts_with(folder));
    READERS.contains(&program) && asked.any(is_written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_of_its_own_host() {
        let own = |line: &str| is_own(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in [
            "tail -n 50 /var/lib/rancher/k3s/agent/containerd/containerd.log",
            "sudo journalctl -u k3s",
            "/usr/local/bin/k3s server --cluster-reset",
            "grep -i panic /var/log/syslog",
        ] {
            assert!(own(line), "{line}");
        }
        for line in [
            "cat n3/containerd.log",
            "ssh n3 journalctl -u k3s",
            "kubectl logs -n kube-system coredns",
            "k3s kubectl logs -n kube-system coredns",
            "journalctl --file n3.journal",
            "journalctl --directory=/evidence/n3",
            "systemctl -H n3 status k3s",
            "etcdctl endpoint health --cluster",
            "sudo",
        ] {
            assert!(!own(line), "{line}");
        }
    }
}
