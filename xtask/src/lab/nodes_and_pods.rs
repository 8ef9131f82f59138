//! The objects a lab is filled with: made by number, so that two runs make the same.
//! Deliberately absent: trouble. These are the healthy crowd among which trouble is to be found.

use serde_json::{Value, json};

/// Applications that pods are replicas of.
const APPLICATIONS: &[&str] = &[
    "checkout",
    "catalog",
    "search-indexer",
    "image-resizer",
    "notification-relay",
    "ledger",
    "session-store",
    "report-builder",
    "webhook-fanout",
    "metrics-bridge",
];

/// Endings of environment variables, as services that know each other have them.
const SETTINGS: &[&str] = &[
    "BASE_URL",
    "TIMEOUT_MS",
    "RETRY_LIMIT",
    "POOL_SIZE",
    "FEATURE_FLAGS",
    "TRACE_SAMPLING",
    "CA_BUNDLE_PATH",
];

/// The name of a namespace.
pub(crate) fn namespace_name(number: usize) -> String {
    format!("load-{number:03}")
}

/// The name of a node.
pub(crate) fn node_name(number: usize) -> String {
    format!("load-node-{number:03}")
}

/// The name of a pod: application, the hash a ReplicaSet would carry, and a suffix.
pub(crate) fn pod_name(number: usize) -> String {
    let hash = scrambled(number as u64 / 7);
    format!(
        "{}-{:010x}-{number:05}",
        application(number),
        hash & 0xff_ffff_ffff
    )
}

fn application(number: usize) -> &'static str {
    APPLICATIONS
        .get(number % APPLICATIONS.len())
        .copied()
        .unwrap_or("checkout")
}

/// Spreads a number over 64 bits, always the same way, so that values look random and compress
/// like random ones.
fn scrambled(number: u64) -> u64 {
    let mut value = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A namespace.
pub(crate) fn namespace(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": namespace_name(number), "labels": {"lab.defib.dev/populated": "true"}},
    })
}

/// A node that KWOK plays.
pub(crate) fn node(number: usize) -> Value {
    let name = node_name(number);
    let size = json!({"cpu": "64", "memory": "256Gi", "ephemeral-storage": "400Gi", "pods": "500"});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {
                "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": format!("zone-{}", number % 3), "type": "kwok",
            },
        },
        "status": {"allocatable": size, "capacity": size},
    })
}

/// A pod of 8 KB and more: three containers with settings and probes, and the copy of it all that
/// `kubectl apply` leaves in an annotation. Bytes in a string are most of what makes real objects
/// large; the same in list entries costs the API server far more for the managed fields.
pub(crate) fn pod(number: usize, namespace: usize, node: usize) -> Value {
    let name = pod_name(number);
    let application = application(number);
    let containers: Vec<Value> = [("app", 0_u64), ("proxy", 1), ("log-shipper", 2)]
        .into_iter()
        .map(|(container, salt)| container_of(application, container, number as u64 * 3 + salt))
        .collect();
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace_name(namespace),
            "labels": {
                "app.kubernetes.io/name": application,
                "app.kubernetes.io/instance": format!("{application}-{}", namespace_name(namespace)),
                "app.kubernetes.io/version": format!("2.{}.{}", number % 40, number % 9),
                "app.kubernetes.io/managed-by": "lab",
                "lab.defib.dev/populated": "true",
            },
            "annotations": {
                "checksum/config": digest(number as u64),
                "checksum/secret": digest(number as u64 + 1_000_003),
                "prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/path": "/metrics",
                "deploy.lab.defib.dev/revision": digest(number as u64 % 97),
            },
        },
        "spec": {
            "nodeName": node_name(node),
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 30,
            "containers": containers,
            "volumes": [
                {"name": "config", "configMap": {"name": format!("{application}-config")}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}},
            ],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        },
    });
    let applied = pod.to_string();
    pod["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
        applied.into();
    pod
}

fn container_of(application: &str, container: &str, seed: u64) -> Value {
    let environment: Vec<Value> = (0..4_u64)
        .map(|index| {
            let peer = APPLICATIONS
                .get((index as usize) % APPLICATIONS.len())
                .copied()
                .unwrap_or_default();
            let setting = SETTINGS
                .get((index as usize) % SETTINGS.len())
                .copied()
                .unwrap_or_default();
            let name = format!(
                "{}_{setting}_{index}",
                peer.replace('-', "_").to_uppercase()
            );
            let value = format!("{peer}.internal:8080/{:016x}", scrambled(seed * 31 + index));
            json!({"name": name, "value": value})
        })
        .collect();
    json!({
        "name": container,
        "image": format!("registry.invalid/{application}/{container}@sha256:{}", digest(seed)),
        "imagePullPolicy": "IfNotPresent",
        "args": ["--config=/etc/app/config.yaml", "--listen=:8080", format!("--shard={}", seed % 64)],
        "env": environment,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 10},
        "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}, "periodSeconds": 20},
        "resources": {
            "requests": {"cpu": "25m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}, {"name": "scratch", "mountPath": "/tmp"}],
    })
}

/// 64 hexadecimal digits.
fn digest(seed: u64) -> String {
    (0..4)
        .map(|part| format!("{:016x}", scrambled(seed * 4 + part)))
        .collect()
}

/// An event about a pod, as a kubelet would have sent it.
pub(crate) fn event(number: usize, pod: usize, namespace: usize, node: usize) -> Value {
    let container = ["app", "proxy", "log-shipper"]
        .get(number % 3)
        .copied()
        .unwrap_or("app");
    let (reason, message) = match number % 4 {
        0 => (
            "Pulled",
            format!("Container image for {container} already present on machine"),
        ),
        1 => ("Created", format!("Created container: {container}")),
        2 => ("Started", format!("Started container {container}")),
        _ => ("Killing", format!("Stopping container {container}")),
    };
    let second = number % 60;
    let minute = (number / 60) % 60;
    let time = format!("2026-01-15T10:{minute:02}:{second:02}Z");
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": format!("{}.{:016x}", pod_name(pod), scrambled(number as u64)), "namespace": namespace_name(namespace)},
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "name": pod_name(pod), "namespace": namespace_name(namespace),
            "fieldPath": format!("spec.containers{{{container}}}"),
        },
        "reason": reason, "message": message, "type": "Normal", "count": 1,
        "firstTimestamp": time, "lastTimestamp": time,
        "source": {"component": "kubelet", "host": node_name(node)},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_pod_has_its_eight_kilobytes_before_the_server_adds_any() {
        for number in [0, 1, 4_999] {
            let size = pod(number, 0, 0).to_string().len();
            assert!((8_192..10_000).contains(&size), "{size}");
        }
    }

    #[test]
    fn names_are_all_different_and_always_the_same() {
        let names: BTreeSet<_> = (0..20_000).map(pod_name).collect();
        assert_eq!(names.len(), 20_000);
        assert_eq!(pod_name(7), pod_name(7));
        assert!(
            names.iter().all(|name| name.len() <= 63),
            "a pod's name is its host name"
        );
    }
}
