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

use crate::analysis::{cgroups, host};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST026",
    class: "cgroup-v1-view-only",
    needs: &[],
    leads_to: &[],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
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
