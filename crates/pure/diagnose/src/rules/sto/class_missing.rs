//! # STO002 The claim names a storage class that does not exist
//!
//! class: pvc-storageclass-missing
//!
//! ## What it sees
//! A claim that is not bound, whose `storageClassName` is no class of the cluster (and no static
//! volume has that class either), or the controller's `storageclass.storage.k8s.io "X" not found`.
//!
//! ## Why it matters
//! Nobody provisions for a class that is not there. After a rebuild the classes of an operator
//! (Longhorn, NFS, Ceph) are missing until the operator runs again.
//!
//! ## What to do
//! Install what makes the class, or make the class under the same name. The claim is bound by itself
//! as soon as the class exists.
//!
//! ## What not to do
//! Do not delete the claim to give it another class before you know that no volume holds its data:
//! the class of a claim can not be edited, and a new claim gets a new, empty volume.

use crate::analysis::between;
use crate::analysis::binding::{self, Verdict};
use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO002",
    class: "pvc-storageclass-missing",
    needs: &["PersistentVolumeClaim"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ClaimPending) {
        let claim = cx.claim(&c.entity);
        let verdict = claim.map(|claim| binding::verdict(cx.cluster, claim));
        let words = storage::said(
            cx,
            &c.entity,
            &["storageclass.storage.k8s.io \""],
            "the controller does not find the class",
        );
        let by_words = words.iter().find_map(|e| {
            between(&e.text, "storageclass.storage.k8s.io \"", "\" not found").map(str::to_owned)
        });
        let (class, listed) = match (&verdict, by_words) {
            (Some(Verdict::ClassMissing(name)), _) => ((*name).to_owned(), true),
            (Some(Verdict::Unknown) | None, Some(name)) if cx.cluster.class(&name).is_none() => {
                (name, false)
            }
            _ => continue,
        };
        let (ns, name) = (c.entity.namespace().unwrap_or_default(), c.entity.name());
        let mut finding = RULE
            .on(c.entity.clone())
            .title(format!("claim {name} names storage class {class}, which does not exist"))
            .why("Nobody provisions for a class that is not there; the claim is bound as soon as it is made.")
            .term(70, if listed { "all storage classes were listed, and it is not among them" } else { "the controller says that it does not find the class" })
            .term(20, "the claim is not bound");
        if let Some(claim) = claim {
            finding = finding.cite(cx.field(
                claim.obj,
                "/spec/storageClassName",
                "the class that the claim asks for",
            ));
        }
        finding = finding
            .cite_all(words)
            .cite_all(c.evidence.first().cloned())
            .explains(K::ClaimPending, &c.entity);
        out.push(
            finding
                .safe("See which classes there are.", "kubectl get storageclass")
                .check_first("Install what makes the class (or make it under that name); the claim is then bound by itself.", command!("kubectl get storageclass {}; kubectl describe pvc {} -n {}", class, name, ns))
                .dont("Don't delete the claim to change its class before you know where its data is: a new claim gets a new, empty volume."),
        );
    }
}
