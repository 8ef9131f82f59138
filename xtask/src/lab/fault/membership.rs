//! Who is a member of etcd, and who answers.

use super::step::remove_member;
use super::{Family, Fault, Step, Store};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "power-cord-1-of-3",
        family: Family::Membership,
        classes: &["etcd-member-down", "host-down"],
        what: "one of three servers loses power; the others go on",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::Kill("n3"),
            Step::Until {
                node: "n1",
                script: "! etcdctl --command-timeout=5s endpoint health --cluster",
                seconds: 60,
            },
        ],
        heals: &[Step::Start("n3")],
    },
    Fault {
        name: "power-cord-2-of-3",
        family: Family::Membership,
        classes: &["etcd-quorum-loss", "host-down"],
        what: "two of three servers lose power; the third has no majority",
        servers: 3..=3,
        store: Store::Etcd,
        breaks: &[
            Step::Kill("n2"),
            Step::Kill("n3"),
            Step::Said {
                node: "n1",
                text: "lost leader",
                seconds: 60,
            },
            Step::Until {
                node: "n1",
                script: "! etcdctl --command-timeout=5s endpoint health",
                seconds: 60,
            },
        ],
        heals: &[Step::Start("n2"), Step::Start("n3")],
    },
    Fault {
        name: "power-cord-1-of-2",
        family: Family::Membership,
        classes: &["etcd-quorum-loss", "host-down"],
        what: "one of two servers loses power: the other has no majority either",
        servers: 2..=2,
        store: Store::Etcd,
        breaks: &[
            Step::Kill("n2"),
            Step::Said {
                node: "n1",
                text: "lost leader",
                seconds: 60,
            },
            Step::Until {
                node: "n1",
                script: "! etcdctl --command-timeout=5s endpoint health",
                seconds: 60,
            },
        ],
        heals: &[Step::Start("n2")],
    },
    Fault {
        name: "wiped-same-name",
        family: Family::Membership,
        classes: &["duplicate-node-name"],
        what: "a server's data is removed and it joins under its old name, which etcd still has",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n3",
                "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/server\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n3",
                text: "duplicate node name found, please use a unique name for this node",
                seconds: 90,
            },
        ],
        heals: &[remove_member!("n1", "n3")],
    },
    Fault {
        name: "two-of-one-name",
        family: Family::Membership,
        classes: &["duplicate-node-name"],
        what: "a server is set up from a copy of another one's settings: it joins under the name of one that lives",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n3",
                "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/server",
            ),
            remove_member!("n1", "n3"),
            Step::On(
                "n3",
                "cp -p /etc/rancher/k3s/config.yaml /root/config.yaml.good\nsed -i 's/^node-name: .*/node-name: n2/' /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n3",
                text: "duplicate node name found, please use a unique name for this node",
                seconds: 90,
            },
        ],
        heals: &[Step::On(
            "n3",
            "systemctl stop k3s\nmv /root/config.yaml.good /etc/rancher/k3s/config.yaml\nrm -rf /var/lib/rancher/k3s/server\nsystemctl start --no-block k3s",
        )],
    },
    Fault {
        name: "removed-while-off",
        family: Family::Membership,
        classes: &["etcd-member-was-removed", "etcd-tombstone"],
        what: "a member is removed while its server is off, and comes back with its data",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On("n3", "systemctl stop k3s"),
            remove_member!("n1", "n3"),
            Step::On("n3", "systemctl start --no-block k3s"),
            Step::Said {
                node: "n3",
                text: "data-dir used by this member must be removed",
                seconds: 90,
            },
        ],
        heals: &[Step::On(
            "n3",
            "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/server/db/etcd\nsystemctl start --no-block k3s",
        )],
    },
    Fault {
        name: "tombstone",
        family: Family::Membership,
        classes: &["etcd-tombstone", "etcd-member-was-removed"],
        what: "the server that began the cluster is removed from etcd while it runs, and is restarted: its settings name no other server to join",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            remove_member!("n2", "n1"),
            Step::Until {
                node: "n1",
                script: "test -e /var/lib/rancher/k3s/server/db/etcd/tombstone",
                seconds: 60,
            },
            Step::On("n1", "systemctl restart --no-block k3s"),
            Step::Said {
                node: "n1",
                text: "tombstone file has been detected but --server is empty",
                seconds: 90,
            },
        ],
        // Its settings are as they were afterwards: with data k3s does not look at how it came to them.
        heals: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/server/db/etcd\ngrep -q '^cluster-init: true' /etc/rancher/k3s/config.yaml\ncp -p /etc/rancher/k3s/config.yaml /root/config.yaml.good\nsed -i 's|^cluster-init: true|server: https://198.51.100.12:6443|' /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s",
            ),
            Step::Until {
                node: "n1",
                script: "systemctl is-active --quiet k3s\netcdctl endpoint health",
                seconds: 120,
            },
            Step::On(
                "n1",
                "mv /root/config.yaml.good /etc/rancher/k3s/config.yaml",
            ),
        ],
    },
    Fault {
        name: "ghost-member",
        family: Family::Membership,
        classes: &["etcd-ghost-member"],
        what: "a member is added that no server belongs to and that never starts",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::Until {
                node: "n1",
                script: "etcdctl member add n9-0badcafe --peer-urls=https://198.51.100.19:2380",
                seconds: 30,
            },
            Step::Until {
                node: "n1",
                script: "etcdctl member list | grep -q 'unstarted.*198.51.100.19'",
                seconds: 30,
            },
        ],
        heals: &[Step::On(
            "n1",
            "id=$(etcdctl member list | awk -F', ' '/198.51.100.19/ { print $1 }')\netcdctl member remove \"$id\"",
        )],
    },
    Fault {
        name: "own-cluster",
        family: Family::Membership,
        classes: &["etcd-cluster-id-mismatch"],
        what: "a server's datastore is removed and its settings begin a cluster instead of joining one: it is alone, and well",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n3",
                "systemctl stop k3s\ncp -p /etc/rancher/k3s/config.yaml /root/config.yaml.good\nsed -i 's|^server: .*|cluster-init: true|' /etc/rancher/k3s/config.yaml\nrm -rf /var/lib/rancher/k3s/server/db/etcd\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "cluster ID mismatch",
                seconds: 60,
            },
        ],
        heals: &[
            Step::On("n3", "systemctl stop k3s"),
            remove_member!("n1", "n3"),
            Step::On(
                "n3",
                "mv /root/config.yaml.good /etc/rancher/k3s/config.yaml\nrm -rf /var/lib/rancher/k3s/server/db/etcd\nsystemctl start --no-block k3s",
            ),
        ],
    },
    Fault {
        name: "learner-cut-off",
        family: Family::Membership,
        classes: &["etcd-learner-not-promoted", "etcd-peer-port-blocked"],
        what: "a server joins anew while a firewall drops its peer port: it stays a learner",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On("n3", "systemctl stop k3s"),
            remove_member!("n1", "n3"),
            Step::On(
                "n3",
                "rm -rf /var/lib/rancher/k3s/server/db/etcd\nnft add table inet lab\nnft 'add chain inet lab in { type filter hook input priority 0; }'\nnft add rule inet lab in tcp dport 2380 iifname eth0 drop\nnft add rule inet lab in tcp sport 2380 iifname eth0 drop\nsystemctl start --no-block k3s",
            ),
            Step::Until {
                node: "n1",
                script: "etcdctl member list | grep -q '198.51.100.13.*true$'\nsleep 20\netcdctl member list | grep -q '198.51.100.13.*true$'",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n3", "nft delete table inet lab")],
    },
    Fault {
        name: "reset-flag-left",
        family: Family::Membership,
        classes: &["etcd-reset-flag-left"],
        what: "cluster-reset stays in the settings after the reset is done",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\necho 'cluster-reset: true' >> /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "Managed etcd cluster membership was previously reset",
                seconds: 120,
            },
        ],
        heals: &[Step::On(
            "n1",
            "sed -i '/^cluster-reset:/d' /etc/rancher/k3s/config.yaml\nsystemctl restart --no-block k3s",
        )],
    },
    Fault {
        name: "stale-but-fine",
        family: Family::Membership,
        classes: &[],
        what: "a server is off during 5,000 writes and comes back: it catches up and nothing is to be repaired",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::Stop("n3"),
            Step::On(
                "n1",
                "i=0\nwhile [ $i -lt 50 ]; do\n  { echo; seq -f \"put /lab/$i-%g x\" 100; echo; echo; } | etcdctl txn > /dev/null\n  i=$((i + 1))\ndone",
            ),
            Step::Start("n3"),
            Step::Until {
                node: "n3",
                script: "systemctl is-active --quiet k3s\netcdctl endpoint health\netcdctl get --prefix /lab/ --count-only -w fields | grep -q '\"Count\" : 5000'",
                seconds: 120,
            },
        ],
        heals: &[Step::On("n1", "etcdctl del --prefix /lab/")],
    },
];
