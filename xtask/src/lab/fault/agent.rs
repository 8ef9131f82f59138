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
    // Debian's containerd is not taken back to what a later one wrote: it begins anew.
    Fault {
        name: "agent-upgraded-first",
        family: Family::Agent,
        classes: &["version-skew"],
        what: "an agent is upgraded to the next minor version before its server: kubelet, kube-proxy and containerd are really of that release",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::Upgrade("n2"),
            Step::On("n2", "systemctl restart k3s-agent"),
            Step::Until {
                node: "n1",
                script: "kubectl get node n2 -o jsonpath='{.status.nodeInfo.kubeletVersion}' | grep -q '^v1\\.36\\.'",
                seconds: 90,
            },
        ],
        heals: &[Step::On(
            "n2",
            "k3s-killall.sh\nrm -rf /opt/lab/later /var/lib/rancher/k3s/agent/containerd\nsystemctl start --no-block k3s-agent",
        )],
    },
    // n1 is the door, too: its sshd is what the tunnel ends at.
    Fault {
        name: "tunnel-refused",
        family: Family::Agent,
        classes: &["access-path-down"],
        what: "the operator comes in by a tunnel (ssh -R) that a pod holds open; the door forgets the pod's key and starts again, and the cluster lives",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "rm -f /root/tunnel-key*\nssh-keygen -q -t ed25519 -N '' -C tunnel -f /root/tunnel-key\nsed 's/^/restrict,port-forwarding /' /root/tunnel-key.pub >> /root/.ssh/authorized_keys\necho 'GatewayPorts clientspecified' > /etc/ssh/sshd_config.d/door.conf\nsystemctl reload ssh",
            ),
            Step::On(
                "n1",
                "kubectl create namespace access\nkubectl -n access create secret generic tunnel-key --from-file=id=/root/tunnel-key\nrm /root/tunnel-key\nkubectl apply -f - <<'END'\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: tunnel, namespace: access}\nspec:\n  strategy: {type: Recreate}\n  selector: {matchLabels: {app: tunnel}}\n  template:\n    metadata: {labels: {app: tunnel}}\n    spec:\n      terminationGracePeriodSeconds: 1\n      containers:\n      - name: ssh\n        image: lab.defib.dev/ssh:lab\n        args: [-N, -o, ExitOnForwardFailure=yes, -o, StrictHostKeyChecking=no, -o, UserKnownHostsFile=/dev/null, -o, ServerAliveInterval=5, -i, /key/id, -R, \"198.51.100.11:16443:kubernetes.default:443\", root@198.51.100.11]\n        volumeMounts: [{name: key, mountPath: /key, readOnly: true}]\n      volumes: [{name: key, secret: {secretName: tunnel-key, defaultMode: 0400}}]\nEND\nsed 's#server: .*#server: https://198.51.100.11:16443#' /etc/rancher/k3s/k3s.yaml > /root/way-in.yaml",
            ),
            Step::Until {
                node: "n1",
                script: "kubectl --kubeconfig /root/way-in.yaml --request-timeout=5s get nodes",
                seconds: 60,
            },
            Step::On(
                "n1",
                "sed -i '/ tunnel$/d' /root/.ssh/authorized_keys\npkill -f '^sshd: root'",
            ),
            Step::Until {
                node: "n1",
                script: "kubectl -n access get pods -o jsonpath='{.items[*].status.containerStatuses[*].state.waiting.reason}' | grep -q CrashLoopBackOff",
                seconds: 120,
            },
        ],
        heals: &[Step::On(
            "n1",
            "kubectl delete namespace access --timeout=120s\nrm /root/way-in.yaml /root/tunnel-key.pub /etc/ssh/sshd_config.d/door.conf\nsystemctl reload ssh",
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
