//! # DNS003 CoreDNS does not understand its Corefile
//!
//! class: coredns-config-broken
//!
//! ## What it sees
//! CoreDNS' own refusal to start: an error while it reads the Corefile, with its line.
//!
//! ## Why it matters
//! A running CoreDNS keeps the last good configuration, so the fault shows only when its pod is next
//! started, long after the edit; then no name resolves.
//!
//! ## What to do
//! Correct the line in the ConfigMap `coredns` (on k3s: in `coredns-custom`, which it imports).
//!
//! ## What not to do
//! Do not edit the ConfigMap `coredns` on k3s for good: it is written anew at each start of k3s.

use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "DNS003",
    class: "coredns-config-broken",
    needs: &["container logs"],
    leads_to: &[K::DnsDown, K::ContainerCrashLoop],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for hit in cx.hits("coredns.corefile-broken") {
        let pod = hit.entity.as_ref();
        // While the pod serves, it serves by the last good configuration.
        if pod
            .and_then(|p| cx.cluster.pod(p))
            .is_some_and(|p| p.is_ready())
        {
            continue;
        }
        let what = hit
            .lines
            .iter()
            .rev()
            .flat_map(|l| l.groups.first())
            .next()
            .cloned()
            .unwrap_or_default();
        let mut finding = RULE
            .on(defib_model::edge::dns())
            .title(format!("CoreDNS does not understand its Corefile: {what}"))
            .why("CoreDNS does not start; no name resolves in the cluster.")
            .term(93, "CoreDNS says which line it does not understand")
            .safe("See the Corefile and what it imports.", "kubectl -n kube-system get configmap coredns coredns-custom -o yaml")
            .check_first("On k3s the Corefile itself is written anew at every start: correct what coredns-custom adds to it.", "kubectl -n kube-system edit configmap coredns-custom && kubectl -n kube-system rollout restart deployment coredns")
            .check_first("Elsewhere: correct it, then restart CoreDNS.", "kubectl -n kube-system edit configmap coredns && kubectl -n kube-system rollout restart deployment coredns")
            .dont("Don't restart the pods that can't resolve: they come back by themselves.");
        for i in 0..hit.lines.len() {
            finding = finding.cite(cx.log(hit, i, "CoreDNS refuses to start"));
        }
        for map in cx
            .cluster
            .config_maps
            .iter()
            .filter(|m| m.data.contains_key("Corefile"))
        {
            finding =
                finding.cite(cx.field(map.obj, "/data/Corefile", "the Corefile that is there now"));
        }
        if let Some(id) = pod {
            finding = finding.explains_observed(cx, &[K::ContainerCrashLoop], id);
        }
        out.push(finding);
    }
}
