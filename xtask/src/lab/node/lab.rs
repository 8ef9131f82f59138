//! A lab of nodes that exists, and its end.
//! Deliberately absent: how it comes to be; see `builder`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::builder::{Builder, random};
use super::ground::Ground;
use super::keys::Keys;
use super::machine::Machine;
use super::open::{Plan, Role, Seat};
use super::{cgroups, etc, image, shape, switch};
use crate::lab::LabError;
use crate::lab::error::file;
use crate::lab::leftovers;
use crate::lab::reaper::Reaper;

/// The name of the snapshot that every node has: as it was made.
pub const MADE: &str = "made";

/// Hosts with k3s on a network of their own. Dropping it ends and removes all of it, unless it was to stay.
#[derive(Debug)]
pub struct Lab {
    pub(super) plan: Plan,
    pub(super) dir: PathBuf,
    pub(super) groups: Vec<PathBuf>,
    // Declared before the reaper: processes must end before their folder.
    pub(super) ground: Ground,
    pub(super) reaper: Option<Reaper>,
}

impl Lab {
    /// Starts to describe one.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// One that runs, to go on with; it stays when this is dropped.
    ///
    /// # Errors
    /// When it does not run or holds no nodes.
    pub fn open(found: &leftovers::Lab) -> Result<Self, LabError> {
        let dir = found.record.dir.clone();
        let gone = || {
            LabError::NoNodes(format!(
                "{} holds no running nodes; `cargo xtask lab status` lists labs",
                found.record.dir.display()
            ))
        };
        if !Plan::is_in(&dir) || !found.owned {
            return Err(gone());
        }
        Ok(Self {
            plan: Plan::read(&dir)?,
            ground: Ground::recorded(&found.running).ok_or_else(gone)?,
            groups: found.record.groups.clone(),
            dir,
            reaper: None,
        })
    }

    pub(super) fn fill(
        &mut self,
        root: &Path,
        k3s: &Path,
        images: &[PathBuf],
    ) -> Result<(), LabError> {
        let names: Vec<(String, String)> = self
            .plan
            .seats
            .iter()
            .map(|seat| (seat.name.clone(), seat.address.clone()))
            .collect();
        let keys = Keys::make(&self.dir, &names)?;
        let shared = self.dir.join("k3s");
        fs::create_dir(&shared).map_err(file("create", &shared))?;
        let parts: Vec<&str> = self
            .plan
            .binds
            .iter()
            .filter_map(|(_, to)| to.rsplit('/').next())
            .collect();
        image::fill(&shared, k3s, &parts)?;
        self.plan.lower = vec![shared, root.to_owned()];
        switch::write(&self.dir)?;
        for seat in &self.plan.seats {
            let own = self.dir.join("nodes").join(&seat.name);
            let layer = own.join(format!("layers/000-{MADE}"));
            for folder in [&layer, &own.join("upper")] {
                fs::create_dir_all(folder).map_err(file("create", folder))?;
            }
            image::install(&layer, seat.role, "")?;
            if self.plan.runs_pods(seat) {
                image::give_images(&layer, images)?;
            }
            etc::fill(&layer, &self.plan, seat, &keys, &random(16)?)?;
            shape::fill(&layer, &self.plan, seat)?;
            let own_binds = shape::binds(&self.dir, &self.plan, seat);
            switch::describe(&own, &self.plan, seat, &self.groups, own_binds)?;
        }
        self.plan.write(&self.dir)
    }

    /// The lab's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it is made of.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its nodes, servers first; where there is a hypervisor it is the last.
    #[must_use]
    pub fn machines(&self) -> Vec<Machine<'_>> {
        self.plan.seats.iter().map(|seat| self.at(seat)).collect()
    }

    /// Its hosts: nodes that have a k3s.
    #[must_use]
    pub fn hosts(&self) -> Vec<Machine<'_>> {
        let mut machines = self.machines();
        machines.retain(|machine| machine.seat().role != Role::Hypervisor);
        machines
    }

    /// Its servers.
    #[must_use]
    pub fn servers(&self) -> Vec<Machine<'_>> {
        let mut machines = self.machines();
        machines.retain(|machine| machine.seat().role == Role::Server);
        machines
    }

    /// A node by its name.
    ///
    /// # Errors
    /// When it has none of that name; all names are said.
    pub fn machine(&self, name: &str) -> Result<Machine<'_>, LabError> {
        let mut seats = self.plan.seats.iter();
        let seat = seats.find(|seat| seat.name == name || seat.host == name);
        seat.map(|seat| self.at(seat)).ok_or_else(|| {
            let names: Vec<&str> = self.plan.seats.iter().map(|s| s.name.as_str()).collect();
            LabError::NoNodes(format!("there is no node {name}, only {}", names.join(" ")))
        })
    }

    fn at<'lab>(&'lab self, seat: &'lab Seat) -> Machine<'lab> {
        Machine {
            ground: &self.ground,
            seat,
            dir: self.dir.join("nodes").join(&seat.name),
            lab: &self.dir,
            settings: Keys::at(&self.dir).settings(),
        }
    }

    /// A command of this machine on the lab's network: it reaches the nodes and nothing else.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.ground.on_network(program)
    }

    /// The settings for `ssh -F` on the lab's network.
    #[must_use]
    pub fn ssh_settings(&self) -> PathBuf {
        Keys::at(&self.dir).settings()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Only an owner has a reaper; a lab that was opened, or that is to stay, goes on.
        if let Some(mut reaper) = self.reaper.take() {
            cgroups::lift(&self.groups);
            // What does not end now ends with this process, by the kernel.
            let _ = self.ground.end();
            reaper.release();
        }
    }
}
