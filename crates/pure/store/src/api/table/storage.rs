//! Volumes, claims and what provisions them.
//!
//! Deliberately absent: pods that use them.

use serde_json::Value;

use super::super::value::{at, count, list, plain, text, text_or, truth};
use super::words::or_none;
use super::{Object, Printer, Row};

/// Where the class of a volume stood before it had a field.
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const DEFAULTS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];

pub(super) fn printer(group: &str, kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Object<'_>, &mut Row)) = match (group, kind) {
        ("", "PersistentVolume") => (
            "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|VolumeMode+",
            volume,
        ),
        ("", "PersistentVolumeClaim") => (
            "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|VolumeMode+",
            claim,
        ),
        ("storage.k8s.io", "StorageClass") => (
            // The name is a cell of its own here: it says which is the default.
            "Name!|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age",
            class,
        ),
        ("storage.k8s.io", "VolumeAttributesClass") => ("Name|DriverName|Age", |o, row| {
            row.text(text(o, "driverName")).text(o.age());
        }),
        ("storage.k8s.io", "VolumeAttachment") => {
            ("Name|Attacher|PV|Node|Attached?|Age", |o, row| {
                row.text(text(o, "spec.attacher"));
                row.text(text(o, "spec.source.persistentVolumeName"));
                row.text(text(o, "spec.nodeName"));
                row.truth(truth(o, "status.attached")).text(o.age());
            })
        }
        ("storage.k8s.io", "CSINode") => ("Name|Drivers#|Age", |o, row| {
            row.count(count(o, "spec.drivers")).text(o.age());
        }),
        ("storage.k8s.io", "CSIDriver") => (
            "Name|AttachRequired?|PodInfoOnMount?|StorageCapacity?|TokenRequests|RequiresRepublish?|Modes|Age",
            driver,
        ),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

/// Access modes, each once, in the order in which they are always said.
fn modes(said: &[Value]) -> String {
    let known = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |mode: &str| said.iter().any(|m| m.as_str() == Some(mode));
    let short: Vec<&str> = known
        .iter()
        .filter(|(mode, _)| has(mode))
        .map(|(_, s)| *s)
        .collect();
    short.join(",")
}

/// What the object is called to be, or that it goes.
fn phase<'v>(o: &Object<'v>) -> &'v str {
    if at(o.json, "metadata.deletionTimestamp").is_null() {
        text(o.json, "status.phase")
    } else {
        "Terminating"
    }
}

fn class_of<'v>(o: &Object<'v>) -> &'v str {
    let old = at(o.json, "metadata.annotations").get(OLD_CLASS);
    let old = old.and_then(Value::as_str);
    old.unwrap_or_else(|| text(o.json, "spec.storageClassName"))
}

fn quantity(map: &Value) -> String {
    match map.get("storage") {
        None => "0".to_owned(),
        Some(size) => plain(size),
    }
}

fn volume(o: &Object<'_>, row: &mut Row) {
    row.text(quantity(at(o, "spec.capacity")));
    row.text(modes(list(o, "spec.accessModes")));
    row.text(text(o, "spec.persistentVolumeReclaimPolicy"));
    row.text(phase(o));
    let claim = at(o, "spec.claimRef");
    row.text(if claim.is_object() {
        format!("{}/{}", text(claim, "namespace"), text(claim, "name"))
    } else {
        String::new()
    });
    row.text(class_of(o));
    row.text(text_or(o, "spec.volumeAttributesClassName", "<unset>"));
    row.text(text(o, "status.reason")).text(o.age());
    row.text(text_or(o, "spec.volumeMode", "<unset>"));
}

fn claim(o: &Object<'_>, row: &mut Row) {
    let volume = text(o, "spec.volumeName");
    row.text(phase(o)).text(volume);
    if volume.is_empty() {
        row.text("").text("");
    } else {
        row.text(quantity(at(o, "status.capacity")));
        row.text(modes(list(o, "status.accessModes")));
    }
    row.text(class_of(o));
    row.text(text_or(o, "spec.volumeAttributesClassName", "<unset>"));
    row.text(o.age());
    row.text(text_or(o, "spec.volumeMode", "<unset>"));
}

fn class(o: &Object<'_>, row: &mut Row) {
    let notes = at(o, "metadata.annotations");
    let says = |name: &str| notes.get(name).and_then(Value::as_str) == Some("true");
    let is_default = DEFAULTS.iter().any(|name| says(name));
    let mark = if is_default { " (default)" } else { "" };
    row.text(format!("{}{mark}", text(o, "metadata.name")));
    row.text(text(o, "provisioner"));
    row.text(text_or(o, "reclaimPolicy", "Delete"));
    row.text(text_or(o, "volumeBindingMode", "Immediate"));
    row.truth(truth(o, "allowVolumeExpansion")).text(o.age());
}

fn driver(o: &Object<'_>, row: &mut Row) {
    row.truth(at(o, "spec.attachRequired").as_bool().unwrap_or(true));
    row.truth(truth(o, "spec.podInfoOnMount"));
    row.truth(truth(o, "spec.storageCapacity"));
    row.text(match at(o, "spec.tokenRequests") {
        Value::Array(requests) => {
            let all: Vec<&str> = requests.iter().map(|r| text(r, "audience")).collect();
            all.join(",")
        }
        _ => "<unset>".to_owned(),
    });
    row.truth(truth(o, "spec.requiresRepublish"));
    let modes: Vec<String> = list(o, "spec.volumeLifecycleModes")
        .iter()
        .map(plain)
        .collect();
    row.text(or_none(modes.join(","))).text(o.age());
}
