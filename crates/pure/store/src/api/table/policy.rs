//! What is allowed and how much: webhooks, admission policies, quotas, budgets, priorities, flow control.
//!
//! Deliberately absent: who is allowed (`access`).

use serde_json::Value;

use super::super::value::{at, count, list, number, plain, text, text_or, truth};
use super::words::selector;
use super::{Object, Printer, Row};

pub(super) fn printer(group: &str, kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Object<'_>, &mut Row)) = match (group, kind) {
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => ("Name|Webhooks#|Age", |o, row| {
            row.count(count(o, "webhooks")).text(o.age());
        }),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            ("Name|Validations#|ParamKind|Age", |o, row| {
                admission(o, row, "spec.validations");
            })
        }
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => {
            ("Name|Mutations#|ParamKind|Age", |o, row| {
                admission(o, row, "spec.mutations");
            })
        }
        (
            "admissionregistration.k8s.io",
            "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding",
        ) => ("Name|PolicyName|ParamRef|Age", binding),
        ("", "ResourceQuota") => ("Name|Request|Limit|Age", quota),
        ("policy", "PodDisruptionBudget") => (
            "Name|Min Available|Max Unavailable|Allowed Disruptions#|Age",
            |o, row| {
                for field in ["spec.minAvailable", "spec.maxUnavailable"] {
                    row.text(match at(o, field) {
                        Value::Null => "N/A".to_owned(),
                        said => plain(said),
                    });
                }
                row.number(number(o, "status.disruptionsAllowed"))
                    .text(o.age());
            },
        ),
        ("scheduling.k8s.io", "PriorityClass") => (
            "Name|Value#|Global-Default?|Age|PreemptionPolicy",
            |o, row| {
                row.number(number(o, "value"));
                row.truth(truth(o, "globalDefault")).text(o.age());
                row.text(text(o, "preemptionPolicy"));
            },
        ),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => (
            "Name|PriorityLevel|MatchingPrecedence|DistinguisherMethod|Age|MissingPL",
            flow,
        ),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => (
            "Name|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age",
            level,
        ),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

fn admission(o: &Object<'_>, row: &mut Row, rules: &str) {
    row.count(count(o, rules));
    let kind = at(o, "spec.paramKind");
    row.text(if kind.is_object() {
        format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind"))
    } else {
        "<unset>".to_owned()
    });
    row.text(o.age());
}

fn binding(o: &Object<'_>, row: &mut Row) {
    row.text(text(o, "spec.policyName"));
    let parameter = at(o, "spec.paramRef");
    let namespace = text_or(parameter, "namespace", "*");
    row.text(match text(parameter, "name") {
        "" if at(parameter, "selector").is_object() => selector(at(parameter, "selector")),
        "" => "<unset>".to_owned(),
        name => format!("{namespace}/{name}"),
    });
    row.text(o.age());
}

fn quota(o: &Object<'_>, row: &mut Row) {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let hard = at(o, "status.hard").as_object();
    let mut hard: Vec<(&String, &Value)> = hard.into_iter().flatten().collect();
    hard.sort_by_key(|(name, _)| *name);
    for (name, hard) in hard {
        let used = at(o, "status.used").get(name);
        let used = used.map_or_else(|| "0".to_owned(), plain);
        let shown = format!("{name}: {used}/{}", plain(hard));
        if name.starts_with("limits.") {
            limits.push(shown);
        } else {
            requests.push(shown);
        }
    }
    row.text(requests.join(", "))
        .text(limits.join(", "))
        .text(o.age());
}

fn flow(o: &Object<'_>, row: &mut Row) {
    row.text(text(o, "spec.priorityLevelConfiguration.name"));
    row.number(number(o, "spec.matchingPrecedence"));
    row.text(text_or(o, "spec.distinguisherMethod.type", "<none>"));
    row.text(o.age());
    let conditions = list(o, "status.conditions").iter();
    let mut dangling = conditions.filter(|c| text(c, "type") == "Dangling");
    row.text(dangling.next().map_or("?", |c| text(c, "status")));
}

fn level(o: &Object<'_>, row: &mut Row) {
    row.text(text(o, "spec.type"));
    let limited = at(o, "spec.limited");
    let queuing = at(limited, "limitResponse.queuing");
    let mut shown = |of: &Value, field: &str| {
        if of.is_object() {
            row.number(number(of, field));
        } else {
            row.text("<none>");
        }
    };
    shown(limited, "nominalConcurrencyShares");
    shown(queuing, "queues");
    shown(queuing, "handSize");
    shown(queuing, "queueLengthLimit");
    row.text(o.age());
}
