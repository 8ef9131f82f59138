//! Conditions of claims, volumes and attachments.

use defib_model::ConditionKind as K;

use super::{GRACE, one};
use crate::context::{Context, last_event};

pub(super) fn observe(cx: &mut Context<'_>) {
    let cluster = cx.cluster;
    for claim in &cluster.claims {
        let id = cluster.id(claim.obj);
        let since = claim.metadata.creation_timestamp;
        match claim.status.phase.as_str() {
            "Pending" => {
                // A claim that waits for its pod to be placed is in order, unless nobody wants it.
                let waits = last_event(cluster, &id, &["WaitForFirstConsumer"]).is_some()
                    || crate::analysis::binding::waits_for_consumer(cluster, claim);
                let used = cluster.pods.iter().any(|p| {
                    p.metadata.namespace == claim.metadata.namespace
                        && !p.is_finished()
                        && p.spec.volumes.iter().any(|v| {
                            v.persistent_volume_claim
                                .as_ref()
                                .is_some_and(|c| c.claim_name == claim.metadata.name)
                        })
                });
                let patience = if waits && !used { 5 * GRACE } else { GRACE / 2 };
                if cx.older_than(since, patience) {
                    let e = cx.field(
                        claim.obj,
                        "/status/phase",
                        "the claim is not bound to a volume",
                    );
                    cx.observe(one(K::ClaimPending, &id, "", e, since, 1));
                }
            }
            "Lost" => {
                let e = cx.field(
                    claim.obj,
                    "/status/phase",
                    "the volume that the claim was bound to is gone",
                );
                cx.observe(one(K::ClaimLost, &id, "", e, since, 1));
            }
            _ => {}
        }
    }
    for volume in &cluster.volumes {
        if volume.status.phase == "Failed" {
            let e = cx.field(volume.obj, "/status", "the volume failed");
            let since = volume.status.last_phase_transition_time;
            cx.observe(one(
                K::VolumeFailed,
                &cluster.id(volume.obj),
                "",
                e,
                since,
                1,
            ));
        }
    }
    // Claims that are only known from their events.
    let mut found = Vec::new();
    for event in &cluster.events {
        let about = &event.about;
        if about.kind() != "persistentvolumeclaim"
            || cluster.find(about).is_some()
            || about
                .namespace()
                .is_some_and(|ns| cluster.is_listed("PersistentVolumeClaim", ns))
        {
            continue;
        }
        // Said once, it is an ordinary wait.
        let waits = event.reason == "WaitForFirstConsumer" && event.count >= 3;
        if waits
            || matches!(
                event.reason.as_str(),
                "FailedBinding" | "ProvisioningFailed" | "VolumeMismatch"
            )
        {
            let e = cx.event(event, "the claim can't be bound");
            found.push(one(K::ClaimPending, about, "", e, event.first, event.count));
        }
    }
    for c in found {
        cx.observe(c);
    }
}
