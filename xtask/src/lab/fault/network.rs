//! What lies between hosts.

use super::{Family, Fault, Step, Store};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "peer-port-blocked",
        family: Family::Network,
        classes: &["etcd-peer-port-blocked"],
        what: "a firewall on one server drops etcd's peer port both ways; the host answers otherwise",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n3",
                "nft add table inet lab\nnft 'add chain inet lab in { type filter hook input priority 0; }'\nnft 'add chain inet lab out { type filter hook output priority 0; }'\nnft add rule inet lab in tcp dport 2380 iifname eth0 drop\nnft add rule inet lab in tcp sport 2380 iifname eth0 drop\nnft add rule inet lab out tcp dport 2380 oifname eth0 drop\nnft add rule inet lab out tcp sport 2380 oifname eth0 drop",
            ),
            Step::Until {
                node: "n3",
                script: "! etcdctl --command-timeout=5s endpoint health",
                seconds: 60,
            },
        ],
        heals: &[Step::On("n3", "nft delete table inet lab")],
    },
    Fault {
        name: "address-changed",
        family: Family::Network,
        classes: &["node-ip-changed"],
        what: "one server gets another address, in its settings too; etcd knows the old one",
        servers: 1..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nip address del 198.51.100.11/24 dev eth0\nip address add 198.51.100.41/24 dev eth0\nip route replace default via 198.51.100.1\nsed -i 's/^node-ip: .*/node-ip: 198.51.100.41/' /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "not a member of the etcd cluster",
                seconds: 90,
            },
        ],
        heals: &[Step::On(
            "n1",
            "systemctl stop k3s\nip address del 198.51.100.41/24 dev eth0\nip address add 198.51.100.11/24 dev eth0\nip route replace default via 198.51.100.1\nsed -i 's/^node-ip: .*/node-ip: 198.51.100.11/' /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s",
        )],
    },
    Fault {
        name: "one-way-partition",
        family: Family::Network,
        classes: &["etcd-peer-port-blocked"],
        what: "what one server sends to its peers' port is dropped; what they send arrives",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n3",
                "nft add table inet lab\nnft 'add chain inet lab out { type filter hook output priority 0; }'\nnft add rule inet lab out tcp dport 2380 oifname eth0 drop",
            ),
            Step::Said {
                node: "n3",
                text: "2380: i/o timeout",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n3", "nft delete table inet lab")],
    },
];
