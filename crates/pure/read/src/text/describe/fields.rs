//! The fields of an object that the tree of its description shows, kind by kind.
//! Deliberately absent: its metadata, which all kinds show alike (`describe`).

use defib_formats::text;
use serde_json::{Map, Value, json};

use super::super::objects::{filled, modes};
use super::super::probes;
use super::tree::{Node, Tree, under};
use crate::kinds::Kind;

/// All that a description of this kind shows besides the metadata.
pub(super) fn body(kind: Kind, tree: &Tree) -> Value {
    match kind.kind {
        "Pod" => pod(tree),
        "Node" => node(tree),
        "PersistentVolumeClaim" => claim(tree),
        "PersistentVolume" => volume(tree),
        "Service" => service(tree),
        "Deployment" | "ReplicaSet" | "StatefulSet" => workload(tree),
        "Namespace" => {
            json!({"status": {"phase": phase(tree), "conditions": condition_rows(tree)}})
        }
        "StorageClass" => json!({"provisioner": tree.get("Provisioner")}),
        _ => conditions(tree),
    }
}

/// `Status: Pending`, `Status: Terminating (lasts 5m)`.
fn phase(tree: &Tree) -> &str {
    tree.get("Status").split(' ').next().unwrap_or_default()
}

fn claim(tree: &Tree) -> Value {
    let mut spec = Map::new();
    if let Some(class) = filled(tree.get("StorageClass")) {
        spec.insert("storageClassName".into(), json!(class));
    }
    if let Some(volume) = filled(tree.get("Volume")) {
        spec.insert("volumeName".into(), json!(volume));
    }
    let modes = modes(tree.get("Access Modes"));
    if !modes.is_empty() {
        spec.insert("accessModes".into(), json!(modes));
    }
    json!({"spec": spec, "status": {"phase": phase(tree)}})
}

fn volume(tree: &Tree) -> Value {
    let mut spec = json!({
        "accessModes": modes(tree.get("Access Modes")),
        "persistentVolumeReclaimPolicy": tree.get("Reclaim Policy"),
    });
    if let Some(map) = spec.as_object_mut() {
        if let Some(capacity) = filled(tree.get("Capacity")) {
            map.insert("capacity".into(), json!({"storage": capacity}));
        }
        if let Some(class) = filled(tree.get("StorageClass")) {
            map.insert("storageClassName".into(), json!(class));
        }
        if let Some((ns, name)) = tree.get("Claim").split_once('/') {
            map.insert(
                "claimRef".into(),
                json!({"kind": "PersistentVolumeClaim", "namespace": ns, "name": name}),
            );
        }
        if let Some(affinity) = terms(tree) {
            map.insert("nodeAffinity".into(), affinity);
        }
    }
    json!({"spec": spec, "status": {"phase": phase(tree)}})
}

/// `Term 0: kubernetes.io/hostname in [n1, n2]`.
fn terms(tree: &Tree) -> Option<Value> {
    let list: Vec<Value> = tree
        .below("Node Affinity")
        .iter()
        .filter(|n| n.key.starts_with("Term "))
        .filter_map(|n| {
            let (key, rest) = n.value.split_once(" in ")?;
            let values: Vec<&str> = rest.trim_matches(['[', ']']).split(", ").collect();
            Some(json!({"matchExpressions": [{"key": key.trim(), "operator": "In", "values": values}]}))
        })
        .collect();
    (!list.is_empty()).then(|| json!({"required": {"nodeSelectorTerms": list}}))
}

fn service(tree: &Tree) -> Value {
    let mut spec = json!({"type": tree.get("Type"), "clusterIP": tree.get("IP")});
    let selector = tree.pairs("Selector", '=');
    if !selector.is_empty()
        && let Some(map) = spec.as_object_mut()
    {
        map.insert("selector".into(), Value::Object(selector));
    }
    json!({"spec": spec, "status": {}})
}

/// `Type Status LastHeartbeatTime LastTransitionTime Reason Message` below `Conditions:`; of pods only
/// type and status.
fn condition_rows(tree: &Tree) -> Vec<Value> {
    tree.below("Conditions")
        .iter()
        .filter_map(|n| {
            let line = if n.value.is_empty() {
                n.key.clone()
            } else {
                format!("{}: {}", n.key, n.value)
            };
            let cells: Vec<String> = text::columns(&line).into_iter().map(|(_, c)| c).collect();
            let status = cells.get(1)?;
            if !matches!(status.as_str(), "True" | "False" | "Unknown") {
                return None;
            }
            // Reason and message stand last; dates may stand between.
            let reason = cells.iter().rev().nth(1).filter(|_| cells.len() >= 4);
            let message = cells.last().filter(|_| cells.len() >= 4);
            Some(json!({
                "type": cells.first()?,
                "status": status,
                "reason": reason.cloned().unwrap_or_default(),
                "message": message.cloned().unwrap_or_default(),
            }))
        })
        .collect()
}

fn quantities(nodes: &[Node]) -> Map<String, Value> {
    nodes
        .iter()
        .filter(|n| !n.value.is_empty())
        .map(|n| (n.key.clone(), json!(n.value)))
        .collect()
}

fn node(tree: &Tree) -> Value {
    let mut info = Map::new();
    for n in tree.below("System Info") {
        let field = match n.key.as_str() {
            "Kernel Version" => "kernelVersion",
            "OS Image" => "osImage",
            "Container Runtime Version" => "containerRuntimeVersion",
            "Kubelet Version" => "kubeletVersion",
            "Architecture" => "architecture",
            "Boot ID" => "bootID",
            "Machine ID" => "machineID",
            _ => continue,
        };
        info.insert(field.into(), json!(n.value));
    }
    let taints: Vec<Value> = std::iter::once(tree.get("Taints").to_owned())
        .chain(tree.below("Taints").iter().map(|n| {
            if n.value.is_empty() {
                n.key.clone()
            } else {
                format!("{}:{}", n.key, n.value)
            }
        }))
        .filter_map(|t| {
            let (head, effect) = t.trim().rsplit_once(':')?;
            let (key, value) = head.split_once('=').unwrap_or((head, ""));
            Some(json!({"key": key, "value": value, "effect": effect.trim()}))
        })
        .collect();
    let addresses: Vec<Value> = tree
        .below("Addresses")
        .iter()
        .filter(|n| !n.value.is_empty())
        .map(|n| json!({"type": n.key, "address": n.value}))
        .collect();
    json!({
        "spec": {
            "taints": taints,
            "unschedulable": tree.get("Unschedulable") == "true",
            "podCIDR": tree.get("PodCIDR"),
        },
        "status": {
            "conditions": condition_rows(tree),
            "addresses": addresses,
            "capacity": quantities(tree.below("Capacity")),
            "allocatable": quantities(tree.below("Allocatable")),
            "nodeInfo": info,
        }
    })
}

/// A custom resource: its conditions, whose fields stand on lines of their own.
fn conditions(tree: &Tree) -> Value {
    let rows = condition_rows(tree);
    if !rows.is_empty() {
        return json!({"status": {"conditions": rows}});
    }
    let mut list: Vec<Map<String, Value>> = Vec::new();
    let status = tree.below("Status");
    let nodes = match status.iter().position(|n| n.key == "Conditions") {
        Some(at) => under(status, at),
        None => status,
    };
    let mut one = Map::new();
    for n in nodes {
        let field = match n.key.as_str() {
            "Type" => "type",
            "Status" => "status",
            "Reason" => "reason",
            "Message" => "message",
            _ => continue,
        };
        one.insert(field.into(), json!(n.value));
        // Keys are printed in alphabetical order: the type is the last of each.
        if field == "type" {
            list.push(std::mem::take(&mut one));
        }
    }
    json!({"status": {"conditions": list}})
}

fn workload(tree: &Tree) -> Value {
    // `1 desired | 0 updated | 0 total | 0 available | 1 unavailable`, `0 current / 1 desired`.
    let numbers = tree.get("Replicas").to_owned();
    let number = |word: &str| {
        numbers
            .split(['|', '/'])
            .find_map(|p| p.trim().strip_suffix(word)?.trim().parse::<i64>().ok())
    };
    let mut status = Map::new();
    if let Some(n) = number("total").or_else(|| number("current")) {
        status.insert("replicas".into(), json!(n));
    }
    if let Some(n) = number("available") {
        status.insert("availableReplicas".into(), json!(n));
        status.insert("readyReplicas".into(), json!(n));
    }
    status.insert("conditions".into(), Value::Array(condition_rows(tree)));
    let mut spec = Map::new();
    if let Some(n) = number("desired") {
        spec.insert("replicas".into(), json!(n));
    }
    json!({"spec": spec, "status": status})
}

fn containers(tree: &Tree, key: &str) -> (Vec<Value>, Vec<Value>) {
    let nodes = tree.below(key);
    let Some(indent) = nodes.first().map(|n| n.indent) else {
        return Default::default();
    };
    let (mut specs, mut statuses) = (Vec::new(), Vec::new());
    for (at, head) in nodes.iter().enumerate().filter(|(_, n)| n.indent == indent) {
        if !head.value.is_empty() {
            continue;
        }
        let lines = under(nodes, at);
        let get = |k: &str| {
            lines
                .iter()
                .find(|n| n.key == k)
                .map(|n| n.value.as_str())
                .unwrap_or_default()
        };
        let state = |k: &str| {
            let i = lines.iter().position(|n| n.key == k)?;
            let node = lines.get(i)?;
            let inner = under(lines, i);
            let field = |f: &str| {
                inner
                    .iter()
                    .find(|n| n.key == f)
                    .map(|n| n.value.clone())
                    .unwrap_or_default()
            };
            let name = node.value.to_ascii_lowercase();
            if name.is_empty() {
                return None;
            }
            let mut map = Map::new();
            for (from, to) in [("Reason", "reason"), ("Message", "message")] {
                if !field(from).is_empty() {
                    map.insert(to.into(), json!(field(from)));
                }
            }
            for (from, to) in [("Started", "startedAt"), ("Finished", "finishedAt")] {
                if let Some(time) = probes::time(&field(from)) {
                    map.insert(to.into(), json!(time));
                }
            }
            if let Ok(code) = field("Exit Code").parse::<i64>() {
                map.insert("exitCode".into(), json!(code));
            }
            Some(json!({name: map}))
        };
        let mut spec = json!({"name": head.key, "image": get("Image")});
        let section = |k: &str| {
            lines
                .iter()
                .position(|n| n.key == k)
                .map(|i| quantities(under(lines, i)))
                .unwrap_or_default()
        };
        if let Some(map) = spec.as_object_mut() {
            map.insert(
                "resources".into(),
                json!({"limits": section("Limits"), "requests": section("Requests")}),
            );
            for (line, field) in [
                ("Liveness", "livenessProbe"),
                ("Readiness", "readinessProbe"),
                ("Startup", "startupProbe"),
            ] {
                if let Some(probe) = probes::probe(get(line)) {
                    map.insert(field.into(), probe);
                }
            }
            let ports = probes::ports(&format!("{}{}", get("Port"), get("Ports")));
            if !ports.is_empty() {
                map.insert("ports".into(), json!(ports));
            }
        }
        specs.push(spec);
        let mut status = json!({
            "name": head.key,
            "image": get("Image"),
            "ready": get("Ready") == "True",
            "restartCount": get("Restart Count").parse::<i64>().unwrap_or(0),
        });
        if let Some(map) = status.as_object_mut() {
            if let Some(s) = state("State") {
                map.insert("state".into(), s);
            }
            if let Some(s) = state("Last State") {
                map.insert("lastState".into(), s);
            }
        }
        statuses.push(status);
    }
    (specs, statuses)
}

fn pod(tree: &Tree) -> Value {
    let (containers_, statuses) = containers(tree, "Containers");
    let (inits, init_statuses) = containers(tree, "Init Containers");
    let mut spec = json!({"containers": containers_, "initContainers": inits});
    if let Some(map) = spec.as_object_mut() {
        let node = tree.get("Node").split('/').next().unwrap_or_default();
        if let Some(node) = filled(node) {
            map.insert("nodeName".into(), json!(node));
        }
        if let Some(sa) = filled(tree.get("Service Account")) {
            map.insert("serviceAccountName".into(), json!(sa));
        }
        let selector = tree.pairs("Node-Selectors", '=');
        if !selector.is_empty() {
            map.insert("nodeSelector".into(), Value::Object(selector));
        }
        let volumes = tree.below("Volumes");
        let edge = volumes.first().map_or(0, |n| n.indent);
        let list: Vec<Value> = volumes
            .iter()
            .enumerate()
            .filter(|(_, n)| n.indent == edge)
            .filter_map(|(i, n)| {
                let lines = under(volumes, i);
                let get = |k: &str| lines.iter().find(|n| n.key == k).map(|n| n.value.as_str()).unwrap_or_default();
                let mut volume = json!({"name": n.key});
                let map = volume.as_object_mut()?;
                match get("Type").split(' ').next()? {
                    "PersistentVolumeClaim" => {
                        map.insert("persistentVolumeClaim".into(), json!({"claimName": get("ClaimName")}));
                    }
                    "Secret" => {
                        map.insert("secret".into(), json!({"secretName": get("SecretName"), "optional": get("Optional") == "true"}));
                    }
                    "ConfigMap" => {
                        map.insert("configMap".into(), json!({"name": get("Name"), "optional": get("Optional") == "true"}));
                    }
                    _ => {}
                }
                Some(volume)
            })
            .collect();
        map.insert("volumes".into(), Value::Array(list));
    }
    let conditions: Vec<Value> = tree
        .below("Conditions")
        .iter()
        .filter_map(|n| {
            let mut words = n.key.split_ascii_whitespace();
            let (kind, status) = (words.next()?, words.next()?);
            matches!(status, "True" | "False").then(|| json!({"type": kind, "status": status}))
        })
        .collect();
    json!({
        "spec": spec,
        "status": {
            "phase": phase(tree),
            "reason": tree.get("Reason"),
            "message": tree.get("Message"),
            "conditions": conditions,
            "containerStatuses": statuses,
            "initContainerStatuses": init_statuses,
        }
    })
}
