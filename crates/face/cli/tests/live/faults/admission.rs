//! What the API server and its controllers refuse, hold or can't reach.
//! Deliberately absent: how a fault is brought about; that is `faults`'.

use super::{Fault, Step};
use crate::record::Take;

/// The table.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "pod_security",
        steps: &[Step::Node("n1"), Step::Apply(POD_SECURITY)],
        classes: &["podsecurity-rejects-pod"],
        symptoms: &[
            ("pod-refused", "replicaset.apps/strict/root-user-"),
            ("replicas-missing", "deployment.apps/strict/root-user"),
        ],
        page: Some("adm/pod_security.md"),
        takes: &[
            Take::Get(
                "namespace.yaml",
                &["get", "namespace", "strict", "-o", "yaml"],
            ),
            Take::Get(
                "all.yaml",
                &[
                    "get",
                    "-n",
                    "strict",
                    "deployments,replicasets,events",
                    "-o",
                    "yaml",
                ],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "quota",
        steps: &[
            Step::Node("n1"),
            Step::Apply(QUOTA),
            Step::Apply(QUOTA_WORKLOAD),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "tight",
                    "pods",
                    "-o",
                    "jsonpath={.items[*].status.phase}",
                ],
                "Running Running Running",
            ),
        ],
        classes: &["quota-exceeded"],
        symptoms: &[
            ("pod-refused", "replicaset.apps/tight/web-"),
            ("replicas-missing", "deployment.apps/tight/web"),
        ],
        page: Some("adm/quota_exceeded.md"),
        takes: &[Take::Get(
            "all.yaml",
            &[
                "get",
                "-n",
                "tight",
                "resourcequotas,deployments,replicasets,events",
                "-o",
                "yaml",
            ],
        )],
        ..Fault::NONE
    },
    Fault {
        name: "quota_must_specify",
        steps: &[
            Step::Node("n1"),
            Step::Apply(QUOTA_OF_MEMORY),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "tight",
                    "resourcequota",
                    "compute",
                    "-o",
                    "jsonpath={.status.used}",
                ],
                "limits.memory",
            ),
            Step::Apply(QUOTA_WORKLOAD),
        ],
        classes: &["quota-requires-requests-limits"],
        symptoms: &[
            ("pod-refused", "replicaset.apps/tight/web-"),
            ("replicas-missing", "deployment.apps/tight/web"),
        ],
        page: Some("adm/quota_must_specify.md"),
        takes: &[
            Take::Get(
                "quota.yaml",
                &[
                    "get",
                    "-n",
                    "tight",
                    "resourcequota",
                    "compute",
                    "-o",
                    "yaml",
                ],
            ),
            Take::Get(
                "all.yaml",
                &[
                    "get",
                    "-n",
                    "tight",
                    "deployments,replicasets,events",
                    "-o",
                    "yaml",
                ],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "service_account",
        steps: &[Step::Node("n1"), Step::Apply(SERVICE_ACCOUNT)],
        classes: &["serviceaccount-missing"],
        symptoms: &[
            ("pod-refused", "replicaset.apps/shop/web-"),
            ("replicas-missing", "deployment.apps/shop/web"),
        ],
        page: Some("adm/service_account.md"),
        takes: &[Take::Get(
            "all.yaml",
            &[
                "get",
                "-n",
                "shop",
                "serviceaccounts,deployments,replicasets,events",
                "-o",
                "yaml",
            ],
        )],
        ..Fault::NONE
    },
    Fault {
        name: "finalizer",
        steps: &[
            Step::Node("n1"),
            Step::Apply(FINALIZER),
            Step::Kubectl(&["delete", "namespace", "held", "--wait=false"]),
            Step::Until(NAMESPACE_HELD, "NamespaceFinalizersRemaining"),
        ],
        classes: &["namespace-stuck-finalizer"],
        symptoms: &[("namespace-terminating", "namespace/held")],
        page: Some("adm/namespace_finalizer.md"),
        takes: &[
            Take::Get(
                "namespace.yaml",
                &["get", "namespace", "held", "-o", "yaml"],
            ),
            Take::Get(
                "left.yaml",
                &["get", "-n", "held", "configmap", "holds-it", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "api_service",
        steps: &[Step::Node("n1"), Step::Apply(API_SERVICE)],
        classes: &["aggregated-api-down"],
        symptoms: &[(
            "api-service-unavailable",
            "apiservice.apiregistration.k8s.io/v1.absent.example.com",
        )],
        page: Some("adm/aggregated_api.md"),
        takes: &[Take::Get(
            "apiservice.yaml",
            &["get", "apiservice", "v1.absent.example.com", "-o", "yaml"],
        )],
        ..Fault::NONE
    },
    Fault {
        name: "api_service_holds_a_namespace",
        steps: &[
            Step::Node("n1"),
            Step::Apply(API_SERVICE),
            Step::Kubectl(&["create", "namespace", "held"]),
            Step::Kubectl(&["delete", "namespace", "held", "--wait=false"]),
            Step::Until(NAMESPACE_HELD, "NamespaceDeletionDiscoveryFailure"),
        ],
        classes: &["namespace-stuck-dead-apiservice"],
        symptoms: &[
            (
                "api-service-unavailable",
                "apiservice.apiregistration.k8s.io/v1.absent.example.com",
            ),
            ("namespace-terminating", "namespace/held"),
        ],
        page: Some("adm/namespace_dead_api.md"),
        takes: &[
            Take::Get(
                "namespace.yaml",
                &["get", "namespace", "held", "-o", "yaml"],
            ),
            Take::Get(
                "apiservice.yaml",
                &["get", "apiservice", "v1.absent.example.com", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "webhook",
        steps: &[
            Step::Node("n1"),
            Step::Apply(WEBHOOK),
            // The API server hears of a webhook a moment after it is stored.
            Step::Refused(TRY_A_POD),
            Step::Kubectl(&[
                "create",
                "deployment",
                "blocked",
                "-n",
                "guarded",
                "--image=registry.invalid/app:1",
            ]),
        ],
        classes: &["webhook-config-orphaned"],
        symptoms: &[
            (
                "webhook-failing",
                "validatingwebhookconfiguration.admissionregistration.k8s.io/nobody-answers",
            ),
            ("pod-refused", "replicaset.apps/guarded/blocked-"),
        ],
        page: Some("adm/webhook_orphaned.md"),
        takes: &[
            Take::Get(
                "webhook.yaml",
                &[
                    "get",
                    "validatingwebhookconfiguration",
                    "nobody-answers",
                    "-o",
                    "yaml",
                ],
            ),
            Take::Get(
                "all.yaml",
                &[
                    "get",
                    "-n",
                    "guarded",
                    "deployments,replicasets,events",
                    "-o",
                    "yaml",
                ],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "webhook_down",
        // As k3s sets it: to pods and not to the Service's address, which nothing here serves.
        apiserver: &["--enable-aggregator-routing=true"],
        steps: &[
            Step::Node("n1"),
            Step::Apply(WEBHOOK),
            Step::Apply(WEBHOOK_SERVICE),
            Step::Refused(TRY_A_POD),
            Step::Apply(WEBHOOK_SERVER),
        ],
        classes: &["webhook-backend-down-fail-closed"],
        symptoms: &[
            (
                "webhook-failing",
                "validatingwebhookconfiguration.admissionregistration.k8s.io/nobody-answers",
            ),
            ("pod-refused", "replicaset.apps/guarded/guard-"),
        ],
        page: Some("adm/webhook_down.md"),
        takes: &[
            Take::Get(
                "webhook.yaml",
                &[
                    "get",
                    "validatingwebhookconfiguration",
                    "nobody-answers",
                    "-o",
                    "yaml",
                ],
            ),
            Take::Get(
                "service.yaml",
                &["get", "-n", "guarded", "service", "guard", "-o", "yaml"],
            ),
            Take::Get(
                "all.yaml",
                &[
                    "get",
                    "-n",
                    "guarded",
                    "deployments,replicasets,events",
                    "-o",
                    "yaml",
                ],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "crd_missing",
        live: false,
        classes: &["crd-not-installed"],
        page: Some("adm/crd_missing.md"),
        takes: &[Take::TryWith(
            "apply.log",
            &["apply", "-f", "web.yaml"],
            "web.yaml",
            || SERVICE_MONITOR.to_owned(),
        )],
        ..Fault::NONE
    },
    Fault {
        name: "api_removed",
        live: false,
        classes: &["removed-api-version"],
        page: Some("adm/api_removed.md"),
        takes: &[Take::TryWith(
            "apply.log",
            &["apply", "-f", "web.yaml"],
            "web.yaml",
            || OLD_CRON_JOB.to_owned(),
        )],
        ..Fault::NONE
    },
    Fault {
        name: "too_large",
        live: false,
        classes: &["gitops-object-too-large-for-client-apply"],
        page: Some("git/too_large.md"),
        takes: &[Take::TryWith(
            "apply.log",
            &["apply", "-f", "lamps.yaml"],
            "lamps.yaml",
            || format!("{LARGE_CRD}{}\n", "A lamp. ".repeat(40_000)),
        )],
        ..Fault::NONE
    },
    Fault {
        name: "drain_blocked",
        live: false,
        steps: &[
            Step::Node("n1"),
            Step::Apply(BUDGET),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pods",
                    "-o",
                    "jsonpath={.items[*].status.phase}",
                ],
                "Running",
            ),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pdb",
                    "web",
                    "-o",
                    "jsonpath={.status.currentHealthy}",
                ],
                "1",
            ),
        ],
        classes: &["upgrade-blocked-by-drain"],
        page: Some("adm/drain_blocked.md"),
        takes: &[
            Take::Get("budgets.yaml", &["get", "-n", "shop", "pdb", "-o", "yaml"]),
            Take::Try("drain.log", &["drain", "n1", "--timeout=7s"]),
        ],
        ..Fault::NONE
    },
];

const NAMESPACE_HELD: &[&str] = &[
    "get",
    "namespace",
    "held",
    "-o",
    "jsonpath={.status.conditions[?(@.status=='True')].type}",
];

const TRY_A_POD: &[&str] = &[
    "run",
    "x",
    "-n",
    "guarded",
    "--image=registry.invalid/app:1",
    "--dry-run=server",
];

/// A namespace that is strict from the start.
pub const POD_SECURITY: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: root-user, namespace: strict}
spec:
  selector: {matchLabels: {app: root-user}}
  template:
    metadata: {labels: {app: root-user}}
    spec: {containers: [{name: app, image: "registry.invalid/app:1"}]}
"#;

const QUOTA: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: tight}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: compute, namespace: tight}
spec: {hard: {pods: "3"}}
"#;

const QUOTA_OF_MEMORY: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: tight}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: compute, namespace: tight}
spec: {hard: {requests.memory: 4Gi, limits.memory: 4Gi}}
"#;

const QUOTA_WORKLOAD: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: tight}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "registry.invalid/app:1"}]}
"#;

const SERVICE_ACCOUNT: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: runner
      containers: [{name: app, image: "registry.invalid/app:1"}]
"#;

const FINALIZER: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: held}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: holds-it, namespace: held, finalizers: [example.com/never-removed]}
"#;

/// An aggregated API whose Service is not there.
pub const API_SERVICE: &str = r#"
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.absent.example.com}
spec:
  group: absent.example.com
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 15
  insecureSkipTLSVerify: true
  service: {name: absent, namespace: default}
"#;

const WEBHOOK: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: guarded, labels: {guarded: "yes"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: nobody-answers}
webhooks:
- name: nobody-answers.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  namespaceSelector: {matchLabels: {guarded: "yes"}}
  clientConfig: {service: {name: guard, namespace: guarded}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}]
"#;

const WEBHOOK_SERVICE: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: guard, namespace: guarded}
spec:
  selector: {app: guard}
  ports: [{port: 443, targetPort: 9443}]
"#;

const WEBHOOK_SERVER: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: guard, namespace: guarded}
spec:
  selector: {matchLabels: {app: guard}}
  template:
    metadata: {labels: {app: guard}}
    spec: {containers: [{name: app, image: "registry.invalid/guard:1"}]}
"#;

const SERVICE_MONITOR: &str = r#"
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  endpoints: [{port: metrics}]
"#;

const OLD_CRON_JOB: &str = r#"
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: web, namespace: default}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "registry.invalid/app:1"}]}}}}
"#;

/// The description at its end is what makes it large.
const LARGE_CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.example.com}
spec:
  group: example.com
  names: {kind: Lamp, plural: lamps}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: "#;

const BUDGET: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "registry.invalid/app:1"}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec:
  minAvailable: 1
  selector: {matchLabels: {app: web}}
"#;
