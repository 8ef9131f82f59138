//! containerd, its stores and its snapshotter.
//! Source: containerd `cmd/containerd/server`, `plugins/metadata`, `core/metadata`, `core/content`; bbolt
//! `db.go`, `internal/common`; k3s `pkg/agent/{cri,containerd,config}`; Linux `fs/overlayfs/super.c`.

use defib_model::signal::{Mark, Signal};

const fn store(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "containerd, k3s, kubelet",
        Mark::Cause,
        "containerd: cmd/containerd/server/server.go, plugins/metadata; bbolt: db.go, internal/common",
    )
}

const fn shows(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "containerd, k3s, kubelet",
        Mark::Symptom,
        "k3s: pkg/agent/cri/cri.go, pkg/agent/containerd/containerd.go; kubernetes: pkg/kubelet",
    )
}

const fn snapshotter(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "k3s, containerd, kernel",
        Mark::Cause,
        "k3s: pkg/agent/config/config.go; containerd: plugins/snapshots/overlay; Linux: fs/overlayfs",
    )
}

const fn cgroups(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "containerd, k3s, kubelet",
        Mark::Cause,
        "runc: libcontainer/specconv/spec_linux.go; kubernetes: pkg/kubelet/cm, pkg/kubelet/dockershim",
    )
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    store(
        "containerd.meta-plugin",
        "metadata.v1.bolt",
        r"(?i)failed to load plugin.*metadata\.v1\.bolt|metadata\.v1\.bolt.*(?:failed|error=)",
    ),
    store(
        "containerd.meta-bad",
        "meta.db",
        r"meta\.db.*(?:invalid database|checksum error|version mismatch|file size too small|unexpected page|corrupt)",
    ),
    store(
        "containerd.bolt-panic",
        "panic: ",
        r"panic: (?:freepages|assertion failed: .*[Pp]age|page \d+ already freed|invalid (?:freelist )?page|unexpected page type|.*page.*already|cannot free page|.*freelist)",
    ),
    store(
        "containerd.frames",
        "containerd/containerd/",
        r"github\.com/containerd/containerd/(?:v2/)?(?:core/|plugins/|metadata|cmd/|gc|services|content|snapshots|server)",
    ),
    store(
        "containerd.bucket",
        "bucket: not found",
        r"missing .*bucket: not found",
    ),
    store(
        "containerd.short-read",
        "short read: expected ",
        r"short read: expected \d+ bytes but got \d+",
    ),
    super::signal(
        "cri.no-nvidia-runtime",
        "no runtime for ",
        r#"no runtime for "?nvidia\S*"? is configured"#,
        "kubelet, containerd",
        Mark::Cause,
        "containerd: internal/cri/config (GetSandboxRuntime)",
    ),
    snapshotter(
        "snapshotter.cannot",
        "snapshotter cannot be enabled",
        r"snapshotter cannot be enabled for (\S+?),?\s.*?(?:: (.+))?$",
    ),
    snapshotter(
        "snapshotter.upper",
        "upper fs ",
        r"overlay(?:fs)?: upper fs (?:does not support|needs to support|is missing)",
    ),
    snapshotter("snapshotter.upperdir", "not supported as upperdir", ""),
    snapshotter("snapshotter.d-type", "does not support d_type", ""),
    snapshotter(
        "snapshotter.plugin",
        "snapshotter.v1.overlayfs",
        r"(?i)failed to load plugin.*snapshotter\.v1\.overlayfs",
    ),
    cgroups(
        "cgroup.driver-path",
        "expected cgroupsPath to be of format",
        r"expected cgroupsPath to be of format .*for systemd cgroups, got \x22?([^\x22 ]+)",
    ),
    cgroups(
        "cgroup.driver-differs",
        "kubelet cgroup driver: ",
        r"kubelet cgroup driver: \x22?(\w+)\x22? is different from \w+ cgroup driver: \x22?(\w+)",
    ),
    shows("containerd.exited", "containerd exited", ""),
    shows(
        "containerd.waits",
        "Waiting for containerd startup: ",
        r"Waiting for containerd startup: (.+)",
    ),
    shows(
        "containerd.locked",
        "waiting for response from boltdb open",
        "",
    ),
    shows("kubelet.runtime-down", "container runtime is down", ""),
    shows(
        "kubelet.pleg",
        "PLEG is not healthy: pleg was last seen active",
        "",
    ),
    shows(
        "kubelet.sanity",
        "Container runtime sanity check failed",
        "",
    ),
];
