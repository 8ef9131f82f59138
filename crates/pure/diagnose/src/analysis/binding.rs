//! Why a claim is not bound, field by field, as the volume binder compares.
//!
//! Source: kubernetes `pkg/controller/volume/persistentvolume/index.go` (findMatchingVolume,
//! checkAccessModes), `component-helpers/storage/volume/pv_helpers.go` (FindMatchingVolume) and
//! `pv_controller.go` (syncUnboundClaim). Deliberately absent: what a provisioner does by itself.

use defib_model::ConditionKind as K;
use defib_model::cluster::{Cluster, ObjId};
use defib_model::quantity;
use defib_model::views::meta::LABELS_IN_PART;
use defib_model::views::{PersistentVolume, PersistentVolumeClaim, StorageClass};
use defib_model::{EntityId, Evidence};

use super::storage;
use crate::context::Context;

/// One field in which a volume does not fit a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Labels that the claim selects.
    Selector,
    /// Access modes.
    AccessModes,
    /// Size.
    Capacity,
    /// Filesystem or Block.
    VolumeMode,
    /// Storage class.
    Class,
}

impl Field {
    /// Where the claim says what it wants.
    pub fn claim_pointer(self) -> &'static str {
        match self {
            Self::Selector => "/spec/selector",
            Self::AccessModes => "/spec/accessModes",
            Self::Capacity => "/spec/resources/requests/storage",
            Self::VolumeMode => "/spec/volumeMode",
            Self::Class => "/spec/storageClassName",
        }
    }

    /// Where the volume says what it offers.
    pub fn volume_pointer(self) -> &'static str {
        match self {
            Self::Selector => "/metadata/labels",
            Self::AccessModes => "/spec/accessModes",
            Self::Capacity => "/spec/capacity/storage",
            Self::VolumeMode => "/spec/volumeMode",
            Self::Class => "/spec/storageClassName",
        }
    }

    /// The field in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Selector => "labels",
            Self::AccessModes => "access modes",
            Self::Capacity => "size",
            Self::VolumeMode => "volume mode",
            Self::Class => "storage class",
        }
    }
}

/// Why a claim is not bound.
#[derive(Clone, Debug)]
pub enum Verdict<'a> {
    /// It names a volume that does not exist.
    VolumeMissing,
    /// It names a volume that differs.
    NamedDiffers(&'a PersistentVolume, Vec<Field>),
    /// It names a volume that another claim has.
    NamedTaken(&'a PersistentVolume),
    /// It names a class that does not exist.
    ClassMissing(&'a str),
    /// It names no class, and there is no default.
    NoDefaultClass,
    /// One volume would fit but for this one field.
    Nearly(&'a PersistentVolume, Field),
    /// A volume would fit, but is still kept for a claim that is gone.
    Released(&'a PersistentVolume),
    /// A volume would fit, but another living claim took it.
    Taken(&'a PersistentVolume, &'a PersistentVolumeClaim),
    /// Only static volumes, and none that comes near.
    NoVolume,
    /// It waits for a pod, and no pod uses it.
    NoConsumer,
    /// A provisioner is to make it.
    Provisioner,
    /// The evidence lacks what would decide.
    Unknown,
}

/// The class that the claim ends up with, if it exists.
pub fn class_of<'a>(
    cluster: &'a Cluster,
    claim: &PersistentVolumeClaim,
) -> Option<&'a StorageClass> {
    match class_name(cluster, claim) {
        Some("") => None,
        Some(name) => cluster.class(name),
        None => cluster.classes.iter().find(|c| c.is_default()),
    }
}

/// The controller's words for a claim that ends up without a class.
/// Source: kubernetes `pkg/controller/volume/persistentvolume/pv_controller.go` (syncUnboundClaim).
pub const NO_CLASS: &str =
    "no persistent volumes available for this claim and no storage class is set";

/// The class that the claim names. A row of a table shows neither "" nor that none is named; where there is
/// a default, which is also given to claims that were made before it, only "" stays without a class.
fn class_name<'a>(cluster: &Cluster, claim: &'a PersistentVolumeClaim) -> Option<&'a str> {
    let none = |id| cluster.events_of(id).any(|e| e.message.contains(NO_CLASS));
    match claim.spec.storage_class_name.as_deref() {
        None if cluster.classes.iter().any(StorageClass::is_default)
            && none(&cluster.id(claim.obj)) =>
        {
            Some("")
        }
        named => named,
    }
}

/// Classes without a provisioner: their volumes are made by hand.
pub fn is_static(class: &StorageClass) -> bool {
    class.provisioner == "kubernetes.io/no-provisioner"
}

/// True when binding is put off until a pod is placed.
pub fn waits_for_consumer(cluster: &Cluster, claim: &PersistentVolumeClaim) -> bool {
    class_of(cluster, claim).is_some_and(|c| c.volume_binding_mode == "WaitForFirstConsumer")
}

/// The scheduler's words for a pod whose claims find no volume.
/// Source: kubernetes `pkg/scheduler/framework/plugins/volumebinding/binder.go`.
const NO_VOLUME: &str = "didn't find available persistent volumes to bind";

/// True when a pod that is not done uses the claim: its volumes say so, or, where they are not shown, that the
/// scheduler looks for a volume for it and no other claim of its namespace is unbound.
pub fn has_consumer(cluster: &Cluster, claim: &PersistentVolumeClaim) -> bool {
    let namespace = &claim.metadata.namespace;
    let unseen = |pod: &EntityId| cluster.pod(pod).is_none_or(|p| p.spec.volumes.is_empty());
    // A StatefulSet names the claims of a pod after it.
    let own = |pod: &EntityId| {
        let rest = claim.metadata.name.strip_suffix(pod.name());
        rest.is_some_and(|r| r.ends_with('-'))
    };
    let mut open = (cluster.claims.iter())
        .filter(|c| c.metadata.namespace == *namespace && c.status.phase != "Bound");
    let alone = open.next().is_some() && open.next().is_none();
    let sought = cluster.events.iter().any(|e| {
        e.about.kind() == "pod"
            && e.about.namespace() == Some(namespace)
            && e.message.contains(NO_VOLUME)
            && unseen(&e.about)
            && (alone || own(&e.about))
    });
    sought
        || cluster.pods.iter().any(|p| {
            p.metadata.namespace == claim.metadata.namespace
                && !p.is_finished()
                && p.spec.volumes.iter().any(|v| {
                    v.persistent_volume_claim
                        .as_ref()
                        .is_some_and(|c| c.claim_name == claim.metadata.name)
                })
        })
}

/// Fields in which this volume does not fit, apart from who holds it.
pub fn differences(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> Vec<Field> {
    let mut out = Vec::new();
    let wanted = claim.spec.storage_class_name.as_deref().unwrap_or("");
    if wanted != volume.spec.storage_class_name {
        out.push(Field::Class);
    }
    let mode = |m: &str| {
        if m.is_empty() {
            "Filesystem".to_owned()
        } else {
            m.to_owned()
        }
    };
    if mode(&claim.spec.volume_mode) != mode(&volume.spec.volume_mode) {
        out.push(Field::VolumeMode);
    }
    if !claim
        .spec
        .access_modes
        .iter()
        .all(|m| volume.spec.access_modes.contains(m))
    {
        out.push(Field::AccessModes);
    }
    let have = volume
        .spec
        .capacity
        .get("storage")
        .map_or("", String::as_str);
    if quantity::at_least(have, claim.request()) == Some(false) {
        out.push(Field::Capacity);
    }
    if let Some(selector) = &claim.spec.selector
        && !selector.matches(&volume.metadata.labels)
    {
        out.push(Field::Selector);
    }
    out
}

/// Does the evidence show the labels of this object? A row of a table shows none unless asked to, and then
/// perhaps a part of them.
pub fn shows_labels(cluster: &Cluster, obj: ObjId) -> bool {
    let whole = |json: &[u8]| {
        serde_json::from_slice::<serde_json::Value>(json).is_ok_and(|v| {
            let metadata = v.get("metadata");
            let has = |key| metadata.and_then(|m| m.get(key)).is_some();
            has("labels") && !has(LABELS_IN_PART)
        })
    };
    cluster.object(obj).is_some_and(|o| {
        !o.printed
            || (o.prints.is_empty() && whole(&o.json))
            || o.prints.iter().any(|(_, json)| whole(json))
    })
}

/// The binder said that it finds no volume for this claim, or the scheduler did of a pod of its namespace.
pub fn refused(cx: &Context<'_>, claim: &PersistentVolumeClaim) -> Option<Evidence> {
    const WORDS: &[&str] = &[
        "no persistent volumes available",
        NO_VOLUME,
        "no volume plugin matched",
    ];
    let id = cx.cluster.id(claim.obj);
    let said = storage::said(cx, &id, WORDS, "the binder finds no volume for it");
    said.into_iter().next().or_else(|| {
        let of_pod = cx.all(K::PodPending).filter(|c| {
            c.entity.namespace() == Some(&claim.metadata.namespace)
                // Whose claim it is, only the pod's volumes say; where they are not shown, it may be.
                && cx.cluster.pod(&c.entity).is_none_or(|p| {
                    p.spec.volumes.is_empty()
                        || p.spec.volumes.iter().any(|v| {
                            v.persistent_volume_claim
                                .as_ref()
                                .is_some_and(|pvc| pvc.claim_name == claim.metadata.name)
                        })
                })
        });
        of_pod
            .flat_map(|c| {
                storage::said(
                    cx,
                    &c.entity,
                    WORDS,
                    "no volume is found for the pod's claim",
                )
            })
            .next()
    })
}

/// The free volume that fits this claim as far as the evidence shows both, though the binder found none:
/// what differs is something that is not shown.
pub fn seeming<'a>(
    cx: &Context<'a>,
    claim: &'a PersistentVolumeClaim,
) -> Option<(&'a PersistentVolume, Evidence)> {
    let cluster = cx.cluster;
    let unseen = |obj: ObjId| {
        cluster
            .object(obj)
            .is_some_and(|o| o.printed || o.uid.is_empty())
    };
    let refused = refused(cx, claim)?;
    let volume = cluster
        .volumes
        .iter()
        .filter(|v| matches!(v.status.phase.as_str(), "Available" | "Pending"))
        .filter(|v| unseen(v.obj) || unseen(claim.obj))
        .filter(|v| matches!(held(cluster, claim, v), Holder::Nobody))
        .filter(|v| differences(claim, v).is_empty())
        .max_by_key(|v| {
            (
                storage::kinship(&v.metadata.name, claim),
                std::cmp::Reverse(&v.metadata.name),
            )
        })?;
    Some((volume, refused))
}

/// Who holds the volume, as seen from this claim.
fn held<'a>(
    cluster: &'a Cluster,
    claim: &PersistentVolumeClaim,
    volume: &PersistentVolume,
) -> Holder<'a> {
    let Some(r) = &volume.spec.claim_ref else {
        return Holder::Nobody;
    };
    if r.name == claim.metadata.name && r.namespace == claim.metadata.namespace {
        let known = !r.uid.is_empty() && !claim.metadata.uid.is_empty();
        // Where nobody shows both, a volume that was given back was that of an earlier one of this name.
        let other = if known {
            r.uid != claim.metadata.uid
        } else {
            volume.status.phase == "Released" && claim.spec.volume_name == volume.metadata.name
        };
        return if other { Holder::Gone } else { Holder::Nobody };
    }
    // The volume itself says that its claim was deleted; a file of that name is no claim.
    if volume.status.phase == "Released" {
        return Holder::Gone;
    }
    match cluster.claim(&r.namespace, &r.name) {
        Some(other) => Holder::Other(other),
        None if cluster.is_listed("PersistentVolumeClaim", &r.namespace) => Holder::Gone,
        None => Holder::Unseen,
    }
}

/// Is the volume kept for this claim by name, and not bound to an earlier one?
fn reserved(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> bool {
    volume.spec.claim_ref.as_ref().is_some_and(|r| {
        r.name == claim.metadata.name
            && r.namespace == claim.metadata.namespace
            && (r.uid.is_empty() || r.uid == claim.metadata.uid)
    })
}

enum Holder<'a> {
    Nobody,
    Gone,
    Other(&'a PersistentVolumeClaim),
    Unseen,
}

/// Why this claim is not bound.
pub fn verdict<'a>(cluster: &'a Cluster, claim: &'a PersistentVolumeClaim) -> Verdict<'a> {
    let volumes_known = cluster
        .listed
        .get("PersistentVolume")
        .is_some_and(|l| l.whole)
        || !cluster.volumes.is_empty();
    if !claim.spec.volume_name.is_empty() {
        return match cluster.volume(&claim.spec.volume_name) {
            Some(volume) => match held(cluster, claim, volume) {
                Holder::Other(_) | Holder::Unseen => Verdict::NamedTaken(volume),
                Holder::Gone => Verdict::Released(volume),
                Holder::Nobody => {
                    let mut fields = differences(claim, volume);
                    // A claim that names its volume is not asked for its selector.
                    fields.retain(|f| *f != Field::Selector);
                    if fields.is_empty() {
                        Verdict::Unknown
                    } else {
                        Verdict::NamedDiffers(volume, fields)
                    }
                }
            },
            None if cluster
                .listed
                .get("PersistentVolume")
                .is_some_and(|l| l.whole) =>
            {
                Verdict::VolumeMissing
            }
            None => Verdict::Unknown,
        };
    }
    let classes_known = cluster.listed.get("StorageClass").is_some_and(|l| l.whole);
    let class = class_of(cluster, claim);
    match class_name(cluster, claim) {
        None if class.is_none() && classes_known => {
            // Without a default it can still be bound to a volume without a class.
            return match nearest(cluster, claim) {
                Verdict::NoVolume | Verdict::Nearly(_, Field::Class) => Verdict::NoDefaultClass,
                other => other,
            };
        }
        Some(name)
            if !name.is_empty()
                && class.is_none()
                && classes_known
                && !cluster
                    .volumes
                    .iter()
                    .any(|v| v.spec.storage_class_name == name) =>
        {
            return Verdict::ClassMissing(name);
        }
        _ => {}
    }
    let wants_pod = class.is_some_and(|c| c.volume_binding_mode == "WaitForFirstConsumer");
    if wants_pod && !has_consumer(cluster, claim) {
        let known = cluster.is_listed("Pod", &claim.metadata.namespace) || !cluster.pods.is_empty();
        return if known {
            Verdict::NoConsumer
        } else {
            Verdict::Unknown
        };
    }
    if let Some(class) = class
        && !is_static(class)
    {
        return Verdict::Provisioner;
    }
    if !volumes_known {
        return Verdict::Unknown;
    }
    if class.is_none()
        && !classes_known
        && !cluster.volumes.iter().any(|v| {
            v.spec.storage_class_name == claim.spec.storage_class_name.as_deref().unwrap_or("")
        })
    {
        return Verdict::Unknown;
    }
    nearest(cluster, claim)
}

/// The volume that comes nearest, and what keeps it from fitting.
fn nearest<'a>(cluster: &'a Cluster, claim: &PersistentVolumeClaim) -> Verdict<'a> {
    let mut best: Option<(u8, Verdict<'a>)> = None;
    let mut offer = |rank: u8, v: Verdict<'a>| {
        if best.as_ref().is_none_or(|(r, _)| rank < *r) {
            best = Some((rank, v));
        }
    };
    for volume in &cluster.volumes {
        let fields = differences(claim, volume);
        let free = matches!(volume.status.phase.as_str(), "Available" | "" | "Pending");
        if reserved(claim, volume) && free {
            // A volume that is kept for this claim is asked for less; see `FindMatchingVolume`.
            let kept: Vec<Field> = fields
                .iter()
                .copied()
                .filter(|f| !matches!(f, Field::Selector | Field::Class))
                .collect();
            if !kept.is_empty() {
                offer(0, Verdict::NamedDiffers(volume, kept));
                continue;
            }
        }
        match (held(cluster, claim, volume), fields.as_slice()) {
            (Holder::Gone, []) => offer(1, Verdict::Released(volume)),
            (Holder::Other(other), []) => offer(3, Verdict::Taken(volume, other)),
            (Holder::Nobody, []) if volume.status.phase == "Released" => {
                offer(1, Verdict::Released(volume))
            }
            // It fits and is free: the binder has not come to it yet.
            (Holder::Nobody, []) if free => offer(0, Verdict::Unknown),
            (Holder::Nobody, [one]) if free => {
                let rank = match one {
                    Field::Selector => 0,
                    Field::AccessModes => 2,
                    Field::Capacity | Field::VolumeMode => 2,
                    Field::Class => 4,
                };
                offer(rank, Verdict::Nearly(volume, *one));
            }
            _ => {}
        }
    }
    best.map_or(Verdict::NoVolume, |(_, v)| v)
}
