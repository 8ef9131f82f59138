//! What `kubectl describe` prints into objects, as far as it shows them, with their events.
//!
//! Source: kubectl `pkg/describe/describe.go`. Deliberately absent: completeness; see `objects`.

mod fields;
mod tree;

use defib_formats::text;
use serde_json::{Map, Value, json};

use self::tree::{Node, Tree, pair};
use super::Walk;
use crate::kinds::{self, Kind};

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

/// Of kinds that kubectl has no description for it prints all fields: since when is it in deletion, and for whom does it
/// wait?
fn in_deletion(tree: &Tree, metadata: &mut Map<String, Value>) {
    let nodes = tree.below("Metadata");
    let at = |key: &str| nodes.iter().position(|n| n.key == key);
    if let Some(node) = at("Deletion Timestamp").and_then(|i| nodes.get(i)) {
        metadata.insert("deletionTimestamp".into(), json!(node.value));
    }
    if let Some(i) = at("Finalizers") {
        let names: Vec<&str> = tree::under(nodes, i)
            .iter()
            .map(|n| n.key.as_str())
            .collect();
        metadata.insert("finalizers".into(), json!(names));
    }
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
    if kind.kind == "Service"
        && tree.get("Endpoints") == "<none>"
        && let Some(line) = (at..end).find(|i| walk.text(*i).trim_start().starts_with("Endpoints:"))
    {
        let mut of = Map::from_iter([("name".to_owned(), json!(name))]);
        if !namespace.is_empty() {
            of.insert("namespace".into(), json!(namespace));
        }
        let none = json!({"kind": "Endpoints", "apiVersion": "v1", "metadata": of, "subsets": []});
        walk.object(line..line + 1, &none);
    }
    let body = fields::body(kind, tree);
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
    in_deletion(tree, &mut metadata);
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
