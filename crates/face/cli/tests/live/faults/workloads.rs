//! Workloads that run and can't be reached, and nodes that are gone.
//! Deliberately absent: containers; KWOK's have a state and nothing behind it.

use super::{Fault, Step};
use crate::record::Take;

/// The table.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "service_selector",
        steps: &[
            Step::Apply(TILL),
            Step::Until(PHASES, "Running"),
            Step::Apply(FRONT),
        ],
        classes: &["service-selector-mismatch"],
        symptoms: &[],
        page: Some("wrk/service_selector.md"),
        age: 75,
        takes: &[
            Take::Get("svc.yaml", &["get", "-n", "shop", "services", "-o", "yaml"]),
            Take::Get(
                "slices.yaml",
                &["get", "-n", "shop", "endpointslices", "-o", "yaml"],
            ),
            Take::Get("pods.yaml", &["get", "-n", "shop", "pods", "-o", "yaml"]),
            Take::Get(
                "deployments.yaml",
                &["get", "-n", "shop", "deployments", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "ingress_backend",
        steps: &[
            Step::Apply(TILL),
            Step::Until(PHASES, "Running"),
            Step::Apply(INGRESS),
        ],
        classes: &["ingress-backend-missing"],
        symptoms: &[],
        page: Some("wrk/ingress_backend.md"),
        age: 75,
        takes: &[
            Take::Get(
                "ing.yaml",
                &["get", "-n", "shop", "ingress", "till", "-o", "yaml"],
            ),
            Take::Get("svc.yaml", &["get", "-n", "shop", "services", "-o", "yaml"]),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "host_down",
        steps: &[
            Step::Apply(A_SILENT_NODE),
            Step::Until(
                &[
                    "get",
                    "node",
                    "n2",
                    "-o",
                    "jsonpath={.status.conditions[?(@.type=='Ready')].status}",
                ],
                "Unknown",
            ),
            Step::Until(NODES, "unreachable"),
            Step::Apply(ON_THE_SILENT_NODE),
        ],
        classes: &["host-down"],
        symptoms: &[
            ("node-not-ready", "node/n2"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("hst/host_down.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get(
                "pods.yaml",
                &["get", "-n", "shop", "pods,events", "-o", "yaml"],
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

const TILL: &str = r#"
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
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: till, namespace: shop}
spec:
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till, tier: frontend}}
    spec: {containers: [{name: app, image: "registry.invalid/app:1", ports: [{containerPort: 8080}]}]}
"#;

const FRONT: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: till, namespace: shop}
spec:
  selector: {app: till, tier: front}
  ports: [{port: 80, targetPort: 8080}]
"#;

const INGRESS: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: till, namespace: shop}
spec:
  selector: {app: till}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: till, namespace: shop}
spec:
  rules:
  - host: till.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: tills, port: {number: 80}}}}]}
"#;

/// The second says that it is ready, and then nothing more.
const A_SILENT_NODE: &str = r#"
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
  labels: {kubernetes.io/hostname: n2, kubernetes.io/os: linux}
status:
  conditions: [{type: Ready, status: "True", reason: KubeletReady, message: kubelet is posting ready status}]
  addresses: [{type: InternalIP, address: 192.0.2.12}, {type: Hostname, address: n2}]
  allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
  capacity: {cpu: "4", memory: 8Gi, pods: "110"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#;

const ON_THE_SILENT_NODE: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  nodeSelector: {kubernetes.io/hostname: n2}
  containers: [{name: app, image: "registry.invalid/app:1"}]
"#;
