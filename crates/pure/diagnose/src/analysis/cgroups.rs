//! Has the running kernel the memory control group? Two views answer, and only the second counts.
//!
//! `/proc/cgroups` is the view of version 1: newer kernels leave controllers out of it that version 2 has
//! (`cgroup.controllers`). A row that it has is true for both. Deliberately absent: other controllers.

use defib_model::Evidence;

use super::host::{self, Told};
use crate::context::Context;

/// The verdict.
pub struct Memory<'c> {
    /// What a program says that it lacks.
    pub missing: Vec<Told<'c>>,
    /// The view of version 1 has no row for it.
    pub v1_lacks: Vec<Evidence>,
    /// The view of version 2 has it.
    pub v2_has: Vec<Evidence>,
    /// The view of version 2 lacks it.
    pub v2_lacks: Vec<Evidence>,
    /// It was switched off as the kernel started.
    pub off: Vec<Evidence>,
}

/// Looks at all views.
pub fn memory<'c>(cx: &'c Context<'_>) -> Memory<'c> {
    let missing = host::lines(
        cx,
        &[
            "cgroup.memory-missing",
            "cgroup.subsystem-missing",
            "cgroup.required-missing",
            "cgroup.preflight",
            "cgroup.check",
            "cgroup.built-without",
        ],
        "a program finds no memory control group",
    );
    let rows = host::lines(
        cx,
        &["cgroup.v1-row", "cgroup.v1-row-spaced"],
        "the view of version 1",
    );
    // The row's last column is the boot's own switch, whatever version is in use; only a row that is
    // not there says nothing. Source: Linux `kernel/cgroup/cgroup-v1.c` (proc_cgroupstats_show).
    let disabled = rows.iter().filter(|r| r.group(0) == "0").map(|r| {
        let mut e = r.evidence.clone();
        e.meaning = "the kernel was started with it switched off".to_owned();
        e
    });
    let disabled: Vec<Evidence> = disabled.collect();
    let mut v1_lacks: Vec<Evidence> = Vec::new();
    for head in host::lines(
        cx,
        &["cgroup.v1-table"],
        "the view of version 1, without a row for memory",
    ) {
        if !rows.iter().any(|r| r.entry == head.entry) {
            v1_lacks.push(head.evidence);
        }
    }
    let (v2_has, v2_lacks): (Vec<Told>, Vec<Told>) = host::lines(
        cx,
        &["cgroup.v2-controllers"],
        "the controllers of version 2",
    )
    .into_iter()
    .partition(|l| !l.group(0).is_empty());
    let off = host::lines(
        cx,
        &["cgroup.kernel-line"],
        "the kernel's command line switches it off",
    )
    .into_iter()
    // A later word on the line wins; firmware puts its own first.
    .filter(|l| l.text.rfind("cgroup_enable=memory") < l.text.rfind("cgroup_disable=memory"))
    .map(|l| l.evidence)
    .chain(disabled)
    .collect();
    let cited = |lines: Vec<Told>| lines.into_iter().map(|l| l.evidence).collect();
    Memory {
        missing,
        v1_lacks,
        v2_has: cited(v2_has),
        v2_lacks: cited(v2_lacks),
        off,
    }
}
