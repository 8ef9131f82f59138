//! What another collector says that it could not read: its gaps become ours.
//!
//! Troubleshoot.sh puts the API server's refusals into files of their own, as a list or by namespace
//! (`pkg/collect/cluster_resources.go`, `marshalErrors`), and what a collector failed with beside its name
//! (`pkg/supportbundle`). The words are the API server's; a file's name only counts where its content is
//! nothing but sentences. Deliberately absent: what was refused to the people in the logs.

use std::collections::BTreeMap;

use defib_formats::json::{self, Value};
use defib_model::report::Gap;

/// Longest text that is looked at; such files are small.
const MAX: usize = 1 << 20;

/// The gaps that this entry tells of; none if it is something else.
pub(crate) fn gaps(id: &str, bytes: &[u8]) -> Vec<Gap> {
    if is_page(bytes) {
        let why = "a page of HTML, as a proxy or a login answers; what was asked for is not in it";
        return vec![Gap::new(format!("file {id}"), why)];
    }
    let Some(said) = said(bytes) else {
        return Vec::new();
    };
    if let (Some(name), Some(why)) = (said.get("collector"), said.get("error")) {
        return vec![Gap::new(format!("collector {name}"), why.as_str())];
    }
    let mut refused: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    let mut out = Vec::new();
    for text in said.values() {
        if let Some((user, resource)) = refusal(text) {
            refused.entry(resource).or_insert((user, 0)).1 += 1;
        } else if let Some(groups) = text.split_once(UNSERVED).map(|(_, rest)| rest) {
            out.extend(groups.split(", ").filter_map(unserved));
        } else if is_errors(id) {
            out.push(Gap::new(format!("what {id} is about"), text.as_str()));
        }
    }
    for (resource, (user, count)) in refused {
        let where_ = match count {
            1 => String::new(),
            n => format!(" in {n} namespaces"),
        };
        out.push(
            Gap::new(
                resource,
                format!("user {user} may not list it{where_} (403)"),
            )
            .with_command(format!("kubectl get {resource} -A")),
        );
    }
    out
}

/// Does a page of HTML begin here?
fn is_page(bytes: &[u8]) -> bool {
    let head = bytes.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].iter().any(|tag| {
        head.get(..tag.len())
            .is_some_and(|h| h.eq_ignore_ascii_case(tag))
    })
}

/// The sentences of a list or a map of nothing else, by their place or key.
fn said(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    if bytes.len() > MAX {
        return None;
    }
    let Value::Whole(whole) = json::value(bytes, 0) else {
        return None;
    };
    let text = |value: &Value| match value {
        Value::Whole(r) => json::string_at(bytes, r),
        _ => None,
    };
    let mut out = BTreeMap::new();
    match bytes.get(whole.start) {
        Some(b'[') => {
            for (i, value) in json::elements(bytes, whole.start).enumerate() {
                if !matches!(value, Value::End) {
                    out.insert(format!("{i:06}"), text(&value)?);
                }
            }
        }
        Some(b'{') => {
            for field in json::fields(bytes, whole.start, whole.end) {
                out.insert(field.key.clone(), text(&field.value)?);
            }
        }
        _ => return None,
    }
    Some(out)
}

/// `secrets is forbidden: User "ann" cannot list resource "secrets" in API group "" …`: user and resource.
fn refusal(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once(" is forbidden: User \"")?;
    let (user, rest) = rest.split_once("\" cannot list resource \"")?;
    let (resource, _) = rest.split_once('"')?;
    Some((user, resource))
}

const UNSERVED: &str = "unable to retrieve the complete list of server APIs: ";

/// `metrics.k8s.io/v1beta1: the server is currently unable to handle the request`: a group without a server.
fn unserved(text: &str) -> Option<Gap> {
    let (group_version, why) = text.split_once(": ")?;
    let (group, version) = group_version.split_once('/')?;
    Some(
        Gap::new(format!("API group {group_version}"), why)
            .with_command(format!("kubectl get apiservice {version}.{group}")),
    )
}

fn is_errors(id: &str) -> bool {
    let name = id.rsplit('/').next().unwrap_or(id);
    ["-errors.json", "-error.json"]
        .iter()
        .any(|e| name.ends_with(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(id: &str, text: &str) -> Vec<String> {
        gaps(id, text.as_bytes())
            .into_iter()
            .map(|g| format!("{}: {}", g.what, g.why))
            .collect()
    }

    #[test]
    fn refusals_are_told_once_per_resource() {
        let by_namespace = r#"{"a": "leases.coordination.k8s.io is forbidden: User \"ann\" cannot list resource \"leases\" in API group \"coordination.k8s.io\" in the namespace \"a\"",
 "b": "leases.coordination.k8s.io is forbidden: User \"ann\" cannot list resource \"leases\" in API group \"coordination.k8s.io\" in the namespace \"b\""}"#;
        assert_eq!(
            told("x.json", by_namespace),
            ["leases: user ann may not list it in 2 namespaces (403)"]
        );
        assert_eq!(
            told(
                "x.json",
                r#"["nodes is forbidden: User \"ann\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"]"#
            ),
            ["nodes: user ann may not list it (403)"]
        );
    }

    #[test]
    fn groups_and_collectors() {
        assert_eq!(
            told(
                "groups-resources-errors.json",
                r#"["unable to retrieve the complete list of server APIs: a.example/v1: stale GroupVersion discovery: a.example/v1, b.example/v2: down"]"#
            ),
            [
                "API group a.example/v1: stale GroupVersion discovery: a.example/v1",
                "API group b.example/v2: down"
            ]
        );
        assert_eq!(
            told("e.json", r#"{"collector":"etcd","error":"no etcd here"}"#),
            ["collector etcd: no etcd here"]
        );
        assert_eq!(
            told("b/app-errors.json", r#"["no host assigned"]"#),
            ["what b/app-errors.json is about: no host assigned"]
        );
    }

    #[test]
    fn a_page_is_told() {
        let told = told("pods.yaml", "\n<!DOCTYPE html>\n<p>kind: Pod</p>\n");
        assert!(told.len() == 1 && told[0].contains("HTML"), "{told:?}");
    }

    #[test]
    fn other_words_are_no_gaps() {
        assert_eq!(told("x.json", r#"["one", "two"]"#), [""; 0]);
        assert_eq!(told("x-errors.json", r#"["one", 2]"#), [""; 0]);
        assert_eq!(told("x.json", "{}"), [""; 0]);
        assert_eq!(told("x.json", "null"), [""; 0]);
    }
}
