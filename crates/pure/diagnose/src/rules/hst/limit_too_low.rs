//! # HST006 The container exceeds its own memory limit
//!
//! class: oomkilled-limit-too-low
//!
//! ## What it sees
//! A container whose last or present end is OOMKilled and that has a memory limit; or the kernel's
//! kill inside a pod's own cgroup.
//!
//! ## Why it matters
//! The limit is the container's own ceiling: the kernel kills it there although the node has memory
//! left. Programs that size their heap by the machine (JVM, Node, databases) hit it at once.
//!
//! ## What to do
//! Compare its use before the kill with the limit. Raise the limit, or tell the program its size
//! (heap, workers, cache).
//!
//! ## What not to do
//! Do not remove the limit: the next shortage is the whole node's.

use crate::analysis::called::called;
use crate::analysis::oom;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST006",
    class: "oomkilled-limit-too-low",
    needs: &["Pod"],
    leads_to: &[K::ContainerOomKilled],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // Without memory on the whole machine a limit says nothing.
    let machine = cx
        .hits("kernel.oom-global")
        .chain(cx.hits("kernel.oom-machine"))
        .next()
        .is_some()
        || cx
            .cluster
            .events
            .iter()
            .any(|e| e.message.contains("OOM encountered"));
    let mut seen = false;
    for (entity, part, e, pod) in oom::containers(cx) {
        let Some((path, limit)) = oom::limit(pod, &part) else {
            continue;
        };
        seen = true;
        let owner = cx.top_owner(&entity);
        out.push(
            RULE.on(owner.clone())
                .key(part.clone())
                .title(format!("container {part} of {} exceeds its own memory limit of {limit}", called(&owner)))
                .why("The kernel kills the container at its limit, although the node may have memory left.")
                .term(70, "the container was killed for memory")
                .term(if machine { 0 } else { 20 }, "it has a memory limit, and nothing says that the node ran out")
                .cite(e)
                .cite(cx.field(pod.obj, &path, "the limit"))
                .explains(K::ContainerOomKilled, &entity)
                .safe("What does it use before it is killed?", command!("kubectl top pod {} -n {} --containers", pod.metadata.name, pod.metadata.namespace))
                .check_first("Raise the limit, or tell the program its size.", command!("kubectl edit {} {} -n {}", owner.kind(), owner.name(), pod.metadata.namespace))
                .dont("Don't remove the limit: the next shortage is the whole node's."),
        );
    }
    if seen || machine {
        return;
    }
    let in_container = || cx.hits("kernel.oom-in-container").next();
    if cx.hits("kernel.oom-pod").next().is_none()
        && let Some(group) = cx.hits("kernel.oom-in-group").next()
        && let Some(container) = in_container().filter(|c| c.entry == group.entry)
    {
        let program = container.lines.first().and_then(|l| l.groups.first());
        let program = program.map_or("a process", String::as_str);
        out.push(
            RULE.on(EntityId::other("nodes", "cluster"))
                .key("trace")
                .title(format!("{program} in a container came to the container's own memory limit"))
                .why("The kernel's trace goes through the limit of a control group, and the process lives in a container: the node may have memory left.")
                .term(76, "the kernel looks for memory in a control group, not in the machine")
                .cite(cx.log(container, 0, "the control group of a container"))
                .cite(cx.log(group, 0, "the limit that is full is the group's"))
                .safe("Which container is it, and what is its limit?", "journalctl -k | grep -A40 'invoked oom-killer'; kubectl get pods -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,LIMIT:.spec.containers[*].resources.limits.memory")
                .dont("Don't remove the limit: the next shortage is the whole node's."),
        );
    }
    for hit in cx.hits("kernel.oom-pod") {
        out.push(
            RULE.on(hit.entity.clone().unwrap_or_else(|| EntityId::other("nodes", "cluster")))
                .title("the kernel killed a process inside a pod's own memory limit")
                .why("A pod's cgroup has its own ceiling, although the node may have memory left.")
                .term(80, "the kernel names the pod's cgroup as the one that is full")
                .cite(cx.log(hit, 0, "the kernel's words"))
                .safe("Which pod is it?", "kubectl get pods -A -o custom-columns=UID:.metadata.uid,NS:.metadata.namespace,NAME:.metadata.name")
                .dont("Don't remove the limit: the next shortage is the whole node's."),
        );
    }
}
