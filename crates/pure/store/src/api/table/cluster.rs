//! The cluster itself: nodes, namespaces, events, leases, what is served.
//!
//! Deliberately absent: what runs on nodes.

use std::collections::BTreeSet;

use super::super::value::{at, count, list, number, text, text_or, truth};
use super::words::{condition, or_none};
use super::{Object, Printer, Row};

const ROLE: &str = "node-role.kubernetes.io/";
const OLD_ROLE: &str = "kubernetes.io/role";

pub(super) fn printer(group: &str, kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Object<'_>, &mut Row)) = match (group, kind) {
        ("", "Node") => (
            "Name|Status|Roles|Age|Version|Internal-IP+|External-IP+|OS-Image+|Kernel-Version+|Container-Runtime+",
            node,
        ),
        ("", "Namespace") => ("Name|Status|Age", |o, row| {
            row.text(text(o, "status.phase")).text(o.age());
        }),
        ("", "ConfigMap") => ("Name|Data#|Age", |o, row| {
            row.count(count(o, "data") + count(o, "binaryData"))
                .text(o.age());
        }),
        ("", "Event") => (
            "Last Seen|Type|Reason|Object|Subobject+|Source+|Message|First Seen+|Count+|Name+",
            event,
        ),
        ("coordination.k8s.io", "Lease") => ("Name|Holder|Age", |o, row| {
            row.text(text(o, "spec.holderIdentity")).text(o.age());
        }),
        ("node.k8s.io", "RuntimeClass") => ("Name|Handler|Age", |o, row| {
            row.text(text(o, "handler")).text(o.age());
        }),
        ("apiregistration.k8s.io", "APIService") => ("Name|Service|Available|Age", service),
        ("resource.k8s.io", "ResourceClaim") => ("Name|State|Age", claim),
        ("resource.k8s.io", "ResourceSlice") => ("Name|Node|Driver|Pool|Age", |o, row| {
            row.text(text(o, "spec.nodeName"))
                .text(text(o, "spec.driver"));
            row.text(text(o, "spec.pool.name")).text(o.age());
        }),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

fn node(o: &Object<'_>, row: &mut Row) {
    let mut status = vec![match condition(list(o, "status.conditions"), "Ready") {
        "" => "Unknown",
        "True" => "Ready",
        _ => "NotReady",
    }];
    if truth(o, "spec.unschedulable") {
        status.push("SchedulingDisabled");
    }
    row.text(status.join(","));
    let mut roles = BTreeSet::new();
    let said = at(o, "metadata.labels").as_object();
    for (name, value) in said.into_iter().flatten() {
        if let Some(role) = name.strip_prefix(ROLE).filter(|r| !r.is_empty()) {
            roles.insert(role);
        } else if name == OLD_ROLE {
            roles.extend(value.as_str().filter(|r| !r.is_empty()));
        }
    }
    let roles: Vec<&str> = roles.into_iter().collect();
    row.text(or_none(roles.join(","))).text(o.age());
    row.text(text(o, "status.nodeInfo.kubeletVersion"));
    for kind in ["InternalIP", "ExternalIP"] {
        let addresses = list(o, "status.addresses").iter();
        let mut own = addresses.filter(|a| text(a, "type") == kind);
        row.text(own.next().map_or("<none>", |a| text(a, "address")));
    }
    for field in ["osImage", "kernelVersion", "containerRuntimeVersion"] {
        row.text(text_or(at(o, "status.nodeInfo"), field, "<unknown>"));
    }
}

fn event(o: &Object<'_>, row: &mut Row) {
    let first = match text(o, "firstTimestamp") {
        "" => o.ago("eventTime"),
        _ => o.ago("firstTimestamp"),
    };
    let mut last = match text(o, "lastTimestamp") {
        "" => first.clone(),
        _ => o.ago("lastTimestamp"),
    };
    let mut times = number(o, "count");
    if at(o, "series").is_object() {
        last = o.ago("series.lastObservedTime");
        times = number(o, "series.count");
    } else if times == 0 {
        times = 1;
    }
    row.text(last).text(text(o, "type")).text(text(o, "reason"));
    let kind = text(o, "involvedObject.kind").to_lowercase();
    row.text(match text(o, "involvedObject.name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    });
    row.text(text(o, "involvedObject.fieldPath"));
    let component = text_or(o, "source.component", text(o, "reportingComponent"));
    row.text(
        match text_or(o, "source.host", text(o, "reportingInstance")) {
            "" => component.to_owned(),
            host => format!("{component}, {host}"),
        },
    );
    row.text(text(o, "message").trim()).text(first);
    row.number(times).text(text(o, "metadata.name"));
}

fn service(o: &Object<'_>, row: &mut Row) {
    let behind = at(o, "spec.service");
    row.text(if behind.is_object() {
        format!("{}/{}", text(behind, "namespace"), text(behind, "name"))
    } else {
        "Local".to_owned()
    });
    let conditions = list(o, "status.conditions").iter();
    let mut available = conditions.filter(|c| text(c, "type") == "Available");
    row.text(match available.next() {
        None => "Unknown".to_owned(),
        Some(c) if text(c, "status") == "True" => "True".to_owned(),
        Some(c) => format!("{} ({})", text(c, "status"), text(c, "reason")),
    });
    row.text(o.age());
}

fn claim(o: &Object<'_>, row: &mut Row) {
    let mut states = Vec::new();
    let goes = !at(o, "metadata.deletionTimestamp").is_null();
    if goes {
        states.push("deleted");
    }
    if at(o, "status.allocation").is_object() {
        states.push("allocated");
        if count(o, "status.reservedFor") > 0 {
            states.push("reserved");
        }
    } else if !goes {
        states.push("pending");
    }
    row.text(states.join(",")).text(o.age());
}
