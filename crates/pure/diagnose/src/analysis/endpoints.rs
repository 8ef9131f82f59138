//! Services that reach nobody: a selector that meets no pod, and the pods that it perhaps means; a named
//! port that no selected pod declares.
//!
//! Source: kubernetes `pkg/controller/endpoint/endpoints_controller.go` and
//! `staging/src/k8s.io/endpointslice/` (pods without the named port are left out of the slice's ports).
//! Deliberately absent: pods that are selected and not ready; those are conditions of the pods.

use defib_model::views::network::{Service, ServicePort};
use defib_model::views::{Pod, Workload};

use super::policy::{named, or_tcp};
use crate::context::Context;

/// Pods that a Service perhaps means and does not select.
pub struct Near<'a> {
    /// One of them.
    pub pod: &'a Pod,
    /// The label that the Service selects and the pod does not carry (the first, of several).
    pub key: &'a str,
    /// The value that the Service wants.
    pub want: &'a str,
    /// The pod belongs to a workload of the Service's name.
    pub namesake: bool,
    /// The pod carries all but one of several labels.
    pub all_but_one: bool,
    /// The pod declares a port to which the Service sends.
    pub serves: bool,
    /// Enough to say so; otherwise somebody has to look.
    pub sure: bool,
}

/// Does the Service have a selector that meets no pod, no template and no address?
pub fn selects_nobody(cx: &Context<'_>, service: &Service) -> bool {
    let (ns, selector) = (&service.metadata.namespace, &service.spec.selector);
    let key = (ns.clone(), service.metadata.name.clone());
    let addressed = cx
        .cluster
        .endpoints
        .get(&key)
        .is_some_and(|e| e.ready + e.not_ready > 0);
    !selector.is_empty()
        && service.spec.kind != "ExternalName"
        && cx.cluster.is_listed("Pod", ns)
        && !addressed
        && cx.cluster.pods_with(ns, selector).next().is_none()
        && !cx.cluster.workloads.iter().any(|w| {
            let labels = &w.spec.template.metadata.labels;
            w.metadata.namespace == *ns && selector.iter().all(|(k, v)| labels.get(k) == Some(v))
        })
}

/// The pods that a Service which selects nobody comes nearest to.
pub fn nearest<'a>(cx: &'a Context<'_>, service: &'a Service) -> Option<Near<'a>> {
    let found = cx
        .cluster
        .pods
        .iter()
        .filter(|p| p.metadata.namespace == service.metadata.namespace && !p.is_finished())
        .filter_map(|p| near(cx, service, p));
    // Of equals the first: the order of objects is their names'.
    found.reduce(|best, n| {
        let rank = |n: &Near<'_>| (n.sure, n.namesake, n.serves, n.all_but_one);
        if rank(&n) > rank(&best) { n } else { best }
    })
}

fn near<'a>(cx: &Context<'_>, service: &'a Service, pod: &'a Pod) -> Option<Near<'a>> {
    let labels = &pod.metadata.labels;
    let selector = &service.spec.selector;
    let unmet: Vec<_> = selector
        .iter()
        .filter(|(k, v)| labels.get(*k) != Some(*v))
        .collect();
    let (key, want) = *unmet.first()?;
    let name = &service.metadata.name;
    let owner = maker(cx, pod);
    let namesake = owner.as_deref().is_some_and(|o| same_name(o, name));
    let all_but_one = unmet.len() == 1 && selector.len() > 1;
    let have = labels.get(key).map_or("", String::as_str);
    let resembles =
        alike(have, want) || alike(have, name) || labels.values().any(|v| v == want || v == name);
    let near = namesake || all_but_one || (selector.len() == 1 && resembles);
    if !near || turns_at_run_time(cx, pod, key, have) {
        return None;
    }
    let served = cx.cluster.services.iter().any(|s| {
        s.metadata.namespace == *service.metadata.namespace
            && !s.spec.selector.is_empty()
            && s.spec
                .selector
                .iter()
                .all(|(k, v)| labels.get(k) == Some(v))
    });
    let serves = serves(service, pod);
    // Two parts of one chart, each called as its label says, are not one another's near miss.
    let other_part = !namesake
        && word_of(owner.as_deref().unwrap_or(&pod.metadata.name), have)
        && word_of(name, want)
        && !word_of(name, have);
    if served && (!namesake || other_part) || other_part && serves != Some(true) {
        return None;
    }
    let sure = !served
        && !other_part
        && (namesake
            || (all_but_one && (serves != Some(false) || contained(have, want)))
            || (resembles && serves == Some(true)));
    Some(Near {
        pod,
        key,
        want,
        namesake,
        all_but_one,
        serves: serves == Some(true),
        sure,
    })
}

/// The name of what makes the pod, also where only the ReplicaSet's name is known.
fn maker(cx: &Context<'_>, pod: &Pod) -> Option<String> {
    let id = cx.cluster.id(pod.obj);
    let top = cx.top_owner(&id);
    if top == id {
        return None;
    }
    let hash = pod.metadata.labels.get("pod-template-hash");
    let stem = hash
        .filter(|_| top.kind().eq_ignore_ascii_case("ReplicaSet"))
        .and_then(|h| top.name().strip_suffix(h.as_str())?.strip_suffix('-'));
    Some(stem.unwrap_or(top.name()).to_owned())
}

fn same_name(owner: &str, service: &str) -> bool {
    let stem = |s: &str| {
        let cut = s
            .strip_suffix("-service")
            .or_else(|| s.strip_suffix("-svc"));
        cut.unwrap_or(s).to_owned()
    };
    stem(owner) == stem(service)
}

/// Labels such as a leader's role are not in the template; who carries them changes while all is well.
fn turns_at_run_time(cx: &Context<'_>, pod: &Pod, key: &str, have: &str) -> bool {
    if have.is_empty() {
        return false;
    }
    let id = cx.cluster.id(pod.obj);
    let mut at = &id;
    let mut template: Option<&Workload> = None;
    // Pod, ReplicaSet, Deployment; what owns itself must not hold this up.
    for _ in 0..4 {
        let Some(up) = cx.owner(at) else { break };
        let found = cx
            .cluster
            .workloads
            .iter()
            .find(|w| cx.cluster.id(w.obj) == *up);
        template = found.or(template);
        at = up;
    }
    match template {
        Some(w) => !w.spec.template.metadata.labels.contains_key(key),
        None => key.to_ascii_lowercase().ends_with("role"),
    }
}

fn contained(a: &str, b: &str) -> bool {
    !a.is_empty() && !b.is_empty() && (a.contains(b) || b.contains(a))
}

/// One holds the other, or they differ by a slip of the pen.
pub fn alike(a: &str, b: &str) -> bool {
    if a.len() < 3 || b.len() < 3 {
        return false;
    }
    contained(a, b) || (a.len() >= 4 && b.len() >= 4 && slips(a, b) <= 1 + a.len().min(b.len()) / 8)
}

/// Letters to change, add or drop (Levenshtein), for short names.
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let change = row.get(j).copied().unwrap_or(0) + usize::from(x != y);
            let drop = row.get(j + 1).copied().unwrap_or(0) + 1;
            let add = next.last().copied().unwrap_or(0) + 1;
            next.push(change.min(drop).min(add));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// Is this one of the words of a name: `worker` of `till-worker`?
fn word_of(name: &str, word: &str) -> bool {
    !word.is_empty() && format!("-{name}-").contains(&format!("-{word}-"))
}

fn target(port: &ServicePort) -> String {
    match port.target_port.as_str() {
        "" => port.port.unwrap_or(0).to_string(),
        text => text.to_owned(),
    }
}

/// Does the pod declare a port to which the Service sends? Nothing where it declares none: it need not.
fn serves(service: &Service, pod: &Pod) -> Option<bool> {
    let mut declared = pod.spec.containers.iter().flat_map(|c| &c.ports).peekable();
    declared.peek()?;
    let targets: Vec<String> = service.spec.ports.iter().map(target).collect();
    Some(declared.any(|p| {
        let number = p.container_port.map(|n| n.to_string());
        targets
            .iter()
            .any(|t| *t == p.name || number.as_deref() == Some(t))
    }))
}

/// The first port of a Service whose name none of the selected pods declares, with one of the pods; only
/// where no other port of the Service leads anywhere. A headless Service hands out addresses all the same.
pub fn unknown_port<'a>(
    cx: &'a Context<'_>,
    service: &'a Service,
) -> Option<(usize, &'a str, &'a Pod)> {
    if service.spec.selector.is_empty()
        || service.spec.kind == "ExternalName"
        || service.spec.cluster_ip == "None"
    {
        return None;
    }
    let pods: Vec<&Pod> = cx
        .cluster
        .pods_with(&service.metadata.namespace, &service.spec.selector)
        .filter(|p| !p.is_finished())
        .collect();
    let pod = pods.first()?;
    let mut first = None;
    for (i, port) in service.spec.ports.iter().enumerate() {
        let name = port.target_port.as_str();
        let dead = !name.is_empty()
            && name.parse::<i64>().is_err()
            && pods
                .iter()
                .all(|p| named(p, name, or_tcp(&port.protocol)).is_none());
        if !dead {
            return None;
        }
        first = first.or(Some((i, name)));
    }
    first.map(|(i, name)| (i, name, *pod))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_alike() {
        assert!(alike("kart", "cart") && alike("frontend", "front"));
        assert!(alike("checkout", "chekout"));
        for (a, b) in [("web", "api"), ("cart", "shop"), ("worker", "server")] {
            assert!(!alike(a, b), "{a} {b}");
        }
    }

    #[test]
    fn names_have_words() {
        assert!(word_of("till-worker", "worker") && word_of("till", "till"));
        assert!(!word_of("till-workers", "worker") && !word_of("till", ""));
        assert!(same_name("cart", "cart-svc") && !same_name("cart", "cart-api"));
    }
}
