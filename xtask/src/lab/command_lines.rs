//! The command line of every part, as close to what k3s passes as the parts' own flags allow.
//! Deliberately absent: starting anything.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::pki::Pki;
use super::ports::Ports;

/// What all command lines are made from.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) ports: Ports,
    pub(crate) pki: &'a Pki,
}

/// The pods' and the Services' ranges, which are k3s's defaults.
const POD_RANGE: &str = "10.42.0.0/16";
const SERVICE_RANGE: &str = "10.43.0.0/16";

/// What the `kubernetes` Service's endpoints say. Endpoints may not be loopback, and nothing in a
/// control plane without nodes dials them; the address is one reserved for documentation.
const ADVERTISED: &str = "192.0.2.1";

/// Collects `--flag=value`; paths keep their bytes.
#[derive(Default)]
struct Flags(Vec<OsString>);

impl Flags {
    fn set(mut self, flag: &str, value: impl Into<OsString>) -> Self {
        let mut argument = OsString::from(format!("--{flag}="));
        argument.push(value.into());
        self.0.push(argument);
        self
    }

    fn all(self, pairs: &[(&str, &str)]) -> Self {
        pairs
            .iter()
            .fold(self, |flags, (flag, value)| flags.set(flag, value))
    }

    fn and(mut self, extra: &[String]) -> Vec<OsString> {
        self.0.extend(extra.iter().map(OsString::from));
        self.0
    }
}

impl Layout<'_> {
    fn tls(&self, file: &str) -> PathBuf {
        self.pki.path(file)
    }

    /// The URL of a part that listens on loopback.
    pub(crate) fn url(port: u16) -> String {
        format!("https://127.0.0.1:{port}")
    }

    /// One member with client certificates required. Without fsync: the data is thrown away anyway.
    pub(crate) fn etcd(&self) -> Vec<OsString> {
        let client = Self::url(self.ports.etcd);
        let peer = Self::url(self.ports.etcd_peer);
        let mut flags = Flags::default()
            .set("data-dir", self.dir.join("etcd"))
            .all(&[
                ("name", "lab-1"),
                ("listen-client-urls", &client),
                ("advertise-client-urls", &client),
                ("listen-peer-urls", &peer),
                ("initial-advertise-peer-urls", &peer),
                ("initial-cluster", &format!("lab-1={peer}")),
                ("client-cert-auth", "true"),
                ("peer-client-cert-auth", "true"),
                ("unsafe-no-fsync", "true"),
            ]);
        for prefix in ["", "peer-"] {
            flags = flags
                .set(&format!("{prefix}cert-file"), self.tls("etcd.crt"))
                .set(&format!("{prefix}key-file"), self.tls("etcd.key"))
                .set(&format!("{prefix}trusted-ca-file"), self.tls("etcd-ca.crt"));
        }
        flags.and(&[])
    }

    /// Node and RBAC authorization, no anonymous users, audit, and the aggregation layer.
    pub(crate) fn apiserver(
        &self,
        audit_policy: &Path,
        audit_log: &Path,
        extra: &[String],
    ) -> Vec<OsString> {
        Flags::default()
            .all(&[
                ("etcd-servers", &Self::url(self.ports.etcd)),
                ("bind-address", "127.0.0.1"),
                ("secure-port", &self.ports.apiserver.to_string()),
                ("advertise-address", ADVERTISED),
                ("service-cluster-ip-range", SERVICE_RANGE),
                ("authorization-mode", "Node,RBAC"),
                ("anonymous-auth", "false"),
                ("allow-privileged", "true"),
                ("enable-admission-plugins", "NodeRestriction"),
                (
                    "service-account-issuer",
                    "https://kubernetes.default.svc.cluster.local",
                ),
                ("requestheader-allowed-names", "system:auth-proxy"),
                ("requestheader-username-headers", "X-Remote-User"),
                ("requestheader-group-headers", "X-Remote-Group"),
                ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
                // One file for the whole life of the lab: a rotated one would hide a write.
                ("audit-log-maxsize", "100000"),
                ("audit-log-mode", "blocking"),
                ("profiling", "false"),
            ])
            .set("etcd-cafile", self.tls("etcd-ca.crt"))
            .set("etcd-certfile", self.tls("etcd-client.crt"))
            .set("etcd-keyfile", self.tls("etcd-client.key"))
            .set("tls-cert-file", self.tls("apiserver.crt"))
            .set("tls-private-key-file", self.tls("apiserver.key"))
            .set("client-ca-file", self.tls("client-ca.crt"))
            .set("service-account-key-file", self.tls("service-account.pub"))
            .set(
                "service-account-signing-key-file",
                self.tls("service-account.key"),
            )
            .set(
                "requestheader-client-ca-file",
                self.tls("request-header-ca.crt"),
            )
            .set("proxy-client-cert-file", self.tls("proxy-client.crt"))
            .set("proxy-client-key-file", self.tls("proxy-client.key"))
            .set("kubelet-client-certificate", self.tls("kubelet-client.crt"))
            .set("kubelet-client-key", self.tls("kubelet-client.key"))
            .set("audit-policy-file", audit_policy)
            .set("audit-log-path", audit_log)
            .and(extra)
    }

    /// Every controller under its own service account, as RBAC's bootstrap roles expect.
    pub(crate) fn controller_manager(&self, kubeconfig: &Path, extra: &[String]) -> Vec<OsString> {
        self.controller(
            "controller-manager",
            self.ports.controller_manager,
            kubeconfig,
        )
        .all(&[
            ("use-service-account-credentials", "true"),
            ("allocate-node-cidrs", "true"),
            ("cluster-cidr", POD_RANGE),
            ("kube-api-qps", "300"),
            ("kube-api-burst", "600"),
        ])
        .set("root-ca-file", self.tls("server-ca.crt"))
        .set(
            "service-account-private-key-file",
            self.tls("service-account.key"),
        )
        .set("cluster-signing-cert-file", self.tls("client-ca.crt"))
        .set("cluster-signing-key-file", self.tls("client-ca.key"))
        .and(extra)
    }

    /// The default profile; only the client's speed limit is raised.
    pub(crate) fn scheduler(&self, kubeconfig: &Path, extra: &[String]) -> Vec<OsString> {
        self.controller("scheduler", self.ports.scheduler, kubeconfig)
            .all(&[("kube-api-qps", "300"), ("kube-api-burst", "600")])
            .and(extra)
    }

    fn controller(&self, name: &str, port: u16, kubeconfig: &Path) -> Flags {
        Flags::default()
            .all(&[
                ("bind-address", "127.0.0.1"),
                ("secure-port", &port.to_string()),
                // Alone here, so waiting for a lease would only cost time.
                ("leader-elect", "false"),
                ("profiling", "false"),
            ])
            .set("tls-cert-file", self.tls(&format!("{name}.crt")))
            .set("tls-private-key-file", self.tls(&format!("{name}.key")))
            .set("kubeconfig", kubeconfig)
            .set("authentication-kubeconfig", kubeconfig)
            .set("authorization-kubeconfig", kubeconfig)
    }

    /// Plays the nodes that carry the annotation `kwok.x-k8s.io/node=fake`, and the pods on them.
    pub(crate) fn kwok(&self, kubeconfig: &Path, stages: &Path, settings: &Path) -> Vec<OsString> {
        Flags::default()
            .set("kubeconfig", kubeconfig)
            .set("config", stages)
            .set("config", settings)
            .all(&[
                ("manage-all-nodes", "false"),
                (
                    "manage-nodes-with-annotation-selector",
                    "kwok.x-k8s.io/node=fake",
                ),
                ("node-lease-duration-seconds", "40"),
                ("cidr", "10.42.255.1/24"),
                ("server-address", &format!("127.0.0.1:{}", self.ports.kwok)),
            ])
            .and(&[])
    }
}

/// KWOK's own settings: its default of four pods at a time is far too slow for thousands. With a
/// file given it applies no defaults of its own, so every number it needs is here.
pub(crate) const KWOK_SETTINGS: &str = "apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: 16
  nodePlayStageParallelism: 4
  nodeLeaseParallelism: 4
  podsOnNodeSyncParallelism: 4
";
