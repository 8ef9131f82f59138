//! Tokens and authorities: who may join, and whose certificates count.

use super::step::remove_member;
use super::{Family, Fault, Step, Store};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "wrong-token",
        family: Family::Identity,
        classes: &["token-mismatch"],
        what: "a server is set up anew and joins with a token of another cluster",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/server",
            ),
            remove_member!("n1", "n2"),
            Step::On(
                "n2",
                "cp -p /etc/rancher/k3s/config.yaml /root/config.yaml.good\nsed -i 's/^token: .*/token: 00000000000000000000000000000000/' /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n2",
                text: "not authorized",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n2",
            "mv /root/config.yaml.good /etc/rancher/k3s/config.yaml\nsystemctl restart --no-block k3s",
        )],
    },
    Fault {
        name: "token-changed",
        family: Family::Identity,
        classes: &["token-mismatch"],
        what: "the token in one server's settings is changed, and the server is restarted",
        servers: 1..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "cp -p /etc/rancher/k3s/config.yaml /root/config.yaml.good\nsed -i 's/^token: .*/token: 00000000000000000000000000000000/' /etc/rancher/k3s/config.yaml\nsystemctl restart --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "bootstrap data already found and encrypted with different token",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n1",
            "mv /root/config.yaml.good /etc/rancher/k3s/config.yaml\nsystemctl restart --no-block k3s",
        )],
    },
    Fault {
        name: "ca-swapped",
        family: Family::Identity,
        classes: &["bootstrap-data-conflict", "foreign-cluster-ca", "mixed-ca"],
        what: "the server authority on one server is replaced by another cluster's of the same name",
        servers: 2..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                "systemctl stop k3s\ncd /var/lib/rancher/k3s/server/tls\nname=$(openssl x509 -in server-ca.crt -noout -subject -nameopt multiline | sed -n 's/.*commonName *= //p')\nopenssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj \"/CN=$name\" -keyout server-ca.key -out server-ca.crt\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n2",
                text: "newer than datastore and could cause a cluster outage",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n2",
            "systemctl stop k3s\nrm /var/lib/rancher/k3s/server/tls/server-ca.crt /var/lib/rancher/k3s/server/tls/server-ca.key\nsystemctl start --no-block k3s",
        )],
    },
];
