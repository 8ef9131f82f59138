//! # DNS004 k3s has written a packaged object anew, and an edit is gone
//!
//! class: coredns-config-reset-by-k3s
//!
//! ## What it sees
//! An edit of an object that k3s packages (the ConfigMap `coredns`, for one), k3s applying its own manifest
//! of it again, and what the edit was for no longer there.
//!
//! ## Why it matters
//! At every start k3s writes the manifests that it packages and applies them. An edit lives until then, so
//! the fault comes back with each restart or upgrade, long after somebody mended it.
//!
//! ## What to do
//! Put it where k3s leaves it alone: the ConfigMap `coredns-custom` (`*.server` and `*.override` are
//! imported), a HelmChartConfig for charts, or a manifest of your own with the packaged one disabled.
//!
//! ## What not to do
//! Do not edit the file under server/manifests either: it is written anew too.

use defib_model::Evidence;
use defib_model::fact::Value;

use crate::analysis::host;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "DNS004",
    class: "coredns-config-reset-by-k3s",
    needs: &[],
    leads_to: &[K::NameResolutionFailing],
    check,
};

/// Manifests that k3s packages, and the objects in them that people edit.
/// Source: k3s `manifests/`.
const PACKAGED: &[(&str, &[&str])] = &[
    ("coredns", &["coredns"]),
    (
        "local-storage",
        &["local-path-config", "local-path-provisioner", "local-path"],
    ),
    ("metrics-server", &["metrics-server"]),
    ("traefik", &["traefik"]),
];

/// Verbs that change an object in place.
const EDITS: &[&str] = &["edit", "apply", "patch", "replace", "set", "annotate"];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (manifest, objects) in PACKAGED {
        let Some((entry, line, object, edit)) = edited(cx, objects) else {
            continue;
        };
        let again = host::lines(
            cx,
            &["k3s.manifest-applied", "k3s.manifest-written"],
            "k3s applies its own manifest",
        );
        // What was applied ahead of the edit did not undo it.
        let behind = |l: &host::Told<'_>| l.entry != entry || l.line.line > line;
        let mut again = again.into_iter().filter(behind);
        let Some(again) = again.find(|l| l.group(0) == *manifest) else {
            continue;
        };
        // What was there and is not: a name that nobody knows any more.
        let lost: Vec<Evidence> = host::lines(cx, &["dns.no-such-name"], "the name is unknown now")
            .into_iter()
            .filter(|l| *manifest == "coredns" && l.entry == entry && l.line.line > line)
            .map(|l| l.evidence)
            .collect();
        let sure = !lost.is_empty();
        let mut finding = RULE
            .on(match *manifest {
                "coredns" => defib_model::edge::dns(),
                other => EntityId::other("addon", other),
            })
            .title(format!("k3s has written {object} anew at its start: what was edited in it is gone"))
            .why("The edit lives until the next start of k3s, and is lost with it each time.")
            .term(if sure { 80 } else { 45 }, "it was edited in place, and k3s applied its own manifest of it")
            .cite(edit)
            .cite(again.evidence)
            .cite_all(lost)
            .safe("Is the edit still there?", command!("kubectl -n kube-system get configmap {} -o yaml", object))
            .advice("Put it where k3s leaves it alone: the ConfigMap coredns-custom (keys *.server or *.override), or a HelmChartConfig for charts.")
            .dont("Don't edit the file under server/manifests: it is written anew too.");
        for c in cx.all(K::NameResolutionFailing).filter(|_| sure) {
            finding = finding.explains(K::NameResolutionFailing, &c.entity);
        }
        out.push(if sure {
            finding
        } else {
            finding.undecided(
                "Is what was edited still in it?",
                command!("kubectl -n kube-system get configmap {} -o yaml", object),
                &["coredns-config-reset-by-k3s"],
            )
        });
    }
}

/// Where such an object was edited: the file, the line, its name, and what shows it.
fn edited(cx: &Context<'_>, objects: &[&str]) -> Option<(u32, u64, String, Evidence)> {
    let is = |word: &str| {
        let name = word.rsplit('/').next().unwrap_or_default();
        objects.iter().find(|o| **o == name)
    };
    let by_command = host::facts(cx, |v| match v {
        // A HelmChartConfig of the same name is where an edit belongs.
        Value::Ran(words)
            if words.iter().any(|w| EDITS.contains(&w.as_str()))
                && !words.iter().any(|w| w.starts_with("helmchartconfig")) =>
        {
            words.iter().find_map(|w| is(w))
        }
        _ => None,
    })
    .next()
    .map(|(f, o)| {
        (
            f.entry,
            f.line,
            (*o).to_owned(),
            cx.fact(f, "it is edited in place"),
        )
    });
    by_command.or_else(|| {
        host::lines(cx, &["kubectl.edited"], "it was edited in place")
            .into_iter()
            .find_map(|l| {
                let object = (*is(l.group(0))?).to_owned();
                Some((l.entry, l.line.line, object, l.evidence))
            })
    })
}
