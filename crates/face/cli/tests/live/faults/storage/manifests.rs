//! What the faults of storage apply.
//! Deliberately absent: why; the table of faults says it.

/// A node and a namespace.
pub const BASE: &str = r#"
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

pub const CLASS_MISSING: &str = r#"
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

pub const NO_DEFAULT: &str = r#"
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

pub const VOLUME_MISSING: &str = r#"
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

pub const VOLUME_DIFFERS: &str = r#"
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

pub const ACCESS_MODES: &str = r#"
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

pub const OTHER_CLAIM: &str = r#"
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

pub const NO_VOLUME: &str = r#"
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

pub const FIRST_LIFE: &str = r#"
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

pub const SECOND_LIFE: &str = r#"
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

pub const CACHE_FIRST: &str = r#"
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

pub const MEDIA_SECOND: &str = r#"
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

pub const NO_CONSUMER: &str = r#"
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

pub const CLAIM_MISSING: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;

pub const ELSEWHERE: &str = r#"
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

pub const ON_ELSEWHERE: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: player, namespace: shop}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: media}}]
  containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]
"#;
