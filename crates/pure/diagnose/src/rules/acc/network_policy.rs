//! # ACC001 A NetworkPolicy drops the connection
//!
//! class: networkpolicy-blocks-traffic
//!
//! ## What it sees
//! A program whose calls to a pod, a Service, the cluster's DNS or an outside address time out, while
//! NetworkPolicies select one of the two ends and none of their rules allows this partner on this port
//! in that direction. Or somebody tried it: the same call passes from a pod with the labels that a policy
//! wants, and not from one without. Or Cilium says of a packet that a policy denied it (`hubble observe`, `cilium monitor`)
//! and who sent it is in trouble; where nobody is, it is a question. So does kube-router, which k3s embeds, by the packets
//! that it counts.
//!
//! ## Why it matters
//! A dropped packet leaves no trace: the program times out, all pods are ready, and nothing is logged.
//! Policies see the port of the pod, not that of the Service; and a policy that rules egress shuts out
//! DNS too, unless it allows UDP (and TCP) 53.
//!
//! ## What to do
//! Compare the policy's selectors with the labels of both ends; then allow exactly this connection.
//!
//! ## What not to do
//! Do not delete the policy: it may be all that keeps others out.

use std::collections::{BTreeMap, BTreeSet};

use defib_model::views::network::{NetworkPolicy, PolicyPeer};
use defib_model::views::{Node, Pod};

use crate::analysis::calls::{self, Attempt};
use crate::analysis::host::{self, Told};
use crate::analysis::policy::{Answer, Call, Direction, End, Rules};
use crate::analysis::trials;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ACC001",
    class: "networkpolicy-blocks-traffic",
    needs: &["NetworkPolicy", "container logs"],
    leads_to: &[K::ContainerCrashLoop],
    check,
};

const HURT: &[K] = &[
    K::ContainerCrashLoop,
    K::PodNotReady,
    K::ProbeFailing,
    K::NameResolutionFailing,
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let before = out.len();
    by_objects(cx, out);
    if out.len() == before {
        dropped(cx, out);
        rejected(cx, out);
    }
}

/// kube-router counted what it rejected: packets for a pod that a policy selects and no rule lets in.
fn rejected(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(
        cx,
        &["kube-router.rejects"],
        "so many packets for this pod were rejected by policies",
    );
    let mut seen = BTreeSet::new();
    for line in lines {
        let (name, ns) = (line.group(0), line.group(1));
        if !seen.insert((ns, name)) {
            continue;
        }
        let target = EntityId::object("Pod", "", ns, name);
        let called = names_of(cx, &target);
        let mut f = RULE
            .on(target.clone())
            .title(format!("NetworkPolicies reject what is sent to pod {ns}/{name}"))
            .why("k3s' controller rejects what no rule lets in, so a caller is refused, as if nothing listened.")
            .cite(line.evidence.clone())
            .safe(
                "Which policies select it, and which labels has who calls?",
                command!("kubectl describe networkpolicy -n {}; kubectl get pods -A --show-labels", ns),
            )
            .dont("Don't delete the policy: it may be all that keeps others out.");
        let mut hurt = false;
        // One that is in trouble itself refuses by itself.
        let sick = cx.conditions.iter().any(|c| c.entity == target);
        // So does a Service that has nobody behind it.
        let empty = cx.cluster.endpoints.iter().any(|((of, service), e)| {
            of == ns && e.ready == 0 && called.contains(&service.as_str())
        });
        for c in cx
            .conditions
            .iter()
            .filter(|c| HURT.contains(&c.kind) && !sick && !empty)
        {
            // By its bare name it is known in its own namespace only.
            if c.entity.namespace() != Some(ns) || !may_be_kept_out(cx, &c.entity, &target) {
                continue;
            }
            let Some(tail) = cx.tail(&c.entity, "") else {
                continue;
            };
            let says = tail.lines.iter().rposition(|l| {
                let own = |ip: &str| called.contains(&ip);
                l.text.to_ascii_lowercase().contains("refused")
                    && called.iter().any(|n| holds(&l.text, n))
                    && addresses(&l.text).all(own)
            });
            if let Some(at) = says {
                f = f
                    .cite_all(cx.tail_line(tail, at, "who calls it is turned away"))
                    .explains(c.kind, &c.entity.clone());
                hurt = true;
            }
        }
        out.push(match hurt {
            true => f.term(84, "the controller counts it, and who calls is turned away"),
            false => f
                .term(45, "the controller counts it, and nothing shows that somebody is in trouble for it")
                .undecided(
                    "Are these connections meant to pass?",
                    command!("kubectl get networkpolicies -n {} -o yaml", ns),
                    &["networkpolicy-blocks-traffic"],
                ),
        });
    }
}

/// Where policies are shown: do they keep this pod from that one? Where none is, the controller's word stands alone.
fn may_be_kept_out(cx: &Context<'_>, from: &EntityId, to: &EntityId) -> bool {
    let policies: Vec<&NetworkPolicy> = cx.cluster.policies.iter().collect();
    let ends = cx.cluster.pod(from).zip(cx.cluster.pod(to));
    let (false, Some((from, to))) = (policies.is_empty(), ends) else {
        return true;
    };
    let rules = Rules {
        policies,
        namespaces: &cx.cluster.namespaces,
    };
    let call = Call {
        from: End::Pod(from),
        to: End::Pod(to),
        protocol: "TCP",
        port: None,
        via: None,
    };
    matches!(rules.judge(&call, Direction::Ingress), Answer::Blocked(_))
}

/// By what a pod is called: its Services' names and addresses, and its own address.
fn names_of<'c>(cx: &'c Context<'_>, target: &EntityId) -> Vec<&'c str> {
    let pod = cx.cluster.pod(target);
    let ns = target.namespace().unwrap_or_default();
    let of_it = cx.cluster.services.iter().filter(|s| {
        let selected = pod.is_some_and(|p| {
            !s.spec.selector.is_empty()
                && (s.spec.selector.iter()).all(|(k, v)| p.metadata.labels.get(k) == Some(v))
        });
        // Of a table the selector is unknown; a set is mostly called as its Service.
        let alike = s.spec.selector.is_empty()
            && (target.name().strip_prefix(s.metadata.name.as_str()))
                .is_some_and(|rest| rest.starts_with('-'));
        s.metadata.namespace == ns && (selected || alike)
    });
    let mut names: Vec<&str> = Vec::new();
    for service in of_it {
        names.extend([service.metadata.name.as_str(), &service.spec.cluster_ip]);
    }
    names.extend(pod.map(|p| p.status.pod_ip.as_str()));
    names.retain(|n| !n.is_empty() && *n != "None");
    names
}

/// The addresses in a text, without their ports.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
        .filter(|w| w.parse::<std::net::Ipv4Addr>().is_ok())
}

/// Is this a word of the text? `db` of `db:5432`, and not of `db-2`.
fn holds(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
        .any(|w| {
            w == word
                || w.strip_prefix(word)
                    .is_some_and(|rest| rest.starts_with('.'))
        })
}

/// The plugin itself says that it dropped a packet by a policy: between which two pods, and on which port.
fn dropped(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(cx, &["cilium.policy-denied"], "dropped by a policy");
    let mut by_target: BTreeMap<_, Vec<(&Told<'_>, EntityId)>> = BTreeMap::new();
    for l in &lines {
        // Names, as hubble prints them, or addresses.
        let (caller, target) = if l.group(1).is_empty() {
            (pod_at(cx, l.group(5)), pod_at(cx, l.group(6)))
        } else {
            (
                Some((l.group(0), l.group(1))),
                Some((l.group(2), l.group(3))),
            )
        };
        let (ns, name) = target.unwrap_or_default();
        let port = if l.group(4).is_empty() {
            l.group(7)
        } else {
            l.group(4)
        };
        let (from, pod) = caller.unwrap_or_default();
        let caller = EntityId::object("Pod", "", from, pod);
        by_target
            .entry((ns, name, port))
            .or_default()
            .push((l, caller));
    }
    for ((ns, target, port), lines) in by_target {
        let on = match target {
            "" => EntityId::other("policy", "network"),
            name => EntityId::object("Pod", "", ns, name),
        };
        let mut f = RULE
            .on(on)
            .title(match target {
                "" => "a NetworkPolicy drops packets".to_owned(),
                name => format!("a NetworkPolicy drops what is sent to pod {ns}/{name} on port {port}"),
            })
            .why("The plugin names the policy's verdict, not the policy: its selectors don't fit who calls, or nothing allows this port.")
            .cite_all(lines.iter().map(|(l, _)| l.evidence.clone()))
            .safe(
                "Which policies select the target, and which labels has who calls?",
                command!("kubectl get networkpolicies,ciliumnetworkpolicies -n {} -o yaml; kubectl get pods -A --show-labels", ns),
            )
            .dont("Don't delete the policy: it may be all that keeps others out.");
        let mut hurt = false;
        for (_, caller) in lines {
            let owner = cx.top_owner(&caller);
            let same = cx.conditions.iter().filter(|c| HURT.contains(&c.kind));
            for c in same.filter(|c| {
                c.entity == caller
                    || cx.top_owner(&c.entity) == owner
                    || is_sibling(&c.entity, &caller)
            }) {
                if !hurt {
                    f = f.cite_all(c.evidence.first().cloned());
                }
                f = f.explains(c.kind, &c.entity.clone());
                hurt = true;
            }
        }
        // To drop packets is what a policy is for, and whether a pod needs what lies outside is its own affair.
        out.push(match hurt && !target.is_empty() {
            true => f.term(
                84,
                "the network plugin says so, and who calls is in trouble",
            ),
            false => f
                .term(
                    45,
                    "the network plugin says so, and nothing shows that somebody is in trouble for it",
                )
                .undecided(
                    "Is this connection meant to pass?",
                    "hubble observe --verdict DROPPED --last 20; kubectl get networkpolicies -A",
                    &["networkpolicy-blocks-traffic"],
                ),
        });
    }
}

/// The pod with this address: its namespace and name.
fn pod_at<'c>(cx: &'c Context<'_>, ip: &str) -> Option<(&'c str, &'c str)> {
    let mut pods = cx.cluster.pods.iter();
    // One that has ended has given its address back, and one on its host's network has none of its own.
    let own = |p: &&Pod| {
        p.status.pod_ip == ip && !p.is_finished() && !p.spec.host_network.unwrap_or_default()
    };
    let pod = pods.find(own).filter(|_| !ip.is_empty())?;
    Some((&pod.metadata.namespace, &pod.metadata.name))
}

/// Are both pods of one set, by their names? `api-74fb5c8b9c-pq8vm` and `api-74fb5c8b9c-2tlkx`.
fn is_sibling(a: &EntityId, b: &EntityId) -> bool {
    let set = |id: &EntityId| id.name().rsplit_once('-').map(|(set, _)| set.to_owned());
    a.kind() == "pod" && a.namespace() == b.namespace() && set(a).is_some() && set(a) == set(b)
}

fn by_objects(cx: &Context<'_>, out: &mut Vec<Finding>) {
    if cx.cluster.policies.is_empty() {
        return;
    }
    tried(cx, out);
    for attempt in calls::timed_out(cx) {
        // A program that is well and does not reach the outside may be kept in on purpose.
        if attempt.outside && cx.observed(HURT, &attempt.from).next().is_none() {
            continue;
        }
        let last = attempt.hit.last;
        let rules = Rules {
            policies: cx
                .cluster
                .policies
                .iter()
                .filter(|p| match (p.metadata.creation_timestamp, last) {
                    (Some(made), Some(said)) => made <= said,
                    _ => true,
                })
                .collect(),
            namespaces: &cx.cluster.namespaces,
        };
        let both = [Direction::Egress, Direction::Ingress];
        let answers = both.map(|d| (d, together(&rules, &attempt.calls, d)));
        let decided = answers.iter().any(|(_, a)| matches!(a, Answer::Blocked(_)));
        for (direction, answer) in &answers {
            match answer {
                Answer::Blocked(list) => out.extend(finding(cx, &attempt, *direction, list, true)),
                Answer::Unknown(list) if !decided => {
                    out.extend(finding(cx, &attempt, *direction, list, false));
                }
                _ => {}
            }
        }
    }
}

/// Somebody tried it: with the labels that a policy lets in a call comes through, without them it does not.
fn tried(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for trial in trials::trials(cx) {
        let ((pass, passing), (fail, failing)) = (&trial.passes, &trial.fails);
        let by_labels = |peer: &PolicyPeer| {
            let pods = peer.pod_selector.as_ref();
            pods.is_some_and(|s| s.matches(passing) && !s.matches(failing))
        };
        let mut deciding = (cx.cluster.policies.iter()).filter(|p| {
            let mut rules = p.spec.ingress.iter().chain(&p.spec.egress);
            rules.any(|r| r.from.iter().chain(&r.to).any(by_labels))
        });
        let Some(policy) = deciding.next() else {
            continue;
        };
        let (ns, name) = (&policy.metadata.namespace, &policy.metadata.name);
        let mut finding = RULE
            .on(cx.cluster.id(policy.obj))
            .title(format!(
                "NetworkPolicy {ns}/{name} does not let in what pods without its labels send to {}",
                trial.target
            ))
            .why("It goes by the labels of who calls: the same call comes through with others.")
            .term(
                60,
                "the same call comes through from a pod with the labels that the policy wants",
            )
            .term(
                30,
                "the policy wants labels that the one does not have which is kept out",
            )
            .cite(cx.fact(fail, "a pod with these labels is kept out"))
            .cite(cx.fact(pass, "one with those comes through"))
            .cite(cx.field(policy.obj, "/spec/podSelector", "whom the policy rules"))
            .safe(
                "Compare the selectors with the labels of both ends.",
                command!(
                    "kubectl describe networkpolicy -n {}; kubectl get pods -A --show-labels",
                    ns
                ),
            )
            .check_first(
                "Give the pods the labels that are let in, or allow theirs too.",
                command!("kubectl edit networkpolicy {} -n {}", name, ns),
            )
            .dont("Don't delete the policy: it may be all that keeps others out.");
        for (place, rules) in [
            (Direction::Ingress.pointer(), &policy.spec.ingress),
            (Direction::Egress.pointer(), &policy.spec.egress),
        ] {
            if !rules.is_empty() {
                finding = finding.cite(cx.field(policy.obj, place, "all that it allows"));
            }
        }
        // Pods with the labels of the one that is kept out fare the same.
        let kept_out = cx.cluster.pods.iter().filter(|p| {
            (trial.namespace.is_empty() || p.metadata.namespace == trial.namespace)
                && failing
                    .iter()
                    .all(|(key, value)| p.metadata.labels.get(key) == Some(value))
        });
        for pod in kept_out {
            finding = finding.explains_observed(cx, HURT, &cx.cluster.id(pod.obj));
        }
        out.push(finding);
    }
}

/// A server whose arguments say that k3s enforces no policies, while its own network is in use: unless
/// something else enforces them, they are mere words.
///
/// Source: k3s `pkg/nodeconfig/nodeconfig.go` (the annotation), `pkg/cli/cmds/server.go` (the flags).
fn unenforced<'a>(cx: &Context<'a>) -> Option<&'a Node> {
    cx.cluster.nodes.iter().find(|n| {
        let arguments = n.metadata.annotations.get(NODE_ARGS);
        let list: Vec<String> = arguments
            .and_then(|a| serde_json::from_str(a).ok())
            .unwrap_or_default();
        value_of(&list, "--disable-network-policy").is_some_and(|v| v != "false")
            && value_of(&list, "--flannel-backend") != Some("none")
    })
}

const NODE_ARGS: &str = "k3s.io/node-args";

/// `--flag`, `--flag value` or `--flag=value`.
fn value_of<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(i, a)| {
        let rest = a.strip_prefix(flag)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None if rest.is_empty() => Some(arguments.get(i + 1).map_or("", String::as_str)),
            None => None,
        }
    })
}

/// One answer for all pods behind a Service: dropped only where every one is out of reach.
fn together<'a>(rules: &Rules<'a>, calls: &[Call<'_>], direction: Direction) -> Answer<'a> {
    let mut blocked = None;
    let mut open = None;
    let mut passes = false;
    for call in calls {
        match rules.judge(call, direction) {
            Answer::Allowed => passes = true,
            Answer::Blocked(list) => blocked = blocked.or(Some(list)),
            Answer::Unknown(list) => open = open.or(Some(list)),
        }
    }
    match (blocked, open) {
        (None, None) => Answer::Allowed,
        (Some(list), None) if !passes => Answer::Blocked(list),
        (Some(list), _) | (None, Some(list)) => Answer::Unknown(list),
    }
}

fn finding(
    cx: &Context<'_>,
    attempt: &Attempt<'_>,
    direction: Direction,
    list: &[&NetworkPolicy],
    decided: bool,
) -> Option<Finding> {
    let policy = list.first()?;
    let off = unenforced(cx);
    let sure = decided && off.is_none();
    let call = attempt.calls.first()?;
    let (ns, name) = (&policy.metadata.namespace, &policy.metadata.name);
    let from = &attempt.from;
    let target = match call.to {
        End::Pod(pod) => Some(pod),
        _ => None,
    };
    let called = match (attempt.service, call.to) {
        _ if attempt.dns => "the cluster's DNS".to_owned(),
        (Some(s), _) => format!("Service {}/{}", s.metadata.namespace, s.metadata.name),
        (None, End::Pod(pod)) => format!("pod {}", pod.metadata.name),
        (None, End::Host(node, _)) => format!("node {}", node.metadata.name),
        (None, End::Outside(ip)) => ip.to_string(),
        (None, End::Unknown(_)) => "what it calls".to_owned(),
    };
    let port = call
        .port
        .map_or_else(String::new, |n| format!(" ({} {n})", call.protocol));
    let names = list
        .iter()
        .map(|p| p.metadata.name.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let (who, does) = match direction {
        Direction::Egress => ("the pod that calls", "let out"),
        Direction::Ingress => ("the pods that are called", "let in"),
    };
    let policies = if list.len() == 1 {
        format!("NetworkPolicy {ns}/{name} does")
    } else {
        format!("NetworkPolicies {names} in {ns} do")
    };
    let pods = attempt.source.into_iter().chain(target);
    let mut f = RULE
        .on(cx.cluster.id(policy.obj))
        .title(if sure {
            format!(
                "{policies} not {does} what {} sends to {called}{port}",
                from.name()
            )
        } else {
            format!(
                "{policies} perhaps not {does} what {} sends to {called}{port}",
                from.name()
            )
        })
        .why("A dropped packet leaves no trace: the program times out and everything looks well.")
        .term(
            if sure { 75 } else { 40 },
            if decided {
                format!("it selects {who}, and no rule of any policy on it allows this")
            } else {
                format!("it selects {who}; whether a rule allows this can't be told")
            },
        )
        .cite(cx.log(attempt.hit, attempt.line, "the call times out"))
        .cite(cx.field(
            policy.obj,
            "/spec/podSelector",
            format!("the policy selects {who}"),
        ))
        .cite_all(
            attempt
                .service
                .map(|s| cx.field(s.obj, "/spec/clusterIP", "the Service that was called")),
        )
        .cite_all(pods.map(|p| {
            cx.field(
                p.obj,
                "/metadata/labels",
                if Some(p.obj) == target.map(|t| t.obj) {
                    "a ready pod that was called"
                } else {
                    "the pod that calls"
                },
            )
        }));
    let rules = match direction {
        Direction::Egress => &policy.spec.egress,
        Direction::Ingress => &policy.spec.ingress,
    };
    if !rules.is_empty() {
        f = f.cite(cx.field(policy.obj, direction.pointer(), "all that it allows"));
    }
    if target.is_some() {
        f = f.term(10, "calls to a ready pod of the cluster time out");
    }
    f = f
        .explains_observed(cx, HURT, from)
        .safe(
            "Compare the selectors with the labels of both ends.",
            command!(
                "kubectl describe networkpolicy -n {}; kubectl get pods -A --show-labels",
                ns
            ),
        )
        .check_first(
            if attempt.dns {
                "Allow UDP and TCP 53 to the cluster's DNS."
            } else {
                "Allow exactly this connection, with the port of the pod."
            },
            command!("kubectl edit networkpolicy {} -n {}", name, ns),
        )
        .dont("Don't delete the policy: it may be all that keeps others out.");
    if let Some(node) = off {
        return Some(
            f.against(cx.field(
                node.obj,
                "/metadata/annotations/k3s.io~1node-args",
                "k3s was told not to enforce policies",
            ))
            .undecided(
                format!("k3s enforces no policies here. Does something else enforce {names}?"),
                "kubectl get pods -A | grep -Ei 'calico|cilium|canal|weave|kube-router|antrea'",
                &["networkpolicy-blocks-traffic"],
            ),
        );
    }
    if !sure {
        f = f.undecided(
            format!("Does one of the policies ({names}) allow this connection?"),
            command!(
                "kubectl get networkpolicy -n {} -o yaml; kubectl get namespaces --show-labels",
                ns
            ),
            &["networkpolicy-blocks-traffic"],
        );
    }
    Some(f)
}
