//! # WRK005 The program demands an environment variable that the pod does not set
//!
//! class: env-var-missing
//!
//! ## What it sees
//! A container that ends again and again, a log that names an environment variable as missing, and a pod
//! spec that does not set it.
//!
//! ## Why it matters
//! The program is right to stop. After a change of chart or image the name is often only spelt otherwise.
//!
//! ## What to do
//! Set the variable in the pod template (`env`, or a key of what `envFrom` names).
//!
//! ## What not to do
//! Do not set it to an empty value to get past the check.

use crate::analysis::called::called;
use crate::rules::prelude::*;
use defib_model::views::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK005",
    class: "env-var-missing",
    needs: &["container logs"],
    leads_to: &[K::ContainerCrashLoop],
    check,
};

/// Words of programs that go on without the variable.
const GOES_ON: &[&str] = &[
    "default",
    "warn",
    "optional",
    "skipping",
    "ignor",
    "falling back",
    "fallback",
    "disabled",
];

/// What the pod's spec says about a variable.
enum Supply {
    Set,
    Unset,
    /// It is wired to a key that is not there, and may be missing: this ConfigMap and key.
    Absent(defib_model::cluster::ObjId, String),
    Unknown,
}

/// What a Python traceback shows when the missing key is one of the environment: `os.environ[…]`, or the
/// frame of CPython's `os` module that raises.
const ENVIRONMENT: &[&str] = &["environ", "getenv", "<frozen os>", "os.py", "env(", "env["];

/// Does the end of the container's log show that the environment was asked? Nothing without a log.
fn asks_environment(cx: &Context<'_>, id: &EntityId, container: &str) -> Option<bool> {
    let tail = cx.tail(id, container)?;
    Some(
        tail.lines
            .iter()
            .any(|l| ENVIRONMENT.iter().any(|w| l.text.contains(w))),
    )
}

fn supply(cx: &Context<'_>, pod: &Pod, container: &str, name: &str) -> Supply {
    let ns = &pod.metadata.namespace;
    let mut all = pod
        .spec
        .all_containers()
        .filter(|(_, c)| container.is_empty() || c.name == container)
        .peekable();
    if all.peek().is_none() {
        return Supply::Unknown;
    }
    let mut unknown = false;
    for (_, c) in all {
        if let Some(env) = c.env.iter().find(|e| e.name == name) {
            let referred = env.value_from.secret_key_ref.is_some()
                || env.value_from.config_map_key_ref.is_some();
            let optional = env
                .value_from
                .secret_key_ref
                .iter()
                .chain(&env.value_from.config_map_key_ref)
                .any(|r| r.optional == Some(true));
            // A value in place may be empty; fields and resources (valueFrom of other kinds) are always there.
            return if referred && optional {
                let map = env.value_from.config_map_key_ref.as_ref().and_then(|r| {
                    let map = cx
                        .cluster
                        .config_maps
                        .iter()
                        .find(|m| m.metadata.name == r.name && &m.metadata.namespace == ns)?;
                    (!map.has_key(&r.key)).then(|| Supply::Absent(map.obj, r.key.clone()))
                });
                map.unwrap_or(Supply::Unknown)
            } else {
                Supply::Set
            };
        }
        for from in &c.env_from {
            let has = |keys: Option<bool>| match keys {
                Some(true) => Some(Supply::Set),
                Some(false) => None,
                None => Some(Supply::Unknown),
            };
            let secret = from.secret_ref.as_ref().and_then(|r| {
                let known = cx
                    .cluster
                    .secrets
                    .iter()
                    .find(|s| s.metadata.name == r.name && &s.metadata.namespace == ns);
                has(known.map(|s| s.has_key(name)))
            });
            let map = from.config_map_ref.as_ref().and_then(|r| {
                let known = cx
                    .cluster
                    .config_maps
                    .iter()
                    .find(|m| m.metadata.name == r.name && &m.metadata.namespace == ns);
                has(known.map(|m| m.has_key(name)))
            });
            match secret.or(map) {
                Some(Supply::Set) => return Supply::Set,
                Some(_) => unknown = true,
                None => {}
            }
        }
    }
    if unknown {
        Supply::Unknown
    } else {
        Supply::Unset
    }
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for hit in cx
        .heard()
        .filter(|h| h.signal.starts_with("app.env-missing."))
    {
        let Some(id) = &hit.entity else { continue };
        let loops = cx.has(K::ContainerCrashLoop, id).is_some();
        let pod = cx.cluster.pod(id);
        if pod.is_some() && !loops {
            continue;
        }
        for (i, line) in hit.lines.iter().enumerate() {
            let low = line.text.to_ascii_lowercase();
            let Some(name) = line.groups.iter().find(|g| !g.is_empty()) else {
                continue;
            };
            if GOES_ON.iter().any(|w| low.contains(w)) {
                continue;
            }
            // The provisioner sets these for its helper; nobody else does.
            if name.starts_with("VOL_") && cx.hits("local-path.helper-variable").next().is_some() {
                continue;
            }
            let supply = pod.map_or(Supply::Unknown, |p| supply(cx, p, &hit.container, name));
            if matches!(supply, Supply::Set) {
                continue;
            }
            // A KeyError may be about any dictionary: only the spec makes it an environment variable.
            if hit.signal == "app.env-missing.python" && !matches!(supply, Supply::Unset) {
                continue;
            }
            if let (Supply::Absent(map, key), Some(pod)) = (&supply, pod) {
                let said = cx.log(hit, i, "the program stops for want of its value");
                out.push(super::configmap_key_missing::optional(
                    cx, pod, *map, key, said,
                ));
                continue;
            }
            let owner = cx.top_owner(id);
            let ns = id.namespace().unwrap_or_default();
            let mut finding = RULE
                .on(owner.clone())
                .key(name.clone())
                .title(format!(
                    "{} stops for want of the environment variable {name}",
                    called(&owner)
                ))
                .why("The program checks its settings and ends; nothing else is broken.")
                .term(72, format!("its log names {name} as missing"))
                .cite(cx.log(hit, i, "the program says which variable it wants"))
                .explains_observed(cx, &[K::ContainerCrashLoop], id)
                .safe(
                    "See what the pod sets.",
                    command!("kubectl set env pod/{} -n {} --list", id.name(), ns),
                )
                .check_first(
                    "Set it in the template.",
                    command!(
                        "kubectl set env {}/{} -n {} {}=VALUE",
                        owner.kind(),
                        owner.name(),
                        ns,
                        name
                    ),
                )
                .dont("Don't set it to an empty value to get past the check.");
            if hit.signal == "app.env-missing.python"
                && asks_environment(cx, id, &hit.container) == Some(false)
            {
                finding = finding.undecided(
                    format!("Is {name} a variable of the environment, or a key of the program's own data?"),
                    command!("kubectl logs {} -n {} -c {} --previous --tail=40", id.name(), ns, hit.container),
                    &["env-var-missing"],
                );
            }
            if let (Some(pod), Supply::Unset) = (pod, supply) {
                finding = finding.term(20, "the pod's spec does not set it");
                if let Some((path, c)) = pod
                    .spec
                    .all_containers()
                    .find(|(_, c)| c.name == hit.container)
                {
                    let field = if c.env.is_empty() { "name" } else { "env" };
                    finding = finding.cite(cx.field(
                        pod.obj,
                        &format!("/spec/{path}/{field}"),
                        "all that this container is given",
                    ));
                }
            }
            out.push(finding);
        }
    }
}
