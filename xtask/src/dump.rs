//! `cargo xtask dump --out DIR [--pods N] [--yaml]`: a large dump to measure with.
//!
//! Pods of 8 KB and more, two events for each, and 1,500 other objects, all healthy, in one file per
//! kind as `kubectl get -A -o json` writes them. The same numbers give the same bytes.
//! Deliberately absent: realism beyond size and shape; verdicts are tested elsewhere.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

fn pod(i: usize) -> Value {
    let ns = format!("team-{}", i % 40);
    let app = format!("app-{}", i % 400);
    let env: Vec<Value> = (0..40)
        .map(|e| json!({"name": format!("SETTING_{e}"), "value": format!("https://service-{e}.{ns}.svc.cluster.local:8443/{i}")}))
        .collect();
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example/{app}/{name}@sha256:{i:064x}"), "env": env,
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}, {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "failureThreshold": 3},
            "terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent",
        })
    };
    let status = |name: &str| {
        json!({
            "name": name, "ready": true, "started": true, "restartCount": 0, "image": app,
            "imageID": format!("sha256:{i:064x}"), "containerID": format!("containerd://{i:064x}"),
            "state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}}, "lastState": {},
        })
    };
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:05Z"});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{app}-{i:08x}"), "namespace": ns, "uid": format!("00000000-0000-4000-8000-{i:012x}"),
            "resourceVersion": (100_000 + i).to_string(), "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": app, "pod-template-hash": format!("{:08x}", i % 400)},
            "annotations": {"checksum/config": format!("{i:064x}"), "description": "a pod of a large and entirely healthy dump"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{app}-rs"), "uid": format!("rs-{}", i % 400), "controller": true}],
            "managedFields": [{"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:05Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": {".": {}, "f:status": {}}}}}}],
        },
        "spec": {
            "nodeName": format!("node-{}", i % 50), "serviceAccountName": "default", "dnsPolicy": "ClusterFirst", "restartPolicy": "Always",
            "containers": [container("main"), container("proxy")],
            "volumes": [{"name": "config", "configMap": {"name": format!("{app}-config")}}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        },
        "status": {
            "phase": "Running", "podIP": format!("10.42.{}.{}", i / 250, i % 250), "startTime": "2026-01-01T00:00:01Z",
            "conditions": [condition("Initialized"), condition("Ready"), condition("ContainersReady"), condition("PodScheduled")],
            "containerStatuses": [status("main"), status("proxy")],
        },
    })
}

fn event(i: usize) -> Value {
    let p = i / 2;
    let ns = format!("team-{}", p % 40);
    let name = format!("app-{}-{p:08x}", p % 400);
    let (reason, message) = if i.is_multiple_of(2) {
        (
            "Scheduled",
            format!("Successfully assigned {ns}/{name} to node-{}", p % 50),
        )
    } else {
        ("Started", "Container started".to_owned())
    };
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": format!("{name}.{i:016x}"), "namespace": ns, "resourceVersion": (200_000 + i).to_string(), "creationTimestamp": "2026-01-01T00:00:02Z"},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": name, "namespace": ns, "uid": format!("00000000-0000-4000-8000-{p:012x}")},
        "reason": reason, "message": message, "type": "Normal", "count": 1, "source": {"component": "kubelet"},
        "firstTimestamp": "2026-01-01T00:00:02Z", "lastTimestamp": "2026-01-01T00:00:02Z",
    })
}

fn other(i: usize) -> Value {
    let app = format!("app-{}", i % 400);
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("{app}-config-{i}"), "namespace": format!("team-{}", i % 40), "resourceVersion": (300_000 + i).to_string()},
        "data": {"settings.yaml": format!("name: {app}\nmode: quiet\nworkers: {}\n", i % 8)},
    })
}

fn node(i: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{i}"), "labels": {"kubernetes.io/hostname": format!("node-{i}")}},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T01:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    })
}

fn write(path: PathBuf, count: usize, yaml: bool, make: fn(usize) -> Value) -> Result<u64, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut out = BufWriter::new(std::fs::File::create(&path).map_err(fail)?);
    if yaml {
        out.write_all(b"apiVersion: v1\nitems:\n").map_err(fail)?;
        for i in 0..count {
            let text = defib_render::yaml::write(&make(i));
            for (n, line) in text.lines().enumerate() {
                writeln!(out, "{}{line}", if n == 0 { "- " } else { "  " }).map_err(fail)?;
            }
        }
        out.write_all(b"kind: List\nmetadata:\n  resourceVersion: \"\"\n")
            .map_err(fail)?;
    } else {
        out.write_all(b"{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n")
            .map_err(fail)?;
        for i in 0..count {
            let text = serde_json::to_string_pretty(&make(i)).map_err(|e| e.to_string())?;
            let comma = if i + 1 < count { "," } else { "" };
            writeln!(out, "{text}{comma}").map_err(fail)?;
        }
        out.write_all(b"    ],\n    \"kind\": \"List\"\n}\n")
            .map_err(fail)?;
    }
    out.flush().map_err(fail)?;
    std::fs::metadata(&path).map(|m| m.len()).map_err(fail)
}

/// The chore.
#[expect(
    clippy::print_stderr,
    reason = "this is the command line face of the chore"
)]
pub fn run(arguments: Vec<String>) -> ExitCode {
    let value = |flag: &str| {
        arguments
            .iter()
            .position(|a| a == flag)
            .and_then(|i| arguments.get(i + 1))
    };
    let pods: usize = value("--pods").and_then(|n| n.parse().ok()).unwrap_or(5000);
    let yaml = arguments.iter().any(|a| a == "--yaml");
    let Some(out) = value("--out").map(PathBuf::from) else {
        eprintln!("cargo xtask dump --out DIR [--pods N] [--yaml]");
        return ExitCode::FAILURE;
    };
    let made = std::fs::create_dir_all(&out)
        .map_err(|e| e.to_string())
        .and_then(|()| {
            let end = if yaml { "yaml" } else { "json" };
            let mut bytes = write(out.join(format!("pods.{end}")), pods, yaml, pod)?;
            bytes += write(out.join(format!("events.{end}")), pods * 2, yaml, event)?;
            bytes += write(
                out.join(format!("configmaps.{end}")),
                pods * 3 / 10,
                yaml,
                other,
            )?;
            bytes += write(out.join(format!("nodes.{end}")), 50, yaml, node)?;
            Ok(bytes)
        });
    match made {
        Ok(bytes) => {
            eprintln!(
                "{}: {pods} pods, {:.1} MB",
                out.display(),
                bytes as f64 / 1e6
            );
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
