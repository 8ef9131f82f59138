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
        id: "local-path.helper-usage",
        anchor: "Usage: ",
        pattern: r"Usage: (mkdir|rm) \[",
        unit: "local-path helper pod",
        mark: Mark::Cause,
        versions: "",
        source: "busybox: coreutils/mkdir.c, rm.c; rancher/local-path-provisioner: deploy/local-path-storage.yaml",
    },
    Signal {
        id: "longhorn.device",
        anchor: "brw-rw----",
        pattern: r"brw-rw----\S* +\d+ +\S+ +\S+ +(\d+), *(\d+) .* (?:/dev/longhorn/)?(pvc-\S+)$",
        unit: "any program",
        mark: Mark::Progress,
        versions: "",
        source: "coreutils: src/ls.c; longhorn go-iscsi-helper: longhorndev/longhorn_device.go",
    },
    Signal {
        id: "multipath.holds",
        anchor: "multipath",
        pattern: r"^multipath\S*\s+\d+\s.*\sBLK\s+(\d+),(\d+)\s.*\s(/dev/\S+)$",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: "lsof: print.c",
    },
];
