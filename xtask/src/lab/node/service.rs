//! k3s on a node, as a person handles it: with systemctl.
//! Deliberately absent: looking into the cluster; kubectl on the node does that.

use super::image;
use super::machine::Machine;
use crate::lab::LabError;

/// How long a start may take before it is given up. A real first start takes half a minute.
const START: u32 = 240;

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
