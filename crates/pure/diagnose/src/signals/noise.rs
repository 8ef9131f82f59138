//! Lines that look like trouble and are none: every start has them, or they mend themselves.
//!
//! `notes` says of each why it is noise. Deliberately absent: lines that are noise only now and then.

use defib_model::signal::{Mark, Signal};

use super::signal;

/// The table.
pub static SIGNALS: &[Signal] = &[
    signal(
        "noise.snapshot-busy",
        "snapshot save already in progress",
        "",
        "k3s",
        Mark::Harmless,
        "k3s: pkg/etcd/snapshot.go",
    ),
    signal(
        "noise.snapshot-map",
        "Snapshot ConfigMap is too large",
        "",
        "k3s",
        Mark::Harmless,
        "k3s: pkg/etcd/snapshot_controller.go",
    ),
    signal(
        "noise.second-signal",
        "Second shutdown signal received",
        "",
        "k3s",
        Mark::Harmless,
        "k3s: pkg/signals/signals.go",
    ),
    signal(
        "noise.short-token",
        "token does not include a CA hash",
        "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash",
        "k3s",
        Mark::Harmless,
        "k3s: pkg/clientaccess/token.go",
    ),
    signal(
        "noise.cni-init",
        "failed to load cni during init",
        "",
        "containerd",
        Mark::Harmless,
        "containerd: internal/cri/server/cni_conf_syncer.go",
    ),
    signal(
        "noise.pleg-young",
        "pleg has yet to be successful",
        "",
        "kubelet",
        Mark::Harmless,
        "kubernetes: pkg/kubelet/pleg/generic.go",
    ),
    signal(
        "noise.runtime-young",
        "runtime status check may not have completed yet",
        "",
        "kubelet",
        Mark::Harmless,
        "kubernetes: pkg/kubelet/runtime.go",
    ),
    signal(
        "noise.image-capacity",
        "invalid capacity 0 on image filesystem",
        "",
        "kubelet",
        Mark::Harmless,
        "kubernetes: pkg/kubelet/images/image_gc_manager.go",
    ),
    signal(
        "noise.nameservers",
        "Nameserver limits were exceeded",
        "",
        "kubelet",
        Mark::Harmless,
        "kubernetes: pkg/kubelet/network/dns/dns.go",
    ),
    signal(
        "noise.object-modified",
        "the object has been modified; please apply your changes",
        "",
        "kubernetes",
        Mark::Harmless,
        "kubernetes: apiserver pkg/registry/generic/registry/store.go",
    ),
    signal(
        "noise.master-endpoints",
        "Resetting endpoints for master service",
        "",
        "kube-apiserver",
        Mark::Harmless,
        "kubernetes: pkg/controlplane/reconcilers",
    ),
    signal(
        "noise.kine-gap",
        ", revision=",
        r"\bGAP \S+, revision=\d+",
        "kine",
        Mark::Harmless,
        "kine: pkg/logstructured/sqllog/sql.go",
    ),
];
