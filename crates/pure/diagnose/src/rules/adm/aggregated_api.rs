//! # ADM010 An aggregated API can't be reached
//!
//! class: aggregated-api-down
//!
//! ## What it sees
//! An APIService that is not available (`MissingEndpoints`, `ServiceNotFound`, `FailedDiscoveryCheck`),
//! or the API server's own words about it, where nothing behind it explains it.
//!
//! ## Why it matters
//! `kubectl top`, autoscalers and every client that lists all kinds fail or wait; namespaces can't be
//! deleted.
//!
//! ## What to do
//! Look behind its Service: pods, endpoints, network from the API server's host to the pod network. If
//! the product is gone, delete the APIService.
//!
//! ## What not to do
//! Do not restart the API server: it only repeats what it can't reach.

use crate::analysis::aggregation::unavailable;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM010",
    class: "aggregated-api-down",
    needs: &["APIService"],
    leads_to: &[K::ApiServiceUnavailable],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for u in unavailable(cx) {
        // Another rule has the more exact word for it.
        let scrape_fails = u.name.ends_with("metrics.k8s.io")
            && cx.heard().any(|h| h.signal.starts_with("metrics-server."));
        if !u.proxy.is_empty() || u.holds || scrape_fails {
            continue;
        }
        let place = u
            .api
            .and_then(|a| a.spec.service.as_ref())
            .map(|s| (s.namespace.clone(), s.name.clone()));
        let behind = place.as_ref().map_or("its Service".to_owned(), |(ns, s)| {
            format!("Service {ns}/{s}")
        });
        let mut f = RULE
            .on(u.entity.clone())
            .title(format!("API {} can't be reached behind {behind}{}", u.name, if u.reason.is_empty() { String::new() } else { format!(" ({})", u.reason) }))
            .why("Discovery is incomplete: kubectl top, autoscalers and namespace deletions fail.")
            .term(75, "the API server says that it can't reach this API")
            .cite_all(u.evidence.iter().take(4).cloned())
            .weak()
            .explains_if(cx, K::ApiServiceUnavailable, &u.entity)
            .safe("See what is behind it.", place.as_ref().map_or(command!("kubectl get apiservice {} -o yaml", u.name), |(ns, s)| command!("kubectl get service,endpointslices,pods -n {}; kubectl describe apiservice {}; kubectl describe service {} -n {}", ns, u.name, s, ns)))
            .check_first("Bring its pods back, or open the way from the server's host to the pod network.", command!("kubectl get --raw /apis/{}", u.name.split_once('.').map_or(String::new(), |(v, g)| format!("{g}/{v}"))))
            .dont("Don't restart the API server: it only repeats what it can't reach.");
        if u.cut {
            f = f.undecided(
                "Do the pods behind it answer, and does the API server have a proxy in its environment?",
                command!("kubectl describe apiservice {}; systemctl show k3s -p Environment | grep -i proxy", u.name),
                &["aggregated-api-down", "apiserver-proxy-env"],
            );
        }
        // Nobody shows what is behind it, and nodes are down on which its pods may well have been.
        let pods = cx.cluster.pods.iter().map(|p| &p.status.pod_ip);
        let services = cx.cluster.services.iter().map(|s| &s.spec.cluster_ip);
        let shown = pods.chain(services).any(|ip| {
            !ip.is_empty()
                && ["/", ":"]
                    .iter()
                    .any(|end| u.text.contains(&format!("//{ip}{end}")))
        });
        if u.api.is_none() && !shown && cx.all(K::NodeNotReady).next().is_some() {
            f = f.undecided(
                "Did its pods run on the nodes that are not ready?",
                command!(
                    "kubectl get apiservice {}; kubectl get pods -A -o wide",
                    u.name
                ),
                &["aggregated-api-down", "host-down"],
            );
        }
        if u.starting {
            f = f.undecided(
                "The API server says so in the first minutes after a start, as at every start. Is the API there by now?",
                command!("kubectl get apiservice {}", u.name),
                &["aggregated-api-down"],
            );
        }
        if u.reason == "ServiceNotFound" {
            f = f.term(10, "its Service does not exist").destructive(
                "If the product is gone for good: delete its APIService.",
                command!("kubectl delete apiservice {}", u.name),
            );
        }
        out.push(f);
    }
}
