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
            let ns = c.entity.namespace().unwrap_or_default();
            let messages = messages(cx, c);
            for (text, evidence) in messages {
                // A table printed without its namespaces: the message may say it.
                let ns = match ns {
                    "" => space(&text).unwrap_or_default(),
                    ns => ns,
                };
                let in_volume = || named_in_volume(cx, &c.entity, &text, kind);
                if let Some((name, key)) = named(&text, kind, ns).or_else(in_volume)
                    && !there_by_now(cx, kind, ns, &name, key.as_deref())
                {
                    out.push(found(cx, c, kind, ns, &name, key, vec![evidence]));
                }
            }
        }
    }
    out.extend(beside(cx, kind, &out));
    for m in super::kubelet_words::loose(cx, "said.missing.", "the kubelet says what is missing") {
        // Without the object nobody knows the namespace, unless the message or the pod says it.
        let ns = m.pod.namespace().unwrap_or_default().to_owned();
        let ns = if ns.is_empty() {
            space(&m.text).unwrap_or_default().to_owned()
        } else {
            ns
        };
        if let Some((name, key)) = named(&m.text, kind, &ns)
            && name != "kube-root-ca.crt"
        {
            let what = if ns.is_empty() {
                EntityId::other(&kind.to_ascii_lowercase(), &name)
            } else {
                EntityId::object(kind, "", &ns, &name)
            };
            out.push(Missing {
                pod: m.pod,
                condition: K::ContainerConfigError,
                what,
                key,
                evidence: vec![m.evidence],
                looked: false,
            });
        }
    }
    out
}

/// One pod waits and nothing of it says for what, and one line beside it says what is missing: people cut
/// descriptions, and keep the last line.
fn beside(cx: &Context<'_>, kind: &str, found_before: &[Missing]) -> Option<Missing> {
    let mut troubled = cx.conditions.iter().filter(|c| c.entity.kind() == "pod");
    let id = match (troubled.next(), troubled.next()) {
        (None, _) => {
            // No trouble that a table would call one yet: of all pods one has not come up.
            let mut behind =
                (cx.cluster.pods.iter()).filter(|p| p.status.phase == "Pending" && !p.is_ready());
            match (behind.next(), behind.next()) {
                (Some(pod), None) => cx.cluster.id(pod.obj),
                _ => return None,
            }
        }
        (Some(c), None) if SHOWS_IN.contains(&c.kind) && messages(cx, c).is_empty() => {
            c.entity.clone()
        }
        _ => return None,
    };
    if !found_before.is_empty() {
        return None;
    }
    let ns = id.namespace().unwrap_or_default();
    let hit = cx
        .heard()
        .filter(|h| h.signal.starts_with("said.missing."))
        .find(|h| h.entity.as_ref().is_none_or(|e| *e == id))?;
    let text = hit.lines.first()?.text.replace("\\\"", "\"");
    let (name, key) = named(&text, kind, ns)?;
    let said = cx.log(hit, 0, "the kubelet says what is missing");
    if there_by_now(cx, kind, ns, &name, key.as_deref()) {
        return None;
    }
    let c = cx.conditions.iter().find(|c| c.entity == id);
    Some(match c {
        Some(c) => found(cx, c, kind, ns, &name, key, vec![said]),
        None => Missing {
            what: EntityId::object(kind, "", ns, &name),
            looked: cx.cluster.is_listed(kind, ns),
            pod: id,
            condition: K::VolumeMountFailing,
            key,
            evidence: vec![said],
        },
    })
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

/// The namespace that a message about a key names: `couldn't find key k in Secret shop/db`.
fn space(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("couldn't find key ")?;
    let (_, rest) = rest.split_once(" in ")?;
    let full = rest.split(' ').nth(1)?;
    Some(full.split_once('/')?.0)
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
        let same = there == ns || ns.is_empty();
        return same.then(|| (name.to_owned(), Some(key.to_owned())));
    }
    // `secret "db" not found`, `configmaps "x" not found`, `configmap "x" not found`
    for form in [format!("{word} \""), format!("{word}s \"")] {
        if let Some(name) = super::between(message, &form, "\" not found") {
            return Some((name.to_owned(), None));
        }
    }
    None
}

/// A volume picks keys out: `MountVolume.SetUp failed for volume "v" : references non-existent secret
/// key: k`. The message names the key and the volume; the pod says which object that is (empty when the
/// pod is not in the evidence). Source: kubernetes `pkg/volume/{secret,configmap,projected}`.
fn named_in_volume(
    cx: &Context<'_>,
    pod: &EntityId,
    message: &str,
    kind: &str,
) -> Option<(String, Option<String>)> {
    let mark = if kind == "Secret" {
        "references non-existent secret key: "
    } else {
        "references non-existent config key: "
    };
    let key = message
        .split_once(mark)?
        .1
        .split([' ', ',', '"', ']'])
        .next()?
        .to_owned();
    let volume = super::between(message, "for volume \"", "\"").unwrap_or_default();
    let asks = |items: &[defib_model::views::pod::KeyRef]| items.iter().any(|i| i.key == key);
    let name = cx.cluster.pod(pod).and_then(|p| {
        let v = p.spec.volumes.iter().find(|v| v.name == volume)?;
        let sources = v.projected.iter().flat_map(|p| &p.sources);
        if kind == "Secret" {
            let parts = sources.filter_map(|s| s.secret.as_ref());
            v.secret
                .as_ref()
                .map(|s| s.secret_name.clone())
                .or_else(|| {
                    parts
                        .into_iter()
                        .find(|s| asks(&s.items))
                        .map(|s| s.name.clone())
                })
        } else {
            let parts = sources.filter_map(|s| s.config_map.as_ref());
            v.config_map.as_ref().map(|s| s.name.clone()).or_else(|| {
                parts
                    .into_iter()
                    .find(|s| asks(&s.items))
                    .map(|s| s.name.clone())
            })
        }
    });
    Some((name.unwrap_or_default(), Some(key)))
}

/// The evidence holds what an older message misses.
fn there_by_now(cx: &Context<'_>, kind: &str, ns: &str, name: &str, key: Option<&str>) -> bool {
    let has = |k: &str| match kind {
        "Secret" => cx
            .cluster
            .secrets
            .iter()
            .any(|s| s.metadata.name == name && s.metadata.namespace == ns && s.has_key(k)),
        _ => cx
            .cluster
            .config_maps
            .iter()
            .any(|m| m.metadata.name == name && m.metadata.namespace == ns && m.has_key(k)),
    };
    match key {
        Some(k) => has(k),
        None => cx.cluster.has(kind, "", ns, name),
    }
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
    // Without the pod nobody knows which object the volume means: the pod itself stands for it.
    let what = if name.is_empty() {
        c.entity.clone()
    } else {
        EntityId::object(kind, "", ns, name)
    };
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
