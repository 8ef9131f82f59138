//! What the scheduler can't place.
//! Deliberately absent: volumes; those are `storage`'s.

use super::{Fault, Step};
use crate::record::Take;

/// The table.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "node_selector",
        steps: &[
            Step::Apply(SERVER_AND_NODE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(ON_SSD),
        ],
        classes: &["node-selector-mismatch"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sch/selector_mismatch.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get(
                "pod.yaml",
                &["get", "-n", "shop", "pod", "player", "-o", "yaml"],
            ),
            Take::Get(
                "events.yaml",
                &["get", "-n", "shop", "events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "untolerated_taint",
        steps: &[
            Step::Apply(MAINTAINED),
            Step::Without(NODES, "not-ready"),
            Step::Apply(PLAYER),
        ],
        classes: &["untolerated-taint"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sch/untolerated_taint.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get(
                "pod.yaml",
                &["get", "-n", "shop", "pod", "player", "-o", "yaml"],
            ),
            Take::Get(
                "events.yaml",
                &["get", "-n", "shop", "events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "control_plane_taint",
        steps: &[
            Step::Apply(SERVER_ONLY),
            Step::Without(NODES, "not-ready"),
            Step::Apply(PLAYER),
        ],
        classes: &["untolerated-taint-control-plane"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sch/control_plane_taint.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get(
                "pod.yaml",
                &["get", "-n", "shop", "pod", "player", "-o", "yaml"],
            ),
            Take::Get(
                "events.yaml",
                &["get", "-n", "shop", "events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "cordoned",
        steps: &[
            Step::Apply(TWO_NODES),
            Step::Without(NODES, "not-ready"),
            Step::Kubectl(&["cordon", "n1", "n2"]),
            Step::Apply(PLAYER),
        ],
        classes: &["nodes-cordoned"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sch/cordoned.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get(
                "pod.yaml",
                &["get", "-n", "shop", "pod", "player", "-o", "yaml"],
            ),
            Take::Get(
                "events.yaml",
                &["get", "-n", "shop", "events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "insufficient_resources",
        steps: &[
            Step::Apply(ONE_NODE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(DATABASE),
            Step::Until(PHASES, "Running"),
            Step::Apply(LARGE_PLAYER),
        ],
        classes: &["insufficient-node-resources"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sch/insufficient_resources.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get("pods.yaml", &["get", "-n", "shop", "pods", "-o", "yaml"]),
            Take::Get(
                "events.yaml",
                &["get", "-n", "shop", "events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "pod_limit",
        steps: &[
            Step::Apply(SMALL_NODE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(TWO_PODS),
            Step::Until(PHASES, "Running Running"),
            Step::Apply(PLAYER),
        ],
        classes: &["node-pod-capacity-full"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sch/pod_limit.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get("pods.yaml", &["get", "-n", "shop", "pods", "-o", "yaml"]),
            Take::Get(
                "events.yaml",
                &["get", "-n", "shop", "events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "host_port",
        steps: &[
            Step::Apply(ONE_NODE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(SVCLB_TRAEFIK),
            Step::Until(PHASES, "Running"),
            Step::Apply(SVCLB_GATEWAY),
        ],
        classes: &["servicelb-hostport-conflict"],
        symptoms: &[("pod-pending", "pod/kube-system/svclb-gateway-")],
        page: Some("sch/host_port.md"),
        age: 75,
        takes: &[
            Take::Get(
                "pods.yaml",
                &["get", "-n", "kube-system", "pods", "-o", "yaml"],
            ),
            Take::Get(
                "daemonsets.yaml",
                &["get", "-n", "kube-system", "daemonsets", "-o", "yaml"],
            ),
            Take::Get(
                "events.yaml",
                &["get", "-n", "kube-system", "events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "anti_affinity",
        steps: &[
            Step::Apply(TWO_NODES),
            Step::Without(NODES, "not-ready"),
            Step::Apply(APART),
            Step::Until(PHASES, "Running Running"),
        ],
        classes: &["pod-anti-affinity-unsatisfiable"],
        symptoms: &[
            ("pod-pending", "pod/shop/db-"),
            ("replicas-missing", "deployment.apps/shop/db"),
        ],
        page: Some("sch/anti_affinity.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get(
                "all.yaml",
                &[
                    "get",
                    "-n",
                    "shop",
                    "deployments,replicasets,pods",
                    "-o",
                    "yaml",
                ],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
];

/// What keeps nodes from taking pods; a node is ready when it is without the taint for that.
const NODES: &[&str] = &[
    "get",
    "nodes",
    "-o",
    "jsonpath={.items[*].spec.taints[*].key} of {.items[*].metadata.name}",
];

/// Only those that run.
const PHASES: &[&str] = &[
    "get",
    "-A",
    "pods",
    "--field-selector=status.phase=Running",
    "-o",
    "jsonpath={.items[*].status.phase}",
];

const ONE_NODE: &str = r#"
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: n1, kubernetes.io/os: linux}
status:
  addresses: [{type: InternalIP, address: 192.0.2.11}, {type: Hostname, address: n1}]
  allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
  capacity: {cpu: "4", memory: 8Gi, pods: "110"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#;

const TWO_NODES: &str = r#"
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: n1, kubernetes.io/os: linux}
status:
  addresses: [{type: InternalIP, address: 192.0.2.11}, {type: Hostname, address: n1}]
  allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
  capacity: {cpu: "4", memory: 8Gi, pods: "110"}
---
apiVersion: v1
kind: Node
metadata:
  name: n2
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: n2, kubernetes.io/os: linux}
status:
  addresses: [{type: InternalIP, address: 192.0.2.12}, {type: Hostname, address: n2}]
  allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
  capacity: {cpu: "4", memory: 8Gi, pods: "110"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#;

const SERVER_AND_NODE: &str = r#"
apiVersion: v1
kind: Node
metadata:
  name: s1
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: s1, kubernetes.io/os: linux, node-role.kubernetes.io/control-plane: "true"}
spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}
status:
  addresses: [{type: InternalIP, address: 192.0.2.11}, {type: Hostname, address: s1}]
  allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
  capacity: {cpu: "4", memory: 8Gi, pods: "110"}
---
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: n1, kubernetes.io/os: linux}
status:
  addresses: [{type: InternalIP, address: 192.0.2.12}, {type: Hostname, address: n1}]
  allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
  capacity: {cpu: "4", memory: 8Gi, pods: "110"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#;

const SERVER_ONLY: &str = r#"
apiVersion: v1
kind: Node
metadata:
  name: s1
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: s1, kubernetes.io/os: linux, node-role.kubernetes.io/control-plane: "true"}
spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}
status:
  addresses: [{type: InternalIP, address: 192.0.2.11}, {type: Hostname, address: s1}]
  allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
  capacity: {cpu: "4", memory: 8Gi, pods: "110"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#;

const MAINTAINED: &str = r#"
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: n1, kubernetes.io/os: linux}
spec: {taints: [{key: maintenance, value: disk, effect: NoSchedule}]}
status:
  addresses: [{type: InternalIP, address: 192.0.2.11}, {type: Hostname, address: n1}]
  allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
  capacity: {cpu: "4", memory: 8Gi, pods: "110"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#;

const SMALL_NODE: &str = r#"
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: n1, kubernetes.io/os: linux}
status:
  addresses: [{type: InternalIP, address: 192.0.2.11}, {type: Hostname, address: n1}]
  allocatable: {cpu: "4", memory: 8Gi, pods: "2"}
  capacity: {cpu: "4", memory: 8Gi, pods: "2"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#;

const PLAYER: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  containers: [{name: app, image: "registry.invalid/app:1"}]
"#;

const ON_SSD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  nodeSelector: {disk: ssd}
  containers: [{name: app, image: "registry.invalid/app:1"}]
"#;

const DATABASE: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop}
spec:
  containers: [{name: app, image: "registry.invalid/app:1", resources: {requests: {memory: 4Gi}}}]
"#;

const LARGE_PLAYER: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  containers: [{name: app, image: "registry.invalid/app:1", resources: {requests: {memory: 6Gi}}}]
"#;

const TWO_PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop}
spec:
  containers: [{name: app, image: "registry.invalid/app:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop}
spec:
  containers: [{name: app, image: "registry.invalid/app:1"}]
"#;

/// Shaped as k3s' ServiceLB makes them; it does not run here.
const SVCLB_TRAEFIK: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: svclb-traefik-5d3a9c1f
  namespace: kube-system
  labels: {objectset.rio.cattle.io/hash: 5d3a9c1f, svccontroller.k3s.cattle.io/nodeselector: "false"}
spec:
  selector: {matchLabels: {app: svclb-traefik-5d3a9c1f}}
  template:
    metadata:
      labels: {app: svclb-traefik-5d3a9c1f, svccontroller.k3s.cattle.io/svcname: traefik, svccontroller.k3s.cattle.io/svcnamespace: kube-system}
    spec:
      automountServiceAccountToken: false
      containers:
      - {name: lb-tcp-443, image: "registry.invalid/klipper-lb:1", ports: [{name: lb-tcp-443, containerPort: 443, hostPort: 443, protocol: TCP}]}
      tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}]
"#;

const SVCLB_GATEWAY: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: svclb-gateway-5d3a9c1f
  namespace: kube-system
  labels: {objectset.rio.cattle.io/hash: 5d3a9c1f, svccontroller.k3s.cattle.io/nodeselector: "false"}
spec:
  selector: {matchLabels: {app: svclb-gateway-5d3a9c1f}}
  template:
    metadata:
      labels: {app: svclb-gateway-5d3a9c1f, svccontroller.k3s.cattle.io/svcname: gateway, svccontroller.k3s.cattle.io/svcnamespace: kube-system}
    spec:
      automountServiceAccountToken: false
      containers:
      - {name: lb-tcp-443, image: "registry.invalid/klipper-lb:1", ports: [{name: lb-tcp-443, containerPort: 443, hostPort: 443, protocol: TCP}]}
      tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}]
"#;

const APART: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: app, image: "registry.invalid/app:1"}]
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - labelSelector: {matchLabels: {app: db}}
            topologyKey: kubernetes.io/hostname
"#;
