//! # STO011 The pod mounts a claim that does not exist
//!
//! class: pvc-missing
//!
//! ## What it sees
//! A pod that is not placed because `persistentvolumeclaim "X" not found`.
//!
//! ## Why it matters
//! The scheduler does not place a pod whose claim it can not see. Claims made by hand, or by a chart
//! that was not applied, are missing after a rebuild.
//!
//! ## What to do
//! Make the claim in the pod's namespace from its source. If data of the old claim exists, make it
//! with the `volumeName` of the volume that holds it.
//!
//! ## What not to do
//! Do not make an empty claim of a provisioner's class before you looked for the old data: the pod
//! starts and looks healthy, with nothing in it.

use crate::analysis::called::{called, of_namespace, within};
use crate::analysis::placement;
use crate::analysis::scheduling::Reason;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO011",
    class: "pvc-missing",
    needs: &["Pod"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for p in placement::all(cx) {
        let Reason::ClaimMissing(name) = &p.reason else {
            continue;
        };
        let ns = p.id.namespace().unwrap_or_default().to_owned();
        // It may have been made since the scheduler spoke; or a StatefulSet is about to make it.
        if cx.cluster.claim(&ns, name).is_some() {
            continue;
        }
        let owner = cx.top_owner(&p.id);
        let mut finding = RULE
            .on(EntityId::object("PersistentVolumeClaim", "", &ns, name))
            .title(format!(
                "claim {name} does not exist{}; {} mounts it",
                within(&ns),
                called(&owner)
            ))
            .why("The scheduler does not place a pod whose claim is not there.")
            .term(85, "the scheduler names the claim that it does not find")
            .cite(p.said)
            .explains(K::PodPending, &p.id);
        if cx.cluster.is_listed("PersistentVolumeClaim", &ns) {
            finding = finding.term(
                10,
                format!(
                    "all claims{} were listed, and it is not among them",
                    of_namespace(&ns)
                ),
            );
        }
        if let Some(pod) = p.pod
            && let Some(i) = pod.spec.volumes.iter().position(|v| {
                v.persistent_volume_claim
                    .as_ref()
                    .is_some_and(|c| c.claim_name == *name)
            })
        {
            finding = finding.cite(cx.field(
                pod.obj,
                &format!("/spec/volumes/{i}/persistentVolumeClaim/claimName"),
                "the claim that the pod mounts",
            ));
        }
        out.push(
            finding
                .safe("See which claims and volumes there are.", command!("kubectl get pvc -n {}; kubectl get pv", ns))
                .check_first("Make the claim from its source, with the volumeName of the old data if there is any.", command!("kubectl apply -n {} -f {}.yaml", ns, name))
                .dont("Don't make an empty claim before you looked for the old data: the pod starts and looks healthy, with nothing in it."),
        );
    }
}
