//! # WRK009 The probe asks a port or path that the program does not serve
//!
//! class: liveness-probe-wrong-endpoint
//!
//! ## What it sees
//! A container that the kubelet kills for its probe, where the program answers 404, or listens on another
//! port than the probe asks.
//!
//! ## Why it matters
//! The program is well, and is killed again and again.
//!
//! ## What to do
//! Correct port and path of the probe in the template; name the port, and use the name in the probe.
//!
//! ## What not to do
//! Do not raise the probe's patience: it will never succeed.

use crate::analysis::probes::{self, Fault};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK009",
    class: "liveness-probe-wrong-endpoint",
    needs: &["Pod", "Event"],
    leads_to: &[K::ContainerCrashLoop, K::ProbeFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for k in probes::killed(cx)
        .into_iter()
        .filter(|k| matches!(k.fault, Fault::Endpoint | Fault::Either))
    {
        let owner = cx.top_owner(&k.pod);
        let ns = k.pod.namespace().unwrap_or_default();
        let mut finding = RULE
            .on(owner.clone())
            .key(k.container.clone())
            .title(format!(
                "the probe of container {} is aimed wrongly: {}",
                k.container, k.because
            ))
            .why("The kubelet ends the container on purpose; the program did not fail by itself.")
            .term(k.points, k.because.clone())
            .cite_all(k.evidence)
            .explains_observed(
                cx,
                &[K::ContainerCrashLoop, K::ProbeFailing, K::PodNotReady],
                &k.pod,
            )
            .safe(
                "See what it says until it is killed.",
                command!(
                    "kubectl logs {} -n {} -c {} --previous",
                    k.pod.name(),
                    ns,
                    k.container
                ),
            )
            .check_first(
                "Correct port and path of the probe.",
                command!("kubectl edit {} {} -n {}", owner.kind(), owner.name(), ns),
            )
            .dont("Don't raise the probe's patience: it will never succeed.");
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
