//! # GIT001 An interrupted operation left the Helm release locked
//!
//! class: helm-release-pending-lock
//!
//! ## What it sees
//! `another operation (install/upgrade/rollback) is in progress`, and the release's last Secret with
//! status pending-install, pending-upgrade or pending-rollback; also as `helm list` shows it, and whoever installs it
//! says that it leaves the release alone.
//!
//! ## Why it matters
//! Helm was killed in the middle (a node restart, an evicted controller, a cancelled job). Nothing runs
//! any more, but the mark stays and every later try is refused.
//!
//! ## What to do
//! Make sure that no Helm runs, then roll back to the last deployed revision; a pending first install
//! has none, and its Secret is deleted after a copy.
//!
//! ## What not to do
//! Do not uninstall the release to get rid of the lock: it takes the workloads along.

use crate::analysis::host;
use crate::analysis::said::{Said, claim, is_ended, past, said, subject};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT001",
    class: "helm-release-pending-lock",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

/// The release's Secret in a pending state: `sh.helm.release.v1.NAME.vN`.
fn lock<'a>(cx: &Context<'a>, name: Option<&str>) -> Option<&'a defib_model::views::Secret> {
    cx.cluster.secrets.iter().find(|s| {
        s.metadata.name.starts_with("sh.helm.release.v1.")
            && s.metadata
                .labels
                .get("status")
                .is_some_and(|v| v.starts_with("pending-"))
            && name.is_none_or(|n| s.metadata.labels.get("name").is_some_and(|v| v == n))
    })
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let all = said(
        cx,
        "another operation (install/upgrade/rollback) is in progress",
        "helm.pending",
        "Helm refuses because it finds its own mark of an operation under way",
    );
    for s in &all {
        let named = s
            .who
            .as_ref()
            .map(|w| {
                (
                    w.namespace().unwrap_or_default().to_owned(),
                    w.name().to_owned(),
                )
            })
            .or_else(|| subject(&s.evidence.text));
        let (ns, name) = named.clone().unwrap_or_default();
        let entity = if name.is_empty() {
            EntityId::other("helm-release", "unnamed")
        } else {
            EntityId::object("HelmRelease", "helm.toolkit.fluxcd.io", &ns, &name)
        };
        if past(cx, &entity) || is_ended(cx, &s.evidence, &["helm.done"]) {
            continue;
        }
        out.push(finding(cx, entity, &ns, &name, Some(s)));
    }
    if all.is_empty() {
        listed(cx, out);
    }
    // Without the message: a pending Secret that is older than any operation takes.
    for secret in cx.cluster.secrets.iter().filter(|_| all.is_empty()) {
        let pending = secret
            .metadata
            .labels
            .get("status")
            .is_some_and(|v| v.starts_with("pending-"));
        if secret.metadata.name.starts_with("sh.helm.release.v1.")
            && pending
            && cx
                .cluster
                .age_seconds(secret.metadata.creation_timestamp)
                .is_some_and(|a| a > 3600)
        {
            let name = secret
                .metadata
                .labels
                .get("name")
                .cloned()
                .unwrap_or_default();
            out.push(finding(
                cx,
                EntityId::other("helm-release", &name),
                &secret.metadata.namespace,
                &name,
                None,
            ));
        }
    }
}

/// What `helm list` shows as pending; an operation that is under way looks like that, too.
fn listed(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let skipped = host::lines(
        cx,
        &["helm.operator-skips"],
        "the release is left alone while it is marked so",
    );
    let rows = host::lines(cx, &["helm.listed-pending"], "marked as under way");
    let names: Vec<(String, String)> = rows
        .iter()
        .map(|l| {
            let mut words = l.group(0).split_ascii_whitespace().map(str::to_owned);
            (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            )
        })
        .collect();
    let unnamed = [(String::new(), String::new())];
    let names: &[(String, String)] = match (names.is_empty(), skipped.is_empty()) {
        (true, true) => return,
        (true, false) => &unnamed,
        _ => &names,
    };
    for (name, ns) in names {
        let entity = EntityId::other(
            "helm-release",
            if name.is_empty() { "unnamed" } else { name },
        );
        let own = |l: &&host::Told<'_>| l.group(0).split_ascii_whitespace().next() == Some(name);
        let finding = finding(cx, entity, ns, name, None)
            .cite_all(rows.iter().filter(own).map(|l| l.evidence.clone()))
            .cite_all(skipped.iter().map(|l| l.evidence.clone()));
        out.push(match skipped.is_empty() {
            false => finding.term(80, "whoever installs it finds the mark and leaves it alone"),
            true => finding.term(45, "the release is marked so").undecided(
                "Does anybody install or upgrade it at this moment?",
                command!("helm history {} -n {}; ps ax | grep -i '[h]elm'; kubectl get jobs,pods -A | grep -i helm", name, ns),
                &["helm-release-pending-lock"],
            ),
        });
    }
}

fn finding(cx: &Context<'_>, entity: EntityId, ns: &str, name: &str, s: Option<&Said>) -> Finding {
    let (n, place) = (
        if name.is_empty() { "RELEASE" } else { name },
        command!(" -n {}", ns),
    );
    let mut f = RULE
        .on(entity)
        .title(format!(
            "Helm release {n} is locked by an operation that was interrupted"
        ))
        .why("No Helm runs any more, but its mark stays, and every later try is refused.")
        .safe(
            "See the history; make sure that nothing runs.",
            command!(
                "helm history {}{}; kubectl get jobs,pods -A | grep -i helm",
                n,
                place
            ),
        )
        .safe(
            "Keep a copy of the release's Secrets.",
            command!(
                "kubectl get secrets{} -l owner=helm,name={} -o yaml > release-copy.yaml",
                place,
                n
            ),
        )
        .check_first(
            "Roll back to the last deployed revision.",
            command!("helm rollback {} REVISION{}", n, place),
        )
        .destructive(
            "A first install that never finished has none: delete its pending Secret.",
            command!("kubectl delete secret{} sh.helm.release.v1.{}.v1", place, n),
        )
        .dont("Don't uninstall the release to get rid of the lock: it takes the workloads along.");
    if let Some(s) = s {
        f = claim(
            cx,
            f.term(85, "Helm finds its own mark of an operation under way"),
            &[s],
        );
        if let Some(who) = &s.who {
            f = f.explains_if(cx, K::ResourceNotReady, who);
        }
    }
    if let Some(secret) = lock(cx, (!name.is_empty()).then_some(name)) {
        f = f
            .term(
                if s.is_some() { 10 } else { 70 },
                "the release's last Secret is in a pending state",
            )
            .cite(cx.field(
                secret.obj,
                "/metadata/labels/status",
                "the mark of the operation",
            ));
    }
    f
}
