//! What `kubectl describe` prints into objects, as far as it shows them, with their events.
//!
//! Source: kubectl `pkg/describe/describe.go`. A description is a tree of `Key: value` lines, deeper
//! lines belonging to the line above. Deliberately absent: completeness; see `objects`.

use defib_formats::text;
use serde_json::{Map, Value, json};

use super::objects::{filled, modes};
use super::{Walk, probes};
use crate::kinds::{self, Kind};

/// One line of the tree.
#[derive(Debug)]
struct Node {
    indent: usize,
    key: String,
    value: String,
}

/// The description's lines until its end.
struct Tree(Vec<Node>);

impl Tree {
    /// The value of a key at the left edge.
    fn get(&self, key: &str) -> &str {
        self.find(key).map(|n| n.value.as_str()).unwrap_or_default()
    }

    fn find(&self, key: &str) -> Option<&Node> {
        let edge = self.0.first().map_or(0, |n| n.indent);
        self.0.iter().find(|n| n.indent == edge && n.key == key)
    }

    fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The lines below a key at the left edge.
    fn below(&self, key: &str) -> &[Node] {
        let edge = self.0.first().map_or(0, |n| n.indent);
        let Some(at) = self.0.iter().position(|n| n.indent == edge && n.key == key) else {
            return &[];
        };
        under(&self.0, at)
    }

    /// `a=b` on the key's own line and on those below it.
    fn pairs(&self, key: &str, mark: char) -> Map<String, Value> {
        let mut out = Map::new();
        let own = self.get(key).to_owned();
        let rest = self.below(key).iter().map(|n| {
            if n.value.is_empty() {
                n.key.clone()
            } else {
                format!("{}: {}", n.key, n.value)
            }
        });
        for line in std::iter::once(own).chain(rest) {
            for part in line.split(',') {
                if let Some((k, v)) = part.trim().split_once(mark) {
                    out.insert(k.trim().to_owned(), json!(v.trim()));
                }
            }
        }
        out
    }
}

/// The lines that belong to the line at `at`.
fn under(nodes: &[Node], at: usize) -> &[Node] {
    let Some(head) = nodes.get(at) else {
        return &[];
    };
    let rest = nodes.get(at + 1..).unwrap_or_default();
    let end = rest
        .iter()
        .position(|n| n.indent <= head.indent)
        .unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.trim().split_once(':')?;
    let good = !key.is_empty()
        && key.len() < 60
        && key.starts_with(|c: char| c.is_ascii_alphabetic())
        && (value.is_empty() || value.starts_with([' ', '\t']));
    good.then(|| (key.to_owned(), value.trim().to_owned()))
}

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let first = walk.lines.get(at)?;
    let edge = first.indent();
    let (key, name) = pair(&first.text)?;
    let headed = key == "Name" && !name.is_empty() && !name.contains(' ');
    // Of one with "..." for its head, or cut by grep, the command tells whose it is.
    let about = if headed {
        None
    } else {
        Some(walk.described(None)?)
    };
    let (nodes, end, events) = lines(walk, at, edge);
    if nodes.len() < 3 {
        return headless(walk, at);
    }
    let mut tree = Tree(nodes);
    let kind = kind_of(walk, &tree)?;
    let (name, namespace) = match &about {
        None => (name, tree.get("Namespace").to_owned()),
        Some(id) => {
            if kind.kind == "Pod" && !tree.has("Containers") {
                tree = of_container(tree)?;
            }
            (
                id.name().to_owned(),
                id.namespace().unwrap_or_default().to_owned(),
            )
        }
    };
    object(walk, at..end, events, kind, &tree, &name, &namespace)
}

/// What is said of one container of a pod, as the tree of that pod.
/// Source: kubectl `pkg/describe/describe.go` (describeContainers).
fn of_container(tree: Tree) -> Option<Tree> {
    let edge = tree.0.first().map_or(0, |n| n.indent);
    let said = ["State", "Last State", "Restart Count", "Image", "Limits"];
    if !said.iter().any(|key| tree.has(key)) {
        return None;
    }
    let head = |indent, key: &str| Node {
        indent,
        key: key.to_owned(),
        value: String::new(),
    };
    let mut nodes = vec![head(0, "Containers"), head(1, super::UNNAMED)];
    nodes.extend(tree.0.into_iter().map(|n| Node {
        indent: n.indent.saturating_sub(edge) + 2,
        ..n
    }));
    Some(Tree(nodes))
}

/// The lines of one description, where it ends, and where its events begin.
fn lines(walk: &Walk<'_>, at: usize, edge: usize) -> (Vec<Node>, usize, Option<usize>) {
    let mut nodes = Vec::new();
    let mut end = at;
    let mut events = None;
    while let Some(line) = walk.lines.get(end) {
        if end > at && line.indent() == edge && pair(&line.text).is_some_and(|(k, _)| k == "Name") {
            break;
        }
        if text::command(line).is_some() {
            break;
        }
        if line.indent() == edge && line.text.trim() == "Events:" {
            events = Some(end + 1);
            break;
        }
        // `grep` may have left the rows alone.
        if end > at && super::events::is_row(&line.text) {
            events = Some(end);
            break;
        }
        if !line.is_blank() {
            match pair(&line.text) {
                Some((key, value)) => nodes.push(Node {
                    indent: line.indent(),
                    key,
                    value,
                }),
                // A table or a list below a key: kept as a line without a value.
                None if line.indent() > edge => nodes.push(Node {
                    indent: line.indent(),
                    key: line.text.trim().to_owned(),
                    value: String::new(),
                }),
                None => break,
            }
        }
        end += 1;
    }
    (nodes, end, events)
}

/// Takes the object that a description shows, and its events.
fn object(
    walk: &mut Walk<'_>,
    lines: std::ops::Range<usize>,
    events: Option<usize>,
    kind: Kind,
    tree: &Tree,
    name: &str,
    namespace: &str,
) -> Option<usize> {
    let std::ops::Range { start: at, mut end } = lines;
    if kind.kind == "PersistentVolumeClaim"
        && tree.get("Used By") == "<none>"
        && let Some(line) = (at..end).find(|i| walk.text(*i).trim_start().starts_with("Used By:"))
    {
        let value = defib_model::fact::Value::Unused(namespace.to_owned(), name.to_owned());
        walk.fact(line..line + 1, value);
    }
    let body = body(kind, tree);
    let mut metadata = Map::new();
    metadata.insert("name".into(), json!(name));
    if !kind.cluster && !namespace.is_empty() {
        metadata.insert("namespace".into(), json!(namespace));
    }
    // A description shows all labels: none are none.
    let labels = tree.pairs("Labels", '=');
    if tree.has("Labels") {
        metadata.insert("labels".into(), Value::Object(labels));
    }
    let annotations = tree.pairs("Annotations", ':');
    if !annotations.is_empty() {
        metadata.insert("annotations".into(), Value::Object(annotations));
    }
    if let Some((k, owner)) = tree.get("Controlled By").split_once('/')
        && let Some(k) = kinds::named(k)
    {
        metadata.insert(
            "ownerReferences".into(),
            json!([{"kind": k.kind, "apiVersion": k.api_version, "name": owner, "controller": true}]),
        );
    }
    let mut object = body;
    if let Some(map) = object.as_object_mut() {
        map.insert("kind".into(), json!(kind.kind));
        map.insert("apiVersion".into(), json!(kind.api_version));
        map.insert("metadata".into(), Value::Object(metadata));
    }
    let body = end;
    let first = walk.out.events.len();
    if let Some(line) = events {
        let about = defib_model::EntityId::object(
            kind.kind,
            kind.group(),
            if kind.cluster { "" } else { namespace },
            name,
        );
        end = super::events::read_rows(walk, line, &about).unwrap_or(line);
    }
    // Of a described pod the scheduler's word stands among its events only.
    let refused = walk
        .out
        .events
        .get(first..)
        .unwrap_or_default()
        .iter()
        .rev()
        .find(|(e, _)| e.reason == "FailedScheduling")
        .map(|(e, _)| e.message.clone());
    let with_events = refused.is_some() && kind.kind == "Pod";
    if let (true, Some(message)) = (with_events, refused) {
        super::unscheduled(&mut object, &message);
    }
    walk.object(at..if with_events { end } else { body }, &object);
    Some(end)
}

/// Events below a `describe` command whose head was cut away.
fn headless(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    if walk.text(at).trim() != "Events:" {
        return None;
    }
    let about = walk.described(None)?;
    super::events::read_rows(walk, at + 1, &about)
}

/// The kind: what the command asked for, what the description says, or what only its form has.
fn kind_of(walk: &Walk<'_>, tree: &Tree) -> Option<Kind> {
    if let Some(kind) = Some(tree.get("Kind")).filter(|k| !k.is_empty()) {
        return kinds::named(kind);
    }
    let asked = walk.kubectl().and_then(|(_, words)| {
        let i = words.iter().position(|w| *w == "describe")?;
        kinds::named(words.get(i + 1)?.split('/').next()?)
    });
    if asked.is_some() {
        return asked;
    }
    let has = |k: &str| tree.has(k);
    let name = if (has("Containers") && (has("Node") || has("IP") || has("QoS Class")))
        || (has("Node-Selectors") && has("Node"))
    {
        "pod"
    } else if has("Access Modes") && has("Claim") {
        "pv"
    } else if has("Access Modes") && (has("Volume") || has("VolumeMode")) {
        "pvc"
    } else if has("Roles") || has("Unschedulable") || (has("Allocatable") && has("Capacity")) {
        "node"
    } else if has("Endpoints") || has("Session Affinity") {
        "svc"
    } else if has("Desired Number of Nodes Scheduled") {
        "ds"
    } else if has("StrategyType") {
        "deploy"
    } else if has("Update Strategy") || has("Volume Claims") {
        "sts"
    } else if has("Replicas") && has("Pods Status") {
        "rs"
    } else if has("Parallelism") {
        "job"
    } else if has("Provisioner") {
        "sc"
    } else if has("Reference") && has("Min replicas") {
        "hpa"
    } else {
        return None;
    };
    kinds::named(name)
}

fn body(kind: Kind, tree: &Tree) -> Value {
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

#[cfg(test)]
mod tests {
    use crate::object::View;

    #[test]
    fn what_grep_left_is_still_of_the_one_that_was_asked_for() {
        let got = super::super::read(
            b"$ kubectl describe node n3 | grep -A4 ^Conditions\nConditions:\n  Type             Status    LastHeartbeatTime   LastTransitionTime   Reason              Message\n  ----             ------    -----------------   ------------------   ------              -------\n  Ready            Unknown   Mon, 29 Dec         Mon, 29 Dec          NodeStatusUnknown   Kubelet stopped posting node status.\n",
            0,
        );
        let View::Node(n) = &got.objects[0].view else {
            panic!()
        };
        assert_eq!(
            (n.metadata.name.as_str(), n.ready()),
            ("n3", Some("Unknown"))
        );
        let got = super::super::read(
            b"$ kubectl -n shop describe pod till-0\n...\n    State:          Waiting\n      Reason:       CrashLoopBackOff\n    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137\n    Restart Count:  61\n",
            0,
        );
        let View::Pod(p) = &got.objects[0].view else {
            panic!()
        };
        let s = &p.status.container_statuses[0];
        assert_eq!(got.objects[0].object.id.as_str(), "pod/shop/till-0");
        assert_eq!(s.restart_count, Some(61));
        assert_eq!(
            s.last_state.terminated.as_ref().unwrap().reason,
            "OOMKilled"
        );
        // The rows of two pods, each below its name.
        let got = super::super::read(
            b"$ kubectl -n shop describe pod | grep -E 'Name|Node|Warning'\nName:             a-0\nNode:             n1/10.0.0.1\nNode-Selectors:   <none>\n  Warning  Failed  27s (x4 over 110s)  kubelet  Error: ErrImagePull\nName:             b-0\nNode:             <none>\nNode-Selectors:   <none>\n  Warning  FailedScheduling  4m (x2 over 9m)  default-scheduler  0/2 nodes are available: 2 Insufficient cpu.\n",
            0,
        );
        let about: Vec<_> = got.events.iter().map(|(e, _)| e.about.name()).collect();
        assert_eq!(about, ["a-0", "b-0"]);
    }

    #[test]
    fn a_described_pod_is_an_object_with_events() {
        let text = "$ kubectl describe pod web-0 -n shop\nName:             web-0\nNamespace:        shop\nService Account:  default\nNode:             n1/10.0.0.1\nLabels:           app=web\n                  tier=front\nStatus:           Running\nIP:               10.42.0.3\nControlled By:  StatefulSet/web\nContainers:\n  web:\n    Container ID:   containerd://abc\n    Image:          shop/web:1\n    State:          Waiting\n      Reason:       CrashLoopBackOff\n    Last State:     Terminated\n      Reason:       Error\n      Exit Code:    137\n    Ready:          False\n    Restart Count:  7\n    Limits:\n      memory:  64Mi\nConditions:\n  Type              Status\n  Ready             False \nVolumes:\n  data:\n    Type:       PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)\n    ClaimName:  data-web-0\nQoS Class:                   Burstable\nEvents:\n  Type     Reason   Age                From     Message\n  ----     ------   ----               ----     -------\n  Warning  BackOff  1m (x20 over 5m)   kubelet  Back-off restarting failed container web in pod web-0\n";
        let got = super::super::read(text.as_bytes(), 0);
        assert_eq!(got.objects.len(), 1);
        let one = &got.objects[0];
        assert_eq!(one.object.id.as_str(), "pod/shop/web-0");
        let View::Pod(p) = &one.view else { panic!() };
        assert_eq!(
            p.metadata.labels.get("tier").map(String::as_str),
            Some("front")
        );
        let status = &p.status.container_statuses[0];
        assert_eq!(status.restart_count, Some(7));
        assert_eq!(
            status
                .last_state
                .terminated
                .as_ref()
                .and_then(|t| t.exit_code),
            Some(137)
        );
        assert_eq!(got.events.len(), 1);
        let (event, _) = &got.events[0];
        assert_eq!((event.about.as_str(), event.count), ("pod/shop/web-0", 20));
    }
}
