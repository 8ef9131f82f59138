//! # STO014 A rolling update waits for the volume of the pod that it should replace
//!
//! class: rwo-volume-rolling-update
//!
//! ## What it sees
//! A new pod whose volume can not be attached because it is in use by a living pod of the same
//! Deployment, with strategy RollingUpdate.
//!
//! ## Why it matters
//! A rolling update starts the new pod before it stops the old one; with a ReadWriteOnce volume and
//! two nodes the new one waits for ever, and the old one is kept until the new one is ready.
//!
//! ## What to do
//! Set the Deployment's strategy to Recreate, or make it a StatefulSet. To get through now, scale to
//! zero and back.
//!
//! ## What not to do
//! Do not delete the VolumeAttachment: the old pod is alive and writes.

use crate::analysis::attach::{self, Answer};
use crate::analysis::called::called;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO014",
    class: "rwo-volume-rolling-update",
    needs: &["Event"],
    leads_to: &[K::VolumeMountFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for case in attach::cases(cx) {
        let Answer::LivingPod {
            old,
            owner,
            evidence,
        } = &case.answer
        else {
            continue;
        };
        let ns = case.pod.namespace().unwrap_or_default();
        out.push(
            RULE.on(owner.clone())
                .title(format!("the new pod of {} waits for the volume that pod {old} still uses", called(owner)))
                .why("A rolling update starts the new pod first, and the volume is for one node at a time.")
                .term(75, "the volume is in use by a pod of the same owner")
                .term(12, "that pod is alive")
                .cite_all(case.words.iter().take(2).cloned())
                .cite_all(evidence.clone())
                .explains(K::VolumeMountFailing, &case.pod)
                .check_first("Let the old pod go first, from now on.", command!("kubectl patch deployment {} -n {} -p '{{\"spec\":{{\"strategy\":{{\"type\":\"Recreate\",\"rollingUpdate\":null}}}}}}'", owner.name(), ns))
                .dont("Don't delete the VolumeAttachment: the old pod is alive and writes."),
        );
    }
}
