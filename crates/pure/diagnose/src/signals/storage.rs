//! Storage provisioners: Longhorn and local-path; and who holds their devices.

use defib_model::signal::{Mark, Signal};

/// The table.
pub static SIGNALS: &[Signal] = &[
    Signal {
        id: "longhorn.disk-below-minimal",
        anchor: "to schedule more replicas",
        pattern: r"minimal \d+%? to schedule more replicas",
        unit: "longhorn-manager",
        mark: Mark::Cause,
        versions: "",
        source: "longhorn-manager: controller/node_controller.go",
    },
    Signal {
        id: "longhorn.disk-uuid",
        anchor: "record diskUUID",
        pattern: r"record diskUUID doesn't match",
        unit: "longhorn-manager",
        mark: Mark::Cause,
        versions: "",
        source: "longhorn-manager: controller/monitor/disk_monitor.go",
    },
    Signal {
        id: "longhorn.device-busy",
        anchor: "/dev/longhorn/",
        pattern: r"/dev/longhorn/\S+.*(?:already mounted or mount point busy|apparently in use by the system)",
        unit: "kubelet",
        mark: Mark::Symptom,
        versions: "",
        source: "util-linux sys-utils/mount.c; e2fsprogs misc/util.c; kubernetes mount-utils",
    },
    Signal {
        id: "longhorn.named",
        anchor: "onghorn version",
        pattern: "",
        unit: "longhorn-manager",
        mark: Mark::Progress,
        versions: "",
        source: "longhorn-manager: names of its parts",
    },
    Signal {
        id: "provisioner.access-mode",
        anchor: "access mode",
        pattern: r"(Only support ReadWriteOnce access mode|NodePath only supports ReadWriteOnce[^,]* access modes?)",
        unit: "local-path-provisioner",
        mark: Mark::Cause,
        versions: "",
        source: "rancher/local-path-provisioner: provisioner.go (provisionFor)",
    },
    Signal {
        id: "local-path.helper-variable",
        anchor: ": parameter not set",
        pattern: r"\bVOL_(DIR|MODE|SIZE_BYTES): parameter not set",
        unit: "local-path helper pod",
        mark: Mark::Cause,
        versions: "",
        source: "rancher/local-path-provisioner: provisioner.go (the helper's environment), deploy/local-path-storage.yaml",
    },
    Signal {
        id: "local-path.helper-usage",
        anchor: "Usage: ",
        pattern: r"Usage: (mkdir|rm) \[",
        unit: "local-path helper pod",
        mark: Mark::Cause,
        versions: "",
        source: "busybox: coreutils/mkdir.c, rm.c; rancher/local-path-provisioner: deploy/local-path-storage.yaml",
    },
];
