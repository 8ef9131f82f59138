//! A lab of nodes from its first process to its last trace.
//! Deliberately absent: faults, and waiting for anything but k3s itself.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::ground::{Ground, Keep};
use super::keys::Keys;
use super::machine::Machine;
use super::open::{Plan, Role, Seat};
use super::{cgroups, etc, image, packages, rootfs};
use crate::lab::cache::Programs;
use crate::lab::error::file;
use crate::lab::leftovers;
use crate::lab::parts::{ETCD, K3S, KINE, KUBERNETES, PARTS, Part};
use crate::lab::reaper::Reaper;
use crate::lab::record::{self, Record};
use crate::lab::{LabError, toolchain};

/// The name of the snapshot that every node has: as it was made.
pub const MADE: &str = "made";

/// Why no nodes can run here, if so: for tests to say before they count as skipped. `DEFIB_LAB=off` says so on
/// purpose.
#[must_use]
pub fn unavailable() -> Option<String> {
    if std::env::var_os("DEFIB_LAB").is_some_and(|value| value == "off") {
        return Some("DEFIB_LAB=off".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return Some("nodes need root".to_owned());
    }
    if let Err(error) = packages::Debian::here() {
        return Some(crate::lab::error::chain(&error));
    }
    match toolchain::unsupported() {
        // Go is needed only to build.
        Some(LabError::MissingProgram { program: "go", .. }) if rootfs::complete() => None,
        reason => reason.map(|reason| reason.to_string()),
    }
}

/// How a lab is to be.
#[derive(Debug, Clone)]
pub struct Builder {
    servers: usize,
    agents: usize,
    sqlite: bool,
    bare: bool,
    keep: Keep,
    tell: fn(&str),
}

impl Builder {
    /// How many servers; 1 unless said otherwise.
    #[must_use]
    pub fn servers(mut self, servers: usize) -> Self {
        self.servers = servers;
        self
    }

    /// How many agents; none unless said otherwise.
    #[must_use]
    pub fn agents(mut self, agents: usize) -> Self {
        self.agents = agents;
        self
    }

    /// One server that keeps its data in SQLite.
    #[must_use]
    pub fn sqlite(mut self, sqlite: bool) -> Self {
        self.sqlite = sqlite;
        self
    }

    /// Hosts on which k3s is installed and not started.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// It stays after this process, until `lab down`.
    #[must_use]
    pub fn until_down(mut self) -> Self {
        self.keep = Keep::UntilDown;
        self
    }

    /// Gets a line per step.
    #[must_use]
    pub fn tell(mut self, tell: fn(&str)) -> Self {
        self.tell = tell;
        self
    }

    /// Builds and makes what is missing, starts all nodes, and k3s on one after the other.
    ///
    /// # Errors
    /// When something can't be built, made or started. What exists by then goes with the error, unless the lab was to
    /// stay: then it stays to be looked at.
    pub fn boot(self) -> Result<Lab, LabError> {
        let lab = self.make()?;
        let begun = std::time::Instant::now();
        for machine in lab.machines() {
            machine.switch_on()?;
        }
        for machine in lab.machines() {
            machine.wait()?;
        }
        (self.tell)(&format!(
            "{} nodes: {:.1}s",
            lab.plan.seats.len(),
            begun.elapsed().as_secs_f64()
        ));
        if !self.bare {
            for machine in lab.machines() {
                machine.start_k3s()?;
                (self.tell)(&format!(
                    "k3s runs on {}: {:.1}s",
                    machine.name(),
                    begun.elapsed().as_secs_f64()
                ));
            }
        }
        Ok(lab)
    }

    fn make(&self) -> Result<Lab, LabError> {
        if let Some(reason) = unavailable() {
            return Err(LabError::NoNodes(reason));
        }
        let tell = self.tell;
        let mut say = move |line: &str| tell(line);
        packages::ensure(&mut say)?;
        let root = rootfs::ready(&mut say)?;
        let (k3s, parts) = programs(self.sqlite, self.agents > 0, &mut say)?;

        static COUNT: AtomicU32 = AtomicU32::new(0);
        let state = record::state_dir()?;
        fs::create_dir_all(&state).map_err(file("create", &state))?;
        let place = place()?;
        let mut record = Record::new(&place)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "defib-lab-{}-{}-{number}",
            record.owner.pid, record.owner.start
        );
        let dir = place.join(&name);
        record.dir.clone_from(&dir);
        record.groups = cgroups::of_lab(&name)?;
        let path = state.join(format!("{name}.json"));
        // The record comes first: what has none could never be found again.
        record.write(&path)?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(file("create", &dir))?;
        let reaper = match self.keep {
            Keep::WithOwner => Some(Reaper::post(&dir, &path, &record.groups)?),
            Keep::UntilDown => None,
        };
        let ground = Ground::make(self.keep, &dir.join("ground.log"))?;
        record.parts = vec![ground.holder.clone(), ground.first.clone()];
        if self.keep == Keep::UntilDown {
            record.owner = ground.holder.clone();
        }
        record.write(&path)?;
        let mut lab = Lab {
            plan: Plan::new(self.servers, self.agents, self.sqlite, random(16)?),
            dir,
            groups: record.groups,
            ground,
            reaper,
        };
        lab.plan.binds = parts;
        lab.fill(&root, &k3s)?;
        Ok(lab)
    }
}

/// Where labs lie. Not on an overlay, which can't carry another one's written layer.
fn place() -> Result<PathBuf, LabError> {
    let temporary = std::env::temp_dir();
    fs::canonicalize(&temporary).map_err(file("find", &temporary))
}

/// k3s, and the programs that it starts with where a node sees them.
type Found = (PathBuf, Vec<(PathBuf, String)>);

fn programs(sqlite: bool, agents: bool, tell: &mut dyn FnMut(&str)) -> Result<Found, LabError> {
    if let Some(real) = image::real_k3s() {
        if !real.is_file() {
            return Err(LabError::NoNodes(format!(
                "LAB_K3S is {}, which is no file",
                real.display()
            )));
        }
        let mut binds = Vec::new();
        for part in PARTS
            .iter()
            .filter(|part| part.name.starts_with("etcd") && part.name != "etcd")
        {
            let path = Programs::one(part, tell)?;
            binds.push((path, format!("{}/{}", image::PARTS, part.name)));
        }
        return Ok((real, binds));
    }
    let mut wanted: Vec<&'static Part> = PARTS
        .iter()
        .filter(|part| part.upstream == &ETCD || part.upstream == &KUBERNETES)
        .collect();
    if sqlite {
        wanted.push(&KINE);
    }
    if agents {
        return Err(LabError::NoNodes(
            "agents need a kubelet, which is not built yet; leave --agents away".into(),
        ));
    }
    let mut binds = Vec::new();
    for part in wanted {
        let path = Programs::one(part, tell)?;
        binds.push((path, format!("{}/{}", image::PARTS, part.name)));
    }
    Ok((Programs::one(&K3S, tell)?, binds))
}

/// So many random bytes as hex.
fn random(bytes: usize) -> Result<String, LabError> {
    use std::io::Read as _;
    let path = Path::new("/dev/urandom");
    let mut buffer = vec![0; bytes];
    fs::File::open(path)
        .and_then(|mut source| source.read_exact(&mut buffer))
        .map_err(file("read", path))?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Hosts with k3s on a network of their own. Dropping it ends and removes all of it, unless it was to stay.
#[derive(Debug)]
pub struct Lab {
    plan: Plan,
    dir: PathBuf,
    groups: Vec<PathBuf>,
    // Declared before the reaper: processes must end before their folder.
    ground: Ground,
    reaper: Option<Reaper>,
}

impl Lab {
    /// Starts to describe one.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            servers: 1,
            agents: 0,
            sqlite: false,
            bare: false,
            keep: Keep::WithOwner,
            tell: |line| {
                use std::io::Write as _;
                // Nobody reading progress is no reason to stop.
                let _ = writeln!(std::io::stderr(), "lab: {line}");
            },
        }
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

    fn fill(&mut self, root: &Path, k3s: &Path) -> Result<(), LabError> {
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
        for seat in &self.plan.seats {
            let own = self.dir.join("nodes").join(&seat.name);
            let layer = own.join(format!("layers/000-{MADE}"));
            for folder in [&layer, &own.join("upper")] {
                fs::create_dir_all(folder).map_err(file("create", folder))?;
            }
            image::install(&layer, seat.role, "")?;
            etc::fill(&layer, &self.plan, seat, &keys, &random(16)?)?;
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

    /// Its nodes, servers first.
    #[must_use]
    pub fn machines(&self) -> Vec<Machine<'_>> {
        self.plan.seats.iter().map(|seat| self.at(seat)).collect()
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
        let seat = self.plan.seats.iter().find(|seat| seat.name == name);
        seat.map(|seat| self.at(seat)).ok_or_else(|| {
            let names: Vec<&str> = self.plan.seats.iter().map(|s| s.name.as_str()).collect();
            LabError::NoNodes(format!("there is no node {name}, only {}", names.join(" ")))
        })
    }

    fn at<'lab>(&'lab self, seat: &'lab Seat) -> Machine<'lab> {
        Machine {
            ground: &self.ground,
            plan: &self.plan,
            seat,
            dir: self.dir.join("nodes").join(&seat.name),
            groups: &self.groups,
            settings: Keys::at(&self.dir).settings(),
        }
    }

    /// A command of this machine on the lab's network: it reaches the nodes and nothing else.
    #[must_use]
    pub fn command(&self, program: &str) -> std::process::Command {
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
            // What does not end now ends with this process, by the kernel.
            let _ = self.ground.end();
            reaper.release();
        }
    }
}
