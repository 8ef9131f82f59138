//! One control plane from start to end: certificates, parts in order, readiness, and no trace.
//! Deliberately absent: nodes with containers (KWOK only plays them) and data kept between runs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::audit::AuditLevel;
use super::cache::Programs;
use super::client::ApiClient;
use super::command_lines::{KWOK_SETTINGS, Layout};
use super::error::file;
use super::pki::Pki;
use super::ports::Ports;
use super::process::Process;
use super::ready::wait_unless;
use super::reaper::Reaper;
use super::record::{self, ProcessId, Record};
use super::{LabError, files, kubeconfig, toolchain};

/// How long a start may take. Seconds on an idle machine; builds beside it can make it a minute.
const START: Duration = Duration::from_secs(120);

/// What kind of control plane to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether KWOK plays nodes and pods.
    pub kwok: bool,
    /// How much of writes the audit log holds; reads are always in it.
    pub audit: AuditLevel,
    /// Further flags for kube-apiserver; the last of two equal ones counts.
    pub apiserver: Vec<String>,
    /// Further flags for kube-controller-manager.
    pub controller_manager: Vec<String>,
    /// Further flags for kube-scheduler.
    pub scheduler: Vec<String>,
    /// Gets a line per program while building, which takes minutes the first time.
    pub tell: fn(&str),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kwok: false,
            audit: AuditLevel::default(),
            apiserver: Vec::new(),
            controller_manager: Vec::new(),
            scheduler: Vec::new(),
            tell: |line| {
                use std::io::Write as _;
                // Nobody reading progress is no reason to stop.
                let _ = writeln!(std::io::stderr(), "lab: {line}");
            },
        }
    }
}

/// A running control plane. Dropping it stops every part and removes its folder; so does the end of
/// this process, however it comes.
#[derive(Debug)]
pub struct ControlPlane {
    /// The administrator's kubeconfig (user `lab-admin`, group `system:masters`).
    pub kubeconfig: PathBuf,
    /// The API server's URL.
    pub url: String,
    /// The audit log, one JSON object a line.
    pub audit_log: PathBuf,
    /// The folder that holds everything and goes at the end.
    pub dir: PathBuf,
    /// A folder with all programs: kubectl, etcdctl, etcdutl and the parts.
    pub bin: PathBuf,
    pub(super) ports: Ports,
    pub(super) pki: Pki,
    pub(super) admin: ApiClient,
    // Declared before the reaper: fields drop in this order, and parts must end before the folder.
    parts: Vec<Process>,
    pub(super) record: Record,
    pub(super) record_path: PathBuf,
    reaper: Reaper,
}

/// Why no control plane can run here, if so: for tests to say before they count as skipped.
/// `DEFIB_LAB=off` says so on purpose.
#[must_use]
pub fn unavailable() -> Option<String> {
    if std::env::var_os("DEFIB_LAB").is_some_and(|value| value == "off") {
        return Some("DEFIB_LAB=off".to_owned());
    }
    match toolchain::unsupported() {
        // Go is needed only to build.
        Some(LabError::MissingProgram { program: "go", .. })
            if Programs::complete().unwrap_or(false) =>
        {
            None
        }
        reason => reason.map(|reason| reason.to_string()),
    }
}

impl ControlPlane {
    /// Builds what is missing and starts a fresh control plane; returns when it is ready to be used:
    /// `/readyz` is ok, controllers and scheduler run, and the namespace `default` has its account.
    pub fn start(options: Options) -> Result<Self, LabError> {
        if let Some(reason) = toolchain::unsupported()
            && !(matches!(reason, LabError::MissingProgram { program: "go", .. })
                && Programs::complete()?)
        {
            return Err(reason);
        }
        let tell = options.tell;
        let programs = Programs::ready(&mut |line| tell(line))?;
        // Another process may take a port between asking for it and using it.
        for _ in 0..2 {
            match Self::attempt(&options, &programs) {
                Err(LabError::Died { tail, .. }) if tail.contains("address already in use") => {}
                outcome => return outcome,
            }
        }
        Self::attempt(&options, &programs)
    }

    fn attempt(options: &Options, programs: &Programs) -> Result<Self, LabError> {
        let mut plane = Self::furnish(programs)?;
        let policy = plane.dir.join("audit-policy.json");
        files::write_private(&policy, options.audit.policy().as_bytes())?;
        let [manager, scheduler, kwok] = [
            plane.kubeconfig_for("system:kube-controller-manager", None)?,
            plane.kubeconfig_for("system:kube-scheduler", None)?,
            plane.kubeconfig_for("lab-kwok", Some("system:masters"))?,
        ];
        let layout = Layout {
            dir: &plane.dir,
            ports: plane.ports,
            pki: &plane.pki,
        };
        let etcd = layout.etcd();
        let apiserver = layout.apiserver(&policy, &plane.audit_log, &options.apiserver);
        let manager = layout.controller_manager(&manager, &options.controller_manager);
        let scheduler = layout.scheduler(&scheduler, &options.scheduler);
        let settings = plane.dir.join("kwok.yaml");
        let kwok = layout.kwok(&kwok, &programs.kwok_stages()?, &settings);

        plane.launch("etcd", etcd)?;
        // The API server waits for etcd by itself while it loads.
        plane.launch("kube-apiserver", apiserver)?;
        let admin = plane.admin.clone();
        plane.wait("the API server is ready", move || ok(&admin, "/readyz"))?;
        // Started before, they would take the API server's share of two cores and wait anyway.
        plane.launch("kube-controller-manager", manager)?;
        plane.launch("kube-scheduler", scheduler)?;
        if options.kwok {
            files::write_private(&settings, KWOK_SETTINGS.as_bytes())?;
            plane.launch("kwok", kwok)?;
        }
        plane.wait_for_controllers(options.kwok)?;
        Ok(plane)
    }

    /// The folder, its record and reaper, ports, certificates: all that comes before processes.
    fn furnish(programs: &Programs) -> Result<Self, LabError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let state = record::state_dir()?;
        fs::create_dir_all(&state).map_err(file("create", &state))?;
        let temporary = std::env::temp_dir();
        let temporary = fs::canonicalize(&temporary).map_err(file("find", &temporary))?;
        let mut record = Record::new(&temporary)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "defib-lab-{}-{}-{number}",
            record.owner.pid, record.owner.start
        );
        record.dir = temporary.join(&name);
        let dir = record.dir.clone();
        let record_path = state.join(format!("{name}.json"));
        // The record comes first: a folder without one could never be found again.
        record.write(&record_path)?;
        let reaper = Reaper::post(&dir, &record_path, &[]).inspect_err(|_| {
            // Nothing else exists yet, and an error about this would hide the first one.
            let _ = fs::remove_file(&record_path);
        })?;
        // Fails if it exists, so nobody else's folder in a shared /tmp is ever used.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(file("create", &dir))?;
        let logs = dir.join("logs");
        fs::create_dir(&logs).map_err(file("create", &logs))?;

        let pki = Pki::create(dir.join("tls"))?;
        let ports = Ports::free()?;
        let url = Layout::url(ports.apiserver);
        let pair = pki.user("lab-admin", Some("system:masters"))?;
        let kubeconfig = dir.join("admin.kubeconfig");
        kubeconfig::write(&kubeconfig, &url, &pki.server.pem(), "lab-admin", &pair)?;
        let bin = dir.join("bin");
        programs.link_into(&bin)?;
        Ok(Self {
            admin: ApiClient::new(&url, &pki.server.pem(), Some(&pair)),
            audit_log: dir.join("audit.log"),
            kubeconfig,
            url,
            bin,
            ports,
            pki,
            dir,
            parts: Vec::new(),
            record,
            record_path,
            reaper,
        })
    }

    fn launch(&mut self, name: &'static str, arguments: Vec<OsString>) -> Result<(), LabError> {
        let process = Process::start(name, self.bin.join(name), arguments, &self.dir)?;
        self.parts.push(process);
        self.note_parts()
    }

    pub(super) fn note_parts(&mut self) -> Result<(), LabError> {
        self.record.parts = self
            .parts
            .iter()
            .filter_map(|part| ProcessId::of(part.name, part.pid()?))
            .collect();
        self.record.write(&self.record_path)
    }

    /// Waits, unless a part has ended by itself.
    pub(super) fn wait<T>(
        &mut self,
        what: &str,
        mut question: impl FnMut() -> Result<T, String>,
    ) -> Result<T, LabError> {
        let parts = &mut self.parts;
        wait_unless(what, START, || {
            parts.iter_mut().try_for_each(Process::check)?;
            Ok(question())
        })
    }

    fn wait_for_controllers(&mut self, kwok: bool) -> Result<(), LabError> {
        let authority = self.pki.server.pem();
        for (what, port) in [
            (
                "the controller manager is healthy",
                self.ports.controller_manager,
            ),
            ("the scheduler is healthy", self.ports.scheduler),
        ] {
            let client = ApiClient::new(&Layout::url(port), &authority, None);
            self.wait(what, move || ok(&client, "/healthz"))?;
        }
        if kwok {
            let client = ApiClient::new(&format!("http://127.0.0.1:{}", self.ports.kwok), "", None);
            self.wait("KWOK is healthy", move || ok(&client, "/healthz"))?;
        }
        self.wait_for_namespace("default")
    }

    /// Waits until a namespace has what controllers put into each: its default account and the
    /// root certificate. Before that, the API server refuses pods there.
    pub fn wait_for_namespace(&mut self, namespace: &str) -> Result<(), LabError> {
        for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            let path = format!("/api/v1/namespaces/{namespace}/{path}");
            let admin = self.admin.clone();
            self.wait(&format!("{path} exists"), move || ok(&admin, &path))?;
        }
        Ok(())
    }

    pub(super) fn part(&mut self, name: &str) -> Result<&mut Process, LabError> {
        self.parts
            .iter_mut()
            .find(|part| part.name == name)
            .ok_or_else(|| LabError::NoSuchPart(name.to_owned()))
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // The last started goes first, so that nobody logs the absence of its betters.
        while let Some(mut part) = self.parts.pop() {
            part.kill();
        }
        self.reaper.release();
    }
}

/// True once a path is answered with 200; otherwise what was answered.
pub(super) fn ok(client: &ApiClient, path: &str) -> Result<(), String> {
    match client.get(path) {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => {
            let failing: Vec<&str> = answer
                .body
                .lines()
                .filter(|line| line.starts_with("[-]"))
                .collect();
            let shown = if failing.is_empty() {
                answer.body.clone()
            } else {
                failing.join(" ")
            };
            Err(format!(
                "{} {}",
                answer.status,
                shown.chars().take(300).collect::<String>()
            ))
        }
        Err(error) => Err(super::error::chain(&error)),
    }
}
