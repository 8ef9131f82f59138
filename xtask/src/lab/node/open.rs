//! What a lab of nodes is made of, as it is written down in its folder: enough for another process to go on with it.
//! Deliberately absent: processes; those are in the lab's record, which outlives the folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::shape::Shape;
use super::virtual_machine::Image;
use crate::lab::LabError;
use crate::lab::error::file;
use crate::lab::files::write_private;

/// The format of the plan.
const SCHEMA: &str = "defib.dev/lab-nodes/v1";
/// Its name in the lab's folder.
const NAME: &str = "nodes.json";

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `k3s server`.
    Server,
    /// `k3s agent`.
    Agent,
    /// No k3s: the others are machines below it.
    Hypervisor,
}

/// A node's place in the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// n1, n2, …
    pub name: String,
    /// Its host name, and that of its Node.
    pub host: String,
    /// 198.51.100.11, …
    pub address: String,
    /// What it is for.
    pub role: Role,
}

/// A lab of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    schema: String,
    /// All nodes, servers first.
    pub seats: Vec<Seat>,
    /// The token that servers and agents join with.
    pub token: String,
    /// Whether the one server keeps its data in SQLite.
    pub sqlite: bool,
    /// Whether servers run pods too, as k3s' do unless told otherwise.
    #[serde(default)]
    pub server_nodes: bool,
    /// What its hosts are to somebody outside.
    #[serde(default)]
    pub shape: Shape,
    /// What the machine that is a real one is started from, if the lab has one.
    #[serde(default)]
    pub(super) vm: Option<Image>,
    /// What lies below every node's own layers, the topmost first.
    pub(super) lower: Vec<PathBuf>,
    /// Files of this machine that every node sees, only to be read.
    pub(super) binds: Vec<(PathBuf, String)>,
}

impl Plan {
    /// A plan for so many servers and agents.
    pub(super) fn new(servers: usize, agents: usize, sqlite: bool, token: String) -> Self {
        let seats = (1..=servers + agents)
            .map(|number| Seat {
                name: format!("n{number}"),
                host: format!("n{number}"),
                address: format!("198.51.100.{}", 10 + number),
                role: if number <= servers {
                    Role::Server
                } else {
                    Role::Agent
                },
            })
            .collect();
        Self {
            schema: SCHEMA.into(),
            seats,
            token,
            sqlite,
            server_nodes: false,
            shape: Shape::Hosts,
            vm: None,
            lower: Vec::new(),
            binds: Vec::new(),
        }
    }

    /// True if pods run on a node.
    #[must_use]
    pub fn runs_pods(&self, seat: &Seat) -> bool {
        match seat.role {
            Role::Server => self.server_nodes,
            Role::Agent => true,
            Role::Hypervisor => false,
        }
    }

    /// True if pods run anywhere.
    #[must_use]
    pub fn has_pods(&self) -> bool {
        self.seats.iter().any(|seat| self.runs_pods(seat))
    }

    /// True if a lab's folder holds nodes.
    pub(crate) fn is_in(lab: &Path) -> bool {
        lab.join(NAME).is_file()
    }

    pub(super) fn write(&self, lab: &Path) -> Result<(), LabError> {
        let text = serde_json::to_vec_pretty(self).map_err(|source| LabError::Json {
            what: "the plan of nodes".into(),
            source,
        })?;
        write_private(&lab.join(NAME), &text)
    }

    pub(super) fn read(lab: &Path) -> Result<Self, LabError> {
        let path = lab.join(NAME);
        let text = std::fs::read(&path).map_err(file("read", &path))?;
        serde_json::from_slice(&text).map_err(|source| LabError::Json {
            what: path.display().to_string(),
            source,
        })
    }
}
