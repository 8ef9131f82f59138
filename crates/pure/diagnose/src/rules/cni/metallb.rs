//! # CNI010 MetalLB does not announce from the nodes that there are
//!
//! class: metallb-not-announcing
//!
//! ## What it sees
//! A speaker that skips a Service because its node is excluded from load balancers or matches no
//! advertisement; a LoadBalancer Service with an address while every node carries the label
//! `node.kubernetes.io/exclude-from-external-load-balancers`, or while every advertisement selects nodes that are not
//! there.
//!
//! ## Why it matters
//! The Service has its address, and nobody answers for it. kubeadm labels control-plane nodes so, and small
//! clusters have no other.
//!
//! ## What to do
//! Remove the label from the nodes that shall announce (or start the speaker with `--ignore-exclude-lb`), or
//! widen the node selector of the advertisement.
//!
//! ## What not to do
//! Do not re-make the Service: it keeps its address, and is announced as soon as a node may.

use crate::analysis::host::{self, facts_anywhere};
use crate::rules::prelude::*;
use defib_model::fact::{Answer, Value};
use defib_model::report::Evidence;
use defib_model::selector::LabelSelector;
use defib_model::views::Node;
use defib_model::views::network::Service;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI010",
    class: "metallb-not-announcing",
    needs: &[],
    leads_to: &[],
    check,
};

const LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let cluster = cx.cluster;
    let said = host::lines(
        cx,
        &[
            "metallb.excluded",
            "metallb.skipping",
            "metallb.no-pool-node",
        ],
        "the speaker does not announce",
    );
    // Of several speakers one announces and the others rightly do not.
    let said: Vec<_> = said
        .into_iter()
        .filter(|l| !l.text.contains("notOwner"))
        .collect();
    let withdrawn = host::lines(
        cx,
        &["metallb.withdrawn", "metallb.not-owner"],
        "the speaker takes its announcement back",
    );
    // k3s' own load balancer serves the Services.
    let mut pods = cluster.pods.iter();
    let klipper = pods.any(|p| p.metadata.name.starts_with("svclb-"));
    let speaker = cluster.pods.iter().find(|p| {
        p.metadata.name.contains("speaker")
            && (p.metadata.namespace.contains("metallb") || p.metadata.name.contains("metallb"))
    });
    let excluded: Vec<_> = cluster
        .nodes
        .iter()
        .filter(|n| n.metadata.labels.contains_key(LABEL))
        .collect();
    let all = !excluded.is_empty() && excluded.len() == cluster.nodes.len();
    let waiting = || {
        let services = cluster.services.iter();
        services.filter(|s| s.spec.kind == "LoadBalancer")
    };
    // Best the one that somebody tried.
    let tried = waiting().find_map(|s| Some((s, unanswered(cx, s)?)));
    let (wanted, silent) = match tried {
        Some((service, evidence)) => (Some(service), Some(evidence)),
        None => (waiting().next(), None),
    };
    if all
        && let Some(service) = wanted
        && (speaker.is_some() || !said.is_empty() || silent.is_some())
    {
        let mut finding = found()
            .term(82, "every node is excluded from load balancers")
            .cite_all(said.iter().map(|l| l.evidence.clone()));
        for node in excluded.iter().take(3) {
            let pointer =
                "/metadata/labels/node.kubernetes.io~1exclude-from-external-load-balancers";
            finding = finding.cite(cx.field(
                node.obj,
                pointer,
                "MetalLB does not announce from such a node",
            ));
        }
        out.push(
            finding
                .cite(cx.field(service.obj, "/spec/type", "a Service that waits for it"))
                .cite_all(silent)
                .cite_all(speaker.map(|p| cx.field(p.obj, "/metadata/name", "MetalLB's speaker"))),
        );
    } else if let (Some(service), Some(none)) = (wanted.filter(|_| !klipper), unselected(cx)) {
        let finding = found()
            .title("no advertisement of MetalLB that is shown selects any node that there is")
            .cite_all(none)
            .cite(cx.field(service.obj, "/spec/type", "a Service that waits for it"))
            .cite_all(silent.clone())
            .cite_all(withdrawn.iter().chain(&said).map(|l| l.evidence.clone()))
            .check_first(
                "Let them select a node that is there.",
                "kubectl -n metallb-system edit l2advertisement",
            );
        // Whether there are more of them, only what comes of it says; a speaker that is not the one takes its own
        // announcement back on any day.
        out.push(match silent.is_some() || !said.is_empty() {
            true => finding.term(
                84,
                "they select by labels that no node has, and nobody announces",
            ),
            false => finding
                .term(50, "they select by labels that no node has")
                .undecided(
                    "Are these all advertisements, and does nobody announce the address?",
                    "kubectl get l2advertisements,bgpadvertisements,servicel2statuses -A",
                    &["metallb-not-announcing"],
                ),
        });
    } else if !said.is_empty() {
        let some_free = cluster.nodes.len() > excluded.len() && !cluster.nodes.is_empty();
        let mut finding = found()
            .term(
                if some_free { 45 } else { 76 },
                "the speaker says why it does not announce",
            )
            .cite_all(said.iter().map(|l| l.evidence.clone()));
        if some_free {
            finding = finding.undecided(
                "Does any other node announce the Service?",
                "kubectl get servicel2statuses -A; kubectl -n metallb-system logs -l component=speaker --tail=50 | grep -iE 'announc'",
                &["metallb-not-announcing"],
            );
        }
        out.push(finding);
    }
}

/// The selectors of all advertisements, where none of them fits a node: MetalLB announces from selected nodes only.
/// Source: MetalLB `api/v1beta1/l2advertisement_types.go`, `internal/config/config.go`.
fn unselected(cx: &Context<'_>) -> Option<Vec<Evidence>> {
    let nodes = &cx.cluster.nodes;
    if nodes.is_empty() || !cx.cluster.is_listed("Node", "") {
        return None;
    }
    let mut cited = Vec::new();
    for other in &cx.cluster.others {
        let object = cx.cluster.object(other.obj)?;
        if !matches!(object.kind.as_str(), "L2Advertisement" | "BGPAdvertisement") {
            continue;
        }
        let value: serde_json::Value = serde_json::from_slice(&object.json).ok()?;
        // Without any it announces from every node.
        let selectors = value.pointer("/spec/nodeSelectors")?;
        let selectors: Vec<LabelSelector> = serde_json::from_value(selectors.clone()).ok()?;
        let fits = |node: &Node| {
            let printed = cx.cluster.object(node.obj).is_none_or(|o| o.printed);
            selectors.iter().any(|s| {
                if !printed {
                    return s.matches(&node.metadata.labels);
                }
                // Of a table the name is known, which a node has as its label too; other labels it may have.
                let host = s.match_labels.get(HOSTNAME);
                host.is_none_or(|h| *h == node.metadata.name)
            })
        };
        if selectors.is_empty() || nodes.iter().any(fits) {
            return None;
        }
        cited.push(cx.field(
            other.obj,
            "/spec/nodeSelectors",
            "it announces from these nodes only",
        ));
    }
    (!cited.is_empty()).then_some(cited)
}

const HOSTNAME: &str = "kubernetes.io/hostname";

/// Somebody asked for the Service's address, and nobody answered for it.
fn unanswered(cx: &Context<'_>, service: &Service) -> Option<Evidence> {
    let addresses = &service.status.load_balancer.ingress;
    facts_anywhere(cx, |value| match value {
        Value::Reach(r) if r.answer == Answer::Silent => Some(r),
        _ => None,
    })
    .find(|(_, r)| addresses.iter().any(|a| a.ip == r.target))
    .map(|(fact, _)| cx.fact(fact, "nobody answers for the Service's address"))
}

fn found() -> Finding {
    RULE.on(EntityId::other("nodes", "cluster"))
        .title("MetalLB does not announce the address from any of the nodes that there are")
        .why("The Service has its address, and nobody answers for it.")
        .safe("Which nodes may announce?", "kubectl get nodes -L node.kubernetes.io/exclude-from-external-load-balancers; kubectl get l2advertisements,bgpadvertisements -A -o yaml")
        .check_first("Remove the label from the nodes that shall announce.", "kubectl label nodes --all node.kubernetes.io/exclude-from-external-load-balancers-")
        .dont("Don't re-make the Service: it is announced as soon as a node may.")
}
