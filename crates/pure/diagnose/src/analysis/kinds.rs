//! "No matches for kind": the CRD is missing, or the version is gone.
//!
//! Source: kubernetes `apimachinery/pkg/api/meta/errors.go` and the list of removed APIs (the
//! deprecated API migration guide). Deliberately absent: who applies; rules look at that.

use std::collections::BTreeMap;

use crate::analysis::said::{Said, said};
use crate::context::Context;

/// One kind that is not known to the API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// Kind.
    pub kind: String,
    /// Group and version.
    pub version: String,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A built-in version that was removed, or one that its CRD does not serve any more.
    Removed,
    /// The same, in a stored Helm release.
    RemovedInRelease,
    /// One of Kubernetes' own, which this API server does not serve: it is too old, or the name is wrong.
    NotServed,
    /// A custom resource without its definition.
    NoCrd,
    /// A definition is there by now: applied in the wrong order.
    Order,
}

/// Built-in API versions that are gone, and the Kubernetes version without them.
const REMOVED: &[(&str, &str)] = &[
    ("extensions/v1beta1", "1.22"),
    ("apps/v1beta1", "1.16"),
    ("apps/v1beta2", "1.16"),
    ("networking.k8s.io/v1beta1", "1.22"),
    ("policy/v1beta1", "1.25"),
    ("batch/v1beta1", "1.25"),
    ("batch/v2alpha1", "1.21"),
    ("rbac.authorization.k8s.io/v1beta1", "1.22"),
    ("rbac.authorization.k8s.io/v1alpha1", "1.22"),
    ("apiextensions.k8s.io/v1beta1", "1.22"),
    ("admissionregistration.k8s.io/v1beta1", "1.22"),
    ("apiregistration.k8s.io/v1beta1", "1.22"),
    ("authentication.k8s.io/v1beta1", "1.22"),
    ("authorization.k8s.io/v1beta1", "1.22"),
    ("certificates.k8s.io/v1beta1", "1.22"),
    ("coordination.k8s.io/v1beta1", "1.22"),
    ("scheduling.k8s.io/v1beta1", "1.22"),
    ("storage.k8s.io/v1beta1", "1.22"),
    ("node.k8s.io/v1beta1", "1.25"),
    ("discovery.k8s.io/v1beta1", "1.25"),
    ("events.k8s.io/v1beta1", "1.25"),
    ("autoscaling/v2beta1", "1.25"),
    ("autoscaling/v2beta2", "1.26"),
    ("flowcontrol.apiserver.k8s.io/v1beta1", "1.26"),
    ("flowcontrol.apiserver.k8s.io/v1beta2", "1.29"),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "1.32"),
];

/// Kinds of those versions that went at another time. Source: the same guide.
const REMOVED_KINDS: &[(&str, &str, &str)] = &[
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity", "1.27"),
    ("extensions/v1beta1", "DaemonSet", "1.16"),
    ("extensions/v1beta1", "Deployment", "1.16"),
    ("extensions/v1beta1", "NetworkPolicy", "1.16"),
    ("extensions/v1beta1", "PodSecurityPolicy", "1.16"),
    ("extensions/v1beta1", "ReplicaSet", "1.16"),
];

/// Kinds that came to such a version later, when what it had before was gone: they are not served where the API server
/// is older, or where they are switched off. Source: kubernetes `staging/src/k8s.io/api/*/v1beta1/types.go`.
const LATER: &[&str] = &[
    "ClusterTrustBundle",
    "IPAddress",
    "LeaseCandidate",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "PodCertificateRequest",
    "SelfSubjectReview",
    "ServiceCIDR",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "VolumeAttributesClass",
];

/// Groups of Kubernetes itself; no definition brings their kinds. Others that end like these are of definitions
/// (gateway.networking.k8s.io, snapshot.storage.k8s.io, autoscaling.k8s.io). Source: kubernetes `staging/src/k8s.io/api`.
const BUILT_IN: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Since when a kind is gone from a built-in version.
pub fn removed_in(version: &str, kind: &str) -> Option<&'static str> {
    if LATER.contains(&kind) {
        return None;
    }
    let one = REMOVED_KINDS
        .iter()
        .find(|(v, k, _)| *v == version && *k == kind);
    one.map(|(_, _, since)| *since)
        .or_else(|| REMOVED.iter().find(|(v, _)| *v == version).map(|(_, k)| *k))
}

/// Every pair in a message.
fn pairs(text: &str) -> Vec<Unknown> {
    let plain = text.replace("\\\"", "\"");
    let mut out = Vec::new();
    for part in plain.split("no matches for kind \"").skip(1) {
        let (Some(kind), Some(version)) = (
            part.split('"').next(),
            super::between(part, "in version \"", "\""),
        ) else {
            continue;
        };
        let one = Unknown {
            kind: kind.to_owned(),
            version: version.to_owned(),
        };
        if !out.contains(&one) {
            out.push(one);
        }
    }
    out
}

/// All kinds that somebody asked for and the API server does not know, with what said so.
pub fn unknown(cx: &Context<'_>) -> BTreeMap<Unknown, (Verdict, Vec<Said>)> {
    let mut out: BTreeMap<Unknown, (Verdict, Vec<Said>)> = BTreeMap::new();
    for s in said(
        cx,
        "no matches for kind ",
        "apiserver.no-matches",
        "the API server does not know this kind in this version",
    ) {
        // A controller that runs now has found its kinds since.
        if s.speaker
            .as_ref()
            .is_some_and(|p| cx.cluster.pod(p).is_some_and(|p| p.is_ready()))
            && crate::analysis::said::subject(&s.evidence.text).is_none()
        {
            continue;
        }
        let stored = s.text.contains("current release manifest");
        for one in pairs(&s.text) {
            let verdict = verdict(cx, &one, stored);
            let Some(verdict) = verdict else { continue };
            let entry = out.entry(one).or_insert_with(|| (verdict, Vec::new()));
            entry.1.push(s.clone());
        }
    }
    // A version that is gone does not come back, however well its asker runs.
    for s in said(
        cx,
        "could not find the requested resource (get ",
        "client.kind-not-served",
        "it asks for a version that is not served any more",
    ) {
        let one = listed(&s.text).filter(|one| removed_in(&one.version, &one.kind).is_some());
        if let Some(one) = one {
            let entry = out
                .entry(one)
                .or_insert_with(|| (Verdict::Removed, Vec::new()));
            entry.1.push(s);
        }
    }
    out
}

/// What an informer of client-go asks for in vain: `Failed to list *v1beta1.Ingress: the server could not find the
/// requested resource (get ingresses.extensions)`.
fn listed(text: &str) -> Option<Unknown> {
    let (version, rest) = super::between(text, "*", ":")?.split_once('.')?;
    let group = super::between(text, "(get ", ")")?.split_once('.')?.1;
    let is_version = version.starts_with('v') && version.len() < 12;
    (is_version && rest.chars().all(char::is_alphanumeric)).then(|| Unknown {
        kind: rest.to_owned(),
        version: format!("{group}/{version}"),
    })
}

fn verdict(cx: &Context<'_>, one: &Unknown, stored: bool) -> Option<Verdict> {
    if stored {
        return Some(Verdict::RemovedInRelease);
    }
    if removed_in(&one.version, &one.kind).is_some() {
        return Some(Verdict::Removed);
    }
    let (group, version) = one.version.split_once('/')?;
    if BUILT_IN.contains(&group) {
        return Some(Verdict::NotServed);
    }
    let crd = cx
        .cluster
        .crds
        .iter()
        .find(|c| c.spec.group == group && c.spec.names.kind == one.kind);
    match crd {
        None => Some(Verdict::NoCrd),
        Some(c)
            if c.spec
                .versions
                .iter()
                .any(|v| v.name == version && v.served == Some(true)) =>
        {
            Some(Verdict::Order)
        }
        Some(_) => Some(Verdict::Removed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_kind_and_version() {
        let text = "[unable to recognize \"\": no matches for kind \"A\" in version \"x.io/v1\", no matches for kind \"B\" in version \"y.io/v1\"]";
        assert_eq!(pairs(text).len(), 2);
        let gone = |version: &str, kind: &str| removed_in(version, kind);
        assert_eq!(gone("policy/v1beta1", "PodDisruptionBudget"), Some("1.25"));
        assert_eq!(gone("storage.k8s.io/v1beta1", "StorageClass"), Some("1.22"));
        assert_eq!(
            gone("storage.k8s.io/v1beta1", "CSIStorageCapacity"),
            Some("1.27")
        );
        assert_eq!(
            gone("storage.k8s.io/v1beta1", "VolumeAttributesClass"),
            None
        );
        assert_eq!(gone("policy/v1", "PodDisruptionBudget"), None);
        let line = "factory.go:86: Failed to list *v1beta1.Ingress: the server could not find the requested resource (get ingresses.extensions)";
        let one = listed(line).unwrap();
        assert_eq!(
            (one.kind.as_str(), one.version.as_str()),
            ("Ingress", "extensions/v1beta1")
        );
    }
}
