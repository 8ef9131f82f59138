//! # WRK008 The probe gives up before the program is up
//!
//! class: liveness-probe-too-aggressive
//!
//! ## What it sees
//! A container that the kubelet kills for its liveness or startup probe, although the probe asks the right
//! port: the program just does not listen yet, or answers too slowly.
//!
//! ## Why it matters
//! Each kill throws away what the start had done, so the program never gets there; under load or on a slow
//! disk a healthy program is killed, which adds to the load.
//!
//! ## What to do
//! Give it a `startupProbe` with `failureThreshold × periodSeconds` above its slowest start; raise
//! `timeoutSeconds` where answers are slow.
//!
//! ## What not to do
//! Do not take the probe away: give it patience.

use defib_model::views::Event;

use crate::analysis::probes::{self, Fault};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK008",
    class: "liveness-probe-too-aggressive",
    needs: &["Pod", "Event"],
    leads_to: &[K::ContainerCrashLoop, K::ProbeFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    heard(cx, out);
    for k in probes::killed(cx)
        .into_iter()
        .filter(|k| matches!(k.fault, Fault::Early | Fault::Either))
    {
        let owner = cx.top_owner(&k.pod);
        let ns = k.pod.namespace().unwrap_or_default();
        let mut finding = RULE
            .on(owner.clone())
            .key(k.container.clone())
            .title(match k.patience {
                0 => format!("the probe of container {} gives up too early: {}", k.container, k.because),
                s => format!("the probe of container {} gives up after {s} s: {}", k.container, k.because),
            })
            .why("The kubelet ends the container on purpose; the program did not fail by itself.")
            .term(k.points, k.because.clone())
            .cite_all(k.evidence)
            .explains_observed(cx, &[K::ContainerCrashLoop, K::ProbeFailing, K::PodNotReady], &k.pod)
            .safe("See what it says until it is killed.", command!("kubectl logs {} -n {} -c {} --previous", k.pod.name(), ns, k.container))
            .check_first("Give it a startupProbe with time enough, or raise initialDelaySeconds and timeoutSeconds.", command!("kubectl edit {} {} -n {}", owner.kind(), owner.name(), ns))
            .dont("Don't take the probe away: give it patience.");
        if k.weak {
            finding = finding.weak();
        }
        if k.fault == Fault::Either {
            finding = finding.undecided(
                "Does the program ever listen on the port that the probe asks?",
                command!(
                    "kubectl logs {} -n {} -c {} --previous; kubectl exec {} -n {} -- ss -ltn",
                    k.pod.name(),
                    ns,
                    k.container,
                    k.pod.name(),
                    ns
                ),
                &[
                    "liveness-probe-too-aggressive",
                    "liveness-probe-wrong-endpoint",
                ],
            );
        }
        out.push(finding);
    }
}

/// Only the events are there: a program that refuses its liveness probe again and again is killed before it
/// listens, listens elsewhere, or fails by itself.
fn heard(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ProbeFailing) {
        let whole = cx
            .cluster
            .pod(&c.entity)
            .is_some_and(|p| !p.spec.containers.is_empty());
        let refused = |e: &&Event| {
            e.reason == "Unhealthy"
                && e.message.contains("iveness probe")
                && e.message.contains("onnection refused")
                && e.count >= 3
        };
        let Some(event) = cx.cluster.events_of(&c.entity).find(refused) else {
            continue;
        };
        if whole {
            continue;
        }
        let (pod, ns) = (c.entity.name(), c.entity.namespace().unwrap_or_default());
        out.push(
            RULE.on(c.entity.clone())
                .title(format!("the probe of pod {pod} may end the program before it listens"))
                .term(45, format!("refused {} times, and nothing else is shown", event.count))
                .cite(cx.event(event, "nobody listens where the probe asks"))
                .explains(K::ProbeFailing, &c.entity)
                .undecided(
                    "How long does the program take until it listens, and on which port?",
                    command!("kubectl get pod {} -n {} -o yaml | grep -A12 Probe; kubectl logs {} -n {} --previous", pod, ns, pod, ns),
                    &[
                        "liveness-probe-too-aggressive",
                        "liveness-probe-wrong-endpoint",
                        "env-var-missing",
                    ],
                ),
        );
    }
}
