//! Tables of `kubectl get` into objects: as much of each as a row shows.
//!
//! A row is no whole object: what it does not show is absent, and `Object::printed` says so.
//! Deliberately absent: completeness. A table in a paste never proves that something is missing.

use std::sync::LazyLock;

use defib_formats::text::{Row, Table, is_age, is_header};
use defib_model::views::meta::{LABELS_IN_PART, SOME_VALUE};
use serde_json::{Map, Value, json};

use super::{Walk, asked};
use crate::kinds::{self, Kind};

pub(super) fn table(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let header = walk.text(at).trim_end().to_owned();
    if !is_header(&header) {
        return None;
    }
    let table = Table::new(&header);
    if let Some(kind) = by_columns(&table.names) {
        asked::turn(walk, kind.kind);
    }
    let (what, namespace) = asked_for(walk);
    let kind = what
        .as_deref()
        .and_then(kinds::named)
        .or_else(|| by_columns(&table.names))?;
    if !table.names.iter().any(|n| n == "NAME") {
        return None;
    }
    let columns = label_columns(walk);
    let proven = walk.command.as_ref().map(asked::labels).unwrap_or_default();
    let (mut end, mut is_whole) = (at + 1, true);
    while walk.is_output(end) {
        let text = walk.text(end).to_owned();
        if is_header(&text) {
            break;
        }
        let Some(row) = table.row(&text) else { break };
        let read = object(kind, &row, &namespace);
        is_whole &= read.is_some();
        if let Some(mut object) = read {
            let shown = columns
                .iter()
                .filter_map(|(key, column)| Some((key, filled(row.get(column))?)));
            let asked = proven.iter().map(|(key, value)| (key, value.as_str()));
            in_part(&mut object, asked.chain(shown));
            walk.object(end..end + 1, &object);
        }
        end += 1;
    }
    if is_whole {
        listed(walk, kind, end);
    }
    Some(end)
}

/// Notes that a list which ends here is whole, if its command asked for everything of a kind without namespaces.
pub(super) fn listed(walk: &mut Walk<'_>, kind: Kind, end: usize) {
    // A row that can't be read may be one more of them.
    let next = !walk.parts.is_empty() && is_header(walk.text(end));
    let ends = next || !(walk.is_output(end) || asked::is_cut(walk, end));
    if kind.cluster && asked::for_all(walk) && ends {
        walk.out.listed.push(kind.kind);
    }
}

/// Labels that the command shows as columns, each with the column's name.
/// Source: kubectl `pkg/cmd/get/sorter.go`, `printers/tableprinter.go` (formatLabelHeaders): what stands
/// behind the slash, in capitals.
fn label_columns(walk: &Walk<'_>) -> Vec<(String, String)> {
    let Some(command) = &walk.command else {
        return Vec::new();
    };
    command
        .option("-L", "--label-columns")
        .into_iter()
        .flat_map(|keys| keys.split(','))
        .map(|key| {
            let name = key.rsplit('/').next().unwrap_or_default();
            (key.to_owned(), name.to_ascii_uppercase())
        })
        .collect()
}

/// Adds labels that the command proves. Where the row has no column of all labels, there may be more.
fn in_part<'l>(object: &mut Value, labels: impl Iterator<Item = (&'l String, &'l str)>) {
    let metadata = &mut object["metadata"];
    // Roles are labels too, and stand in every row of a node.
    let whole = metadata.get("labels").is_some() && metadata.get(LABELS_IN_PART).is_none();
    for (key, value) in labels {
        let known = metadata["labels"].get(key).and_then(Value::as_str);
        if known.is_none_or(|k| k == SOME_VALUE) {
            metadata["labels"][key] = json!(value);
            if !whole {
                metadata[LABELS_IN_PART] = json!(true);
            }
        }
    }
}

/// The kind and the namespace that the command asked for.
fn asked_for(walk: &Walk<'_>) -> (Option<String>, String) {
    match walk.kubectl() {
        Some((c, words)) => (
            words
                .iter()
                .position(|w| *w == "get")
                .and_then(|i| words.get(i + 1))
                .map(|w| w.split(['/', ',']).next().unwrap_or_default().to_owned()),
            c.option("-n", "--namespace").unwrap_or_default().to_owned(),
        ),
        None => (flux(walk), String::new()),
    }
}

/// Headers that `kubectl get` prints for the kinds whose rows are cut out with grep, with and without
/// the namespaces.
const HEADERS: &[(&str, &str)] = &[
    ("Pod", "NAME READY STATUS RESTARTS AGE"),
    ("Pod", "NAMESPACE NAME READY STATUS RESTARTS AGE"),
    (
        "Pod",
        "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES",
    ),
    (
        "Pod",
        "NAMESPACE NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES",
    ),
    ("Node", "NAME STATUS ROLES AGE VERSION"),
    (
        "PersistentVolumeClaim",
        "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE",
    ),
    (
        "PersistentVolumeClaim",
        "NAMESPACE NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE",
    ),
    (
        "PersistentVolume",
        "NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE",
    ),
];

static TABLES: LazyLock<Vec<(&str, Table)>> = LazyLock::new(|| {
    let table = |(kind, header): &(&'static str, &str), more: &str| {
        (*kind, Table::new(&format!("{header}{more}")))
    };
    // `--show-labels` adds a column at the end.
    let each = |h: &(&'static str, &str)| [table(h, ""), table(h, " LABELS")];
    HEADERS.iter().flat_map(each).collect()
});

/// A row without its header, as `grep` leaves it: read where its values fit one kind's columns in one
/// way. Without the command only those count whose words of state nothing else has.
pub(super) fn loose(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let text = walk.text(at);
    // An age ends every such row but the wide ones.
    if text.len() > 400 || !text.split_ascii_whitespace().any(is_age) {
        return None;
    }
    let text = text.to_owned();
    let (what, namespace) = asked_for(walk);
    let kind = match (&walk.command, what.as_deref().and_then(kinds::named)) {
        (Some(_), None) => return None,
        (_, kind) => kind.map(|k| k.kind),
    };
    let mut fitting = TABLES
        .iter()
        .filter(|(k, _)| kind.is_none_or(|asked| asked == *k))
        .filter_map(|(k, table)| Some((*k, table.row(&text)?)));
    let (of, row) = fitting.next()?;
    if fitting.next().is_some() || !is_state(of, row.get("STATUS")) {
        return None;
    }
    let kind = kinds::named(&of.to_ascii_lowercase())?;
    let mut object = object(kind, &row, &namespace)?;
    let proven = walk.command.as_ref().map(asked::labels).unwrap_or_default();
    in_part(
        &mut object,
        proven.iter().map(|(key, value)| (key, value.as_str())),
    );
    walk.object(at..at + 1, &object);
    Some(at + 1)
}

/// Is this a state that kubectl prints for such a thing?
/// Source: kubernetes `pkg/printers/internalversion/printers.go`.
fn is_state(kind: &str, state: &str) -> bool {
    match kind {
        "Pod" => {
            state.starts_with("Init:")
                || state.starts_with("ErrImage")
                || state.ends_with("BackOff")
                || matches!(
                    state,
                    "Running"
                        | "Pending"
                        | "Completed"
                        | "Succeeded"
                        | "Error"
                        | "Failed"
                        | "Terminating"
                        | "ContainerCreating"
                        | "PodInitializing"
                        | "OOMKilled"
                        | "Evicted"
                        | "CreateContainerConfigError"
                        | "CreateContainerError"
                        | "RunContainerError"
                        | "StartError"
                        | "ContainerCannotRun"
                        | "ContainerStatusUnknown"
                        | "InvalidImageName"
                        | "SchedulingGated"
                        | "NodeLost"
                        | "Unknown"
                )
        }
        "Node" => state
            .split(',')
            .all(|s| matches!(s, "Ready" | "NotReady" | "Unknown" | "SchedulingDisabled")),
        "PersistentVolumeClaim" => matches!(state, "Pending" | "Bound" | "Lost" | "Terminating"),
        _ => matches!(
            state,
            "Available" | "Bound" | "Released" | "Failed" | "Terminating" | "Pending"
        ),
    }
}

/// `flux get kustomizations`.
fn flux(walk: &Walk<'_>) -> Option<String> {
    let c = walk.ran("flux")?;
    let at = c.words.iter().position(|w| w == "get")?;
    c.words
        .get(at + 1..)?
        .iter()
        .rev()
        .find(|w| !w.starts_with('-'))
        .cloned()
}

/// The kind by the columns that only its table has.
fn by_columns(names: &[String]) -> Option<Kind> {
    let has = |n: &str| names.iter().any(|c| c == n);
    let name = if has("RESTARTS") && has("READY") {
        "pods"
    } else if has("ROLES") && has("VERSION") {
        "nodes"
    } else if has("VOLUME") && has("ACCESS MODES") {
        "pvc"
    } else if has("CLAIM") && (has("RECLAIM POLICY") || has("CAPACITY")) {
        "pv"
    } else if has("CLUSTER-IP") || has("PORT(S)") {
        "svc"
    } else if has("UP-TO-DATE") && has("NODE SELECTOR") {
        "ds"
    } else if has("UP-TO-DATE") {
        "deploy"
    } else if has("DESIRED") && has("CURRENT") && has("READY") {
        "rs"
    } else if has("COMPLETIONS") {
        "jobs"
    } else if has("PROVISIONER") {
        "sc"
    } else if has("ATTACHER") && has("ATTACHED") {
        "volumeattachments"
    } else if has("SERVICE") && has("AVAILABLE") {
        "apiservices"
    } else {
        return None;
    };
    kinds::named(name)
}

/// The object that a row shows.
fn object(kind: Kind, row: &Row, namespace: &str) -> Option<Value> {
    // `get all` writes the kind before the name.
    let (kind, name) = match row.get("NAME").split_once('/') {
        Some((k, name)) => (kinds::named(k)?, name),
        None => (kind, row.get("NAME")),
    };
    let plain = name.strip_suffix(" (default)").unwrap_or(name);
    if plain.is_empty() || plain.contains(' ') || just_begun(row.get("AGE")) {
        return None;
    }
    let mut metadata = Map::new();
    metadata.insert("name".into(), json!(plain));
    if kind.kind == "StorageClass" {
        let default = (plain != name).to_string();
        metadata.insert(
            "annotations".into(),
            json!({"storageclass.kubernetes.io/is-default-class": default}),
        );
    }
    let namespace = match row.get("NAMESPACE") {
        "" => namespace,
        n => n,
    };
    if !kind.cluster && !namespace.is_empty() {
        metadata.insert("namespace".into(), json!(namespace));
    }
    match labels(row.get("LABELS")) {
        labels @ Value::Object(_) => {
            metadata.insert("labels".into(), labels);
        }
        _ if row.get("LABELS") == "<none>" => {
            metadata.insert("labels".into(), json!({}));
        }
        _ => {}
    }
    let mut object = match kind.kind {
        "Pod" => pod(row),
        "Node" => node(row),
        "PersistentVolumeClaim" => claim(row),
        "PersistentVolume" => volume(row),
        "Service" => service(row),
        "Endpoints" => endpoints(row)?,
        "Namespace" => json!({"status": {"phase": row.get("STATUS")}}),
        "APIService" => api_service(row),
        "StorageClass" => class(row),
        "VolumeAttachment" => attachment(row),
        // That nobody is wanted is what such a row says for sure.
        "Deployment" | "StatefulSet" if row.get("READY") == "0/0" => {
            json!({"spec": {"replicas": 0}})
        }
        "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet" => return None,
        _ => other(row)?,
    };
    let map = object.as_object_mut()?;
    map.insert("kind".into(), json!(kind.kind));
    map.insert("apiVersion".into(), json!(kind.api_version));
    // Roles are labels, printed in a column of their own.
    if kind.kind == "Node" && !metadata.contains_key("labels") {
        metadata.insert("labels".into(), Value::Object(roles(row)));
        metadata.insert(LABELS_IN_PART.into(), json!(true));
    }
    map.insert("metadata".into(), Value::Object(metadata));
    Some(object)
}

/// An age of seconds: nothing that is wrong with it now counts yet.
fn just_begun(age: &str) -> bool {
    age.strip_suffix('s')
        .and_then(|n| n.parse::<u64>().ok())
        .is_some_and(|n| n < 60)
}

fn labels(text: &str) -> Value {
    let map: Map<String, Value> = text
        .split(',')
        .filter_map(|l| l.split_once('='))
        .map(|(k, v)| (k.to_owned(), json!(v)))
        .collect();
    if map.is_empty() {
        Value::Null
    } else {
        Value::Object(map)
    }
}

/// Source: kubernetes `pkg/printers/internalversion/printers.go` (printPod): STATUS is the phase, or the
/// reason of the first container that is not well.
fn pod(row: &Row) -> Value {
    let status = row.get("STATUS");
    let (ready, total) = row
        .get("READY")
        .split_once('/')
        .and_then(|(r, t)| Some((r.parse::<u32>().ok()?, t.parse::<u32>().ok()?)))
        .unwrap_or((0, 0));
    let restarts: i64 = row
        .get("RESTARTS")
        .split_ascii_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let (init, word) = match status.strip_prefix("Init:") {
        Some(rest) => (true, rest),
        None => (false, status),
    };
    let phase = match word {
        "Running" | "Terminating" | "CrashLoopBackOff" | "Error" | "OOMKilled" if !init => {
            "Running"
        }
        "Completed" | "Succeeded" => "Succeeded",
        "Failed" | "Evicted" | "NodeLost" | "ContainerStatusUnknown" => "Failed",
        "Unknown" => "Unknown",
        _ => "Pending",
    };
    let waiting = matches!(
        word,
        "CrashLoopBackOff"
            | "ImagePullBackOff"
            | "ErrImagePull"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "CreateContainerConfigError"
            | "CreateContainerError"
            | "RunContainerError"
            | "StartError"
    );
    let ended = matches!(
        word,
        "Error" | "OOMKilled" | "ContainerCannotRun" | "StartError"
    );
    let mut statuses = Vec::new();
    for i in 0..total.min(32) {
        let well = i < ready;
        let mut one = json!({"name": format!("{}", i + 1), "ready": well});
        if let Some(map) = one.as_object_mut() {
            if !well && waiting && !init {
                map.insert("state".into(), json!({"waiting": {"reason": word}}));
            } else if !well && ended && !init {
                map.insert(
                    "state".into(),
                    json!({"terminated": {"reason": word, "exitCode": 1}}),
                );
            }
            if !well || ready == total {
                map.insert(
                    "restartCount".into(),
                    json!(if i + 1 == total { restarts } else { 0 }),
                );
            }
        }
        statuses.push(one);
    }
    let mut out = json!({"spec": {}, "status": {"phase": phase}});
    if let Some(map) = out.get_mut("status").and_then(Value::as_object_mut) {
        if matches!(word, "Evicted" | "FailedCreate") {
            map.insert("reason".into(), json!(word));
        }
        if init && waiting {
            map.insert("initContainerStatuses".into(), json!([{"name": "init", "ready": false, "restartCount": restarts, "state": {"waiting": {"reason": word}}}]));
        } else if waiting || ended || phase == "Running" {
            map.insert("containerStatuses".into(), Value::Array(statuses));
        }
    }
    // Words of the kubelet are said of pods that have a node. `Running` counts containers; only a gate of
    // readiness could keep such a pod from being ready.
    let known = match word {
        "Running" if total > 0 && ready == total => Some("Ready"),
        "ContainerCreating" | "PodInitializing" => Some("PodScheduled"),
        _ if phase == "Pending" && (waiting || init) => Some("PodScheduled"),
        _ => None,
    };
    if let (Some(kind), Some(map)) = (known, out.get_mut("status").and_then(Value::as_object_mut)) {
        map.insert(
            "conditions".into(),
            json!([{"type": kind, "status": "True"}]),
        );
    }
    if let Some(ip) = filled(row.get("IP"))
        && let Some(map) = out.get_mut("status").and_then(Value::as_object_mut)
    {
        map.insert("podIP".into(), json!(ip));
    }
    let node = row.get("NODE");
    if !matches!(node, "" | "<none>")
        && let Some(map) = out.get_mut("spec").and_then(Value::as_object_mut)
    {
        map.insert("nodeName".into(), json!(node));
    }
    out
}

/// `control-plane,master` as the labels that they are.
fn roles(row: &Row) -> Map<String, Value> {
    row.get("ROLES")
        .split(',')
        .filter(|r| !matches!(*r, "" | "<none>"))
        .map(|role| (format!("node-role.kubernetes.io/{role}"), json!("true")))
        .collect()
}

fn node(row: &Row) -> Value {
    let status = row.get("STATUS");
    let words: Vec<&str> = status.split(',').collect();
    let ready = if words.contains(&"NotReady") {
        "False"
    } else if words.contains(&"Ready") {
        "True"
    } else {
        "Unknown"
    };
    let mut addresses = Vec::new();
    for (column, kind) in [("INTERNAL-IP", "InternalIP"), ("EXTERNAL-IP", "ExternalIP")] {
        if !matches!(row.get(column), "" | "<none>") {
            addresses.push(json!({"type": kind, "address": row.get(column)}));
        }
    }
    let mut out = json!({
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "addresses": addresses,
            "nodeInfo": {
                "kubeletVersion": row.get("VERSION"),
                "kernelVersion": row.get("KERNEL-VERSION"),
                "containerRuntimeVersion": row.get("CONTAINER-RUNTIME"),
                "osImage": row.get("OS-IMAGE"),
            }
        }
    });
    if words.contains(&"SchedulingDisabled")
        && let Some(spec) = out.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.insert("unschedulable".into(), json!(true));
    }
    out
}

/// Access modes, by their short names or their long ones.
pub(super) fn modes(text: &str) -> Vec<&'static str> {
    text.split([',', ' '])
        .filter_map(|m| {
            Some(match m {
                "RWO" | "ReadWriteOnce" => "ReadWriteOnce",
                "ROX" | "ReadOnlyMany" => "ReadOnlyMany",
                "RWX" | "ReadWriteMany" => "ReadWriteMany",
                "RWOP" | "ReadWriteOncePod" => "ReadWriteOncePod",
                _ => return None,
            })
        })
        .collect()
}

/// What stands there, unless it is kubectl's word for nothing.
pub(super) fn filled(text: &str) -> Option<&str> {
    (!matches!(text, "" | "<none>" | "<unset>" | "<unknown>")).then_some(text)
}

fn claim(row: &Row) -> Value {
    let mut spec = Map::new();
    if let Some(class) = filled(row.get("STORAGECLASS")) {
        spec.insert("storageClassName".into(), json!(class));
    }
    if let Some(volume) = filled(row.get("VOLUME")) {
        spec.insert("volumeName".into(), json!(volume));
    }
    let modes = modes(row.get("ACCESS MODES"));
    if !modes.is_empty() {
        spec.insert("accessModes".into(), json!(modes));
    }
    json!({"spec": spec, "status": {"phase": row.get("STATUS")}})
}

fn volume(row: &Row) -> Value {
    let mut spec = json!({
        "accessModes": modes(row.get("ACCESS MODES")),
        "persistentVolumeReclaimPolicy": row.get("RECLAIM POLICY"),
    });
    if let Some(map) = spec.as_object_mut() {
        if let Some(capacity) = filled(row.get("CAPACITY")) {
            map.insert("capacity".into(), json!({"storage": capacity}));
        }
        if let Some(class) = filled(row.get("STORAGECLASS")) {
            map.insert("storageClassName".into(), json!(class));
        }
        // Whoever retyped it may have left the namespace out.
        if let Some(claim) = filled(row.get("CLAIM")) {
            let (ns, name) = claim.split_once('/').unwrap_or(("", claim));
            map.insert(
                "claimRef".into(),
                json!({"kind": "PersistentVolumeClaim", "namespace": ns, "name": name}),
            );
        }
    }
    json!({"spec": spec, "status": {"phase": row.get("STATUS"), "reason": row.get("REASON")}})
}

fn service(row: &Row) -> Value {
    let mut spec = json!({"type": row.get("TYPE"), "clusterIP": row.get("CLUSTER-IP")});
    if let Some(map) = spec.as_object_mut() {
        let ports: Vec<Value> = row
            .get("PORT(S)")
            .split(',')
            .filter_map(|p| {
                let (ports, protocol) = p.split_once('/')?;
                let port: u16 = ports.split(':').next()?.parse().ok()?;
                Some(json!({"port": port, "protocol": protocol}))
            })
            .collect();
        map.insert("ports".into(), Value::Array(ports));
        if let selector @ Value::Object(_) = labels(row.get("SELECTOR")) {
            map.insert("selector".into(), selector);
        }
    }
    let mut out = json!({"spec": spec, "status": {}});
    if let Some(address) = filled(row.get("EXTERNAL-IP")).filter(|a| *a != "<pending>") {
        out["status"] = json!({"loadBalancer": {"ingress": [{"ip": address}]}});
    }
    out
}

/// Source: kubernetes `pkg/printers/internalversion/printers.go` (formatEndpoints): ready addresses only.
fn endpoints(row: &Row) -> Option<Value> {
    let shown = row.get("ENDPOINTS");
    let addresses: Vec<Value> = match shown {
        "" => return None,
        "<none>" => Vec::new(),
        shown => shown
            .split(',')
            .filter_map(|a| a.rsplit_once(':'))
            .map(|(ip, _)| json!({"ip": ip}))
            .collect(),
    };
    let subsets = if addresses.is_empty() {
        json!([])
    } else {
        json!([{"addresses": addresses}])
    };
    (shown == "<none>" || !addresses.is_empty()).then(|| json!({"subsets": subsets}))
}

fn class(row: &Row) -> Value {
    json!({
        "provisioner": row.get("PROVISIONER"),
        "volumeBindingMode": row.get("VOLUMEBINDINGMODE"),
    })
}

fn attachment(row: &Row) -> Value {
    json!({
        "spec": {
            "attacher": row.get("ATTACHER"),
            "nodeName": row.get("NODE"),
            "source": {"persistentVolumeName": row.get("PV")},
        },
        "status": {"attached": row.get("ATTACHED") == "true"},
    })
}

/// `AVAILABLE` is `True`, or `False (FailedDiscoveryCheck)`.
fn api_service(row: &Row) -> Value {
    let available = row.get("AVAILABLE");
    let status = available.split(' ').next().unwrap_or_default();
    let reason = available
        .split_once('(')
        .and_then(|(_, r)| r.strip_suffix(')'))
        .unwrap_or_default();
    let mut spec = Map::new();
    if let Some((ns, name)) = row.get("SERVICE").split_once('/') {
        spec.insert("service".into(), json!({"namespace": ns, "name": name}));
    }
    if let Some((version, group)) = row.get("NAME").split_once('.') {
        spec.insert("version".into(), json!(version));
        spec.insert("group".into(), json!(group));
    }
    json!({"spec": spec, "status": {"conditions": [{"type": "Available", "status": status, "reason": reason}]}})
}

/// A custom resource: columns that are named like its conditions and show their status, and a message.
/// Source: the printer columns of cert-manager, Flux, external-secrets, sealed-secrets and Crossplane.
fn other(row: &Row) -> Option<Value> {
    let message = [row.get("MESSAGE"), row.get("STATUS"), row.get("REASON")]
        .into_iter()
        .find(|m| !m.is_empty())
        .unwrap_or_default();
    let conditions: Vec<Value> = ["Ready", "Synced", "Available", "Healthy"]
        .into_iter()
        .map(|kind| (kind, row.get(&kind.to_ascii_uppercase())))
        .filter(|(_, status)| matches!(*status, "True" | "False" | "Unknown"))
        .map(|(kind, status)| json!({"type": kind, "status": status, "message": message}))
        .collect();
    (!conditions.is_empty()).then(|| json!({"status": {"conditions": conditions}}))
}

#[cfg(test)]
mod tests {
    use crate::object::{Parsed, View};

    fn objects(text: &str) -> Vec<Parsed> {
        super::super::read(text.as_bytes(), 0).objects
    }

    #[test]
    fn rows_without_header_or_wide_space_are_read() {
        for text in [
            "kubectl get pods -n shop\n# NAME READY STATUS RESTARTS AGE\n# till-0 0/1 CrashLoopBackOff 3 4m\n",
            "$ kubectl get pods -A | grep till\nshop        till-0   0/1   CrashLoopBackOff   3 (2m ago)   4m\n",
            "shop till-0 0/1 CrashLoopBackOff 3 4m\n",
        ] {
            let got = objects(text);
            assert_eq!(got.len(), 1, "{text}");
            assert_eq!(got[0].object.id.as_str(), "pod/shop/till-0", "{text}");
        }
        // Another command's rows, sentences, and states that kubectl does not have.
        for text in [
            "$ docker ps\ntill-0 0/1 Running 3 4m\n",
            "till-0 0/1 Broken 3 4m\n",
            "the till 0/1 Running for 4m\n",
        ] {
            assert!(objects(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_list_is_whole_only_when_every_row_was_read() {
        let listed = |text: &str| super::super::read(text.as_bytes(), 0).listed.len();
        let head = "$ kubectl get pv\nNAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS AGE\n";
        let row = "vol-3 8Gi RWO Retain Available slow 7d\n";
        assert_eq!(listed(&format!("{head}{row}")), 1);
        assert_eq!(listed(&format!("{head}{row}... and 4 more\n")), 0);
        assert_eq!(listed(&format!("{head}{row}\n[... 4 more rows]\n")), 0);
        assert_eq!(listed(&format!("{head}{row}\nThat is all.\n")), 1);
    }

    #[test]
    fn columns_of_labels_classes_and_attachments_are_read() {
        let got = objects(
            "$ kubectl get nodes -L shop.example/disk,arch\nNAME   STATUS   ROLES    AGE   VERSION        DISK   ARCH\nn1     Ready    <none>   9d    v1.33.4+k3s1   ssd    arm64\nn2     Ready    <none>   9d    v1.33.4+k3s1          amd64\n",
        );
        let labels = |i: usize| match &got[i].view {
            View::Node(n) => n.metadata.labels.get("shop.example/disk").cloned(),
            _ => panic!(),
        };
        assert_eq!((labels(0), labels(1)), (Some("ssd".to_owned()), None));
        let got = objects(
            "$ kubectl get sc\nNAME              PROVISIONER             RECLAIMPOLICY   VOLUMEBINDINGMODE      ALLOWVOLUMEEXPANSION   AGE\nfast (default)    rancher.io/local-path   Delete          WaitForFirstConsumer   false                  6h\nslow              nfs.csi.k8s.io          Delete          Immediate              false                  6h\n",
        );
        let defaults: Vec<_> = got
            .iter()
            .map(|p| match &p.view {
                View::Class(c) => (c.metadata.name.as_str(), c.is_default()),
                _ => panic!(),
            })
            .collect();
        assert_eq!(defaults, [("fast", true), ("slow", false)]);
        let got = objects(
            "$ kubectl get volumeattachments\nNAME      ATTACHER             PV      NODE   ATTACHED   AGE\ncsi-a     driver.longhorn.io   pvc-1   n3     true       44d\n",
        );
        let View::Attachment(a) = &got[0].view else {
            panic!()
        };
        assert_eq!(a.spec.node_name, "n3");
    }

    #[test]
    fn custom_resources_show_their_conditions() {
        let got = objects(
            "$ kubectl get sealedsecrets -A\nNAMESPACE   NAME   STATUS                                        SYNCED   AGE\nshop        till   no key could decrypt secret (password)        False    3h\nshop        desk                                                 True     3h\n",
        );
        let conditions = |i: usize| match &got[i].view {
            View::Other(o) => o.status.conditions.clone(),
            _ => panic!(),
        };
        let bad = &conditions(0)[0];
        assert_eq!(
            (bad.kind.as_str(), bad.status.as_str(), bad.message.as_str()),
            ("Synced", "False", "no key could decrypt secret (password)")
        );
        assert_eq!(conditions(1)[0].status, "True");
    }

    #[test]
    fn rows_become_objects() {
        let got = objects(
            "n1:~# kubectl get pods -A -o wide\nNAMESPACE   NAME    READY   STATUS             RESTARTS       AGE   IP          NODE\nshop        web-0   0/1     CrashLoopBackOff   12 (2m ago)    3h    10.42.0.3   n1\nshop        web-1   1/1     Running            0              3h    10.42.0.4   n2\n",
        );
        assert_eq!(got.len(), 2);
        assert_eq!(got[0].object.id.as_str(), "pod/shop/web-0");
        assert!(got[0].object.printed);
        let View::Pod(p) = &got[0].view else { panic!() };
        assert_eq!(p.spec.node_name, "n1");
        assert_eq!(p.status.container_statuses[0].restart_count, Some(12));
        let got = objects(
            "NAME   STATUS   VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   AGE\nlib    Pending                                       slow           5m\n",
        );
        let View::Claim(c) = &got[0].view else {
            panic!()
        };
        assert_eq!(
            (
                c.spec.storage_class_name.as_deref(),
                c.status.phase.as_str()
            ),
            (Some("slow"), "Pending")
        );
        let got = objects(
            "NAME   STATUS                        ROLES                       AGE   VERSION\nn2     NotReady,SchedulingDisabled   control-plane,etcd,master   53m   v1.33.7+k3s1\n",
        );
        let View::Node(n) = &got[0].view else {
            panic!()
        };
        assert_eq!(n.status.conditions[0].status, "False");
    }
}
