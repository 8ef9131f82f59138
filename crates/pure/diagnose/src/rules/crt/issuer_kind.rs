//! # CRT010 A certificate asks for an issuer of the other kind
//!
//! class: issuer-ref-kind-mismatch
//!
//! ## What it sees
//! cert-manager that does not find an Issuer, while a ClusterIssuer of that name is there; or the other way round.
//! Where neither is shown, it is a candidate.
//!
//! ## Why it matters
//! `issuerRef` without `kind` means an Issuer of the certificate's own namespace, and so does the annotation
//! `cert-manager.io/issuer` of an Ingress. The certificate waits for ever, and the issuer that is there is well.
//!
//! ## What to do
//! Write `kind: ClusterIssuer` into the issuerRef (or use the annotation `cert-manager.io/cluster-issuer`).
//!
//! ## What not to do
//! Do not change the issuer's server or account: nothing asked it yet.

use crate::analysis::said::{self, Said, said};
use crate::rules::prelude::*;
use defib_model::Evidence;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT010",
    class: "issuer-ref-kind-mismatch",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

/// The kind and the name that were not found: `clusterissuer.cert-manager.io "till" not found`.
fn wanted(text: &str) -> Option<(&'static str, String)> {
    let plain = text.replace('\\', "");
    let (head, rest) = plain.split_once("ssuer.cert")?;
    let (_, quoted) = rest.split_once('"')?;
    let (name, behind) = quoted.split_once('"')?;
    let cluster = head.to_ascii_lowercase().ends_with("clusteri");
    let kind = if cluster { "ClusterIssuer" } else { "Issuer" };
    behind
        .trim_start()
        .starts_with("not found")
        .then(|| (kind, name.to_owned()))
}

/// An issuer of this kind and name that is there: an object, or what kubectl said when it was applied.
fn there(cx: &Context<'_>, kind: &str, name: &str, namespace: Option<&str>) -> Option<Evidence> {
    let object = cx.cluster.others.iter().find_map(|o| {
        let object = cx.cluster.object(o.obj)?;
        let of = object.kind.eq_ignore_ascii_case(kind) && object.name == name;
        let near = namespace.is_none_or(|n| object.namespace.is_empty() || object.namespace == n);
        (of && near).then(|| {
            cx.field(
                o.obj,
                "/metadata/name",
                format!("a {kind} of that name is there"),
            )
        })
    });
    object.or_else(|| {
        cx.hits("kubectl.issuer-applied").find_map(|hit| {
            let at = hit.lines.iter().position(|l| {
                let group = |i: usize| l.groups.get(i).map(String::as_str).unwrap_or_default();
                group(0).eq_ignore_ascii_case(kind) && group(1) == name
            })?;
            Some(cx.log(hit, at, format!("a {kind} of that name was applied")))
        })
    })
}

/// What asks for it, where an object shows it.
fn asks(cx: &Context<'_>, name: &str) -> Option<Evidence> {
    cx.cluster.others.iter().find_map(|o| {
        let object = cx.cluster.object(o.obj)?;
        if object.kind != "Certificate" {
            return None;
        }
        let value: serde_json::Value = serde_json::from_slice(&object.json).ok()?;
        let asked = value.pointer("/spec/issuerRef/name")?.as_str()?;
        (asked == name).then(|| cx.field(o.obj, "/spec/issuerRef", "what the certificate asks for"))
    })
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let all = said(
        cx,
        "ssuer.cert",
        "cert-manager.issuer-missing",
        "cert-manager does not find the issuer",
    );
    let mut by_name: std::collections::BTreeMap<(&str, String), Vec<&Said>> = Default::default();
    for s in &all {
        if let Some((kind, name)) = wanted(&s.text) {
            by_name.entry((kind, name)).or_default().push(s);
        }
    }
    for ((kind, name), said) in by_name {
        let other = if kind == "Issuer" {
            "ClusterIssuer"
        } else {
            "Issuer"
        };
        let namespace = said.iter().find_map(|s| s.who.as_ref()?.namespace());
        // Since then it has come.
        if there(cx, kind, &name, namespace).is_some() {
            continue;
        }
        let found = there(cx, other, &name, namespace);
        let known = found.is_some();
        let id = EntityId::object(
            kind,
            "cert-manager.io",
            namespace.unwrap_or_default(),
            &name,
        );
        let mut finding = RULE
            .on(id)
            .title(if known {
                format!("cert-manager looks for {kind} {name}, and there is a {other} of that name")
            } else {
                format!("cert-manager does not find {kind} {name}; perhaps it is a {other}")
            })
            .why("An issuerRef without a kind means an Issuer of the certificate's own namespace.")
            .term(
                if known { 90 } else { 45 },
                if known {
                    "one kind is missing, and the other is there under that name"
                } else {
                    "it is not there, and which kind was meant nothing shows"
                },
            );
        finding = said::claim(cx, finding, &said)
            .cite_all(found)
            .cite_all(asks(cx, &name))
            .safe(
                "Which issuers are there?",
                command!("kubectl get issuer,clusterissuer -A; kubectl get certificate -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,ISSUER:.spec.issuerRef"),
            )
            .advice(format!("Write `kind: {other}` into the issuerRef, or into the annotation of the Ingress."))
            .dont("Don't change the issuer's server or account: nothing asked it yet.");
        if !known {
            finding = finding.undecided(
                format!("Is there a {other} {name}, or no issuer of that name at all?"),
                "kubectl get issuer,clusterissuer -A",
                &["issuer-ref-kind-mismatch"],
            );
        }
        out.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn what_was_not_found_is_read_from_all_versions() {
        for (text, kind, name) in [
            (
                "Referenced \"Issuer\" not found: issuer.cert-manager.io \"till\" not found",
                "Issuer",
                "till",
            ),
            (
                "Issuer issuer.certmanager.k8s.io \"till\" not found does not exist",
                "Issuer",
                "till",
            ),
            (
                "error=\"clusterissuer.cert-manager.io \\\"till\\\" not found\"",
                "ClusterIssuer",
                "till",
            ),
        ] {
            assert_eq!(wanted(text), Some((kind, name.to_owned())), "{text}");
        }
        assert_eq!(wanted("issuer.cert-manager.io \"till\" is ready"), None);
    }
}
