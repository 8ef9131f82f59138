//! # STO005 The volume meant for the claim differs in size, class or mode
//!
//! class: pvc-pv-mismatch
//!
//! ## What it sees
//! A claim that is not bound, and the one volume that it names, that is kept for it, or that comes
//! nearest: it differs in size, class, volume mode, or (when named) access modes. Or the binder's
//! `Cannot bind to requested volume`.
//!
//! ## Why it matters
//! The binder compares these fields exactly (the volume must be at least as large) and takes nothing
//! that only comes near. `20G` is smaller than `20Gi`.
//!
//! ## What to do
//! Make the claim again with what the volume offers, or the volume again with what the claim asks
//! for. With `reclaimPolicy: Retain` the data survives both.
//!
//! ## What not to do
//! Do not delete the volume while its policy is Delete, nor edit the size of the volume object
//! beyond what the disk really has.

use crate::analysis::binding::{self, Field, Verdict};
use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO005",
    class: "pvc-pv-mismatch",
    needs: &["PersistentVolumeClaim", "PersistentVolume"],
    leads_to: &[K::PodPending],
    check,
};

/// Source: kubernetes `pv_controller.go` (checkVolumeSatisfyClaim, event VolumeMismatch).
const WORDS: &str = "Cannot bind to requested volume";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ClaimPending) {
        let Some(claim) = cx.claim(&c.entity) else {
            by_word(cx, c, out);
            continue;
        };
        let (volume, fields, named) = match binding::verdict(cx.cluster, claim) {
            Verdict::NamedDiffers(volume, fields) => (volume, fields, true),
            Verdict::Nearly(volume, field @ (Field::Capacity | Field::VolumeMode))
                if storage::kinship(&volume.metadata.name, claim) > 0
                    || cx.cluster.volumes.len() == 1 =>
            {
                (volume, vec![field], false)
            }
            Verdict::Nearly(volume, Field::Class)
                if storage::kinship(&volume.metadata.name, claim) > 0 =>
            {
                (volume, vec![Field::Class], false)
            }
            _ => {
                by_word(cx, c, out);
                continue;
            }
        };
        let (ns, name, pv) = (
            &claim.metadata.namespace,
            &claim.metadata.name,
            &volume.metadata.name,
        );
        let what = fields
            .iter()
            .map(|f| f.words())
            .collect::<Vec<_>>()
            .join(" and ");
        let mut finding = RULE
            .on(c.entity.clone())
            .title(format!("claim {name} and volume {pv} differ in {what}"))
            .why("The binder compares these fields exactly; the volume must be at least as large as the claim asks.")
            .term(if named { 75 } else { 60 }, format!("the binder's own comparison fails in {what}"))
            .term(15, if named { "claim and volume name each other" } else { "the volume is free and fits in every other field" })
            .term(5, "the claim is not bound");
        for field in fields.iter().take(2) {
            finding = finding
                .cite(cx.field(
                    claim.obj,
                    field.claim_pointer(),
                    format!("what the claim asks for: {}", field.words()),
                ))
                .cite(cx.field(
                    volume.obj,
                    field.volume_pointer(),
                    format!("what the volume offers: {}", field.words()),
                ));
        }
        finding = finding
            .cite_all(c.evidence.first().cloned())
            .cite_all(storage::said(
                cx,
                &c.entity,
                &[WORDS],
                "the binder refuses the volume",
            ));
        out.push(
            finding
                .explains(K::ClaimPending, &c.entity)
                .safe("See both sides.", command!("kubectl get pv {} -o yaml; kubectl get pvc {} -n {} -o yaml", pv, name, ns))
                .check_first("See to it that the volume is kept before anything is made again.", command!("kubectl patch pv {} -p '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}'", pv))
                .check_first("Then make the claim again with what the volume offers.", command!("kubectl get pvc {} -n {} -o yaml > {}.yaml", name, ns, name))
                .dont("Don't write a larger size into the volume than its disk has, and don't delete it under policy Delete."),
        );
    }
}

/// The binder's word alone, where the volume itself is not in the evidence:
/// `Cannot bind to requested volume "v": requested PV is too small`.
fn by_word(cx: &Context<'_>, c: &Condition, out: &mut Vec<Finding>) {
    let Some(event) = crate::context::last_event(cx.cluster, &c.entity, &["VolumeMismatch"])
        .filter(|e| e.message.contains(WORDS))
    else {
        return;
    };
    let pv = crate::analysis::between(&event.message, "requested volume \"", "\"")
        .unwrap_or("the volume")
        .to_owned();
    // The volume stands there in full: then its fields decide, not an older word.
    if cx.cluster.volume(&pv).is_some() {
        return;
    }
    let what = event
        .message
        .rsplit_once(": ")
        .map(|(_, w)| w.to_owned())
        .unwrap_or_default();
    let (ns, name) = (c.entity.namespace().unwrap_or_default(), c.entity.name());
    out.push(
        RULE.on(c.entity.clone())
            .title(format!("claim {name} names volume {pv}, which does not fit: {what}"))
            .why("The binder compares size, mode and class exactly; the volume must be at least as large as the claim asks.")
            .term(88, "the binder says in which field they differ")
            .cite(cx.event(event, "the binder refuses the volume"))
            .cite_all(c.evidence.first().cloned())
            .explains(K::ClaimPending, &c.entity)
            .safe("See both sides.", command!("kubectl get pv {} -o yaml; kubectl get pvc {} -n {} -o yaml", pv, name, ns))
            .dont("Don't write a larger size into the volume than its disk has, and don't delete it under policy Delete."),
    );
}
