//! What is served, as clients discover it.
//!
//! Source: apimachinery `pkg/apis/meta/v1` (APIGroupList, APIResourceList). Deliberately absent: the newer form in
//! one document (`apidiscovery.k8s.io`): clients fall back to this one, which every version of kubectl knows.

use defib_formats::kubernetes;
use serde_json::{Value, json};

use super::catalog::{Catalog, Resource, join};
use super::status::Status;

/// `/`.
pub(super) fn root() -> Value {
    json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})
}

/// `/api`.
pub(super) fn core() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(super) fn groups(catalog: &Catalog) -> Value {
    let all = catalog.groups();
    let groups: Vec<Value> = all.iter().map(|(name, v)| group_of(name, v)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(super) fn group(catalog: &Catalog, name: &str) -> Result<Value, Status> {
    let all = catalog.groups();
    let found = all.iter().find(|(group, _)| *group == name);
    let (_, versions) = found.ok_or_else(Status::no_path)?;
    let mut out = group_of(name, versions);
    if let Some(out) = out.as_object_mut() {
        out.insert("kind".to_owned(), "APIGroup".into());
        out.insert("apiVersion".to_owned(), "v1".into());
    }
    Ok(out)
}

fn group_of(name: &str, versions: &[&str]) -> Value {
    let version = |v: &&str| json!({"groupVersion": join(name, v), "version": v});
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": name, "preferredVersion": versions.first(), "versions": versions})
}

/// `/api/v1`, `/apis/GROUP/VERSION`.
pub(super) fn resources(catalog: &Catalog, group: &str, version: &str) -> Result<Value, Status> {
    let all: Vec<Value> = catalog.of(group, version).map(resource).collect();
    if all.is_empty() {
        return Err(Status::no_path());
    }
    Ok(json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": join(group, version), "resources": all,
    }))
}

fn resource(resource: &Resource) -> Value {
    let mut out = json!({
        "name": resource.plural, "singularName": resource.singular,
        "namespaced": resource.is_namespaced, "kind": resource.kind, "verbs": ["get", "list", "watch"],
    });
    for (field, words) in [
        ("shortNames", &resource.short),
        ("categories", &resource.categories),
    ] {
        if let (false, Some(out)) = (words.is_empty(), out.as_object_mut()) {
            out.insert(field.to_owned(), json!(words));
        }
    }
    out
}

/// `/version`: of the Kubernetes whose types are known here; which one wrote the datastore, nothing in it says.
pub(super) fn version() -> Value {
    let known = kubernetes::version();
    let mut numbers = known.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or("1"), numbers.next().unwrap_or("0"));
    json!({
        "major": major, "minor": minor, "gitVersion": format!("{known}+defib"), "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "",
        "platform": "",
    })
}
