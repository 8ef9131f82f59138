//! References of pods to Secrets, ConfigMaps and accounts: what a message names, and what is there.
//!
//! Source of the messages: kubernetes `pkg/kubelet/kubelet_pods.go` (environment),
//! `pkg/volume/{secret,configmap,projected}` (volumes), `plugin/pkg/admission/serviceaccount`.
//! Deliberately absent: references that nothing complains about. A running pod outlives its Secret.

use defib_model::ConditionKind as K;
use defib_model::edge::EdgeKind;
use defib_model::id::EntityId;
use defib_model::{Condition, Evidence};

use crate::context::Context;

/// A missing thing that keeps a pod from starting.
#[derive(Clone, Debug)]
pub struct Missing {
    /// The pod (or the owner that could not make one).
    pub pod: EntityId,
    /// The condition that it causes there.
    pub condition: K,
    /// What is missing.
    pub what: EntityId,
    /// The key of it, if only that is missing.
    pub key: Option<String>,
    /// Evidence: the message, then the field that refers.
    pub evidence: Vec<Evidence>,
    /// True when the evidence lists that kind in that namespace, and it is not there.
    pub looked: bool,
}

/// Conditions in which a missing reference shows.
const SHOWS_IN: [K; 2] = [K::ContainerConfigError, K::VolumeMountFailing];

/// What is missing, for every pod that waits for it.
pub fn missing(cx: &Context<'_>, kind: &str) -> Vec<Missing> {
    let mut out = Vec::new();
    for shows in SHOWS_IN {
        for c in cx.all(shows) {
            let Some(ns) = c.entity.namespace() else {
                continue;
            };
            let messages = messages(cx, c);
            for (text, evidence) in messages {
                if let Some((name, key)) = named(&text, kind, ns) {
                    out.push(found(cx, c, kind, ns, &name, key, vec![evidence]));
                }
            }
        }
    }
    out
}

/// What was said about a condition: the kubelet's own words in the status, and events.
fn messages(cx: &Context<'_>, c: &Condition) -> Vec<(String, Evidence)> {
    let mut out = Vec::new();
    if let Some(pod) = cx.cluster.pod(&c.entity) {
        for (path, status) in pod.statuses() {
            if let Some(w) = &status.state.waiting
                && !w.message.is_empty()
            {
                let e = cx.field(
                    pod.obj,
                    &format!("{path}/state/waiting/message"),
                    "the kubelet says what is missing",
                );
                out.push((w.message.clone(), e));
            }
        }
    }
    for event in cx.cluster.events_of(&c.entity) {
        if event.warning && matches!(event.reason.as_str(), "Failed" | "FailedMount") {
            out.push((
                event.message.clone(),
                cx.event(event, "the kubelet says what is missing"),
            ));
        }
    }
    out
}

/// The name, and the key if only that is missing, that a message says is missing.
fn named(message: &str, kind: &str, ns: &str) -> Option<(String, Option<String>)> {
    let (word, title) = match kind {
        "Secret" => ("secret", "Secret"),
        _ => ("configmap", "ConfigMap"),
    };
    // `couldn't find key password in Secret apps/db`
    if let Some(rest) = message.split_once("couldn't find key ").map(|r| r.1) {
        let (key, rest) = rest.split_once(&format!(" in {title} "))?;
        let full = rest.split([' ', ',', '"']).next().unwrap_or(rest);
        let (there, name) = full.split_once('/').unwrap_or((ns, full));
        return (there == ns).then(|| (name.to_owned(), Some(key.to_owned())));
    }
    // `references non-existent secret key: x` names the key, not the Secret.
    // `secret "db" not found`, `configmaps "x" not found`, `configmap "x" not found`
    for form in [format!("{word} \""), format!("{word}s \"")] {
        if let Some(name) = super::between(message, &form, "\" not found") {
            return Some((name.to_owned(), None));
        }
    }
    None
}

fn found(
    cx: &Context<'_>,
    c: &Condition,
    kind: &str,
    ns: &str,
    name: &str,
    key: Option<String>,
    mut evidence: Vec<Evidence>,
) -> Missing {
    let what = EntityId::object(kind, "", ns, name);
    let edge_kind = if kind == "Secret" {
        EdgeKind::ReadsSecret
    } else {
        EdgeKind::ReadsConfigMap
    };
    if let Some(pod) = cx.cluster.pod(&c.entity)
        && let Some(edge) = cx
            .cluster
            .needs(&c.entity)
            .iter()
            .find(|e| e.kind == edge_kind && e.to == what)
    {
        evidence.push(cx.field(
            pod.obj,
            &edge.field,
            format!("the pod asks for it here, by the name {name}"),
        ));
    }
    Missing {
        pod: c.entity.clone(),
        condition: c.kind,
        looked: cx.cluster.is_listed(kind, ns) && cx.cluster.find(&what).is_none(),
        what,
        key,
        evidence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_what_is_missing() {
        assert_eq!(
            named("secret \"a\" not found", "Secret", "n"),
            Some(("a".into(), None))
        );
        assert_eq!(
            named(
                "MountVolume.SetUp failed for volume \"v\" : configmap \"c\" not found",
                "ConfigMap",
                "n"
            ),
            Some(("c".into(), None))
        );
        assert_eq!(
            named(
                "MountVolume.SetUp failed for volume \"v\" : configmaps \"c\" not found",
                "ConfigMap",
                "n"
            ),
            Some(("c".into(), None))
        );
        assert_eq!(
            named("couldn't find key password in Secret n/db", "Secret", "n"),
            Some(("db".into(), Some("password".into())))
        );
        assert_eq!(
            named("couldn't find key a in ConfigMap n/db", "Secret", "n"),
            None
        );
        assert_eq!(
            named(
                "failed to sync configmap cache: timed out waiting for the condition",
                "ConfigMap",
                "n"
            ),
            None
        );
    }
}
