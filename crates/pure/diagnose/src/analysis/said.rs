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
                    && matches!(t.reason.as_str(), "StartError" | "ContainerCannotRun" | "RunContainerError")
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
