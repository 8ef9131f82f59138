//! Genuine faults, each on a control plane of its own: the class that is named, and nothing beside it.
//! Deliberately absent: faults that need a kubelet.

use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::{ControlPlane, wait_until};

use crate::{Outcome, PATIENCE, an_hour_later, bare, defib, fresh, node, texts};

/// One fault set.
pub struct Fault {
    /// Its name in the list of tests.
    pub name: &'static str,
    /// What breaks it.
    manifests: &'static str,
    /// A kubectl call that is refused as soon as that has an effect.
    refused: &'static [&'static str],
    /// kubectl calls after that.
    then: &'static [&'static [&'static str]],
    /// The classes that are expected, exactly. As long as this build has no rule for one of them, its
    /// symptoms must be observed and stay unexplained.
    classes: &'static [&'static str],
    /// Symptoms that must be observed: condition and entity.
    symptoms: &'static [(&'static str, &'static str)],
}

/// The table.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "pod_security",
        manifests: POD_SECURITY,
        refused: &[],
        then: &[],
        classes: &["podsecurity-rejects-pod"],
        symptoms: &[
            ("pod-refused", "replicaset.apps/strict/root-user-"),
            ("replicas-missing", "deployment.apps/strict/root-user"),
        ],
    },
    Fault {
        name: "claim_selector",
        manifests: CLAIM_SELECTOR,
        refused: &[],
        then: &[],
        classes: &["pvc-selector-mismatch"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/media/library"),
            ("pod-pending", "pod/media/server-"),
            ("replicas-missing", "deployment.apps/media/server"),
        ],
    },
    Fault {
        name: "quota",
        manifests: QUOTA,
        refused: &[],
        then: &[],
        classes: &["quota-exceeded"],
        symptoms: &[
            ("pod-refused", "replicaset.apps/tight/no-room-"),
            ("replicas-missing", "deployment.apps/tight/no-room"),
        ],
    },
    Fault {
        name: "node_selector",
        manifests: NODE_SELECTOR,
        refused: &[],
        then: &[],
        classes: &["node-selector-mismatch"],
        symptoms: &[("pod-pending", "pod/default/homeless")],
    },
    Fault {
        name: "finalizer",
        manifests: FINALIZER,
        refused: &[],
        then: &[&["delete", "namespace", "held", "--wait=false"]],
        classes: &["namespace-stuck-finalizer"],
        symptoms: &[("namespace-terminating", "namespace/held")],
    },
    Fault {
        name: "api_service",
        manifests: API_SERVICE,
        refused: &[],
        then: &[],
        classes: &["aggregated-api-down"],
        symptoms: &[(
            "api-service-unavailable",
            "apiservice.apiregistration.k8s.io/v1.absent.example.com",
        )],
    },
    Fault {
        name: "api_service_holds_a_namespace",
        manifests: API_SERVICE,
        refused: &[],
        then: &[
            &["create", "namespace", "stays"],
            &["delete", "namespace", "stays", "--wait=false"],
        ],
        classes: &["namespace-stuck-dead-apiservice"],
        symptoms: &[
            (
                "api-service-unavailable",
                "apiservice.apiregistration.k8s.io/v1.absent.example.com",
            ),
            ("namespace-terminating", "namespace/stays"),
        ],
    },
    Fault {
        name: "webhook",
        manifests: WEBHOOK,
        // The API server hears of a webhook a moment after it is stored.
        refused: &[
            "run",
            "x",
            "-n",
            "guarded",
            "--image=registry.invalid/app:1",
            "--dry-run=server",
        ],
        then: &[&[
            "create",
            "deployment",
            "blocked",
            "-n",
            "guarded",
            "--image=registry.invalid/app:1",
        ]],
        classes: &["webhook-config-orphaned"],
        symptoms: &[
            (
                "webhook-failing",
                "validatingwebhookconfiguration.admissionregistration.k8s.io/nobody-answers",
            ),
            ("pod-refused", "replicaset.apps/guarded/blocked-"),
        ],
    },
];

/// Breaks a fresh control plane and reads the report.
pub fn is_named(fault: &Fault) -> Outcome {
    let plane = fresh()?;
    node(&plane, "n1")?;
    plane.apply(fault.manifests)?;
    if !fault.refused.is_empty() {
        wait_until("the fault has an effect", PATIENCE, || {
            match plane.kubectl(fault.refused) {
                Ok(output) if !output.status.success() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })?;
    }
    for arguments in fault.then {
        plane.kubectl_text(arguments)?;
        if let ["delete", "namespace", name, ..] = arguments {
            // What holds a namespace is written into it after the first try to empty it.
            wait_until("the namespace says what holds it", PATIENCE, || {
                let path = "jsonpath={.status.conditions[*].type}";
                let said = plane.kubectl_text(&["get", "namespace", name, "-o", path]);
                match said {
                    Ok(types) if !types.trim().is_empty() => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })?;
        }
    }
    let report = observed(&plane, fault.symptoms)?;
    expected(&report, fault)
}

/// The report once all symptoms are in it. Time is not waited for: the judgement is made as of an
/// hour later, where what lasts is past every period of grace.
fn observed(plane: &ControlPlane, symptoms: &[(&str, &str)]) -> Result<Value, Failed> {
    let now = defib(&plane.kubeconfig, &["diagnose", "kube:", "-o", "json"])?.report()?;
    let as_of = an_hour_later(&now)?;
    let report = wait_until("all symptoms are observed", PATIENCE, || {
        let arguments = ["diagnose", "kube:", "-o", "json", "--as-of", &as_of];
        let ran = defib(&plane.kubeconfig, &arguments).map_err(|e| format!("{e:?}"))?;
        let report = ran.report().map_err(|e| format!("{e:?}"))?;
        let missing = symptoms.iter().find(|s| !has_symptom(&report, s));
        match missing {
            None => Ok(report),
            Some((condition, entity)) => Err(format!(
                "no {condition} of {entity} in {:#}",
                report["symptoms"]
            )),
        }
    })?;
    Ok(report)
}

/// The report once one symptom is in it.
pub fn with_symptom(plane: &ControlPlane, symptom: (&str, &str)) -> Result<Value, Failed> {
    observed(plane, &[symptom])
}

/// Is there such a symptom? An entity that ends with a dash stands for all that begin so.
fn has_symptom(report: &Value, (condition, entity): &(&str, &str)) -> bool {
    report["symptoms"].as_array().is_some_and(|list| {
        list.iter().any(|s| {
            let id = s["entity"].as_str().unwrap_or_default();
            s["condition"] == *condition
                && (id == *entity || (entity.ends_with('-') && id.starts_with(entity)))
        })
    })
}

fn expected(report: &Value, fault: &Fault) -> Outcome {
    let known = known_classes()?;
    let all_known = fault.classes.iter().all(|c| known.iter().any(|k| k == c));
    let shown = format!("{report:#}");
    if fault.classes.is_empty() || !all_known {
        // No rule in this build: no cause may be invented, and what was observed stays open.
        assert_eq!(report["verdict"], "unknown", "{shown}");
        assert_eq!(report["root_causes"], serde_json::json!([]), "{shown}");
        return Ok(());
    }
    let mut classes: Vec<&str> = fault.classes.to_vec();
    classes.sort_unstable();
    assert_eq!(texts(report, "root_causes", "class"), classes, "{shown}");
    let symptoms = report["symptoms"].as_array().ok_or("no symptoms")?;
    let open = symptoms
        .iter()
        .find(|s| s["explained_by"].as_array().is_none_or(Vec::is_empty));
    assert!(open.is_none(), "not explained: {open:?}\n{shown}");
    assert_eq!(report["candidates"], serde_json::json!([]), "{shown}");
    for cause in report["root_causes"].as_array().into_iter().flatten() {
        let evidence = cause["evidence"].as_array().ok_or("no evidence")?;
        assert!(!evidence.is_empty(), "{shown}");
        for e in evidence {
            let text = e["text"].as_str().unwrap_or_default();
            assert!(!text.is_empty() && e["line"].as_u64() > Some(0), "{e:#}");
            assert!(e["file"].as_str().is_some_and(|f| !f.is_empty()), "{e:#}");
            assert!(
                e["show"]
                    .as_str()
                    .is_some_and(|f| f.starts_with("kubectl ")),
                "{e:#}"
            );
        }
    }
    Ok(())
}

/// The classes that this build has rules for.
fn known_classes() -> Result<Vec<String>, Failed> {
    let output = bare().args(["rules", "-o", "json"]).output()?;
    let listing: Value = serde_json::from_slice(&output.stdout)?;
    Ok(texts(&listing, "rules", "class"))
}

/// Both faults that have rules from the start, at once and by the real clock.
pub fn two_at_once(plane: &ControlPlane) -> Result<Value, Failed> {
    node(plane, "n1")?;
    plane.apply(POD_SECURITY)?;
    plane.apply(CLAIM_SELECTOR)?;
    let report = wait_until("two causes are named and nothing is open", PATIENCE, || {
        let ran = defib(&plane.kubeconfig, &["diagnose", "kube:", "-o", "json"])
            .map_err(|e| format!("{e:?}"))?;
        let report = ran.report().map_err(|e| format!("{e:?}"))?;
        let pods = report["symptoms"].as_array().map_or(0, |list| {
            list.iter()
                .filter(|s| s["condition"] == "pod-pending")
                .count()
        });
        let classes = texts(&report, "root_causes", "class");
        if classes == ["podsecurity-rejects-pod", "pvc-selector-mismatch"] && pods == 3 {
            assert_eq!(ran.code, Some(2), "{}", ran.all());
            Ok(report)
        } else {
            Err(format!("{classes:?}, {pods} pods\n{report:#}"))
        }
    })?;
    assert_eq!(report["verdict"], "root-cause");
    Ok(report)
}

const POD_SECURITY: &str = r#"
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

const CLAIM_SELECTOR: &str = r#"
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

const QUOTA: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: tight}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: none, namespace: tight}
spec: {hard: {pods: "0"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: no-room, namespace: tight}
spec:
  selector: {matchLabels: {app: no-room}}
  template:
    metadata: {labels: {app: no-room}}
    spec: {containers: [{name: app, image: "registry.invalid/app:1"}]}
"#;

const NODE_SELECTOR: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: homeless, namespace: default}
spec:
  nodeSelector: {disk: none-has-this}
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
  clientConfig: {service: {name: absent, namespace: default}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}]
"#;
