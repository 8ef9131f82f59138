//! # STO007 Static volumes only, and none that fits is free
//!
//! class: pvc-no-matching-pv
//!
//! ## What it sees
//! A claim that is not bound, of a class without a provisioner (or without a class), and no free
//! volume that fits it.
//!
//! ## Why it matters
//! Nobody makes volumes for such a class but a person. After a rebuild the volumes made by hand are
//! in no chart and in no operator.
//!
//! ## What to do
//! Make the volume: size, class and access modes as the claim asks, pointing at the data, with a
//! `claimRef` that keeps it for this claim.
//!
//! ## What not to do
//! Do not switch the claim to a class with a provisioner to get the pod going: it starts with an
//! empty disk beside the real data.

use crate::analysis::binding::{self, Field, Verdict};
use crate::analysis::called::called;
use crate::analysis::scheduling::Reason;
use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO007",
    class: "pvc-no-matching-pv",
    needs: &["PersistentVolumeClaim", "PersistentVolume"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ClaimPending) {
        let Some(claim) = cx.claim(&c.entity) else {
            continue;
        };
        let nearest = match binding::verdict(cx.cluster, claim) {
            Verdict::NoVolume => None,
            Verdict::Nearly(volume, field)
                if storage::kinship(&volume.metadata.name, claim) == 0
                    && (field == Field::Class
                        || (matches!(field, Field::Capacity | Field::VolumeMode)
                            && cx.cluster.volumes.len() > 1)) =>
            {
                Some(volume)
            }
            Verdict::Taken(volume, other)
                if storage::kinship(&volume.metadata.name, claim)
                    <= storage::kinship(&volume.metadata.name, other) =>
            {
                Some(volume)
            }
            _ => {
                out.extend(seeming(cx, claim));
                continue;
            }
        };
        let (ns, name) = (&claim.metadata.namespace, &claim.metadata.name);
        let class = claim.spec.storage_class_name.as_deref().unwrap_or("");
        let mut finding = RULE
            .on(c.entity.clone())
            .title(format!(
                "no free volume fits claim {name}, and class '{class}' makes none"
            ))
            .why("Volumes of this class are made by hand.")
            .term(
                70,
                "no volume of the evidence is free and fits in class, size and modes",
            )
            .term(15, "no provisioner stands behind the class")
            .cite_all(
                storage::said(
                    cx,
                    &c.entity,
                    &[
                        "no persistent volumes available",
                        "no volume plugin matched",
                    ],
                    "the binder finds nothing",
                )
                .into_iter()
                .take(1),
            )
            .cite(cx.field(
                claim.obj,
                "/spec/resources/requests/storage",
                "what the claim asks for",
            ))
            .cite_all(c.evidence.first().cloned());
        if claim.spec.storage_class_name.is_some() {
            finding = finding.cite(cx.field(
                claim.obj,
                "/spec/storageClassName",
                "the class that it asks for",
            ));
        }
        if let Some(volume) = nearest {
            finding = finding.cite(cx.field(
                volume.obj,
                "/metadata/name",
                "the volume that comes nearest, and is not free for it",
            ));
        }
        out.push(
            finding
                .explains(K::ClaimPending, &c.entity)
                .safe("See which volumes there are.", "kubectl get pv")
                .check_first("Make the volume, pointing at the data, kept for this claim by a claimRef.", command!("kubectl get pvc {} -n {} -o yaml; kubectl apply -f VOLUME.yaml", name, ns))
                .dont("Don't switch the claim to a class with a provisioner: the pod would start on an empty disk beside the real data."),
        );
    }
    unseen(cx, out);
}

/// A volume seems to fit as far as both are shown, and the binder finds none: size or modes may differ
/// in what is not shown.
fn seeming(cx: &Context<'_>, claim: &defib_model::views::PersistentVolumeClaim) -> Option<Finding> {
    let (volume, refused) = binding::seeming(cx, claim)?;
    let id = cx.cluster.id(claim.obj);
    Some(
        RULE.on(id.clone())
            .title(format!(
                "no free volume fits claim {}, though {} seems to",
                claim.metadata.name, volume.metadata.name
            ))
            .term(35, "the binder finds no volume; what differs is not shown")
            .cite(refused)
            .cite(cx.field(volume.obj, "/status/phase", "the volume is free"))
            .explains(K::ClaimPending, &id)
            .undecided(
                "In what does the volume differ from what the claim asks for?",
                command!(
                    "kubectl get pv {} --show-labels; kubectl get pvc {} -n {} -o yaml",
                    volume.metadata.name,
                    claim.metadata.name,
                    claim.metadata.namespace
                ),
                &[
                    "pvc-selector-mismatch",
                    "pvc-no-matching-pv",
                    "pvc-access-mode-mismatch",
                ],
            ),
    )
}

/// Pods that wait for a claim which the evidence does not have.
fn unseen(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for p in crate::analysis::placement::all(cx) {
        let seen = p.pod.is_some_and(|pod| {
            pod.spec
                .volumes
                .iter()
                .filter_map(|v| v.persistent_volume_claim.as_ref())
                .any(|c| {
                    cx.cluster
                        .claim(&pod.metadata.namespace, &c.claim_name)
                        .is_some()
                })
        });
        let ns = p.id.namespace().unwrap_or_default().to_owned();
        let elsewhere = cx
            .all(K::ClaimPending)
            .any(|c| c.entity.namespace() == Some(&ns));
        if p.reason != Reason::ClaimUnbound || seen || elsewhere {
            continue;
        }
        out.push(
            RULE.on(p.id.clone())
                .title(format!(
                    "{} waits for a claim that is not bound",
                    called(&p.id)
                ))
                .term(
                    30,
                    "the scheduler says that a claim of the pod is not bound, not why",
                )
                .cite(p.said)
                .explains(K::PodPending, &p.id)
                .undecided(
                    "Why is the claim not bound?",
                    command!(
                        "kubectl get pvc,events -n {}; kubectl get pv,storageclass -o yaml",
                        ns
                    ),
                    &[
                        "pvc-no-matching-pv",
                        "pvc-selector-mismatch",
                        "pvc-storageclass-missing",
                        "pvc-no-default-storageclass",
                        "pvc-access-mode-mismatch",
                        "pvc-pv-mismatch",
                        "pv-released-stale-claimref",
                    ],
                ),
        );
    }
}
