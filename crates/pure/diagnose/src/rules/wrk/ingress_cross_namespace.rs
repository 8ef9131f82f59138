//! # WRK017 A route refers to something in another namespace, and Traefik forbids that
//!
//! class: ingress-cross-namespace-forbidden
//!
//! ## What it sees
//! Traefik's own log: a route of its custom resources names a middleware, a service or TLS options of another
//! namespace, and the provider is not allowed to follow (`allowCrossNamespace`, off since Traefik 2.5).
//!
//! ## Why it matters
//! Traefik drops the whole router: its address answers 404, while every object is there and well spelt.
//!
//! ## What to do
//! Put what is referred to into the route's namespace. Where namespaces may share, allow it
//! (`providers.kubernetesCRD.allowCrossNamespace=true`) and name the namespace in its own field; the form
//! `namespace-name@kubernetescrd` stays refused.
//!
//! ## What not to do
//! Do not allow it on a cluster that several parties use: every namespace can then use the others'
//! middlewares and services.

use crate::analysis::host::{self, Told};
use crate::rules::prelude::*;
use defib_model::Evidence;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK017",
    class: "ingress-cross-namespace-forbidden",
    needs: &[],
    leads_to: &[],
    check,
};

/// A field of a structured line: `ingress=till`, `"ingress":"till"`.
fn field<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let marks = [
        format!("\"{key}\":\""),
        format!("\"{key}\": \""),
        format!(" {key}="),
    ];
    let rest = marks
        .iter()
        .find_map(|m| line.split_once(m.as_str()))
        .map(|(_, rest)| rest.trim_start_matches('"'))?;
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
        .unwrap_or(rest.len());
    rest.get(..end).filter(|v| !v.is_empty())
}

/// The route's own words, where an object shows them.
fn written(cx: &Context<'_>, name: &str) -> Option<Evidence> {
    let bare = name.rsplit('/').next().unwrap_or(name);
    cx.cluster.others.iter().find_map(|o| {
        let object = cx.cluster.object(o.obj)?;
        if !object.kind.starts_with("IngressRoute") {
            return None;
        }
        let value: serde_json::Value = serde_json::from_slice(&object.json).ok()?;
        let routes = value.pointer("/spec/routes")?.as_array()?;
        routes.iter().enumerate().find_map(|(i, route)| {
            ["middlewares", "services"].iter().find_map(|list| {
                let all = route.get(*list)?.as_array()?;
                let at = all
                    .iter()
                    .position(|m| m.get("name").and_then(|n| n.as_str()) == Some(bare))?;
                let pointer = format!("/spec/routes/{i}/{list}/{at}/name");
                Some(cx.field(o.obj, &pointer, "what the route refers to"))
            })
        })
    })
}

/// The route, where the line names it.
fn route(line: &Told<'_>) -> EntityId {
    match (field(&line.text, "ingress"), field(&line.text, "namespace")) {
        (Some(name), Some(ns)) => EntityId::object("IngressRoute", "traefik.io", ns, name),
        _ => EntityId::other("ingress-controller", "traefik"),
    }
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for line in host::lines(
        cx,
        &[
            "traefik.cross-namespace",
            "traefik.other-namespace",
            "traefik.service-elsewhere",
        ],
        "Traefik refuses to follow the reference",
    ) {
        let (what, name) = (line.group(0).to_owned(), line.group(1).to_owned());
        let id = route(&line);
        let of = match id.kind() {
            "ingress-controller" => "a route".to_owned(),
            _ => format!("route {}", id.name()),
        };
        out.push(
            RULE.on(id)
                .key(format!("{what} {name}"))
                .title(format!("{of} refers to {what} {name} of another namespace, which Traefik is set not to follow"))
                .why("Traefik drops the whole router; its address answers 404 although every object is there.")
                .term(92, "Traefik's own log says that references across namespaces are off")
                .cite(line.evidence.clone())
                .cite_all(written(cx, &name))
                .safe("How is the provider set?", "kubectl -n kube-system get deployment traefik -o yaml | grep -i -A1 crossnamespace")
                .advice("Put what is referred to into the route's namespace.")
                .check_first(
                    "Or allow it, and name the namespace in its own field.",
                    "helm upgrade traefik traefik/traefik --reuse-values --set providers.kubernetesCRD.allowCrossNamespace=true   # packaged with k3s: a HelmChartConfig",
                )
                .dont("Don't allow it where several parties share the cluster: each can then use the others' middlewares and services."),
        );
    }
}
