//! What the quiet states are made of, as YAML. Deliberately absent: anything that is wrong.

pub(super) fn namespace(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
}

/// A Deployment and its namespace, both of this name.
pub(super) fn deployment(name: &str, replicas: u32) -> String {
    format!(
        "{}---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: app, image: 'registry.invalid/app:1'}}]}}
",
        namespace(name)
    )
}

pub(super) fn service(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {name}}}
spec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}
"
    )
}

pub(super) fn job(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  backoffLimit: 0
  template:
    spec: {{restartPolicy: Never, {spec}containers: [{{name: app, image: 'registry.invalid/app:1'}}]}}
"
    )
}

pub(super) fn cron_job(name: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: CronJob
metadata: {{name: {name}, namespace: batch}}
spec:
  suspend: true
  schedule: '*/5 * * * *'
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec: {{restartPolicy: Never, containers: [{{name: app, image: 'registry.invalid/app:1'}}]}}
"
    )
}

pub(super) fn quota(name: &str, pods: u32) -> String {
    format!(
        "apiVersion: v1
kind: ResourceQuota
metadata: {{name: {name}, namespace: {name}}}
spec: {{hard: {{pods: '{pods}'}}}}
"
    )
}

pub(super) const STATEFUL_SET: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: db}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: db-a}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: by-hand
  nfs: {server: nas.invalid, path: /a}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: db-b}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: by-hand
  nfs: {server: nas.invalid, path: /b}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: app, image: "registry.invalid/app:1", volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      storageClassName: by-hand
      resources: {requests: {storage: 1Gi}}
"#;

pub(super) const DAEMON_SET: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: agent}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: app, image: "registry.invalid/app:1"}]}
"#;

pub(super) const SERVICES: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: outside}
---
apiVersion: v1
kind: Service
metadata: {name: by-hand, namespace: outside}
spec: {clusterIP: None, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: outside}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Service
metadata: {name: left-over, namespace: outside}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
"#;

pub(super) const LEAVING: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: leaving}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: last, namespace: leaving, finalizers: [example.com/for-a-moment]}
"#;

pub(super) const WAITING_CLAIM: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: waits}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: late}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: waits}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: late
  resources: {requests: {storage: 1Gi}}
"#;

pub(super) const BUDGET_AND_AUTOSCALER: &str = r#"
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: scaled, namespace: scaled}
spec: {minAvailable: 1, selector: {matchLabels: {app: scaled}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: scaled, namespace: scaled}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: scaled}
  minReplicas: 2
  maxReplicas: 4
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
"#;

pub(super) const WEBHOOK: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: checked, labels: {checked: "yes"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: for-a-while}
webhooks:
- name: for-a-while.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  namespaceSelector: {matchLabels: {checked: "yes"}}
  clientConfig: {service: {name: absent, namespace: default}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}]
"#;
