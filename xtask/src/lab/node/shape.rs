//! What a lab's hosts are to somebody outside: hosts that one logs in to; the containers of a Docker engine, as k3d has
//! them; or the machines of a Proxmox host.
//! Deliberately absent: the engine and the hypervisor themselves, which are a program of their own (lab/shapes); docker
//! and the guest agent, which are upstream's.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ground::Ground;
use super::image;
use super::lab::Lab;
use super::open::{Plan, Role, Seat};
use super::proxmox;
use crate::lab::cache::Programs;
use crate::lab::error::file;
use crate::lab::parts::{DOCKER, SHAPES};
use crate::lab::{LabError, path, wait_until};

/// What the cluster is called where k3d would have made it.
const CLUSTER: &str = "lab";

/// Starts what stands outside the hosts; it ends with the lab's first process, as all in its namespaces.
const START: &str = r#""$1" "$2" "$3" > "$4" 2>&1 < /dev/null &"#;

/// What a lab's hosts are to somebody outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Hosts with an sshd.
    #[default]
    Hosts,
    /// The same, and the containers of a Docker engine, named as k3d names them.
    Containers,
    /// The same, and machines below a Proxmox host, with a guest agent in each.
    Machines,
}

/// Names the hosts as their shape does, and adds what stands beside them.
pub(super) fn name(plan: &mut Plan) {
    match plan.shape {
        Shape::Hosts => {}
        Shape::Containers => {
            let (mut servers, mut agents) = (0, 0);
            for seat in &mut plan.seats {
                let (role, count) = match seat.role {
                    Role::Server => ("server", &mut servers),
                    Role::Agent | Role::Hypervisor => ("agent", &mut agents),
                };
                seat.host = format!("k3d-{CLUSTER}-{role}-{count}");
                *count += 1;
            }
        }
        Shape::Machines => plan.seats.push(proxmox::seat()),
    }
}

/// Builds what the shape needs, and lets every node see it.
pub(super) fn ready(plan: &mut Plan, tell: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    if plan.shape == Shape::Containers {
        Programs::one(&DOCKER, tell)?;
    }
    if plan.shape != Shape::Hosts {
        let program = Programs::one(&SHAPES, tell)?;
        plan.binds
            .push((program, format!("{}/{}", image::PARTS, SHAPES.name)));
    }
    Ok(())
}

/// Puts into a node's own layer what its shape has there.
pub(super) fn fill(layer: &Path, plan: &Plan, seat: &Seat) -> Result<(), LabError> {
    match (plan.shape, seat.role) {
        (Shape::Machines, Role::Hypervisor) => proxmox::fill_host(layer, plan),
        (Shape::Machines, _) => proxmox::fill_machine(layer),
        _ => Ok(()),
    }
}

/// What only this node sees of the machine, as systemd-nspawn is told it.
pub(super) fn binds(dir: &Path, plan: &Plan, seat: &Seat) -> Vec<String> {
    match seat.role {
        Role::Hypervisor => proxmox::binds(dir, plan),
        Role::Server | Role::Agent => Vec::new(),
    }
}

/// Starts what stands outside the hosts, and returns when it answers.
pub(super) fn start(
    ground: &Ground,
    plan: &Plan,
    dir: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<(), LabError> {
    let (verb, socket) = match plan.shape {
        Shape::Hosts => return Ok(()),
        Shape::Containers => {
            for folder in [bin(dir), settings(dir)] {
                fs::create_dir(&folder).map_err(file("create", &folder))?;
            }
            let link = bin(dir).join(DOCKER.name);
            symlink(Programs::one(&DOCKER, tell)?, &link).map_err(file("link", &link))?;
            ("engine", engine(dir))
        }
        Shape::Machines => {
            let folder = proxmox::folder(dir);
            fs::create_dir(&folder).map_err(file("create", &folder))?;
            ("hypervisor", folder.join("socket"))
        }
    };
    let program = Programs::one(&SHAPES, tell)?;
    let log = dir.join(format!("{verb}.log"));
    ground.script(START, [program.as_path(), verb.as_ref(), dir, &log])?;
    wait_until(
        &format!("the {verb} answers"),
        Duration::from_secs(20),
        || {
            UnixStream::connect(&socket).map(|_| ()).map_err(|error| {
                let said = fs::read_to_string(&log).unwrap_or_default();
                format!("{}: {error}; {said}", socket.display())
            })
        },
    )
}

fn bin(dir: &Path) -> PathBuf {
    dir.join("bin")
}

fn settings(dir: &Path) -> PathBuf {
    dir.join("docker-config")
}

fn engine(dir: &Path) -> PathBuf {
    dir.join("docker.sock")
}

impl Lab {
    /// What a program is given to find the lab: the settings for `ssh -F`, and where the hosts are containers also
    /// upstream's `docker` and its engine.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut given = vec![("LAB_SSH_CONFIG", self.ssh_settings().into_os_string())];
        if self.plan.shape == Shape::Containers {
            let bin = bin(&self.dir);
            let mut host = OsString::from("unix://");
            host.push(engine(&self.dir));
            let mut found = bin.clone().into_os_string();
            found.push(":");
            found.push(path::own());
            given.extend([
                ("DOCKER_HOST", host),
                // Nothing of the user's: a context chosen there would lead elsewhere.
                ("DOCKER_CONFIG", settings(&self.dir).into()),
                ("LAB_BIN", bin.into()),
                ("PATH", found),
            ]);
        }
        given
    }

    /// Upstream's `docker`, which finds the lab's engine.
    ///
    /// # Errors
    /// When the lab's hosts are no containers.
    pub fn docker(&self) -> Result<Command, LabError> {
        if self.plan.shape != Shape::Containers {
            return Err(LabError::NoNodes(
                "its hosts are no containers; start one with `cargo xtask lab up --containers`"
                    .into(),
            ));
        }
        let mut command = Command::new(bin(&self.dir).join(DOCKER.name));
        command.envs(self.environment());
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_have_the_names_of_k3d() {
        let mut plan = Plan::new(2, 1, false, "secret".into());
        plan.shape = Shape::Containers;
        name(&mut plan);
        let hosts: Vec<&str> = plan.seats.iter().map(|seat| seat.host.as_str()).collect();
        assert_eq!(
            hosts,
            ["k3d-lab-server-0", "k3d-lab-server-1", "k3d-lab-agent-0"]
        );
    }

    #[test]
    fn machines_have_a_host_that_is_no_node_of_the_cluster() {
        let mut plan = Plan::new(1, 1, false, "secret".into());
        plan.shape = Shape::Machines;
        plan.server_nodes = true;
        name(&mut plan);
        let last = plan.seats.last().unwrap();
        assert_eq!((last.name.as_str(), last.role), ("pve1", Role::Hypervisor));
        assert!(!plan.runs_pods(last) && plan.runs_pods(&plan.seats[0]));
    }
}
