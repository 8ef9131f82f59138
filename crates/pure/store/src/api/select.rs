//! Label and field selectors, in the text form in which they are asked.
//!
//! Sources: apimachinery `pkg/labels/selector.go`, `pkg/fields/selector.go`, and the fields that each kind of
//! Kubernetes offers (`pkg/apis/*/v1/conversion.go`). Deliberately absent: matching of labels (`model`).

use defib_model::selector::{Labels, Requirement};
use serde_json::Value;

use super::catalog::Resource;
use super::status::Status;
use super::value;

/// Demands of one selector; more are no honest question.
const DEMANDS: usize = 1_024;

/// What objects must be like.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldDemand>,
}

/// One demand on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldDemand {
    path: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads both.
    pub(super) fn parse(labels: &str, fields: &str, of: &Resource) -> Result<Self, Status> {
        let fields = parse_fields(fields).ok_or_else(|| {
            Status::bad_request(format!("unable to parse the field selector {fields:?}"))
        })?;
        if let Some(unknown) = fields.iter().find(|f| !offers(of, &f.path)) {
            let message = format!("field label not supported: {}", unknown.path);
            return Err(Status::bad_request(message));
        }
        let labels = parse_labels(labels).ok_or_else(|| {
            Status::bad_request(format!("unable to parse the label selector {labels:?}"))
        })?;
        Ok(Self { labels, fields })
    }

    /// Does it ask for nothing?
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// May an object of this name fit? Asked before its value is read.
    pub(super) fn may_take(&self, namespace: &str, name: &str) -> bool {
        self.fields.iter().all(|f| match f.path.as_str() {
            "metadata.name" => (f.value == name) == f.equal,
            "metadata.namespace" => (f.value == namespace) == f.equal,
            _ => true,
        })
    }

    /// Does this object fit?
    pub(super) fn takes(&self, object: &Value) -> bool {
        if !self.fields.iter().all(|f| f.takes(object)) {
            return false;
        }
        if self.labels.is_empty() {
            return true;
        }
        let mut labels = Labels::new();
        let said = value::at(object, "metadata.labels").as_object();
        for (name, value) in said.into_iter().flatten() {
            labels.insert(name.clone(), value::plain(value));
        }
        self.labels.iter().all(|r| r.matches(&labels))
    }
}

impl FieldDemand {
    fn takes(&self, object: &Value) -> bool {
        let said = value::at(object, &self.path);
        let said = match (self.path.as_str(), said) {
            // Fields under another name than where they stand, and what Go says of what is not there.
            ("source", _) => value::text_or(
                object,
                "source.component",
                value::text(object, "reportingComponent"),
            )
            .to_owned(),
            ("reportingComponent", Value::Null) => {
                value::text(object, "reportingController").to_owned()
            }
            ("status.successful", _) => value::number(object, "status.succeeded").to_string(),
            ("spec.hostNetwork" | "spec.unschedulable", Value::Null) => "false".to_owned(),
            ("status.replicas", Value::Null) => "0".to_owned(),
            (_, said) => value::plain(said),
        };
        (said == self.value) == self.equal
    }
}

/// Does a kind offer this field to selectors?
fn offers(resource: &Resource, path: &str) -> bool {
    if path == "metadata.name" {
        return true;
    }
    if path == "metadata.namespace" {
        // The one group whose kinds do not say that they know it (`pkg/apis/certificates/*/conversion.go`).
        return resource.group != "certificates.k8s.io";
    }
    if let Some(custom) = &resource.custom {
        return custom.selectable.iter().any(|field| field == path);
    }
    let offered: &[&str] = match (&*resource.group, &*resource.plural) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "secrets") => &["type"],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &["status.replicas"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("batch", "jobs") => &["status.successful"],
        ("certificates.k8s.io", "certificatesigningrequests" | "clustertrustbundles") => {
            &["spec.signerName"]
        }
        ("certificates.k8s.io", "podcertificaterequests") => {
            &["spec.signerName", "spec.podName", "spec.nodeName"]
        }
        ("resource.k8s.io", "resourceslices") => &["spec.nodeName", "spec.driver"],
        _ => &[],
    };
    offered.contains(&path)
}

/// `a=b,c!=d`; a backslash keeps the character behind it.
fn parse_fields(text: &str) -> Option<Vec<FieldDemand>> {
    let mut out = Vec::new();
    for term in split_unescaped(text) {
        if term.is_empty() {
            continue;
        }
        let (path, value, equal) = if let Some((path, value)) = term.split_once("!=") {
            (path, value, false)
        } else if let Some((path, value)) = term.split_once("==") {
            (path, value, true)
        } else {
            let (path, value) = term.split_once('=')?;
            (path, value, true)
        };
        if out.len() == DEMANDS {
            return None;
        }
        out.push(FieldDemand {
            path: path.to_owned(),
            value: value
                .replace("\\,", ",")
                .replace("\\=", "=")
                .replace("\\\\", "\\"),
            equal,
        });
    }
    Some(out)
}

/// The terms between commas that no backslash keeps.
fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut out, mut begin, mut kept) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == ',' && !kept {
            out.extend(text.get(begin..at));
            begin = at + 1;
        }
        kept = c == '\\' && !kept;
    }
    out.extend(text.get(begin..));
    out
}

/// `a=b,c!=d,e,!f,g in (h,i),j notin (k),l>1,m<2`.
fn parse_labels(text: &str) -> Option<Vec<Requirement>> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if out.len() == DEMANDS {
            return None;
        }
        let (requirement, behind) = parse_label(rest)?;
        out.push(requirement);
        rest = behind.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(out)
}

/// One demand, and what stands behind it.
fn parse_label(text: &str) -> Option<(Requirement, &str)> {
    let demand = |key: &str, operator: &str, values: Vec<String>| Requirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values,
    };
    if let Some(rest) = text.strip_prefix('!') {
        let (key, rest) = word(rest.trim_start());
        return (!key.is_empty()).then(|| (demand(key, "DoesNotExist", Vec::new()), rest));
    }
    let (key, rest) = word(text);
    if key.is_empty() {
        return None;
    }
    let rest = rest.trim_start();
    for (sign, operator) in [
        ("==", "In"),
        ("=", "In"),
        ("!=", "NotIn"),
        (">", "Gt"),
        ("<", "Lt"),
    ] {
        if let Some(rest) = rest.strip_prefix(sign) {
            let (value, rest) = word(rest.trim_start());
            return Some((demand(key, operator, vec![value.to_owned()]), rest));
        }
    }
    for (sign, operator) in [("in", "In"), ("notin", "NotIn")] {
        let list = rest
            .strip_prefix(sign)
            .and_then(|r| r.trim_start().strip_prefix('('));
        if let Some((values, rest)) = list.and_then(|l| l.split_once(')')) {
            let values = values.split(',').map(|v| v.trim().to_owned()).collect();
            return Some((demand(key, operator, values), rest));
        }
    }
    Some((demand(key, "Exists", Vec::new()), rest))
}

/// The letters of a label's name or value, and what stands behind them.
fn word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')))
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn takes(labels: &str) -> bool {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front", "n": "5"}}});
        let labels = parse_labels(labels).unwrap();
        let fields = Vec::new();
        Selector { labels, fields }.takes(&object)
    }

    #[test]
    fn labels_are_asked_as_kubectl_asks() {
        for yes in [
            "",
            "app=web",
            "app==web",
            "app = web , tier",
            "app!=db",
            "!gone",
            "app in (web, db)",
            "app notin (db),tier in (front)",
            "n>4",
            "n<6",
            "gone!=x",
            "in!=a",
        ] {
            assert!(takes(yes), "{yes}");
        }
        for no in [
            "app=db",
            "!app",
            "gone",
            "app in (db)",
            "app notin (web)",
            "n>5",
            "app=web,tier=back",
            "app=",
        ] {
            assert!(!takes(no), "{no}");
        }
        for bad in [
            "=",
            "app=web tier",
            "app in web",
            "app=web)",
            "!",
            "a=b,,c",
            "ä=b",
            &"a,".repeat(5_000),
        ] {
            assert_eq!(parse_labels(bad), None, "{}", &bad[..bad.len().min(20)]);
        }
    }

    #[test]
    fn fields_are_asked_as_describe_asks() {
        let event = json!({
            "metadata": {"name": "e", "namespace": "n"},
            "involvedObject": {"name": "p", "uid": "u"}, "source": {"component": "kubelet"}
        });
        let takes = |text: &str| {
            let fields = parse_fields(text).unwrap();
            let labels = Vec::new();
            Selector { labels, fields }.takes(&event)
        };
        assert!(takes(
            "involvedObject.name=p,involvedObject.uid==u,involvedObject.kind!=Node"
        ));
        assert!(takes("source=kubelet,metadata.name=e,"));
        assert!(!takes("involvedObject.name=q") && !takes("reason=x"));
        assert_eq!(parse_fields("a"), None);
        assert_eq!(parse_fields("a=b\\,c").unwrap()[0].value, "b,c");
    }

    #[test]
    fn a_node_that_says_nothing_is_schedulable() {
        let fields = parse_fields("spec.unschedulable=false").unwrap();
        let labels = Vec::new();
        assert!(Selector { labels, fields }.takes(&json!({"spec": {}})));
    }
}
