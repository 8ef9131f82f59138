//! Facts that several rules ask for, worked out once: claim binding, scheduler messages, references.
//!
//! A rule that needs one of these only looks whether the answer is its own; so rules about the same
//! question exclude each other. Deliberately absent: findings.

pub mod addr;
pub mod aggregation;
pub mod attach;
pub mod authorities;
pub mod binding;
pub mod called;
pub mod calls;
pub mod cgroups;
pub mod clocks;
pub mod datastore;
pub mod drain;
pub mod endpoints;
pub mod enospc;
pub mod etcd;
pub mod fit;
pub mod gitops;
pub mod host;
pub mod image;
pub mod kinds;
pub mod kubelet_words;
pub mod links;
pub mod longhorn;
pub mod nodes;
pub mod oom;
pub mod order;
pub mod peer;
pub mod placement;
pub mod policy;
pub mod probes;
pub mod product;
pub mod quota;
pub mod references;
pub mod registry;
pub mod said;
pub mod scheduling;
pub mod sealed;
pub mod storage;
pub mod token;
pub mod trials;
pub mod webhook;

/// The webhook named in an API server's refusal: `failed calling webhook "NAME": …`.
///
/// Source: kubernetes `staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/errors`.
pub fn webhook_in(message: &str) -> Option<&str> {
    let rest = message.split_once("failed calling webhook \"")?.1;
    rest.split('"').next()
}

/// The text between two marks.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0)
}
