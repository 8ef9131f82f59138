//! What can be done in a running control plane: ask, apply, run, kill a part, read the audit log.
//! Deliberately absent: starting and stopping the whole, which is `control_plane`'s.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::audit::{self, AuditEvent};
use super::client::ApiClient;
use super::command_lines::Layout;
use super::control_plane::{ControlPlane, ok};
use super::record::ProcessId;
use super::{LabError, files, kubeconfig};

impl ControlPlane {
    /// A client with the administrator's rights.
    #[must_use]
    pub fn api(&self) -> &ApiClient {
        &self.admin
    }

    /// A kubeconfig for a user of any name, whose rights are what RBAC says (none at first).
    /// Requests of that user can then be told from all others in the audit log.
    pub fn kubeconfig_for(&self, user: &str, group: Option<&str>) -> Result<PathBuf, LabError> {
        let path = self
            .dir
            .join(format!("{}.kubeconfig", user.replace([':', '/'], "-")));
        let pair = self.pki.user(user, group)?;
        kubeconfig::write(&path, &self.url, &self.pki.server.pem(), user, &pair)?;
        Ok(path)
    }

    /// A command that sees the lab: `KUBECONFIG`, `LAB_DIR`, `LAB_BIN` (also first on `PATH`),
    /// `LAB_AUDIT_LOG`, what etcdctl wants to know, and kubectl's cache kept in the lab's folder.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment());
        command
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut path = self.bin.clone().into_os_string();
        if let Some(old) = std::env::var_os("PATH") {
            path.push(":");
            path.push(old);
        }
        vec![
            ("KUBECONFIG", self.kubeconfig.clone().into()),
            ("KUBECACHEDIR", self.dir.join("kube-cache").into()),
            ("KUBERC", "off".into()),
            ("LAB_DIR", self.dir.clone().into()),
            ("LAB_BIN", self.bin.clone().into()),
            ("LAB_AUDIT_LOG", self.audit_log.clone().into()),
            ("PATH", path),
            ("ETCDCTL_ENDPOINTS", Layout::url(self.ports.etcd).into()),
            ("ETCDCTL_CACERT", self.pki.path("etcd-ca.crt").into()),
            ("ETCDCTL_CERT", self.pki.path("etcd-client.crt").into()),
            ("ETCDCTL_KEY", self.pki.path("etcd-client.key").into()),
        ]
    }

    /// Runs kubectl as the administrator; its exit status is the caller's to look at.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Output, LabError> {
        let mut command = self.command(self.bin.join("kubectl"));
        command
            .args(arguments)
            .output()
            .map_err(|source| LabError::Spawn {
                program: "kubectl".into(),
                source,
            })
    }

    /// Runs kubectl and returns what it printed; a failure is an error.
    pub fn kubectl_text(&self, arguments: &[&str]) -> Result<String, LabError> {
        let output = self.kubectl(arguments)?;
        succeeded(&format!("kubectl {}", arguments.join(" ")), &output)
    }

    /// Applies manifests (YAML or JSON) with `kubectl apply`.
    pub fn apply(&self, manifests: &str) -> Result<String, LabError> {
        // Through a file: feeding a pipe while reading two others needs threads.
        let path = self.dir.join("manifest.yaml");
        files::write_private(&path, manifests.as_bytes())?;
        self.kubectl_text(&["apply", "-f", &path.to_string_lossy()])
    }

    /// Runs etcdctl with the API server's certificate.
    pub fn etcdctl(&self, arguments: &[&str]) -> Result<String, LabError> {
        let output = self
            .command(self.bin.join("etcdctl"))
            .args(arguments)
            .output()
            .map_err(|source| LabError::Spawn {
                program: "etcdctl".into(),
                source,
            })?;
        succeeded(&format!("etcdctl {}", arguments.join(" ")), &output)
    }

    /// Everything answered so far, from the audit log.
    ///
    /// A mark is sent and waited for, so that the lines of all earlier answers are in the log.
    pub fn audit_events(&self) -> Result<Vec<AuditEvent>, LabError> {
        static MARKS: AtomicU32 = AtomicU32::new(0);
        let mark = format!(
            "/version?lab-mark={}",
            MARKS.fetch_add(1, Ordering::Relaxed)
        );
        self.admin.get(&mark)?;
        super::wait_until(
            "the audit log holds the mark",
            Duration::from_secs(10),
            || {
                let mut events = audit::read(&self.audit_log).map_err(|error| error.to_string())?;
                let marked = events
                    .iter()
                    .position(|event| event.uri == mark)
                    .ok_or("no mark yet")?;
                events.truncate(marked);
                Ok(events)
            },
        )
    }

    /// Kills a part, as the power cord would.
    pub fn kill(&mut self, part: &str) -> Result<(), LabError> {
        self.part(part)?.kill();
        self.note_parts()
    }

    /// Starts a killed part again, with the same flags and data.
    pub fn start_again(&mut self, part: &str) -> Result<(), LabError> {
        self.part(part)?.start_again()?;
        self.note_parts()
    }

    /// Waits until the API server says that it is ready, for after [`Self::start_again`].
    pub fn wait_ready(&mut self) -> Result<(), LabError> {
        let admin = self.admin.clone();
        self.wait("the API server is ready", move || ok(&admin, "/readyz"))
    }

    /// The running parts, exactly enough to check afterwards that they are gone.
    #[must_use]
    pub fn processes(&self) -> &[ProcessId] {
        &self.record.parts
    }

    /// The log of a part, for recording what it said.
    #[must_use]
    pub fn log(&self, part: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{part}.log"))
    }

    /// The record outside the folder, which goes with it.
    #[must_use]
    pub fn record_path(&self) -> &Path {
        &self.record_path
    }
}

pub(super) fn succeeded(command: &str, output: &Output) -> Result<String, LabError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Command {
        command: command.to_owned(),
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
