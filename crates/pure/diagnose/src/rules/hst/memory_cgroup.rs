//! # HST025 The memory control group is not enabled
//!
//! class: memory-cgroup-off
//!
//! ## What it sees
//! k3s, the kubelet or a check that finds no memory control group; `cgroup_disable=memory` on the kernel's
//! command line; a list of controllers without memory.
//! A row of `/proc/cgroups` that has it at 0 is the boot's own switch; a missing row says nothing.
//!
//! ## Why it matters
//! The kubelet does not start without it. Kernels of single-board computers (Raspberry Pi) have it switched
//! off by default.
//!
//! ## What to do
//! Add `cgroup_enable=memory cgroup_memory=1` to the kernel's command line (one line, no line end in it)
//! and reboot.
//!
//! ## What not to do
//! Do not judge by `/proc/cgroups` alone: newer kernels leave memory out of that view and have it.

use crate::analysis::cgroups;
use crate::analysis::host;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST025",
    class: "memory-cgroup-off",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let m = cgroups::memory(cx);
    if !m.v2_has.is_empty() {
        return;
    }
    let hosts = host::by_host(m.missing);
    let shown = !m.off.is_empty() || !m.v2_lacks.is_empty();
    let proof = || m.off.iter().chain(&m.v2_lacks).chain(&m.v1_lacks).cloned();
    for (id, lines) in &hosts {
        let finding = found(id)
            .term(
                if shown { 94 } else { 86 },
                "what needs it does not find it",
            )
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .cite_all(proof())
            .cite_all(own_line(cx));
        out.push(host::claim(cx, finding, id, lines, &[K::ServiceFailing]));
    }
    if hosts.is_empty() && shown {
        let id = host::entity("");
        out.push(
            found(&id)
                .term(80, "the kernel was started without it")
                .cite_all(proof())
                .explains_if(cx, K::ServiceFailing, &id),
        );
    } else if hosts.is_empty() && !m.v1_lacks.is_empty() {
        out.push(
            found(&host::entity(""))
                .term(40, "the view of version 1 lacks it")
                .cite_all(proof())
                .undecided(
                    "Does version 2 have the controller? `/proc/cgroups` of newer kernels leaves it out.",
                    "cat /sys/fs/cgroup/cgroup.controllers; uname -r; cat /proc/cmdline",
                    &["memory-cgroup-off", "cgroup-v1-view-only"],
                ),
        );
    }
}

/// The options on a line of their own in cmdline.txt: boot loaders read the first line only.
/// Source: Raspberry Pi documentation, "The kernel command line".
fn own_line(cx: &Context<'_>) -> Option<defib_model::Evidence> {
    host::lines(
        cx,
        &["cgroup.own-line"],
        "on a line of its own: the boot loader reads the first line only",
    )
    .into_iter()
    .find(|l| l.evidence.line > 1)
    .map(|l| l.evidence)
}

fn found(id: &EntityId) -> Finding {
    RULE.on(id.clone())
        .title(format!("the memory control group is not enabled on {}", host::called(id)))
        .why("The kubelet can't limit memory, and does not start.")
        .safe("What does the kernel have?", "cat /sys/fs/cgroup/cgroup.controllers /proc/cmdline; uname -r")
        .advice("Add cgroup_enable=memory cgroup_memory=1 to the kernel's command line (on a Raspberry Pi /boot/firmware/cmdline.txt, all in one line) and reboot.")
        .dont("Don't judge by /proc/cgroups alone: newer kernels have the controller and leave it out there.")
}
