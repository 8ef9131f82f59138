//! What makes a node a Proxmox host to those who log in to it: `qm`, `vzdump`, its files, and the way to what is below its machines.
//! Deliberately absent: what these do; that is in lab/shapes. And all else of Proxmox: its API, its cluster, its storages.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::image::{self, folders, put};
use super::open::{Plan, Role, Seat};
use crate::lab::LabError;
use crate::lab::error::file;
use crate::lab::parts::SHAPES;

/// The host's name.
const NAME: &str = "pve1";

/// The number of the first machine; the others follow.
const FIRST: usize = 101;

/// The number of the machine that is a real one.
const VIRTUAL: usize = 201;

/// It has no disk at first.
const VIRTUAL_CONFIG: &str = "agent: 1\nboot: order=scsi0\ncores: 1\nmemory: 1024\nname: vm1\nostype: l26\nscsihw: virtio-scsi-pci\nsockets: 1\n";

/// How large a disk is said to be, in GiB. Its file is a hole but for its first lines.
const DISK: u64 = 8;

/// What the file of a disk begins with that a node can be started from.
const MARK: &str = "defib-lab-disk";

const AGENT: &str = include_str!("../../../../lab/node/qemu-guest-agent.service");

/// The one storage: a folder, in Proxmox' own form.
const STORAGES: &str = "dir: local\n\tpath /var/lib/vz\n\tcontent images,iso,vztmpl,backup\n";

/// The host's place in the lab.
pub(super) fn seat() -> Seat {
    Seat {
        name: NAME.into(),
        host: NAME.into(),
        address: "198.51.100.2".into(),
        role: Role::Hypervisor,
    }
}

/// Where a lab keeps the socket between the host and what is below its machines.
pub(super) fn folder(lab: &Path) -> PathBuf {
    lab.join("hypervisor")
}

/// What the host alone sees: that socket, and the image of a virtual machine.
pub(super) fn binds(lab: &Path, plan: &Plan) -> Vec<String> {
    let mut binds = vec![format!(
        "--bind={}:/opt/lab/hypervisor",
        folder(lab).display()
    )];
    if let Some(image) = &plan.vm {
        binds.push(format!(
            "--bind-ro={}:/root/images/debian-12-vm.raw",
            image.disk.display()
        ));
    }
    binds
}

/// Puts the guest agent into a machine.
pub(super) fn fill_machine(layer: &Path) -> Result<(), LabError> {
    const UNITS: &str = "etc/systemd/system";
    const WANTS: &str = "etc/systemd/system/multi-user.target.wants";
    const UNIT: &str = "qemu-guest-agent.service";
    put(layer, &format!("{UNITS}/{UNIT}"), 0o644, AGENT)?;
    folders(layer, WANTS)?;
    let link = layer.join(WANTS).join(UNIT);
    symlink(format!("/{UNITS}/{UNIT}"), &link).map_err(file("link", &link))
}

/// Makes a node the host of all others.
pub(super) fn fill_host(layer: &Path, plan: &Plan) -> Result<(), LabError> {
    folders(layer, "usr/sbin")?;
    for name in ["qm", "vzdump"] {
        let link = layer.join("usr/sbin").join(name);
        let program = format!("{}/{}", image::PARTS, SHAPES.name);
        symlink(program, &link).map_err(file("link", &link))?;
    }
    put(layer, "etc/pve/storage.cfg", 0o640, STORAGES)?;
    let configs = format!("etc/pve/nodes/{NAME}/qemu-server");
    folders(layer, &configs)?;
    for (name, target) in [
        ("local", format!("nodes/{NAME}")),
        ("qemu-server", format!("nodes/{NAME}/qemu-server")),
    ] {
        let link = layer.join("etc/pve").join(name);
        symlink(target, &link).map_err(file("link", &link))?;
    }
    let machines = plan
        .seats
        .iter()
        .filter(|seat| seat.role != Role::Hypervisor);
    for (number, seat) in (FIRST..).zip(machines) {
        put(
            layer,
            &format!("{configs}/{number}.conf"),
            0o640,
            &config(number, seat),
        )?;
        let path = format!("var/lib/vz/images/{number}/vm-{number}-disk-0.raw");
        disk(layer, &path, &format!("{number} original"))?;
    }
    if plan.vm.is_some() {
        let path = format!("{configs}/{VIRTUAL}.conf");
        put(layer, &path, 0o640, VIRTUAL_CONFIG)?;
    }
    // What a fresh disk is made from: a node as it was made.
    disk(layer, "root/images/debian-12.raw", "image")
}

/// A machine as Proxmox writes it down.
fn config(number: usize, seat: &Seat) -> String {
    [
        "agent: 1".to_owned(),
        "boot: order=scsi0".to_owned(),
        "cores: 2".to_owned(),
        "memory: 2048".to_owned(),
        format!("name: {}", seat.host),
        format!(
            "net0: virtio=BC:24:11:00:00:{:02X},bridge=vmbr0",
            number % 256
        ),
        "onboot: 1".to_owned(),
        "ostype: l26".to_owned(),
        format!("scsi0: local:{number}/vm-{number}-disk-0.raw,size={DISK}G"),
        "scsihw: virtio-scsi-single".to_owned(),
        "sockets: 1".to_owned(),
        String::new(),
    ]
    .join("\n")
}

fn disk(layer: &Path, path: &str, what: &str) -> Result<(), LabError> {
    put(layer, path, 0o640, &format!("{MARK}\n{what}\n"))?;
    let path = layer.join(path);
    fs::File::options()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(DISK << 30))
        .map_err(file("lengthen", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_is_a_machine_with_a_disk() {
        let layer = tempfile::tempdir().unwrap();
        let mut plan = Plan::new(2, 0, false, "secret".into());
        plan.seats.push(seat());
        fill_host(layer.path(), &plan).unwrap();
        let read = |path: &str| fs::read_to_string(layer.path().join(path)).unwrap();
        let config = read("etc/pve/qemu-server/102.conf");
        assert!(config.contains("name: n2\n"), "{config}");
        assert!(config.contains("scsi0: local:102/vm-102-disk-0.raw,size=8G\n"));
        assert!(
            !layer
                .path()
                .join("etc/pve/local/qemu-server/103.conf")
                .exists()
        );
        let disk = layer.path().join("var/lib/vz/images/102/vm-102-disk-0.raw");
        assert_eq!(fs::metadata(&disk).unwrap().len(), 8 << 30);
        fill_machine(layer.path()).unwrap();
        let unit = layer
            .path()
            .join("etc/systemd/system/multi-user.target.wants");
        assert!(fs::symlink_metadata(unit.join("qemu-guest-agent.service")).is_ok());
    }
}
