//! Words of events about one entity, and the claims of pods: what several storage rules ask for.
//!
//! Deliberately absent: judgement about fields; `binding` compares those.

use defib_model::condition::ConditionKind as K;
use defib_model::id::EntityId;
use defib_model::report::Evidence;
use defib_model::views::{PersistentVolumeClaim, Pod};

use crate::context::Context;

/// Events about this entity whose message holds one of these words, newest first, at most two.
pub fn said(cx: &Context<'_>, entity: &EntityId, words: &[&str], meaning: &str) -> Vec<Evidence> {
    let mut out: Vec<Evidence> = cx
        .cluster
        .events_of(entity)
        .filter_map(|e| {
            let word = words.iter().find(|w| e.message.contains(**w))?;
            Some(cx.event(e, meaning).around(word))
        })
        .collect();
    out.reverse();
    out
}

/// Claims of a pod that wait for its placement: they follow from whatever keeps the pod back.
pub fn waiting_claims(cx: &Context<'_>, pod: &Pod) -> Vec<EntityId> {
    pod.spec
        .volumes
        .iter()
        .filter_map(|v| v.persistent_volume_claim.as_ref())
        .filter_map(|c| cx.cluster.claim(&pod.metadata.namespace, &c.claim_name))
        .filter(|c| cx.has(K::ClaimPending, &cx.cluster.id(c.obj)).is_some())
        .filter(|c| super::binding::waits_for_consumer(cx.cluster, c))
        .map(|c| cx.cluster.id(c.obj))
        .collect()
}

/// Words of a name: `pv-media-data` → media, data. Short and general words say nothing.
pub fn words(name: &str) -> Vec<&str> {
    name.split(['-', '.', '_', '/'])
        .filter(|w| {
            w.len() > 2
                && !matches!(
                    *w,
                    "pvc" | "vol" | "volume" | "data" | "storage" | "claim" | "local" | "nfs"
                )
        })
        .collect()
}

/// How many words the names of a volume and a claim share, without the namespace, which claims have in common.
pub fn namesakes(volume: &str, claim: &PersistentVolumeClaim) -> usize {
    let own = words(&claim.metadata.name);
    words(volume)
        .into_iter()
        .filter(|w| own.contains(w))
        .count()
}

/// How many words of the volume's name are words of the claim (namespace and name).
pub fn kinship(volume: &str, claim: &PersistentVolumeClaim) -> usize {
    let own: Vec<&str> = words(&claim.metadata.name)
        .into_iter()
        .chain(words(&claim.metadata.namespace))
        .collect();
    words(volume)
        .into_iter()
        .filter(|w| own.contains(w))
        .count()
}
