//! Storage of a host: what the kernel and programs write when a disk is full, broken or read-only.
//! Source: Linux `block/`, `drivers/{ata,nvme,scsi,md,mmc}`, `fs/{ext4,xfs,btrfs,jbd2}`; errno texts of
//! Go's `syscall` and the C library; SQLite `src/main.c`; smartmontools.

use defib_model::signal::{Mark, Signal};

/// Programs of a host that say what the kernel answered them.
const HOST: &str = "k3s, kubelet, containerd, etcd, kine, flannel, kernel, systemd";

const fn host(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        HOST,
        Mark::Cause,
        "errno texts (Go syscall, glibc), SQLite: src/main.c",
    )
}

const fn kernel(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "kernel",
        Mark::Cause,
        "Linux: block/blk-core.c, drivers/{ata,nvme,scsi,md,mmc}, fs/{ext4,xfs,btrfs,jbd2}",
    )
}

const fn smart(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "systemd",
        Mark::Cause,
        "smartmontools: smartd.cpp, ataprint.cpp, nvmeprint.cpp",
    )
}

const fn iscsi(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "kernel",
        Mark::Symptom,
        "Linux: drivers/scsi/libiscsi.c, scsi_transport_iscsi.c",
    )
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    iscsi(
        "iscsi.connection-lost",
        "detected conn error",
        r"connection\d+:\d+: detected conn error",
    ),
    iscsi(
        "iscsi.session-lost",
        "session recovery timed out",
        r"session\d+: session recovery timed out",
    ),
    host("disk.enospc", "o space left on device", ""),
    host("disk.sqlite-full", "database or disk is full", ""),
    host("disk.no-room", "not enough space to allocate", ""),
    host(
        "disk.no-room-words",
        "nough ",
        r"(?i)not enough (?:free |disk )+space",
    ),
    host(
        "disk.is-full",
        " is full",
        r"(?i)\b(?:disk|file ?system|partition) (?:\S+ )?is full\b",
    ),
    host(
        "disk.erofs",
        "ead-only file system",
        r#"(?i)([a-z]+ )?(/[^\s:'"]*)?['"]?: read-only file system"#,
    ),
    host(
        "disk.eio",
        "nput/output error",
        r#"(?i)(/[^\s:'"]*)?['"]?: input/output error"#,
    ),
    host("disk.sqlite-eio", "disk I/O error", ""),
    host("disk.sigbus", "SIGBUS: bus error", ""),
    kernel(
        "kernel.io-error",
        "I/O error, dev",
        r"I/O error, dev ([^\s,]+)",
    ),
    kernel(
        "kernel.medium-error",
        "medium error, dev",
        r"medium error, dev ([^\s,]+)",
    ),
    kernel(
        "kernel.sense-error",
        "Sense Key : ",
        r"\[(\w+)\].*Sense Key : (?:Medium Error|Hardware Error)",
    ),
    kernel(
        "kernel.ata-failed",
        "failed command: ",
        r"(ata\d+(?:\.\d+)?): failed command: (?:READ|WRITE|FLUSH)",
    ),
    kernel(
        "kernel.ata-unc",
        "error: { ",
        r"(ata\d+(?:\.\d+)?): error: \{ (?:UNC|ABRT|ICRC|IDNF)",
    ),
    kernel(
        "kernel.nvme-timeout",
        " timeout, ",
        r"nvme (nvme\d+): I/O .*timeout, (?:aborting|reset|disable|completion)",
    ),
    kernel(
        "kernel.nvme-down",
        "nvme nvme",
        r"nvme (nvme\d+): (?:controller is down; will reset|Removing after probe failure|Device not ready; aborting|Disabling device after reset failure|Device shutdown incomplete)",
    ),
    kernel(
        "kernel.mmc-error",
        "mmcblk",
        r"(mmcblk\d+)\S*: (?:error -\d+|recovery failed|timed out)",
    ),
    kernel(
        "kernel.md-failed",
        "Disk failure on ",
        r"Disk failure on ([^\s,]+)",
    ),
    kernel(
        "kernel.buffer-error",
        "Buffer I/O error on ",
        r"Buffer I/O error on dev(?:ice)? ([^\s,]+)",
    ),
    kernel(
        "kernel.log-io",
        "Log I/O ",
        r"(?i)XFS \((\S+)\): .*log I/O error",
    ),
    kernel(
        "kernel.remounted-ro",
        "emounting filesystem read-only",
        r"(?:\(([^\s)]+)\): ?)?[Rr]emounting filesystem read-only",
    ),
    kernel(
        "kernel.forced-ro",
        "orced readonly",
        r"BTRFS.*\(device ([^\s)]+)[^)]*\).*forced readonly",
    ),
    kernel(
        "kernel.journal-aborted",
        "borting journal on device",
        r"borting journal on device ([^\s.]+)",
    ),
    kernel(
        "kernel.aborted-journal",
        "etected aborted journal",
        r"\(device ([^\s)]+)\).*etected aborted journal",
    ),
    kernel(
        "kernel.ext4-error",
        "EXT4-fs error",
        r"EXT4-fs error \(device ([^\s)]+)\)",
    ),
    kernel(
        "kernel.xfs-corrupt",
        "Corruption of in-memory data",
        r"XFS \((\S+)\): Corruption of in-memory data",
    ),
    kernel(
        "kernel.xfs-metadata",
        "Metadata corruption detected",
        r"XFS \((\S+)\): Metadata corruption detected",
    ),
    kernel(
        "kernel.xfs-shutdown",
        "hutting down filesystem",
        r"XFS \((\S+)\): .*[Ss]hutting down filesystem",
    ),
    kernel(
        "kernel.btrfs-corrupt",
        "BTRFS ",
        r"BTRFS (?:error|critical)[^(]*\(device ([^\s)]+)\S*: (?:parent transid verify failed|bad tree block|corrupt leaf|checksum verify failed)",
    ),
    // The bytes of a file are others than were written; of btrfs' own trees it speaks above.
    // Source: fs/btrfs/bio.c and inode.c (`btrfs_print_data_csum_error`), fs/btrfs/scrub.c.
    kernel(
        "kernel.btrfs-csum",
        "BTRFS ",
        r"BTRFS [^(]*\(device ([^\s):]+)[^)]*\): (?:csum failed (?:root|ino) |checksum error at logical |unable to fixup \(regular\) error at logical )",
    ),
    // The file is a machine's disk, by the names that hypervisors give.
    kernel(
        "kernel.btrfs-image",
        "BTRFS ",
        r"BTRFS [^(]*\(device [^)]*\): .*\(path: \S*?(?:\b(?:vm|base)-|\bimages/)(\d+)(?:-disk-|/)",
    ),
    // Another copy was good.
    kernel(
        "kernel.btrfs-repaired",
        "BTRFS ",
        r"BTRFS [^(]*\(device ([^\s):]+)[^)]*\): (?:read error corrected: ino |fixed up error at logical )",
    ),
    // Counts of all time, whichever of them has just risen. Source: fs/btrfs/volumes.c
    // (`btrfs_dev_stat_print_on_error`); btrfs-progs `cmds/device.c`.
    kernel(
        "kernel.btrfs-device",
        "BTRFS ",
        r"BTRFS [^(]*\(device [^)]*\): bdev (\S+) errs: (?:wr [1-9]|wr 0, rd [1-9])",
    ),
    kernel(
        "btrfs.device-errors",
        "_io_errs",
        r"^\s*\[(/dev/[^\]]+)\]\.(?:read|write)_io_errs\s+[1-9]",
    ),
    smart(
        "smart.failed",
        "self-assessment test result: ",
        r"self-assessment test result: FAIL",
    ),
    smart(
        "smart.pending",
        " sectors",
        r"Device: (\S+?),? .*\b[1-9]\d* (?:Currently unreadable \(pending\)|Offline uncorrectable) sectors",
    ),
    smart("smart.failing-now", "FAILING_NOW", ""),
    smart(
        "smart.nvme-errors",
        "Data Integrity Errors:",
        r"Data Integrity Errors:\s+[1-9]",
    ),
];
