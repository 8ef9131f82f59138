//! # HST026 Only the old view of control groups lacks memory
//!
//! class: cgroup-v1-view-only
//!
//! ## What it sees
//! `/proc/cgroups` without memory (or with it off), or a check that complains of it, while
//! `cgroup.controllers` of version 2 lists it.
//!
//! ## Why it matters
//! It is a false alarm: k3s uses version 2, and there the controller is. Changing the kernel's command line
//! for it changes nothing, and the true cause stays unseen.
//!
//! ## What to do
//! Leave the kernel alone and look for the cause elsewhere.
//!
//! ## What not to do
//! Do not switch the host back to version 1: newer kubelets refuse it.

use super::module_missing::VERSION_1;
use crate::analysis::{cgroups, host};
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST026",
    class: "cgroup-v1-view-only",
    needs: &[],
    leads_to: &[],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    options(cx, out);
    let m = cgroups::memory(cx);
    if m.v2_has.is_empty() || (m.v1_lacks.is_empty() && m.missing.is_empty()) {
        return;
    }
    let id = m
        .missing
        .first()
        .map_or_else(|| host::entity(""), |l| l.host.clone());
    out.push(
        RULE.on(id.clone())
            .title(format!(
                "only the old view of control groups lacks memory on {}: the controller is there",
                host::called(&id)
            ))
            .why("Version 2 has the controller, and that is what k3s and the kubelet use.")
            .term(85, "version 2 lists memory, version 1's view does not")
            .cite_all(m.v1_lacks.into_iter().take(2))
            .cite_all(m.v2_has.into_iter().take(1))
            .cite_all(m.missing.into_iter().map(|l| l.evidence).take(2))
            .safe(
                "See for yourself.",
                "stat -fc %T /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers",
            )
            .dont("Don't switch the host back to version 1: newer kubelets refuse it.")
            .dont("Don't change the kernel's command line for this: look for the cause elsewhere."),
    );
}

/// `k3s check-config` asks for options of version 1 also where the kernel has version 2 alone.
fn options(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let failed: Vec<_> = host::facts(cx, |v| match v {
        Value::Check(name, false, said)
            if name.starts_with("CONFIG_") && said.contains("(fail)") =>
        {
            Some(name.as_str())
        }
        _ => None,
    })
    .collect();
    let only_old = failed.iter().all(|(_, name)| VERSION_1.contains(name));
    let Some((first, _)) = failed.first().filter(|_| only_old) else {
        return;
    };
    let id = host::entity(&first.host);
    let mut finding = RULE
        .on(id.clone())
        .key("options")
        .title(format!(
            "k3s check-config misses only what version 1 of control groups has, on {}",
            host::called(&id)
        ))
        .why("A kernel for version 2 is built without these; freezing, accounting and devices are done in another way there.")
        .term(78, "nothing that version 2 needs is missing")
        .safe(
            "Does the host use version 2 (cgroup2fs)?",
            "stat -fc %T /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers",
        )
        .dont("Don't build another kernel for this: look for the cause elsewhere.");
    for (fact, name) in &failed {
        finding = finding.cite(cx.fact(fact, format!("{name} is of version 1 only")));
    }
    out.push(finding);
}
