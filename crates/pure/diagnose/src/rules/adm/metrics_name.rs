//! # ADM013 metrics-server calls kubelets by names that do not resolve
//!
//! class: metrics-node-name-unresolvable
//!
//! ## What it sees
//! metrics-server's own log: it can't scrape a kubelet, because the lookup of the node's name fails.
//!
//! ## Why it matters
//! Node names are often known to the hosts only. The cluster's DNS is well; it just was never told.
//!
//! ## What to do
//! Let metrics-server prefer addresses: `--kubelet-preferred-address-types=InternalIP`; or teach the
//! upstream DNS the nodes' names.
//!
//! ## What not to do
//! Do not restart CoreDNS: it answers as it should.

use defib_model::signal::Hit;

use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM013",
    class: "metrics-node-name-unresolvable",
    needs: &["container logs"],
    leads_to: &[K::PodNotReady],
    check,
};

/// What follows when metrics-server scrapes nothing: its readiness probe fails, and the API with it.
pub(crate) fn claims(cx: &Context<'_>, mut f: Finding, hit: &Hit) -> Finding {
    if let Some(pod) = &hit.entity {
        for kind in [K::ProbeFailing, K::PodNotReady, K::NameResolutionFailing] {
            f = f.explains_if(cx, kind, pod);
        }
    }
    let api = EntityId::object(
        "APIService",
        "apiregistration.k8s.io",
        "",
        "v1beta1.metrics.k8s.io",
    );
    f.explains_if(cx, K::ApiServiceUnavailable, &api)
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // When the cluster's DNS is down, no name resolves, and this one is no exception.
    if cx.all(K::DnsDown).next().is_some() {
        return;
    }
    for hit in cx.hits("metrics-server.name") {
        if hit
            .entity
            .as_ref()
            .and_then(|e| cx.cluster.pod(e))
            .is_some_and(|p| p.is_ready())
        {
            continue;
        }
        let f = RULE
            .on(EntityId::object("APIService", "apiregistration.k8s.io", "", "v1beta1.metrics.k8s.io"))
            .title("metrics-server calls the kubelets by node names that the cluster's DNS does not know")
            .why("Without a scrape it never becomes ready, and its API stays unavailable.")
            .term(88, "metrics-server's own log names the lookup that fails")
            .cite(cx.log(hit, 0, "the node's name does not resolve"))
            .advice("On k3s its own metrics-server is written anew at every start: run it with `--disable metrics-server` and apply one with your arguments.")
            .check_first("Elsewhere: let it call the nodes by their addresses.", "kubectl -n kube-system edit deployment metrics-server  # --kubelet-preferred-address-types=InternalIP")
            .dont("Don't restart CoreDNS: it answers as it should.");
        out.push(claims(cx, f, hit));
    }
}
