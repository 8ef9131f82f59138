//! What was said about one pod: the kubelet's words in its status, and events about it.
//!
//! Deliberately absent: the meaning of the words. Rules and the other files here read them.

use defib_model::Evidence;
use defib_model::id::EntityId;

use crate::context::Context;

/// One message about a pod.
#[derive(Clone, Debug)]
pub struct Said {
    /// The container that is meant; empty when the message does not say.
    pub container: String,
    /// The message.
    pub text: String,
    /// Where it stands.
    pub evidence: Evidence,
}

/// Messages about this pod: of containers that are not ready, and events with one of these reasons.
pub fn said(cx: &Context<'_>, entity: &EntityId, reasons: &[&str], meaning: &str) -> Vec<Said> {
    let mut out = Vec::new();
    if let Some(pod) = cx.cluster.pod(entity) {
        for (path, status) in pod.statuses().filter(|(_, s)| s.ready != Some(true)) {
            let mut put = |pointer: &str, text: &str| {
                if !text.is_empty() {
                    out.push(Said {
                        container: status.name.clone(),
                        text: text.to_owned(),
                        evidence: cx.field(pod.obj, &format!("{path}/{pointer}"), meaning),
                    });
                }
            };
            if let Some(w) = &status.state.waiting {
                put("state/waiting/message", &w.message);
            }
            // Only of a container that never ran is the termination message the kubelet's own.
            for (at, state) in [("state", &status.state), ("lastState", &status.last_state)] {
                if let Some(t) = &state.terminated
                    && matches!(
                        t.reason.as_str(),
                        "StartError" | "ContainerCannotRun" | "RunContainerError"
                    )
                {
                    put(&format!("{at}/terminated/message"), &t.message);
                }
            }
        }
    }
    for event in cx.cluster.events_of(entity) {
        if reasons.contains(&event.reason.as_str()) {
            out.push(Said {
                container: event.container.clone().unwrap_or_default(),
                text: event.message.clone(),
                evidence: cx.event(event, meaning),
            });
        }
    }
    out
}

/// One message of a table or journal, with the pod that it is about (`pod/unnamed` if it does not say).
#[derive(Clone, Debug)]
pub struct Loose {
    /// The pod.
    pub pod: EntityId,
    /// The line, unescaped.
    pub text: String,
    /// Where it stands.
    pub evidence: Evidence,
}

/// Seconds before the end of the evidence after which a message that did not come again is history.
const HISTORY: i64 = 600;

/// Messages of tables and journals, where no list of pods and no event objects say more, and no pod
/// in the evidence is in trouble. What was said once, with a time, is not taken: a start is full of
/// such messages.
pub fn loose(cx: &Context<'_>, signal: &str, meaning: &str) -> Vec<Loose> {
    let events = cx.cluster.events.iter().any(|e| !e.printed);
    let better = cx.cluster.listed.contains_key("Pod") || events;
    if better || cx.conditions.iter().any(|c| c.entity.kind() == "pod") {
        return Vec::new();
    }
    let mut out = Vec::new();
    for hit in cx.heard().filter(|h| h.signal.starts_with(signal)) {
        let age = hit
            .last
            .zip(cx.cluster.as_of)
            .map(|(last, now)| now.as_second() - last.as_second());
        // Somebody pulled by hand, and this came of it.
        let tried = hit.lines.iter().any(|l| {
            l.text.starts_with("FATA[")
                || l.text.contains("\"PullImage from image service failed\"")
        });
        // What an image lacks does not come while one waits.
        let lasts = hit.signal.starts_with("said.exec-not-found");
        let once = hit.last.is_some() && hit.count < 2 && !tried && !lasts;
        if once || age.is_some_and(|a| a > HISTORY) {
            continue;
        }
        for (i, line) in hit.lines.iter().enumerate() {
            let text = line.text.replace("\\\"", "\"").replace("\\\\\"", "\"");
            let pod = hit.entity.clone().unwrap_or_else(|| pod_in(&text));
            // What it waited for has come.
            if (cx.cluster.pods.iter()).any(|p| p.metadata.name == pod.name() && p.is_ready()) {
                continue;
            }
            out.push(Loose {
                pod,
                text,
                evidence: cx.log(hit, i, meaning),
            });
        }
    }
    out
}

/// `pod="ns/name"` of the kubelet's journal, `pod/name` of `kubectl get events`.
fn pod_in(text: &str) -> EntityId {
    if let Some((ns, name)) = super::between(text, "pod=\"", "\"").and_then(|p| p.split_once('/')) {
        return EntityId::object("Pod", "", ns, name);
    }
    let named = text.split_whitespace().find_map(|w| w.strip_prefix("pod/"));
    EntityId::other("pod", named.unwrap_or("unnamed"))
}
