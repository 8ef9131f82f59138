//! k3s on a node, as a person handles it: with systemctl.
//! Deliberately absent: looking into the cluster; kubectl on the node does that.

use std::time::Duration;

use super::image;
use super::lab::Lab;
use super::machine::Machine;
use crate::lab::{LabError, wait_until};

/// How long a start may take before it is given up. A real first start takes half a minute.
const START: u32 = 240;

/// How long nodes and the cluster's DNS may take to be Ready.
const PODS: Duration = Duration::from_secs(240);

impl Lab {
    /// Waits until every node that runs pods is Ready, and the cluster's DNS answers.
    ///
    /// # Errors
    /// When that does not come true; nodes and pods are shown.
    pub fn await_pods(&self) -> Result<(), LabError> {
        let nodes: Vec<&str> = self
            .plan
            .seats
            .iter()
            .filter(|seat| self.plan.runs_pods(seat))
            .map(|seat| seat.host.as_str())
            .collect();
        let script = format!(
            "kubectl wait --for=condition=Ready --timeout=5s node {}\nkubectl -n kube-system rollout status --timeout=5s deployment/coredns",
            nodes.join(" ")
        );
        let servers = self.servers();
        let Some(asked) = servers.first() else {
            return Ok(());
        };
        wait_until("nodes and the cluster's DNS are Ready", PODS, || {
            asked.script(&script).map(|_| ()).map_err(|error| {
                let look = "kubectl get nodes,pods -A -o wide; kubectl get events -A | tail -n 5";
                format!("{error}\n{}", asked.script(look).unwrap_or_default())
            })
        })
    }
}

impl Machine<'_> {
    /// The name of its unit.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        image::unit(self.seat.role)
    }

    /// Enables and starts k3s; returns when it says that it is up.
    ///
    /// # Errors
    /// When it does not come up; the end of its journal is shown.
    pub fn start_k3s(&self) -> Result<(), LabError> {
        let unit = self.unit();
        let script = format!(
            "systemctl enable --quiet {unit}; timeout {START} systemctl start {unit} || {{ echo \"the end of the journal of {unit}:\"; journalctl -u {unit} -n 12 --no-pager -o cat; exit 1; }} >&2"
        );
        self.script(&script).map(|_| ())
    }

    /// Stops k3s.
    ///
    /// # Errors
    /// When systemd refuses.
    pub fn stop_k3s(&self) -> Result<(), LabError> {
        self.script(&format!("systemctl stop {}", self.unit()))
            .map(|_| ())
    }
}
