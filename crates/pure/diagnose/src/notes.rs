//! Remarks that are no trouble: what limits how far the report can be trusted, and what may be a
//! left-over.
//!
//! Deliberately absent: anything that somebody would have to mend (rules).

use std::collections::BTreeMap;

use defib_model::ConditionKind as K;
use defib_model::report::Note;
use defib_model::views::network::Service;

use crate::analysis::endpoints;
use crate::conditions::GRACE;
use crate::context::Context;

/// Minor versions of Kubernetes 1 that this tool's facts were checked against: k3s 1.30 to 1.35.
const TESTED: std::ops::RangeInclusive<u32> = 30..=35;

/// All remarks, in a fixed order: what is about the cluster comes before what is about this tool.
pub fn notes(cx: &Context<'_>) -> Vec<Note> {
    let mut all: Vec<Note> = services(cx).into_iter().collect();
    all.extend(crate::remarks::remarks(cx));
    all.extend(versions(cx));
    all
}

/// Services that select nobody and that nothing in the evidence needs: left-overs as a rule (charts
/// bring Services for parts that a cluster does not have), but whoever calls one gets no answer.
fn services(cx: &Context<'_>) -> Option<Note> {
    let empty: Vec<&Service> = cx
        .cluster
        .services
        .iter()
        .filter(|s| {
            cx.older_than(s.metadata.creation_timestamp, GRACE)
                && endpoints::selects_nobody(cx, s)
                && cx
                    .has(K::ServiceWithoutEndpoints, &cx.cluster.id(s.obj))
                    .is_none()
        })
        .collect();
    let first = empty.first()?;
    let (ns, name) = (&first.metadata.namespace, &first.metadata.name);
    let more = match empty.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    Some(Note {
        text: format!("Service {ns}/{name}{more} selects no pod, and nothing is seen to need it"),
        entity: Some(cx.cluster.id(first.obj)),
        evidence: vec![cx.field(
            first.obj,
            "/spec/selector",
            "no pod and no template has these labels",
        )],
    })
}

/// Versions of Kubernetes that the tool's facts were not checked against.
fn versions(cx: &Context<'_>) -> Vec<Note> {
    let mut untested: BTreeMap<u32, Vec<&defib_model::views::Node>> = BTreeMap::new();
    for node in &cx.cluster.nodes {
        if let Some(minor) = minor(&node.status.node_info.kubelet_version)
            && !TESTED.contains(&minor)
        {
            untested.entry(minor).or_default().push(node);
        }
    }
    untested
        .into_iter()
        .filter_map(|(minor, nodes)| {
            let first = nodes.first()?;
            Some(Note {
                text: format!(
                    "untested version: Kubernetes 1.{minor} on {} node{}; messages were checked against 1.{} to 1.{}",
                    nodes.len(),
                    if nodes.len() == 1 { "" } else { "s" },
                    TESTED.start(),
                    TESTED.end()
                ),
                entity: Some(cx.cluster.id(first.obj).clone()),
                evidence: vec![cx.field(
                    first.obj,
                    "/status/nodeInfo/kubeletVersion",
                    "the version of this node's kubelet",
                )],
            })
        })
        .collect()
}

/// `34` of `v1.34.1+k3s1`; nothing for what is no release of Kubernetes.
fn minor(version: &str) -> Option<u32> {
    let (minor, _) = version.strip_prefix("v1.")?.split_once('.')?;
    minor.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn releases_are_told_from_other_words() {
        assert_eq!(minor("v1.34.1+k3s1"), Some(34));
        assert_eq!(minor("v1.9.0"), Some(9));
        assert_eq!(minor("kwok-v0.7.0"), None);
        assert_eq!(minor(""), None);
    }
}
