//! What makes pods: deployments and their like, jobs, autoscalers.
//!
//! Deliberately absent: pods.

use serde_json::Value;

use super::super::value::{at, count, list, number, plain, text, text_or, truth};
use super::words::{bare_selector, between, condition, containers, labels, selector, since};
use super::{Object, Printer, Row};

pub(super) fn printer(group: &str, kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Object<'_>, &mut Row)) = match (group, kind) {
        ("", "ReplicationController") => (
            "Name|Desired#|Current#|Ready#|Age|Containers+|Images+|Selector+",
            |o, row| replicas(o, row, labels(at(o, "spec.selector"))),
        ),
        ("apps" | "extensions", "ReplicaSet") => (
            "Name|Desired#|Current#|Ready#|Age|Containers+|Images+|Selector+",
            |o, row| replicas(o, row, selector(at(o, "spec.selector"))),
        ),
        ("apps" | "extensions", "Deployment") => (
            "Name|Ready|Up-to-date|Available|Age|Containers+|Images+|Selector+",
            deployment,
        ),
        ("apps", "StatefulSet") => ("Name|Ready|Age|Containers+|Images+", stateful_set),
        ("apps" | "extensions", "DaemonSet") => (
            "Name|Desired#|Current#|Ready#|Up-to-date#|Available#|Node Selector|Age|Containers+|Images+|Selector+",
            daemon_set,
        ),
        ("apps", "ControllerRevision") => ("Name|Controller|Revision|Age", revision),
        ("batch", "Job") => (
            "Name|Status|Completions|Duration|Age|Containers+|Images+|Selector+",
            job,
        ),
        ("batch", "CronJob") => (
            "Name|Schedule|Timezone|Suspend?|Active#|Last Schedule|Age|Containers+|Images+|Selector+",
            cron_job,
        ),
        ("autoscaling", "HorizontalPodAutoscaler") => (
            "Name|Reference|Targets|MinPods|MaxPods|Replicas|Age",
            autoscaler,
        ),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

/// Replicas that are wanted: one where nothing is said, which is stored so only by old servers.
fn desired(o: &Object<'_>) -> i64 {
    at(o, "spec.replicas").as_i64().unwrap_or(1)
}

fn replicas(o: &Object<'_>, row: &mut Row, selector: String) {
    row.number(desired(o));
    row.number(number(o, "status.replicas"));
    row.number(number(o, "status.readyReplicas"));
    row.text(o.age());
    images(o, row, "spec.template.spec.containers");
    row.text(selector);
}

fn images(o: &Object<'_>, row: &mut Row, path: &str) {
    let (names, images) = containers(list(o, path));
    row.text(names).text(images);
}

fn deployment(o: &Object<'_>, row: &mut Row) {
    row.text(format!(
        "{}/{}",
        number(o, "status.readyReplicas"),
        desired(o)
    ));
    row.number(number(o, "status.updatedReplicas"));
    row.number(number(o, "status.availableReplicas"));
    row.text(o.age());
    images(o, row, "spec.template.spec.containers");
    row.text(bare_selector(at(o, "spec.selector")));
}

fn stateful_set(o: &Object<'_>, row: &mut Row) {
    row.text(format!(
        "{}/{}",
        number(o, "status.readyReplicas"),
        desired(o)
    ));
    row.text(o.age());
    images(o, row, "spec.template.spec.containers");
}

fn daemon_set(o: &Object<'_>, row: &mut Row) {
    for field in [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    ] {
        row.number(number(at(o, "status"), field));
    }
    row.text(labels(at(o, "spec.template.spec.nodeSelector")));
    row.text(o.age());
    images(o, row, "spec.template.spec.containers");
    row.text(selector(at(o, "spec.selector")));
}

fn revision(o: &Object<'_>, row: &mut Row) {
    let owner = list(o, "metadata.ownerReferences");
    let owner = owner.iter().find(|r| truth(r, "controller"));
    row.text(owner.map_or("<none>".to_owned(), |owner| {
        let group = text(owner, "apiVersion").split_once('/');
        let kind = text(owner, "kind").to_lowercase();
        let name = text(owner, "name");
        match group {
            Some((group, _)) => format!("{kind}.{group}/{name}"),
            None => format!("{kind}/{name}"),
        }
    }));
    row.number(number(o, "revision")).text(o.age());
}

fn job(o: &Object<'_>, row: &mut Row) {
    let conditions = list(o, "status.conditions");
    let is = |kind: &str| condition(conditions, kind) == "True";
    row.text(if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if !at(o, "metadata.deletionTimestamp").is_null() {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    });
    let succeeded = number(o, "status.succeeded");
    let parallel = number(o, "spec.parallelism");
    row.text(match at(o, "spec.completions").as_i64() {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
        None => format!("{succeeded}/1"),
    });
    let begin = text(o, "status.startTime");
    row.text(match text(o, "status.completionTime") {
        "" => since(begin, o.now).unwrap_or_default(),
        end => between(begin, end).unwrap_or_default(),
    });
    row.text(o.age());
    images(o, row, "spec.template.spec.containers");
    row.text(selector(at(o, "spec.selector")));
}

fn cron_job(o: &Object<'_>, row: &mut Row) {
    row.text(text(o, "spec.schedule"));
    row.text(match at(o, "spec.timeZone") {
        Value::String(zone) => zone.as_str(),
        _ => "<none>",
    });
    row.text(match at(o, "spec.suspend") {
        Value::Bool(true) => "True",
        Value::Bool(false) => "False",
        _ => "<unset>",
    });
    row.count(count(o, "status.active"));
    row.text(match text(o, "status.lastScheduleTime") {
        "" => "<none>".to_owned(),
        _ => o.ago("status.lastScheduleTime"),
    });
    row.text(o.age());
    images(o, row, "spec.jobTemplate.spec.template.spec.containers");
    row.text(selector(at(o, "spec.jobTemplate.spec.selector")));
}

fn autoscaler(o: &Object<'_>, row: &mut Row) {
    let (kind, name) = (
        text(o, "spec.scaleTargetRef.kind"),
        text(o, "spec.scaleTargetRef.name"),
    );
    row.text(format!("{kind}/{name}"));
    row.text(metrics(o));
    row.text(match at(o, "spec.minReplicas") {
        Value::Null => "<unset>".to_owned(),
        least => plain(least),
    });
    row.number(number(o, "spec.maxReplicas"));
    row.number(number(o, "status.currentReplicas"));
    row.text(o.age());
}

/// What an autoscaler aims at, and where it is.
fn metrics(o: &Object<'_>) -> String {
    let (wanted, seen) = (list(o, "spec.metrics"), list(o, "status.currentMetrics"));
    if wanted.is_empty() {
        // The first version has one metric, in fields of its own.
        let target = at(o, "spec.targetCPUUtilizationPercentage");
        if target.is_null() {
            return "<none>".to_owned();
        }
        let current = match at(o, "status.currentCPUUtilizationPercentage") {
            Value::Null => "<unknown>".to_owned(),
            current => format!("{}%", plain(current)),
        };
        return format!("cpu: {current}/{}%", plain(target));
    }
    let mut shown: Vec<String> = Vec::new();
    for (n, spec) in wanted.iter().enumerate() {
        let kind = text(spec, "type");
        let field = match kind {
            "External" => "external",
            "Pods" => "pods",
            "Object" => "object",
            "Resource" => "resource",
            "ContainerResource" => "containerResource",
            _ => {
                shown.push("<unknown type>".to_owned());
                continue;
            }
        };
        let spec = at(spec, field);
        let current = seen.get(n).map_or(&Value::Null, |s| at(s, field));
        let known = |path: &str, sign: &str| match at(current, path) {
            Value::Null => "<unknown>".to_owned(),
            value => format!("{}{sign}", plain(value)),
        };
        let average = at(spec, "target.averageValue");
        let is_resource = field.to_lowercase().ends_with("resource");
        let (current, target) = if !average.is_null() {
            (known("current.averageValue", ""), plain(average))
        } else if is_resource {
            let target = match at(spec, "target.averageUtilization") {
                Value::Null => "<auto>".to_owned(),
                target => format!("{}%", plain(target)),
            };
            (known("current.averageUtilization", "%"), target)
        } else {
            (known("current.value", ""), plain(at(spec, "target.value")))
        };
        shown.push(match field {
            "external" | "object" if !average.is_null() => format!("{current}/{target} (avg)"),
            _ if is_resource => format!("{}: {current}/{target}", text_or(spec, "name", "")),
            _ => format!("{current}/{target}"),
        });
    }
    let first: Vec<&str> = shown.iter().take(2).map(String::as_str).collect();
    let first = first.join(", ");
    match shown.len() {
        0..=2 => first,
        all => format!("{first} + {} more...", all - 2),
    }
}
