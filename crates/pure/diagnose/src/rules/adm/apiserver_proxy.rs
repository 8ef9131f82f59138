//! # ADM011 The API server's proxy settings catch calls to aggregated APIs
//!
//! class: apiserver-proxy-env
//!
//! ## What it sees
//! An aggregated API that fails its discovery check with `proxyconnect` or the bare words of a proxy's refusal
//! (`: Forbidden`) in the message, or while the evidence shows `HTTP_PROXY`/`HTTPS_PROXY` set for the server.
//!
//! ## Why it matters
//! The proxy does not know Service and pod addresses. Everything else works, because only the
//! aggregator (and webhooks) dial such addresses by HTTP from the server's process.
//!
//! ## What to do
//! Put the cluster and Service ranges, `.svc` and `.cluster.local` into `NO_PROXY` of the server (k3s:
//! /etc/systemd/system/k3s.service.env), and restart it.
//!
//! ## What not to do
//! Do not delete the APIService, and do not turn off certificate checks: neither is the cause.

use crate::analysis::aggregation::{refused_by_proxy, unavailable};
use crate::analysis::host;
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM011",
    class: "apiserver-proxy-env",
    needs: &["APIService"],
    leads_to: &[K::ApiServiceUnavailable, K::WebhookFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for u in unavailable(cx).into_iter().filter(|u| !u.proxy.is_empty()) {
        let said_so = u.text.contains("proxyconnect") || refused_by_proxy(&u.text);
        let finding = RULE.on(u.entity.clone())
                .title(format!("calls to API {} go through the server's HTTP proxy, which can't reach it", u.name))
                .why("Service and pod addresses must not go through a proxy; NO_PROXY lacks them.")
                .term(if said_so { 90 } else { 45 }, if said_so { "the error comes from connecting to a proxy" } else { "the discovery check fails while a proxy is set in the environment" })
                .cite_all(u.evidence.first().cloned())
                .cite_all(u.proxy.iter().skip(usize::from(said_so)).take(3).cloned())
                .explains_if(cx, K::ApiServiceUnavailable, &u.entity)
                .safe("See the server's environment.", "grep -i proxy /etc/systemd/system/k3s.service.env /etc/default/k3s; systemctl show k3s -p Environment")
                .check_first("Add the pod and Service ranges, .svc and .cluster.local to NO_PROXY, then restart the server.", "systemctl restart k3s")
                .dont("Don't delete the APIService or switch off certificate checks: neither is the cause.");
        // k3s adds the ranges of pods and Services to NO_PROXY itself (`pkg/server/server.go`, setNoProxyEnv); and
        // the environment may be anybody's.
        out.push(match said_so {
            true => finding,
            false => finding.undecided(
                "Is that the API server's environment, and does its NO_PROXY lack the ranges of pods and Services?",
                "tr '\\0' '\\n' < /proc/$(pgrep -o -f 'kube-apiserver|k3s server')/environ | grep -i proxy",
                &["apiserver-proxy-env", "aggregated-api-down"],
            ),
        });
    }
    webhooks(cx, out);
    // A proxy that does not know the address ends the connection; so does a backend that dies.
    for u in unavailable(cx)
        .into_iter()
        .filter(|u| u.cut && u.proxy.is_empty() && u.text.trim_end().ends_with(": EOF"))
    {
        out.push(
            RULE.on(u.entity.clone())
                .title(format!("calls to API {} end before an answer; a proxy in between would do that", u.name))
                .term(40, "the connection is closed without a word of TLS or HTTP")
                .cite_all(u.evidence.first().cloned())
                .undecided(
                    "Has the API server a proxy in its environment, and does NO_PROXY name the pods' range?",
                    "grep -i proxy /etc/systemd/system/k3s.service.env /etc/default/k3s; tr '\\0' '\\n' < /proc/$(pgrep -o -f kube-apiserver)/environ | grep -i proxy",
                    &["apiserver-proxy-env", "aggregated-api-down"],
                ),
        );
    }
}

/// Webhooks are called by the same process: a Service's name that no_proxy lacks goes to the proxy, which answers in
/// its own words.
fn webhooks(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::WebhookFailing) {
        let Some(said) = c.evidence.iter().find(|e| refused_by_proxy(&e.text)) else {
            continue;
        };
        let environment = host::facts_anywhere(cx, |value| match value {
            Value::Setting { name, .. } => {
                let name = name.to_ascii_lowercase();
                matches!(name.as_str(), "https_proxy" | "http_proxy" | "no_proxy").then_some(())
            }
            _ => None,
        });
        out.push(
            RULE.on(c.entity.clone())
                .title("calls to a webhook go through the server's HTTP proxy, which can't reach it")
                .why("The API server calls webhooks by their Service's name; NO_PROXY lacks it.")
                .term(82, "the answer is a proxy's, not the webhook's")
                .cite(said.clone())
                .cite_all(environment.map(|(fact, ())| cx.fact(fact, "a proxy is set")).take(3))
                .explains(K::WebhookFailing, &c.entity)
                .safe("See the server's environment.", "grep -i proxy /etc/systemd/system/k3s.service.env /etc/default/k3s; systemctl show k3s -p Environment")
                .check_first("Add .svc, .cluster.local and the pod and Service ranges to NO_PROXY, then restart the server.", "systemctl restart k3s")
                .dont("Don't delete the webhook's configuration: it guards what is created."),
        );
    }
}
