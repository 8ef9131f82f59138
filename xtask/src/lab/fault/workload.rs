//! What pods need and do not get: admission, volumes, Secrets, room, memory.
//!
//! One server, n1, on which kubectl is used, and one agent, n2, on which pods run. Deliberately absent: what goes wrong
//! with the agent itself; see `agent`.

use super::{Family, Fault, Step, Store};

/// A claim and a pod that uses it.
macro_rules! claim {
    ($fields:literal) => {
        concat!(
            "kubectl apply -f - <<'END'\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: orders, namespace: shop}\nspec:\n  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n",
            $fields,
            "---\napiVersion: v1\nkind: Pod\nmetadata: {name: orders, namespace: shop}\nspec:\n  containers:\n  - name: orders\n    image: lab.defib.dev/tool:lab\n    args: [serve, \":8080\"]\n    volumeMounts: [{name: data, mountPath: /data}]\n  volumes: [{name: data, persistentVolumeClaim: {claimName: orders}}]\nEND"
        )
    };
}

/// A deployment of one pod; the fields of its container go on after the image.
macro_rules! deployment {
    ($namespace:literal, $name:literal, $fields:literal) => {
        concat!(
            "kubectl apply -f - <<'END'\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ", $name, ", namespace: ", $namespace, "}\nspec:\n  selector: {matchLabels: {app: ", $name, "}}\n  template:\n    metadata: {labels: {app: ", $name, "}}\n    spec:\n      terminationGracePeriodSeconds: 1\n      containers:\n      - name: ", $name, "\n        image: lab.defib.dev/tool:lab\n", $fields, "END"
        )
    };
}

/// A namespace that is new.
macro_rules! namespace {
    ($name:literal) => {
        concat!(
            "kubectl create namespace ",
            $name,
            "\nuntil kubectl -n ",
            $name,
            " get serviceaccount default 2> /dev/null; do sleep 0.2; done"
        )
    };
}

/// Nobody calls a pod stuck that was made a moment ago.
const FOR_A_WHILE: Step = Step::Until {
    node: "n1",
    script: "made=$(kubectl get namespace shop -o jsonpath='{.metadata.creationTimestamp}')\ntest $(($(date +%s) - $(date -d \"$made\" +%s))) -ge 90",
    seconds: 120,
};

const SHOP_GONE: Step = Step::On("n1", "kubectl delete namespace shop --timeout=120s");

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "secret-missing",
        family: Family::Workload,
        classes: &["secret-missing"],
        what: "a deployment takes its password from a Secret that nobody has made",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", namespace!("shop")),
            Step::On(
                "n1",
                deployment!(
                    "shop",
                    "api",
                    "        args: [serve, \":8080\"]\n        env: [{name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: api-database, key: password}}}]\n"
                ),
            ),
            Step::Until {
                node: "n1",
                script: "kubectl -n shop get pods -o jsonpath='{.items[*].status.containerStatuses[*].state.waiting.reason}' | grep -q CreateContainerConfigError",
                seconds: 90,
            },
        ],
        heals: &[SHOP_GONE],
    },
    Fault {
        name: "container-memory-limit",
        family: Family::Workload,
        classes: &["oomkilled-limit-too-low"],
        what: "a container needs more memory than its own limit",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", namespace!("shop")),
            Step::On(
                "n1",
                deployment!(
                    "shop",
                    "report",
                    "        args: [eat, \"200\"]\n        resources: {limits: {memory: 64Mi}}\n"
                ),
            ),
            Step::Until {
                node: "n1",
                script: "kubectl -n shop get pods -o jsonpath='{.items[*].status.containerStatuses[*].lastState.terminated.reason}' | grep -q OOMKilled",
                seconds: 90,
            },
        ],
        heals: &[SHOP_GONE],
    },
    Fault {
        name: "pod-security-later",
        family: Family::Workload,
        classes: &["podsecurity-rejects-pod"],
        what: "a namespace is labelled restricted while its pods run, and one of them goes",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", namespace!("shop")),
            Step::On(
                "n1",
                deployment!("shop", "api", "        args: [serve, \":8080\"]\n"),
            ),
            Step::On(
                "n1",
                "kubectl -n shop rollout status deployment/api --timeout=90s",
            ),
            Step::On(
                "n1",
                "kubectl label namespace shop pod-security.kubernetes.io/enforce=restricted\nkubectl -n shop delete pod -l app=api",
            ),
            Step::Until {
                node: "n1",
                script: "kubectl -n shop get events | grep FailedCreate | grep -q 'violates PodSecurity'",
                seconds: 60,
            },
        ],
        heals: &[SHOP_GONE],
    },
    Fault {
        name: "pv-label-missing",
        family: Family::Workload,
        classes: &["pvc-selector-mismatch"],
        what: "a claim selects volumes by a label that the only volume lacks",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", namespace!("shop")),
            Step::On(
                "n1",
                "kubectl apply -f - <<'END'\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: orders-n2}\nspec:\n  capacity: {storage: 1Gi}\n  accessModes: [ReadWriteOnce]\n  storageClassName: manual\n  hostPath: {path: /srv/orders}\nEND",
            ),
            Step::On(
                "n1",
                claim!("  storageClassName: manual\n  selector: {matchLabels: {app: orders}}\n"),
            ),
            Step::Until {
                node: "n1",
                script: "kubectl -n shop get events | grep -q FailedScheduling\ntest \"$(kubectl -n shop get pvc orders -o jsonpath='{.status.phase}')\" = Pending",
                seconds: 60,
            },
            FOR_A_WHILE,
        ],
        heals: &[SHOP_GONE, Step::On("n1", "kubectl delete pv orders-n2")],
    },
    Fault {
        name: "default-class-gone",
        family: Family::Workload,
        classes: &["pvc-no-default-storageclass"],
        what: "the default StorageClass is deleted, and a claim that names none is made",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", namespace!("shop")),
            Step::On(
                "n1",
                "kubectl apply -f - <<'END'\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: disks, annotations: {storageclass.kubernetes.io/is-default-class: \"true\"}}\nprovisioner: kubernetes.io/no-provisioner\nEND\nkubectl delete storageclass disks",
            ),
            Step::On("n1", claim!("")),
            Step::Until {
                node: "n1",
                script: "kubectl -n shop get events | grep -q 'no storage class is set'",
                seconds: 60,
            },
            FOR_A_WHILE,
        ],
        heals: &[SHOP_GONE],
    },
    Fault {
        name: "taint-on-the-only-node",
        family: Family::Workload,
        classes: &["untolerated-taint"],
        what: "the only node that runs pods gets a taint, and a new pod does not tolerate it",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", namespace!("shop")),
            Step::On("n1", "kubectl taint node n2 dedicated=batch:NoSchedule"),
            Step::On(
                "n1",
                deployment!("shop", "api", "        args: [serve, \":8080\"]\n"),
            ),
            Step::Until {
                node: "n1",
                script: "kubectl -n shop get events | grep FailedScheduling | grep -q taint",
                seconds: 60,
            },
            FOR_A_WHILE,
            // Somebody tries again.
            Step::On("n1", "kubectl -n shop scale deployment api --replicas=2"),
            Step::Until {
                node: "n1",
                script: "test \"$(kubectl -n shop get events | grep -c FailedScheduling)\" -ge 2",
                seconds: 60,
            },
        ],
        heals: &[
            Step::On("n1", "kubectl taint node n2 dedicated-"),
            SHOP_GONE,
        ],
    },
    Fault {
        name: "webhook-down",
        family: Family::Workload,
        classes: &["webhook-backend-down-fail-closed"],
        what: "a webhook that every pod has to pass lost its only pod, and refuses the next one too",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", namespace!("policy")),
            Step::On(
                "n1",
                deployment!("policy", "policy", "        args: [serve, \":8443\"]\n"),
            ),
            Step::On(
                "n1",
                "kubectl -n policy expose deployment policy --port=443 --target-port=8443\nkubectl -n policy rollout status deployment/policy --timeout=90s",
            ),
            Step::On(
                "n1",
                "kubectl apply -f - <<'END'\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: policy}\nwebhooks:\n- name: pods.policy.example\n  failurePolicy: Fail\n  sideEffects: None\n  admissionReviewVersions: [v1]\n  timeoutSeconds: 5\n  clientConfig: {service: {namespace: policy, name: policy, path: /validate}}\n  rules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], resources: [pods]}]\nEND",
            ),
            // The configuration takes a moment to be known to the API server: a pod made at once would pass.
            Step::Until {
                node: "n1",
                script: "if kubectl -n policy run probe --image=lab.defib.dev/tool:lab --dry-run=server; then exit 1; fi",
                seconds: 30,
            },
            Step::On(
                "n1",
                "kubectl -n policy delete pod -l app=policy --grace-period=1",
            ),
            Step::Until {
                node: "n1",
                script: "kubectl -n policy get events | grep FailedCreate | grep -q 'failed calling webhook'\nkubectl -n policy get events | grep -q 'no endpoints available'",
                seconds: 120,
            },
        ],
        heals: &[Step::On(
            "n1",
            "kubectl delete validatingwebhookconfiguration policy\nkubectl delete namespace policy --timeout=120s",
        )],
    },
    Fault {
        name: "namespace-held-by-apiservice",
        family: Family::Workload,
        classes: &["namespace-stuck-dead-apiservice"],
        what: "an APIService has lost its backend, so a namespace can't be deleted",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", namespace!("shop")),
            Step::On("n1", namespace!("metrics")),
            Step::On(
                "n1",
                "kubectl apply -f - <<'END'\napiVersion: v1\nkind: Service\nmetadata: {name: numbers, namespace: metrics}\nspec: {selector: {app: numbers}, ports: [{port: 443}]}\n---\napiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1.numbers.example}\nspec: {group: numbers.example, version: v1, groupPriorityMinimum: 100, versionPriority: 100, insecureSkipTLSVerify: true, service: {namespace: metrics, name: numbers}}\nEND",
            ),
            Step::Until {
                node: "n1",
                script: "kubectl get apiservice v1.numbers.example | grep -q False",
                seconds: 60,
            },
            Step::On("n1", "kubectl delete namespace shop --wait=false"),
            Step::Until {
                node: "n1",
                script: "kubectl get namespace shop -o jsonpath='{.status.conditions[?(@.type==\"NamespaceDeletionDiscoveryFailure\")].status}' | grep -q True",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n1",
            "kubectl delete apiservice v1.numbers.example\nkubectl delete namespace metrics shop --ignore-not-found --timeout=120s",
        )],
    },
];
