//! # WRK007 runAsNonRoot, and the image's user is root or a name
//!
//! class: runasnonroot-image-user
//!
//! ## What it sees
//! The kubelet's refusal: `container has runAsNonRoot and image will run as root`, or `… has non-numeric
//! user`.
//!
//! ## Why it matters
//! The kubelet can only judge numbers: an image with `USER app` is refused like one that runs as root.
//!
//! ## What to do
//! Set `securityContext.runAsUser` to the number of the user that the image means (`id` in the image), with
//! `fsGroup` where it writes to volumes; or build the image with a numeric USER.
//!
//! ## What not to do
//! Do not take `runAsNonRoot` away in a namespace that enforces `restricted`: the pod is then refused
//! altogether.

use crate::analysis::between;
use crate::analysis::called::called;
use crate::analysis::kubelet_words::{loose, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK007",
    class: "runasnonroot-image-user",
    needs: &["Pod"],
    leads_to: &[K::ContainerConfigError],
    check,
};

/// What the kubelet says of the image's user. Source: kubernetes
/// `pkg/kubelet/kuberuntime/security_context.go` (verifyRunAsNonRoot).
fn user(message: &str) -> Option<String> {
    if message.contains("container has runAsNonRoot and image will run as root") {
        return Some("runs as root".to_owned());
    }
    let name = between(
        message,
        "container has runAsNonRoot and image has non-numeric user (",
        ")",
    )?;
    Some(format!("names its user ({name}) instead of numbering it"))
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::ContainerConfigError) {
        for s in said(
            cx,
            &c.entity,
            &["Failed"],
            "the kubelet refuses the image's user",
        ) {
            let Some(user) = user(&s.text) else { continue };
            let owner = cx.top_owner(&c.entity);
            let ns = c.entity.namespace().unwrap_or_default();
            let mut finding = RULE
                .on(owner.clone())
                .title(format!("{} demands runAsNonRoot, and its image {user}", called(&owner)))
                .why("The kubelet decides before the container is made; there is no log.")
                .term(94, "the kubelet says so")
                .cite(s.evidence)
                .explains(K::ContainerConfigError, &c.entity)
                .safe("See which user the image has.", "crane config IMAGE | jq .config.User")
                .check_first("Set securityContext.runAsUser to that user's number.", command!("kubectl edit {} {} -n {}", owner.kind(), owner.name(), ns))
                .dont("Don't take runAsNonRoot away where the namespace enforces restricted: the pod is then refused altogether.");
            if let Some(pod) = cx.cluster.pod(&c.entity) {
                let own = pod.spec.all_containers().find(|(_, k)| {
                    k.name == s.container && k.security_context.run_as_non_root == Some(true)
                });
                let at = match own {
                    Some((path, _)) => Some(format!("/spec/{path}/securityContext/runAsNonRoot")),
                    None if pod.spec.security_context.run_as_non_root == Some(true) => {
                        Some("/spec/securityContext/runAsNonRoot".to_owned())
                    }
                    None => None,
                };
                finding = finding.cite_all(at.map(|at| cx.field(pod.obj, &at, "the demand")));
            }
            out.push(finding);
        }
    }
    for m in loose(cx, "said.non-root", "the kubelet refuses the image's user") {
        let Some(user) = user(&m.text) else { continue };
        out.push(
            RULE.on(m.pod.clone())
                .title(format!("{} demands runAsNonRoot, and its image {user}", called(&m.pod)))
                .why("The kubelet decides before the container is made; there is no log.")
                .term(90, "the kubelet says so")
                .cite(m.evidence)
                .safe("See which user the image has.", "crane config IMAGE | jq .config.User")
                .advice("Set securityContext.runAsUser to that user's number.")
                .dont("Don't take runAsNonRoot away where the namespace enforces restricted: the pod is then refused altogether."),
        );
    }
}
