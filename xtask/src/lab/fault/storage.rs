//! The disk below k3s' data: slow, or not there.
//! Deliberately absent: full and read-only file systems (`host`).

use super::{Family, Fault, Step, Store};

/// Puts k3s' data on a disk of its own, which a folder stands for. /etc/fstab names a disk image that is not there, so
/// that all is well until the host is restarted, as with a disk that was unplugged meanwhile. (Not a device: systemd
/// leaves those out in a container. Not a folder to be bound: systemd makes one that is missing, and nothing fails.)
const ON_A_DISK: &str = "systemctl stop k3s\nmv /var/lib/rancher /srv/unplugged\nmkdir /var/lib/rancher\nmount --bind /srv/unplugged /var/lib/rancher\necho '/srv/usb/rancher.img /var/lib/rancher ext4 loop,nofail 0 0' >> /etc/fstab\nsystemctl daemon-reload\ntimeout 120 systemctl start k3s";
/// The data goes back to where it was.
const OFF_THE_DISK: &str = "systemctl stop k3s\nrm -rf /var/lib/rancher\nmv /srv/unplugged /var/lib/rancher\nsed -i '/^.srv.usb.rancher.img /d' /etc/fstab\nsystemctl daemon-reload\nsystemctl reset-failed\nsystemctl start --no-block k3s";
/// At every start, once k3s is up: what the unit writes to any disk of this machine.
const ONE_WRITE_A_SECOND: &str = "cat > /run/one-write-a-second << 'END'
awk 'NR > 2 { print $1 \":\" $2 \" 1\" }' /proc/partitions | while read -r limit; do
  echo \"$limit\" > /sys/fs/cgroup/blkio/system.slice/k3s.service/blkio.throttle.write_iops_device || true
done 2> /dev/null
END
mkdir -p /run/systemd/system/k3s.service.d
printf '[Service]\nIOAccounting=yes\nExecStartPost=/bin/sh /run/one-write-a-second\n' > /run/systemd/system/k3s.service.d/disk.conf
systemctl daemon-reexec
systemctl restart --no-block k3s";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "disk-slow",
        family: Family::Host,
        classes: &["disk-too-slow"],
        what: "the disk below k3s takes one write a second, as under a neighbour who keeps it busy or a hypervisor's limit",
        servers: 1..=9,
        store: Store::Etcd,
        // systemd looks at its control groups once, and in a container they are open to it only after its start.
        breaks: &[
            Step::On("n1", ONE_WRITE_A_SECOND),
            Step::Until {
                node: "n1",
                script: "[ \"$(journalctl -u k3s -o cat --no-pager --since \"@$(cat /root/.fault-began)\" | grep -c 'slow fdatasync')\" -ge 3 ]",
                seconds: 120,
            },
        ],
        heals: &[Step::On(
            "n1",
            "rm -r /run/systemd/system/k3s.service.d\nsystemctl daemon-reload\nsystemctl kill -s KILL k3s",
        )],
    },
    Fault {
        name: "mount-gone",
        family: Family::Host,
        classes: &["data-dir-not-mounted"],
        what: "the only server's data lie on a disk that is missing after a restart: on the empty mount point k3s makes a new cluster, and is well",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", ON_A_DISK),
            Step::Kill("n1"),
            Step::Start("n1"),
            Step::Until {
                node: "n1",
                script: "systemctl is-active --quiet k3s\n[ \"$(systemctl list-jobs --no-legend | wc -l)\" = 0 ]",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n1", OFF_THE_DISK)],
    },
    Fault {
        name: "mount-gone-of-3",
        family: Family::Host,
        classes: &["data-dir-not-mounted"],
        what: "one server's data lie on a disk that is missing after a restart: it joins as if it were new, under a name that etcd still has",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On("n3", ON_A_DISK),
            Step::Kill("n3"),
            Step::Start("n3"),
            Step::Said {
                node: "n3",
                text: "duplicate node name found, please use a unique name for this node",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n3", OFF_THE_DISK)],
    },
];
