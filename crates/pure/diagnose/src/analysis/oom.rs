//! Containers that the kernel killed for memory, and their limits.
//!
//! Deliberately absent: kills that are told by exit code 137 alone; a kubelet's kill has it too.

use defib_model::condition::ConditionKind as K;
use defib_model::id::EntityId;
use defib_model::report::Evidence;
use defib_model::views::Pod;

use crate::context::Context;

/// Killed containers: pod, container, evidence, the pod itself.
pub fn containers<'a>(cx: &Context<'a>) -> Vec<(EntityId, String, Evidence, &'a Pod)> {
    let mut out = Vec::new();
    for (c, pod) in cx.pods(K::ContainerOomKilled) {
        for (path, s) in pod.statuses() {
            for (field, state) in [("state", &s.state), ("lastState", &s.last_state)] {
                if state
                    .terminated
                    .as_ref()
                    .is_some_and(|t| t.reason == "OOMKilled")
                {
                    let e = cx.field(
                        pod.obj,
                        &format!("{path}/{field}/terminated/reason"),
                        "the kernel killed this container for memory",
                    );
                    out.push((c.entity.clone(), s.name.clone(), e, pod));
                }
            }
        }
    }
    out
}

/// The memory limit of a container: where it stands, and what it is.
pub fn limit(pod: &Pod, container: &str) -> Option<(String, String)> {
    pod.spec
        .all_containers()
        .find(|(_, c)| c.name == container)
        .and_then(|(path, c)| {
            Some((
                format!("/spec/{path}/resources/limits/memory"),
                c.resources.limits.get("memory")?.clone(),
            ))
        })
}
