//! NVIDIA's device plugin 0.14–0.17, and what its libraries say wherever they are used.

use defib_model::signal::{Mark, Signal};

/// The table.
pub static SIGNALS: &[Signal] = &[
    Signal {
        id: "nvidia.no-nvml",
        anchor: "could not load NVML",
        pattern: "",
        unit: "nvidia-device-plugin",
        mark: Mark::Cause,
        versions: "",
        source: "NVIDIA/k8s-device-plugin: internal/rm/factory.go",
    },
    Signal {
        id: "nvidia.no-strategy",
        anchor: "ncompatible ",
        pattern: r"(?i)incompatible (?:strategy|platform) detected",
        unit: "nvidia-device-plugin",
        mark: Mark::Cause,
        versions: "",
        source: "NVIDIA/k8s-device-plugin: internal/rm/factory.go",
    },
    Signal {
        id: "nvidia.is-this-a-gpu-node",
        anchor: "If this is a GPU node, did you",
        pattern: "",
        unit: "nvidia-device-plugin",
        mark: Mark::Symptom,
        versions: "",
        source: "NVIDIA/k8s-device-plugin: internal/rm/factory.go",
    },
    Signal {
        id: "gpu.driver-mismatch",
        anchor: "river/library version mismatch",
        pattern: "",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: "NVIDIA: nvml.h (NVML_ERROR_LIB_RM_VERSION_MISMATCH)",
    },
];
