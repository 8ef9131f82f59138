//! An agent that does not run pods any more: its runtime, its network, its way into the cluster.
//!
//! One server, n1, and an agent, n2; one fault needs a second agent, n3. Deliberately absent: what is wrong with single
//! workloads; see `workload`.

use super::{Family, Fault, Step, Store};

/// CoreDNS anew, so that it starts under what was changed.
const NEW_DNS: Step = Step::On(
    "n1",
    "kubectl -n kube-system delete pod -l k8s-app=kube-dns --grace-period=1 --wait=false",
);

/// Nobody calls a node broken that was made a moment ago: it has no network yet.
const FOR_A_WHILE: Step = Step::Until {
    node: "n1",
    script: "made=$(kubectl get node n2 -o jsonpath='{.metadata.creationTimestamp}')\ntest $(($(date +%s) - $(date -d \"$made\" +%s))) -ge 90",
    seconds: 120,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "cni-config-removed",
        family: Family::Agent,
        classes: &["cni-config-missing"],
        what: "the CNI configuration of a node is deleted",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            FOR_A_WHILE,
            Step::On(
                "n2",
                "rm /var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist",
            ),
            Step::Until {
                node: "n1",
                script: "kubectl get node n2 -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].message}' | grep -q 'cni plugin not initialized'",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n2", "systemctl restart k3s-agent")],
    },
    Fault {
        name: "containerd-store-damaged",
        family: Family::Agent,
        classes: &["containerd-store-corrupt"],
        what: "the database in which containerd keeps its images and containers is overwritten",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                "systemctl stop k3s-agent\ndd if=/dev/urandom of=/var/lib/rancher/k3s/agent/containerd/io.containerd.metadata.v1.bolt/meta.db bs=4096 count=4 conv=notrunc status=none\nsystemctl start --no-block k3s-agent",
            ),
            Step::Said {
                node: "n2",
                text: "Waiting for containerd startup",
                seconds: 60,
            },
            Step::Until {
                node: "n1",
                script: "kubectl get node n2 -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].status}' | grep -q Unknown",
                seconds: 120,
            },
        ],
        heals: &[Step::On(
            "n2",
            "k3s-killall.sh\nrm -rf /var/lib/rancher/k3s/agent/containerd\nsystemctl start --no-block k3s-agent",
        )],
    },
    Fault {
        name: "coredns-loop",
        family: Family::Agent,
        classes: &["coredns-forward-loop"],
        what: "the node's resolv.conf, which the kubelet is told to hand on, names a resolver on the node itself",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                "cp /etc/resolv.conf /etc/resolv.conf.before\necho 'nameserver 127.0.0.53' > /etc/resolv.conf\necho 'resolv-conf: /etc/resolv.conf' >> /etc/rancher/k3s/config.yaml\nsystemctl restart k3s-agent",
            ),
            NEW_DNS,
            Step::Until {
                node: "n1",
                script: "kubectl -n kube-system get pods -l k8s-app=kube-dns -o jsonpath='{.items[*].status.containerStatuses[*].state.waiting.reason}' | grep -q CrashLoopBackOff",
                seconds: 120,
            },
        ],
        heals: &[
            Step::On(
                "n2",
                "mv /etc/resolv.conf.before /etc/resolv.conf\nsed -i '/^resolv-conf:/d' /etc/rancher/k3s/config.yaml\nsystemctl restart k3s-agent",
            ),
            NEW_DNS,
        ],
    },
    // A new pod would switch it on again: the bridge's plugin does so for every pod that it connects.
    Fault {
        name: "ip-forward-off",
        family: Family::Agent,
        classes: &["ip-forward-off"],
        what: "IP forwarding is switched off on a node, so its pods reach nothing beyond it",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "kubectl create deployment shop --image=lab.defib.dev/busybox:lab -- sh -c 'while true; do nslookup -type=a shop$RANDOM.example. | tail -n 2; sleep 2; done'\nkubectl rollout status deployment/shop --timeout=90s",
            ),
            Step::On("n2", "sysctl -w net.ipv4.ip_forward=0"),
            Step::Until {
                node: "n1",
                script: "kubectl logs deployment/shop --tail=6 | grep -q 'no servers could be reached'",
                seconds: 60,
            },
        ],
        heals: &[
            Step::On("n2", "sysctl -w net.ipv4.ip_forward=1"),
            Step::On("n1", "kubectl delete deployment shop"),
        ],
    },
    Fault {
        name: "node-password-changed",
        family: Family::Agent,
        classes: &["node-password-rejected"],
        what: "a node's password file is lost, so it comes back with another one",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                "systemctl stop k3s-agent\nmv /etc/rancher/node/password /root/password.before\nsystemctl start --no-block k3s-agent",
            ),
            Step::Said {
                node: "n2",
                text: "Node password rejected, duplicate hostname or contents of",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n2",
            "systemctl stop k3s-agent\nmv /root/password.before /etc/rancher/node/password\nsystemctl start --no-block k3s-agent",
        )],
    },
    Fault {
        name: "two-nodes-of-one-name",
        family: Family::Agent,
        classes: &["node-password-rejected", "duplicate-node-name"],
        what: "a second agent is given the name of the first",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n3",
                "systemctl stop k3s-agent\nsed -i 's/^node-name: .*/node-name: n2/' /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s-agent",
            ),
            Step::Said {
                node: "n3",
                text: "Node password rejected, duplicate hostname or contents of",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n3",
            "systemctl stop k3s-agent\nsed -i 's/^node-name: .*/node-name: n3/' /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s-agent",
        )],
    },
    Fault {
        name: "wrong-token-at-agent",
        family: Family::Agent,
        classes: &["token-mismatch"],
        what: "an agent is started with a token that is not the cluster's",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                "systemctl stop k3s-agent\ncp -p /etc/rancher/k3s/config.yaml /root/config.before\nsed -i 's/^token: .*/token: of-another-cluster/' /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s-agent",
            ),
            Step::Said {
                node: "n2",
                text: "not authorized",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n2",
            "systemctl stop k3s-agent\nmv /root/config.before /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s-agent",
        )],
    },
    Fault {
        name: "agents-server-off",
        family: Family::Agent,
        classes: &["host-down"],
        what: "the only server loses its power, and the agent is started again meanwhile",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::Kill("n1"),
            Step::On(
                "n2",
                "systemctl stop k3s-agent\nsystemctl start --no-block k3s-agent",
            ),
            Step::Said {
                node: "n2",
                text: "Failed to validate connection to cluster at",
                seconds: 90,
            },
        ],
        heals: &[Step::Start("n1")],
    },
];
