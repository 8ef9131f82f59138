//! # WRK015 cloudflared does not find its credentials file
//!
//! class: cloudflared-credentials-not-found
//!
//! ## What it sees
//! cloudflared's own refusal to start: the tunnel's credentials file does not exist where it looks.
//!
//! ## Why it matters
//! The key of the Secret is the name of the file: a Secret whose key is `TUNNEL-ID.json` gives no
//! `credentials.json`. The tunnel may be the only way in.
//!
//! ## What to do
//! Compare `credentials-file` in the configuration with the mount path and the Secret's keys.
//!
//! ## What not to do
//! Do not make a new tunnel: its id changes, and every DNS record points at the old one.

use crate::rules::prelude::*;
use defib_model::edge::EdgeKind;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK015",
    class: "cloudflared-credentials-not-found",
    needs: &["container logs"],
    leads_to: &[K::ContainerCrashLoop],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // Without a credentials file it looks for the origin certificate by which it could find one.
    for hit in cx
        .hits("cloudflared.credentials")
        .chain(cx.hits("cloudflared.origin-cert"))
    {
        let pod = hit.entity.as_ref();
        // A refusal before the last good start is history.
        if pod
            .and_then(|p| cx.cluster.pod(p))
            .is_some_and(|p| p.is_ready())
        {
            continue;
        }
        let place = hit
            .lines
            .iter()
            .flat_map(|l| &l.groups)
            .find(|g| !g.is_empty())
            .cloned()
            .unwrap_or_default();
        let entity = pod.map_or_else(
            || EntityId::other("program", "cloudflared"),
            |p| cx.top_owner(p),
        );
        let mut finding = RULE
            .on(entity)
            .title(if place.is_empty() { "cloudflared does not find its credentials file".to_owned() } else { format!("cloudflared does not find its credentials file {place}") })
            .why("Without it the tunnel does not start, and what is reached through it is cut off.")
            .term(93, "cloudflared says so")
            .dont("Don't make a new tunnel: its id changes, and every DNS record points at the old one.");
        for i in 0..hit.lines.len() {
            finding = finding.cite(cx.log(hit, i, "where cloudflared looks"));
        }
        if let Some(id) = pod {
            let ns = id.namespace().unwrap_or_default();
            finding = finding
                .explains_observed(cx, &[K::ContainerCrashLoop, K::PodNotReady], id)
                .safe("Compare the path with the mounts and the keys of the Secret: a key is a file's name.", command!("kubectl describe pod {} -n {}; kubectl describe secrets -n {}", id.name(), ns, ns));
            for edge in cx
                .cluster
                .needs(id)
                .iter()
                .filter(|e| e.kind == EdgeKind::ReadsSecret)
            {
                let keys = cx
                    .cluster
                    .secrets
                    .iter()
                    .find(|s| cx.cluster.id(s.obj) == edge.to);
                if let Some(secret) = keys.filter(|s| !s.data.is_empty()) {
                    finding = finding.cite(cx.field(
                        secret.obj,
                        "/data",
                        format!("the files it gives: {}", secret.data.join(", ")),
                    ));
                }
            }
        }
        out.push(finding.check_first(
            "Correct credentials-file, or the key of the Secret.",
            "kubectl edit configmap CLOUDFLARED-CONFIG -n NAMESPACE",
        ));
    }
}
