//! # DNS001 CoreDNS forwards to itself
//!
//! class: coredns-forward-loop
//!
//! ## What it sees
//! CoreDNS' own loop detection in the log of a CoreDNS pod: a probe query came back to the server
//! that sent it.
//!
//! ## Why it matters
//! CoreDNS stops on purpose when it finds a loop, so that it does not eat all memory. Without it no
//! name resolves in the cluster, and programs that need one crash in turn.
//!
//! ## What to do
//! Point `forward` in the Corefile at a real upstream, or give the kubelet a `resolv.conf` that does
//! not name a stub on the node (127.0.0.53, 127.0.0.1): on systemd-resolved hosts
//! `/run/systemd/resolve/resolv.conf` (k3s: `--resolv-conf`). Then restart CoreDNS.
//!
//! ## What not to do
//! Do not take the `loop` plugin out of the Corefile: the loop stays, and the memory goes. Do not
//! restart the pods that crash behind it: they come back by themselves.

use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "DNS001",
    class: "coredns-forward-loop",
    needs: &["container logs"],
    leads_to: &[K::DnsDown, K::NameResolutionFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for hit in cx.hits("coredns.loop") {
        let pod = hit.entity.as_ref();
        // A loop found before the last good start is history.
        if pod
            .and_then(|p| cx.cluster.pod(p))
            .is_some_and(|p| p.is_ready())
        {
            continue;
        }
        let mut finding = RULE
            .on(defib_model::edge::dns())
            .title("CoreDNS forwards queries to itself and stops")
            .why("CoreDNS detects the loop and exits on purpose; until it is broken, no name resolves in the cluster.")
            .term(85, "CoreDNS' own loop detection says so")
            .cite(cx.log(hit, 0, "the query that CoreDNS sent upstream came back to itself"))
            .advice(crate::analysis::product::UPSTREAM)
            .check_first(
                "Elsewhere: point `forward` at a real upstream instead of the node's stub resolver.",
                "kubectl -n kube-system edit configmap coredns",
            )
            .safe("See which resolver the node hands on.", "grep nameserver /etc/resolv.conf /run/systemd/resolve/resolv.conf")
            .check_first("Then restart CoreDNS.", "kubectl -n kube-system rollout restart deployment coredns")
            .dont("Don't remove the loop plugin from the Corefile: the loop stays and eats the memory.")
            .dont("Don't restart the pods that can't resolve: they come back by themselves.");
        for map in cx.cluster.config_maps.iter().filter(|m| {
            m.data
                .get("Corefile")
                .is_some_and(|c| c.contains("forward"))
        }) {
            finding = finding.cite(cx.field(map.obj, "/data/Corefile", "the Corefile in use"));
        }
        if let Some(id) = pod {
            finding = finding
                .term(
                    10,
                    "it is the last word of a pod that serves the cluster's DNS",
                )
                .explains_if(cx, K::ContainerCrashLoop, id);
        }
        out.push(finding);
    }
}
