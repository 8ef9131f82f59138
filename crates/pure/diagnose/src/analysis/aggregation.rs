//! Why an aggregated API is not available: the proxy, its own pods, or simply unreachable.
//!
//! Source: kubernetes kube-aggregator `pkg/controllers/status/remote/remote_available_controller.go`
//! (reasons ServiceNotFound, EndpointsNotFound, MissingEndpoints, ServicePortError, FailedDiscoveryCheck).
//! Deliberately absent: APIs that the API server serves itself.

use std::collections::BTreeMap;

use defib_model::id::EntityId;
use defib_model::report::Evidence;
use defib_model::views::ApiService;
use defib_model::views::meta::condition;

use super::said::{Said, said};
use crate::analysis::order::{self, Moment};
use crate::context::Context;

/// What the evidence says about one unavailable API.
pub struct Unavailable<'a> {
    /// The APIService.
    pub entity: EntityId,
    /// `v1beta1.metrics.k8s.io`.
    pub name: String,
    /// The object, if it is in the evidence.
    pub api: Option<&'a ApiService>,
    /// Why, in one word of the aggregator; empty when only a log says so.
    pub reason: String,
    /// The messages.
    pub evidence: Vec<Evidence>,
    /// The messages as text.
    pub text: String,
    /// Only a line of its description is there.
    pub cut: bool,
    /// It is only said of the first minutes after a start of k3s.
    pub starting: bool,
    /// Evidence that the API server's calls go through a proxy.
    pub proxy: Vec<Evidence>,
    /// A namespace waits for this API before it can be deleted.
    pub holds: bool,
}

/// All APIs that are not available.
pub fn unavailable<'a>(cx: &Context<'a>) -> Vec<Unavailable<'a>> {
    let mut out: BTreeMap<String, Unavailable<'a>> = BTreeMap::new();
    let new = |name: &str| Unavailable {
        entity: EntityId::object("APIService", "apiregistration.k8s.io", "", name),
        name: name.to_owned(),
        api: None,
        reason: String::new(),
        evidence: Vec::new(),
        text: String::new(),
        cut: false,
        starting: false,
        proxy: Vec::new(),
        holds: false,
    };
    for api in &cx.cluster.api_services {
        let id = cx.cluster.id(api.obj);
        if cx
            .has(
                defib_model::condition::ConditionKind::ApiServiceUnavailable,
                &id,
            )
            .is_none()
        {
            continue;
        }
        let Some((i, c)) = condition(&api.status.conditions, "Available") else {
            continue;
        };
        let mut u = new(&api.metadata.name);
        u.api = Some(api);
        u.reason = c.reason.clone();
        u.text = c.message.clone();
        u.evidence.push(cx.field(
            api.obj,
            &format!("/status/conditions/{i}/message"),
            "why the API server can't use this API",
        ));
        u.evidence.push(cx.field(
            api.obj,
            &format!("/status/conditions/{i}/status"),
            "the API server counts it as unavailable",
        ));
        out.insert(api.metadata.name.clone(), u);
    }
    let well = |name: &str| {
        cx.cluster.api_services.iter().any(|a| {
            a.metadata.name == name
                && condition(&a.status.conditions, "Available")
                    .is_some_and(|(_, c)| c.status == "True")
        })
    };
    for (words, signal) in [
        (
            " failed with: failing or missing response from ",
            "apiserver.aggregated-unavailable",
        ),
        ("loading OpenAPI spec for ", "apiserver.aggregated-openapi"),
    ] {
        for s in said(cx, words, signal, "the API server can't reach this API") {
            let Some(name) = named(&s.text).filter(|n| !well(n)) else {
                continue;
            };
            let u = out.entry(name.clone()).or_insert_with(|| new(&name));
            u.text.push_str(&s.text);
            u.evidence.push(s.evidence);
        }
    }
    // A description whose head was cut away: the address says which API it is.
    for hit in cx.hits("apiserver.discovery-failed") {
        for (i, line) in hit.lines.iter().enumerate() {
            let [group, version, ..] = line.groups.as_slice() else {
                continue;
            };
            let name = format!("{version}.{group}");
            if well(&name) || out.contains_key(&name) {
                continue;
            }
            let mut u = new(&name);
            u.cut = true;
            u.reason = "FailedDiscoveryCheck".to_owned();
            u.text.clone_from(&line.text);
            u.evidence
                .push(cx.log(hit, i, "why the API server can't use this API"));
            out.insert(name, u);
        }
    }
    let starting = starts(cx);
    for u in out.values_mut().filter(|u| u.api.is_none() && !u.cut) {
        u.starting = starting;
    }
    let environment: Vec<Evidence> = ["apiserver.proxy-env", "apiserver.proxy-env-lower"]
        .iter()
        .flat_map(|signal| cx.hits(signal))
        .map(|h| cx.log(h, 0, "the environment sends calls through a proxy"))
        .collect();
    let held: Vec<Said> = discovery_failures(cx);
    for u in out.values_mut() {
        if u.text.contains("proxyconnect") || refused_by_proxy(&u.text) {
            u.proxy.extend(u.evidence.first().cloned());
            u.proxy.extend(environment.iter().cloned());
        } else if u.reason == "FailedDiscoveryCheck" || u.reason.is_empty() {
            u.proxy.extend(environment.iter().cloned());
        }
        u.holds = held.iter().any(|s| mentions(&s.text, &u.name));
    }
    out.into_values().collect()
}

/// Seconds that aggregated APIs may take after a start: their pods start behind it.
const PATIENCE: i64 = 180;

/// Are all lines about aggregated APIs from the first minutes after a start of k3s? Each start has them.
fn starts(cx: &Context<'_>) -> bool {
    let of = |names: &'static [&str]| cx.heard().filter(move |h| names.contains(&h.signal));
    let mut lines = of(&[
        "apiserver.aggregated-unavailable",
        "apiserver.aggregated-openapi",
    ])
    .peekable();
    lines.peek().is_some()
        && lines.all(|line| {
            of(&["k3s.up", "k3s.starting", "systemd.k3s-starts"]).any(|start| {
                let (begun, last) = (Moment::last(start), Moment::last(line));
                order::seconds(&begun, &last).is_some_and(|s| s <= PATIENCE)
            })
        })
}

/// Does the error consist of the words of an HTTP status alone? Go says so of the answer to CONNECT, which
/// only a proxy gives; a backend's own status stands with its number.
/// Source: Go `net/http/transport.go` (dialConn: `errors.New(text)` of the proxy's status).
pub fn refused_by_proxy(text: &str) -> bool {
    let end = text.trim_end().trim_end_matches('"');
    [
        "Forbidden",
        "Proxy Authentication Required",
        "Bad Gateway",
        "Service Unavailable",
        "Gateway Timeout",
    ]
    .iter()
    .any(|status| {
        end.strip_suffix(status)
            // Go before 1.14 did not quote the address.
            .is_some_and(|head| {
                head.ends_with("\": ")
                    || head.ends_with("\\\": ")
                    || (head.ends_with(": ") && head.contains(" https://"))
            })
    })
}

/// What namespaces say that can't be emptied because discovery fails.
pub fn discovery_failures(cx: &Context<'_>) -> Vec<Said> {
    said(
        cx,
        "Discovery failed for some groups, ",
        "apiserver.namespace-discovery",
        "the namespace can't be emptied while discovery fails",
    )
}

/// `metrics.k8s.io/v1beta1` in the message means APIService `v1beta1.metrics.k8s.io`.
pub fn mentions(message: &str, api: &str) -> bool {
    api.split_once('.')
        .is_some_and(|(version, group)| message.contains(&format!("{group}/{version}")))
}

/// `v1beta1.metrics.k8s.io failed with: …`, `loading OpenAPI spec for "v1beta1.metrics.k8s.io" …`.
fn named(text: &str) -> Option<String> {
    let name = match text.split_once("loading OpenAPI spec for ") {
        Some((_, rest)) => rest.trim_start_matches('"').split(['"', ' ']).next()?,
        None => text
            .split_once(" failed with: ")?
            .0
            .rsplit([' ', '"'])
            .next()?,
    };
    (name.starts_with('v') && name.contains('.')).then(|| name.to_owned())
}
