//! # STO009 The volume was taken by another claim than intended
//!
//! class: pv-bound-to-wrong-claim
//!
//! ## What it sees
//! A claim that is not bound: the volume that it names, or whose name is made for it, is bound to
//! another, living claim.
//!
//! ## Why it matters
//! A free volume goes to the first claim that fits. When volumes are made by hand for certain
//! claims, without a `claimRef`, the order of creation decides, and two programs can end up with
//! each other's data.
//!
//! ## What to do
//! Stop both workloads. Keep both volumes (policy Retain), delete the wrong claim, give each volume
//! a `claimRef` with namespace and name of its claim, and make the claims again.
//!
//! ## What not to do
//! Do not delete claims while a volume's policy is Delete. Do not start the pods on swapped data.

use crate::analysis::binding::{self, Verdict};
use crate::analysis::storage;
use crate::rules::prelude::*;
use defib_model::views::{PersistentVolume, PersistentVolumeClaim};

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO009",
    class: "pv-bound-to-wrong-claim",
    needs: &["PersistentVolumeClaim", "PersistentVolume"],
    leads_to: &[K::PodPending],
    check,
};

/// A volume whose name is this claim's has gone to another claim, and the one that is left free has that other's
/// name: the two were taken crosswise, whatever else of them is known.
fn swapped<'c>(cx: &'c Context<'_>, claim: &PersistentVolumeClaim) -> Option<&'c PersistentVolume> {
    let nearer = |volume: &PersistentVolume,
                  to: &PersistentVolumeClaim,
                  than: &PersistentVolumeClaim| {
        volume.spec.storage_class_name == claim.spec.storage_class_name.clone().unwrap_or_default()
            && storage::namesakes(&volume.metadata.name, to)
                > storage::namesakes(&volume.metadata.name, than)
    };
    let volumes = &cx.cluster.volumes;
    volumes.iter().find(|taken| {
        let holder =
            (taken.spec.claim_ref.as_ref()).and_then(|r| cx.cluster.claim(&r.namespace, &r.name));
        holder.is_some_and(|holder| {
            holder.metadata.name != claim.metadata.name
                && nearer(taken, claim, holder)
                && volumes
                    .iter()
                    .any(|free| free.status.phase == "Available" && nearer(free, holder, claim))
        })
    })
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ClaimPending) {
        let Some(claim) = cx.claim(&c.entity) else {
            continue;
        };
        let (volume, named) = match binding::verdict(cx.cluster, claim) {
            Verdict::NamedTaken(volume) => (volume, true),
            Verdict::Taken(volume, other)
                if storage::kinship(&volume.metadata.name, claim)
                    > storage::kinship(&volume.metadata.name, other) =>
            {
                (volume, false)
            }
            _ => match swapped(cx, claim) {
                Some(volume) => (volume, false),
                None => continue,
            },
        };
        let Some(r) = &volume.spec.claim_ref else {
            continue;
        };
        let (ns, name, pv) = (
            &claim.metadata.namespace,
            &claim.metadata.name,
            &volume.metadata.name,
        );
        let mut finding = RULE
            .on(EntityId::object("PersistentVolume", "", "", pv))
            .title(format!(
                "volume {pv} is meant for claim {ns}/{name}, but bound to {}/{}",
                r.namespace, r.name
            ))
            .why("A volume without a claimRef goes to the first claim that fits.")
            .term(
                if named { 80 } else { 55 },
                if named {
                    "the claim names this volume"
                } else {
                    "the volume's name is made for this claim, not for the one that has it"
                },
            )
            .term(15, "the volume is bound to another claim")
            .cite(cx.field(
                volume.obj,
                "/spec/claimRef/name",
                "the claim that has the volume",
            ));
        if named {
            finding = finding.cite(cx.field(
                claim.obj,
                "/spec/volumeName",
                "the volume that this claim names",
            ));
        } else {
            finding = finding.cite(cx.field(
                volume.obj,
                "/metadata/name",
                "the volume's name speaks of the waiting claim",
            ));
        }
        out.push(
            finding
                .cite_all(storage::said(cx, &c.entity, &["already bound to a different claim"], "the binder says so").into_iter().take(1))
                .cite_all(c.evidence.first().cloned())
                .explains(K::ClaimPending, &c.entity)
                .safe("See who has what.", "kubectl get pv -o custom-columns=NAME:.metadata.name,CLAIM:.spec.claimRef.name,NS:.spec.claimRef.namespace,POLICY:.spec.persistentVolumeReclaimPolicy")
                .check_first("Keep the volume before any claim is deleted.", command!("kubectl patch pv {} -p '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}'", pv))
                .destructive("Stop both workloads, delete the wrong claim, keep the volume for the right one by a claimRef.", command!("kubectl delete pvc {} -n {}", r.name, r.namespace))
                .dont("Don't delete claims while the volume's policy is Delete, and don't let the pods write into each other's data."),
        );
    }
}
