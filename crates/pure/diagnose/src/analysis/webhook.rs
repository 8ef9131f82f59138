//! Why calls to a webhook fail: nobody serves it, it is just starting, or its Service is gone.
//!
//! Sources: kubernetes `staging/src/k8s.io/apiserver/pkg/util/webhook` and
//! `staging/src/k8s.io/apiserver/pkg/util/proxy` (`service "x" not found`, `no endpoints available
//! for service "x"`). Where the API server dials the Service's address, as on k3s, a Service without
//! endpoints answers "connection refused" too. Deliberately absent: webhooks that fail open.

use std::collections::BTreeMap;

use defib_model::condition::ConditionKind as K;
use defib_model::id::EntityId;
use defib_model::views::meta::condition;
use defib_model::views::{Pod, WebhookConfiguration};
use jiff::Timestamp;

use super::said::{Said, known_gone, said};
use crate::context::Context;

/// Seconds in which a webhook's server may still be starting.
const STARTING: i64 = 300;

/// What the evidence says about one failing webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its Service does not exist.
    Orphaned,
    /// Nothing ready behind it.
    Down,
    /// It was called before its server listened.
    NotYet,
    /// Down or not yet: nothing tells which.
    DownOrNotYet,
    /// Another trouble (certificates), or over.
    Nothing,
}

/// Failing calls of one webhook.
pub struct Failing<'a> {
    /// The configuration, or the webhook by name.
    pub entity: EntityId,
    /// The webhook.
    pub name: String,
    /// The configuration, and the index of the webhook in it.
    pub config: Option<(&'a WebhookConfiguration, usize)>,
    /// Namespace and name of its Service.
    pub service: Option<(String, String)>,
    /// The failures.
    pub said: Vec<Said>,
    /// What it comes to.
    pub verdict: Verdict,
    /// One of its own pods' owners that it refuses.
    pub blocks_itself: Option<EntityId>,
    /// Its pods, where they are known.
    pub pods: Option<Vec<&'a Pod>>,
}

/// The configuration that holds a webhook of this name.
pub fn config_of<'a>(cx: &Context<'a>, name: &str) -> Option<(&'a WebhookConfiguration, usize)> {
    cx.cluster
        .webhooks
        .iter()
        .find_map(|c| Some((c, c.webhooks.iter().position(|w| w.name == name)?)))
}

/// The entity of a webhook: its configuration where that is known.
pub fn entity_of(cx: &Context<'_>, name: &str) -> EntityId {
    config_of(cx, name).map_or_else(
        || EntityId::other("webhook", name),
        |(c, _)| cx.cluster.id(c.obj),
    )
}

/// All failures of webhooks that are no history.
pub fn failures(cx: &Context<'_>) -> BTreeMap<String, Vec<Said>> {
    let mut out: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    for s in said(
        cx,
        "failed calling webhook",
        "apiserver.webhook-failed",
        "the API server refuses because this webhook does not answer",
    ) {
        if let Some(name) = super::webhook_in(&s.text)
            .or_else(|| super::between(&s.text, "failed calling webhook \"\"", "\"\""))
        {
            let name = if name.is_empty() {
                super::between(&s.text, "\"\"", "\"\"").unwrap_or_default()
            } else {
                name
            };
            out.entry(name.to_owned()).or_default().push(s);
        }
    }
    if !out.is_empty() {
        return out;
    }
    // The call alone, without whose it is: the API server calls webhooks, and resolves their Services itself.
    for s in said(
        cx,
        ".svc:443/",
        "apiserver.webhook-no-service",
        "the API server does not find the Service of a webhook",
    ) {
        if s.text.contains("\" not found")
            && let Some((ns, name)) = service_in(&s.text)
        {
            out.entry(format!("{name}.{ns}.svc")).or_default().push(s);
        }
    }
    out
}

/// Judges every failing webhook.
pub fn failing<'a>(cx: &Context<'a>) -> Vec<Failing<'a>> {
    failures(cx)
        .into_iter()
        .map(|(name, said)| judge(cx, name, said))
        .collect()
}

fn judge<'a>(cx: &Context<'a>, name: String, said: Vec<Said>) -> Failing<'a> {
    let config = config_of(cx, &name);
    let hook = config.and_then(|(c, i)| c.webhooks.get(i));
    let service = hook
        .and_then(|h| h.client_config.service.as_ref())
        .map(|s| (s.namespace.clone(), s.name.clone()))
        .or_else(|| said.iter().find_map(|s| service_in(&s.text)));
    let pods = service.as_ref().and_then(|(ns, name)| pods(cx, ns, name));
    let blocks_itself = service.as_ref().and_then(|(ns, _)| {
        said.iter()
            .filter_map(|s| s.who.clone())
            .find(|w| w.namespace() == Some(ns) && cx.has(K::PodRefused, w).is_some())
    });
    let open = hook.is_some_and(|h| h.failure_policy == "Ignore")
        || said
            .iter()
            .all(|s| s.evidence.text.contains("failing open"));
    // No configuration of that name is there any more: nobody calls it.
    let gone = config.is_none()
        && [
            "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration",
        ]
        .iter()
        .all(|kind| cx.cluster.is_listed(kind, ""));
    let verdict = if open || gone {
        Verdict::Nothing
    } else {
        verdict(
            cx,
            config.is_some(),
            service.as_ref(),
            pods.as_deref(),
            &said,
        )
    };
    Failing {
        entity: entity_of(cx, &name),
        name,
        config,
        service,
        said,
        verdict,
        blocks_itself,
        pods,
    }
}

fn verdict(
    cx: &Context<'_>,
    configured: bool,
    service: Option<&(String, String)>,
    pods: Option<&[&Pod]>,
    said: &[Said],
) -> Verdict {
    let any = |words: &str| said.iter().any(|s| s.text.contains(words));
    let id = service.map(|(ns, name)| EntityId::object("Service", "", ns, name));
    let exists = id.as_ref().is_some_and(|i| cx.cluster.find(i).is_some());
    if any("x509: ") || any("tls: ") {
        return Verdict::Nothing;
    }
    let not_found = service.is_some_and(|(_, name)| {
        any(&format!("service \"{name}\" not found"))
            || any(&format!("service \"\"{name}\"\" not found"))
    });
    // Only of a Service that is there does the API server say that it has no endpoints, or that it
    // refuses. A log alone that says so of one that is not comes from elsewhere.
    let there = any("no endpoints available") || any("connection refused");
    let missing = id.as_ref().is_some_and(|i| known_gone(cx, i));
    if missing && there && !configured && said.iter().all(|s| s.who.is_none()) {
        return Verdict::Nothing;
    }
    if !exists && (not_found || missing) {
        return Verdict::Orphaned;
    }
    let reached = any("connection refused") || any("no endpoints available") || not_found;
    let slow = any("context deadline exceeded")
        || any("i/o timeout")
        || any("no route to host")
        || any("EOF")
        || any("Client.Timeout");
    if !reached && !slow {
        return Verdict::Nothing;
    }
    // A server that ends because of it starts anew for ever: what is behind the webhook runs on that server.
    let ends_the_server = said
        .iter()
        .any(|s| s.who.is_none() && s.evidence.text.contains("level=fatal"));
    if ends_the_server && pods.is_none() {
        return Verdict::Down;
    }
    let last = said.iter().filter_map(|s| s.last).max();
    if let Some(pods) = pods {
        if let Some(since) = pods
            .iter()
            .filter(|p| p.is_ready())
            .map(|p| ready_since(p))
            .min()
        {
            let before = matches!((last, since), (Some(l), Some(s)) if l <= s);
            return if reached && before && said.iter().any(|s| s.who.is_some()) {
                Verdict::NotYet
            } else {
                Verdict::Nothing
            };
        }
        let starting = !pods.is_empty()
            && pods.iter().all(|p| {
                let id = cx.cluster.id(p.obj);
                cx.cluster
                    .age_seconds(p.metadata.creation_timestamp)
                    .is_some_and(|age| age < STARTING)
                    && !cx.conditions.iter().any(|c| c.entity == id)
            });
        return if starting {
            Verdict::NotYet
        } else {
            Verdict::Down
        };
    }
    if any("no endpoints available") {
        return Verdict::Down;
    }
    if any("connection refused") {
        let first = said.iter().filter_map(|s| s.first).min();
        let long = matches!((first, last), (Some(a), Some(b)) if b.as_second() - a.as_second() >= STARTING);
        if long {
            return Verdict::Down;
        }
        // A client that has just installed the thing and applies the next one.
        let client = said
            .iter()
            .all(|s| s.who.is_none() && s.speaker.is_none() && s.count <= 2);
        return if client {
            Verdict::NotYet
        } else {
            Verdict::DownOrNotYet
        };
    }
    Verdict::DownOrNotYet
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    condition(&pod.status.conditions, "Ready").and_then(|(_, c)| c.last_transition_time)
}

/// The pods behind a Service, if the evidence can tell.
fn pods<'a>(cx: &Context<'a>, ns: &str, name: &str) -> Option<Vec<&'a Pod>> {
    let cluster = cx.cluster;
    let service = cluster
        .services
        .iter()
        .find(|s| s.metadata.namespace == ns && s.metadata.name == name)?;
    let found: Vec<&Pod> = cluster
        .pods
        .iter()
        .filter(|p| {
            p.metadata.namespace == ns
                && !p.is_finished()
                && !service.spec.selector.is_empty()
                && service
                    .spec
                    .selector
                    .iter()
                    .all(|(k, v)| p.metadata.labels.get(k) == Some(v))
        })
        .collect();
    (!found.is_empty() || cluster.is_listed("Pod", ns)).then_some(found)
}

/// Namespace and name of the Service in `Post "https://NAME.NS.svc:443/…"`.
fn service_in(message: &str) -> Option<(String, String)> {
    let host = message
        .split_once("https://")?
        .1
        .split([':', '/', '?', '"'])
        .next()?;
    let mut parts = host.split('.');
    let (name, ns, svc) = (parts.next()?, parts.next()?, parts.next()?);
    (svc == "svc").then(|| (ns.to_owned(), name.to_owned()))
}
