//! What is done to all nodes at once: a cluster has one state, spread over its servers.
//! Deliberately absent: the same for some of them. A server put back alone has forgotten what it told the others,
//! and etcd dies of it; that is a fault and not a reset.

use std::thread;

use super::lab::Lab;
use super::machine::Machine;
use crate::lab::LabError;

impl Lab {
    /// Shuts all nodes down.
    ///
    /// # Errors
    /// When one does not go.
    pub fn stop(&self) -> Result<(), LabError> {
        self.each(|machine| machine.stop())
    }

    /// Pulls all power cords.
    ///
    /// # Errors
    /// When one does not go.
    pub fn kill(&self) -> Result<(), LabError> {
        self.each(|machine| machine.kill())
    }

    /// Switches all nodes on; k3s, where it is enabled, is not waited for.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start(&self) -> Result<(), LabError> {
        self.each(|machine| machine.start())
    }

    /// Shuts all nodes down, keeps what they have under a name, and switches them on.
    ///
    /// # Errors
    /// When one does not go or come, or the name is taken.
    pub fn snapshot(&self, label: &str) -> Result<(), LabError> {
        self.stop()?;
        self.each(|machine| machine.snapshot(label))?;
        self.start()
    }

    /// Puts all nodes back to a snapshot and switches them on.
    ///
    /// # Errors
    /// When one has no such snapshot or does not come up.
    pub fn reset(&self, label: &str) -> Result<(), LabError> {
        self.each(|machine| machine.reset(label))?;
        self.start()
    }

    /// The first error of several, if any.
    fn each(
        &self,
        work: impl Fn(&Machine<'_>) -> Result<(), LabError> + Sync,
    ) -> Result<(), LabError> {
        let machines = self.machines();
        thread::scope(|scope| {
            let running: Vec<_> = machines
                .iter()
                .map(|machine| scope.spawn(|| work(machine)))
                .collect();
            running
                .into_iter()
                .map(|one| {
                    one.join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect::<Result<Vec<()>, _>>()
                .map(|_| ())
        })
    }
}
