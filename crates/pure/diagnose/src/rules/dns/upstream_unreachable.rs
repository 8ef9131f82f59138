//! # DNS002 The upstream that CoreDNS forwards to does not answer
//!
//! class: coredns-upstream-unreachable
//!
//! ## What it sees
//! CoreDNS' own errors about forwarded queries: timeouts or refused connections to one upstream, without a
//! loop and with the API in reach.
//!
//! ## Why it matters
//! Names inside the cluster resolve, names outside do not: image pulls of nodes work, programs fail.
//!
//! ## What to do
//! Ask the upstream from the node and from a pod. Point `forward` at a resolver that answers (k3s:
//! `--resolv-conf`, or the ConfigMap `coredns-custom`).
//!
//! ## What not to do
//! Do not restart CoreDNS: it asks the same upstream again.

use std::collections::BTreeSet;

use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "DNS002",
    class: "coredns-upstream-unreachable",
    needs: &["container logs"],
    leads_to: &[K::NameResolutionFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // A loop answers its own queries late, too.
    if cx.hits("coredns.loop").next().is_some() {
        return;
    }
    let no_api = ["coredns.api-unreachable", "coredns.not-ready"]
        .iter()
        .any(|s| cx.hits(s).next().is_some());
    let failing: Vec<EntityId> = cx
        .all(K::NameResolutionFailing)
        .map(|c| c.entity.clone())
        .collect();
    for hit in cx.hits("coredns.upstream-timeout") {
        // One lost packet is nothing.
        if hit.count < 2 {
            continue;
        }
        let upstreams: BTreeSet<&str> = hit
            .lines
            .iter()
            .filter_map(|l| l.groups.get(1))
            .map(String::as_str)
            .filter(|g| !g.is_empty())
            .collect();
        let names = upstreams.iter().copied().collect::<Vec<_>>().join(", ");
        let mut finding = RULE
            .on(defib_model::edge::dns())
            .title(format!("CoreDNS gets no answer from the upstream it forwards to ({names})"))
            .why("Names inside the cluster resolve, names outside do not.")
            .term(if no_api { 50 } else { 74 }, format!("CoreDNS' own errors, {} of them", hit.count))
            .safe("Ask the upstream from the node, then from a pod.", command!("dig @{} example.com; kubectl run -it --rm ask --image=busybox -- nslookup example.com", upstreams.iter().next().copied().unwrap_or("UPSTREAM").trim_end_matches(":53")))
            .advice(crate::analysis::product::UPSTREAM)
            .check_first("Elsewhere: point forward at a resolver that answers.", "kubectl -n kube-system edit configmap coredns")
            .dont("Don't restart CoreDNS: it asks the same upstream again.");
        for i in 0..hit.lines.len() {
            finding = finding.cite(cx.log(hit, i, "a forwarded query without an answer"));
        }
        for map in cx.cluster.config_maps.iter().filter(|m| {
            m.data
                .get("Corefile")
                .is_some_and(|c| c.contains("forward"))
        }) {
            finding =
                finding.cite(cx.field(map.obj, "/data/Corefile", "where CoreDNS forwards to"));
        }
        for id in &failing {
            finding = finding.explains(K::NameResolutionFailing, id);
        }
        // CoreDNS asks HINFO of itself, at its start. Only failed queries of others show that pods reach
        // CoreDNS, so that the pod network carries as far as there. Source: coredns plugin/loop/setup.go.
        let asked_by_others = hit.lines.iter().any(|l| !l.text.contains(" HINFO: "));
        if no_api || !asked_by_others {
            finding = finding.undecided(
                "Is only the upstream out of reach for CoreDNS' pod, or everything outside its node?",
                "kubectl run -it --rm ask --image=busybox -- sh -c 'nslookup example.com; wget -qO- --no-check-certificate https://kubernetes.default'",
                &["coredns-upstream-unreachable", "host-firewall-blocks-pod-network", "pod-cidr-mismatch", "ip-forward-off"],
            );
        }
        out.push(finding);
    }
}
