//! # STO001 The claim selects labels that the volume lacks
//!
//! class: pvc-selector-mismatch
//!
//! ## What it sees
//! A claim that is Pending; a free volume that fits it in class, size, access modes and volume mode;
//! and a selector in the claim whose labels that volume does not carry.
//! Where the volume's labels are not shown: everything that is shown fits, and the binder still finds
//! nothing.
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

use defib_model::views::{PersistentVolume, PersistentVolumeClaim};

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
            out.extend(unseen(cx, claim, pending));
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
        if !binding::shows_labels(cx.cluster, volume.obj) {
            out.push(by_exclusion(cx, claim, volume, &unmet, pending));
            continue;
        }
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

/// The volume's labels are not shown; the binder refuses it though everything that is shown fits.
fn by_exclusion(
    cx: &Context<'_>,
    claim: &PersistentVolumeClaim,
    volume: &PersistentVolume,
    unmet: &[String],
    pending: &Condition,
) -> Finding {
    let labels = unmet.join(", ");
    let (name, volume) = (&claim.metadata.name, volume);
    let look = command!("kubectl get pv {} --show-labels", volume.metadata.name);
    let refused = binding::refused(cx, claim);
    let sure = refused.is_some();
    let finding = RULE
        .on(cx.cluster.id(claim.obj))
        .title(format!(
            "claim {name} selects {labels}; volume {} fits in all that is shown, so its labels are what is left",
            volume.metadata.name
        ))
        .why("The volume fits in class, size and access modes; of what the binder compares only the labels are not shown.")
        .term(60, format!("the claim takes only volumes labelled {labels}"))
        .term(15, format!("volume {} is free and fits in every field that is shown", volume.metadata.name))
        .cite(cx.field(claim.obj, "/spec/selector", format!("the claim takes only volumes labelled {labels}")))
        .cite(
            cx.field(volume.obj, "/status/phase", "the volume is free, of the same class and large enough")
                .shown_by(look.clone()),
        )
        .cite_all(refused)
        .cite_all(pending.evidence.first().cloned())
        .explains(K::ClaimPending, &cx.cluster.id(claim.obj))
        .safe("Which labels has the volume?", look.clone())
        .check_first(
            "Give the volume the label (check that it is the volume that is meant).",
            command!("kubectl label pv {} {}", volume.metadata.name, unmet.join(" ")),
        )
        .dont("Don't delete and re-make the claim or the volume to unstick them: the data is behind the volume.");
    if sure {
        finding.term(5, "the binder says that it finds none")
    } else {
        finding.undecided(
            format!("Which labels has volume {}?", volume.metadata.name),
            look,
            &["pvc-selector-mismatch"],
        )
    }
}

/// A volume seems to fit, the binder finds none, and what one of both asks for is not shown as it is in
/// the cluster.
fn unseen(cx: &Context<'_>, claim: &PersistentVolumeClaim, pending: &Condition) -> Option<Finding> {
    let (volume, refused) = binding::seeming(cx, claim)?;
    let id = cx.cluster.id(claim.obj);
    let name = &volume.metadata.name;
    Some(
        RULE.on(id.clone())
            .title(format!(
                "volume {name} seems to fit claim {}; a selector that it does not meet would keep them apart",
                claim.metadata.name
            ))
            .term(45, "they fit in all that is shown, and the binder finds no volume")
            .cite(cx.field(volume.obj, "/status/phase", "the volume is free"))
            .cite(refused)
            .cite_all(pending.evidence.first().cloned())
            .explains(K::ClaimPending, &id)
            .undecided(
                "Which selector has the claim, and which labels has the volume in the cluster?",
                command!(
                    "kubectl get pv {} --show-labels; kubectl get pvc {} -n {} -o yaml",
                    name,
                    claim.metadata.name,
                    claim.metadata.namespace
                ),
                &["pvc-selector-mismatch", "pvc-no-matching-pv", "pvc-access-mode-mismatch"],
            ),
    )
}
