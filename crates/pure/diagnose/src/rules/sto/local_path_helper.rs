//! # STO020 local-path's helper script and its provisioner do not fit together
//!
//! class: local-path-helper-script-mismatch
//!
//! ## What it sees
//! The log of a local-path helper pod holds the usage message of mkdir or rm, or its missing
//! operand or variable: the script was called in another way than it reads.
//!
//! ## Why it matters
//! The script stands in the ConfigMap local-path-config, the caller is the provisioner image. Early
//! ones passed arguments, later ones environment variables. Updating one alone makes every new
//! volume fail, and old ones can not be removed.
//!
//! ## What to do
//! Take ConfigMap and image from one release. On k3s both come from the packaged `local-storage`
//! manifest; remove your own copy or change both.
//!
//! ## What not to do
//! Do not make the directories by hand: the next claim fails again, and clean-up by a script that
//! reads nothing may remove the wrong path.

use crate::analysis::{binding, storage};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO020",
    class: "local-path-helper-script-mismatch",
    needs: &["container logs"],
    leads_to: &[K::ClaimPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let usage = cx.hits("local-path.helper-usage");
    for hit in usage.chain(cx.hits("local-path.helper-variable")) {
        let helper = hit.entity.as_ref().is_none_or(|e| {
            // Older provisioners name them after what they do.
            ["helper-pod", "create-pvc-", "delete-pvc-"]
                .iter()
                .any(|n| e.name().starts_with(n))
                || e.name().contains("local-path")
        });
        if !helper {
            continue;
        }
        let mut finding = RULE
            .on(EntityId::object("ConfigMap", "", "kube-system", "local-path-config"))
            .title("local-path's helper script is called with other arguments than it reads: script and provisioner are of different versions")
            .why("No new volume of class local-path can be made, and no old one removed.")
            .term(85, "the helper's script does not get what it reads")
            .cite(cx.log(hit, 0, "the helper's command complains about its arguments"));
        for c in cx.all(K::ClaimPending) {
            let claim = cx.claim(&c.entity);
            let local = claim.is_none_or(|claim| {
                binding::class_of(cx.cluster, claim)
                    .is_none_or(|s| s.provisioner == "rancher.io/local-path")
            });
            if local {
                finding = finding
                    .cite_all(
                        storage::said(
                            cx,
                            &c.entity,
                            &["create process timeout", "failed to create volume"],
                            "the provisioner waits for the helper",
                        )
                        .into_iter()
                        .take(1),
                    )
                    .explains(K::ClaimPending, &c.entity);
            }
        }
        out.push(
            finding
                .safe("Compare script and image.", "kubectl get configmap local-path-config -n kube-system -o yaml; kubectl get deployment local-path-provisioner -n kube-system -o yaml | grep image:")
                .check_first("Take both from one release (k3s: let it write its packaged manifest again).", "ls -l /var/lib/rancher/k3s/server/manifests/local-storage.yaml*")
                .dont("Don't make the directories by hand: the next claim fails again."),
        );
    }
}
