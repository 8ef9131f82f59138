//! # STO006 No free volume offers the access mode
//!
//! class: pvc-access-mode-mismatch
//!
//! ## What it sees
//! A claim that is not bound, and a free volume that fits in everything but the access modes; or a
//! provisioner that refuses the access mode.
//!
//! ## Why it matters
//! A volume is only taken if it lists every mode that the claim asks for. ReadWriteMany is not a
//! wish that any disk can grant: a local disk or block device is for one node.
//!
//! ## What to do
//! Ask for a mode that the storage has (ReadWriteOnce for local disks), or use storage that can be
//! shared (NFS, Longhorn's RWX).
//!
//! ## What not to do
//! Do not add ReadWriteMany to a volume on a local disk to get it bound: two nodes then believe that
//! they share data, and they do not.

use crate::analysis::binding::{self, Field, Verdict};
use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO006",
    class: "pvc-access-mode-mismatch",
    needs: &["PersistentVolumeClaim", "PersistentVolume"],
    leads_to: &[K::PodPending],
    check,
};

/// Source: local-path-provisioner `provisioner.go` and sig-storage-lib-external-provisioner.
const REFUSALS: &[&str] = &[
    "Only support ReadWriteOnce access mode",
    "NodePath only supports ReadWriteOnce",
    "does not support access mode",
    "unsupported access mode",
    "nvalid AccessModes",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ClaimPending) {
        let claim = cx.claim(&c.entity);
        let refused = storage::said(
            cx,
            &c.entity,
            REFUSALS,
            "the provisioner can't make a volume with this access mode",
        );
        let nearest = match claim.map(|claim| binding::verdict(cx.cluster, claim)) {
            Some(Verdict::Nearly(volume, Field::AccessModes)) => Some(volume),
            _ if !refused.is_empty() => None,
            _ => continue,
        };
        let (ns, name) = (c.entity.namespace().unwrap_or_default(), c.entity.name());
        let mut finding = RULE
            .on(c.entity.clone())
            .title(match nearest {
                Some(v) => format!(
                    "claim {name} asks for an access mode that volume {} does not offer",
                    v.metadata.name
                ),
                None => {
                    format!("claim {name} asks for an access mode that its provisioner can't make")
                }
            })
            .why("A volume is taken only if it lists every access mode that the claim asks for.")
            .term(75, "the access modes are the one field that does not fit")
            .term(15, "the claim is not bound")
            .cite_all(refused.into_iter().take(2));
        if let Some(claim) = claim {
            finding = finding.cite(cx.field(
                claim.obj,
                "/spec/accessModes",
                "the modes that the claim asks for",
            ));
        }
        if let Some(volume) = nearest {
            finding = finding.cite(cx.field(
                volume.obj,
                "/spec/accessModes",
                "the modes that the volume offers; everything else fits",
            ));
        }
        out.push(
            finding
                .cite_all(c.evidence.first().cloned())
                .explains(K::ClaimPending, &c.entity)
                .safe("See what the volumes offer.", command!("kubectl get pv; kubectl get pvc {} -n {} -o yaml", name, ns))
                .check_first("Make the claim with a mode that the storage has, or use storage that can be shared.", command!("kubectl get pvc {} -n {} -o yaml > {}.yaml", name, ns, name))
                .dont("Don't add ReadWriteMany to a volume on a local disk: two nodes would believe that they share data."),
        );
    }
    if !out.iter().any(|f| f.rule.code == RULE.code) {
        // The provisioner's word alone, as people paste it.
        for hit in cx
            .hits("provisioner.access-mode")
            .filter(|h| !h.event)
            .take(1)
        {
            out.push(
                RULE.on(EntityId::other("persistentvolumeclaim", "unnamed"))
                    .title("a claim asks for an access mode that its provisioner can't make")
                    .why("The provisioner makes volumes on one node's disk: only that node can mount them.")
                    .term(80, "the provisioner says so")
                    .cite(cx.log(hit, 0, "the provisioner can't make a volume with this access mode"))
                    .safe("Which claims wait, and what do they ask for?", "kubectl get pvc -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,MODES:.spec.accessModes,CLASS:.spec.storageClassName,PHASE:.status.phase")
                    .check_first("Make the claim with ReadWriteOnce, or use storage that can be shared.", "kubectl get storageclass")
                    .dont("Don't add ReadWriteMany to a volume on a local disk: two nodes would believe that they share data."),
            );
        }
    }
}
