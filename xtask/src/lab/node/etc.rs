//! What makes one node itself: names, keys, and the settings of its k3s.
//! Deliberately absent: what all nodes share; see `image`.

use std::path::Path;

use super::ground::GATEWAY;
use super::image::put;
use super::keys::Keys;
use super::open::{Plan, Role, Seat};
use crate::lab::LabError;

/// Fills a node's lowest own layer.
pub(super) fn fill(
    layer: &Path,
    plan: &Plan,
    seat: &Seat,
    keys: &Keys,
    machine_id: &str,
) -> Result<(), LabError> {
    put(layer, "etc/hostname", 0o644, &format!("{}\n", seat.host))?;
    put(layer, "etc/hosts", 0o644, &hosts(plan))?;
    put(layer, "etc/machine-id", 0o444, &format!("{machine_id}\n"))?;
    let resolver = if plan.has_pods() {
        format!("nameserver {GATEWAY}\n")
    } else {
        "# Nothing resolves outside.\n".to_owned()
    };
    put(layer, "etc/resolv.conf", 0o644, &resolver)?;
    if plan.runs_pods(seat) {
        // Pods outlive k3s, and a shell in one takes no notice of SIGTERM: a shutdown would wait for it for 90 s.
        let manager = "[Manager]\nDefaultTimeoutStopSec=20s\n";
        put(layer, "etc/systemd/system.conf.d/lab.conf", 0o644, manager)?;
    }
    put(
        layer,
        "root/.ssh/authorized_keys",
        0o600,
        &keys.read("id.pub")?,
    )?;
    put(
        layer,
        "etc/ssh/ssh_host_ed25519_key",
        0o600,
        &keys.read("host")?,
    )?;
    if seat.role == Role::Hypervisor {
        return Ok(());
    }
    put(
        layer,
        "etc/rancher/k3s/config.yaml",
        0o600,
        &config(plan, seat),
    )
}

fn hosts(plan: &Plan) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for seat in &plan.seats {
        text.push_str(&format!("{} {}", seat.address, seat.host));
        if seat.host != seat.name {
            text.push_str(&format!(" {}", seat.name));
        }
        text.push('\n');
    }
    text
}

/// The settings as a person writes them: the first server begins the cluster, the others are told where it is.
pub(super) fn config(plan: &Plan, seat: &Seat) -> String {
    let first = plan.seats.first();
    let mut lines = Vec::new();
    match first {
        Some(first) if first.name != seat.name => {
            lines.push(format!("server: https://{}:6443", first.address));
        }
        _ if !plan.sqlite => lines.push("cluster-init: true".to_owned()),
        _ => {}
    }
    lines.push(format!("token: {}", plan.token));
    lines.push(format!("node-name: {}", seat.host));
    lines.push(format!("node-ip: {}", seat.address));
    if seat.role == Role::Server {
        if !plan.runs_pods(seat) {
            lines.push("disable-agent: true".to_owned());
        }
        lines.push("write-kubeconfig-mode: \"0600\"".to_owned());
    }
    if plan.runs_pods(seat) {
        // A node's disk is an overlay, which can't carry another one.
        lines.push("snapshotter: native".to_owned());
        // The disk that the kubelet sees is the machine's: how full that is must not cost a node its images.
        lines.push("kubelet-arg:".to_owned());
        lines.push("- image-gc-high-threshold=100".to_owned());
        lines.push("- eviction-hard=nodefs.available<1%,imagefs.available<1%".to_owned());
        if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            lines.push("- fail-cgroupv1=false".to_owned());
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_server_begins_a_cluster() {
        let plan = Plan::new(2, 1, false, "secret".into());
        let texts: Vec<String> = plan.seats.iter().map(|s| config(&plan, s)).collect();
        assert!(texts[0].starts_with("cluster-init: true\ntoken: secret\n"));
        assert!(texts[1].starts_with("server: https://198.51.100.11:6443\n"));
        assert!(!texts[1].contains("cluster-init"));
        assert!(texts[2].contains("node-ip: 198.51.100.13") && !texts[2].contains("disable-agent"));
        assert!(
            texts[0].contains("disable-agent: true") && texts[2].contains("snapshotter: native")
        );
        let mut nodes = Plan::new(1, 0, false, "secret".into());
        assert!(!nodes.has_pods());
        nodes.server_nodes = true;
        assert!(nodes.has_pods() && !config(&nodes, &nodes.seats[0]).contains("disable-agent"));
        let sqlite = Plan::new(1, 0, true, "secret".into());
        assert!(!config(&sqlite, &sqlite.seats[0]).contains("cluster-init"));
    }
}
