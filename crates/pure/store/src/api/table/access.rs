//! Who may do what: roles, bindings, certificates, secrets.
//!
//! Deliberately absent: values of secrets, which are only counted.

use serde_json::Value;

use super::super::value::{at, count, list, text, text_or};
use super::words::{condition, human, labels};
use super::{Object, Printer, Row};

pub(super) fn printer(group: &str, kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Object<'_>, &mut Row)) = match (group, kind) {
        ("", "Secret") => ("Name|Type|Data#|Age", |o, row| {
            row.text(text(o, "type"))
                .count(count(o, "data"))
                .text(o.age());
        }),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            ("Name|Role|Age|Users+|Groups+|ServiceAccounts+", binding)
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => (
            "Name|Age|SignerName|Requestor|RequestedDuration|Condition",
            request,
        ),
        ("certificates.k8s.io", "ClusterTrustBundle") => ("Name|SignerName", |o, row| {
            row.text(text_or(o, "spec.signerName", "<none>"));
        }),
        ("certificates.k8s.io", "PodCertificateRequest") => (
            "Name|PodName|ServiceAccountName|NodeName|SignerName|State|UnverifiedUserAnnotations",
            pod_request,
        ),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

fn binding(o: &Object<'_>, row: &mut Row) {
    let (kind, name) = (text(o, "roleRef.kind"), text(o, "roleRef.name"));
    row.text(format!("{kind}/{name}")).text(o.age());
    let subjects = list(o, "subjects");
    let of = |kind: &str, shown: fn(&Value) -> String| {
        let all = subjects.iter().filter(|s| text(s, "kind") == kind);
        all.map(shown).collect::<Vec<_>>().join(", ")
    };
    let name = |s: &Value| text(s, "name").to_owned();
    row.text(of("User", name)).text(of("Group", name));
    row.text(of("ServiceAccount", |s| {
        match (text(s, "namespace"), text(s, "name")) {
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        }
    }));
}

fn request(o: &Object<'_>, row: &mut Row) {
    row.text(o.age());
    row.text(text_or(o, "spec.signerName", "<none>"));
    row.text(text(o, "spec.username"));
    row.text(match at(o, "spec.expirationSeconds").as_i64() {
        Some(seconds) => human(i128::from(seconds) * 1_000),
        None => "<none>".to_owned(),
    });
    let conditions = list(o, "status.conditions");
    let has = |kind: &str| !condition(conditions, kind).is_empty();
    let mut state = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (_, true) => "Approved",
        _ => "Pending",
    }
    .to_owned();
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !text(o, "status.certificate").is_empty() {
        state.push_str(",Issued");
    }
    row.text(state);
}

fn pod_request(o: &Object<'_>, row: &mut Row) {
    for field in ["podName", "serviceAccountName", "nodeName", "signerName"] {
        row.text(text(at(o, "spec"), field));
    }
    // The printer looks at their types alone, and the last one counts.
    let conditions = list(o, "status.conditions").iter();
    let known = |c: &&str| matches!(*c, "Issued" | "Denied" | "Failed");
    let state = conditions.map(|c| text(c, "type")).rfind(known);
    row.text(state.unwrap_or("Pending"));
    row.text(labels(at(o, "spec.unverifiedUserAnnotations")));
}
