//! What lies below a machine breaks, for real: a disk of its volume group goes, its disk's image is written to while it
//! runs. Then its owner asks `diagnose`.
//! Deliberately absent: ZFS, whose module no Debian kernel brings along.

use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Failed;
use xtask::lab::node::Lab;
use xtask::lab::wait_until;

use super::Outcome;
use super::census::Census;
use super::machines::{answers, refused, told};
use super::named::causes;

/// The machine.
const VM: &str = "201";

/// Two disks become one volume, which is filled and mounted.
const POOL: &str = "vgcreate -q pool /dev/sdb /dev/sdc && lvcreate -q -L 1500M -n data pool && mkfs.ext4 -q /dev/pool/data && mkdir -p /data && mount /dev/pool/data /data && echo kept > /data/file && umount /data && sync";

/// What a person would ask on the machine.
const ASKED: &[(&str, &str)] = &[
    ("vgs", "vgs"),
    ("pvs", "pvs"),
    ("lvs", "lvs -a"),
    ("mount", "vgchange -ay pool; mount /dev/pool/data /data"),
    ("lsblk", "lsblk"),
];

/// Bytes of the first part of the file system, where the tables of inodes are, on the Proxmox host.
const DAMAGE: &str = "file=$(find / -xdev -name vm-201-disk-0.raw)\nfor at in $(seq 4 63); do dd if=/dev/urandom of=\"$file\" bs=64k count=1 seek=$((at * 16)) conv=notrunc status=none; done\nsync";

/// Reads what the kernel has not kept, by nothing but the shell.
const READ: &str = "echo 3 > /proc/sys/vm/drop_caches; for file in /usr/share/*/* /usr/lib/*/* /etc/*/* /var/lib/*/*; do [ -r \"$file\" ]; done; true";

/// Both, on one machine: a processor made of software takes its time for each of its starts.
pub fn what_lies_below_a_machine_breaks() -> Outcome {
    let before = Census::take();
    let lab = Lab::builder().bare().virtual_machine().boot()?;
    told(
        &lab,
        &["importdisk", VM, "/root/images/debian-12-vm.raw", "local"],
    )?;
    let disk = "local:201/vm-201-disk-0.raw";
    told(
        &lab,
        &[
            "set", VM, "--scsi0", disk, "--scsi1", "local:1", "--scsi2", "local:1",
        ],
    )?;
    up(&lab)?;
    let made = inside(&lab, &format!("({POOL}) 2>&1; echo code $?"))?;
    assert!(made.contains("code 0"), "{made}");
    told(&lab, &["shutdown", VM, "--timeout", "120"])?;

    let folder = tempfile::tempdir()?;
    let pool = folder.path().join("pool");
    told(&lab, &["set", VM, "--delete", "scsi2"])?;
    up(&lab)?;
    fs::create_dir(&pool)?;
    for (name, command) in ASKED {
        let said = inside(&lab, &format!("({command}) 2>&1"))?;
        let text = format!("root@vm1:~# {command}\n{said}");
        fs::write(pool.join(format!("{name}-vm1.txt")), text)?;
    }
    shown(&pool)?;
    assert_eq!(causes(&pool)?, ["storage-pool-lost"]);

    let image = folder.path().join("image");
    fs::create_dir(&image)?;
    lab.machine("pve1")?.script(DAMAGE)?;
    // The agent may die of it, too.
    refused(
        &lab,
        &[
            "guest",
            "exec",
            VM,
            "--timeout",
            "60",
            "--",
            "sh",
            "-c",
            READ,
        ],
    )?;
    let console = lab.dir().join("vm/console.log");
    let mut said = String::new();
    wait_until(
        "the guest's kernel finds it",
        Duration::from_secs(120),
        || {
            said = fs::read_to_string(&console).map_err(|e| e.to_string())?;
            match said.contains("EXT4-fs error") {
                true => Ok(()),
                false => Err(format!("{} bytes on its console", said.len())),
            }
        },
    )?;
    let config = told(&lab, &["config", VM])?;
    fs::write(image.join("console-vm1.log"), &said)?;
    fs::write(
        image.join("qm-config-pve1.txt"),
        format!("root@pve1:~# qm config {VM}\n{config}"),
    )?;
    shown(&image)?;
    let named = causes(&image)?;
    let right = ["filesystem-read-only", "vm-disk-image-corrupt"];
    assert!(
        !named.is_empty() && named.iter().all(|class| right.contains(&class.as_str())),
        "{named:?}"
    );
    told(&lab, &["stop", VM])?;
    drop(lab);
    before.returns().map_err(Into::into)
}

/// Switches it on and waits for its agent.
fn up(lab: &Lab) -> Outcome {
    told(lab, &["start", VM])?;
    answers(lab, VM, Duration::from_secs(240))
}

/// What a script prints on it.
fn inside(lab: &Lab, script: &str) -> Result<String, Failed> {
    let words = [
        "guest",
        "exec",
        VM,
        "--timeout",
        "100",
        "--",
        "sh",
        "-c",
        script,
    ];
    let done: serde_json::Value = serde_json::from_str(&told(lab, &words)?)?;
    let said = done["out-data"].as_str();
    Ok(said.ok_or_else(|| done.to_string())?.to_owned())
}

/// Keeps a copy of a recording where `LAB_RECORDINGS` names a folder.
pub fn shown(recording: &Path) -> Outcome {
    let Some(kept) = std::env::var_os("LAB_RECORDINGS") else {
        return Ok(());
    };
    let name = recording.file_name().unwrap_or_default();
    let folder = Path::new(&kept).join(name);
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(recording)? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    Ok(())
}
