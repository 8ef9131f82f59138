//! From findings to the Report: order, effect, chain, question, verdict.
//!
//! Deliberately absent: quotations' text; `read::quote` copies it from the source afterwards.

use std::collections::{BTreeMap, BTreeSet};

use defib_model::bundle::{Seen, Tool};
use defib_model::cluster::Cluster;
use defib_model::condition::Condition;
use defib_model::fact::Value;
use defib_model::id::{EntityId, short_hash};
use defib_model::report::*;

use crate::analysis::called::called;
use crate::analysis::host;
use crate::causal::{self, Judged};
use crate::conditions;
use crate::context::Context;
use crate::rule::Finding;
use crate::rules::RULES;
use crate::usual;

/// Quotations per cause.
const QUOTES: usize = 5;
/// Symptoms without an explanation keep their evidence, up to this many.
const OPEN_SYMPTOMS: usize = 20;

/// Judges a cluster.
pub fn diagnose(cluster: &Cluster, bundle_hash: &str, tool: &str) -> Report {
    let mut cx = Context::new(cluster);
    conditions::observe(&mut cx);
    let mut order: Vec<Condition> = std::mem::take(&mut cx.conditions);
    order.sort_by(|a, b| (a.kind, &a.entity).cmp(&(b.kind, &b.entity)));
    let mut cx = Context::new(cluster);
    for condition in order {
        cx.observe(condition);
    }
    let mut by_id: BTreeMap<String, Finding> = BTreeMap::new();
    for entry in RULES {
        let mut found = Vec::new();
        (entry.rule.check)(&cx, &mut found);
        for finding in found {
            match by_id.get_mut(&finding.id()) {
                Some(known) => known.merge(finding),
                None => {
                    by_id.insert(finding.id(), finding);
                }
            }
        }
    }
    let judged = causal::judge(&cx, by_id.into_values().collect());
    report(&cx, judged, bundle_hash, tool)
}

fn symptom_id(c: &Condition) -> String {
    format!("s-{}", short_hash(&[c.kind.slug(), c.entity.as_str()]))
}

fn report(cx: &Context<'_>, judged: Judged, bundle_hash: &str, tool: &str) -> Report {
    let cluster = cx.cluster;
    // Of every root the conditions that it explains.
    let mut explained: Vec<Vec<usize>> = vec![Vec::new(); judged.roots.len()];
    for (i, by) in judged.explained.iter().enumerate() {
        for root in by {
            if let Some(list) = explained.get_mut(*root) {
                list.push(i);
            }
        }
    }
    let mut root_causes: Vec<RootCause> = judged
        .roots
        .iter()
        .zip(&explained)
        .map(|(f, explained)| cause(cx, &judged, f, explained))
        .collect();
    root_causes.sort_by(|a, b| {
        let wide =
            |c: &RootCause| c.effect.get("pods").copied().unwrap_or(0) + c.explains.len() as u64;
        (wide(b), (b.confidence * 100.0) as i64)
            .cmp(&(wide(a), (a.confidence * 100.0) as i64))
            .then_with(|| (&a.code, &a.entity, &a.id).cmp(&(&b.code, &b.entity, &b.id)))
    });
    let mut symptoms = Vec::new();
    let mut open = 0;
    for (c, by) in cx.conditions.iter().zip(&judged.explained) {
        let explained_by: Vec<String> = by
            .iter()
            .filter_map(|f| judged.roots.get(*f))
            .map(Finding::id)
            .collect();
        let mut evidence = Vec::new();
        if explained_by.is_empty() && open < OPEN_SYMPTOMS {
            open += 1;
            evidence = c.evidence.iter().take(2).cloned().collect();
            if let Some(tail) = cx.tail(&c.entity, &c.part) {
                evidence.extend(cx.last_line(tail, "the last line of its log"));
            }
        }
        symptoms.push(Symptom {
            id: symptom_id(c),
            condition: c.kind.slug().to_owned(),
            entity: c.entity.clone(),
            explained_by,
            count: c.count,
            since: c.since.map(|t| t.to_string()),
            evidence,
        });
    }
    let mut candidates: Vec<Candidate> = judged
        .candidates
        .iter()
        .map(|f| Candidate {
            class: f.rule.class.to_owned(),
            entity: f.entity.clone(),
            title: f.title.clone(),
            confidence: f.confidence(),
            pro: f.evidence.iter().take(QUOTES).cloned().collect(),
            con: f.against.iter().take(QUOTES).cloned().collect(),
        })
        .collect();
    candidates.sort_by(|a, b| {
        ((b.confidence * 100.0) as i64)
            .cmp(&((a.confidence * 100.0) as i64))
            .then_with(|| (&a.class, &a.entity).cmp(&(&b.class, &b.entity)))
    });
    let unexplained: Vec<&Condition> = cx
        .conditions
        .iter()
        .zip(&judged.explained)
        .filter(|(_, by)| by.is_empty())
        .map(|(c, _)| c)
        .collect();
    let verdict = if !root_causes.is_empty() {
        Verdict::RootCause
    } else if cluster.objects_seen == Seen::All
        && unexplained.is_empty()
        && candidates.is_empty()
        && nodes_ready(cluster)
        && !cluster.at_rest
    {
        Verdict::Healthy
    } else {
        Verdict::Unknown
    };
    let question = question(cx, &judged, &unexplained, verdict);
    if verdict == Verdict::Unknown
        && let Some(q) = &question
    {
        let about = candidates
            .first()
            .map(|c| c.entity.clone())
            .or_else(|| unexplained.first().map(|c| c.entity.clone()))
            .unwrap_or_default();
        // Every candidate has its own question; one of them is asked first.
        let asked = judged.candidates.iter().filter_map(|f| f.question.as_ref());
        let more = asked
            .chain([q])
            .flat_map(|q| possible(q, &about, &candidates));
        let more: BTreeMap<String, Candidate> = more.map(|c| (c.class.clone(), c)).collect();
        candidates.extend(more.into_values());
    }
    Report {
        schema: SCHEMA.to_owned(),
        tool: Tool {
            version: tool.to_owned(),
        },
        bundle: bundle_hash.to_owned(),
        as_of: cluster.as_of.map(|t| t.to_string()),
        verdict,
        sources: cluster.sources.clone(),
        coverage: coverage(cluster),
        gaps: cluster.gaps.clone(),
        root_causes,
        candidates,
        question,
        symptoms,
        contradictions: contradictions(&judged),
        notes: crate::notes::notes(cx),
    }
}

/// What the question decides between, apart from what a rule found: possible, and no more than that.
fn possible(question: &Question, about: &EntityId, known: &[Candidate]) -> Vec<Candidate> {
    let unknown = |class: &&String| known.iter().all(|c| c.class != **class);
    let classes = question.decides.iter().filter(unknown);
    classes
        .map(|class| Candidate {
            class: class.clone(),
            entity: about.clone(),
            title: String::new(),
            confidence: 0.1,
            pro: Vec::new(),
            con: Vec::new(),
        })
        .collect()
}

/// What speaks for a cause and against it at once: two places of the evidence that can't both hold.
fn contradictions(judged: &Judged) -> Vec<Contradiction> {
    let mut out: Vec<Contradiction> = judged
        .roots
        .iter()
        .chain(&judged.candidates)
        .filter_map(|f| {
            Some(Contradiction {
                entity: f.entity.clone(),
                a: f.evidence.first()?.clone(),
                b: f.against.first()?.clone(),
            })
        })
        .collect();
    out.sort_by(|x, y| {
        (&x.entity, &x.a.file, x.a.line, &x.b.text)
            .cmp(&(&y.entity, &y.a.file, y.a.line, &y.b.text))
    });
    out
}

/// A node that has just registered is no trouble yet, and nothing that is well either.
fn nodes_ready(cluster: &Cluster) -> bool {
    cluster.nodes.iter().all(|n| {
        n.status
            .conditions
            .iter()
            .all(|c| c.kind != "Ready" || c.status == "True")
    })
}

fn coverage(cluster: &Cluster) -> Vec<Coverage> {
    let gaps: Vec<String> = cluster.gaps.iter().map(|g| g.id.clone()).collect();
    let scope = |name: &str, seen, gaps: Vec<String>, lacking: Vec<String>| Coverage {
        scope: name.to_owned(),
        seen,
        gaps,
        lacking,
    };
    let control_plane = match cluster.api_ready {
        Some(_) => Seen::Part,
        None => Seen::None,
    };
    vec![
        scope(
            "objects",
            cluster.objects_seen,
            gaps,
            cluster.lacking.clone(),
        ),
        scope("control-plane", control_plane, Vec::new(), Vec::new()),
        scope("datastore", datastore(cluster), Vec::new(), Vec::new()),
    ]
}

/// A datastore that was read from its file.
fn datastore(cluster: &Cluster) -> Seen {
    let trusts = cluster.facts.iter().filter_map(|f| match &f.value {
        Value::Datastore(store) => Some(store.trust.as_str()),
        _ => None,
    });
    let mut seen = Seen::None;
    for trust in trusts {
        match trust {
            "verified" | "readable" if seen != Seen::Part => seen = Seen::All,
            _ => seen = Seen::Part,
        }
    }
    seen
}

fn cause(cx: &Context<'_>, judged: &Judged, f: &Finding, explained: &[usize]) -> RootCause {
    let mut effect = f.effect.clone();
    let mut seen = BTreeSet::new();
    for i in explained {
        if let Some(c) = cx.conditions.get(*i)
            && seen.insert(&c.entity)
            && cx.cluster.find(&c.entity).is_some()
        {
            *effect.entry(plural(c.entity.kind())).or_insert(0) += 1;
        }
    }
    RootCause {
        id: f.id(),
        code: f.rule.code.to_owned(),
        class: f.rule.class.to_owned(),
        entity: f.entity.clone(),
        title: f.title.clone(),
        why: f.why.clone(),
        confidence: f.confidence(),
        terms: f.terms.clone(),
        evidence: f.evidence.iter().take(QUOTES).cloned().collect(),
        against: f.against.iter().take(QUOTES).cloned().collect(),
        explains: explained
            .iter()
            .filter_map(|i| cx.conditions.get(*i))
            .map(symptom_id)
            .collect(),
        path: path(cx, judged, f, explained),
        effect,
        todo: f.todo.clone(),
        dont: f.dont.clone(),
        playbook: None,
    }
}

fn plural(kind: &str) -> String {
    let end = if kind.ends_with('s') || kind.ends_with("ch") {
        "es"
    } else {
        "s"
    };
    match kind.strip_suffix('y') {
        Some(stem) if !kind.ends_with("ey") => format!("{stem}ies"),
        _ => format!("{kind}{end}"),
    }
}

/// The longest chain from a symptom down to the finding.
fn path(cx: &Context<'_>, judged: &Judged, f: &Finding, explained: &[usize]) -> Vec<Hop> {
    let chain = |start: usize| {
        let mut hops = Vec::new();
        let mut at = start;
        while let Some(Some((up, why))) = judged.via.get(at) {
            let (Some(from), Some(to)) = (cx.conditions.get(at), cx.conditions.get(*up)) else {
                break;
            };
            if from.entity == to.entity {
                hops.push(Hop {
                    from: from.entity.clone(),
                    to: to.entity.clone(),
                    why: format!("{}, for: {}", from.kind.title(), to.kind.title()),
                });
            } else {
                hops.push(Hop {
                    from: from.entity.clone(),
                    to: to.entity.clone(),
                    why: (*why).to_owned(),
                });
            }
            at = *up;
            if hops.len() > 16 {
                break;
            }
        }
        if let Some(last) = cx.conditions.get(at)
            && last.entity != f.entity
            && hops.iter().all(|h| h.to != f.entity)
        {
            hops.push(Hop {
                from: last.entity.clone(),
                to: f.entity.clone(),
                why: format!("{}, because of", last.kind.title()),
            });
        }
        hops
    };
    let mut best: Vec<Hop> = Vec::new();
    for i in explained {
        let hops = chain(*i);
        if hops.len() > best.len() {
            best = hops;
        }
    }
    best
}

fn question(
    cx: &Context<'_>,
    judged: &Judged,
    unexplained: &[&Condition],
    verdict: Verdict,
) -> Option<Question> {
    if let Some(q) = judged.candidates.iter().find_map(|f| f.question.clone()) {
        return Some(q);
    }
    if verdict != Verdict::Unknown {
        return None;
    }
    let cluster = cx.cluster;
    if let Some(c) = unexplained.first() {
        let (kind, name) = (c.entity.kind(), c.entity.name());
        if let Some(q) = refusal(cx, c) {
            return Some(q);
        }
        let logs = c.kind == defib_model::ConditionKind::ContainerCrashLoop;
        let command = match (logs, c.entity.namespace()) {
            _ if kind == "host" => usual::look(cx, c),
            (true, Some(ns)) => command!("kubectl logs {} -n {} --previous --tail=50", name, ns),
            (true, None) => command!("kubectl logs {} --previous --tail=50", name),
            (false, Some(ns)) => command!("kubectl describe {} {} -n {}", kind, name, ns),
            (false, None) => command!("kubectl describe {} {}", kind, name),
        };
        if let Some(question) = silence(cluster, c) {
            return Some(question);
        }
        return Some(Question {
            text: match kind {
                "host" => format!("On {}, {}: why?", host::called(&c.entity), c.kind.title()),
                _ => format!("Why is {}: {}?", called(&c.entity), c.kind.title()),
            },
            command: Some(command.into()),
            decides: usual::suspects(cx, c)
                .iter()
                .map(|s| (*s).to_owned())
                .collect(),
        });
    }
    let nothing = cluster.objects.is_empty() && cluster.events.is_empty();
    if cluster.at_rest && nothing {
        return Some(Question {
            text: "The datastore can be read and holds no objects. Was it wiped or made anew, and where is the one before it?".to_owned(),
            command: Some(
                "ls -la /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/server/db/snapshots; findmnt -T /var/lib/rancher"
                    .to_owned(),
            ),
            decides: Vec::new(),
        });
    }
    if nothing && cluster.log_lines == 0 {
        return Some(Question {
            text:
                "Nothing in the source could be read as evidence. What does the cluster itself say?"
                    .to_owned(),
            command: Some(
                "kubectl cluster-info dump -A --output-directory dump && defib diagnose dump"
                    .to_owned(),
            ),
            decides: Vec::new(),
        });
    }
    if !nodes_ready(cluster) {
        return Some(Question {
            text: "A node has just registered and is not ready yet. Is it by now?".to_owned(),
            command: Some("kubectl get nodes".to_owned()),
            decides: Vec::new(),
        });
    }
    if cluster.at_rest {
        return Some(Question {
            text: "Nothing wrong was found in what the datastore holds. No file says whether its servers run: does the API server answer?".to_owned(),
            command: Some("kubectl get --raw /readyz?verbose".to_owned()),
            decides: Vec::new(),
        });
    }
    Some(Question {
        text: format!(
            "Nothing wrong was found, but not everything was seen (not listed whole: {}).",
            cluster.lacking.join(", ")
        ),
        command: Some("defib diagnose kube:".to_owned()),
        decides: Vec::new(),
    })
}

/// A refusal says its reason itself; what it is about stands in the template.
fn refusal(cx: &Context<'_>, c: &Condition) -> Option<Question> {
    if c.kind != defib_model::ConditionKind::PodRefused {
        return None;
    }
    let event = crate::context::last_event(cx.cluster, &c.entity, &["FailedCreate"])?;
    let (_, reason) = event.message.split_once("denied the request:")?;
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let by = crate::analysis::between(&event.message, "admission webhook \"", "\"")
        .map_or("an admission webhook".to_owned(), |n| {
            format!("webhook {n}")
        });
    let owner = cx.top_owner(&c.entity);
    Some(Question {
        text: format!(
            "{by} refuses the pods of {} {} on purpose: {}. Is the template at fault, or the policy?",
            owner.kind(),
            owner.name(),
            Focus::Tail.cut(reason.trim_end_matches('.'), 240),
        ),
        command: Some(
            command!(
                "kubectl get {} {} -n {} -o jsonpath='{{.spec.template}}'",
                owner.kind(),
                owner.name(),
                owner.namespace().unwrap_or_default()
            )
            .into(),
        ),
        decides: Vec::new(),
    })
}

/// Where nobody says a word, the question goes to who should have spoken.
fn silence(cluster: &Cluster, c: &Condition) -> Option<Question> {
    use defib_model::ConditionKind as K;
    let pod = cluster.pod(&c.entity);
    let (text, command) = match c.kind {
        K::PodPending => {
            // A row shows no conditions: their absence says nothing.
            let pod = pod.filter(|p| {
                !cluster.object(p.obj).is_some_and(|o| o.printed)
                    && defib_model::views::meta::condition(&p.status.conditions, "PodScheduled")
                        .is_none()
            })?;
            let scheduler = match pod.spec.scheduler_name.as_str() {
                "" => "default-scheduler",
                name => name,
            };
            (
                format!(
                    "No scheduler has looked at pod {}. Does {scheduler} run?",
                    c.entity.name()
                ),
                command!(
                    "kubectl get leases -n kube-system; kubectl get pods -A -o wide | grep -i scheduler; journalctl -u k3s --since -15min | grep -i schedul"
                ),
            )
        }
        K::PodNotStarted => {
            let node = &pod?.spec.node_name;
            (
                format!(
                    "Pod {} was bound to node {node}, and its kubelet has said nothing since. What does the kubelet's log say?",
                    c.entity.name()
                ),
                command!(
                    "kubectl describe node {}; journalctl -u k3s -u k3s-agent -u kubelet --since -15min",
                    node
                ),
            )
        }
        K::NodeNetworkUnavailable => (
            format!(
                "Why has nobody set up the network of node {}?",
                c.entity.name()
            ),
            command!(
                "kubectl describe node {}; kubectl get pods -A -o wide --field-selector spec.nodeName={}",
                c.entity.name(),
                c.entity.name()
            ),
        ),
        _ => return None,
    };
    Some(Question {
        text,
        command: Some(command.into()),
        decides: Vec::new(),
    })
}
