//! # STO003 The claim names no class and the cluster has no default
//!
//! class: pvc-no-default-storageclass
//!
//! ## What it sees
//! A claim without `storageClassName`, no storage class marked as default, and no volume without a
//! class that would fit.
//!
//! ## Why it matters
//! A claim that leaves the class out gets the default. Without one it waits for a volume without a
//! class, which nobody makes. On k3s the default is `local-path`; it is gone when `local-storage` is
//! disabled or when its annotation was taken away.
//!
//! ## What to do
//! Mark one class as default; claims that wait get it by themselves (Kubernetes 1.28 and later). Or
//! make the claim with a class.
//!
//! ## What not to do
//! Do not mark a second class as default to be sure: with two, the newest wins, and nobody knows
//! where data lands.

use crate::analysis::binding::{self, Verdict};
use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO003",
    class: "pvc-no-default-storageclass",
    needs: &["PersistentVolumeClaim", "StorageClass"],
    leads_to: &[K::PodPending],
    check,
};

const SAYS: &str = "the controller finds neither a volume nor a class";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // The words without the claim that they are about, as people quote them: they mean those that name no class.
    let quoted = cx
        .all(K::ClaimPending)
        .find(|c| cx.claim(&c.entity).is_none() && c.entity.name() == "unnamed");
    let said = |id: &EntityId| storage::said(cx, id, &[binding::NO_CLASS], SAYS);
    let mut is_told = false;
    for c in cx.all(K::ClaimPending) {
        let claim = cx.claim(&c.entity);
        let mut words = said(&c.entity);
        let classless = claim.is_some_and(|claim| claim.spec.storage_class_name.is_none());
        let loose = quoted.filter(|_| words.is_empty() && classless);
        if let Some(loose) = loose {
            words = said(&loose.entity);
        }
        if claim.is_none() && is_told {
            continue;
        }
        let (ns, name) = (c.entity.namespace().unwrap_or_default(), c.entity.name());
        let verdict = claim.map(|claim| binding::verdict(cx.cluster, claim));
        let listed = matches!(verdict, Some(Verdict::NoDefaultClass));
        let by_words = !words.is_empty()
            && (classless
                && matches!(verdict, Some(Verdict::Unknown | Verdict::NoVolume))
                && !cx.cluster.classes.iter().any(|s| s.is_default()));
        // A row shows a claim for no class as it shows one that leaves the class out.
        let row = claim.is_none_or(|c| cx.cluster.object(c.obj).is_some_and(|o| o.printed));
        let classes = cx
            .cluster
            .listed
            .get("StorageClass")
            .is_some_and(|l| l.whole);
        let loose_words = claim.is_none() && !words.is_empty();
        let guess = !listed && (loose_words || (by_words && row && !classes));
        if !listed && !by_words && !guess {
            continue;
        }
        let mut finding = RULE
            .on(c.entity.clone())
            .title(format!(
                "claim {name} names no storage class, and the cluster has no default"
            ))
            .why("A claim without a class gets the default; without one it waits for ever.")
            .term(
                65,
                if listed {
                    "the claim names no class, and none of the classes is the default"
                } else {
                    "the controller finds no class for the claim"
                },
            )
            .term(
                if words.is_empty() { 10 } else { 20 },
                "the claim is not bound",
            )
            .cite_all(words)
            .cite_all(c.evidence.first().cloned())
            .explains(K::ClaimPending, &c.entity);
        if let Some(claim) = claim {
            finding = finding.cite(cx.field(claim.obj, "/spec", "the claim names no class"));
        }
        if let Some(loose) = loose {
            is_told = true;
            finding = finding.explains(K::ClaimPending, &loose.entity);
        }
        for class in cx.cluster.classes.iter().take(2) {
            finding = finding.cite(cx.field(
                class.obj,
                "/metadata/name",
                "a class that is not the default",
            ));
        }
        let one = cx
            .cluster
            .classes
            .first()
            .map_or("local-path", |s| s.metadata.name.as_str());
        if guess {
            finding = finding.undecided(
                "Does the claim leave the class out, or does it ask for a volume without a class?",
                command!(
                    "kubectl get pvc {} -n {} -o yaml; kubectl get storageclass,pv",
                    name,
                    ns
                ),
                &["pvc-no-default-storageclass", "pvc-no-matching-pv"],
            );
        }
        out.push(
            finding
                .check_first("Mark one class as the default; the waiting claims get it by themselves.", command!("kubectl annotate storageclass {} storageclass.kubernetes.io/is-default-class=true", one))
                .safe("See what there is.", "kubectl get storageclass,pv")
                .dont("Don't mark a second class as default: the newest wins, and nobody knows where data lands."),
        );
    }
}
