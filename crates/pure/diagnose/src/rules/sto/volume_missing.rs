//! # STO004 The claim names a volume that does not exist
//!
//! class: pvc-volumename-missing-pv
//!
//! ## What it sees
//! A claim whose `volumeName` is no volume of the cluster: Pending when it was made so, Lost when
//! the volume was deleted under it.
//!
//! ## Why it matters
//! A claim with a `volumeName` takes this volume and no other; nothing is provisioned. After a
//! restore of manifests the claims come with the names of volumes of the cluster that died.
//!
//! ## What to do
//! Make the volume again under that name, pointing at the data (the disk, share or handle that the
//! old one had), with the claim's size, class and access modes. If there is no data to save, make
//! the claim without `volumeName`.
//!
//! ## What not to do
//! Do not delete the claim first: its name, size and volume name are the last trace of which data
//! belonged where.

use crate::analysis::binding::{self, Verdict};
use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO004",
    class: "pvc-volumename-missing-pv",
    needs: &["PersistentVolumeClaim", "PersistentVolume"],
    leads_to: &[K::PodPending, K::ClaimLost],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ClaimPending).chain(cx.all(K::ClaimLost)) {
        let Some(claim) = cx.claim(&c.entity) else {
            continue;
        };
        let volume = &claim.spec.volume_name;
        if volume.is_empty() || cx.cluster.volume(volume).is_some() {
            continue;
        }
        // The binder compared the two: it is there.
        if crate::context::last_event(cx.cluster, &c.entity, &["VolumeMismatch"]).is_some() {
            continue;
        }
        let words = storage::said(
            cx,
            &c.entity,
            &[
                "lost its PersistentVolume",
                "lost reference to PersistentVolume",
            ],
            "the volume is gone",
        );
        let missing = matches!(binding::verdict(cx.cluster, claim), Verdict::VolumeMissing);
        let lost = c.kind == K::ClaimLost;
        let (ns, name) = (&claim.metadata.namespace, &claim.metadata.name);
        let mut finding = RULE
            .on(c.entity.clone())
            .title(format!("claim {name} names volume {volume}, which does not exist"))
            .why("A claim with a volume name takes that volume and no other, and nothing is provisioned for it.")
            .term(70, "the claim names its volume")
            .term(20, if missing { "all volumes were listed, and it is not among them" } else { "the binder says that it is gone" })
            .cite(cx.field(claim.obj, "/spec/volumeName", "the volume that the claim names"))
            .cite_all(words)
            .cite_all(c.evidence.first().cloned())
            .explains(c.kind, &c.entity);
        if !missing && !lost {
            finding = finding.undecided(
                format!("Does volume {volume} exist?"),
                command!("kubectl get pv {} -o yaml", volume),
                &[
                    "pvc-volumename-missing-pv",
                    "pvc-pv-mismatch",
                    "pv-bound-to-wrong-claim",
                ],
            );
        }
        out.push(
            finding
                .safe("Look for the data first: which disk, share or handle did the volume point at?", command!("kubectl get pv; kubectl get pvc {} -n {} -o yaml", name, ns))
                .check_first("Make the volume again under that name, pointing at the data, kept for this claim.", command!("kubectl apply -f {}.yaml", volume))
                .dont("Don't delete the claim first: it is the last trace of which data belonged where."),
        );
    }
}
