//! Pods, whose STATUS is the most asked and least obvious cell of all.
//!
//! Deliberately absent: what moves pods (`workloads`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::super::value::{at, list, number, text, text_or, truth};
use super::words::{condition, containers, labels};
use super::{Object, Printer, Row};

pub(super) const POD: Printer = Printer {
    columns: "Name|Ready|Status|Restarts|Age|IP+|Node+|Nominated Node+|Readiness Gates+",
    cells: pod,
};

pub(super) const TEMPLATE: Printer = Printer {
    columns: "Name|Containers|Images|Pod Labels",
    cells: |o, row| {
        let (names, images) = containers(list(o, "template.spec.containers"));
        row.text(names).text(images);
        row.text(labels(at(o, "template.metadata.labels")));
    },
};

/// Restarts, and the last time that something ended before one.
#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count = self.count.saturating_add(number(container, "restartCount"));
        let ended: Option<Timestamp> = text(container, "lastState.terminated.finishedAt")
            .parse()
            .ok();
        self.last = self.last.max(ended);
    }
}

/// A field of each item by another that names it, the first where several have one name.
fn first_of<'v>(said: &'v [Value], name: &str, field: &str) -> BTreeMap<&'v str, &'v str> {
    let mut out = BTreeMap::new();
    for item in said {
        out.entry(text(item, name)).or_insert(text(item, field));
    }
    out
}

/// Why a container ended, as a word.
fn ending(terminated: &Value) -> String {
    match (text(terminated, "reason"), number(terminated, "signal")) {
        ("", 0) => format!("ExitCode:{}", number(terminated, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn pod(o: &Object<'_>, row: &mut Row) {
    let phase = text(o, "status.phase");
    let conditions = list(o, "status.conditions");
    let mut reason = text_or(o, "status.reason", phase).to_owned();
    let gated =
        |c: &&Value| text(c, "type") == "PodScheduled" && text(c, "reason") == "SchedulingGated";
    if conditions.iter().find(gated).is_some() {
        "SchedulingGated".clone_into(&mut reason);
    }
    let init = list(o, "spec.initContainers");
    // Looked up for each status: a hostile pod has as many of these as of those.
    let policies = first_of(init, "name", "restartPolicy");
    let stays = |name: &str| policies.get(name) == Some(&"Always");
    let mut total = list(o, "spec.containers").len();
    total += init
        .iter()
        .filter(|c| text(c, "restartPolicy") == "Always")
        .count();
    let mut ready = 0usize;
    let (mut restarts, mut staying) = (Restarts::default(), Restarts::default());
    let mut initializing = false;
    for (n, container) in list(o, "status.initContainerStatuses").iter().enumerate() {
        restarts.add(container);
        let stays = stays(text(container, "name"));
        if stays {
            staying.add(container);
        }
        let (ended, waiting) = (
            at(container, "state.terminated"),
            text(container, "state.waiting.reason"),
        );
        if ended.is_object() && number(ended, "exitCode") == 0 {
            continue;
        }
        if stays && truth(container, "started") {
            ready += usize::from(truth(container, "ready"));
            continue;
        }
        reason = if ended.is_object() {
            format!("Init:{}", ending(ended))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{n}/{}", init.len())
        };
        initializing = true;
        break;
    }
    if !initializing || condition(conditions, "Initialized") == "True" {
        restarts = staying;
        let (mut running, mut failed) = (false, String::new());
        for container in list(o, "status.containerStatuses").iter().rev() {
            restarts.add(container);
            let (ended, waiting) = (
                at(container, "state.terminated"),
                text(container, "state.waiting.reason"),
            );
            if !waiting.is_empty() {
                waiting.clone_into(&mut reason);
            } else if ended.is_object() {
                reason = ending(ended);
                if number(ended, "exitCode") != 0 {
                    failed.clone_from(&reason);
                }
            } else if truth(container, "ready") && at(container, "state.running").is_object() {
                running = true;
                ready += 1;
            }
        }
        if reason == "Completed" {
            if running && condition(conditions, "Ready") == "True" {
                "Running".clone_into(&mut reason);
            } else if !failed.is_empty() {
                reason = failed;
            } else if running {
                "NotReady".clone_into(&mut reason);
            }
        }
    }
    if !at(o, "metadata.deletionTimestamp").is_null() {
        if text(o, "status.reason") == "NodeLost" {
            "Unknown".clone_into(&mut reason);
        } else if !matches!(phase, "Failed" | "Succeeded") {
            "Terminating".clone_into(&mut reason);
        }
    }
    row.text(format!("{ready}/{total}")).text(reason);
    row.text(match restarts.last {
        Some(last) if restarts.count != 0 => {
            let ago = super::words::human(o.now.duration_since(last).as_millis());
            format!("{} ({ago} ago)", restarts.count)
        }
        _ => restarts.count.to_string(),
    });
    row.text(o.age());
    let ip = list(o, "status.podIPs").first();
    row.text(ip.map_or("<none>", |ip| text_or(ip, "ip", "<none>")));
    row.text(text_or(o, "spec.nodeName", "<none>"));
    row.text(text_or(o, "status.nominatedNodeName", "<none>"));
    let gates = list(o, "spec.readinessGates");
    let statuses = first_of(conditions, "type", "status");
    let open = gates
        .iter()
        .filter(|gate| statuses.get(text(gate, "conditionType")) == Some(&"True"))
        .count();
    row.text(if gates.is_empty() {
        "<none>".to_owned()
    } else {
        format!("{open}/{}", gates.len())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(pod: &Value) -> Vec<String> {
        let mut row = Row::default();
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        super::pod(&Object { json: pod, now }, &mut row);
        let cells = row.0.iter().take(3);
        cells.map(|c| c.as_str().unwrap().to_owned()).collect()
    }

    fn of(init: Value, statuses: Value) -> Value {
        json!({
            "spec": {"initContainers": init, "containers": [{"name": "a"}, {"name": "b"}]},
            "status": {"phase": "Running", "containerStatuses": statuses}
        })
    }

    #[test]
    fn the_status_of_a_pod_is_what_kubectl_shows() {
        let running = json!({"ready": true, "state": {"running": {}}});
        let crashed = json!({"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:00:00Z"}}});
        let done = json!({"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let killed = json!({"state": {"terminated": {"exitCode": 137, "signal": 9}}});
        for (statuses, want) in [
            (json!([running, running]), ["2/2", "Running", "0"]),
            (
                json!([running, crashed]),
                ["1/2", "CrashLoopBackOff", "3 (60s ago)"],
            ),
            (json!([done, running]), ["1/2", "NotReady", "0"]),
            (json!([done, done]), ["0/2", "Completed", "0"]),
            (json!([killed, done]), ["0/2", "Signal:9", "0"]),
        ] {
            assert_eq!(shown(&of(json!([]), statuses.clone())), want, "{statuses}");
        }
        let mut pod = of(
            json!([{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]),
            json!([]),
        );
        pod["status"]["initContainerStatuses"] =
            json!([{"name": "i", "state": {"waiting": {"reason": "PodInitializing"}}}]);
        assert_eq!(shown(&pod), ["0/3", "Init:0/2", "0"]);
        pod["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(shown(&pod)[1], "Terminating");
        pod["status"]["reason"] = json!("NodeLost");
        assert_eq!(shown(&pod)[1], "Unknown");
    }

    /// Sought one in the other, these would take many minutes.
    #[test]
    fn a_pod_of_many_parts_costs_what_it_is_long() {
        let many = |field: &str, more: Value| -> Vec<Value> {
            let one = |n: usize| {
                let mut one = more.clone();
                one[field] = format!("name-{n:06}").into();
                one
            };
            (0..150_000).map(one).collect()
        };
        let pod = json!({
            "spec": {
                "initContainers": many("name", json!({"restartPolicy": "Always"})),
                "readinessGates": many("conditionType", json!({})),
            },
            "status": {
                "initContainerStatuses": many("name", json!({"started": true, "ready": true})),
                "conditions": many("type", json!({"status": "True"})),
            }
        });
        let mut row = Row::default();
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        super::pod(&Object { json: &pod, now }, &mut row);
        assert_eq!(row.0[0], "150000/150000");
        assert_eq!(row.0.last().unwrap(), "150000/150000");
    }
}
