//! # HST005 The kernel killed a process because the machine ran out of memory
//!
//! class: oom-kill
//!
//! ## What it sees
//! The kernel's `Out of memory: Killed process` (not that of one container's cgroup), the same for a unit
//! of systemd that has a limit of its own (`MemoryMax=`), the kubelet's
//! event SystemOOM, or a container OOMKilled that has no memory limit of its own.
//!
//! ## Why it matters
//! When the machine as a whole has no memory left, the kernel chooses the victim: it may be a
//! database, k3s itself, or the VM on a hypervisor, and not the one that ate the memory.
//!
//! ## What to do
//! Find who holds the memory (the kernel's table before the kill lists all processes). Give
//! workloads limits, keep a reserve for the system (`system-reserved`), or add memory.
//!
//! ## What not to do
//! Do not just restart the victim: the next kill comes at the same level. Do not put swap under etcd
//! to get by.

use crate::analysis::host;
use crate::analysis::oom;
use crate::rules::prelude::*;
use defib_model::Evidence;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST005",
    class: "oom-kill",
    needs: &["Node", "Pod"],
    leads_to: &[K::ContainerOomKilled, K::ContainerCrashLoop],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut system: Vec<Finding> = Vec::new();
    // The kernel's summary says that the shortage was the machine's; the next line names the victim.
    for hit in cx
        .hits("kernel.oom-machine")
        .chain(cx.hits("kernel.oom-global"))
    {
        let victims = cx
            .hits("kernel.oom-global")
            .filter(|h| h.entry == hit.entry);
        let victim = victims
            .filter_map(|h| h.lines.first()?.groups.first().cloned())
            .next()
            .unwrap_or_default();
        let entity = hit
            .entity
            .clone()
            .unwrap_or_else(|| EntityId::other("nodes", "cluster"));
        system.push(
            found(entity, &victim)
                .term(90, "the kernel says so")
                .cite(cx.log(hit, 0, "the kernel's words")),
        );
    }
    for event in cx
        .cluster
        .events
        .iter()
        .filter(|e| e.message.contains("OOM encountered") && e.about.kind() == "node")
    {
        let victim = crate::analysis::between(&event.message, "victim process: ", ",")
            .unwrap_or("")
            .to_owned();
        system.push(
            found(event.about.clone(), &victim)
                .term(88, "the kubelet reports it")
                .cite(cx.event(event, "the kubelet saw a kill by the kernel")),
        );
    }
    if system.is_empty() {
        system = units(cx);
    }
    if system.is_empty() {
        system = services(cx);
    }
    if system.is_empty() {
        for (entity, part, e, pod) in oom::containers(cx) {
            if oom::limit(pod, &part).is_some() {
                continue;
            }
            let node = if pod.spec.node_name.is_empty() {
                entity.clone()
            } else {
                EntityId::object("Node", "", "", &pod.spec.node_name)
            };
            // What a command printed of a pod shows no limits: whose ceiling it was is open then.
            let whole = cx.cluster.object(pod.obj).is_some_and(|o| !o.printed);
            if !whole {
                out.push(unlimited_or_not(cx, node, &entity, e));
                continue;
            }
            out.push(
                found(node, &part)
                    .term(60, "a container was killed for memory")
                    .term(15, "it has no memory limit of its own")
                    .cite(e)
                    .explains(K::ContainerOomKilled, &entity),
            );
        }
        return;
    }
    // Containers without a limit were hit by the same shortage.
    for mut finding in system {
        for (entity, part, e, pod) in oom::containers(cx) {
            let same_node =
                finding.entity.kind() != "node" || finding.entity.name() == pod.spec.node_name;
            if oom::limit(pod, &part).is_none() && same_node {
                finding = finding.cite(e).explains(K::ContainerOomKilled, &entity);
            }
        }
        out.push(finding);
    }
}

/// A container was killed, and nothing shows whether it has a limit.
fn unlimited_or_not(cx: &Context<'_>, node: EntityId, pod: &EntityId, e: Evidence) -> Finding {
    let namespace = pod.namespace().unwrap_or("default");
    RULE.on(node)
        .title(format!("a container of pod {} was killed for memory: at its own limit, or because its node had none left", pod.name()))
        .why("At a container's own limit the machine may have memory left; without a limit the whole machine is short.")
        .term(45, "the state of its container says so")
        .cite(e)
        .explains_if(cx, K::ContainerOomKilled, pod)
        .undecided(
            "Has the container a memory limit, and does the kernel name the whole machine?",
            command!(
                "kubectl get pod {} -n {} -o jsonpath='{{.spec.containers[*].resources}}'; dmesg -T | grep -iE 'oom-kill|out of memory'",
                pod.name(),
                namespace
            ),
            &["oomkilled-limit-too-low", "oom-kill"],
        )
        .dont("Don't remove a limit before you know whose memory ran out.")
}

/// Units that came to the limit of their own control group: the machine may have memory left.
fn units(cx: &Context<'_>) -> Vec<Finding> {
    let lines = host::lines(
        cx,
        &["kernel.oom-unit"],
        "the kernel kills for the limit of this unit, not of the machine",
    );
    // What a pod or a container is limited to is told elsewhere.
    let lines = lines
        .into_iter()
        .filter(|l| !OF_PODS.iter().any(|w| l.text.contains(w)))
        .collect();
    host::by_host(lines)
        .into_iter()
        .map(|(host, lines)| {
            let (unit, victim) = lines
                .first()
                .map_or(("", ""), |l| (l.group(0), l.group(1)));
            let finding = RULE
                .on(host.clone())
                .title(format!("{unit} reached its own memory limit, and the kernel killed {victim} in it"))
                .why("A limit on the unit of k3s counts everything that it starts; what is killed takes k3s with it.")
                .term(90, "the kernel says so, and names the unit's control group")
                .cite_all(host::quotes(&lines))
                .safe(
                    "What is the unit limited to, and who set it?",
                    command!("systemctl show {} -p MemoryMax -p MemoryHigh -p NRestarts; systemctl cat {}", unit, unit),
                )
                .check_first(
                    "Take the limit away, or raise it.",
                    command!("systemctl set-property {} MemoryMax=infinity && systemctl restart {}", unit, unit),
                )
                .dont("Don't look for damage in the datastore first: it was cut off, and recovers by itself.");
            host::claim(
                cx,
                finding,
                &host,
                &lines,
                &[K::ServiceFailing, K::DatastoreFailing, K::DatastoreSlow],
            )
        })
        .collect()
}

/// Control groups of pods and containers.
const OF_PODS: &[&str] = &["kubepods", "cri-containerd-", "docker-"];

/// Units that systemd saw killed for memory. A scope of a pod is the pod's own limit.
fn services(cx: &Context<'_>) -> Vec<Finding> {
    let lines = host::lines(
        cx,
        &["systemd.oom-unit", "systemd.oom-killed", "systemd.oomd"],
        "systemd saw the kill",
    );
    let lines = lines
        .into_iter()
        .filter(|l| !OF_PODS.iter().any(|w| l.group(0).contains(w)))
        .collect();
    host::by_host(lines)
        .into_iter()
        .map(|(host, lines)| {
            let unit = lines.first().map_or("", |l| l.group(0)).to_owned();
            let finding = found(host.clone(), &unit)
                .term(84, "systemd says that the kernel killed it for memory")
                .cite_all(lines.iter().map(|l| l.evidence.clone()));
            let finding = match short(cx, &host) {
                // A unit may have a limit of its own; where the machine has nothing left, it was that.
                Some(e) => finding
                    .term(6, "the machine has next to no memory left")
                    .cite(e),
                None => finding,
            };
            host::claim(cx, finding, &host, &lines, &[K::ServiceFailing])
        })
        .collect()
}

/// What `free` shows, where less than a tenth is left.
fn short(cx: &Context<'_>, host: &EntityId) -> Option<Evidence> {
    let name = host.name().to_owned();
    host::facts_anywhere(cx, |v| match v {
        Value::Memory(total, available) => Some((*total, *available)),
        _ => None,
    })
    .find(|(f, (total, available))| {
        host::same_host(&f.host, &name) && available.saturating_mul(10) < *total
    })
    .map(|(f, _)| cx.fact(f, "hardly any memory is available"))
}

fn found(entity: EntityId, victim: &str) -> Finding {
    let who = if victim.is_empty() {
        "a process".to_owned()
    } else {
        victim.to_owned()
    };
    RULE.on(entity)
        .title(format!("the machine ran out of memory and the kernel killed {who}"))
        .why("The kernel chooses the victim; it need not be the one that ate the memory.")
        .safe("Who holds the memory?", "journalctl -k | grep -B60 'Out of memory' | tail -80; free -h; kubectl top pods -A --sort-by=memory | head")
        .advice("Give workloads memory limits, keep a reserve for the system (kubelet-arg system-reserved), or add memory.")
        .dont("Don't just restart the victim: the next kill comes at the same level.")
}
