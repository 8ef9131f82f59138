//! # WRK010 Containers restart for hours, and nobody notices
//!
//! class: restart-storm-unnoticed
//!
//! ## What it sees
//! Containers with a hundred restarts or more, the last within the hour, in pods that look well at the
//! moment; and, as a question only, loops of that age that nothing explains.
//!
//! ## Why it matters
//! Between two restarts everything is green. Each restart costs; the cause is still there.
//!
//! ## What to do
//! Read the log of the run before (`--previous`) and the last state of the worst; then let something alert
//! on restarts.
//!
//! ## What not to do
//! Do not delete the pods to clear the counter: it is the only record.

use crate::rules::prelude::*;
use defib_model::Evidence;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK010",
    class: "restart-storm-unnoticed",
    needs: &["Pod"],
    leads_to: &[],
    check,
};

/// Restarts of one container from which on it is a storm.
const MANY: i64 = 100;
/// Seconds for which it must have gone on.
const LONG: i64 = 6 * 3600;
/// Seconds within which the last restart counts as now.
const NOW: i64 = 3600;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut quiet: Vec<(i64, String, Evidence)> = Vec::new();
    let mut loops: Vec<(i64, String, Evidence, EntityId)> = Vec::new();
    for pod in cx
        .cluster
        .pods
        .iter()
        .filter(|p| !p.is_finished() && p.metadata.deletion_timestamp.is_none())
    {
        let id = cx.cluster.id(pod.obj);
        if cx
            .cluster
            .age_seconds(pod.metadata.creation_timestamp)
            .is_none_or(|age| age < LONG)
        {
            continue;
        }
        for (path, s) in pod.statuses() {
            let restarts = s.restart_count.unwrap_or(0);
            if restarts < MANY {
                continue;
            }
            let ended = s.last_state.terminated.as_ref().and_then(|t| t.finished_at);
            let e = cx.field(
                pod.obj,
                &format!("{path}/restartCount"),
                format!("container {} of pod {}", s.name, pod.metadata.name),
            );
            let name = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
            if cx.has(K::ContainerCrashLoop, &id).is_some() {
                loops.push((restarts, name, e, id.clone()));
            } else if s.state.running.is_some()
                && cx.cluster.age_seconds(ended).is_some_and(|age| age < NOW)
            {
                quiet.push((restarts, name, e));
            }
        }
    }
    let cluster = EntityId::other("cluster", "restarts");
    quiet.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    if let Some((most, worst, _)) = quiet.first() {
        let total: i64 = quiet.iter().map(|q| q.0).sum();
        let (ns, name) = worst.split_once('/').unwrap_or(("default", worst));
        out.push(
            RULE.on(cluster.clone())
                .title(format!("{} containers restarted {total} times, {worst} alone {most} times, and look well between two restarts", quiet.len()))
                .why("Between two restarts everything is green; the cause is still there.")
                .term(80, "the counters, and a last restart within the hour")
                .safe("Read the last words of the worst.", command!("kubectl logs {} -n {} --previous; kubectl describe pod {} -n {}", name, ns, name, ns))
                .advice("Let something alert on restarts.")
                .dont("Don't delete the pods to clear the counter: it is the only record.")
                .cite_all(quiet.into_iter().map(|q| q.2)),
        );
    }
    // A loop has a cause of its own; that nobody saw it is a second question.
    loops.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    if let Some((most, worst, _, _)) = loops.first() {
        let total: i64 = loops.iter().map(|q| q.0).sum();
        let (ns, name) = worst.split_once('/').unwrap_or(("default", worst));
        let mut finding = RULE
            .on(cluster)
            .key("loops")
            .title(format!("{} containers restarted {total} times, {worst} alone {most} times, and nothing in the evidence says why", loops.len()))
            .term(50, "the counters")
            .weak()
            .undecided("What are the last words of the container that restarts most?", command!("kubectl logs {} -n {} --previous --tail=50", name, ns), &["restart-storm-unnoticed"]);
        for (_, _, e, id) in loops {
            finding = finding.cite(e).explains(K::ContainerCrashLoop, &id);
        }
        out.push(finding);
    }
}
