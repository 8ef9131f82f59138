//! Faults: things that go wrong with k3s' hosts, done for real, and undone as a person would.
//!
//! A fault is data: the steps shown by `cargo xtask lab faults` are the ones that are run. One module per family.
//! Deliberately absent: any look at what a tool says about them; a recording is judged elsewhere.

mod agent;
mod authorities;
mod clock;
mod datastore;
mod host;
mod identity;
mod kine;
mod membership;
mod network;
mod record;
mod service;
mod step;
mod storage;
mod workload;

pub use record::record;
pub use step::{Step, run, settled};

use std::ops::RangeInclusive;

use super::LabError;
use super::node::{Lab, Shape};

/// What a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Who is a member of etcd, and who answers.
    Membership,
    /// Tokens and authorities.
    Identity,
    /// What etcd has on its disk.
    Datastore,
    /// The host below k3s.
    Host,
    /// What lies between hosts.
    Network,
    /// SQLite behind kine.
    Kine,
    /// A node that runs pods, and its agent. Like the next it wants a lab with agents.
    Agent,
    /// Pods and what they need.
    Workload,
}

/// What a server keeps its cluster in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    /// Embedded etcd.
    Etcd,
    /// One server's SQLite.
    Sqlite,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 8] = [
        Self::Membership,
        Self::Identity,
        Self::Datastore,
        Self::Host,
        Self::Network,
        Self::Kine,
        Self::Agent,
        Self::Workload,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Membership => "membership",
            Self::Identity => "identity",
            Self::Datastore => "datastore",
            Self::Host => "host",
            Self::Network => "network",
            Self::Kine => "kine",
            Self::Agent => "agent",
            Self::Workload => "workload",
        }
    }
}

/// One fault.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub family: Family,
    /// The classes of causes that are right for it, the best first; none for one that must not be called broken.
    pub classes: &'static [&'static str],
    /// What it is, in a sentence.
    pub what: &'static str,
    /// In labs of how many servers it is itself.
    pub servers: RangeInclusive<usize>,
    /// And with which datastore.
    pub store: Store,
    /// What breaks it, in order, the last ones waiting until the fault shows.
    pub breaks: &'static [Step],
    /// What heals it, in order.
    pub heals: &'static [Step],
}

impl Fault {
    /// Every fault, by family.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        [
            membership::FAULTS,
            identity::FAULTS,
            authorities::FAULTS,
            datastore::FAULTS,
            host::FAULTS,
            clock::FAULTS,
            service::FAULTS,
            storage::FAULTS,
            network::FAULTS,
            kine::FAULTS,
            agent::FAULTS,
            workload::FAULTS,
        ]
        .into_iter()
        .flatten()
    }

    /// The one of a name.
    ///
    /// # Errors
    /// When there is none; the names that there are, are said.
    pub fn named(name: &str) -> Result<&'static Self, LabError> {
        Self::all().find(|fault| fault.name == name).ok_or_else(|| {
            let names: Vec<&str> = Self::all().map(|fault| fault.name).collect();
            LabError::NoNodes(format!(
                "there is no fault {name}; there are {}",
                names.join(", ")
            ))
        })
    }

    /// How many agents it is about: more would leave the pods somewhere to go.
    #[must_use]
    pub fn agents(&self) -> usize {
        match self.family {
            Family::Agent | Family::Workload => {
                let second = self.breaks.iter().any(|step| step.node() == Some("n3"));
                if second { 2 } else { 1 }
            }
            _ => 0,
        }
    }

    /// Is a lab of so many servers and agents, with SQLite or etcd, the one that it is done to?
    #[must_use]
    pub fn fits(&self, servers: usize, sqlite: bool, agents: usize) -> bool {
        self.agents() == agents && self.suits(servers, sqlite)
    }

    fn suits(&self, servers: usize, sqlite: bool) -> bool {
        self.servers.contains(&servers) && sqlite == (self.store == Store::Sqlite)
    }

    /// The labs that it can be done to, for people.
    #[must_use]
    pub fn needs(&self) -> String {
        let store = match self.store {
            Store::Etcd => "",
            Store::Sqlite => " with SQLite",
        };
        let plural = if *self.servers.end() == 1 { "" } else { "s" };
        let agents = match self.agents() {
            0 => String::new(),
            1 => " and 1 agent".to_owned(),
            more => format!(" and {more} agents"),
        };
        format!("{} server{plural}{store}{agents}", sizes(&self.servers))
    }

    /// Breaks a lab; returns when the fault shows.
    ///
    /// # Errors
    /// When the lab is of the wrong size, or a step fails: then it is broken in part.
    pub fn inject(&self, lab: &Lab, tell: &mut dyn FnMut(&str)) -> Result<(), LabError> {
        let (servers, sqlite) = (lab.servers().len(), lab.plan().sqlite);
        let agents = lab.machines().len() - servers;
        let peopled = self.agents() == 0 || self.agents() == agents;
        if !self.suits(servers, sqlite) || !peopled {
            let kind = if sqlite { " with SQLite" } else { "" };
            return Err(LabError::NoNodes(format!(
                "{} needs {}, this lab has {servers}{kind} and agents: {agents}; `cargo xtask lab up {}`",
                self.name,
                self.needs(),
                match self.store {
                    Store::Etcd => format!(
                        "--servers {} --agents {}",
                        self.servers.start(),
                        self.agents()
                    ),
                    Store::Sqlite => "--sqlite".to_owned(),
                }
            )));
        }
        if lab.plan().shape != Shape::Hosts {
            return Err(LabError::NoNodes(format!(
                "{} names hosts as a lab of plain hosts does; `cargo xtask lab up` without --containers and --machines makes one",
                self.name
            )));
        }
        step::begin(lab)?;
        self.breaks.iter().try_for_each(|step| run(lab, step, tell))
    }

    /// Undoes it; returns when all servers are up and agree on who they are. The journals start anew then, so that the
    /// next recording tells of one fault only.
    ///
    /// # Errors
    /// When a step fails or the servers do not come back.
    pub fn heal(&self, lab: &Lab, tell: &mut dyn FnMut(&str)) -> Result<(), LabError> {
        step::begin(lab)?;
        for step in self.heals {
            run(lab, step, tell)?;
        }
        settled(lab)?;
        step::forget(lab)
    }
}

/// A range of sizes for people.
fn sizes(range: &RangeInclusive<usize>) -> String {
    if range.start() == range.end() {
        range.start().to_string()
    } else {
        format!("{} or more", range.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_every_fault_waits_until_it_shows() {
        let mut names = BTreeSet::new();
        for fault in Fault::all() {
            assert!(names.insert(fault.name), "{} is there twice", fault.name);
            assert!(
                fault
                    .name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                fault.name
            );
            let shows = fault.breaks.last();
            assert!(
                matches!(shows, Some(Step::Said { .. } | Step::Until { .. })),
                "{} ends without a look",
                fault.name
            );
            assert!(!fault.heals.is_empty(), "{} can't be healed", fault.name);
        }
        assert!(Fault::named("none-such").is_err());
    }

    #[test]
    fn every_class_is_one_that_the_rules_know() {
        let known: BTreeSet<&str> = defib_diagnose::pages()
            .iter()
            .map(|page| page.class)
            .collect();
        for fault in Fault::all() {
            for class in fault.classes {
                assert!(known.contains(class), "{}: {class}", fault.name);
            }
        }
    }
}
