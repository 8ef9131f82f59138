//! systemd of a host: mounts that did not come, and what it says of k3s' unit.
//! Source: systemd `src/core/{mount,job,device,unit}.c`; the form with the unit's name since version 250. Behind it
//! stands the unit's Description, which is the place only where nobody wrote another.
//! Deliberately absent: kills for memory (`kubelet`), mounts of pods.

use defib_model::signal::{Mark, Signal};

const fn signal(
    id: &'static str,
    anchor: &'static str,
    pattern: &'static str,
    source: &'static str,
) -> Signal {
    super::signal(id, anchor, pattern, "systemd", Mark::Cause, source)
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    signal(
        "systemd.mount-failed",
        "Failed to mount ",
        r"systemd(?:\[\d+\])?: Failed to mount (?:(?:\S+\.mount - )?(/\S*?)|(\S+)\.mount - .+?)\.?$",
        "systemd: src/core/mount.c",
    ),
    Signal {
        mark: Mark::Progress,
        ..signal(
            "systemd.mounted",
            ": Mounted ",
            r"systemd(?:\[\d+\])?: Mounted (?:(?:\S+\.mount - )?(/\S*?)|(\S+)\.mount - .+?)\.?$",
            "systemd: src/core/mount.c",
        )
    },
    Signal {
        mark: Mark::Progress,
        ..signal(
            "systemd.k3s-starts",
            "service - Lightweight Kubernetes",
            r"systemd(?:\[\d+\])?: Start(?:ing|ed) (\S+\.service) - Lightweight Kubernetes",
            "systemd: src/core/job.c; k3s: install.sh",
        )
    },
    Signal {
        mark: Mark::Progress,
        ..signal(
            "systemd.rke2-starts",
            "service - Rancher Kubernetes Engine",
            r"systemd(?:\[\d+\])?: Start(?:ing|ed) (\S+\.service) - Rancher Kubernetes Engine",
            "systemd: src/core/job.c; rke2: install.sh",
        )
    },
    // After a `systemctl stop` nobody starts it again, so this is never part of an ordinary end.
    Signal {
        mark: Mark::Symptom,
        ..signal(
            "systemd.restarts",
            "restart counter is at ",
            r"(\S+\.service): Scheduled restart job, restart counter is at (\d+)",
            "systemd: src/core/service.c",
        )
    },
    signal(
        "systemd.not-executed",
        ".service: Failed ",
        r"(\S+\.service): Failed (?:at step EXEC spawning|to execute|to locate executable) (\S+?): (Exec format error|No such file or directory|Permission denied|Text file busy)",
        "systemd: src/core/execute.c",
    ),
    signal(
        "systemd.mount-waits",
        "Dependency failed for ",
        r"systemd(?:\[\d+\])?: Dependency failed for (?:(?:\S+\.mount - )?(/\S*?)|(\S+)\.mount - .+?)\.?$",
        "systemd: src/core/job.c",
    ),
];
