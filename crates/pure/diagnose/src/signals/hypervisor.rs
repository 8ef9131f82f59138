//! Below and around the hosts: storage pools, disk images of VMs, and the operator's way in.
//! Source: OpenZFS `cmd/zpool`, `module/zfs`; LVM2 `tools/`; mdadm; Proxmox VE `PVE/Storage`, `PVE/QemuServer`;
//! QEMU `block/qcow2.c`, `qemu-img.c`; e2fsprogs `e2fsck`; OpenSSH `sshconnect.c`; cloudflared `carrier/`.

use defib_model::signal::{Mark, Signal};

const fn pool(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "kernel, systemd",
        Mark::Cause,
        "OpenZFS: cmd/zpool/zpool_main.c, module/zfs/spa.c; LVM2: tools/; pve-storage: PVE/Storage.pm",
    )
}

const fn image(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "kernel, systemd",
        Mark::Cause,
        "QEMU: block/qcow2.c, qemu-img.c; qemu-server: PVE/QemuServer.pm; e2fsprogs: e2fsck",
    )
}

const fn way(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "systemd, kernel",
        Mark::Symptom,
        "OpenSSH: sshconnect.c, kex.c; cloudflared: carrier/carrier.go; iputils: ping",
    )
}

const fn inside(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "any program",
        Mark::Symptom,
        "OpenSSH: sshconnect.c, sshconnect2.c, ssh.c",
    )
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    pool(
        "zfs.state",
        " state: ",
        r"^\s*state: (DEGRADED|SUSPENDED|UNAVAIL|FAULTED|OFFLINE|REMOVED)\b",
    ),
    // A machine's volume in the list of what has permanent errors. Source: `cmd/zpool/zpool_main.c` (print_error_log),
    // `zpool_obj_to_path`.
    pool(
        "zfs.damaged-volume",
        "-disk-",
        r"^\s*\S*\b(?:vm|base|subvol)-(\d+)-disk-\d+(?:@[^\s:]+)?:(?:<0x[0-9a-f]+>|/\S*)\s*$",
    ),
    // A device of a pool that had errors in reading or writing. Source: `cmd/zpool/zpool_main.c` (print_status_config).
    pool(
        "zfs.device-errors",
        "ONLINE ",
        r"^\s+\S+\s+ONLINE\s+(?:[1-9][\d.]*[KMG]?\s+\d\S*|0\s+[1-9][\d.]*[KMG]?)\s+\d\S*",
    ),
    pool(
        "zfs.import",
        "cannot import ",
        r"cannot import '?([^\s':]+)'?: ?(.*)",
    ),
    // Alone on its line, as the boot of a root pool leaves it; without the reason it is nothing else.
    pool(
        "zfs.import-bare",
        "cannot import ",
        r"^\s*(?:Message: )?cannot import '?([a-z][\w.:-]*)'?\.?\s*$",
    ),
    pool("zfs.suspended", "I/O is currently suspended", ""),
    pool(
        "zfs.io-failure",
        "uncorrectable I/O failure",
        r"Pool '?([^\s']+)'? has encountered an uncorrectable I/O failure and has been suspended",
    ),
    pool(
        "pve.not-online",
        " is not online",
        r"storage '?([^\s']+)'? is not online",
    ),
    pool(
        "pve.not-active",
        "could not activate storage",
        r"could not activate storage '?([^\s':,]+)'?",
    ),
    pool(
        "pve.inactive",
        " inactive ",
        r"^\s*(\S+)\s+(?:zfspool|lvmthin|lvm|nfs|cifs|rbd|btrfs|cephfs|iscsi|pbs)\s+inactive\s",
    ),
    pool(
        "lvm.missing",
        "ind device with uuid",
        r"(?i)couldn't find device with uuid (\S+)",
    ),
    pool(
        "lvm.no-group",
        "Volume group ",
        r#"Volume group "?([^\s"]+)"? not found"#,
    ),
    pool(
        "lvm.thin",
        "thin pool",
        r"(?i)thin pool (\S+).*(?:transaction_id|needs_check|check of (?:thin )?pool|needs repair)",
    ),
    pool(
        "lvm.pool-check",
        "heck of pool ",
        r"[Cc]heck of pool (\S+/\S+) failed \(status:",
    ),
    // Source: qemu-server `PVE/CLI/qm.pm` (vmlist).
    pool(
        "pve.stopped",
        " stopped ",
        r"^\s*(\d{3,9})\s+(\S+)\s+stopped\s+\d+\s+[\d.]+\s",
    ),
    image("qcow2.corrupt", "arking image as corrupt", ""),
    image("qcow2.is-corrupt", "mage is corrupt", ""),
    image(
        "qcow2.errors",
        "found on the image",
        r"\b[1-9]\d* (?:errors|corruptions?) (?:were|was) found on the image",
    ),
    image(
        "vm.io-error",
        "io-error",
        r"(?:qmp)?status: io-error|VM status: paused \(io-error\)",
    ),
    // QEMU's job could not read a disk of the machine (EIO, ENODATA, ETIMEDOUT, EREMOTEIO); what can't be written, others
    // say.
    // Source: pve-manager `PVE/VZDump.pm` (exec_backup_task), qemu-server `PVE/VZDump/QemuServer.pm`.
    image(
        "vzdump.unreadable",
        "ERROR: Backup of VM ",
        r"ERROR: Backup of VM (\d+) failed - job failed with err -(?:5|61|110|121)\b",
    ),
    image(
        "vzdump.finished",
        "INFO: Finished Backup of VM ",
        r"INFO: Finished Backup of VM (\d+)\b",
    ),
    // The line below.
    image(
        "vzdump.finished-at",
        "INFO: Backup finished at ",
        r"INFO: Backup finished at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)",
    ),
    // The line below one that failed.
    image(
        "vzdump.failed-at",
        "INFO: Failed at ",
        r"INFO: Failed at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)",
    ),
    image(
        "fsck.manually",
        "RUN fsck MANUALLY",
        r"(?:^|\s)(/dev/\S+?):? UNEXPECTED INCONSISTENCY|RUN fsck MANUALLY",
    ),
    way(
        "ssh.proxy-closed",
        "by UNKNOWN port 65535",
        r"[Cc]onnection (?:closed|reset) by UNKNOWN port 65535",
    ),
    way(
        "ssh.failed",
        "ssh: connect to host ",
        r"ssh: connect to host (\S+) port (\d+): (.+)",
    ),
    way(
        "ssh.unknown-host",
        "ould not resolve hostname",
        r"ssh: Could not resolve hostname ([^\s:]+)",
    ),
    // An ssh in a container; who fetches from a Git host says the first two as well.
    inside(
        "ssh.denied",
        ": Permission denied (",
        r"^(?:\S+@)?(\S+): Permission denied \(([a-z,-]+)\)\.?$",
    ),
    inside(
        "ssh.no-way",
        "ssh: connect to host ",
        r"^ssh: connect to host (\S+) port (\d+): ",
    ),
    inside(
        "ssh.forward-refused",
        "remote port forwarding failed for listen port",
        r"remote port forwarding failed for listen port (\d+)",
    ),
    way(
        "tunnel.bad-handshake",
        "websocket: bad handshake",
        r"(?i)(?:failed to connect to origin|originURL|cloudflared|access (?:tcp|ssh)).*websocket: bad handshake|websocket: bad handshake.*originURL",
    ),
    // Whoever speaks WebSocket says so; alone it is cloudflared's only below an ssh.
    way(
        "tunnel.bare-handshake",
        "websocket: bad handshake",
        r"^\s*websocket: bad handshake\.?\s*$",
    ),
    way(
        "tunnel.gone",
        "loudflare",
        r"(?i)error\D{0,8}(?:1033|530)\b.*cloudflare|cloudflare.*(?:tunnel error|error 1033|error 530)",
    ),
    // A tunnel in use shakes hands every two minutes; nothing passes after three.
    // Source: the WireGuard protocol's REKEY_AFTER_TIME and REJECT_AFTER_TIME; wireguard-tools `show.c`.
    way(
        "tunnel.no-handshake",
        "latest handshake: ",
        r"latest handshake: (.*\b(?:year|day|hour)s?,? .*ago|(?:[4-9]|\d\d) minutes.* ago)",
    ),
    // Source: ipmitool `lib/ipmi_chassis.c`.
    way("host.power-off", "Chassis Power is off", ""),
];
