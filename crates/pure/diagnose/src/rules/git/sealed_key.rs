//! # GIT010 The private key of the sealed secrets is gone
//!
//! class: sealed-secret-key-lost
//!
//! ## What it sees
//! `no key could decrypt secret` for all SealedSecrets of the cluster: none opens.
//!
//! ## Why it matters
//! The controller makes a new key pair on a new cluster. What was sealed for the old one stays closed
//! for ever, unless the old private key was kept outside.
//!
//! ## What to do
//! Restore the old key Secret (label `sealedsecrets.bitnami.com/sealed-secrets-key`) and restart the
//! controller; without it, seal every secret again from its real source.
//!
//! ## What not to do
//! Do not delete the key Secrets that are there, old or new: each may be the only one for some secret.

use crate::analysis::said::claim;
use crate::analysis::sealed::{self, Verdict};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT010",
    class: "sealed-secret-key-lost",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some((verdict, all, _)) = sealed::closed(cx) else {
        return;
    };
    if verdict == Verdict::Scope {
        return;
    }
    let mut f = RULE
        .on(EntityId::other("sealing-key", "cluster"))
        .title(if verdict == Verdict::KeyLost { "no sealed secret opens: the private key that they were sealed for is gone".to_owned() } else { "a sealed secret does not open: the key is gone, or it was sealed for another name or namespace".to_owned() })
        .why("What was sealed for a key that is gone stays closed; the controller's new key does not help.")
        .term(if verdict == Verdict::KeyLost { 80 } else { 45 }, if verdict == Verdict::KeyLost { "all of them fail alike, and none opens" } else { "the controller has no key that opens it" })
        .safe("See which keys there are, and since when.", "kubectl get secrets -A -l sealedsecrets.bitnami.com/sealed-secrets-key --sort-by=.metadata.creationTimestamp")
        .check_first("Restore the old key from outside and restart the controller.", "kubectl apply -f OLD-KEY.yaml && kubectl -n kube-system rollout restart deployment sealed-secrets-controller")
        .advice("Without the old key: seal every secret again from its real source (defib reseal).")
        .dont("Don't delete any key Secret, old or new: each may be the only one for some secret.");
    f = claim(cx, f, &all.iter().map(|(_, s)| s).collect::<Vec<_>>());
    f = sealed::explain(cx, f, &all);
    if verdict == Verdict::KeyLost {
        f = f.cite_all(
            cx.hits("sealed-secrets.new-key")
                .map(|h| cx.log(h, 0, "the controller found no key and made a new one")),
        );
    }
    if verdict == Verdict::Open {
        f = f.undecided("Do other SealedSecrets open? If they do, this one is sealed for another name or namespace; if none does, the key is gone.", "kubectl get sealedsecrets -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,SYNCED:.status.conditions[*].status,SAYS:.status.conditions[*].message", &["sealed-secret-key-lost", "sealed-secret-scope-mismatch"]);
    }
    out.push(f);
}
