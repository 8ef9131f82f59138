//! Claims that are not bound, and pods that wait for their volumes.
//! Deliberately absent: mounting; that is the kubelet's.

use super::{Fault, Step};
use crate::record::Take;

/// The table.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "claim_selector",
        steps: &[Step::Node("n1"), Step::Apply(CLAIM_SELECTOR)],
        classes: &["pvc-selector-mismatch"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/media/library"),
            ("pod-pending", "pod/media/server-"),
            ("replicas-missing", "deployment.apps/media/server"),
        ],
        page: Some("sto/selector_mismatch.md"),
        age: 75,
        takes: &[
            Take::Get("pv.yaml", &["get", "pv", "library", "-o", "yaml"]),
            Take::Get(
                "all.yaml",
                &[
                    "get",
                    "-n",
                    "media",
                    "pvc,deployments,replicasets,pods,events",
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
    Fault {
        name: "claim_class_missing",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(CLASS_MISSING),
        ],
        classes: &["pvc-storageclass-missing"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/class_missing.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_no_default_class",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(NO_DEFAULT),
        ],
        classes: &["pvc-no-default-storageclass"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/no_default_class.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_volume_missing",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(VOLUME_MISSING),
        ],
        classes: &["pvc-volumename-missing-pv"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/volume_missing.md"),
        age: 75,
        takes: &[
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_volume_differs",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(VOLUME_DIFFERS),
        ],
        classes: &["pvc-pv-mismatch"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/volume_differs.md"),
        age: 75,
        takes: &[
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_access_modes",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(ACCESS_MODES),
        ],
        classes: &["pvc-access-mode-mismatch"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/access_mode_mismatch.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_no_volume",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(OTHER_CLAIM),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "cache",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Apply(NO_VOLUME),
        ],
        classes: &["pvc-no-matching-pv"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/no_matching_volume.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_released_volume",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(FIRST_LIFE),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "media",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "blog",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Kubectl(&["delete", "-n", "shop", "pvc", "media"]),
            Step::Until(
                &["get", "pv", "media-disk", "-o", "jsonpath={.status.phase}"],
                "Released",
            ),
            Step::Apply(SECOND_LIFE),
        ],
        classes: &["pv-released-stale-claimref"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/stale_claim_ref.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_taken_volume",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(CACHE_FIRST),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "cache",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Apply(MEDIA_SECOND),
        ],
        classes: &["pv-bound-to-wrong-claim"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/bound_to_wrong_claim.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_without_consumer",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(NO_CONSUMER),
        ],
        classes: &["pvc-waits-for-consumer"],
        symptoms: &[("claim-pending", "persistentvolumeclaim/shop/media")],
        page: Some("sto/waits_for_consumer.md"),
        age: 315,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("pods.yaml", &["get", "-n", "shop", "pods", "-o", "yaml"]),
            Take::Get("claims.yaml", &["get", "-n", "shop", "pvc", "-o", "yaml"]),
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
        name: "claim_missing",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(OTHER_CLAIM),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "cache",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Apply(CLAIM_MISSING),
        ],
        classes: &["pvc-missing"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sto/claim_missing.md"),
        age: 75,
        takes: &[
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "volume_node_affinity",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(ELSEWHERE),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "media",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Apply(ON_ELSEWHERE),
        ],
        classes: &["volume-node-affinity-conflict"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sto/node_affinity.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
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

/// A node and a namespace.
const BASE: &str = r#"
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

/// A claim that selects a label which no volume carries.
pub const CLAIM_SELECTOR: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: media}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: library, labels: {disk: big}}
spec:
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteMany]
  storageClassName: ""
  nfs: {server: nas.invalid, path: /library}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: library, namespace: media}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: ""
  selector: {matchLabels: {disk: large}}
  resources: {requests: {storage: 5Gi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: media}
spec:
  replicas: 3
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec:
      containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: library, mountPath: /library}]}]
      volumes: [{name: library, persistentVolumeClaim: {claimName: library}}]
"#;

const CLASS_MISSING: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local-path, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
  storageClassName: longhorn
---
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

const NO_DEFAULT: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: driver.example.com
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
---
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

const VOLUME_MISSING: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: other}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  storageClassName: local
  local: {path: /srv/other}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
  storageClassName: local
  volumeName: pvc-0b1c
---
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

const VOLUME_DIFFERS: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: media-disk}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20G}
  storageClassName: local
  local: {path: /srv/media-disk}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
  storageClassName: local
  volumeName: media-disk
---
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

const ACCESS_MODES: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk-a}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  storageClassName: local
  local: {path: /srv/disk-a}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteMany]
  resources: {requests: {storage: 20Gi}}
  storageClassName: local
---
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

const OTHER_CLAIM: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: slow}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk-a}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Gi}
  storageClassName: slow
  local: {path: /srv/disk-a}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cache, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  storageClassName: slow
"#;

const NO_VOLUME: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
  storageClassName: local
---
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

const FIRST_LIFE: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: media-disk}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  storageClassName: local
  local: {path: /srv/media-disk}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: blog-disk}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 5Gi}
  storageClassName: local
  local: {path: /srv/blog-disk}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
  storageClassName: local
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: blog, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 5Gi}}
  storageClassName: local
  volumeName: blog-disk
"#;

const SECOND_LIFE: &str = r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
  storageClassName: local
---
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

const CACHE_FIRST: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: media-disk}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  storageClassName: local
  local: {path: /srv/media-disk}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cache, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  storageClassName: local
"#;

const MEDIA_SECOND: &str = r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
  storageClassName: local
---
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

const NO_CONSUMER: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local-path, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
  storageClassName: local-path
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers: [{name: app, image: "registry.invalid/app:1"}]
"#;

const CLAIM_MISSING: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

const ELSEWHERE: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: media-disk}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  storageClassName: local
  local: {path: /srv/media-disk}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [box-1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: shop}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 20Gi}}
  storageClassName: local
"#;

const ON_ELSEWHERE: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;
