//! Backups of a machine fail for weeks and nobody looks: the file system below its disk finds that what it reads is not
//! what it wrote. The machine itself never reads there, and is well. Then its owner asks `diagnose`.
//! Deliberately absent: Proxmox' own archives; what `vzdump` stands in for is in lab/README.md.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use defib_session::{Options, Source};
use libtest_mimic::Failed;
use xtask::lab::node::{Lab, Machine};
use xtask::lab::wait_until;

use super::Outcome;
use super::below::shown;
use super::census::Census;
use super::machines::told;
use super::named::causes;

/// The machine.
const VM: &str = "101";

/// The text that lies in one file of the machine's disk, and nowhere else.
const MARK: &str = "defib lab: this is what the machine has written";

/// A second disk of the Proxmox host, with btrfs, becomes a storage. A node has no disk of its own: a file stands for it.
const STORAGE: &str = r"truncate -s 512M /root/second-disk
mkfs.btrfs -q /root/second-disk
mkdir -p /mnt/tank
printf '\ndir: tank\n\tpath /mnt/tank\n\tcontent images\n' >> /etc/pve/storage.cfg";

/// Mounted by hand: a container's /dev has no such devices, and systemd there would not wait for them.
const MOUNT: &str = r#"[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
free=$(losetup -f)
[ -e "$free" ] || mknod "$free" b 7 "${free#/dev/loop}"
mount -o loop="$free" /root/second-disk /mnt/tank
findmnt -no SOURCE /mnt/tank"#;

/// What is to become the machine's second disk, as a guest would have filled it.
const IMAGE: &str = r#"mkdir -p /root/content /root/images
i=0
while [ $i -lt 400 ]; do echo "$1 $i"; i=$((i + 1)); done > /root/content/notes.txt
cp -r /usr/share/doc /root/content/
mkfs.ext4 -q -d /root/content /root/images/data.raw 96M"#;

/// The second disk gives back other bytes than it was given, and no error, as one behind a bad cable or controller can.
const DAMAGE: &str = r#"umount /mnt/tank
at=$(grep -abo -m 1 "$1 7" /root/second-disk | head -n 1 | cut -d : -f 1)
dd if=/dev/urandom of=/root/second-disk bs=4096 count=1 seek=$((at / 4096)) conv=notrunc status=none
sync"#;

/// Why it can't be done on this machine, if it can't.
pub fn unavailable() -> Option<&'static str> {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = Path::new("/lib/modules")
        .join(release.trim())
        .join("modules.dep");
    let module = fs::read_to_string(modules).is_ok_and(|text| text.contains("/btrfs.ko"));
    if !known.contains("\tbtrfs") && !module {
        return Some("the kernel has no btrfs");
    }
    // Where it is a module, the mount loads it.
    let loops = Path::new("/dev/loop-control").exists();
    (!loops).then_some("the machine has no loop devices")
}

/// A night: it is this many days before today. Says what the job printed.
fn night(lab: &Lab, days_ago: i64) -> Result<(String, String), Failed> {
    let host = lab.machine("pve1")?;
    host.stop()?;
    host.set_clock(-days_ago * 86_400)?;
    host.start()?;
    let device = host.script(MOUNT)?;
    let job = format!("vzdump {VM} --storage local --mode snapshot 2>&1 || true");
    Ok((host.script(&job)?, device.trim().to_owned()))
}

pub fn backups_of_a_machine_fail_for_weeks() -> Outcome {
    let before = Census::take();
    // The kernel is everybody's, and so are its words of before.
    let began = Instant::now();
    let lab = Lab::builder().bare().machines().boot()?;
    let host = lab.machine("pve1")?;
    host.script(STORAGE)?;
    host.script(MOUNT)?;
    with(&host, IMAGE)?;
    let image = "/root/images/data.raw";
    told(
        &lab,
        &["importdisk", VM, image, "tank", "--target-disk", "scsi1"],
    )?;

    let (fine, _) = night(&lab, 28)?;
    assert!(
        fine.contains(&format!("INFO: Finished Backup of VM {VM}")),
        "{fine}"
    );
    with(&host, DAMAGE)?;
    let mut last = (String::new(), String::new());
    for days_ago in [21, 14, 7, 0] {
        last = night(&lab, days_ago)?;
        let failed = format!(
            "ERROR: Backup of VM {VM} failed - job failed with err -5 - Input/output error"
        );
        assert!(last.0.contains(&failed), "{}", last.0);
    }
    assert_eq!(told(&lab, &["status", VM])?, "status: running\n");

    let folder = tempfile::tempdir()?;
    let alone = folder.path().join("backups-alone");
    let whole = folder.path().join("backups");
    for place in [&alone, &whole] {
        fs::create_dir(place)?;
        for (name, command) in ASKED {
            let said = host.script(command)?;
            fs::write(place.join(name), format!("root@pve1:~# {command}\n{said}"))?;
        }
    }
    // Nobody knows from the job alone why it could not read.
    assert_eq!(causes(&alone)?, Vec::<String>::new());
    let asked = [
        "vm-disk-image-corrupt",
        "disk-io-errors",
        "storage-pool-lost",
    ];
    assert_eq!(candidates(&alone)?, asked);

    let device = last.1.rsplit('/').next().unwrap_or_default();
    let own = format!("(device {device})");
    let since = format!("-{}s", began.elapsed().as_secs() + 1);
    let kernel = Command::new("dmesg")
        .args(["-T", "--since", &since])
        .output()?;
    let kernel: String = String::from_utf8_lossy(&kernel.stdout)
        .lines()
        .filter(|line| line.contains(&own) && line.contains("csum failed"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(!kernel.is_empty(), "the kernel says nothing of {own})");
    fs::write(
        whole.join("dmesg-pve1.txt"),
        format!("root@pve1:~# dmesg -T | grep BTRFS\n{kernel}"),
    )?;
    let stats = host.script("btrfs device stats /mnt/tank")?;
    fs::write(
        whole.join("btrfs-pve1.txt"),
        format!("root@pve1:~# btrfs device stats /mnt/tank\n{stats}"),
    )?;
    shown(&alone)?;
    shown(&whole)?;
    assert_eq!(causes(&whole)?, ["vm-disk-image-corrupt"]);
    drop(lab);
    before.returns()?;
    // The kernel gives the device back with the last mount, when it comes to it.
    wait_until(
        "no loop device is left",
        Duration::from_secs(30),
        || match loops() {
            Ok(left) if left.is_empty() => Ok(()),
            Ok(left) => Err(left.join(" ")),
            Err(error) => Err(error.to_string()),
        },
    )?;
    Ok(())
}

/// What `diagnose` asks about a recording.
fn candidates(recording: &Path) -> Result<Vec<String>, Failed> {
    let sources = [Source::Path(recording.to_owned())];
    let report = defib_session::diagnose(
        &sources,
        &Options::default(),
        &mut std::io::empty(),
        &mut |_| {},
    )?;
    Ok(report.candidates.into_iter().map(|c| c.class).collect())
}

/// Devices of this machine behind which the second disk of a lab still stands.
fn loops() -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for device in fs::read_dir("/sys/block")?.flatten() {
        let backing = fs::read_to_string(device.path().join("loop/backing_file"));
        if backing.is_ok_and(|path| path.contains("second-disk")) {
            found.push(device.path().display().to_string());
        }
    }
    Ok(found)
}

/// What a person would ask on the Proxmox host.
const ASKED: &[(&str, &str)] = &[
    ("tasks-pve1.txt", "cat /var/log/pve/tasks/*/UPID:*:vzdump:*"),
    ("log-pve1.txt", "cat /var/log/vzdump/qemu-101.log"),
    ("qm-pve1.txt", "qm list"),
    ("archives-pve1.txt", "ls -l /var/lib/vz/dump"),
];

/// Runs a script to which the mark is given.
fn with(host: &Machine<'_>, script: &str) -> Outcome {
    host.script(&format!("set -- '{MARK}'\n{script}"))?;
    Ok(())
}
