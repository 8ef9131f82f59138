//! The host below k3s: its disk, its ports.
//!
//! sshd takes the ports: k3s lets etcd share its ports with whoever shares too, as netcat would.

use super::{Family, Fault, Step, Store};

/// The data directory goes back from a small file system to the one that it was on.
const LARGE_AGAIN: &str = "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/filler /var/lib/rancher/k3s.large\ncp -a /var/lib/rancher/k3s /var/lib/rancher/k3s.large\numount /var/lib/rancher/k3s\nrmdir /var/lib/rancher/k3s\nmv /var/lib/rancher/k3s.large /var/lib/rancher/k3s\nsystemctl start --no-block k3s";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "port-2380-taken",
        family: Family::Host,
        classes: &["port-in-use"],
        what: "another program listens on etcd's peer port when k3s starts",
        servers: 1..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nsystemd-run --quiet --unit=squatter /usr/sbin/sshd -D -o ListenAddress=127.0.0.1:2380 -o PidFile=none\ntimeout 20 sh -c \"until ss -ltnp | grep -q '127.0.0.1:2380 .*sshd'; do sleep 0.1; done\"\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "listen tcp 127.0.0.1:2380: bind: address already in use",
                seconds: 60,
            },
        ],
        heals: &[Step::On("n1", "systemctl stop squatter")],
    },
    Fault {
        name: "port-6443-taken",
        family: Family::Host,
        classes: &["port-in-use"],
        what: "another program listens on the API's port when k3s starts",
        servers: 1..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nsystemd-run --quiet --unit=squatter /usr/sbin/sshd -D -o ListenAddress=0.0.0.0:6443 -o PidFile=none\ntimeout 20 sh -c \"until ss -ltnp | grep -q '0.0.0.0:6443 .*sshd'; do sleep 0.1; done\"\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "6443: bind: address already in use",
                seconds: 60,
            },
        ],
        heals: &[Step::On("n1", "systemctl stop squatter")],
    },
    Fault {
        name: "disk-full",
        family: Family::Host,
        classes: &["disk-full"],
        what: "the file system below the data directory is small and full",
        servers: 2..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                "systemctl stop k3s\nmv /var/lib/rancher/k3s /var/lib/rancher/k3s.large\nmkdir /var/lib/rancher/k3s\nmount -t tmpfs -o size=600m small /var/lib/rancher/k3s\ncp -a /var/lib/rancher/k3s.large/. /var/lib/rancher/k3s/\ndd if=/dev/zero of=/var/lib/rancher/k3s/filler bs=64k status=none || true\ndf /var/lib/rancher/k3s\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n2",
                text: "no space left on device",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n2", LARGE_AGAIN)],
    },
    Fault {
        name: "inodes-full",
        family: Family::Host,
        classes: &["disk-full"],
        what: "the file system below the data directory has room and no inodes",
        servers: 2..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                "systemctl stop k3s\nmv /var/lib/rancher/k3s /var/lib/rancher/k3s.large\nmkdir /var/lib/rancher/k3s\nmount -t tmpfs -o size=2g,nr_inodes=4096 small /var/lib/rancher/k3s\ncp -a /var/lib/rancher/k3s.large/. /var/lib/rancher/k3s/\nmkdir /var/lib/rancher/k3s/filler\ncd /var/lib/rancher/k3s/filler\nseq 5000 | xargs touch 2> /dev/null || true\ncd /\ndf -i /var/lib/rancher/k3s\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n2",
                text: "no space left on device",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n2", LARGE_AGAIN)],
    },
    Fault {
        name: "read-only",
        family: Family::Host,
        classes: &["filesystem-read-only"],
        what: "the file system below the data directory has become read-only",
        servers: 2..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                "systemctl stop k3s\nmount --bind /var/lib/rancher/k3s /var/lib/rancher/k3s\nmount -o remount,ro,bind /var/lib/rancher/k3s\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n2",
                text: "read-only file system",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n2",
            "systemctl stop k3s\numount /var/lib/rancher/k3s\nsystemctl start --no-block k3s",
        )],
    },
];
