//! # STO008 A released volume still refers to the claim that is gone
//!
//! class: pv-released-stale-claimref
//!
//! ## What it sees
//! A claim that is not bound; a volume that fits it, but whose `claimRef` holds the uid of an
//! earlier claim: deleted, or deleted and made again under the same name. Where nothing shows what the
//! present claim asks for, a Released volume whose `claimRef` has its name, unless a provisioner is asked for a new one.
//!
//! ## Why it matters
//! With policy Retain a volume keeps its data and its claimRef when the claim is deleted. It is
//! Released, not Available, and no claim gets it, not even one of the same name: the binder compares
//! uids.
//!
//! ## What to do
//! See that the data is what the new claim should have, then take the uid out of the claimRef (keep
//! name and namespace, so that no other claim takes the volume).
//!
//! ## What not to do
//! Do not delete the volume to make it Available, and do not remove the whole claimRef while other
//! claims wait: the first that fits takes the data.

use defib_model::report::Evidence;
use defib_model::views::{Event, PersistentVolume, PersistentVolumeClaim};

use crate::analysis::binding::{self, Verdict};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO008",
    class: "pv-released-stale-claimref",
    needs: &["PersistentVolumeClaim", "PersistentVolume"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ClaimPending).chain(cx.all(K::ClaimLost)) {
        let Some(claim) = cx.claim(&c.entity) else {
            continue;
        };
        if is_provisioned(cx, claim) {
            continue;
        }
        let (volume, fits) = match binding::verdict(cx.cluster, claim) {
            Verdict::Released(volume) => (volume, true),
            _ => match kept_for(cx, claim) {
                Some(volume) => (volume, false),
                None => continue,
            },
        };
        let (ns, name, pv) = (
            &claim.metadata.namespace,
            &claim.metadata.name,
            &volume.metadata.name,
        );
        let Some(r) = &volume.spec.claim_ref else {
            continue;
        };
        let again = r.name == *name && r.namespace == *ns;
        let mut finding = RULE
            .on(EntityId::object("PersistentVolume", "", "", pv))
            .title(if again {
                format!("volume {pv} is still bound to an earlier claim {ns}/{name}; the present one was made again")
            } else {
                format!("volume {pv} fits claim {name}, but still refers to claim {}, which is gone", match r.namespace.as_str() {
                    "" => r.name.clone(),
                    of => format!("{of}/{}", r.name),
                })
            })
            .why("A retained volume keeps its claimRef; the binder compares uids and gives it to nobody.")
            .term(75, if again { "the claimRef is of a claim that is gone" } else { "the claim that the volume refers to does not exist" })
            .term(if fits { 15 } else { 0 }, "the volume fits in class, size and modes");
        if r.uid.is_empty() {
            finding = finding.cite(cx.field(
                volume.obj,
                "/spec/claimRef",
                "the claim that the volume refers to",
            ));
        } else {
            finding = finding.cite(cx.field(
                volume.obj,
                "/spec/claimRef/uid",
                "the uid of the claim that the volume belonged to",
            ));
        }
        if !volume.status.phase.is_empty() {
            finding = finding.cite(cx.field(
                volume.obj,
                "/status/phase",
                "what the volume says of itself",
            ));
        }
        if again && !claim.metadata.uid.is_empty() {
            finding =
                finding.cite(cx.field(claim.obj, "/metadata/uid", "the uid of the present claim"));
        }
        finding = finding.cite_all(stranger(cx, claim));
        out.push(
            finding
                .cite_all(c.evidence.first().cloned())
                .explains(c.kind, &c.entity)
                .safe("See whose data it is.", command!("kubectl get pv {} -o yaml", pv))
                .check_first(
                    format!("Keep the volume for claim {name}: take the old uid out of its claimRef."),
                    command!("kubectl patch pv {} --type merge -p {}", pv, format!(r#"{{"spec":{{"claimRef":{{"namespace":"{ns}","name":"{name}","uid":null,"resourceVersion":null}}}}}}"#)),
                )
                .dont("Don't delete the volume to make it free, and don't clear the whole claimRef while other claims wait: the first that fits takes the data."),
        );
    }
}

/// Is a provisioner asked for a new volume? Then it has reasons of its own for making none.
fn is_provisioned(cx: &Context<'_>, claim: &PersistentVolumeClaim) -> bool {
    let id = cx.cluster.id(claim.obj);
    let of_controller = |e: &Event| e.component == "persistentvolume-controller";
    claim.spec.volume_name.is_empty()
        && cx.cluster.events_of(&id).any(|e| match e.reason.as_str() {
            "Provisioning" | "ExternalProvisioning" => true,
            "ProvisioningFailed" => !of_controller(e),
            _ => false,
        })
}

/// The volume that is still bound to an earlier claim of this name, where nothing shows what the present one asks for.
fn kept_for<'a>(cx: &Context<'a>, claim: &PersistentVolumeClaim) -> Option<&'a PersistentVolume> {
    let own = &claim.metadata;
    if !claim.spec.access_modes.is_empty() || !claim.spec.volume_name.is_empty() {
        return None;
    }
    cx.cluster.volumes.iter().find(|v| {
        v.status.phase == "Released"
            && v.spec.claim_ref.as_ref().is_some_and(|r| {
                r.name == own.name
                    && r.namespace == own.namespace
                    && (r.uid.is_empty() || r.uid != own.uid)
            })
    })
}

/// A claim that another program made than its siblings: somebody made it again by hand.
fn stranger(cx: &Context<'_>, claim: &PersistentVolumeClaim) -> Option<Evidence> {
    let maker = |c: &PersistentVolumeClaim| {
        // The controllers write into every claim; who made it is anybody else.
        let i = c.metadata.managed_fields.iter().position(|m| {
            !matches!(
                m.manager.as_str(),
                "kube-controller-manager" | "k3s" | "kubelet"
            )
        })?;
        Some((i, c.metadata.managed_fields.get(i)?.manager.clone()))
    };
    let (i, own) = maker(claim)?;
    let siblings: Vec<String> = cx
        .cluster
        .claims
        .iter()
        .filter(|c| c.metadata.namespace == claim.metadata.namespace && c.obj != claim.obj)
        .filter_map(|c| maker(c).map(|m| m.1))
        .collect();
    let alone = !siblings.is_empty() && siblings.iter().all(|m| *m != own);
    let usual = siblings.first().cloned().unwrap_or_default();
    alone.then(|| {
        cx.field(
            claim.obj,
            &format!("/metadata/managedFields/{i}/manager"),
            format!("its siblings were made by {usual}: this claim was made again by hand"),
        )
    })
}
