//! # STO001 The claim selects labels that the volume lacks
//!
//! class: pvc-selector-mismatch
//!
//! ## What it sees
//! A claim that is Pending; a free volume that fits it in class, size, access modes and volume mode;
//! and a selector in the claim whose labels that volume does not carry.
//!
//! ## Why it matters
//! Every column that `kubectl get pv,pvc` shows agrees, so the two look made for each other. The
//! binder compares labels too, and says only that nothing was found.
//!
//! ## What to do
//! Put the labels on the volume (`kubectl label pv …`), or take the selector out of the manifest that
//! makes the claim. Labels can be added to a volume at any time.
//!
//! ## What not to do
//! Do not delete the claim or the volume to "unstick" them: the data is behind the volume, and a
//! reclaim policy of Delete takes it along. A claim's selector can't be edited in place.

use crate::analysis::binding::{self, Field, Verdict};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO001",
    class: "pvc-selector-mismatch",
    needs: &["PersistentVolumeClaim", "PersistentVolume"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for claim in &cx.cluster.claims {
        let id = cx.cluster.id(claim.obj);
        let Some(pending) = cx.has(K::ClaimPending, &id) else {
            continue;
        };
        let Verdict::Nearly(volume, Field::Selector) = binding::verdict(cx.cluster, claim) else {
            continue;
        };
        let unmet = claim
            .spec
            .selector
            .as_ref()
            .map(|s| s.unmet(&volume.metadata.labels))
            .unwrap_or_default();
        let labels = unmet.join(", ");
        let name = &volume.metadata.name;
        let has_labels = !volume.metadata.labels.is_empty();
        let volume_side = if has_labels {
            "/metadata/labels"
        } else {
            "/metadata/name"
        };
        out.push(
            RULE.on(id.clone())
                .title(format!("claim {} selects {labels}, a label that volume {name} lacks", claim.metadata.name))
                .why("The volume fits in class, size, access modes and volume mode; only the selector keeps them apart.")
                .term(70, format!("the binder's own comparison fails in one field only, the labels ({labels})"))
                .term(15, format!("volume {name} is free and fits in every other field"))
                .term(10, "the claim is Pending")
                .cite(cx.field(claim.obj, "/spec/selector", format!("the claim takes only volumes labelled {labels}")))
                .cite(
                    cx.field(volume.obj, volume_side, "the volume does not carry that label")
                        .shown_by(command!("kubectl get pv {} --show-labels", name)),
                )
                .cite_all(pending.evidence.first().cloned())
                .explains(K::ClaimPending, &id)
                .check_first(
                    format!("Give the volume the label (check that {name} is the volume that is meant)."),
                    command!("kubectl label pv {} {}", name, unmet.join(" ")),
                )
                .safe("See both sides.", command!("kubectl get pv --show-labels; kubectl get pvc {} -n {} -o yaml", claim.metadata.name, claim.metadata.namespace))
                .dont("Don't delete and re-make the claim or the volume to unstick them: the data is behind the volume."),
        );
    }
}
