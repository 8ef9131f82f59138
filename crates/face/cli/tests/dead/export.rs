//! Out of a dead cluster's file, into a new cluster: every selected object equal again.

use defib_session::inspect::{Dead, Export};
use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::{ControlPlane, Options, wait_until};

use super::{Outcome, defib, text};

const OBJECTS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gardens.example.net}
spec:
  group: example.net
  scope: Namespaced
  names: {plural: gardens, singular: garden, kind: Garden}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {beds: {type: integer}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: apps, labels: {team: blue}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner, namespace: apps}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: apps}
stringData: {password: "hunter2 & <more>"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: apps, annotations: {note: "a: b"}}
data: {app.yaml: "x: 1\ny: \"two\"\n", empty: ""}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk-1}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  hostPath: {path: /srv/disk-1}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: apps}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  resources: {requests: {storage: 1Gi}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: apps}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: apps}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: runner, namespace: apps}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: apps}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: runner
      containers:
        - name: web
          image: registry.example.net/web:1
          env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]
          resources: {requests: {cpu: 50m, memory: 32Mi}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: apps}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: once, image: registry.example.net/once:1}]
"#;

const GARDEN: &str = "
apiVersion: example.net/v1
kind: Garden
metadata: {name: roof, namespace: apps}
spec: {beds: 3}
";

fn failed(error: impl std::fmt::Display) -> Failed {
    Failed::from(error.to_string())
}

fn made() -> Result<ControlPlane, Failed> {
    ControlPlane::start(Options {
        kwok: true,
        ..Options::default()
    })
    .map_err(failed)
}

fn applied(plane: &ControlPlane, manifests: &str) -> Outcome {
    // A definition is served a moment after it was made.
    let patience = std::time::Duration::from_secs(30);
    wait_until("the manifests are taken", patience, || {
        plane.apply(manifests).map_err(|e| e.to_string())
    })
    .map(|_| ())
    .map_err(failed)
}

/// What is selected of a snapshot, by kind and name.
fn objects(file: &std::path::Path) -> Result<Vec<(String, Value)>, Failed> {
    let dead = Dead::open(file).map_err(failed)?;
    let mut export = Export {
        show_secrets: true,
        ..Export::default()
    };
    let kinds = "kind=CustomResourceDefinition,PersistentVolume,Namespace,Secret,ConfigMap,PVC,ServiceAccount,Role,RoleBinding,Service,Deployment,Job,Garden,Pod,ReplicaSet";
    export.select(kinds).map_err(failed)?;
    let mut out = Vec::new();
    dead.export(&export, |_, item, mut value| {
        if item.namespace == "apps"
            || ["disk-1", "gardens.example.net", "apps"].contains(&item.name)
        {
            // An address that is the service's own in each cluster is a number of that cluster.
            if let Some(port) = value
                .pointer_mut("/spec/ports/0")
                .and_then(Value::as_object_mut)
            {
                port.remove("nodePort");
            }
            out.push((format!("{}/{}", item.kind, item.name), value));
        }
        Ok::<(), Failed>(())
    })?;
    Ok(out)
}

/// What the cluster says that it would do.
fn rehearsed(
    plane: &ControlPlane,
    file: &std::path::Path,
    code: i32,
) -> Result<Vec<Value>, Failed> {
    let done = defib(&[
        "inspect",
        "export",
        &text(file),
        "--select",
        "kind=PersistentVolume,Namespace,CustomResourceDefinition,Deployment,Garden,Secret",
        "--show-secrets",
        "--dry-run",
        "-o",
        "json",
        "--kubeconfig",
        &text(&plane.kubeconfig),
    ]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.code() != Some(code) {
        let out = String::from_utf8_lossy(&done.stdout);
        return Err(format!("{:?} instead of {code}: {said}{out}", done.status).into());
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

pub fn what_is_exported_lives_again() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (before, after) = (
        folder.path().join("before.db"),
        folder.path().join("after.db"),
    );
    let bound = |plane: &ControlPlane| {
        let patience = std::time::Duration::from_secs(30);
        wait_until("the claim is bound and pods are made", patience, || {
            let said = plane
                .kubectl_text(&[
                    "get",
                    "-n",
                    "apps",
                    "pvc,pods",
                    "-o",
                    "jsonpath={.items[*].status.phase}",
                ])
                .map_err(|e| e.to_string())?;
            let words: Vec<&str> = said.split_whitespace().collect();
            if words.first() == Some(&"Bound") && words.len() >= 4 {
                Ok(())
            } else {
                Err(said)
            }
        })
        .map_err(failed)
    };
    {
        let plane = made()?;
        applied(&plane, OBJECTS)?;
        applied(&plane, GARDEN)?;
        bound(&plane)?;
        plane
            .etcdctl(&["snapshot", "save", &text(&before)])
            .map_err(failed)?;
    }
    // As somebody would who does not know what is secret: none is written.
    let shy = defib(&["inspect", "export", &text(&before)]);
    let said = String::from_utf8_lossy(&shy.stdout).into_owned();
    assert!(
        !said.contains("aHVudGVyM") && !said.contains("kind: \"Secret\""),
        "a Secret got out"
    );
    let told = String::from_utf8_lossy(&shy.stderr).into_owned();
    assert!(told.contains("are Secrets"), "{told}");

    let tree = folder.path().join("tree");
    let done = defib(&[
        "inspect",
        "export",
        &text(&before),
        "--show-secrets",
        "--out",
        &text(&tree),
    ]);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let again = defib(&["inspect", "export", &text(&before), "--out", &text(&tree)]);
    assert_eq!(
        again.status.code(),
        Some(1),
        "a folder that is not empty is refused"
    );

    let plane = made()?;
    let fresh = rehearsed(&plane, &before, 0)?;
    let outcome = |said: &[Value], kind: &str| -> Vec<String> {
        let of = said.iter().filter(|o| o["kind"] == kind);
        of.map(|o| o["outcome"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(outcome(&fresh, "Garden"), ["later"], "{fresh:?}");
    assert_eq!(outcome(&fresh, "Deployment"), ["later"], "{fresh:?}");
    assert_eq!(outcome(&fresh, "PersistentVolume"), ["create"], "{fresh:?}");
    let empty = plane
        .kubectl_text(&["get", "pv,ns", "-o", "name"])
        .map_err(failed)?;
    assert!(
        !empty.contains("disk-1") && !empty.contains("/apps"),
        "nothing was made: {empty}"
    );
    let whole = wait_until(
        "all of it is taken",
        std::time::Duration::from_secs(60),
        || {
            plane
                .kubectl_text(&["apply", "-R", "-f", &text(&tree)])
                .map_err(|e| e.to_string())
        },
    )
    .map_err(failed)?;
    assert!(whole.contains("garden.example.net/roof"), "{whole}");
    bound(&plane)?;
    // Somebody else manages a field now, with another value.
    plane
        .kubectl_text(&["scale", "-n", "apps", "deployment/web", "--replicas", "3"])
        .map_err(failed)?;
    let there = rehearsed(&plane, &before, 2)?;
    assert_eq!(outcome(&there, "Deployment"), ["conflict"], "{there:?}");
    let why = there.iter().find(|o| o["kind"] == "Deployment");
    let why = why.and_then(|o| o["why"].as_str()).unwrap_or_default();
    assert!(why.contains(".spec.replicas"), "{why}");
    assert!(!format!("{there:?}").contains("hunter2"));
    plane
        .kubectl_text(&["scale", "-n", "apps", "deployment/web", "--replicas", "2"])
        .map_err(failed)?;
    bound(&plane)?;
    plane
        .etcdctl(&["snapshot", "save", &text(&after)])
        .map_err(failed)?;
    let (was, is) = (objects(&before)?, objects(&after)?);
    assert!(
        was.len() >= 12,
        "{:?}",
        was.iter().map(|(n, _)| n).collect::<Vec<_>>()
    );
    for (name, value) in &was {
        let other = is.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        assert_eq!(Some(value), other, "{name}");
    }
    assert_eq!(was.len(), is.len());
    println!("{} objects equal again", was.len());
    Ok(())
}
