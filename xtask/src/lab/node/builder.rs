//! Makes a lab of nodes: what it needs, in order, and the record before all of it.
//! Deliberately absent: faults, and waiting for anything but k3s itself.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::ground::{Ground, Keep};
use super::lab::Lab;
use super::open::Plan;
use super::shape::Shape;
use super::{cgroups, image, images, packages, resolver, rootfs, run, shape, virtual_machine};
use crate::lab::cache::Programs;
use crate::lab::error::file;
use crate::lab::parts::{AGENT_PARTS, ETCD, K3S, KINE, KUBERNETES, PARTS, Part};
use crate::lab::reaper::Reaper;
use crate::lab::record::{self, Record};
use crate::lab::{LabError, toolchain};

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
    if let Some(why) = refused() {
        return Some(why);
    }
    match toolchain::unsupported() {
        // Go is needed only to build.
        Some(LabError::MissingProgram { program: "go", .. }) if rootfs::complete() => None,
        reason => reason.map(|reason| reason.to_string()),
    }
}

/// What a root inside a container often may not, or can't.
fn refused() -> Option<String> {
    let mut probe = Command::new("unshare");
    probe.args(["--pid", "--fork", "--mount", "--net", "true"]);
    if let Err(error) = run::text(&mut probe) {
        return Some(format!("no namespaces can be made: {error}"));
    }
    let place = std::env::temp_dir();
    let mut kind = Command::new("stat");
    kind.args(["--file-system", "--format=%T"]).arg(&place);
    let kind = run::text(&mut kind).unwrap_or_default();
    (kind.trim() == "overlayfs").then(|| {
        format!(
            "{} lies on an overlay, which can't carry another; set TMPDIR to a folder on a disk",
            place.display()
        )
    })
}

/// How a lab is to be.
#[derive(Debug, Clone)]
pub struct Builder {
    servers: usize,
    agents: usize,
    sqlite: bool,
    server_nodes: bool,
    shape: Shape,
    virtual_machine: bool,
    bare: bool,
    keep: Keep,
    tell: fn(&str),
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            servers: 1,
            agents: 0,
            sqlite: false,
            server_nodes: false,
            shape: Shape::Hosts,
            virtual_machine: false,
            bare: false,
            keep: Keep::WithOwner,
            tell: |line| {
                use std::io::Write as _;
                // Nobody reading progress is no reason to stop.
                let _ = writeln!(std::io::stderr(), "lab: {line}");
            },
        }
    }
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

    /// Servers that run pods too, as k3s' do unless told otherwise.
    #[must_use]
    pub fn server_nodes(mut self, server_nodes: bool) -> Self {
        self.server_nodes = server_nodes;
        self
    }

    /// Hosts that are also the containers of a Docker engine, named as k3d names them.
    #[must_use]
    pub fn containers(mut self) -> Self {
        self.shape = Shape::Containers;
        self
    }

    /// Hosts that are also machines below a Proxmox host, which is one more node: `pve1`.
    #[must_use]
    pub fn machines(mut self) -> Self {
        self.shape = Shape::Machines;
        self
    }

    /// The Proxmox host of [`Self::machines`] has one more machine, 201, which is a real QEMU. It has no disk at first: one
    /// is imported from `/root/images/debian-12-vm.raw`.
    #[must_use]
    pub fn virtual_machine(mut self) -> Self {
        self.virtual_machine = true;
        self.machines()
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
            for machine in lab.hosts() {
                machine.start_k3s()?;
                (self.tell)(&format!(
                    "k3s runs on {}: {:.1}s",
                    machine.name(),
                    begun.elapsed().as_secs_f64()
                ));
            }
            if lab.plan.has_pods() {
                lab.await_pods()?;
                (self.tell)(&format!("pods run: {:.1}s", begun.elapsed().as_secs_f64()));
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
        let mut plan = Plan::new(self.servers, self.agents, self.sqlite, random(16)?);
        plan.server_nodes = self.server_nodes;
        let (k3s, parts) = programs(self.sqlite, plan.has_pods(), &mut say)?;
        plan.binds = parts;
        plan.shape = self.shape;
        shape::name(&mut plan);
        shape::ready(&mut plan, &mut say)?;
        if self.virtual_machine {
            plan.vm = Some(virtual_machine::ready(&mut say)?);
        }
        let images = if plan.has_pods() {
            packages::room_for_watches(&mut say);
            images::ready(&root, &mut say)?
        } else {
            Vec::new()
        };

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
            plan,
            dir,
            groups: record.groups,
            ground,
            reaper,
        };
        lab.fill(&root, &k3s, &images)?;
        if lab.plan.has_pods() {
            resolver::start(&lab.ground, &lab.plan, &lab.dir, &mut say)?;
        }
        shape::start(&lab.ground, &lab.plan, &lab.dir, &mut say)?;
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

fn programs(sqlite: bool, pods: bool, tell: &mut dyn FnMut(&str)) -> Result<Found, LabError> {
    if let Some(real) = image::real_k3s() {
        if pods {
            return Err(LabError::NoNodes(
                "with LAB_K3S no pods can be run: its images are not here; leave --agents and --server-nodes away"
                    .into(),
            ));
        }
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
    if pods {
        wanted.extend(AGENT_PARTS);
    }
    if sqlite {
        wanted.push(&KINE);
    }
    let mut binds = Vec::new();
    for part in wanted {
        let path = Programs::one(part, tell)?;
        binds.push((path, format!("{}/{}", image::PARTS, part.name)));
    }
    Ok((Programs::one(&K3S, tell)?, binds))
}

/// So many random bytes as hex.
pub(super) fn random(bytes: usize) -> Result<String, LabError> {
    use std::io::Read as _;
    let path = Path::new("/dev/urandom");
    let mut buffer = vec![0; bytes];
    fs::File::open(path)
        .and_then(|mut source| source.read_exact(&mut buffer))
        .map_err(file("read", path))?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}
